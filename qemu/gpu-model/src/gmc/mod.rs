//! Memory hubs: what an engine's address means, and the accesses of engines.
//!
//! Each hub has sixteen contexts (VMIDs) with tables of their own ([`walk`]), and remembers translations until it is told to
//! forget them ([`tlb`]). An access of a page that is not there, or not for that, is a fault: the first one is latched until it
//! is cleared, each is told as an interrupt, and the access goes to a dummy page, as CONTEXTn_CNTL of both known drivers asks.

mod access;
mod fault;
mod hub;
mod rules;
#[cfg(test)]
pub(crate) mod tests;
mod tlb;
mod walk;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use amdgpu_registers::gc::GCVM_L2_CNTL;
use amdgpu_registers::{Info, Ip, Register};

use crate::fabric::{Block, Event, Fabric, Scope};
use crate::register_file::At;
use crate::rule::{Level, Violation};
use crate::vram::{VRAM_BYTES, Vram};
use hub::HubRegisters;
use rules::*;
use tlb::Tlb;

pub(crate) use rules::RULES;
pub(crate) use walk::{Complaint, Miss, Page, Place, Translation};

/// MC address of the first byte of video memory, in units of 16 MiB, as firmware sets it on a real card.
const FB_BASE: u32 = 0x8000;

/// The range of an invalidation engine that is every page.
const EVERYWHERE: u64 = 0x1f_ffff_ffff;

/// Which hub translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hub {
    /// Graphics, compute and SDMA.
    Gc,
    /// Everything else.
    Mm,
}

/// What an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Read,
    Write,
    Execute,
}

/// Who accesses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) hub: Hub,
    pub(crate) vmid: u8,
    /// The client id that a page fault shows (CID).
    pub(crate) id: u8,
    /// Goes through GL2; otherwise straight to memory.
    pub(crate) gl2: bool,
}

/// Consecutive bytes that an address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) place: Place,
    /// How many there are until another translation is needed.
    pub(crate) bytes: u64,
    /// No cache keeps its lines.
    pub(crate) uncached: bool,
}

/// An access that has no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageFault {
    pub(crate) client: Client,
    pub(crate) va: u64,
    pub(crate) intent: Intent,
    /// `None`: the page is there, but not for this.
    pub(crate) miss: Option<Miss>,
}

/// What hubs remember, for all engines.
#[derive(Default)]
pub(crate) struct Mmu {
    tlbs: [Tlb; 2],
    /// The hub's registers were found right since the last one was written.
    checked: [AtomicBool; 2],
    /// Semaphores of the invalidation engines that are held, by hub.
    held: [u32; 2],
}

/// The block. What it knows is in [`Mmu`], since packets of queues reach its registers too.
pub(crate) struct Gmc;

/// Whether a register is one of the hubs'.
pub(crate) fn is_hubs(info: &Info) -> bool {
    let of_gc = info.name.starts_with("GCVM_") || info.name.starts_with("GCMC_");
    of_gc || info.register.ip == Ip::Mmhub
}

impl Fabric {
    /// A register of a hub is read; `value` is what it holds.
    pub(crate) fn hub_read(&mut self, at: At, value: u32) -> u32 {
        let hub = hub_of(at);
        if at.register != hub.registers().semaphore {
            return value;
        }
        let held = &mut self.mmu.held[hub as usize];
        let free = *held >> at.index & 1 == 0;
        *held |= 1 << at.index;
        u32::from(free)
    }

    /// A register of a hub is written.
    pub(crate) fn hub_write(&mut self, at: At, value: u32) -> Result<(), Violation> {
        let hub = hub_of(at);
        let registers = hub.registers();
        let read_only = [registers.fault_status, registers.ack];
        let faults = [registers.fault_address.0, registers.fault_address.1];
        if read_only.contains(&at.register) || faults.contains(&at.register) {
            return Ok(());
        }
        self.registers.store(at, value);
        if at.register == registers.semaphore {
            self.mmu.held[hub as usize] &= !(u32::from(value & 1 == 0) << at.index);
        } else if at.register == registers.request {
            return self.invalidate(hub, at, value);
        } else if at.register == registers.fault_cntl {
            if value & 1 == 1 {
                self.clear_fault(hub);
            }
        } else {
            self.mmu.checked[hub as usize].store(false, Relaxed);
            if at.register == registers.l2_cntl2 && value & 3 != 0 {
                self.mmu.forget(hub, 0xffff);
            }
        }
        Ok(())
    }

