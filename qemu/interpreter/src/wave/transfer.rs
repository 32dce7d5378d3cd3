//! One load, store or atomic of the active lanes over a [`Port`], between registers and bytes.

use super::ports::{GlobalPort, Port};
use super::undefined::{Origin, both};
use super::{Flow, Wave, atomic};
use crate::program::{Access, Action, Atomic, Fill, HIGH_HALF, Half, LOW_HALF, Space};
use crate::rule::{Rule, Strictness};
use crate::stop::Violation;

/// Addresses of the lanes that take part.
#[derive(Clone, Copy)]
pub(crate) struct Sites {
    pub(crate) lanes: u32,
    pub(crate) addresses: [u64; 32],
}

impl Sites {
    /// Lane and address of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut rest = self.lanes;
        std::iter::from_fn(move || {
            let lane = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (lane < 32).then(|| (lane, self.addresses[lane as usize]))
        })
    }

    /// The first address, if all lanes are there and lie one behind the other.
    fn dense(&self, bytes: u64) -> Option<u64> {
        let first = self.addresses[0];
        let dense = self
            .addresses
            .iter()
            .enumerate()
            .all(|(lane, address)| *address == first.wrapping_add(bytes * lane as u64));
        (self.lanes == u32::MAX && dense && first.checked_add(32 * bytes).is_some())
            .then_some(first)
    }
}

impl Access {
    /// Registers per lane and address.
    pub(crate) fn dwords(&self) -> u8 {
        self.bytes.div_ceil(4).max(1)
    }
}

impl Half {
    pub(crate) const fn lanes(self) -> u64 {
        match self {
            Self::Low => LOW_HALF,
            Self::High => HIGH_HALF,
        }
    }

    const fn shift(self) -> u32 {
        match self {
            Self::Low => 0,
            Self::High => 16,
        }
    }
}

impl Atomic {
    /// Has a comparand, or a second operand.
    pub(crate) const fn compares(self) -> bool {
        matches!(
            self,
            Self::CompareSwap | Self::CompareSwapFloat | Self::MaskOr
        )
    }
}

