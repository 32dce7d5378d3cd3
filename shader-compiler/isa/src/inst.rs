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
use crate::row::{Class, Format, Ty};
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

/// Where an operand of an [`Inst`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Place {
    Dst0,
    Dst1,
    Src0,
    Src1,
    Src2,
    Src3,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Dst0,
        Self::Dst1,
        Self::Src0,
        Self::Src1,
        Self::Src2,
        Self::Src3,
    ];

    /// Whether it is written, and its index among the destinations or sources.
    #[must_use]
    pub const fn index(self) -> (bool, usize) {
        match self {
            Self::Dst0 => (true, 0),
            Self::Dst1 => (true, 1),
            Self::Src0 => (false, 0),
            Self::Src1 => (false, 1),
            Self::Src2 => (false, 2),
            Self::Src3 => (false, 3),
        }
    }

    /// The bit of `neg`, `abs` and `op_sel` for it.
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Self::Dst0 | Self::Dst1 => 1 << 3,
            Self::Src0 => 1,
            Self::Src1 => 2,
            Self::Src2 | Self::Src3 => 4,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (written, index) = self.index();
        write!(
            f,
            "{} {index}",
            if written { "destination" } else { "source" }
        )
    }
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

impl Inst {
    /// An instruction in its native encoding with these operands and no modifiers; a literal in `dual` and `imm` are
    /// for the caller to add.
    ///
    /// # Panics
    /// If there are more than two destinations or four sources.
    #[must_use]
    pub fn new(op: Op, dst: &[Operand], src: &[Operand]) -> Self {
        let mut inst = Self {
            op,
            encoding: Encoding::Native,
            dst: [Operand::None; 2],
            src: [Operand::None; 4],
            imm: 0,
            mods: Mods::default_of(op),
            dual: None,
        };
        inst.dst[..dst.len()].copy_from_slice(dst);
        inst.src[..src.len()].copy_from_slice(src);
        inst
    }

    /// The operand at a place.
    #[must_use]
    pub const fn get(&self, place: Place) -> Operand {
        let (written, index) = place.index();
        if written {
            self.dst[index]
        } else {
            self.src[index]
        }
    }

    pub(crate) const fn set(&mut self, place: Place, operand: Operand) {
        let (written, index) = place.index();
        if written {
            self.dst[index] = operand;
        } else {
            self.src[index] = operand;
        }
    }

    /// How many registers the operand at a place takes: 0 if the instruction has none there. The row's type says it but
    /// for addresses, whose width depends on the addressing mode, and for the result of an atomic, which `glc` asks for.
    #[must_use]
    pub fn dwords(&self, place: Place) -> u8 {
        let row = self.op.row();
        if row.format == Format::Vopd {
            return u8::from(self.get(place) != Operand::None);
        }
        let Some(slot) = row.slot(place) else {
            return 0;
        };
        match (row.format, place) {
            (Format::Global, Place::Src0) if self.src[2] != Operand::NULL => 1,
            (Format::Scratch, Place::Src0) => u8::from(self.src[0] != Operand::None),
            (Format::Mubuf, Place::Src0) => u8::from(self.mods.offen) + u8::from(self.mods.idxen),
            (Format::Flat | Format::Global | Format::Mubuf, Place::Dst0)
                if row.class == Class::VmemAtomic && !self.mods.glc =>
            {
                0
            }
            _ => slot.ty.dwords(),
        }
    }

    /// The literal that the instruction carries, if any.
    #[must_use]
    pub fn literal(&self) -> Option<u32> {
        let operand = self.src.iter().find_map(|source| match source {
            Operand::Literal(value) => Some(*value),
            _ => None,
        });
        operand.or_else(|| self.dual.and_then(|dual| dual.literal))
    }
}

impl Mods {
    /// The modifiers that an assembler sets where the text has none: `op_sel_hi` is all ones in VOP3P but for the mixed
    /// FMAs, where it says that a source is f16.
    #[must_use]
    pub fn default_of(op: Op) -> Self {
        let row = op.row();
        let packed = row.format == Format::Vop3p && row.src[0].ty != Ty::F32;
        Self {
            op_sel_hi: if packed { 7 } else { 0 },
            ..Self::default()
        }
    }
}
