//! What the scalar and vector ALU instructions compute, as functions of operand values alone.
//!
//! The core fetches operands, obeys EXEC, keeps track of what is defined and writes results back; a function here sees
//! operand values that are ready to use and delivers the result of all 32 lanes, active or not. It is chosen once per
//! instruction when the code is decoded, never while it runs.
//!
//! What the core has done before a [`Vector`] function is called, by the type of the operand's slot in the table:
//! - an SGPR, a constant or a literal is broadcast; an inline constant has the bits of the slot's type;
//! - `neg` and `abs` are applied to floats (`F16`, `Bf16`, `F32`, `F64`, and `B32` of `v_cndmask`), and not to integers,
//!   where `neg` means signedness ([`Inputs::neg`]);
//! - a 16-bit operand (`B16`, `I16`, `U16`, `F16`, `Bf16`) stands in bits 15:0, whichever half `op_sel` names, upper bits 0;
//! - VOP3P: the low half of the operand is the half that computes the low result (`op_sel`), the high half the one that
//!   computes the high result (`op_sel_hi`), each with its negation; so a packed function works half by half;
//! - `v_fma_mix*`: each operand has become an f32 (negated, absolute);
//! - denormals are flushed where MODE says so;
//! - DPP has been applied to operand 0;
//! - an accumulator (`reads_dst`) stands behind the last source: `v_fmac_f32` sees src 0, 1 and the old destination as 2.
//!
//! What the core does afterwards: `omod` and the clamp of floats, flush of denormal results, placing a 16-bit result (bits
//! 15:0) in the half that `op_sel[3]` names, masking by EXEC (a mask result is cleared in inactive lanes). Saturation of
//! integers ([`Inputs::clamp`]) is the function's.
//!
//! Not here but in the core: lane exchange (`v_readlane`, `v_permlane*`, DPP), `v_swap`, `v_movrel*`, WMMA, memory,
//! branches, waits, `s_getreg`/`s_setreg`, `s_getpc`/`s_setpc`/`s_swappc`, `s_movrel*`.

//!
//! The functions stand in tables, a line per instruction, a file per family; [`soft`] defines float arithmetic.

mod bits;
mod compare;
mod convert;
mod division;
mod dot;
mod double;
mod float;
mod half;
mod ieee;
mod integer;
mod lift;
mod packed;
mod scalar;
mod soft;
mod transcendental;

#[cfg(test)]
mod tests;

use gfx1100_isa::Op;

use crate::mode::Mode;
pub use integer::mqsad_u32_u8;
pub(crate) use lift::has_avx2;

/// A dword per lane.
pub type Lanes = [u32; 32];

/// Operands of a vector instruction.
pub struct Inputs<'a> {
    /// The (low) dwords of source 0, 1, 2 in the order of the table's row; unused ones are zero.
    pub low: [&'a Lanes; 3],
    /// The high dwords of 64-bit sources.
    pub high: [&'a Lanes; 3],
    /// The lane mask read: carry-in, condition of cndmask, VCC of `v_div_fmas`.
    pub mask: u32,
    /// The `neg` bits as encoded: signedness of the operands of integer dot products.
    pub neg: u8,
    /// Saturate an integer result.
    pub clamp: bool,
    /// Rounding and the rest of MODE.
    pub mode: Mode,
}

/// Results of a vector instruction. What a function does not write is not used.
pub struct Outputs {
    /// The (low) dwords.
    pub low: Lanes,
    /// The high dwords of 64-bit results.
    pub high: Lanes,
    /// The lane mask written: comparison, carry-out, scale flag.
    pub mask: u32,
}

/// A vector instruction on all lanes.
///
/// # Safety
/// It may be compiled for CPU features: call it only on a CPU that has those it was chosen for by [`vector`].
pub type Vector = unsafe fn(&Inputs<'_>, &mut Outputs);

/// Operands and results of a scalar instruction; 32-bit values stand in the low half, upper bits 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScalarArgs {
    /// Source 0; of SOPK rows that read `sdst`: its value.
    pub a: u64,
    /// Source 1; of SOPK rows: simm16, sign-extended to 32 bits.
    pub b: u64,
    /// Destination: old value in, result out.
    pub d: u64,
    /// SCC: in and out.
    pub scc: bool,
    /// EXEC, `exec_hi` in the upper half: in, and out for the rows that write it (saveexec, wrexec).
    pub exec: u64,
}

/// A scalar ALU instruction.
pub type Scalar = fn(&mut ScalarArgs);

/// The function of a vector ALU instruction, for this CPU; `None` if it is not one of this module's.
#[must_use]
pub fn vector(op: Op) -> Option<Vector> {
    vector_for(op, lift::has_avx2())
}

/// As [`vector`]; `avx2` says whether the CPU has AVX2, FMA and F16C.
fn vector_for(op: Op, avx2: bool) -> Option<Vector> {
    const FAMILIES: &[fn(Op) -> Option<Vector>] = &[
        bits::vector,
        compare::vector,
        convert::vector,
        dot::vector,
        double::vector,
        float::vector,
        half::vector,
        integer::vector,
        packed::vector,
        transcendental::vector,
    ];
    hot(op, avx2).or_else(|| FAMILIES.iter().find_map(|family| family(op)))
}

/// Of the instructions that have a function for CPUs with AVX2 and another one for those without.
fn hot(op: Op, avx2: bool) -> Option<Vector> {
    const FAMILIES: &[fn(Op, bool) -> Option<Vector>] = &[
        bits::hot,
        compare::hot,
        convert::hot,
        dot::hot,
        float::hot,
        half::hot,
        integer::hot,
    ];
    FAMILIES.iter().find_map(|family| family(op, avx2))
}

/// The function of a scalar ALU instruction; `None` if it is not one of this module's.
#[must_use]
pub fn scalar(op: Op) -> Option<Scalar> {
    scalar::scalar(op)
}
