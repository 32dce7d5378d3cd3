//! Host data path: the processor's way to video memory, through BAR0 or MM_DATA.
//!
//! Writes are posted: they wait in the path until it is flushed or they are pushed out by others. The processor sees its
//! own writes at once. An engine that touches bytes which still wait is a driver's mistake, since on a card the outcome
//! depends on time. At [`Level::Hardware`] nothing waits, as on a card whose path drains soon by itself.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::caches::Caches;
use crate::discovery;
use crate::fabric::{Event, Fabric, Vector};
use crate::fault::FaultKind;
use crate::rule::{Level, Violation, rules};
use crate::vram::{VRAM_BYTES, Vram};

rules! { Hdp:
    STALE, "hdp-flushed", "what the processor wrote is flushed before an engine reads or writes there",
        "Linux amdgpu_device_flush_hdp before rings and page tables; tinygrad AM_GMC.flush_hdp before doorbells and TLB flushes",
        tolerated "the path drains by itself within microseconds: tinygrad's fences and signals in video memory rely on it";
    TMR, "tmr-closed", "after SETUP_TMR the processor leaves the trusted memory region alone",
        "Linux psp_tmr_init and tinygrad AM_PSP reserve the region and never touch it again; PSP closes it";
    OUTSIDE, "vram-address", "video memory is addressed below its size",
        "RCC_CONFIG_MEMSIZE; Linux amdgpu_device_vram_access checks the same";
}

/// Bytes by which the path tells writes apart.
const PAGE: usize = 4096;

/// Pages that the path holds back before older ones are pushed out. A card holds back far less.
const PAGES: usize = 1024;

/// The interrupt that tells of poison: SOC21_IH_CLIENTID_GFX, GFX_11_0_0__SRCID__RLC_GC_FED_INTERRUPT in Linux's headers.
const GRAPHICS_CLIENT: u8 = 10;
const POISON_SOURCE: u8 = 128;

struct Page {
    data: [u8; PAGE],
    /// A bit per byte that waits.
    waits: [u64; PAGE / 64],
}

impl Page {
    fn put(&mut self, first: usize, data: &[u8]) {
        self.data[first..first + data.len()].copy_from_slice(data);
        for (word, bits) in words(first, data.len()) {
            self.waits[word] |= bits;
        }
    }

    /// Runs of bytes that wait.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs = Vec::<Range<usize>>::new();
        for (n, word) in self.waits.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let from = left.trailing_zeros() as usize;
                let count = (!(left >> from)).trailing_zeros() as usize;
                let start = n * 64 + from;
                match runs.last_mut() {
                    Some(run) if run.end == start => run.end += count,
                    _ => runs.push(start..start + count),
                }
                left &= u64::MAX.checked_shl((from + count) as u32).unwrap_or(0);
            }
        }
        runs
    }
}

/// Words of a bit per byte that `count` bytes from `first` touch, with the bits of each.
fn words(first: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = first + count;
    (first / 64..end.div_ceil(64)).map(move |word| {
        let low = first.saturating_sub(word * 64);
        let high = (end - word * 64).min(64);
        (word, (u64::MAX >> (64 - (high - low))) << low)
    })
}

/// Splits a range at page boundaries: page, first byte in it, where its bytes are in the access.
fn pieces(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let at = offset + done as u64;
        let first = (at % PAGE as u64) as usize;
        let count = (PAGE - first).min(bytes - done);
        done += count;
        Some((at / PAGE as u64, first, done - count..done))
    })
}

/// What the path holds back, and what it keeps closed.
#[derive(Default)]
pub(crate) struct Hdp {
    pages: HashMap<u64, Box<Page>>,
    /// The pages, the oldest first.
    order: VecDeque<u64>,
    /// The trusted memory region, once PSP has closed it.
    closed: Option<Range<u64>>,
    /// Dwords of video memory in which a bit flipped.
    poison: Vec<u64>,
}

impl Hdp {
    /// Whether any of these bytes still waits in the path.
    pub(crate) fn waits(&self, offset: u64, bytes: usize) -> bool {
        !self.pages.is_empty()
            && pieces(offset, bytes).any(|(page, first, part)| {
                self.pages.get(&page).is_some_and(|page| {
                    words(first, part.len()).any(|(word, bits)| page.waits[word] & bits != 0)
                })
            })
    }

    fn push_out(&mut self, page: u64, vram: &Vram, caches: &Caches) {
        if let Some(found) = self.pages.remove(&page) {
            for run in found.runs() {
                let at = page * PAGE as u64 + run.start as u64;
                Fabric::host_changes(caches, vram, at, &found.data[run.clone()]);
                vram.write(at, &found.data[run]);
            }
        }
    }

    fn poisoned(&self, offset: u64, bytes: usize) -> bool {
        let end = offset + bytes as u64;
        self.poison
            .iter()
            .any(|dword| *dword < end && offset < *dword + 4)
    }
}