    fn invalidate(&mut self, hub: Hub, at: At, value: u32) -> Result<(), Violation> {
        use amdgpu_registers::gc::GCVM_INVALIDATE_ENG_REQ as fields;
        let registers = hub.registers();
        let vmids = fields::PER_VMID_INVALIDATE_REQ.of(value);
        let levels = fields::INVALIDATE_L2_PTES.mask()
            | fields::INVALIDATE_L2_PDE0.mask()
            | fields::INVALIDATE_L2_PDE1.mask()
            | fields::INVALIDATE_L2_PDE2.mask()
            | fields::INVALIDATE_L1_PTES.mask();
        let whole = vmids != 0
            && value & levels == levels
            && fields::INVALIDATE_4K_PAGES_ONLY.of(value) == 0;
        self.require(
            whole,
            FLUSH_REQUEST,
            format_args!("request {value:#x} to the {hub:?} hub"),
        )?;
        let enabled = registers.context_of(self, 0) & 1 == 1;
        self.require(
            enabled,
            FLUSH_HUB,
            format_args!("request {value:#x} to the {hub:?} hub"),
        )?;
        let range = HubRegisters::pair_of(self, registers.range, at.index as u8);
        self.require(
            range == EVERYWHERE,
            FLUSH_RANGE,
            format_args!("{hub:?} hub, engine {}: {range:#x}", at.index),
        )?;
        let held = hub == Hub::Gc || self.mmu.held[hub as usize] >> at.index & 1 == 1;
        self.require(
            held,
            FLUSH_SEMAPHORE,
            format_args!("request {value:#x} to engine {}", at.index),
        )?;
        self.mmu.forget(hub, vmids);
        if fields::CLEAR_PROTECTION_FAULT_STATUS_ADDR.of(value) == 1 {
            self.clear_fault(hub);
        }
        let ack = registers.ack.plus(at.index);
        self.registers.set(ack, vmids);
        Ok(())
    }
}

fn hub_of(at: At) -> Hub {
    if at.register.ip == Ip::Mmhub {
        Hub::Mm
    } else {
        Hub::Gc
    }
}

impl Block for Gmc {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        Ok(fabric.hub_read(at, value))
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.hub_write(at, value)
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        if event == Event::Reset(Scope::Card) {
            fabric.mmu = Mmu::default();
            let top = FB_BASE + (VRAM_BYTES >> 24) as u32 - 1;
            for hub in [Hub::Gc, Hub::Mm] {
                let registers = hub.registers();
                fabric.registers.set(registers.fb_base, FB_BASE);
                fabric.registers.set(registers.fb_top, top);
            }
        }
        Ok(())
    }
}

impl Mmu {
    fn forget(&self, hub: Hub, vmids: u32) {
        self.tlbs[hub as usize].forget(vmids);
    }
}

/// `va` without the bits that repeat bit 47.
fn canonical(va: u64) -> u64 {
    va & 0xffff_ffff_ffff
}

impl Fabric {
    /// What is wrong with a hub's registers.
    fn hub_complaints(&self, hub: Hub) -> Vec<Complaint> {
        use amdgpu_registers::gc::GCMC_VM_MX_L1_TLB_CNTL as l1;
        let registers = hub.registers();
        let get = |register: Register| self.registers.get(register);
        let mut complaints = Vec::new();
        let mut require = |holds: bool, rule, seen: String| {
            if !holds {
                complaints.push((rule, format!("{hub:?} hub: {seen}")));
            }
        };
        let (bottom, top) = (get(registers.agp_bottom), get(registers.agp_top));
        require(bottom > top, AGP_OFF, format!("{bottom:#x} to {top:#x}"));
        let (first, last) = registers.video_memory(self);
        let (low, high) = registers.aperture(self);
        let inside = low <= high && low >= first && high <= last;
        require(inside, SYSTEM_APERTURE, format!("{low:#x} to {high:#x}"));
        let stray = HubRegisters::pair(self, registers.aperture_default) << 12;
        let dummy = HubRegisters::pair(self, registers.fault_default) << 12;
        let pages = [stray, dummy]
            .iter()
            .all(|page| *page != 0 && Vram::holds(*page, 4096));
        require(pages, DEFAULT_PAGES, format!("{stray:#x} and {dummy:#x}"));
        let tlb = get(registers.l1_tlb);
        let right = l1::ENABLE_L1_TLB.of(tlb) == 1
            && l1::SYSTEM_ACCESS_MODE.of(tlb) == 3
            && l1::ENABLE_ADVANCED_DRIVER_MODEL.of(tlb) == 1
            && l1::SYSTEM_APERTURE_UNMAPPED_ACCESS.of(tlb) == 0;
        require(right, L1_TLB, format!("MX_L1_TLB_CNTL {tlb:#x}"));
        let l2 = get(registers.l2);
        let (geometry, partition) = (get(registers.l2_cntl3), get(registers.l2_cntl4));
        let right = GCVM_L2_CNTL::ENABLE_L2_CACHE.of(l2) == 1
            && GCVM_L2_CNTL::ENABLE_DEFAULT_PAGE_OUT_TO_SYSTEM_MEMORY.of(l2) == 1
            && geometry & 0x801f_803f == 0x8013_0009
            && partition & 0x3f == 1;
        require(
            right,
            L2_CACHE,
            format!("VM_L2_CNTL {l2:#x}, CNTL3 {geometry:#x}, CNTL4 {partition:#x}"),
        );
        let low = HubRegisters::pair(self, registers.identity_low);
        let high = HubRegisters::pair(self, registers.identity_high);
        require(low > high, IDENTITY_OFF, format!("{low:#x} to {high:#x}"));
        for vmid in 0..16 {
            let control = registers.context_of(self, vmid);
            if control & 1 == 0 {
                continue;
            }
            let start = HubRegisters::pair_of(self, registers.start, vmid);
            let end = HubRegisters::pair_of(self, registers.end, vmid);
            let right = control >> 3 & 0xf == 0 && start <= end;
            let seen = format!("context {vmid}: {control:#x}, pages {start:#x} to {end:#x}");
            require(right, CONTEXT, seen);
            let root = HubRegisters::pair_of(self, registers.table, vmid);
            require(
                root & 1 == 1,
                ROOT_TABLE,
                format!("context {vmid}: {root:#x}"),
            );
        }
        complaints
    }

