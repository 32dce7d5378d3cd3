//! What the card counts, and the time line of its dispatches as JSON that Perfetto opens.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use amdgpu_registers::Ip;
use gfx1100_interpreter::{Report, Traffic};

/// Dispatches that the time line keeps.
const KEPT: usize = 1 << 16;
/// Wave slots of the card: 96 compute units of 2 SIMDs with 16 waves.
const SLOTS: u64 = 96 * 2 * 16;
/// VGPRs of a SIMD, in units that one wave of 32 lanes allocates from.
const SIMD_VGPRS: u32 = 1536;

/// Bytes that shaders moved, by where they came from: what a level did not have, in lines of 128 bytes. What they asked GL0
/// and the scalar cache for is [`Traffic`]'s. Caches here lose nothing by themselves, so the lower levels of a card move more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// From GL1 to GL0 and to the scalar cache.
    pub gl1: u64,
    /// From GL2 to GL1.
    pub gl2: u64,
    /// From video memory to GL2.
    pub memory: u64,
    /// From or to video memory past all caches, by bytes.
    pub uncached: u64,
    /// From or to the machine's memory, by bytes.
    pub host: u64,
}

/// A dispatch that ended.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Nanoseconds of the model's time.
    pub began: u64,
    /// The same at its end.
    pub ended: u64,
    /// Address of its program.
    pub code: u64,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// Threads of a workgroup.
    pub threads: [u32; 3],
    /// VGPRs of a wave.
    pub vgprs: u32,
    /// Bytes of LDS of a workgroup.
    pub lds: u32,
    /// Bytes that its waves moved, by level.
    pub levels: Levels,
    /// What its waves did.
    pub report: Report,
}

impl Dispatch {
    /// Waves in all.
    #[must_use]
    pub fn waves(&self) -> u64 {
        let threads: u64 = self.threads.iter().map(|size| u64::from(*size)).product();
        let groups: u64 = self
            .workgroups
            .iter()
            .map(|count| u64::from(*count))
            .product();
        groups.saturating_mul(threads.div_ceil(32))
    }

    /// Waves that a SIMD could hold at once, of 16, by registers and LDS.
    #[must_use]
    pub fn occupancy(&self) -> u32 {
        let threads: u32 = self.threads.iter().product();
        let waves = threads.div_ceil(32).max(1);
        let by_vgprs = SIMD_VGPRS / (self.vgprs.div_ceil(24) * 24).max(24);
        // Four SIMDs share the 128 KiB of a work-group processor.
        let groups = 131_072u32.checked_div(self.lds);
        let by_lds = groups.map_or(16, |groups| (groups * waves).div_ceil(4));
        by_vgprs.min(by_lds).min(16)
    }
}

impl Dispatch {
    /// What the time line says of it, by name.
    fn numbers(&self) -> [(&'static str, u64); 18] {
        let Self { levels, report, .. } = self;
        let traffic = &report.traffic;
        [
            ("waves", self.waves()),
            ("waves at once", self.waves().min(SLOTS)),
            ("occupancy, waves of 16", self.occupancy().into()),
            ("vgprs", self.vgprs.into()),
            ("lds bytes of a workgroup", self.lds.into()),
            ("clocks", report.card_clocks()),
            ("instructions", report.instructions),
            ("GL0 bytes loaded", traffic.loaded),
            ("GL0 bytes stored", traffic.stored),
            ("scalar bytes loaded", traffic.scalar),
            ("LDS bytes loaded", traffic.lds_loaded),
            ("LDS bytes stored", traffic.lds_stored),
            (
                "scratch bytes",
                traffic.scratch_loaded + traffic.scratch_stored,
            ),
            ("GL1 bytes fetched", levels.gl1),
            ("GL2 bytes fetched", levels.gl2),
            ("video memory bytes fetched", levels.memory),
            ("uncached bytes", levels.uncached),
            ("host memory bytes", levels.host),
        ]
    }
}

/// What the card did since power-on.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Dispatches that ended.
    pub dispatches: u64,
    /// Waves of them.
    pub waves: u64,
    /// Instructions of them.
    pub instructions: u64,
    /// The same by class.
    pub by_class: BTreeMap<String, u64>,
    /// Bytes that waves moved.
    pub traffic: Traffic,
    /// The same by level.
    pub levels: Levels,
    /// Bytes that packets had written back from GL2 to video memory.
    pub written_back: u64,
    /// Bytes that SDMA engines moved.
    pub sdma_bytes: u64,
    /// Accesses of registers by block: reads, writes.
    pub registers: BTreeMap<Ip, (u64, u64)>,
    line: Vec<Dispatch>,
}

