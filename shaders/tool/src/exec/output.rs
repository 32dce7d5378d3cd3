//! What `exec` writes.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use gfx1100_interpreter::{Outcome, Stop, WaveState};
use serde_json::{Map, Value, json};

use super::input::{Input, LANES};

/// The final state.
pub(crate) fn render(outcome: &Outcome, input: &Input) -> Result<Value> {
    let waves = &outcome.waves;
    let mut output = Map::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            output.insert(key.to_owned(), value);
        }
    };
    set("sgprs", sgprs(waves));
    set("vgprs", vgprs(waves));
    set("exec", per_wave(waves, |wave| Some(wave.exec)));
    set("vcc", per_wave(waves, |wave| wave.vcc[0]));
    set("vcc_hi", per_wave(waves, |wave| wave.vcc[1]));
    set("scc", per_wave(waves, |wave| wave.scc.map(u32::from)));
    set("m0", per_wave(waves, |wave| wave.m0));
    set("mode", per_wave(waves, |wave| Some(wave.mode.0)));
    set("lds", Value::String(hex(&outcome.lds)));
    set("memory", memory(input)?);
    set("waves", json!(waves.len()));
    set("pc", per_wave(waves, |wave| Some(wave.pc)));
    set("steps", json!(outcome.report.instructions));
    if let Some(stop) = &outcome.stop {
        set("error", error(stop));
    }
    Ok(Value::Object(output))
}

fn error(stop: &Stop) -> Value {
    json!({
        "rule": stop.rule.name(),
        "pc": stop.pc,
        "instruction": stop.instruction,
        "wave": stop.wave,
        "lane": stop.lane,
        "message": stop.message,
    })
}

/// The value of one wave, or a list of those of several; null if no wave has one.
fn per_wave(waves: &[WaveState], value: impl Fn(&WaveState) -> Option<u32>) -> Value {
    let values: Vec<Option<u32>> = waves.iter().map(value).collect();
    match values.as_slice() {
        [one] => json!(one),
        all if all.iter().all(Option::is_none) => Value::Null,
        all => json!(all),
    }
}

fn sgprs(waves: &[WaveState]) -> Value {
    let known: BTreeSet<u8> = waves
        .iter()
        .flat_map(|wave| wave.sgprs.keys())
        .copied()
        .collect();
    let value = |register: &u8| per_wave(waves, |wave| wave.sgprs.get(register).copied());
    known
        .iter()
        .map(|register| (register.to_string(), value(register)))
        .collect()
}

fn vgprs(waves: &[WaveState]) -> Value {
    let known: BTreeSet<u8> = waves
        .iter()
        .flat_map(|wave| wave.vgprs.keys())
        .copied()
        .collect();
    let lanes = |register: &u8| {
        let lanes = |wave: &WaveState| wave.vgprs.get(register).copied().unwrap_or([None; LANES]);
        waves.iter().flat_map(lanes).collect::<Vec<_>>()
    };
    known
        .iter()
        .map(|register| (register.to_string(), json!(lanes(register))))
        .collect()
}

fn memory(input: &Input) -> Result<Value> {
    let range = |(base, len): (u64, u64)| {
        let bytes = input.memory.bytes(base, len as usize);
        let bytes = bytes.map_err(|fault| anyhow!("{base:#x}: {}", fault.reason))?;
        Ok(json!({"addr": base, "bytes": hex(&bytes)}))
    };
    input.memory.ranges().map(range).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
