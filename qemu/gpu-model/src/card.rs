//! The card: blocks put together, and the accesses of the bus led to them.

mod bus;

use std::sync::Arc;

use amdgpu_registers::{Info, Ip, Register, nbif};

use crate::caches::Caches;
use crate::clock::{ACCESS_NS, Clock};
use crate::counters::Counters;
use crate::discovery;
use crate::fabric::{Block, Event, Fabric, Scope};
use crate::fault::{FaultKind, Faults};
use crate::gfx::Gfx;
use crate::gmc::{self, Gmc};
use crate::hdp::Hdp;
use crate::host::HostMemory;
use crate::ih::Ih;
use crate::journal::{Access, Journal, Place};
use crate::nbio::Nbio;
use crate::pci::{Pci, Slot};
use crate::psp::Psp;
use crate::register_file::{At, RegisterFile};
use crate::rule::{Level, Violation, rules};
use crate::sdma::Sdma;
use crate::smu::Smu;
use crate::vram::Vram;

rules! { Nbio:
    UNKNOWN_REGISTER, "unknown-register", "only registers that are known to exist are accessed",
        "the tables of amdgpu-registers hold what Linux and tinygrad access";
    REGISTER_WIDTH, "register-width", "registers are accessed as aligned dwords",
        "BAR5 is a 32-bit register aperture; Linux and tinygrad access it by dwords only";
}

/// Hears a report.
type Listener = Box<dyn FnMut(&str) + Send>;

/// The whole model.
pub struct Card {
    pub(crate) fabric: Fabric,
    pub(crate) pci: Pci,
    pub(crate) nbio: Nbio,
    pub(crate) psp: Psp,
    pub(crate) smu: Smu,
    pub(crate) ih: Ih,
    pub(crate) gmc: Gmc,
    pub(crate) gfx: Gfx,
    pub(crate) sdma: Sdma,
    /// The rule that stopped the card. From then on it is off the bus.
    stopped: Option<Violation>,
    /// It left the bus, as the fault asked for.
    removed: bool,
    /// Hears of it when a rule stops the card.
    listener: Option<Listener>,
}

impl Card {
    /// A card as firmware leaves a posted one: PSP waits in its bootloader.
    ///
    /// # Errors
    /// If the process may not have the address space for video memory.
    pub fn new(level: Level, host: Arc<dyn HostMemory>) -> std::io::Result<Self> {
        let fabric = Fabric {
            level,
            registers: RegisterFile::new(),
            vram: Vram::new()?,
            hdp: Hdp::default(),
            host,
            clock: Clock::default(),
            journal: Journal::default(),
            faults: Faults::default(),
            events: Vec::new(),
            tolerated: std::collections::BTreeMap::new(),
            bus_master: false,
            mmu: crate::gmc::Mmu::default(),
            caches: Caches::new()?,
            counters: Counters::default(),
        };
        let mut card = Self {
            fabric,
            pci: Pci::new(Slot::Express, true),
            nbio: Nbio::default(),
            psp: Psp::default(),
            smu: Smu::default(),
            ih: Ih::default(),
            gmc: Gmc,
            gfx: Gfx::default(),
            sdma: Sdma::default(),
            stopped: None,
            removed: false,
            listener: None,
        };
        card.fabric.events.push(Event::Reset(Scope::Card));
        card.settle()?;
        Ok(card)
    }

    /// The rule that stopped the card, if one did.
    #[must_use]
    pub fn stopped(&self) -> Option<&Violation> {
        self.stopped.as_ref()
    }

    /// Calls `listener` with a report when a rule stops the card.
    pub fn on_stop(&mut self, listener: impl FnMut(&str) + Send + 'static) {
        self.listener = Some(Box::new(listener));
    }

    /// Writes every access from now on to `trace`, one a line.
    pub fn trace(&mut self, trace: impl std::io::Write + Send + Sync + 'static) {
        self.fabric.journal.trace(Box::new(trace));
    }

    /// Hands on what the trace's writer holds back.
    pub fn flush_trace(&mut self) {
        self.fabric.journal.flush();
    }

    /// What stopped the card, with the accesses before it, the last one at the end.
    #[must_use]
    pub fn report(&self) -> Option<String> {
        let violation = self.stopped.as_ref()?;
        let rule = &violation.rule;
        let mut report = format!(
            "the card stopped: {violation}\n  source: {}\n  last accesses:\n",
            rule.source
        );
        for entry in self.fabric.journal.entries() {
            report.push_str(&format!("    {entry}\n"));
        }
        Some(report)
    }

