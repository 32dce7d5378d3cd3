//! Vector memory and LDS instructions: addresses of the lanes, then one transfer over a [`Port`].

use super::ports::{BufferPort, FlatPort, GlobalPort, LdsPort, ScratchPort};
use super::transfer::{Sites, Transfer};
use super::undefined::both;
use super::waits::Counter;
use super::{Context, Flow, M0, Wave};
use crate::cycles;
use crate::program::{Access, Action, Space, VgprSet};
use crate::rule::Rule;

impl Wave {
    pub(crate) fn access<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        access: &Access,
    ) -> Flow {
        if STRICT {
            self.check_access(context, access)?;
        }
        match access.action {
            Action::Swizzle | Action::Permute | Action::BackPermute => {
                self.exchange_lanes::<STRICT>(context, access)?;
            }
            _ => self.transfer::<STRICT>(context, access)?,
        }
        self.count_access(context, access);
        Ok(())
    }

    /// Data and address must be defined in active lanes, and the destination free.
    fn check_access(&self, context: &Context<'_>, access: &Access) -> Flow {
        let lanes = both(self.exec());
        if let Some(address) = access.address {
            // The source of `ds_swizzle` stands in the address field; its lanes are checked there.
            if access.action != Action::Swizzle {
                self.require(context, address, lanes)?;
            }
            if access.wide_address || access.offen && access.idxen {
                self.require(context, address.wrapping_add(1), lanes)?;
            }
        }
        let lanes = match access.half {
            Some(half) if access.action == Action::Store => lanes & half.lanes(),
            _ if access.bytes < 4 => lanes & crate::program::LOW_HALF,
            _ => lanes,
        };
        let per_operand = match access.action {
            Action::Atomic(atomic) if atomic.compares() && access.space != Space::Lds => {
                2 * access.dwords()
            }
            Action::Permute | Action::BackPermute => 0,
            _ => access.dwords(),
        };
        for data in access.data.into_iter().flatten() {
            for index in 0..per_operand {
                self.require(context, data.wrapping_add(index), lanes)?;
            }
        }
        let Some((counter, first, count)) = self.filled(access) else {
            return Ok(());
        };
        let mut registers = VgprSet::default();
        registers.insert(first, count);
        match self.waits.conflict(counter, &registers) {
            Some((rule, register)) => context.violate(rule, None, || {
                format!("v{register} is still to be filled by a load of another counter")
            }),
            None => Ok(()),
        }
    }

    /// The counter of an access that returns, and the VGPRs that it fills.
    fn filled(&self, access: &Access) -> Option<(Counter, u8, u8)> {
        let first = access.destination.filter(|_| access.returns)?;
        let counter = match access.space {
            Space::Lds => Counter::Lds,
            Space::Flat => Counter::FlatLoad,
            _ => Counter::Vm,
        };
        let addresses = 1 + u8::from(access.second.is_some());
        Some((counter, first, access.dwords() * addresses))
    }

    fn count_access(&mut self, context: &mut Context<'_>, access: &Access) {
        let addresses = 1 + u64::from(access.second.is_some());
        let bytes = u64::from(access.bytes) * addresses * u64::from(self.exec().count_ones());
        let traffic = &mut context.traffic;
        let (loaded, stored) = match access.space {
            Space::Lds => (&mut traffic.lds_loaded, &mut traffic.lds_stored),
            Space::Scratch => (&mut traffic.scratch_loaded, &mut traffic.scratch_stored),
            _ => (&mut traffic.loaded, &mut traffic.stored),
        };
        match access.action {
            Action::Load => *loaded += bytes,
            Action::Store => *stored += bytes,
            Action::Atomic(_) => {
                *loaded += bytes;
                *stored += bytes;
            }
            _ => {}
        }
        let latency = match access.space {
            Space::Lds => cycles::LDS_LATENCY,
            _ => cycles::VMEM_LATENCY,
        };
        match (self.filled(access), access.space) {
            (Some((counter, first, count)), _) => self.issue(counter, first, count, latency),
            (None, Space::Lds) => self.issue(Counter::Lds, 0, 0, latency),
            (None, Space::Flat) => self.issue(Counter::FlatStore, 0, 0, latency),
            (None, Space::Scratch) => self.issue_scratch_store(latency),
            (None, _) => self.issue(Counter::Store, 0, 0, latency),
        }
    }

    fn transfer<const STRICT: bool>(&mut self, context: &mut Context<'_>, access: &Access) -> Flow {
        let strictness = context.strictness;
        let mut sites = Sites {
            lanes: self.exec(),
            addresses: [0; 32],
        };
        let memory = context.memory;
        match access.space {
            Space::Global => {
                self.global_addresses(access, &mut sites);
                let port = &mut GlobalPort(memory);
                Transfer::new(self, access).run_global::<STRICT>(strictness, port, &sites)
            }
            Space::Buffer => {
                let (base, limit) = self.buffer_offsets(context, access, &mut sites)?;
                let whole = sites
                    .iter()
                    .all(|(_, offset)| limit.saturating_sub(offset) >= u64::from(access.bytes));
                if whole {
                    for address in &mut sites.addresses {
                        *address = base.wrapping_add(*address);
                    }
                    let port = &mut GlobalPort(memory);
                    return Transfer::new(self, access)
                        .run_global::<STRICT>(strictness, port, &sites);
                }
                let mut port = BufferPort {
                    memory,
                    base,
                    limit,
                    strictness,
                };
                Transfer::new(self, access).run::<STRICT>(strictness, &mut port, &sites)
            }
            Space::Flat => self.flat::<STRICT>(context, access, &mut sites),
            Space::Lds => {
                self.lds_addresses(access, access.offset as u32, &mut sites);
                // Before the first transfer, whose destination may be the address.
                let second = access.second.map(|offset| {
                    let mut second = sites;
                    self.lds_addresses(access, offset, &mut second);
                    second
                });
                let mut port = LdsPort {
                    lds: context.lds,
                    wave: self.index,
                    strictness,
                    watch: STRICT,
                };
                Transfer::new(self, access).run::<STRICT>(strictness, &mut port, &sites)?;
                match second {
                    Some(sites) => {
                        Transfer::second(self, access).run::<STRICT>(strictness, &mut port, &sites)
                    }
                    None => Ok(()),
                }
            }
            Space::Scratch => {
                self.scratch_addresses(context, access, &mut sites)?;
                self.with_scratch(|wave, bytes, defined| {
                    let mut port = ScratchPort {
                        bytes,
                        defined,
                        strictness,
                    };
                    Transfer::new(wave, access).run::<STRICT>(strictness, &mut port, &sites)
                })
            }
        }
    }

    /// Lends out scratch memory beside the wave.
    fn with_scratch(
        &mut self,
        run: impl FnOnce(&mut Self, &mut [u8], &mut [bool]) -> Flow,
    ) -> Flow {
        let mut bytes = std::mem::take(&mut self.scratch);
        let mut defined = std::mem::take(&mut self.scratch_defined);
        let flow = run(self, &mut bytes, &mut defined);
        self.scratch = bytes;
        self.scratch_defined = defined;
        flow
    }

    fn flat<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        access: &Access,
        sites: &mut Sites,
    ) -> Flow {
        self.global_addresses(access, sites);
        let strictness = context.strictness;
        let memory = context.memory;
        let index = self.index;
        let lds = &mut *context.lds;
        self.with_scratch(|wave, bytes, defined| {
            let mut port = FlatPort {
                global: GlobalPort(memory),
                lds: LdsPort {
                    lds,
                    wave: index,
                    strictness,
                    watch: STRICT,
                },
                scratch: ScratchPort {
                    bytes,
                    defined,
                    strictness,
                },
            };
            Transfer::new(wave, access).run::<STRICT>(strictness, &mut port, sites)
        })
    }

    /// Base and offset, or a 64-bit address in VGPRs.
    fn global_addresses(&self, access: &Access, sites: &mut Sites) {
        let base = access.base.map_or(0, |base| self.pair(base));
        let base = base.wrapping_add_signed(i64::from(access.offset));
        let low = access.address.map(|low| &self.v[usize::from(low)]);
        let high = access
            .address
            .filter(|_| access.wide_address)
            .map(|low| &self.v[usize::from(low.wrapping_add(1))]);
        for (lane, address) in sites.addresses.iter_mut().enumerate() {
            let low = low.map_or(0, |low| u64::from(low[lane]));
            let high = high.map_or(0, |high| u64::from(high[lane]));
            let thread = if access.addtid { 4 * lane as u64 } else { 0 };
            *address = base.wrapping_add(low | high << 32).wrapping_add(thread);
        }
    }

    /// Offsets of the lanes in a buffer; with them the address of offset 0 and the bytes from there on.
    fn buffer_offsets(
        &self,
        context: &Context<'_>,
        access: &Access,
        sites: &mut Sites,
    ) -> Flow<(u64, u64)> {
        let first = access.base.unwrap_or(0);
        let descriptor = self.descriptor(context, first)?;
        let soffset = self.scalar_value(access.soffset) as u32;
        let mut registers = access.address.map(usize::from).into_iter();
        let mut next = |wanted: bool| {
            let register = wanted.then(|| registers.next()).flatten();
            // A second address register follows the first.
            if let Some(register) = register {
                registers = Some((register + 1) % 256).into_iter();
            }
            register.map_or([0; 32], |register| self.v[register])
        };
        let indices = next(access.idxen);
        let offsets = next(access.offen);
        for (lane, address) in sites.addresses.iter_mut().enumerate() {
            let index = u64::from(indices[lane]);
            let offset = u64::from(offsets[lane]) + access.offset as u64;
            *address = index * u64::from(descriptor.stride) + offset;
            if descriptor.structured && index >= u64::from(descriptor.records) {
                *address = u64::MAX >> 8;
            }
        }
        let limit = if descriptor.structured {
            u64::MAX >> 16
        } else {
            u64::from(descriptor.records).saturating_sub(u64::from(soffset))
        };
        Ok((descriptor.base.wrapping_add(u64::from(soffset)), limit))
    }

    fn lds_addresses(&self, access: &Access, offset: u32, sites: &mut Sites) {
        let base = access
            .address
            .map_or([0; 32], |register| self.v[usize::from(register)]);
        let m0 = self.s[M0] & 0xffff;
        for (lane, address) in sites.addresses.iter_mut().enumerate() {
            let thread = if access.addtid {
                m0 + 4 * lane as u32
            } else {
                0
            };
            *address = u64::from(base[lane]) + u64::from(offset) + u64::from(thread);
        }
    }

    fn scratch_addresses(&self, context: &Context<'_>, access: &Access, sites: &mut Sites) -> Flow {
        let scalar = access
            .base
            .map_or(0, |base| self.s[usize::from(base & 127)]);
        let vector = access
            .address
            .map(|register| &self.v[usize::from(register)]);
        for (lane, address) in sites.addresses.iter_mut().enumerate() {
            let vector = vector.map_or(0, |vector| vector[lane]);
            let sum = vector
                .wrapping_add(scalar)
                .wrapping_add_signed(access.offset);
            *address = u64::from(sum);
        }
        if let (Some(_), Some(vector)) = (access.base, vector) {
            // The two low bits are added apart from the rest, and their carry is lost.
            let carries = |lane: &usize| {
                let low = (vector[*lane] & 3) + (scalar & 3) + (access.offset as u32 & 3);
                self.exec() >> lane & 1 == 1 && low > 3
            };
            if let Some(lane) = (0..32).find(carries) {
                context.violate(Rule::ScratchCarry, Some(lane as u32), || {
                    format!(
                        "VGPR {:#x}, SGPR {scalar:#x} and offset {:#x} carry out of the low two bits",
                        vector[lane], access.offset
                    )
                })?;
            }
        }
        Ok(())
    }

    /// `ds_swizzle`, `ds_permute`, `ds_bpermute`: no memory is used.
    fn exchange_lanes<const STRICT: bool>(
        &mut self,
        context: &Context<'_>,
        access: &Access,
    ) -> Flow {
        let exec = self.exec();
        let swizzle = access.action == Action::Swizzle;
        let data = if swizzle {
            access.address
        } else {
            access.data[0]
        };
        let (Some(data), Some(destination)) = (data, access.destination) else {
            return Ok(());
        };
        let active = |lane: usize| exec >> lane & 1 == 1;
        // From which lane each active lane receives; of several that push, the last one wins.
        let mut from = [None; 32];
        for lane in (0..32).filter(|lane| active(*lane)) {
            let other = match access.address {
                _ if swizzle => swizzled(lane, access.offset as u32),
                Some(address) => {
                    let address = self.v[usize::from(address)][lane];
                    (address.wrapping_add(access.offset as u32) / 4 % 32) as usize
                }
                None => lane,
            };
            if access.action == Action::Permute {
                from[other] = Some(lane);
            } else if active(other) {
                from[lane] = Some(other);
            }
        }
        let source = self.v[usize::from(data)];
        let mut read = 0;
        let mut result = [0; 32];
        for lane in (0..32).filter(|lane| active(*lane)) {
            if let Some(other) = from[lane] {
                read |= 1 << other;
                result[lane] = source[other];
            }
        }
        if STRICT {
            self.require(context, data, both(read))?;
        }
        super::vector::blend(&mut self.v[usize::from(destination)], &result, exec);
        self.v_defined[usize::from(destination)] |= both(exec);
        Ok(())
    }
}

