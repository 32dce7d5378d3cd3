//! Memory of the card: who has which part of video memory, which virtual addresses lead where.
//!
//! One address space, that of VMID 0, serves all engines. Addresses begin at [`VA_START`], far from video memory's own
//! (the system aperture), so that the two can never be taken for each other. After every mapping a page is left out, so that
//! what runs past its end faults.
//!
//! What is handed out is a handle that goes back as a whole. Every change ends with a flush of the host data path and of the
//! TLBs of both hubs: entries that were not valid are cached too, so that a new mapping needs it as much as an old one.

mod page_table;
mod ranges;
#[cfg(test)]
mod tests;

use core::ops::Range;

use page_table::{PageFlags, PageTables, Run};
use ranges::Ranges;

use crate::{Bar, Device, Error, GpuVa, HostBuffer, HostRange, VramAddr};

/// First virtual address, as tinygrad's AM has it. A multiple of what the root table maps.
pub const VA_START: GpuVa = GpuVa(0x2000_0000_0000);
/// The address after the last: 47 bits, so that addresses are the same with and without sign.
pub const VA_END: GpuVa = GpuVa(0x8000_0000_0000);

const PAGE: u64 = 4096;
const MIB2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
/// Bits of a bus address that the card can send (dma_bits in `gmc_v11_0_sw_init` of Linux; address_space_mask in tinygrad).
const BUS_BITS: u32 = 44;

/// What engines may do with video memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// GL2 and the caches above it keep its lines.
    pub cached: bool,
    /// Engines may write it.
    pub writeable: bool,
    /// Waves may run it.
    pub executable: bool,
}

impl Access {
    /// Tensors: cached, read and written.
    pub const DATA: Self = Self {
        cached: true,
        writeable: true,
        executable: false,
    };
    /// Programs. SDMA writes them through the same mapping.
    pub const CODE: Self = Self {
        executable: true,
        ..Self::DATA
    };
    /// What engines tell each other: no cache keeps it.
    pub const UNCACHED: Self = Self {
        cached: false,
        ..Self::DATA
    };

    fn flags(self) -> PageFlags {
        PageFlags::READABLE
            .with(PageFlags::WRITEABLE, self.writeable)
            .with(PageFlags::EXECUTABLE, self.executable)
            .with(PageFlags::UNCACHED, !self.cached)
    }
}

/// Host memory is snooped, so that the processor's caches may keep it, and no cache of the card does (MTYPE UC). Both Linux
/// (gart_pte_flags in `gmc_v11_0_gart_init`) and tinygrad map it executable.
const HOST_FLAGS: PageFlags = PageFlags::SYSTEM
    .with(PageFlags::SNOOPED, true)
    .with(PageFlags::READABLE, true)
    .with(PageFlags::WRITEABLE, true)
    .with(PageFlags::EXECUTABLE, true)
    .with(PageFlags::UNCACHED, true);

/// Video memory that is mapped.
#[derive(Debug, PartialEq, Eq)]
pub struct VramBuffer {
    mapping: Mapping,
    vram: VramAddr,
    bytes: u64,
}

impl VramBuffer {
    /// Where engines find it.
    #[must_use]
    pub const fn va(&self) -> GpuVa {
        self.mapping.va
    }

    /// Where it is in video memory.
    #[must_use]
    pub const fn vram(&self) -> VramAddr {
        self.vram
    }

    /// Length, as it was asked for.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Virtual addresses that lead somewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Mapping {
    va: GpuVa,
    bytes: u64,
}

impl Mapping {
    /// The first of them.
    #[must_use]
    pub const fn va(&self) -> GpuVa {
        self.va
    }
}

/// Host memory that is mapped.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedBuffer {
    buffer: HostBuffer,
    mapping: Mapping,
}

impl SharedBuffer {
    /// Where engines find it.
    #[must_use]
    pub const fn va(&self) -> GpuVa {
        self.mapping.va
    }

    /// The bus's name for it, to read and write it.
    #[must_use]
    pub const fn buffer(&self) -> &HostBuffer {
        &self.buffer
    }

