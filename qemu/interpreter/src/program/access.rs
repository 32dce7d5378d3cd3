//! Memory instructions made ready: what their names, modifiers and operands say, as data.

use gfx1100_isa::{Class, Format, Inst, Op, Operand, Ty};

use super::operand::{ScalarSource, scalar_source};
use super::registers::has_base;

/// Which memory, and how the address is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    Flat,
    Scratch,
    Buffer,
    Lds,
}

/// Read-modify-write operations. The numbers say what they do with old value, data and comparand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomic {
    Swap,
    CompareSwap,
    CompareSwapFloat,
    Add,
    Sub,
    ReverseSub,
    /// Subtracts, but not below 0.
    ClampSub,
    MinSigned,
    MinUnsigned,
    MaxSigned,
    MaxUnsigned,
    And,
    Or,
    Xor,
    /// `old & !data | comparand`.
    MaskOr,
    Increment,
    Decrement,
    AddFloat,
    MinFloat,
    MaxFloat,
}

/// What is done at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Load,
    Store,
    Atomic(Atomic),
    /// `ds_swizzle`: the pattern.
    Swizzle,
    Permute,
    BackPermute,
}

/// How a load of fewer bits than a dword fills the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Whole dwords, or zeros above.
    Zero,
    /// Sign above.
    Sign,
}

/// Which half of a VGPR holds a 16-bit value of a d16 instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Low,
    High,
}

/// A vector memory or LDS instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) action: Action,
    /// Bytes per lane and address.
    pub(crate) bytes: u8,
    pub(crate) fill: Fill,
    pub(crate) half: Option<Half>,
    /// Address VGPR.
    pub(crate) address: Option<u8>,
    /// The address takes two VGPRs.
    pub(crate) wide_address: bool,
    /// Data VGPRs: stores and atomics; the second one of two addresses or a comparand.
    pub(crate) data: [Option<u8>; 2],
    pub(crate) destination: Option<u8>,
    /// SGPRs: base of global and scratch, descriptor of a buffer.
    pub(crate) base: Option<u8>,
    pub(crate) soffset: ScalarSource,
    pub(crate) offset: i32,
    /// Offset of a second address of LDS.
    pub(crate) second: Option<u32>,
    pub(crate) offen: bool,
    pub(crate) idxen: bool,
    /// Adds lane number times 4 and, in LDS, M0.
    pub(crate) addtid: bool,
    /// Comes back with data.
    pub(crate) returns: bool,
}

/// A scalar load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScalarLoad {
    pub(crate) destination: u8,
    pub(crate) dwords: u8,
    pub(crate) base: u8,
    /// The base is a buffer descriptor.
    pub(crate) buffer: bool,
    pub(crate) soffset: ScalarSource,
    pub(crate) offset: i32,
}

fn vgpr(operand: Operand) -> Option<u8> {
    match operand {
        Operand::V(register) => Some(register),
        _ => None,
    }
}

fn sgpr(operand: Operand) -> Option<u8> {
    match operand {
        Operand::S(code) => Some(code),
        _ => None,
    }
}

/// The access of a scalar load; `None` if its operands are of no such instruction.
pub(crate) fn scalar_load(inst: &Inst) -> Option<ScalarLoad> {
    let row = inst.op.row();
    Some(ScalarLoad {
        destination: sgpr(inst.dst[0])?,
        dwords: row.bytes / 4,
        base: sgpr(inst.src[0])?,
        buffer: row.name.starts_with("s_buffer"),
        soffset: scalar_source(inst.src[1], Ty::U32),
        offset: inst.imm,
    })
}