/// The lane from which `ds_swizzle` reads (RDNA3 manual, DS_SWIZZLE_B32).
fn swizzled(lane: usize, offset: u32) -> usize {
    let lane = lane as u32;
    let low = offset & 31;
    let other = match offset {
        // Butterflies of a Fourier transform: bits reversed, but for those of the mask.
        0xe000.. => {
            let reversed = lane.reverse_bits() >> 27;
            reversed >> low.count_ones() | lane & low
        }
        0xc000.. => {
            let amount = offset >> 5 & 31;
            let amount = if offset >> 10 & 1 == 1 {
                32 - amount
            } else {
                amount
            };
            lane & low | (lane + amount) & !low & 31
        }
        0x8000.. => lane & !3 | offset >> (2 * (lane & 3)) & 3,
        _ => (lane & low | offset >> 5 & 31) ^ offset >> 10 & 31,
    };
    other as usize % 32
}

#[cfg(test)]
mod tests {
    use super::swizzled;

    #[test]
    fn swizzle_patterns() {
        assert_eq!(swizzled(3, 0x401f), 19);
        assert_eq!(swizzled(3, 5 << 5), 5);
        assert_eq!(swizzled(3, 0x7c1f), 28);
        assert_eq!(swizzled(6, 0x8000 | 0b00_01_10_11), 5);
        assert_eq!(swizzled(31, 0xc000 | 1 << 5), 0);
        assert_eq!(swizzled(0, 0xc000 | 1 << 10 | 1 << 5), 31);
        assert_eq!(swizzled(1, 0xe000), 16);
    }
}