impl Counters {
    pub(crate) fn dispatch(&mut self, dispatch: Dispatch) {
        self.dispatches += 1;
        self.waves += dispatch.waves();
        self.instructions += dispatch.report.instructions;
        for (class, count) in &dispatch.report.by_class {
            *self.by_class.entry(format!("{class:?}")).or_default() += count;
        }
        let (sum, more) = (&mut self.traffic, &dispatch.report.traffic);
        sum.loaded += more.loaded;
        sum.stored += more.stored;
        sum.scalar += more.scalar;
        sum.lds_loaded += more.lds_loaded;
        sum.lds_stored += more.lds_stored;
        sum.scratch_loaded += more.scratch_loaded;
        sum.scratch_stored += more.scratch_stored;
        let (sum, more) = (&mut self.levels, &dispatch.levels);
        sum.gl1 += more.gl1;
        sum.gl2 += more.gl2;
        sum.memory += more.memory;
        sum.uncached += more.uncached;
        sum.host += more.host;
        if self.line.len() < KEPT {
            self.line.push(dispatch);
        }
    }

    pub(crate) fn register(&mut self, ip: Ip, writes: bool) {
        let (reads, writes_so_far) = self.registers.entry(ip).or_default();
        if writes {
            *writes_so_far += 1;
        } else {
            *reads += 1;
        }
    }

    /// The dispatches that ended, the first ones if there were very many.
    #[must_use]
    pub fn dispatched(&self) -> &[Dispatch] {
        &self.line
    }

    /// The time line in the Trace Event Format of Chrome, which Perfetto opens: an event for each dispatch, with what it did.
    #[must_use]
    pub fn trace(&self) -> String {
        let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        let names = [
            ("process_name", "RX 7900 XTX model"),
            ("thread_name", "dispatches"),
        ];
        for (n, (kind, name)) in names.into_iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            // Writing to a string cannot fail, here and below.
            let _ = write!(
                text,
                "{comma}\n{{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"{kind}\",\"args\":{{\"name\":\"{name}\"}}}}"
            );
        }
        for dispatch in &self.line {
            let _ = write!(
                text,
                ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"{:#x}\",\"ts\":{:.3},\"dur\":{:.3},\"args\":{{",
                dispatch.code,
                dispatch.began as f64 / 1e3,
                (dispatch.ended - dispatch.began) as f64 / 1e3,
            );
            let [workgroups, threads] = [dispatch.workgroups, dispatch.threads];
            let _ = write!(
                text,
                "\"workgroups\":{workgroups:?},\"threads\":{threads:?}"
            );
            for (name, value) in dispatch.numbers() {
                let _ = write!(text, ",\"{name}\":{value}");
            }
            for (class, count) in &dispatch.report.by_class {
                let _ = write!(text, ",\"{class:?} instructions\":{count}");
            }
            text.push_str("}}");
        }
        text.push_str("\n]}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// Fails unless a text is a JSON object in the Trace Event Format, as far as complete and metadata events go: "Trace Event
    /// Format", 2016, sections "JSON Object Format", "Complete Events", "Metadata Events". How often each `ph` comes.
    fn events(text: &str) -> BTreeMap<String, usize> {
        let trace: Value = serde_json::from_str(text).expect("JSON");
        assert!(matches!(
            trace["displayTimeUnit"].as_str(),
            Some("ms" | "ns")
        ));
        let mut kinds = BTreeMap::new();
        for event in trace["traceEvents"].as_array().expect("a list") {
            let kind = event["ph"].as_str().expect("each event has a phase");
            *kinds.entry(kind.to_owned()).or_default() += 1;
            let name = event["name"].as_str().expect("a name");
            assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            assert!(event["args"].is_object(), "{event}");
            match kind {
                "X" => {
                    let time = |field: &str| event[field].as_f64().expect("microseconds");
                    assert!(time("ts") >= 0.0 && time("dur") >= 0.0, "{event}");
                }
                "M" => {
                    assert!(["process_name", "thread_name"].contains(&name), "{event}");
                    assert!(event["args"]["name"].is_string(), "{event}");
                }
                _ => panic!("{event}"),
            }
        }
        kinds
    }

    #[test]
    fn the_time_line_is_in_the_trace_event_format() {
        let mut counters = Counters::default();
        assert_eq!(events(&counters.trace()), [("M".to_owned(), 2)].into());
        for n in 0..3 {
            counters.dispatch(Dispatch {
                began: 1000 * n,
                ended: 1000 * n + 999,
                code: 0x2000_0000_4000,
                workgroups: [7, 1, 1],
                threads: [64, 1, 1],
                vgprs: 24,
                lds: 512,
                levels: Levels {
                    memory: 128,
                    ..Levels::default()
                },
                report: Report::default(),
            });
        }
        let text = counters.trace();
        let counted = [("M".to_owned(), 2), ("X".to_owned(), 3)].into();
        assert_eq!(events(&text), counted);
        let trace: Value = serde_json::from_str(&text).expect("JSON");
        let second = &trace["traceEvents"][3];
        assert_eq!(
            (&second["ts"], &second["dur"]),
            (&1.0.into(), &0.999.into())
        );
        let names = [
            "waves",
            "occupancy, waves of 16",
            "video memory bytes fetched",
        ];
        let args = names.map(|name| second["args"][name].as_u64());
        assert_eq!(args, [Some(14), Some(16), Some(128)]);
    }
}
