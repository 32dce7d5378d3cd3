//! Ports: the memories that a vector access can reach, each with its own idea of an address.

use super::scalar::{PRIVATE_BASE, SHARED_BASE};
use super::{Context, Flow, Wave};
use crate::lds::{Lds, Touch};
use crate::memory::Memory;
use crate::rule::{Rule, Strictness};
use crate::stop::Violation;

/// One memory, for one access of a wave.
pub(crate) trait Port {
    /// Reads bytes for a lane.
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow;
    /// Writes bytes for a lane.
    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow;
    /// Replaces 4 or 8 aligned bytes; returns what was there.
    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64>;
    /// Whether any of the bytes was never written.
    fn undefined(&self, lane: u32, address: u64, bytes: usize) -> bool;
}

/// Memory behind the trait.
pub(crate) struct GlobalPort<'a>(pub(crate) &'a dyn Memory);

impl Port for GlobalPort<'_> {
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow {
        let read = self.0.read(address, out);
        read.map_err(|fault| Violation::fault(Some(lane), &fault))
    }

    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow {
        let written = self.0.write(address, data);
        written.map_err(|fault| Violation::fault(Some(lane), &fault))
    }

    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64> {
        let old = self.0.atomic(address, bytes, update);
        old.map_err(|fault| Violation::fault(Some(lane), &fault))
    }

    fn undefined(&self, _lane: u32, address: u64, bytes: usize) -> bool {
        self.0.undefined(address, bytes)
    }
}

fn stop(strictness: Strictness, rule: Rule, lane: u32, message: impl FnOnce() -> String) -> Flow {
    if strictness.has(rule) {
        Err(Violation::new(rule, Some(lane), message()))
    } else {
        Ok(())
    }
}

/// Workgroup memory; out of range loads give 0 and stores are dropped where that is no violation.
pub(crate) struct LdsPort<'a> {
    pub(crate) lds: &'a mut Lds,
    pub(crate) wave: u32,
    pub(crate) strictness: Strictness,
    /// Keep track of who touches what.
    pub(crate) watch: bool,
}

impl LdsPort<'_> {
    fn reach(&mut self, lane: u32, touch: Touch, address: u64, bytes: usize) -> Flow<bool> {
        if !self.lds.contains(address, bytes) {
            let size = self.lds.bytes.len();
            stop(self.strictness, Rule::LdsRange, lane, || {
                format!("{bytes} bytes at LDS address {address:#x}; the workgroup has {size:#x}")
            })?;
            return Ok(false);
        }
        if self.watch {
            let other = self.lds.touch(self.wave, touch, address as usize, bytes);
            if let Some(other) = other {
                stop(self.strictness, Rule::LdsRace, lane, || {
                    let other = match other {
                        u8::MAX => "other waves".to_owned(),
                        wave => format!("wave {wave}"),
                    };
                    format!("{other} touched LDS address {address:#x} since the last barrier")
                })?;
            }
        }
        Ok(true)
    }
}

impl Port for LdsPort<'_> {
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow {
        if self.reach(lane, Touch::Load, address, out.len())? {
            out.copy_from_slice(&self.lds.bytes[address as usize..][..out.len()]);
        } else {
            out.fill(0);
        }
        Ok(())
    }

    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow {
        if self.reach(lane, Touch::Store, address, data.len())? {
            self.lds.bytes[address as usize..][..data.len()].copy_from_slice(data);
            self.lds.define(address as usize, data.len());
        }
        Ok(())
    }

    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64> {
        if !self.reach(lane, Touch::Atomic, address, bytes)? {
            return Ok(0);
        }
        let place = &mut self.lds.bytes[address as usize..][..bytes];
        let mut old = [0; 8];
        old[..bytes].copy_from_slice(place);
        let old = u64::from_le_bytes(old);
        place.copy_from_slice(&update(old).to_le_bytes()[..bytes]);
        self.lds.define(address as usize, bytes);
        Ok(old)
    }

    fn undefined(&self, _lane: u32, address: u64, bytes: usize) -> bool {
        self.lds.contains(address, bytes) && self.lds.undefined(address as usize, bytes)
    }
}

/// Scratch memory of a wave: each lane has its own.
pub(crate) struct ScratchPort<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) defined: &'a mut [bool],
    pub(crate) strictness: Strictness,
}

impl ScratchPort<'_> {
    /// Where the bytes of a lane are; nowhere if they are out of range and that is let pass.
    fn reach(&self, lane: u32, address: u64, bytes: usize) -> Flow<Option<usize>> {
        let size = self.bytes.len() / 32;
        let end = address.checked_add(bytes as u64);
        if end.is_none_or(|end| end > size as u64) {
            stop(self.strictness, Rule::ScratchRange, lane, || {
                format!("{bytes} bytes at scratch address {address:#x}; a lane has {size:#x}")
            })?;
            return Ok(None);
        }
        Ok(Some(lane as usize * size + address as usize))
    }
}

impl Port for ScratchPort<'_> {
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow {
        match self.reach(lane, address, out.len())? {
            Some(at) => out.copy_from_slice(&self.bytes[at..][..out.len()]),
            None => out.fill(0),
        }
        Ok(())
    }

    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow {
        if let Some(at) = self.reach(lane, address, data.len())? {
            self.bytes[at..][..data.len()].copy_from_slice(data);
            self.defined[at..][..data.len()].fill(true);
        }
        Ok(())
    }

    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64> {
        let mut old = [0; 8];
        self.read(lane, address, &mut old[..bytes])?;
        let old = u64::from_le_bytes(old);
        self.write(lane, address, &update(old).to_le_bytes()[..bytes])?;
        Ok(old)
    }

    fn undefined(&self, lane: u32, address: u64, bytes: usize) -> bool {
        let at = lane as usize * (self.bytes.len() / 32) + address as usize;
        self.defined
            .get(at..at + bytes)
            .is_some_and(|defined| defined.contains(&false))
    }
}

