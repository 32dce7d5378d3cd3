//! One instruction, as decoded, assembled or selected: opcode, operands in a fixed order, modifiers.
//!
//! Where each operand stands (unused places are [`Operand::None`]):
//!
//! | format | `dst[0]` | `dst[1]` | `src[0]` | `src[1]` | `src[2]` | `src[3]` | `imm` |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | SOP1, SOP2, SOPC | sdst | | ssrc0 | ssrc1 | | | |
//! | SOPK, SOPP | sdst (also where it is read and written: addk, mulk, cmovk) | | sdst where it is only read (cmpk, waitcnt, setreg) | literal of setreg_imm32 | | | simm16 (sign not extended) |
//! | SOP1 of `s_sendmsg_rtn` | sdst | | | | | | message |
//! | SMEM | sdata | | sbase | soffset (`NULL` if none) | | | offset, signed |
//! | VOP1, VOP2, VOP3, VOP3P | vdst | sdst of VOP3SD, carry-out of VOP2 (`VCC` in e32) | src0 | src1 | src2; mask or carry-in of cndmask, add_co_ci (`VCC` in e32); fmaak: K (order a, b, K); fmamk: (a, K, b) | | |
//! | VOPC | mask (`VCC` in e32, any SGPR in e64; `EXEC` for cmpx) | | src0 | src1 | | | |
//! | VOPD | vdstX | vdstY | srcX0 | vsrcX1 | srcY0 | vsrcY1 | |
//! | DS | vdst | | addr | data0 | data1 | | 16-bit offset; 2addr forms: offset0 + 256 * offset1 |
//! | FLAT, GLOBAL, SCRATCH | vdst | | vaddr | vdata | saddr (`NULL` = off) | | offset, signed |
//! | MUBUF | vdata of a load | | vaddr | vdata of a store | srsrc | soffset | offset |
//!
//! Accumulators that are read where they are written (`v_fmac`, `v_dot2acc`, `v_pk_fmac`) stand in `dst[0]` alone; the row
//! says that `dst[0]` is read too.

use crate::operand::Operand;
use crate::table::Op;

/// Which of its encodings an instruction uses. The assembler picks the shortest where the text does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The format's own: one word for VOP1, VOP2, VOPC; the only one for most formats.
    #[default]
    Native,
    /// VOP1, VOP2, VOPC promoted to the two-word VOP3 form (`_e64`).
    Vop3,
}

/// Data-parallel primitives: how source 0 is taken from another lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dpp {
    /// DPP16: `ctrl` as encoded (quad_perm 0x000 to 0x0ff, row_shl 0x101.., row_shr 0x111.., row_ror 0x121.., row_mirror
    /// 0x140, row_half_mirror 0x141, row_share 0x150.., row_xmask 0x160..).
    Row {
        /// Encoded control, 9 bits.
        ctrl: u16,
        /// Rows of 16 lanes that are written.
        row_mask: u8,
        /// Banks of 4 lanes in each row that are written.
        bank_mask: u8,
        /// A source lane out of the row or inactive delivers 0 (else the lane is not written).
        bound_ctrl: bool,
        /// Inactive source lanes deliver their data.
        fetch_inactive: bool,
    },
    /// DPP8: the source lane within each 8, three bits per lane, lane 0 in bits 2:0.
    Eight {
        /// 24 bits of selectors.
        selectors: u32,
        /// Inactive source lanes deliver their data.
        fetch_inactive: bool,
    },
}

/// The two operations of a VOPD instruction, named by their VOP2/VOP1 opcodes (`V_FMAC_F32`, `V_MOV_B32`, ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dual {
    /// The X half.
    pub x: Op,
    /// The Y half.
    pub y: Op,
    /// K of fmaak or fmamk in either half; both halves share it.
    pub literal: Option<u32>,
}

/// Modifiers; all zero for the plain form. For VOP3P the assembler's defaults (`op_sel_hi` all ones) are written out here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mods {
    /// Bit k negates source k (`neg_lo` in VOP3P).
    pub neg: u8,
    /// Bit k takes the absolute value of source k (`neg_hi` in VOP3P).
    pub abs: u8,
    /// Bit k selects the high half of source k, bit 3 that of the destination. In e32 forms of 16-bit operands, the high
    /// halves that bit 7 of the register field selects stand here too.
    pub op_sel: u8,
    /// Bit k: the high result is computed from the high half of source k (VOP3P).
    pub op_sel_hi: u8,
    /// Clamp to [0, 1], or saturate an integer.
    pub clamp: bool,
    /// Output modifier: 0 none, 1 times 2, 2 times 4, 3 divided by 2.
    pub omod: u8,
    /// Lane exchange of source 0.
    pub dpp: Option<Dpp>,
    /// Globally coherent; on atomics: return the value before the operation.
    pub glc: bool,
    /// Device-level coherent.
    pub dlc: bool,
    /// System-level coherent (stream).
    pub slc: bool,
    /// DS: the global data share (never used by us).
    pub gds: bool,
    /// MUBUF: the address register holds an offset.
    pub offen: bool,
    /// MUBUF: the address register holds an index.
    pub idxen: bool,
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// How it is written down.
    pub encoding: Encoding,
    /// What it writes.
    pub dst: [Operand; 2],
    /// What it reads.
    pub src: [Operand; 4],
    /// Immediate field; see the table above.
    pub imm: i32,
    /// Modifiers.
    pub mods: Mods,
    /// The halves, if `op` is `V_DUAL`.
    pub dual: Option<Dual>,
}
