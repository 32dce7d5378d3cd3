//! Memory as the waves of a dispatch see it, on several threads at once.
//!
//! Each thread remembers a few pages, so that an access costs no more than looking there; what is not there goes the long way
//! through the TLB. Faults and broken rules are noted and told when the dispatch is over.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gfx1100_interpreter::{Fault, Memory};

use crate::caches::{K, L0, stale_complaint};
use crate::fabric::Fabric;
use crate::gmc::{Client, Complaint, Hub, Intent, Miss, PageFault, Place};

/// Client id of vector memory in page faults (TCP).
const TCP: u8 = 8;
/// Pages that a thread remembers.
const SLOTS: usize = 128;
/// Faults and complaints of a dispatch that are kept.
const KEPT: usize = 32;

/// A page that a thread remembers.
#[derive(Clone, Copy)]
struct Slot {
    /// The dispatch; 0 for none.
    dispatch: u64,
    page: u64,
    place: Place,
    readable: bool,
    writeable: bool,
    cached: bool,
    /// Some bytes of it wait in the host data path.
    waits: bool,
}

const EMPTY: Slot = Slot {
    dispatch: 0,
    page: 0,
    place: Place::Sparse,
    readable: false,
    writeable: false,
    cached: false,
    waits: false,
};

thread_local! {
    static PAGES: [Cell<Slot>; SLOTS] = const { [const { Cell::new(EMPTY) }; SLOTS] };
}

/// Numbers dispatches, so that threads do not take pages of another one for theirs.
static DISPATCHES: AtomicU64 = AtomicU64::new(1);

/// What waves did wrong.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) faults: Vec<PageFault>,
    pub(super) complaints: Vec<Complaint>,
}

/// Memory for the waves of one dispatch.
pub(super) struct Waves<'a> {
    fabric: &'a Fabric,
    vmid: u8,
    dispatch: u64,
    notes: Mutex<Notes>,
    /// The next access finds an invalid entry: a fault that the user of the model asked for.
    fault: AtomicBool,
    /// Makes atomics in host memory whole.
    host: Mutex<()>,
}

impl<'a> Waves<'a> {
    pub(super) fn new(fabric: &'a Fabric, vmid: u8, fault: bool) -> Self {
        Self {
            fabric,
            vmid,
            dispatch: DISPATCHES.fetch_add(1, Relaxed),
            notes: Mutex::default(),
            fault: AtomicBool::new(fault),
            host: Mutex::default(),
        }
    }