    /// The last accesses.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.fabric.journal
    }

    /// Rules that were broken as real cards let pass, with how often.
    pub fn tolerated(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.fabric
            .tolerated
            .iter()
            .map(|(name, times)| (*name, *times))
    }

    /// The faults that are to come.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.fabric.faults
    }

    /// Whether the card no longer answers.
    fn gone(&self) -> bool {
        self.removed || self.stopped.is_some()
    }

    /// The same when something outside accesses the card, which is an occasion for its removal.
    fn off_the_bus(&mut self) -> bool {
        self.removed |= self.fabric.faults.happens(FaultKind::Removal);
        self.gone()
    }

    pub(crate) fn stop(&mut self, violation: Violation) {
        if self.stopped.is_none() {
            self.stopped = Some(violation);
            let report = self.report();
            if let (Some(listener), Some(report)) = (&mut self.listener, report) {
                listener(&report);
            }
        }
    }

    /// Lets blocks act on what others told, until there is nothing more to tell.
    fn settle(&mut self) -> std::io::Result<()> {
        while !self.fabric.events.is_empty() {
            for event in std::mem::take(&mut self.fabric.events) {
                if event == Event::Reset(Scope::Card) {
                    self.fabric.vram.clear()?;
                    self.fabric.caches = Caches::new()?;
                    self.fabric.registers.reset(|_| true);
                    self.fabric.hdp = Hdp::default();
                    discovery::write(&self.fabric.vram);
                }
                let fabric = &mut self.fabric;
                let blocks: [&mut dyn Block; 6] = [
                    &mut self.nbio,
                    &mut self.psp,
                    &mut self.smu,
                    &mut self.gmc,
                    &mut self.ih,
                    &mut self.sdma,
                ];
                let mut results = blocks
                    .into_iter()
                    .map(|block| block.event(event, fabric))
                    .collect::<Vec<_>>();
                results.push(self.gfx.event(event, fabric));
                for violation in results.into_iter().filter_map(Result::err) {
                    self.stop(violation);
                }
            }
        }
        Ok(())
    }

    /// Reads a register by its dword address, from BAR5 or an indirect window.
    pub fn register_read(&mut self, dword: u32) -> u32 {
        if self.gone() {
            return u32::MAX;
        }
        self.fabric.clock.pass(ACCESS_NS);
        let found = self.fabric.registers.find(dword);
        if let Some((_, info)) = found {
            self.fabric.counters.register(info.register.ip, false);
        }
        let result = match found {
            Some((at, info)) => self.read(at, info),
            None if Nbio::flushes(dword, &self.fabric).is_some() => Ok(0),
            None => self
                .fabric
                .broken(UNKNOWN_REGISTER, format_args!("read of dword {dword:#x}"))
                .map(|()| 0),
        };
        let place = found.map_or(Place::Unknown(dword), |(at, info)| {
            Place::Register(named(at, info))
        });
        let value = result.unwrap_or_else(|violation| {
            self.stop(violation);
            u32::MAX
        });
        self.fabric
            .journal
            .note(self.fabric.clock.ns(), place, Access::Read, value.into());
        self.after();
        value
    }

    /// Writes a register by its dword address, from BAR5 or an indirect window.
    pub fn register_write(&mut self, dword: u32, value: u32) {
        if self.gone() {
            return;
        }
        self.fabric.clock.pass(ACCESS_NS);
        let found = self.fabric.registers.find(dword);
        let place = found.map_or(Place::Unknown(dword), |(at, info)| {
            Place::Register(named(at, info))
        });
        self.fabric
            .journal
            .note(self.fabric.clock.ns(), place, Access::Write, value.into());
        if let Some((_, info)) = found {
            self.fabric.counters.register(info.register.ip, true);
        }
        let result = match found {
            Some((at, info)) => self.write(at, info, value),
            None => match Nbio::flushes(dword, &self.fabric) {
                Some(memory) => {
                    if memory {
                        self.fabric.hdp_flush();
                    }
                    Ok(())
                }
                None => self.fabric.broken(
                    UNKNOWN_REGISTER,
                    format_args!("write of {value:#x} to dword {dword:#x}"),
                ),
            },
        };
        if let Err(violation) = result {
            self.stop(violation);
        }
        self.after();
    }

    fn after(&mut self) {
        loop {
            if self.settle().is_err() {
                // Without address space for video memory there is no card.
                self.removed = true;
            }
            if self.stopped.is_some() || self.removed || !self.resume() {
                return;
            }
        }
    }

    /// Lets queues that wait look again. Whether any went on.
    fn resume(&mut self) -> bool {
        let mut progress = false;
        for result in [
            self.gfx.resume(&mut self.fabric),
            self.sdma.resume(&mut self.fabric),
        ] {
            match result {
                Ok(went_on) => progress |= went_on,
                Err(violation) => self.stop(violation),
            }
        }
        progress || !self.fabric.events.is_empty()
    }

    /// What the card did.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.fabric.counters
    }

    /// Which block answers for a register.
    fn block(&mut self, info: &Info) -> (&mut dyn Block, &mut Fabric) {
        let fabric = &mut self.fabric;
        let block: &mut dyn Block = match info.register.ip {
            Ip::Mp0 => &mut self.psp,
            Ip::Mp1 => &mut self.smu,
            Ip::Osssys => &mut self.ih,
            Ip::Nbif | Ip::Hdp | Ip::Smuio => &mut self.nbio,
            Ip::Mmhub => &mut self.gmc,
            Ip::Gc if gmc::is_hubs(info) => &mut self.gmc,
            Ip::Gc if info.name.starts_with("SDMA") => &mut self.sdma,
            Ip::Gc => &mut self.gfx,
        };
        (block, fabric)
    }

    fn read(&mut self, at: At, info: &'static Info) -> Result<u32, Violation> {
        let value = self.fabric.registers.get(named(at, info));
        match at.register {
            nbif::BIF_BX_PF0_RSMU_DATA | nbif::BIF_BX0_PCIE_DATA | nbif::BIF_BX0_PCIE_DATA2 => {
                let target = self.nbio.indirect(at, &mut self.fabric)?;
                Ok(self.register_read(target))
            }
            nbif::BIF_BX_PF0_MM_DATA => {
                let mut data = [0; 4];
                let offset = self.nbio.mm_address(&mut self.fabric)?;
                Nbio::memory_open(&mut self.fabric)?;
                self.fabric.cpu_read(offset, &mut data)?;
                Ok(u32::from_le_bytes(data))
            }
            _ => {
                let (block, fabric) = self.block(info);
                block.read(at, value, fabric)
            }
        }
    }

    fn write(&mut self, at: At, info: &'static Info, value: u32) -> Result<(), Violation> {
        match at.register {
            nbif::BIF_BX_PF0_RSMU_DATA | nbif::BIF_BX0_PCIE_DATA | nbif::BIF_BX0_PCIE_DATA2 => {
                let target = self.nbio.indirect(at, &mut self.fabric)?;
                self.register_write(target, value);
                Ok(())
            }
            nbif::BIF_BX_PF0_MM_DATA => {
                let offset = self.nbio.mm_address(&mut self.fabric)?;
                Nbio::memory_open(&mut self.fabric)?;
                self.fabric.cpu_write(offset, &value.to_le_bytes())
            }
            _ => {
                if info.register.ip == Ip::Gc {
                    self.gfx.check_up(named(at, info), &mut self.fabric)?;
                }
                let (block, fabric) = self.block(info);
                block.write(at, value, fabric)
            }
        }
    }
}

