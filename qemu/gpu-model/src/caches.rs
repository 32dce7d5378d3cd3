//! Caches between engines and video memory: the vector caches (GL0), the scalar cache (K$), GL1, and GL2.
//!
//! Memory itself is always up to date. What is kept for each line of 128 bytes that was touched is one byte: which caches hold
//! it, and whether what they hold is old or not in memory yet. Caches are as large as video memory, so a line stays until it
//! is invalidated: a driver that forgets to do so always meets it, and not only when the real cache happens to keep it.
//! All GL0 are one, and so are all GL1; within a dispatch they are coherent.
//!
//! When somebody outside changes a line that caches hold, its old content is kept for them. A line that GL2 holds dirty is
//! known as such: outside it is seen as a write-back would leave it, and strict cards stop there.

mod memory;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::counters::Levels;
use crate::rule::rules;
use crate::shared_bytes::SharedBytes;
use crate::vram::VRAM_BYTES;

pub(crate) use memory::stale_complaint;

rules! { Caches:
    STALE_LINE, "stale-line", "what changed since GL0, K$ or GL1 took it is read only after they were invalidated",
        "gfx_v11_0_emit_mem_sync in Linux; AMDComputeQueue.acquire_mem in tinygrad; RDNA3 manual, Memory Scopes",
        tolerated "the card reads the old line, or the new one if the cache has lost it meanwhile";
    STALE_GL2, "stale-gl2-line", "what the processor or SDMA wrote past GL2 is read through it only after GL2 was invalidated",
        "GL2_INV in gfx_v11_0_emit_mem_sync of Linux; AMDComputeQueue.memory_barrier in tinygrad",
        tolerated "the card reads the old line, or the new one if the cache has lost it meanwhile";
    DIRTY_UNSEEN, "dirty-line-unseen", "what GL2 holds back is read outside only after it was written back",
        "GL2_WB in gfx_v11_0_ring_emit_fence of Linux; AMDComputeQueue.signal in tinygrad",
        tolerated "a cache may write a line back at any time";
    DIRTY_DROPPED, "dirty-lines-dropped", "GL2 is not invalidated without being written back while it holds dirty lines",
        "GCR_GL2_INV comes with GCR_GL2_WB in gfx_v11_0_emit_mem_sync of Linux and in tinygrad";
    STALE_CODE, "stale-instructions", "code that changed is run only after the instruction caches were invalidated",
        "GLI_INV in gfx_v11_0_emit_mem_sync of Linux; AMDComputeQueue.memory_barrier in tinygrad",
        tolerated "the card runs the old code, or the new one if the cache has lost it meanwhile";
}

/// Bytes of a line.
const LINE: u64 = 128;
/// Lines of a block: what an invalidation looks at, or passes over, at once.
const BLOCK: u64 = 4096;
const BLOCKS: usize = (VRAM_BYTES / LINE / BLOCK) as usize;
/// Old contents that are kept.
const KEPT: usize = 1 << 16;

/// GL0 holds the line.
pub(crate) const L0: u8 = 1;
/// K$ holds it.
pub(crate) const K: u8 = 2;
/// GL1 holds it.
pub(crate) const L1: u8 = 4;
/// GL2 holds it.
pub(crate) const L2: u8 = 8;
/// GL2 holds bytes of it that memory has not.
pub(crate) const DIRTY: u8 = 16;
/// A shader wrote it since a cache above GL2 took it, within this dispatch.
const WRITTEN: u8 = 32;
/// What caches above GL2 hold of it is old.
const STALE: u8 = 64;
/// What GL2 holds of it is old.
const STALE2: u8 = 128;
const UPPER: u8 = L0 | K | L1;

/// What ACQUIRE_MEM and RELEASE_MEM do to caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actions {
    pub(crate) k: bool,
    pub(crate) l0: bool,
    pub(crate) l1: bool,
    pub(crate) l2_invalidate: bool,
    pub(crate) l2_write_back: bool,
}

/// What caches hold of a line that changed behind them.
struct Old {
    /// `None` if there were too many.
    content: Option<[u8; LINE as usize]>,
    who: &'static str,
}

/// Bytes that shaders moved below GL0 and K$, as [`Levels`] has them.
#[derive(Default)]
struct Moved {
    gl1: AtomicU64,
    gl2: AtomicU64,
    memory: AtomicU64,
    uncached: AtomicU64,
    host: AtomicU64,
}

/// The caches.
pub(crate) struct Caches {
    lines: SharedBytes,
    moved: Moved,
    /// Blocks with lines that caches above GL2 hold.
    upper: Vec<AtomicU64>,
    /// Blocks with lines that GL2 holds.
    lower: Vec<AtomicU64>,
    /// Some line is WRITTEN.
    written: AtomicBool,
    old: Mutex<HashMap<u64, Old>>,
}

fn bits() -> Vec<AtomicU64> {
    (0..BLOCKS.div_ceil(64))
        .map(|_| AtomicU64::new(0))
        .collect()
}