/// The access of a vector memory or LDS instruction; `None` if the name says none.
pub(crate) fn access(inst: &Inst) -> Option<Access> {
    let row = inst.op.row();
    let words: Vec<&str> = row.name.split('_').collect();
    let has = |word: &str| words.contains(&word);
    let space = match row.format {
        Format::Global => Space::Global,
        Format::Flat => Space::Flat,
        Format::Scratch => Space::Scratch,
        Format::Mubuf => Space::Buffer,
        Format::Ds => Space::Lds,
        _ => return None,
    };
    let action = action(inst.op, row.class, &words)?;
    let two = has("2addr");
    let bytes = if two { row.bytes / 2 } else { row.bytes };
    let d16 = has("d16");
    let half = if d16 && has("hi") {
        Some(Half::High)
    } else {
        d16.then_some(Half::Low)
    };
    let fill = if words.iter().any(|word| matches!(*word, "i8" | "i16")) {
        Fill::Sign
    } else {
        Fill::Zero
    };
    let lds = space == Space::Lds;
    let unit = u32::from(bytes) * if has("stride64") { 64 } else { 1 };
    let packed = inst.imm as u32;
    let (offset, second) = if two {
        let second = (packed >> 8 & 0xff) * unit;
        (((packed & 0xff) * unit) as i32, Some(second))
    } else {
        (inst.imm, None)
    };
    let returns = match action {
        Action::Store => false,
        Action::Atomic(_) if lds => has("rtn"),
        Action::Atomic(_) => inst.mods.glc,
        _ => true,
    };
    let [address, data0, third, fourth] = inst.src;
    Some(Access {
        space,
        action,
        bytes,
        fill,
        half,
        address: vgpr(address),
        wide_address: match space {
            Space::Flat => true,
            Space::Global => vgpr(address).is_some() && !has_base(inst),
            _ => false,
        },
        data: [vgpr(data0), if lds { vgpr(third) } else { None }],
        destination: vgpr(inst.dst[0]),
        base: match space {
            Space::Buffer => sgpr(third),
            Space::Global | Space::Scratch if has_base(inst) => sgpr(third),
            _ => None,
        },
        soffset: scalar_source(fourth, Ty::U32),
        offset,
        second,
        offen: inst.mods.offen,
        idxen: inst.mods.idxen,
        addtid: has("addtid"),
        returns,
    })
}

fn action(op: Op, class: Class, words: &[&str]) -> Option<Action> {
    Some(match class {
        Class::VmemLoad | Class::LdsLoad => Action::Load,
        Class::VmemStore | Class::LdsStore => Action::Store,
        Class::VmemAtomic | Class::LdsAtomic => Action::Atomic(atomic(words)?),
        _ => match op {
            Op::DS_SWIZZLE_B32 => Action::Swizzle,
            Op::DS_PERMUTE_B32 => Action::Permute,
            Op::DS_BPERMUTE_B32 => Action::BackPermute,
            _ => return None,
        },
    })
}

/// The operation that a name's words say: `global_atomic_add_u32`, `ds_add_rtn_f32`.
fn atomic(words: &[&str]) -> Option<Atomic> {
    let float = words.last().is_some_and(|ty| ty.starts_with('f'));
    let signed = words.last().is_some_and(|ty| ty.starts_with('i'));
    let word = words
        .iter()
        .skip(1)
        .find(|word| !matches!(**word, "atomic"))?;
    Some(match (*word, float, signed) {
        ("swap" | "storexchg", ..) => Atomic::Swap,
        ("cmpswap" | "cmpstore", false, _) => Atomic::CompareSwap,
        ("cmpswap" | "cmpstore", true, _) => Atomic::CompareSwapFloat,
        ("add", false, _) => Atomic::Add,
        ("add", true, _) => Atomic::AddFloat,
        ("sub", ..) => Atomic::Sub,
        ("rsub", ..) => Atomic::ReverseSub,
        ("csub", ..) => Atomic::ClampSub,
        ("min", true, _) => Atomic::MinFloat,
        ("max", true, _) => Atomic::MaxFloat,
        ("min", _, true) => Atomic::MinSigned,
        ("max", _, true) => Atomic::MaxSigned,
        ("min", ..) => Atomic::MinUnsigned,
        ("max", ..) => Atomic::MaxUnsigned,
        ("and", ..) => Atomic::And,
        ("or", ..) => Atomic::Or,
        ("xor", ..) => Atomic::Xor,
        ("mskor", ..) => Atomic::MaskOr,
        ("inc", ..) => Atomic::Increment,
        ("dec", ..) => Atomic::Decrement,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_memory_row_is_understood() {
        for op in Op::ALL {
            let row = op.row();
            let memory = matches!(
                row.class,
                Class::VmemLoad
                    | Class::VmemStore
                    | Class::VmemAtomic
                    | Class::LdsLoad
                    | Class::LdsStore
                    | Class::LdsAtomic
                    | Class::LdsCross
            );
            let words: Vec<&str> = row.name.split('_').collect();
            assert_eq!(
                action(*op, row.class, &words).is_some(),
                memory,
                "{}",
                row.name
            );
        }
    }
}