/// The register itself, of those that repeat.
fn named(at: At, info: &Info) -> Register {
    info.register.plus(at.index * info.stride)
}

#[cfg(test)]
pub(crate) mod tests {
    use amdgpu_registers::nbif;

    use super::*;
    use crate::rig::{Case, Rig};

    pub(crate) const CASES: &[Case] = &[
        Case {
            rule: UNKNOWN_REGISTER,
            breaks: |rig| rig.card.bar_write(5, 0x3_0000, &[0; 4]),
            keeps: |rig| rig.write(nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 1),
        },
        Case {
            rule: REGISTER_WIDTH,
            breaks: |rig| rig.card.bar_write(5, 0x8000, &[0; 8]),
            keeps: |rig| rig.write(nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 1),
        },
    ];

    #[test]
    fn a_removed_card_reads_as_ones_and_hears_nothing() {
        let mut rig = Rig::new();
        rig.card.faults().add(FaultKind::Removal, 3);
        rig.write(nbif::BIF_BX0_INTERRUPT_CNTL2, 7);
        assert_eq!(rig.read(nbif::BIF_BX0_INTERRUPT_CNTL2), 7);
        // The third access is the one at which it is gone.
        assert_eq!(rig.read(nbif::BIF_BX0_INTERRUPT_CNTL2), u32::MAX);
        rig.write(nbif::BIF_BX0_INTERRUPT_CNTL2, 8);
        let mut data = [0; 8];
        rig.card.bar_read(0, 0, &mut data);
        assert_eq!(data, [0xff; 8]);
        assert_eq!(rig.card.config_read(0, 4), u32::MAX);
        assert_eq!(rig.card.stopped(), None, "nobody broke a rule");
    }