impl Fabric {
    /// Closes a range of video memory to the processor, as PSP does with the trusted memory region; `None` opens it.
    pub(crate) fn close_to_host(&mut self, range: Option<Range<u64>>) {
        self.hdp.closed = range;
    }

    fn cpu_may(&mut self, offset: u64, bytes: usize) -> Result<(), Violation> {
        self.require(
            Vram::holds(offset, bytes),
            OUTSIDE,
            format_args!("{bytes} bytes at {offset:#x}, video memory ends at {VRAM_BYTES:#x}"),
        )?;
        let closed = self.hdp.closed.clone().unwrap_or(0..0);
        self.require(
            offset >= closed.end || closed.start >= offset + bytes as u64,
            TMR,
            format_args!("{bytes} bytes at {offset:#x}, closed is {closed:#x?}"),
        )
    }

    /// The processor reads video memory. What a flipped bit spoilt reads as ones, as a poisoned completion does.
    pub(crate) fn cpu_read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Violation> {
        self.cpu_may(offset, out.len())?;
        self.host_reads(offset, out.len())?;
        self.vram.read(offset, out);
        if !self.hdp.pages.is_empty() {
            for (page, first, part) in pieces(offset, out.len()) {
                let Some(page) = self.hdp.pages.get(&page) else {
                    continue;
                };
                for (n, byte) in out[part].iter_mut().enumerate() {
                    let at = first + n;
                    if page.waits[at / 64] & 1 << (at % 64) != 0 {
                        *byte = page.data[at];
                    }
                }
            }
        }
        if self.hdp.poisoned(offset, out.len()) {
            out.fill(0xff);
        }
        Ok(())
    }

    /// The processor writes video memory.
    pub(crate) fn cpu_write(&mut self, offset: u64, data: &[u8]) -> Result<(), Violation> {
        self.cpu_may(offset, data.len())?;
        if let Some(rule) = discovery::watches(offset, data.len()) {
            self.broken(rule, format_args!("{} bytes at {offset:#x}", data.len()))?;
        }
        self.cleanse(offset, data.len());
        if self.level == Level::Hardware {
            Self::host_changes(&self.caches, &self.vram, offset, data);
            self.vram.write(offset, data);
            return Ok(());
        }
        let hdp = &mut self.hdp;
        for (page, first, part) in pieces(offset, data.len()) {
            if let Some(found) = hdp.pages.get_mut(&page) {
                found.put(first, &data[part]);
                continue;
            }
            if hdp.pages.len() == PAGES
                && let Some(oldest) = hdp.order.pop_front()
            {
                hdp.push_out(oldest, &self.vram, &self.caches);
            }
            let mut fresh = Box::new(Page {
                data: [0; PAGE],
                waits: [0; PAGE / 64],
            });
            fresh.put(first, &data[part]);
            hdp.pages.insert(page, fresh);
            hdp.order.push_back(page);
        }
        Ok(())
    }

    /// Everything that waits reaches video memory.
    pub(crate) fn hdp_flush(&mut self) {
        for page in std::mem::take(&mut self.hdp.order) {
            self.hdp.push_out(page, &self.vram, &self.caches);
        }
    }

