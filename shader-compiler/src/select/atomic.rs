//! Atomic operations, and which instruction does which.

use gfx1100_isa::{Op as Isa, Ty};

use super::operand::What;
use super::{Selector, part};
use crate::ir::{Combine, Space, Value};
use crate::machine::Operand;

impl Selector<'_> {
    pub(super) fn atomic(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        combine: Combine,
        value: Value,
        result: Option<Value>,
    ) {
        let returns = result.filter(|value| self.registers[value.0 as usize].is_some());
        let Some([plain, returning, buffer]) = atomic_ops(combine) else {
            return self.unsupported("this atomic operation");
        };
        let data = self.vector(What::Value(value), Ty::B32);
        let address = self.address(space, offset, constant);
        if space == Space::Shared {
            match returns {
                Some(result) => {
                    let dst = self.reg(result);
                    self.access(returning, dst, &address, &[data]);
                }
                // An exchange has no form without a result.
                None if plain == returning => {
                    let dead = self.vector_temporary(1);
                    self.access(returning, dead, &address, &[data]);
                }
                None => {
                    self.access(plain, Operand::None, &address, &[data]);
                }
            }
            return;
        }
        let Some(result) = returns else {
            self.access(buffer, Operand::None, &address, &[data]);
            return;
        };
        // One register holds the operand before and the result after.
        let dst = self.reg(result);
        self.emit(Isa::V_MOV_B32, dst, &[data.into()]);
        self.access(buffer, dst, &address, &[dst]).mods.glc = true;
    }

    pub(super) fn atomic_compare(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        [new, expected]: [Value; 2],
        result: Option<Value>,
    ) {
        let returns = result.filter(|value| self.registers[value.0 as usize].is_some());
        let address = self.address(space, offset, constant);
        if space == Space::Shared {
            let new = self.vector(What::Value(new), Ty::B32);
            let expected = self.vector(What::Value(expected), Ty::B32);
            match returns {
                Some(result) => {
                    let dst = self.reg(result);
                    self.access(Isa::DS_CMPSTORE_RTN_B32, dst, &address, &[new, expected]);
                }
                None => {
                    self.access(
                        Isa::DS_CMPSTORE_B32,
                        Operand::None,
                        &address,
                        &[new, expected],
                    );
                }
            }
            return;
        }
        let pair = self.vector_temporary(2);
        self.emit(Isa::V_MOV_B32, part(pair, 0), &[new.into()]);
        self.emit(Isa::V_MOV_B32, part(pair, 1), &[expected.into()]);
        let Some(result) = returns else {
            self.access(
                Isa::BUFFER_ATOMIC_CMPSWAP_B32,
                Operand::None,
                &address,
                &[pair],
            );
            return;
        };
        let dst = self.reg(result);
        let inst = self.access(Isa::BUFFER_ATOMIC_CMPSWAP_B32, pair, &address, &[pair]);
        inst.mods.glc = true;
        self.emit(Isa::V_MOV_B32, dst, &[part(pair, 0).into()]);
    }
}

/// LDS without and with result, buffer.
const fn atomic_ops(combine: Combine) -> Option<[Isa; 3]> {
    use Combine as C;
    Some(match combine {
        C::IAdd => [
            Isa::DS_ADD_U32,
            Isa::DS_ADD_RTN_U32,
            Isa::BUFFER_ATOMIC_ADD_U32,
        ],
        C::UMin => [
            Isa::DS_MIN_U32,
            Isa::DS_MIN_RTN_U32,
            Isa::BUFFER_ATOMIC_MIN_U32,
        ],
        C::UMax => [
            Isa::DS_MAX_U32,
            Isa::DS_MAX_RTN_U32,
            Isa::BUFFER_ATOMIC_MAX_U32,
        ],
        C::SMin => [
            Isa::DS_MIN_I32,
            Isa::DS_MIN_RTN_I32,
            Isa::BUFFER_ATOMIC_MIN_I32,
        ],
        C::SMax => [
            Isa::DS_MAX_I32,
            Isa::DS_MAX_RTN_I32,
            Isa::BUFFER_ATOMIC_MAX_I32,
        ],
        C::And => [
            Isa::DS_AND_B32,
            Isa::DS_AND_RTN_B32,
            Isa::BUFFER_ATOMIC_AND_B32,
        ],
        C::Or => [
            Isa::DS_OR_B32,
            Isa::DS_OR_RTN_B32,
            Isa::BUFFER_ATOMIC_OR_B32,
        ],
        C::Xor => [
            Isa::DS_XOR_B32,
            Isa::DS_XOR_RTN_B32,
            Isa::BUFFER_ATOMIC_XOR_B32,
        ],
        C::FAdd => [
            Isa::DS_ADD_F32,
            Isa::DS_ADD_RTN_F32,
            Isa::BUFFER_ATOMIC_ADD_F32,
        ],
        C::FMin => [
            Isa::DS_MIN_F32,
            Isa::DS_MIN_RTN_F32,
            Isa::BUFFER_ATOMIC_MIN_F32,
        ],
        C::FMax => [
            Isa::DS_MAX_F32,
            Isa::DS_MAX_RTN_F32,
            Isa::BUFFER_ATOMIC_MAX_F32,
        ],
        C::Exchange => [
            Isa::DS_STOREXCHG_RTN_B32,
            Isa::DS_STOREXCHG_RTN_B32,
            Isa::BUFFER_ATOMIC_SWAP_B32,
        ],
        C::IMul | C::FMul => return None,
    })
}