fn mark(blocks: &[AtomicU64], line: u64) {
    let block = (line / BLOCK) as usize;
    let (word, bit) = (&blocks[block / 64], 1 << (block % 64));
    if word.load(Relaxed) & bit == 0 {
        word.fetch_or(bit, Relaxed);
    }
}

fn marked(blocks: &[AtomicU64]) -> Vec<u64> {
    let of = |(at, word): (usize, &AtomicU64)| {
        let value = word.load(Relaxed);
        (0..64)
            .filter(move |bit| value >> bit & 1 == 1)
            .map(move |bit| at as u64 * 64 + bit)
    };
    blocks.iter().enumerate().flat_map(of).collect()
}

impl Caches {
    /// Caches that hold nothing.
    ///
    /// # Errors
    /// If the process may not have the address space.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            lines: SharedBytes::sparse((VRAM_BYTES / LINE) as usize)?,
            moved: Moved::default(),
            upper: bits(),
            lower: bits(),
            written: AtomicBool::new(false),
            old: Mutex::default(),
        })
    }

    fn line(&self, line: u64) -> &AtomicU8 {
        self.lines.byte(line)
    }

    fn old(&self) -> MutexGuard<'_, HashMap<u64, Old>> {
        self.old.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Caches take a line. What was known of it before.
    fn take(&self, line: u64, takes: u8) -> u8 {
        let state = self.line(line);
        let before = state.load(Relaxed);
        if before & takes == takes {
            return before;
        }
        let before = state.fetch_or(takes, Relaxed);
        if takes & UPPER != 0 {
            mark(&self.upper, line);
        }
        mark(&self.lower, line);
        before
    }

    /// A line that was not in every cache on its way is fetched from the next one that has it.
    #[cold]
    fn fetched(&self, takes: u8, before: u8) {
        let new = takes & !before;
        let levels = [
            (L0 | K, &self.moved.gl1),
            (L1, &self.moved.gl2),
            (L2, &self.moved.memory),
        ];
        for (cache, below) in levels {
            if new & cache != 0 {
                below.fetch_add(LINE, Relaxed);
            }
        }
    }

    /// Shaders read or wrote bytes of video memory that no cache may keep.
    pub(crate) fn passed(&self, bytes: usize) {
        self.moved.uncached.fetch_add(bytes as u64, Relaxed);
    }

    /// Shaders read or wrote bytes of the machine's memory.
    pub(crate) fn left_the_card(&self, bytes: usize) {
        self.moved.host.fetch_add(bytes as u64, Relaxed);
    }

    /// What was moved since the last call.
    pub(crate) fn levels(&mut self) -> Levels {
        let Moved {
            gl1,
            gl2,
            memory,
            uncached,
            host,
        } = std::mem::take(&mut self.moved);
        Levels {
            gl1: gl1.into_inner(),
            gl2: gl2.into_inner(),
            memory: memory.into_inner(),
            uncached: uncached.into_inner(),
            host: host.into_inner(),
        }
    }

    /// A shader reads bytes of one page through caches (`L0` or `K`): whether all that they hold is new.
    #[inline]
    pub(crate) fn read(&self, offset: u64, bytes: usize, through: u8) -> bool {
        let mut fresh = true;
        for line in offset / LINE..=(offset + bytes as u64 - 1) / LINE {
            let takes = through | L1 | L2;
            let before = self.take(line, takes);
            if before & takes != takes {
                self.fetched(takes, before);
            }
            let hit = before & (through | L1) != 0;
            fresh &= !(before & STALE != 0 && hit || before & STALE2 != 0);
        }
        fresh
    }

    /// A shader writes bytes of one page through GL2.
    #[inline]
    pub(crate) fn write(&self, offset: u64, bytes: usize) {
        for line in offset / LINE..=(offset + bytes as u64 - 1) / LINE {
            let above = self.line(line).load(Relaxed) & UPPER != 0;
            if above {
                self.take(line, L2 | DIRTY | WRITTEN);
                self.written.store(true, Relaxed);
            } else {
                self.take(line, L2 | DIRTY);
            }
        }
    }

    /// A dispatch begins: what others wrote while caches held it is old to this one.
    pub(crate) fn begin(&mut self) {
        if !std::mem::take(self.written.get_mut()) {
            return;
        }
        for block in marked(&self.upper) {
            for line in block * BLOCK..(block + 1) * BLOCK {
                let state = self.line(line);
                let value = state.load(Relaxed);
                if value & WRITTEN != 0 {
                    state.store(value & !WRITTEN | STALE, Relaxed);
                }
            }
        }
    }

    /// What caches hold instead of what is in memory: puts it into `out`, and says who changed memory.
    pub(crate) fn stale(&self, offset: u64, out: &mut [u8]) -> Option<&'static str> {
        let old = self.old();
        let mut changed = None;
        for line in offset / LINE..=(offset + out.len() as u64 - 1) / LINE {
            if self.line(line).load(Relaxed) & (STALE | STALE2) == 0 {
                continue;
            }
            let Some(known) = old.get(&line) else {
                changed = Some("another dispatch");
                continue;
            };
            let Some(content) = &known.content else {
                changed = Some(known.who);
                continue;
            };
            let first = (line * LINE).max(offset);
            let last = ((line + 1) * LINE).min(offset + out.len() as u64);
            let here = &mut out[(first - offset) as usize..(last - offset) as usize];
            let kept = &content[(first - line * LINE) as usize..(last - line * LINE) as usize];
            if here != kept {
                here.copy_from_slice(kept);
                changed = Some(known.who);
            }
        }
        changed
    }

    /// Whether caches hold any line of these bytes.
    fn holds(&self, offset: u64, bytes: usize) -> bool {
        let (first, last) = (
            offset / LINE / BLOCK,
            (offset + bytes as u64 - 1) / LINE / BLOCK,
        );
        (first..=last).any(|block| {
            let (word, bit) = ((block / 64) as usize, block % 64);
            (self.upper[word].load(Relaxed) | self.lower[word].load(Relaxed)) >> bit & 1 == 1
        })
    }

    /// Bytes are about to change behind caches of which these hold lines that become old.
    fn change(&self, offset: u64, data: &[u8], old_in: u8, vram: &crate::Vram, who: &'static str) {
        if data.is_empty() || !self.holds(offset, data.len()) {
            return;
        }
        for line in offset / LINE..=(offset + data.len() as u64 - 1) / LINE {
            let state = self.line(line);
            let value = state.load(Relaxed);
            let mut stale = 0;
            if value & UPPER & old_in != 0 {
                stale |= STALE;
            }
            if value & L2 & old_in != 0 {
                stale |= STALE2;
            }
            if stale == 0 {
                continue;
            }
            let mut content = [0; LINE as usize];
            vram.read(line * LINE, &mut content);
            let first = (line * LINE).max(offset);
            let last = ((line + 1) * LINE).min(offset + data.len() as u64);
            let new = &data[(first - offset) as usize..(last - offset) as usize];
            if content[(first - line * LINE) as usize..(last - line * LINE) as usize] == *new {
                continue;
            }
            state.fetch_or(stale, Relaxed);
            let mut old = self.old();
            let room = old.len() < KEPT;
            old.entry(line).or_insert(Old {
                content: room.then_some(content),
                who,
            });
        }
    }

    /// The first of these bytes whose line GL2 holds back.
    fn dirty(&self, offset: u64, bytes: usize) -> Option<u64> {
        if bytes == 0 || !self.holds(offset, bytes) {
            return None;
        }
        let lines = offset / LINE..=(offset + bytes as u64 - 1) / LINE;
        lines
            .map(|line| (line, self.line(line).load(Relaxed)))
            .find(|(_, value)| value & DIRTY != 0)
            .map(|(line, _)| line * LINE)
    }

    /// Clears bits in the lines of marked blocks; afterwards blocks without any of `keeps` are no longer marked.
    fn clear(&self, blocks: &[AtomicU64], keeps: u8, update: impl Fn(u8) -> u8) {
        for block in marked(blocks) {
            let mut any = 0;
            for at in 0..BLOCK / 8 {
                let word = self.lines.quad(block * BLOCK + at * 8);
                let value = word.load(Relaxed);
                if value != 0 {
                    let new = value.to_ne_bytes().map(&update);
                    word.store(u64::from_ne_bytes(new), Relaxed);
                    any |= new.iter().fold(0, |all, byte| all | byte);
                }
            }
            if any & keeps == 0 {
                let (word, bit) = ((block / 64) as usize, block % 64);
                blocks[word].fetch_and(!(1 << bit), Relaxed);
            }
        }
    }

    fn any_dirty(&self) -> Option<u64> {
        let lines = |block: u64| block * BLOCK..(block + 1) * BLOCK;
        marked(&self.lower)
            .into_iter()
            .flat_map(lines)
            .find(|line| self.line(*line).load(Relaxed) & DIRTY != 0)
            .map(|line| line * LINE)
    }

    /// Does as a packet asks. Bytes that were written back.
    fn control(&mut self, actions: Actions) -> u64 {
        let mut drops = 0;
        for (wanted, bit) in [(actions.k, K), (actions.l0, L0), (actions.l1, L1)] {
            drops |= if wanted { bit } else { 0 };
        }
        if drops != 0 {
            self.clear(&self.upper, UPPER, |value| {
                let value = value & !drops;
                if value & UPPER == 0 {
                    value & !(WRITTEN | STALE)
                } else {
                    value
                }
            });
        }
        let mut drops = if actions.l2_write_back { DIRTY } else { 0 };
        drops |= if actions.l2_invalidate {
            L2 | DIRTY | STALE2
        } else {
            0
        };
        let dirty = Cell::new(0);
        if drops != 0 {
            self.clear(&self.lower, L2 | DIRTY | STALE2, |value| {
                dirty.set(dirty.get() + u64::from(value & DIRTY != 0));
                value & !drops
            });
        }
        let old = self.old.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(old);
        old.retain(|line, _| self.line(*line).load(Relaxed) & (STALE | STALE2) != 0);
        *self.old() = old;
        if actions.l2_write_back {
            dirty.get() * LINE
        } else {
            0
        }
    }
}