/// A transfer of a wave.
pub(crate) struct Transfer<'a> {
    wave: &'a mut Wave,
    access: &'a Access,
    data: Option<u8>,
    destination: Option<u8>,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(wave: &'a mut Wave, access: &'a Access) -> Self {
        Self {
            data: access.data[0],
            destination: access.destination,
            wave,
            access,
        }
    }

    /// The transfer of the second address.
    pub(crate) fn second(wave: &'a mut Wave, access: &'a Access) -> Self {
        Self {
            data: access.data[1],
            destination: access
                .destination
                .map(|first| first.wrapping_add(access.dwords())),
            wave,
            access,
        }
    }

    /// Over memory, in one piece where the lanes' bytes lie side by side.
    pub(crate) fn run_global<const STRICT: bool>(
        mut self,
        strictness: Strictness,
        port: &mut GlobalPort<'_>,
        sites: &Sites,
    ) -> Flow {
        let bytes = usize::from(self.access.bytes);
        let dense = (bytes >= 4).then(|| sites.dense(bytes as u64)).flatten();
        let Some(first) = dense.filter(|first| first % 4 == 0) else {
            return self.run::<STRICT>(strictness, port, sites);
        };
        let mut block = [0; 512];
        let block = &mut block[..32 * bytes];
        let dwords = bytes / 4;
        match (self.access.action, self.destination, self.data) {
            (Action::Load, Some(destination), _) => {
                // A fault names no lane here; go lane by lane to find it.
                if port.0.read(first, block).is_err() {
                    return self.run::<STRICT>(strictness, port, sites);
                }
                let words = block.as_chunks().0;
                for index in 0..dwords {
                    let register = &mut self.wave.v[(usize::from(destination) + index) & 255];
                    for (lane, value) in register.iter_mut().enumerate() {
                        *value = u32::from_le_bytes(words[lane * dwords + index]);
                    }
                }
                self.mark_dense::<STRICT>(port, destination, first);
                Ok(())
            }
            (Action::Store, _, Some(data)) => {
                let words = block.as_chunks_mut().0;
                for index in 0..dwords {
                    let register = &self.wave.v[(usize::from(data) + index) & 255];
                    for (lane, value) in register.iter().enumerate() {
                        words[lane * dwords + index] = value.to_le_bytes();
                    }
                }
                if port.0.write(first, block).is_err() {
                    return self.run::<STRICT>(strictness, port, sites);
                }
                Ok(())
            }
            _ => self.run::<STRICT>(strictness, port, sites),
        }
    }

    fn mark_dense<const STRICT: bool>(
        &mut self,
        port: &GlobalPort<'_>,
        destination: u8,
        first: u64,
    ) {
        let bytes = u64::from(self.access.bytes);
        let defined = !STRICT || !port.0.undefined(first, 32 * bytes as usize);
        for index in 0..self.access.dwords() {
            self.mark(destination.wrapping_add(index), u64::MAX);
        }
        if !defined {
            for lane in 0..32 {
                self.mark_undefined(port, destination, lane, first + bytes * u64::from(lane));
            }
        }
    }

    /// Lane by lane.
    pub(crate) fn run<const STRICT: bool>(
        mut self,
        strictness: Strictness,
        port: &mut impl Port,
        sites: &Sites,
    ) -> Flow {
        for (lane, address) in sites.iter() {
            let atomic = matches!(self.access.action, Action::Atomic(_));
            if STRICT && !atomic {
                self.check_alignment(strictness, lane, address)?;
            }
            match self.access.action {
                Action::Load => self.load::<STRICT>(port, lane, address)?,
                Action::Store => self.store(port, lane, address)?,
                Action::Atomic(atomic) => {
                    if STRICT {
                        self.check_defined(strictness, port, lane, address)?;
                    }
                    self.atomic(port, atomic, lane, address)?;
                }
                Action::Swizzle | Action::Permute | Action::BackPermute => {}
            }
        }
        Ok(())
    }

    fn check_alignment(&self, strictness: Strictness, lane: u32, address: u64) -> Flow {
        let align = u64::from(self.access.bytes.min(4));
        if address.is_multiple_of(align) || !strictness.has(Rule::MisalignedAccess) {
            return Ok(());
        }
        let message = format!("address {address:#x} is not a multiple of {align}");
        Err(Violation::new(Rule::MisalignedAccess, Some(lane), message))
    }

    /// An atomic computes with what it finds, so that must be defined.
    fn check_defined(
        &self,
        strictness: Strictness,
        port: &impl Port,
        lane: u32,
        address: u64,
    ) -> Flow {
        let rule = self.origin().rule(true);
        if !strictness.has(rule) || !port.undefined(lane, address, usize::from(self.access.bytes)) {
            return Ok(());
        }
        let message = format!("an atomic at address {address:#x}, which nobody wrote");
        Err(Violation::new(rule, Some(lane), message))
    }

    fn origin(&self) -> Origin {
        match self.access.space {
            Space::Lds => Origin::Lds,
            Space::Scratch => Origin::Scratch,
            _ => Origin::Memory,
        }
    }

    fn load<const STRICT: bool>(&mut self, port: &mut impl Port, lane: u32, address: u64) -> Flow {
        let Some(destination) = self.destination else {
            return Ok(());
        };
        let access = self.access;
        let count = usize::from(access.bytes);
        let mut bytes = [0; 16];
        port.read(lane, address, &mut bytes[..count])?;
        if count < 4 {
            self.load_part(destination, lane, bytes);
        } else {
            let words = bytes.as_chunks().0;
            for index in 0..access.dwords() {
                let register = usize::from(destination.wrapping_add(index));
                self.wave.v[register][lane as usize] =
                    u32::from_le_bytes(words[usize::from(index)]);
            }
        }
        let halves = access.half.map_or(u64::MAX, Half::lanes);
        for index in 0..access.dwords() {
            self.mark(destination.wrapping_add(index), both(1 << lane) & halves);
        }
        if STRICT && port.undefined(lane, address, count) {
            self.mark_undefined(port, destination, lane, address);
        }
        Ok(())
    }

    /// A load of one or two bytes, extended to a dword or to the half of one.
    fn load_part(&mut self, destination: u8, lane: u32, bytes: [u8; 16]) {
        let raw = u32::from(bytes[0]) | u32::from(bytes[1]) << 8;
        let value = match (self.access.fill, self.access.bytes) {
            (Fill::Sign, 1) => bytes[0] as i8 as u32,
            (Fill::Sign, _) => raw as i16 as u32,
            (Fill::Zero, _) => raw,
        };
        let register = &mut self.wave.v[usize::from(destination)][lane as usize];
        *register = match self.access.half {
            None => value,
            Some(half) => {
                let shift = half.shift();
                *register & !(0xffff << shift) | (value & 0xffff) << shift
            }
        };
    }

    fn mark(&mut self, register: u8, lanes: u64) {
        self.wave.v_defined[usize::from(register)] |= lanes;
    }

    /// Marks the halves of a lane that were loaded from bytes that nobody wrote.
    fn mark_undefined(&mut self, port: &impl Port, destination: u8, lane: u32, address: u64) {
        let origin = self.origin();
        let mut forget = |register: u8, lanes: u64| {
            self.wave.v_defined[usize::from(register)] &= !lanes;
            self.wave.v_origin[usize::from(register)] = origin;
        };
        let lanes = both(1 << lane);
        if self.access.bytes < 4 {
            let halves = self.access.half.map_or(u64::MAX, Half::lanes);
            forget(destination, lanes & halves);
            return;
        }
        for index in 0..self.access.dwords() {
            for (half, offset) in [(LOW_HALF, 0), (HIGH_HALF, 2)] {
                let address = address.wrapping_add(4 * u64::from(index) + offset);
                if port.undefined(lane, address, 2) {
                    forget(destination.wrapping_add(index), lanes & half);
                }
            }
        }
    }

    fn store(&mut self, port: &mut impl Port, lane: u32, address: u64) -> Flow {
        let Some(data) = self.data else {
            return Ok(());
        };
        let mut bytes = [0; 16];
        for (index, word) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            let register = (usize::from(data) + index) & 255;
            *word = self.wave.v[register][lane as usize].to_le_bytes();
        }
        let from = match self.access.half {
            Some(Half::High) => 2,
            _ => 0,
        };
        port.write(
            lane,
            address,
            &bytes[from..][..usize::from(self.access.bytes)],
        )
    }

    fn atomic(&mut self, port: &mut impl Port, operation: Atomic, lane: u32, address: u64) -> Flow {
        let access = self.access;
        let count = usize::from(access.bytes);
        if !address.is_multiple_of(count as u64) {
            let message = format!("address {address:#x} is not a multiple of {count}");
            return Err(Violation::new(Rule::MisalignedAtomic, Some(lane), message));
        }
        let value = |wave: &Wave, register: Option<u8>| {
            let Some(register) = register.map(usize::from) else {
                return 0;
            };
            let low = u64::from(wave.v[register][lane as usize]);
            let high = u64::from(wave.v[(register + 1) & 255][lane as usize]);
            if count == 8 { low | high << 32 } else { low }
        };
        let data = value(self.wave, self.data);
        let comparand = match (access.space, access.second) {
            (Space::Lds, _) => access.data[1],
            _ => self.data.map(|first| first.wrapping_add(access.dwords())),
        };
        let compare = value(self.wave, comparand);
        let mut update = |old| atomic::apply(operation, access.bytes, old, data, compare);
        let old = port.atomic(lane, address, count, &mut update)?;
        if let Some(destination) = self.destination.filter(|_| access.returns) {
            for index in 0..access.dwords() {
                let register = destination.wrapping_add(index);
                let half = (old >> (32 * index)) as u32;
                self.wave.v[usize::from(register)][lane as usize] = half;
                self.mark(register, both(1 << lane));
            }
        }
        Ok(())
    }
}
