//! Which registers an instruction reads and writes, as sets.

use gfx1100_isa::{Class, Inst, Op, Operand, Place};

/// Bit of SCC in a set of scalar registers; the others have the bit of their operand code.
pub(crate) const SCC: u32 = 123;
const VCC: u32 = 106;
const NULL: u8 = 124;
const M0: u32 = 125;
const EXEC: u32 = 126;

/// A set of VGPRs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VgprSet(pub(crate) [u64; 4]);

impl VgprSet {
    /// Adds `count` registers from `first`; those past v255 are left out.
    pub(crate) fn insert(&mut self, first: u8, count: u8) {
        for register in usize::from(first)..(usize::from(first) + usize::from(count)).min(256) {
            self.0[register / 64] |= 1 << (register % 64);
        }
    }

    /// Whether the register is in it.
    #[inline]
    pub(crate) fn contains(&self, register: u8) -> bool {
        self.0[usize::from(register / 64)] >> (register % 64) & 1 == 1
    }

    /// The lowest register that is in both.
    #[inline]
    pub(crate) fn first_common(&self, other: &Self) -> Option<u8> {
        (0..4).find_map(|word| {
            let common = self.0[word] & other.0[word];
            (common != 0).then(|| (word as u32 * 64 + common.trailing_zeros()) as u8)
        })
    }

    /// Whether there is no register in both.
    #[inline]
    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        let common = |word: usize| self.0[word] & other.0[word];
        common(0) | common(1) | common(2) | common(3) == 0
    }

    /// Adds the registers of another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// The highest register.
    pub(crate) fn last(&self) -> Option<u8> {
        (0..4)
            .rev()
            .find(|word| self.0[*word] != 0)
            .map(|word| (word as u32 * 64 + 63 - self.0[word].leading_zeros()) as u8)
    }
}

/// What an instruction reads and writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) vector_reads: VgprSet,
    pub(crate) vector_writes: VgprSet,
    pub(crate) scalar_reads: u128,
    pub(crate) scalar_writes: u128,
}

impl Registers {
    /// Those of an instruction.
    pub(crate) fn of(inst: &Inst) -> Self {
        let mut registers = Self::default();
        if let Some(dual) = inst.dual {
            registers.dual(inst, dual.x, dual.y);
            return registers;
        }
        let row = inst.op.row();
        // Which register a relative move reads or writes is known only when it runs.
        for place in Place::ALL.into_iter().filter(|_| !is_relative(inst.op)) {
            let access = match place {
                Place::Dst0 | Place::Dst1 => Access::Write,
                _ => Access::Read,
            };
            registers.add(inst.get(place), inst.dwords(place), access);
        }
        let load = matches!(row.class, Class::VmemLoad | Class::LdsLoad);
        if row.effects.reads_dst
            && !load
            && let Some(slot) = row.dst.first()
        {
            registers.add(inst.dst[0], slot.ty.dwords(), Access::Read);
        }
        if row.effects.writes_src0 {
            registers.add(inst.src[0], 1, Access::Write);
        }
        registers.implicit(inst);
        registers
    }

    fn implicit(&mut self, inst: &Inst) {
        let effects = inst.op.row().effects;
        let mut read = |flag: bool, bit: u32| {
            if flag {
                self.scalar_reads |= 1 << bit;
            }
        };
        read(effects.reads_scc, SCC);
        read(effects.reads_vcc, VCC);
        read(effects.reads_exec, EXEC);
        // Of the messages only some read M0, and none of those is one for compute.
        let message = matches!(inst.op, Op::S_SENDMSG | Op::S_SENDMSGHALT);
        read(effects.reads_m0 && !message, M0);
        if effects.writes_scc {
            self.scalar_writes |= 1 << SCC;
        }
        if effects.writes_exec {
            self.scalar_writes |= 1 << EXEC;
        }
    }

    fn dual(&mut self, inst: &Inst, x: Op, y: Op) {
        for (half, op) in [x, y].into_iter().enumerate() {
            let row = op.row();
            self.add(inst.src[2 * half], 1, Access::Read);
            self.add(inst.src[2 * half + 1], 1, Access::Read);
            self.add(inst.dst[half], 1, Access::Write);
            if row.effects.reads_dst {
                self.add(inst.dst[half], 1, Access::Read);
            }
            if op == Op::V_CNDMASK_B32 {
                self.scalar_reads |= 1 << VCC;
            }
        }
    }

    fn add(&mut self, operand: Operand, dwords: u8, access: Access) {
        match operand {
            _ if dwords == 0 => {}
            Operand::V(first) => {
                let set = match access {
                    Access::Read => &mut self.vector_reads,
                    Access::Write => &mut self.vector_writes,
                };
                set.insert(first, dwords);
            }
            Operand::S(NULL) => {}
            Operand::S(first) => {
                let end = u32::from(first) + u32::from(dwords);
                let bits = if end >= 128 {
                    u128::MAX
                } else {
                    (1 << end) - 1
                };
                let bits = bits >> first << first;
                match access {
                    Access::Read => self.scalar_reads |= bits,
                    Access::Write => self.scalar_writes |= bits,
                }
            }
            Operand::Inline(251) => self.scalar_reads |= 1 << VCC,
            Operand::Inline(253) => self.scalar_reads |= 1 << SCC,
            Operand::None | Operand::Inline(_) | Operand::Literal(_) => {}
        }
    }
}

fn is_relative(op: Op) -> bool {
    matches!(
        op,
        Op::S_MOVRELS_B32
            | Op::S_MOVRELS_B64
            | Op::S_MOVRELD_B32
            | Op::S_MOVRELD_B64
            | Op::S_MOVRELSD_2_B32
            | Op::V_MOVRELD_B32
            | Op::V_MOVRELS_B32
            | Op::V_MOVRELSD_B32
            | Op::V_MOVRELSD_2_B32
            | Op::V_SWAPREL_B32
    )
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// A global or scratch address with an SGPR part.
pub(crate) fn has_base(inst: &Inst) -> bool {
    !matches!(inst.src[2], Operand::None | Operand::NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_vgprs() {
        let mut set = VgprSet::default();
        set.insert(62, 4);
        assert!(set.contains(62) && set.contains(65) && !set.contains(66));
        assert_eq!(set.last(), Some(65));
        let mut other = VgprSet::default();
        other.insert(65, 200);
        assert_eq!(set.first_common(&other), Some(65));
        assert!(!set.is_disjoint(&other));
        let mut apart = VgprSet::default();
        apart.insert(66, 255);
        assert!(set.is_disjoint(&apart));
    }
}
