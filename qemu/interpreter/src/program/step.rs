//! An instruction made ready to execute: what the loop reads instead of decoding.

use gfx1100_isa::{Class, Dpp, Op, Ty};

use super::access::{Access, ScalarLoad};
use super::operand::{ScalarSource, Source};
use super::registers::VgprSet;
use crate::alu::{Scalar, Vector};
use crate::rule::Rule;

/// No register, in fields that hold a register's code.
pub(crate) const NO_REGISTER: u8 = 255;

/// An instruction of a program.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    /// Clocks that it occupies its unit; see [`crate::cycles`].
    pub(crate) cost: u8,
    /// Rules that it breaks in any state, as bits of [`Rule`].
    pub(crate) broken: u64,
    /// VGPRs that must not be pending: all that it reads or writes, but for the destination of a load.
    pub(crate) vector_touches: VgprSet,
    /// VGPRs that it reads, for the hazards of the VALU.
    pub(crate) vector_reads: VgprSet,
    /// SGPRs that must not be pending.
    pub(crate) scalar_touches: u128,
    /// SGPRs that must be defined.
    pub(crate) scalar_reads: u128,
}

/// What the loop does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A vector ALU instruction.
    Vector(VectorStep),
    /// Two of them: both read before either writes.
    Dual([VectorStep; 2]),
    /// Lane exchange and moves with a register number in M0.
    Lane(LaneStep),
    /// A matrix product.
    Wmma(WmmaStep),
    /// A scalar ALU instruction.
    Scalar(ScalarStep),
    /// A branch.
    Branch(Condition, Target),
    /// Waits, modes, hints.
    Control(Control),
    /// A scalar load.
    ScalarLoad(ScalarLoad),
    /// A vector memory or LDS access.
    Access(Access),
    /// It cannot be executed.
    Refused(Rule),
}

/// What becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    None,
    /// A VGPR.
    Word(u8),
    /// 16 bits of a VGPR, low or high; the others stay.
    Half(u8, bool),
    /// Two VGPRs.
    Wide(u8),
}

/// Lanes of both halves of a dword, low half in the low bits: what of an operand matters.
pub(crate) type Halves = u64;
pub(crate) const BOTH_HALVES: Halves = u64::MAX;
pub(crate) const LOW_HALF: Halves = 0xffff_ffff;
pub(crate) const HIGH_HALF: Halves = !LOW_HALF;

/// A vector ALU instruction.
#[derive(Clone, Debug)]
pub(crate) struct VectorStep {
    pub(crate) function: Vector,
    pub(crate) source: [Source; 3],
    /// Which halves of the sources must be defined.
    pub(crate) needs: [Halves; 3],
    /// Bit k: source k has 64 bits.
    pub(crate) wide: u8,
    /// SGPR of the lane mask that is read.
    pub(crate) mask_source: u8,
    pub(crate) destination: Destination,
    /// SGPR of the lane mask that is written.
    pub(crate) mask_destination: u8,
    /// The `neg` bits, for integer dot products.
    pub(crate) neg: u8,
    /// Saturate an integer.
    pub(crate) clamp: bool,
    /// A source of which only the lanes are needed that the mask selects (`v_cndmask`).
    pub(crate) selects: bool,
    /// Operands and result need no preparation while MODE keeps denormals.
    pub(crate) plain: bool,
    /// No operand is a float that MODE may flush.
    pub(crate) ignores_mode: bool,
    /// Index of the [`Shape`].
    pub(crate) shape: u32,
}

/// Preparation of operands and result of a vector ALU instruction that is not plain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) prepare: [Prepare; 3],
    pub(crate) dpp: Option<Dpp>,
    pub(crate) result: Ty,
    pub(crate) omod: u8,
    /// Clamp a float to [0, 1].
    pub(crate) clamp: bool,
    /// Denormal operands are data here (`v_cmp_class`, `v_cvt_*` of integers have none).
    pub(crate) flushes: bool,
}

/// What is done to an operand before the function sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Prepare {
    /// Nothing.
    Keep,
    /// A float of the type: absolute value, then negation.
    Float { ty: Ty, abs: bool, neg: bool },
    /// One half of the dword, of the type.
    Half {
        ty: Ty,
        high: bool,
        abs: bool,
        neg: bool,
    },
    /// Both halves, each taken from either one.
    Packed {
        ty: Ty,
        /// The low half of the result is the high half of the operand.
        low: bool,
        /// The high half of the result is the high half of the operand.
        high: bool,
        neg_low: bool,
        neg_high: bool,
    },
    /// An f16 half made an f32.
    Widen { high: bool, abs: bool, neg: bool },
}

/// Instructions that move data between lanes or by a register number at run time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneStep {
    pub(crate) op: Op,
    /// VGPR or SGPR, by the operation.
    pub(crate) destination: u8,
    pub(crate) source: Source,
    pub(crate) scalars: [ScalarSource; 2],
    /// VGPRs of sources 1 and 2, where they are such.
    pub(crate) more: [Option<u8>; 2],
    /// `op_sel` of permlane: inactive lanes deliver data; lanes without a source give 0.
    pub(crate) fetch_inactive: bool,
    pub(crate) bound_control: bool,
    pub(crate) clamp: bool,
}

/// A matrix product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WmmaStep {
    pub(crate) op: Op,
    pub(crate) d: u8,
    pub(crate) a: u8,
    pub(crate) b: u8,
    pub(crate) c: Source,
    /// VGPRs of A and of B.
    pub(crate) registers: u8,
    /// neg_lo: signedness of A and B, or negation of their low halves and of C.
    pub(crate) neg: u8,
    /// neg_hi: negation of the high halves, absolute value of C.
    pub(crate) abs: u8,
    /// 16-bit C and D stand in the high half.
    pub(crate) high: bool,
    pub(crate) clamp: bool,
}

/// A scalar ALU instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScalarStep {
    pub(crate) function: Scalar,
    pub(crate) a: ScalarSource,
    pub(crate) b: ScalarSource,
    /// The destination where it is read too.
    pub(crate) old: ScalarSource,
    pub(crate) destination: u8,
    pub(crate) wide: bool,
    pub(crate) writes_scc: bool,
    pub(crate) writes_exec: bool,
    /// Of a selection by SCC: the other source need not be defined.
    pub(crate) selects: bool,
}

/// When a branch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Scc(bool),
    VccZero(bool),
    ExecZero(bool),
}

/// Where a branch goes: a step, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Step(u32),
    /// No instruction begins at this offset.
    Nowhere(i64),
}

/// Waits, modes, hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Hints and caches: nothing to do.
    Nothing,
    End,
    Barrier,
    /// Outstanding accesses allowed: vmcnt, lgkmcnt, vscnt.
    Wait {
        vm: u8,
        lgkm: u8,
        vs: u8,
    },
    /// `s_waitcnt_depctr` with va_vdst 0.
    WaitVector,
    /// `s_round_mode`, `s_denorm_mode`: the bits of MODE and their place.
    SetMode {
        mask: u32,
        bits: u32,
    },
    GetRegister {
        destination: u8,
        imm: u16,
    },
    SetRegister {
        source: ScalarSource,
        imm: u16,
    },
    GetPc(u8),
    SetPc(u8),
    SwapPc {
        destination: u8,
        source: u8,
    },
    Call {
        destination: u8,
        target: Target,
    },
    /// Index of an SGPR from M0.
    MoveRelative {
        op: Op,
        destination: u8,
        source: ScalarSource,
        wide: bool,
    },
    Dealloc,
}
