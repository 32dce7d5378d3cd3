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

    /// The time line in Chrome's trace format: an event for each dispatch, with what it did.
    #[must_use]
    pub fn trace(&self) -> String {
        let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
        text.push_str("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"RX 7900 XTX model\"}}");
        for dispatch in &self.line {
            let Dispatch {
                began,
                ended,
                code,
                workgroups,
                threads,
                vgprs,
                lds,
                report,
            } = dispatch;
            let traffic = &report.traffic;
            let clocks = report.card_clocks();
            let busy = dispatch.waves().min(SLOTS);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"{code:#x}\",\"ts\":{:.3},\"dur\":{:.3},\"args\":{{\
                 \"workgroups\":{workgroups:?},\"threads\":{threads:?},\"waves\":{},\"waves at once\":{busy},\
                 \"occupancy\":{},\"vgprs\":{vgprs},\"lds\":{lds},\"clocks\":{clocks},\"instructions\":{},\
                 \"vector bytes loaded\":{},\"vector bytes stored\":{},\"scalar bytes\":{},\"lds bytes\":{},\
                 \"scratch bytes\":{}",
                *began as f64 / 1e3,
                (ended - began) as f64 / 1e3,
                dispatch.waves(),
                dispatch.occupancy(),
                report.instructions,
                traffic.loaded,
                traffic.stored,
                traffic.scalar,
                traffic.lds_loaded + traffic.lds_stored,
                traffic.scratch_loaded + traffic.scratch_stored,
            );
            for (class, count) in &report.by_class {
                let _ = write!(text, ",\"{class:?}\":{count}");
            }
            text.push_str("}}");
        }
        text.push_str("\n]}\n");
        text
    }
}
