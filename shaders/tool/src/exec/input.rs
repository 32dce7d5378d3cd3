//! What `exec` reads.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use gfx1100_interpreter::{MAX_SCRATCH, Machine, Mode, Regions, WaveState};
use serde_json::{Map, Value};

/// Lanes of a wave.
pub(crate) const LANES: usize = 32;
/// Waves of a workgroup of 1024 threads.
const MAX_WAVES: u64 = 32;
const MAX_LDS: u64 = 65536;
const MAX_STEPS: u64 = 1_000_000;
/// Bytes of all ranges of memory together: they are kept here, whether written or not.
const MAX_MEMORY: u64 = 1 << 28;

/// The keys of the input, and those of a range of its memory.
const KEYS: &[&str] = &[
    "code",
    "sgprs",
    "vgprs",
    "exec",
    "vcc",
    "vcc_hi",
    "m0",
    "scc",
    "mode",
    "pc",
    "lds",
    "lds_bytes",
    "memory",
    "scratch_bytes",
    "vgpr_count",
    "waves",
    "max_steps",
    "strict",
];
const RANGE_KEYS: &[&str] = &["addr", "bytes", "size"];

/// A parsed input.
pub(crate) struct Input {
    pub(crate) code: Vec<u8>,
    pub(crate) machine: Machine,
    pub(crate) memory: Regions,
    pub(crate) vgpr_count: u32,
    pub(crate) max_steps: u64,
    pub(crate) strict: bool,
}

impl Input {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("stdin is no JSON")?;
        let Value::Object(map) = value else {
            bail!("a JSON object was expected");
        };
        let mut keys = Keys::new(map, KEYS).context("the input")?;
        let code = keys.take("code").context("\"code\" is missing")?;
        let code = hex(&code).context("\"code\"")?;
        let waves = keys.number("waves", 1, MAX_WAVES)?;
        ensure!(waves > 0, "\"waves\": at least one was expected");
        let states = states(&mut keys, waves as usize)?;
        let lds = match keys.take("lds") {
            Some(value) => hex(&value).context("\"lds\"")?,
            None => Vec::new(),
        };
        let lds_bytes = keys.number("lds_bytes", lds.len() as u64, MAX_LDS)? as usize;
        ensure!(
            lds.len() <= lds_bytes && lds_bytes as u64 <= MAX_LDS,
            "\"lds_bytes\": {lds_bytes}, with {} bytes of lds; at most {MAX_LDS} in all",
            lds.len()
        );
        let memory = memory(keys.take("memory")).context("\"memory\"")?;
        Ok(Self {
            code,
            memory,
            vgpr_count: keys.number("vgpr_count", 256, 256)? as u32,
            max_steps: keys.number("max_steps", MAX_STEPS, u64::MAX)?,
            strict: match keys.take("strict") {
                None => true,
                Some(Value::Bool(strict)) => strict,
                Some(other) => bail!("\"strict\": true or false was expected, not {other}"),
            },
            machine: Machine {
                waves: states,
                lds_undefined: lds_bytes - lds.len(),
                lds,
                scratch_bytes: keys.number("scratch_bytes", 0, MAX_SCRATCH.into())? as usize,
            },
        })
    }
}

/// Keys that nobody took yet.
struct Keys(Map<String, Value>);