    #[test]
    fn a_card_that_a_rule_stopped_reports_the_accesses_before() {
        let mut rig = Rig::new();
        let (sender, reports) = std::sync::mpsc::channel();
        rig.card.on_stop(move |report| {
            sender.send(report.to_owned()).expect("the test listens");
        });
        rig.write(nbif::BIF_BX0_INTERRUPT_CNTL2, 7);
        rig.card.bar_write(5, 0x3_0000, &[0; 4]);
        rig.card.bar_write(5, 0x3_0004, &[0; 4]);
        let reports: Vec<_> = reports.try_iter().collect();
        let [report] = reports.as_slice() else {
            panic!("one report: {reports:?}");
        };
        assert!(report.contains("unknown-register"), "{report}");
        assert!(
            report.contains("BIF_BX0_INTERRUPT_CNTL2 <- 0x7"),
            "{report}"
        );
        assert_eq!(
            rig.read(nbif::BIF_BX0_INTERRUPT_CNTL2),
            u32::MAX,
            "it is off the bus"
        );
    }

    #[test]
    fn a_trace_has_every_access() {
        #[derive(Clone, Default)]
        struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("no panic").extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut rig = Rig::new();
        let trace = Shared::default();
        rig.card.trace(trace.clone());
        for _ in 0..3 {
            rig.read(nbif::BIF_BX0_INTERRUPT_CNTL2);
        }
        rig.card.bar_write(0, 16, &[0; 32]);
        rig.card.config_read(0, 4);
        let text = trace.0.lock().expect("no panic").clone();
        let text = String::from_utf8(text).expect("text");
        assert_eq!(
            text.matches("BIF_BX0_INTERRUPT_CNTL2 -> 0x0").count(),
            3,
            "{text}"
        );
        assert!(text.contains("video memory 0x10, bytes <- 0x20"), "{text}");
        assert!(text.contains("config 0x0 -> 0x744c1002"), "{text}");
    }

    /// A generator of numbers that repeats from its seed (xorshift).
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, end: u64) -> u64 {
            self.next() % end
        }
    }

    /// One access that some driver gone wrong might do: of any place, width and value, but often near what exists.
    fn access(card: &mut Card, known: &[u64], random: &mut Random) {
        let bar = [0, 2, 5, 5, 5, 5, 1, 6][random.below(8) as usize];
        let wild = random.below(16) == 0;
        let (offset, bytes) = match (bar, random.below(4)) {
            _ if wild => (random.next(), random.below(70) as usize),
            (5, 0) => (random.below(0x20) * 4, 4),
            (5, 1) => (random.below(1 << 18) * 4, 4),
            (5, _) => (known[random.below(known.len() as u64) as usize], 4),
            (2, _) => (random.below(0x80) * 8, 8),
            _ => (random.below(1 << 20), random.below(70) as usize),
        };
        let value = random.next().to_le_bytes().repeat(9);
        match random.below(8) {
            0 if wild => card.config_write(offset as u32, bytes as u32, random.next() as u32),
            0 => card.config_write(random.below(0x40) as u32 * 4, 4, random.next() as u32),
            1 => {
                card.config_read(random.below(0x400) as u32 * 4, 4);
            }
            2 => card.post(random.below(2) == 0),
            3..6 => card.bar_write(bar, offset, &value[..bytes]),
            _ => card.bar_read(bar, offset, &mut vec![0; bytes]),
        }
    }

    #[test]
    fn no_access_makes_the_model_panic() {
        use amdgpu_registers::{Bases, tables};
        let known: Vec<u64> = tables()
            .into_iter()
            .flatten()
            .flat_map(|info| (0..info.count).map(|n| info.register.plus(n * info.stride)))
            .filter_map(|register| crate::NAVI31.address(register))
            .map(|dword| u64::from(dword) * 4)
            .filter(|byte| *byte < 1 << 20)
            .collect();
        let mut stopped = std::collections::BTreeSet::new();
        for seed in 1..=400 {
            let level = [Level::Strict, Level::Hardware][seed as usize % 2];
            let mut card = Card::new(level, Arc::new(crate::NoHost)).expect("address space");
            let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            for _ in 0..300 {
                access(&mut card, &known, &mut random);
                if let Some(violation) = card.stopped() {
                    stopped.insert(violation.rule.name);
                    break;
                }
            }
        }
        assert!(stopped.len() > 5, "the accesses reach rules: {stopped:?}");
    }
}