    /// An engine reads video memory.
    pub(crate) fn vram_load(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Violation> {
        self.engine_may(offset, out.len(), "read")?;
        if self.faults.happens(FaultKind::BitFlip) {
            self.flip(offset);
        }
        self.vram.read(offset, out);
        if self.hdp.poisoned(offset, out.len()) {
            let poisoned = Vector {
                client: GRAPHICS_CLIENT,
                source: POISON_SOURCE,
                ..Vector::default()
            };
            self.events.push(Event::Interrupt(poisoned));
        }
        Ok(())
    }

    /// An engine writes video memory.
    pub(crate) fn vram_store(&mut self, offset: u64, data: &[u8]) -> Result<(), Violation> {
        self.engine_may(offset, data.len(), "write")?;
        self.cleanse(offset, data.len());
        self.vram.write(offset, data);
        Ok(())
    }

    fn engine_may(&mut self, offset: u64, bytes: usize, what: &str) -> Result<(), Violation> {
        self.require(
            Vram::holds(offset, bytes),
            OUTSIDE,
            format_args!("an engine's {what} of {bytes} bytes at {offset:#x}"),
        )?;
        self.require(
            !self.hdp.waits(offset, bytes),
            STALE,
            format_args!(
                "an engine's {what} of {bytes} bytes at {offset:#x}, where the processor's writes were not flushed"
            ),
        )
    }

    /// A bit of the first dword at or after `offset` flips.
    fn flip(&mut self, offset: u64) {
        let dword = offset & !3;
        if let Some(bit) = self.vram.holds_dword(dword) {
            bit.fetch_xor(1 << 7, std::sync::atomic::Ordering::Relaxed);
            self.hdp.poison.push(dword);
        }
    }

    /// Written anew, a dword is no longer poison.
    fn cleanse(&mut self, offset: u64, bytes: usize) {
        if !self.hdp.poison.is_empty() {
            let end = offset + bytes as u64;
            self.hdp
                .poison
                .retain(|dword| *dword < offset || dword + 4 > end);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use amdgpu_registers::nbif;

    use super::*;
    use crate::rig::{Case, Rig};

    pub(crate) const CASES: &[Case] = &[
        Case {
            rule: STALE,
            breaks: |rig| {
                rig.card.bar_write(0, 0x1000, &[1; 8]);
                rig.engine(|fabric| fabric.vram_load(0x1006, &mut [0; 4]));
            },
            keeps: |rig| {
                rig.card.bar_write(0, 0x1000, &[1; 8]);
                rig.engine(|fabric| fabric.vram_load(0x1008, &mut [0; 4]));
                rig.write(nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL, 0);
                rig.engine(|fabric| fabric.vram_load(0x1006, &mut [0; 4]));
            },
        },
        Case {
            rule: STALE,
            breaks: |rig| {
                rig.card.bar_write(0, 0x1ffc, &[1; 8]);
                rig.engine(|fabric| fabric.vram_store(0x2000, &[0; 4]));
            },
            keeps: |rig| {
                rig.write(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, 0x7f000);
                rig.card.bar_write(0, 0x1ffc, &[1; 8]);
                rig.card.bar_write(5, 0x7f000, &[0; 4]);
                rig.engine(|fabric| fabric.vram_store(0x2000, &[0; 4]));
            },
        },
        Case {
            rule: TMR,
            breaks: |rig| {
                rig.engine(|fabric| {
                    fabric.close_to_host(Some(0x10_0000..0x20_0000));
                    Ok(())
                });
                rig.card.bar_read(0, 0x1f_fffc, &mut [0; 4]);
            },
            keeps: |rig| {
                rig.engine(|fabric| {
                    fabric.close_to_host(Some(0x10_0000..0x20_0000));
                    Ok(())
                });
                rig.card.bar_read(0, 0xf_fffc, &mut [0; 4]);
                rig.card.bar_write(0, 0x20_0000, &[0; 4]);
            },
        },
        Case {
            rule: OUTSIDE,
            breaks: |rig| rig.engine(|fabric| fabric.vram_load(VRAM_BYTES - 2, &mut [0; 4])),
            keeps: |rig| rig.engine(|fabric| fabric.vram_load(VRAM_BYTES - 4, &mut [0; 4])),
        },
    ];

    #[test]
    fn the_processor_sees_its_writes_and_a_flush_hands_them_on() {
        let mut rig = Rig::new();
        let data: Vec<u8> = (0..=255).cycle().take(3 * PAGE + 77).collect();
        rig.card.bar_write(0, 4001, &data);
        rig.card.bar_write(0, 9000, &[7; 3]);
        let mut want = data.clone();
        want[9000 - 4001..9003 - 4001].fill(7);
        let mut seen = vec![0; data.len()];
        rig.card.bar_read(0, 4001, &mut seen);
        assert_eq!(seen, want);
        rig.card.fabric.vram.read(4001, &mut seen);
        assert_eq!(
            seen,
            vec![0; data.len()],
            "video memory has nothing of it yet"
        );
        rig.card.fabric.hdp_flush();
        rig.card.fabric.vram.read(4001, &mut seen);
        assert_eq!(seen, want);
        assert!(!rig.card.fabric.hdp.waits(0, 1 << 20));
    }

    #[test]
    fn the_oldest_writes_are_pushed_out_when_the_path_is_full() {
        let mut rig = Rig::new();
        for page in 0..=PAGES as u64 {
            rig.card.bar_write(0, page * PAGE as u64, &[1]);
        }
        assert!(!rig.card.fabric.hdp.waits(0, PAGE));
        assert!(rig.card.fabric.hdp.waits(PAGE as u64, 1));
        assert_eq!(rig.card.fabric.hdp.pages.len(), PAGES);
    }

    #[test]
    fn a_flipped_bit_is_poison_until_the_dword_is_written_anew() {
        let mut rig = Rig::new();
        rig.card.bar_write(0, 0x100, &[1; 8]);
        rig.card.fabric.hdp_flush();
        rig.card.faults().add(FaultKind::BitFlip, 2);
        let mut out = [0; 4];
        rig.engine(|fabric| fabric.vram_load(0x100, &mut [0; 4]));
        rig.card.bar_read(0, 0x100, &mut out);
        assert_eq!(out, [1; 4], "not yet");
        rig.engine(|fabric| fabric.vram_load(0x100, &mut [0; 4]));
        rig.card.bar_read(0, 0x100, &mut out);
        assert_eq!(out, [0xff; 4]);
        rig.card.bar_read(0, 0x104, &mut out);
        assert_eq!(out, [1; 4]);
        rig.card.bar_write(0, 0x100, &[2; 4]);
        rig.card.bar_read(0, 0x100, &mut out);
        assert_eq!(out, [2; 4]);
        assert_eq!(rig.card.stopped(), None);
    }
}