impl Keys {
    /// Those of an object that has no keys but known ones.
    fn new(map: Map<String, Value>, known: &[&str]) -> Result<Self> {
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => bail!("{key:?} is no key here; there are {}", known.join(", ")),
            None => Ok(Self(map)),
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    fn number(&mut self, key: &str, default: u64, max: u64) -> Result<u64> {
        let Some(value) = self.take(key) else {
            return Ok(default);
        };
        let number = number(&value).with_context(|| format!("{key:?}"))?;
        ensure!(number <= max, "{key:?}: {number} is more than {max}");
        Ok(number)
    }

    /// A value for each wave; `None` where it is not given or null.
    fn per_wave(&mut self, key: &str, waves: usize) -> Result<Vec<Option<u32>>> {
        match self.take(key) {
            None => Ok(vec![None; waves]),
            Some(value) => per_wave(&value, waves).with_context(|| format!("{key:?}")),
        }
    }
}

fn per_wave(value: &Value, waves: usize) -> Result<Vec<Option<u32>>> {
    match value {
        Value::Array(values) => {
            ensure!(
                values.len() == waves,
                "{} values; one, or one for each of {waves} waves, was expected",
                values.len()
            );
            values.iter().map(word).collect()
        }
        value => Ok(vec![word(value)?; waves]),
    }
}

/// The registers of all waves.
fn states(keys: &mut Keys, waves: usize) -> Result<Vec<WaveState>> {
    let mut states = vec![WaveState::default(); waves];
    let named = ["exec", "vcc", "vcc_hi", "m0", "scc", "mode", "pc"];
    let mut values = BTreeMap::new();
    for key in named {
        values.insert(key, keys.per_wave(key, waves)?);
    }
    for (wave, state) in states.iter_mut().enumerate() {
        let value = |key: &str| values[key][wave];
        state.exec = value("exec").unwrap_or(state.exec);
        state.vcc = [value("vcc"), value("vcc_hi")];
        state.m0 = value("m0");
        state.scc = match value("scc") {
            None => None,
            Some(scc @ (0 | 1)) => Some(scc == 1),
            Some(other) => bail!("\"scc\": 0 or 1 was expected, not {other}"),
        };
        state.mode = value("mode").map_or(state.mode, Mode);
        state.pc = value("pc").unwrap_or(0);
    }
    for (register, value) in registers(keys.take("sgprs"), 's', 105).context("\"sgprs\"")? {
        let values = per_wave(&value, waves).with_context(|| format!("\"sgprs\": s{register}"))?;
        for (state, value) in states.iter_mut().zip(values) {
            if let Some(value) = value {
                state.sgprs.insert(register, value);
            }
        }
    }
    for (register, value) in registers(keys.take("vgprs"), 'v', 255).context("\"vgprs\"")? {
        let lanes = lanes(&value, waves).with_context(|| format!("\"vgprs\": v{register}"))?;
        for (state, lanes) in states.iter_mut().zip(lanes) {
            state.vgprs.insert(register, lanes);
        }
    }
    Ok(states)
}

/// Register numbers and values of an object with keys like `7` or `s7`.
fn registers(value: Option<Value>, letter: char, last: u8) -> Result<BTreeMap<u8, Value>> {
    let map = match value {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => bail!("an object was expected, not {other}"),
    };
    let mut registers = BTreeMap::new();
    for (key, value) in map {
        let digits = key.strip_prefix(letter).unwrap_or(&key);
        let number = digits.parse::<u8>().ok().filter(|number| *number <= last);
        let number = number.with_context(|| {
            format!("{key:?}: a register from {letter}0 to {letter}{last} was expected")
        })?;
        let before = registers.insert(number, value);
        ensure!(before.is_none(), "{key:?}: the register is given twice");
    }
    Ok(registers)
}

/// The lanes of a VGPR in each wave.
fn lanes(value: &Value, waves: usize) -> Result<Vec<[Option<u32>; LANES]>> {
    let Value::Array(values) = value else {
        return Ok(vec![[word(value)?; LANES]; waves]);
    };
    let values: Vec<Option<u32>> = values.iter().map(word).collect::<Result<_>>()?;
    let (chunks, rest) = values.as_chunks::<LANES>();
    match chunks {
        [one] if rest.is_empty() => Ok(vec![*one; waves]),
        all if rest.is_empty() && all.len() == waves => Ok(all.to_vec()),
        _ => bail!(
            "{} values; {LANES}, or {LANES} for each of {waves} waves, were expected",
            values.len()
        ),
    }
}

fn memory(value: Option<Value>) -> Result<Regions> {
    let mut memory = Regions::new();
    let ranges = match value {
        None => return Ok(memory),
        Some(Value::Array(ranges)) => ranges,
        Some(other) => bail!("a list was expected, not {other}"),
    };
    let mut total = 0;
    for range in ranges {
        let Value::Object(map) = range else {
            bail!("{{\"addr\": n, \"bytes\": hex}} was expected, not {range}");
        };
        let mut keys = Keys::new(map, RANGE_KEYS)?;
        let address = keys.take("addr").context("\"addr\" is missing")?;
        let address = number(&address).context("\"addr\"")?;
        let bytes = keys.take("bytes").map(|value| hex(&value)).transpose();
        let bytes = bytes.context("\"bytes\"")?.unwrap_or_default();
        let size = keys.number("size", bytes.len() as u64, MAX_MEMORY)?;
        ensure!(size > 0, "\"bytes\" is missing or empty");
        total += size;
        ensure!(total <= MAX_MEMORY, "more than {MAX_MEMORY} bytes in all");
        ensure!(
            size >= bytes.len() as u64,
            "\"size\" is less than \"bytes\""
        );
        let declare = |memory: &mut Regions| {
            memory.add_undefined(address, size)?;
            if bytes.is_empty() {
                return Ok(());
            }
            gfx1100_interpreter::Memory::write(memory, address, &bytes)
        };
        declare(&mut memory).map_err(|fault| anyhow!("{address:#x}: {}", fault.reason))?;
    }
    Ok(memory)
}

/// An integer, or a string of hexadecimal digits after `0x`.
fn number(value: &Value) -> Result<u64> {
    let parsed = match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_i64().map(|number| number as u64)),
        Value::String(text) => text
            .strip_prefix("0x")
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok()),
        _ => None,
    };
    parsed.with_context(|| format!("an integer or \"0x..\" was expected, not {value}"))
}

/// A register's value; a negative number is its two's complement, null is undefined.
fn word(value: &Value) -> Result<Option<u32>> {
    if value.is_null() {
        return Ok(None);
    }
    let wide = number(value)?;
    let negative = i32::try_from(wide as i64).is_ok();
    if negative || u32::try_from(wide).is_ok() {
        Ok(Some(wide as u32))
    } else {
        bail!("{value} does not fit 32 bits")
    }
}

/// Bytes from hex digits; white space between them is skipped.
fn hex(value: &Value) -> Result<Vec<u8>> {
    let Value::String(text) = value else {
        bail!("hex digits were expected, not {value}");
    };
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| {
            character
                .to_digit(16)
                .with_context(|| format!("{character:?} is no hex digit"))
        })
        .collect::<Result<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    ensure!(rest.is_empty(), "an odd number of hex digits");
    Ok(pairs
        .iter()
        .map(|[high, low]| (high << 4 | low) as u8)
        .collect())
}