    /// Writes bytes of it.
    ///
    /// # Errors
    /// If they are not all within it.
    pub fn write(&self, device: &mut Device, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.check(offset, data.len())?;
        device.bus().host_write(&self.buffer, offset, data);
        Ok(())
    }

    /// Reads bytes of it.
    ///
    /// # Errors
    /// If they are not all within it.
    pub fn read(&self, device: &mut Device, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.check(offset, out.len())?;
        device.bus().host_read(&self.buffer, offset, out);
        Ok(())
    }

    /// Gives the memory back to the bus without unmapping it, from a card that does no DMA any more: it was reset, or is off
    /// bus mastering. Its page tables are not used again.
    pub fn abandon(self, device: &mut Device) {
        device.bus().free(self.buffer);
    }

    fn check(&self, offset: u64, bytes: usize) -> Result<(), Error> {
        let end = offset.checked_add(bytes as u64);
        if end.is_some_and(|end| end <= self.buffer.bytes) {
            return Ok(());
        }
        Err(Error::Unexpected {
            what: "offset into host memory",
            found: offset,
            expected: "one with all bytes inside the buffer",
        })
    }
}

/// Video memory, virtual addresses and page tables.
pub struct Memory {
    vram: Ranges,
    addresses: Ranges,
    tables: PageTables,
    root: VramAddr,
}

impl Memory {
    /// Hands out `vram`; keeps its root table at `root` and the others in `tables`, all of which the processor must reach
    /// through BAR0. The root is written, so that hubs can be pointed at it.
    ///
    /// # Errors
    /// If the processor does not reach the tables.
    pub fn new(
        device: &mut Device,
        vram: Range<VramAddr>,
        tables: Range<VramAddr>,
        root: VramAddr,
    ) -> Result<Self, Error> {
        let visible = device.bus().aperture_bytes(Bar::Vram);
        let end = tables.end.0.max(root.0.saturating_add(PAGE));
        if end > visible || !root.0.is_multiple_of(PAGE) {
            return Err(Error::Unexpected {
                what: "end of the page tables in video memory",
                found: end,
                expected: "what BAR0 shows, and whole pages",
            });
        }
        let mut tables = PageTables::new(root, tables, VA_START);
        tables.commit(device);
        device.flush_hdp()?;
        Ok(Self {
            vram: Ranges::new("video memory", vram.start.0..vram.end.0),
            addresses: Ranges::new("virtual addresses", VA_START.0..VA_END.0),
            tables,
            root,
        })
    }

    /// The root table, which hubs are pointed at.
    #[must_use]
    pub const fn root(&self) -> VramAddr {
        self.root
    }

    /// Bytes of video memory that nobody has.
    #[must_use]
    pub fn free_vram(&self) -> u64 {
        self.vram.free_bytes()
    }

    /// Video memory at a multiple of `align` (a power of two; a page at least, 2 MiB at least for buffers of that size).
    ///
    /// # Errors
    /// If there is not enough of it in one piece.
    pub fn allocate_vram(
        &mut self,
        device: &mut Device,
        bytes: u64,
        align: u64,
        access: Access,
    ) -> Result<VramBuffer, Error> {
        if !align.is_power_of_two() || bytes == 0 {
            return Err(Error::Unexpected {
                what: "alignment of a buffer of some bytes",
                found: align,
                expected: "a power of two, and bytes",
            });
        }
        let align = align.max(if bytes >= MIB2 { MIB2 } else { PAGE });
        let vram = self.vram.take(bytes, align, 0)?;
        let run = [(vram, bytes.next_multiple_of(PAGE))];
        let mapping = self.map(device, run.into_iter(), access.flags());
        if mapping.is_err() {
            self.vram.give(vram, bytes)?;
        }
        Ok(VramBuffer {
            mapping: mapping?,
            vram: VramAddr(vram),
            bytes,
        })
    }

    /// Takes video memory back. No engine uses it any more.
    ///
    /// # Errors
    /// If TLBs cannot be flushed; the memory is not used again then.
    pub fn free(&mut self, device: &mut Device, buffer: VramBuffer) -> Result<(), Error> {
        self.unmap(device, buffer.mapping)?;
        self.vram.give(buffer.vram.0, buffer.bytes)
    }

