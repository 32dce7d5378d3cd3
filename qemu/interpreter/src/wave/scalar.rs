//! Scalar ALU instructions and scalar loads.

use super::{Context, EXEC, Flow, NULL, VCC, Wave};
use crate::alu::ScalarArgs;
use crate::cycles;
use crate::program::{NO_REGISTER, SCC, ScalarLoad, ScalarSource, ScalarStep};
use crate::rule::Rule;
use crate::stop::Violation;

/// Apertures of flat addresses, as Linux sets them up for gfx9 and later.
pub(crate) const SHARED_BASE: u64 = 0x0002_0000_0000_0000;
pub(crate) const PRIVATE_BASE: u64 = 0x0001_0000_0000_0000;
const APERTURE_LIMIT: u64 = 0xffff_ffff;

impl Wave {
    /// The value of a scalar source.
    #[inline]
    pub(crate) fn scalar_value(&self, source: ScalarSource) -> u64 {
        match source {
            ScalarSource::None => 0,
            ScalarSource::S(code) => u64::from(self.s[usize::from(code & 127)]),
            ScalarSource::Pair(code) if usize::from(code) == NULL => 0,
            ScalarSource::Pair(code) => self.pair(code),
            ScalarSource::K(value) => value,
            ScalarSource::Special(code) => self.special(code),
        }
    }

    /// The value of a source code that is neither register nor constant.
    pub(crate) fn special(&self, code: u8) -> u64 {
        match code {
            235 => SHARED_BASE,
            236 => SHARED_BASE | APERTURE_LIMIT,
            237 => PRIVATE_BASE,
            238 => PRIVATE_BASE | APERTURE_LIMIT,
            251 => u64::from(self.s[VCC] == 0),
            252 => u64::from(self.s[EXEC] == 0),
            253 => u64::from(self.scc),
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn scalar(&mut self, step: &ScalarStep) {
        let mut args = ScalarArgs {
            a: self.scalar_value(step.a),
            b: self.scalar_value(step.b),
            d: self.scalar_value(step.old),
            scc: self.scc,
            exec: self.pair(EXEC as u8),
        };
        (step.function)(&mut args);
        if step.destination != NO_REGISTER {
            if step.wide {
                self.set_pair(step.destination, args.d);
            } else {
                self.set_sgpr(step.destination, args.d as u32);
            }
        }
        if step.writes_scc {
            self.scc = args.scc;
            self.s_defined |= 1 << SCC;
        }
        if step.writes_exec {
            self.set_pair(EXEC as u8, args.exec);
        }
    }

    /// Of a selection by SCC: whether the source that is taken is defined.
    pub(crate) fn selected_is_defined(&self, step: &ScalarStep) -> bool {
        let source = if self.scc { step.a } else { step.b };
        let bits = match source {
            ScalarSource::S(code) => 1 << code,
            ScalarSource::Pair(code) => 3 << code,
            _ => 0,
        };
        bits & !self.s_defined == 0
    }

    /// A scalar load: dword aligned, in a buffer checked dword by dword.
    pub(crate) fn scalar_load(&mut self, context: &mut Context<'_>, load: &ScalarLoad) -> Flow {
        let soffset = self.scalar_value(load.soffset) as u32;
        let offset = i64::from(load.offset) + i64::from(soffset);
        let base = self.pair(load.base);
        // The descriptor's base has 48 bits; above it stands the stride.
        let base = if load.buffer {
            base & 0xffff_ffff_ffff
        } else {
            base
        };
        let address = base.wrapping_add_signed(offset);
        if offset < 0 || address % 4 != 0 {
            context.violate(Rule::MisalignedScalar, None, || {
                format!(
                    "address {address:#x}, offset {offset}: scalar loads need a multiple of 4 and an \
                     offset that is not negative"
                )
            })?;
        }
        let address = address & !3;
        let dwords = usize::from(load.dwords);
        let limit = if load.buffer {
            u64::from(self.s[usize::from(load.base + 2) & 127])
        } else {
            u64::MAX
        };
        let mut bytes = [0; 64];
        let available =
            (limit.saturating_sub(offset.max(0) as u64) / 4).min(dwords as u64) as usize;
        if available < dwords {
            context.violate(Rule::BufferRange, None, || {
                format!(
                    "offset {offset:#x} and {} bytes in a buffer of {limit:#x} bytes",
                    4 * dwords
                )
            })?;
        }
        let wanted = &mut bytes[..4 * available];
        if !wanted.is_empty() {
            context
                .memory
                .read_scalar(address, wanted)
                .map_err(|fault| Violation::fault(None, &fault))?;
        }
        context.traffic.scalar += 4 * available as u64;
        let mut registers = 0;
        for index in 0..dwords {
            let code = usize::from(load.destination) + index;
            if usize::from(load.destination) == NULL || code >= 128 {
                break;
            }
            // PANIC: `bytes` holds 16 dwords and a load has at most 16.
            let dword = bytes[4 * index..][..4].try_into().expect("four bytes");
            self.s[code] = u32::from_le_bytes(dword);
            registers |= 1 << code;
        }
        self.s_defined |= registers;
        self.mark_scalars(context, load, address, available);
        self.issue_scalar(registers, cycles::SMEM_LATENCY);
        Ok(())
    }

    /// Marks what came from memory that nobody wrote.
    fn mark_scalars(
        &mut self,
        context: &Context<'_>,
        load: &ScalarLoad,
        address: u64,
        dwords: usize,
    ) {
        if dwords == 0 || !context.memory.undefined(address, 4 * dwords) {
            return;
        }
        for index in 0..dwords {
            let code = usize::from(load.destination) + index;
            if code < NULL && context.memory.undefined(address + 4 * index as u64, 4) {
                self.s_defined &= !(1 << code);
                self.s_origin[code] = super::Origin::Memory;
            }
        }
    }
}