    /// What an address means, by what the TLB remembers or by a walk, and what is wrong with that.
    pub(crate) fn look_up(
        &self,
        client: Client,
        va: u64,
    ) -> (Result<(Page, u64), Miss>, Vec<Complaint>) {
        let va = canonical(va);
        let hub = client.hub as usize;
        if let Some(span) = self.unpaged(client, va) {
            return (Ok(span), Vec::new());
        }
        let mut complaints = Vec::new();
        if !self.mmu.checked[hub].load(Relaxed) {
            complaints = self.hub_complaints(client.hub);
            let wrong = !complaints.is_empty();
            self.mmu.checked[hub].store(!wrong, Relaxed);
        }
        let tlb = &self.mmu.tlbs[hub];
        let known = tlb.find(client.vmid, va);
        let found = match known {
            Some(known) => {
                if self.level == Level::Strict {
                    let (fresh, _) = walk::walk(self, client.hub, client.vmid, va);
                    complaints.extend(stale(&known, &fresh, va));
                }
                known
            }
            None => {
                let (fresh, broken) = walk::walk(self, client.hub, client.vmid, va);
                complaints.extend(broken);
                tlb.keep(client.vmid, fresh);
                fresh
            }
        };
        let within = va - found.start;
        let left = (1u64 << found.bits) - within;
        let result = found.page.map(|page| {
            let place = page.place.plus(within);
            (Page { place, ..page }, left)
        });
        (result, complaints)
    }

    /// The page of an address that needs no page table.
    fn unpaged(&self, client: Client, va: u64) -> Option<(Page, u64)> {
        if client.vmid != 0 {
            return None;
        }
        let registers = client.hub.registers();
        let (first, last) = registers.video_memory(self);
        let (mut low, mut high) = registers.aperture(self);
        if client.hub == Hub::Mm && registers.context_of(self, 0) & 1 == 0 {
            // What firmware's engines do before a driver has set up the hub.
            (low, high) = (first, last);
        }
        if va < low || va > high {
            return None;
        }
        let page = |offset| Page {
            place: Place::Vram(offset),
            readable: true,
            writeable: true,
            executable: true,
            uncached: self.registers.get(registers.l1_tlb) >> 11 & 7 == 3,
        };
        match va.checked_sub(first).filter(|offset| *offset < VRAM_BYTES) {
            Some(offset) => Some((page(offset), (high - va + 1).min(VRAM_BYTES - offset))),
            None => {
                let stray = HubRegisters::pair(self, registers.aperture_default) << 12;
                let offset = Some(stray).filter(|page| Vram::holds(*page, 4096));
                let within = va & 0xfff;
                Some((page(offset.unwrap_or(0) + within), 4096 - within))
            }
        }
    }

    /// What an address means to an engine; `None` for a page fault, which is latched and told.
    pub(crate) fn translate(
        &mut self,
        client: Client,
        va: u64,
        intent: Intent,
    ) -> Result<Option<Span>, Violation> {
        let (found, complaints) = self.look_up(client, va);
        for (rule, seen) in complaints {
            self.broken(rule, format_args!("{seen}"))?;
        }
        match found {
            Ok((page, bytes)) if page.allows(intent) => Ok(Some(Span {
                place: page.place,
                bytes,
                uncached: page.uncached,
            })),
            found => {
                self.fault(PageFault {
                    client,
                    va,
                    intent,
                    miss: found.err(),
                });
                Ok(None)
            }
        }
    }
}

/// The complaint that a TLB remembers what page tables no longer say.
fn stale(known: &Translation, fresh: &Translation, va: u64) -> Option<Complaint> {
    let meaning = |translation: &Translation| {
        translation.page.map(|page| Page {
            place: page.place.plus(va - translation.start),
            ..page
        })
    };
    let (old, new) = (meaning(known), meaning(fresh));
    let same = match (old, new) {
        (Err(_), Err(_)) => true,
        (old, new) => old == new,
    };
    (!same).then(|| {
        let seen = format!("{va:#x} is {old:?} in the TLB and {new:?} in the page tables");
        (STALE_TRANSLATION, seen)
    })
}
