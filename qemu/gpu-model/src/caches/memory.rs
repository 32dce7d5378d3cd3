//! Video memory as engines and the processor reach it: through GL2, or past it, where lines that caches hold become old.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    Actions, Caches, DIRTY, DIRTY_DROPPED, DIRTY_UNSEEN, L2, LINE, STALE_GL2, STALE_LINE, STALE2,
    UPPER,
};
use crate::fabric::Fabric;
use crate::gmc::Complaint;
use crate::rule::Violation;

/// The complaint about a line that is read old.
pub(crate) fn stale_complaint(offset: u64, reader: &str, writer: &str, gl2: bool) -> Complaint {
    let rule = if gl2 { STALE_GL2 } else { STALE_LINE };
    (
        rule,
        format!(
            "{reader} reads the line at {offset:#x} of video memory, which {writer} changed since"
        ),
    )
}

impl Fabric {
    /// The processor's writes reach video memory.
    pub(crate) fn host_changes(caches: &Caches, vram: &crate::Vram, offset: u64, data: &[u8]) {
        caches.change(offset, data, UPPER | L2, vram, "the processor");
    }

    /// The processor reads video memory.
    pub(crate) fn host_reads(&mut self, offset: u64, bytes: usize) -> Result<(), Violation> {
        match self.caches.dirty(offset, bytes) {
            None => Ok(()),
            Some(line) => self.broken(
                DIRTY_UNSEEN,
                format_args!("the processor reads the line at {line:#x} of video memory"),
            ),
        }
    }

    /// Whether GL2 itself holds the old content of a line.
    pub(crate) fn is_old_in_gl2(&self, offset: u64) -> bool {
        self.caches.line(offset / LINE).load(Relaxed) & STALE2 != 0
    }

    /// Somebody outside of the caches of graphics reads video memory.
    pub(crate) fn outside_read(
        &mut self,
        offset: u64,
        out: &mut [u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        if let Some(line) = self.caches.dirty(offset, out.len()) {
            self.broken(
                DIRTY_UNSEEN,
                format_args!("{who} reads the line at {line:#x} of video memory"),
            )?;
        }
        self.vram_load(offset, out)?;
        Ok(())
    }

    /// Somebody outside of the caches of graphics writes video memory.
    pub(crate) fn outside_write(
        &mut self,
        offset: u64,
        data: &[u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.caches
            .change(offset, data, UPPER | L2, &self.vram, who);
        self.vram_store(offset, data)?;
        Ok(())
    }

    /// An engine reads video memory through GL2.
    pub(crate) fn gl2_read(
        &mut self,
        offset: u64,
        out: &mut [u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.vram_load(offset, out)?;
        if out.is_empty() {
            return Ok(());
        }
        let mut old = false;
        for line in offset / LINE..=(offset + out.len() as u64 - 1) / LINE {
            old |= self.caches.take(line, L2) & STALE2 != 0;
        }
        if old && let Some(writer) = self.caches.stale(offset, out) {
            let (rule, seen) = stale_complaint(offset, who, writer, true);
            self.broken(rule, format_args!("{seen}"))?;
        }
        Ok(())
    }

    /// An engine writes video memory through GL2, which keeps the lines.
    pub(crate) fn gl2_write(
        &mut self,
        offset: u64,
        data: &[u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.caches.change(offset, data, UPPER, &self.vram, who);
        self.vram_store(offset, data)?;
        if !data.is_empty() {
            for line in offset / LINE..=(offset + data.len() as u64 - 1) / LINE {
                self.caches.take(line, L2 | DIRTY);
            }
        }
        Ok(())
    }

    /// An engine writes video memory through GL2, which passes it on.
    pub(crate) fn gl2_write_through(
        &mut self,
        offset: u64,
        data: &[u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.caches.change(offset, data, UPPER, &self.vram, who);
        self.vram_store(offset, data)?;
        Ok(())
    }

    /// Invalidates and writes back.
    pub(crate) fn cache_control(&mut self, actions: Actions) -> Result<(), Violation> {
        if actions.l2_invalidate
            && !actions.l2_write_back
            && let Some(line) = self.caches.any_dirty()
        {
            self.broken(
                DIRTY_DROPPED,
                format_args!("the line at {line:#x} of video memory"),
            )?;
        }
        self.counters.written_back += self.caches.control(actions);
        Ok(())
    }
}