/// A buffer: addresses are offsets from its descriptor's base and the scalar offset, checked against the number of records
/// dword by dword.
pub(crate) struct BufferPort<'a> {
    pub(crate) memory: &'a dyn Memory,
    /// Descriptor's base and scalar offset.
    pub(crate) base: u64,
    /// Bytes from there on.
    pub(crate) limit: u64,
    pub(crate) strictness: Strictness,
}

impl BufferPort<'_> {
    /// How many of the bytes are in range.
    fn reach(&self, lane: u32, offset: u64, bytes: usize) -> Flow<usize> {
        let available = self.limit.saturating_sub(offset);
        if available >= bytes as u64 {
            return Ok(bytes);
        }
        stop(self.strictness, Rule::BufferRange, lane, || {
            format!(
                "{bytes} bytes at offset {offset:#x} of a buffer of {:#x} bytes from its scalar offset on",
                self.limit
            )
        })?;
        Ok(available as usize / 4 * 4)
    }
}

impl Port for BufferPort<'_> {
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow {
        let count = self.reach(lane, address, out.len())?;
        let (now, beyond) = out.split_at_mut(count);
        beyond.fill(0);
        if now.is_empty() {
            return Ok(());
        }
        GlobalPort(self.memory).read(lane, self.base.wrapping_add(address), now)
    }

    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow {
        let count = self.reach(lane, address, data.len())?;
        if count == 0 {
            return Ok(());
        }
        GlobalPort(self.memory).write(lane, self.base.wrapping_add(address), &data[..count])
    }

    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64> {
        if self.reach(lane, address, bytes)? < bytes {
            return Ok(0);
        }
        GlobalPort(self.memory).atomic(lane, self.base.wrapping_add(address), bytes, update)
    }

    fn undefined(&self, lane: u32, address: u64, bytes: usize) -> bool {
        let inside = self.limit.saturating_sub(address) >= bytes as u64;
        inside && GlobalPort(self.memory).undefined(lane, self.base.wrapping_add(address), bytes)
    }
}

/// Flat addresses: windows onto workgroup and scratch memory, and global memory elsewhere.
pub(crate) struct FlatPort<'a> {
    pub(crate) global: GlobalPort<'a>,
    pub(crate) lds: LdsPort<'a>,
    pub(crate) scratch: ScratchPort<'a>,
}

impl FlatPort<'_> {
    /// The port of an address, and the address there.
    fn choose(&mut self, address: u64) -> (&mut dyn Port, u64) {
        let window = address & !0xffff_ffff;
        let within = address & 0xffff_ffff;
        match window {
            SHARED_BASE => (&mut self.lds, within),
            PRIVATE_BASE => (&mut self.scratch, within),
            _ => (&mut self.global, address),
        }
    }
}

impl Port for FlatPort<'_> {
    fn read(&mut self, lane: u32, address: u64, out: &mut [u8]) -> Flow {
        let (port, address) = self.choose(address);
        port.read(lane, address, out)
    }

    fn write(&mut self, lane: u32, address: u64, data: &[u8]) -> Flow {
        let (port, address) = self.choose(address);
        port.write(lane, address, data)
    }

    fn atomic(
        &mut self,
        lane: u32,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Flow<u64> {
        let (port, address) = self.choose(address);
        port.atomic(lane, address, bytes, update)
    }

    fn undefined(&self, lane: u32, address: u64, bytes: usize) -> bool {
        let within = address & 0xffff_ffff;
        match address & !0xffff_ffff {
            SHARED_BASE => self.lds.undefined(lane, within, bytes),
            PRIVATE_BASE => self.scratch.undefined(lane, within, bytes),
            _ => self.global.undefined(lane, address, bytes),
        }
    }
}

/// What a buffer descriptor says (RDNA3 manual, "Buffer Resource Descriptor").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) base: u64,
    pub(crate) stride: u32,
    pub(crate) records: u32,
    /// A raw buffer: no stride, no swizzle, of type buffer, checked byte by byte.
    pub(crate) raw: bool,
    /// Range is checked by index, not by byte.
    pub(crate) structured: bool,
}

impl Descriptor {
    fn of(words: [u32; 4]) -> Self {
        let [low, high, records, flags] = words;
        let stride = high >> 16 & 0x3fff;
        let oob_select = flags >> 28 & 3;
        Self {
            base: u64::from(low) | u64::from(high & 0xffff) << 32,
            stride,
            records,
            raw: stride == 0 && high >> 30 == 0 && flags >> 30 == 0 && oob_select == 3,
            structured: stride != 0 && oob_select < 2,
        }
    }
}

impl Wave {
    /// The descriptor in four SGPRs.
    pub(crate) fn descriptor(&self, context: &Context<'_>, first: u8) -> Flow<Descriptor> {
        let first = usize::from(first);
        let words: [u32; 4] = std::array::from_fn(|index| self.s[(first + index) % 128]);
        let descriptor = Descriptor::of(words);
        if !descriptor.raw {
            context.violate(Rule::BufferDescriptor, None, || {
                format!(
                    "s[{first}:{}] = {words:08x?}: a raw buffer has stride 0, no swizzle, oob_select 3 and type 0",
                    first + 3
                )
            })?;
        }
        Ok(descriptor)
    }
}