    pub(super) fn into_notes(self) -> Notes {
        self.notes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Client {
        Client {
            hub: Hub::Gc,
            vmid: self.vmid,
            id: TCP,
            gl2: true,
        }
    }

    /// The page of an address; `None` if there is none for this.
    #[inline]
    fn page(&self, address: u64, intent: Intent) -> Option<Slot> {
        let page = address >> 12;
        let slot = PAGES.with(|pages| pages[page as usize % SLOTS].get());
        let known = slot.dispatch == self.dispatch && slot.page == page;
        let slot = if known { slot } else { self.find(address) };
        let allowed = match intent {
            Intent::Write => slot.writeable,
            _ => slot.readable,
        };
        let spoiled = self.fault.load(Relaxed) && self.fault.swap(false, Relaxed);
        if allowed && !spoiled {
            return Some(slot);
        }
        self.refuse(address, intent);
        None
    }

    #[cold]
    fn find(&self, address: u64) -> Slot {
        let (found, complaints) = self.fabric.look_up(self.client(), address);
        if !complaints.is_empty() {
            let mut notes = self.notes();
            let room = KEPT.saturating_sub(notes.complaints.len());
            notes.complaints.extend(complaints.into_iter().take(room));
        }
        let page = address >> 12;
        let slot = match found {
            Ok((found, _)) => {
                let place = match found.place {
                    Place::Vram(offset) => Place::Vram(offset & !0xfff),
                    Place::Host(bus) => Place::Host(bus & !0xfff),
                    Place::Sparse => Place::Sparse,
                };
                let whole =
                    !matches!(place, Place::Vram(offset) if !crate::Vram::holds(offset, 4096));
                Slot {
                    dispatch: self.dispatch,
                    page,
                    place,
                    readable: found.readable && whole,
                    writeable: found.writeable && whole,
                    cached: !found.uncached,
                    waits: matches!(place, Place::Vram(offset) if self.fabric.hdp.waits(offset, 4096)),
                }
            }
            Err(_) => Slot {
                dispatch: self.dispatch,
                page,
                ..EMPTY
            },
        };
        PAGES.with(|pages| pages[page as usize % SLOTS].set(slot));
        slot
    }

    #[cold]
    fn refuse(&self, address: u64, intent: Intent) {
        let (found, _) = self.fabric.look_up(self.client(), address);
        let miss = match found {
            Err(miss) => Some(miss),
            // There is such a page: the entry, or the memory behind it, is spoiled.
            Ok((page, _)) if page.allows(intent) => Some(Miss::Invalid(0)),
            Ok(_) => None,
        };
        let mut notes = self.notes();
        if notes.faults.len() < KEPT {
            notes.faults.push(PageFault {
                client: self.client(),
                va: address,
                intent,
                miss,
            });
        }
    }

    #[cold]
    fn unflushed(&self, offset: u64, bytes: usize, does: &str) {
        if self.fabric.hdp.waits(offset, bytes) {
            let seen = format!("a shader {does} {bytes} bytes at {offset:#x} of video memory");
            let mut notes = self.notes();
            if notes.complaints.len() < KEPT {
                notes.complaints.push((crate::hdp::STALE, seen));
            }
        }
    }

    #[cold]
    fn read_old(&self, offset: u64, out: &mut [u8], reader: &str) {
        if let Some(writer) = self.fabric.caches.stale(offset, out) {
            let gl2 = self.fabric.is_old_in_gl2(offset);
            let complaint = stale_complaint(offset, reader, writer, gl2);
            let mut notes = self.notes();
            if notes.complaints.len() < KEPT {
                notes.complaints.push(complaint);
            }
        }
    }

    /// Reads bytes of one page.
    #[inline]
    fn read_page(&self, address: u64, out: &mut [u8], through: u8) {
        let within = address & 0xfff;
        let Some(slot) = self.page(address, Intent::Read) else {
            let dummy = self.fabric.dummy_page(Hub::Gc);
            self.fabric.vram.read(dummy + within, out);
            return;
        };
        match slot.place {
            Place::Vram(base) => {
                let offset = base + within;
                match <&mut [u8; 4]>::try_from(&mut *out) {
                    Ok(dword) if offset.is_multiple_of(4) => {
                        *dword = self.fabric.vram.dword(offset).load(Relaxed).to_le_bytes();
                    }
                    _ => self.fabric.vram.read(offset, out),
                }
                if slot.waits {
                    self.unflushed(offset, out.len(), "reads");
                }
                if !slot.cached {
                    self.fabric.caches.passed(out.len());
                } else if !self.fabric.caches.read(offset, out.len(), through) {
                    let reader = if through == K {
                        "a scalar load"
                    } else {
                        "a vector load"
                    };
                    self.read_old(offset, out, reader);
                }
            }
            Place::Host(base) => self.host(address, Intent::Read, out.len(), |fabric| {
                fabric.host.read(base + within, out)
            }),
            Place::Sparse => out.fill(0),
        }
    }

    #[inline]
    fn write_page(&self, address: u64, data: &[u8]) {
        let within = address & 0xfff;
        let Some(slot) = self.page(address, Intent::Write) else {
            return;
        };
        match slot.place {
            Place::Vram(base) => {
                let offset = base + within;
                if slot.waits {
                    self.unflushed(offset, data.len(), "writes");
                }
                self.fabric.vram.write(offset, data);
                if slot.cached {
                    self.fabric.caches.write(offset, data.len());
                } else {
                    self.fabric.caches.passed(data.len());
                }
            }
            Place::Host(base) => self.host(address, Intent::Write, data.len(), |fabric| {
                fabric.host.write(base + within, data)
            }),
            Place::Sparse => {}
        }
    }

    /// An access of host memory, which bus mastering must allow and the machine must have.
    fn host(
        &self,
        address: u64,
        intent: Intent,
        bytes: usize,
        access: impl FnOnce(&Fabric) -> Result<(), crate::BusError>,
    ) {
        self.fabric.caches.left_the_card(bytes);
        if !self.fabric.bus_master || access(self.fabric).is_err() {
            self.refuse(address, intent);
        }
    }

    fn read_through(&self, address: u64, out: &mut [u8], through: u8) {
        let mut at = address;
        let mut rest = out;
        while !rest.is_empty() {
            let count = rest.len().min((4096 - (at & 0xfff)) as usize);
            let (now, later) = rest.split_at_mut(count);
            self.read_page(at, now, through);
            at = at.wrapping_add(count as u64);
            rest = later;
        }
    }
}

impl Memory for Waves<'_> {
    #[inline]
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read_through(address, out, L0);
        Ok(())
    }

    fn read_scalar(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read_through(address, out, K);
        Ok(())
    }

    #[inline]
    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        let mut at = address;
        let mut rest = data;
        while !rest.is_empty() {
            let count = rest.len().min((4096 - (at & 0xfff)) as usize);
            let (now, later) = rest.split_at(count);
            self.write_page(at, now);
            at = at.wrapping_add(count as u64);
            rest = later;
        }
        Ok(())
    }

    fn atomic(
        &self,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Fault> {
        let within = address & 0xfff;
        let Some(slot) = self.page(address, Intent::Write) else {
            return Ok(0);
        };
        match slot.place {
            Place::Vram(base) => {
                let offset = base + within;
                if slot.waits {
                    self.unflushed(offset, bytes, "updates");
                }
                // The closures always return a value, so an error cannot come.
                let old = if bytes == 8 {
                    let place = self.fabric.vram.quad(offset & !7);
                    match place.fetch_update(Relaxed, Relaxed, |old| Some(update(old))) {
                        Ok(old) | Err(old) => old,
                    }
                } else {
                    let place = self.fabric.vram.dword(offset & !3);
                    let update = |old| Some(update(u64::from(old)) as u32);
                    match place.fetch_update(Relaxed, Relaxed, update) {
                        Ok(old) | Err(old) => u64::from(old),
                    }
                };
                self.fabric.vram.define(offset, bytes);
                if slot.cached {
                    self.fabric.caches.write(offset, bytes);
                } else {
                    self.fabric.caches.passed(bytes);
                }
                Ok(old)
            }
            Place::Host(base) => {
                let _whole = self.host.lock().unwrap_or_else(PoisonError::into_inner);
                let mut data = [0; 8];
                let data = &mut data[..bytes.min(8)];
                self.host(address, Intent::Read, bytes, |fabric| {
                    fabric.host.read(base + within, data)
                });
                let mut old = [0; 8];
                old[..data.len()].copy_from_slice(data);
                let old = u64::from_le_bytes(old);
                let new = update(old).to_le_bytes();
                self.host(address, Intent::Write, bytes, |fabric| {
                    fabric.host.write(base + within, &new[..data.len()])
                });
                Ok(old)
            }
            Place::Sparse => Ok(0),
        }
    }

    fn undefined(&self, address: u64, bytes: usize) -> bool {
        let slot = PAGES.with(|pages| pages[(address >> 12) as usize % SLOTS].get());
        let known = slot.dispatch == self.dispatch && slot.page == address >> 12;
        let slot = if known { slot } else { self.find(address) };
        let within = address & 0xfff;
        match slot.place {
            Place::Vram(base) if slot.readable && within + bytes as u64 <= 4096 => {
                self.fabric.vram.undefined(base + within, bytes)
            }
            _ => false,
        }
    }
}