    /// Host memory from the bus, mapped.
    ///
    /// # Errors
    /// If there is none, or none that the card reaches.
    pub fn allocate_host(
        &mut self,
        device: &mut Device,
        bytes: u64,
    ) -> Result<SharedBuffer, Error> {
        let no_room = Error::NoRoom {
            what: "host memory",
            bytes,
        };
        let whole = bytes.max(1).checked_next_multiple_of(PAGE);
        let buffer = whole.and_then(|whole| device.bus().allocate(whole));
        let buffer = buffer.ok_or(no_room)?;
        match self.map_host(device, &buffer.ranges) {
            Ok(mapping) => Ok(SharedBuffer { buffer, mapping }),
            Err(error) => {
                device.bus().free(buffer);
                Err(error)
            }
        }
    }

    /// Unmaps host memory and gives it back to the bus. No engine uses it any more.
    ///
    /// # Errors
    /// If TLBs cannot be flushed; the memory stays with the card then.
    pub fn free_host(&mut self, device: &mut Device, shared: SharedBuffer) -> Result<(), Error> {
        self.unmap(device, shared.mapping)?;
        device.bus().free(shared.buffer);
        Ok(())
    }

    /// Maps host memory at consecutive addresses.
    ///
    /// # Errors
    /// If a range is not whole pages that the card can address, or there is no room for tables.
    pub fn map_host(
        &mut self,
        device: &mut Device,
        ranges: &[HostRange],
    ) -> Result<Mapping, Error> {
        for range in ranges {
            let end = range.address.0.checked_add(range.bytes);
            let fits = end.is_some_and(|end| end <= 1 << BUS_BITS);
            if !fits || (range.address.0 | range.bytes) % PAGE != 0 {
                return Err(Error::Unexpected {
                    what: "address of host memory",
                    found: range.address.0,
                    expected: "whole pages below 2^44",
                });
            }
        }
        let runs = ranges.iter().map(|range| (range.address.0, range.bytes));
        self.map(device, runs, HOST_FLAGS)
    }

    /// Takes addresses back. No engine uses them any more.
    ///
    /// # Errors
    /// If TLBs cannot be flushed; the addresses are not used again then.
    pub fn unmap(&mut self, device: &mut Device, mapping: Mapping) -> Result<(), Error> {
        self.tables.unmap(mapping.va, mapping.bytes);
        self.show(device)?;
        self.addresses.give(mapping.va.0, mapping.bytes + PAGE)
    }

    /// Maps runs one after the other. Addresses are chosen to be what the first run is modulo the largest page that fits, so
    /// that large pages can be used wherever there is one.
    fn map(
        &mut self,
        device: &mut Device,
        runs: impl Iterator<Item = (u64, u64)> + Clone,
        flags: PageFlags,
    ) -> Result<Mapping, Error> {
        let bytes = runs.clone().map(|(_, bytes)| bytes).sum::<u64>();
        let first = runs.clone().next().map_or(0, |(to, _)| to);
        let pages = [GIB, MIB2, PAGE];
        let align = pages.into_iter().find(|page| bytes >= *page);
        let align = align.unwrap_or(PAGE);
        // One more page, which stays unmapped.
        let va = self
            .addresses
            .take(bytes + PAGE, align, first & (align - 1))?;
        let mut next = va;
        let mut mapped = Ok(());
        for (to, bytes) in runs {
            let va = GpuVa(next);
            mapped = mapped.and_then(|()| {
                self.tables.map(Run {
                    va,
                    to,
                    bytes,
                    flags,
                })
            });
            next += bytes;
        }
        if let Err(error) = mapped {
            // The card has seen nothing of it.
            self.tables.unmap(GpuVa(va), bytes);
            self.addresses.give(va, bytes + PAGE)?;
            return Err(error);
        }
        self.show(device)?;
        let va = GpuVa(va);
        Ok(Mapping { va, bytes })
    }

    /// Makes the card see page tables as they are now.
    fn show(&mut self, device: &mut Device) -> Result<(), Error> {
        self.tables.commit(device);
        crate::hub::flush_tlbs(device)
    }
}
