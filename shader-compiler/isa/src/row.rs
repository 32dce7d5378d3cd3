//! What the table says about an instruction: format and opcode, operand slots, side effects, class.

use crate::inst::Place;

/// Encoding formats, by the manual's names (RDNA3 ISA, "Microcode Formats").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the manual's names")]
pub enum Format {
    Sop2,
    Sopk,
    Sop1,
    Sopc,
    Sopp,
    Smem,
    Vop1,
    Vop2,
    Vopc,
    Vop3,
    /// VOP3 with a scalar destination beside the vector one.
    Vop3sd,
    Vop3p,
    /// Two VALU operations in one instruction.
    Vopd,
    Ds,
    Flat,
    Scratch,
    Global,
    Mubuf,
}

/// How the bits of an operand are meant. The number is the width in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Ty {
    B8,
    B16,
    I16,
    U16,
    F16,
    Bf16,
    B32,
    I32,
    U32,
    F32,
    /// Two f16 in a dword.
    F16x2,
    /// Two bf16 in a dword.
    Bf16x2,
    /// Two 16-bit integers in a dword.
    B16x2,
    /// Four bytes or eight nibbles in a dword.
    B8x4,
    B64,
    I64,
    U64,
    F64,
    B96,
    B128,
    B256,
    B512,
    /// A mask with a bit per lane: one SGPR in wave32.
    Mask,
}

impl Ty {
    /// Registers that an operand of this type takes.
    #[must_use]
    pub const fn dwords(self) -> u8 {
        match self {
            Self::B64 | Self::I64 | Self::U64 | Self::F64 => 2,
            Self::B96 => 3,
            Self::B128 => 4,
            Self::B256 => 8,
            Self::B512 => 16,
            _ => 1,
        }
    }

    /// Whether it is the half of a register.
    #[must_use]
    pub const fn is_16(self) -> bool {
        matches!(
            self,
            Self::B16 | Self::I16 | Self::U16 | Self::F16 | Self::Bf16
        )
    }

    /// Whether it is two halves of a register.
    #[must_use]
    pub const fn halves(self) -> bool {
        matches!(self, Self::F16x2 | Self::Bf16x2 | Self::B16x2)
    }

    /// Whether it is a float or two.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Self::F16 | Self::Bf16 | Self::F32 | Self::F64 | Self::F16x2 | Self::Bf16x2
        )
    }
}

/// What may stand in an operand field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Scalar destination: SGPR, VCC, M0, EXEC, NULL.
    Sdst,
    /// Scalar source: SGPR or constant or literal.
    Ssrc,
    /// A scalar register tuple in a field that holds no constants (SMEM base, MUBUF descriptor).
    Sreg,
    /// Vector register. In source 1 of VOP2 and VOPC, of the one-word form only: their VOP3 forms take any source there.
    Vgpr,
    /// Vector ALU source: VGPR, SGPR, constant, and in src0 or VOP3 a literal.
    Src,
    /// The lane mask operand of carry, cndmask and compare: VCC in e32, any SGPR in e64.
    Mask,
    /// The K of fmamk and fmaak.
    Literal,
    /// Scalar register or inline constant, but no literal.
    Sinline,
    /// Vector register or inline constant (C of WMMA).
    Vinline,
    /// A place that the row leaves empty.
    Unused,
}

/// An operand slot of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What the field may name.
    pub field: Field,
    /// How its bits are meant, and how wide it is.
    pub ty: Ty,
}

impl Slot {
    /// A place of [`crate::Inst::src`] that the row leaves empty.
    pub const UNUSED: Self = Self {
        field: Field::Unused,
        ty: Ty::B32,
    };
}

/// Which unit executes an instruction, for statistics, scheduling and the cycle estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Class {
    Salu,
    Smem,
    /// Full-rate vector ALU.
    Valu,
    /// Transcendental unit: 8 lanes a clock.
    Trans,
    /// Quarter-rate vector ALU (32-bit integer multiply, 64-bit).
    ValuSlow,
    /// `v_dot*`: full rate, counted apart for the roofline.
    Dot,
    Wmma,
    LdsLoad,
    LdsStore,
    LdsAtomic,
    /// LDS crossbar without memory: bpermute, permute, swizzle.
    LdsCross,
    VmemLoad,
    VmemStore,
    VmemAtomic,
    Branch,
    /// Waits, hints, clauses, nops: issued by the sequencer.
    Control,
    Barrier,
    End,
}

/// Side effects and properties beside the operand slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a row")]
pub struct Effects {
    /// Reads SCC.
    pub reads_scc: bool,
    /// Writes SCC.
    pub writes_scc: bool,
    /// Reads VCC without naming it in a slot (`v_div_fmas`, `s_cbranch_vccz`).
    pub reads_vcc: bool,
    /// Reads EXEC as data (saveexec, `s_cbranch_execz`); that vector instructions obey EXEC is not meant.
    pub reads_exec: bool,
    /// Writes EXEC without naming it in a slot (saveexec, wrexec).
    pub writes_exec: bool,
    /// Reads M0.
    pub reads_m0: bool,
    /// `dst[0]` is read before it is written (fmac, dot2acc, d16 loads, `s_addk`, writelane...).
    pub reads_dst: bool,
    /// `src[0]` is written too (`v_swap_b32`).
    pub writes_src0: bool,
    /// Runs whatever EXEC says (readlane, readfirstlane, writelane, WMMA).
    pub ignores_exec: bool,
    /// Source 0 and 1 may be exchanged (with their modifiers), and nothing changes: not `s_min_i32`, whose SCC says which
    /// of equals was taken.
    pub commutes: bool,
    /// In the VOPD X table.
    pub dual_x: bool,
    /// In the VOPD Y table.
    pub dual_y: bool,
}

impl Effects {
    /// None of them.
    pub const NONE: Self = Self {
        reads_scc: false,
        writes_scc: false,
        reads_vcc: false,
        reads_exec: false,
        writes_exec: false,
        reads_m0: false,
        reads_dst: false,
        writes_src0: false,
        ignores_exec: false,
        commutes: false,
        dual_x: false,
        dual_y: false,
    };
}

/// The modifiers that a row's formats have room for and the operation heeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepts {
    /// Bit k: source k may be negated.
    pub neg: u8,
    /// Bit k: of source k the absolute value may be taken (VOP3P: `neg_hi`).
    pub abs: u8,
    /// Bit k: a half of source k may be chosen; bit 3: of the destination.
    pub op_sel: u8,
    /// The result may be clamped.
    pub clamp: bool,
    /// The result may be multiplied or divided.
    pub omod: bool,
    /// Source 0 may come from another lane.
    pub dpp: bool,
}

impl Accepts {
    /// No modifier.
    pub const NONE: Self = Self {
        neg: 0,
        abs: 0,
        op_sel: 0,
        clamp: false,
        omod: false,
        dpp: false,
    };
}

/// One row of the instruction table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Mnemonic without encoding suffix: `v_add_f32`.
    pub name: &'static str,
    /// Native format; VOP1, VOP2 and VOPC also have a VOP3 form unless `vop3` is false.
    pub format: Format,
    /// Opcode within the native format.
    pub opcode: u16,
    /// Destinations, in the order of [`crate::Inst::dst`].
    pub dst: &'static [Slot],
    /// Sources, in the order of [`crate::Inst::src`].
    pub src: &'static [Slot],
    /// Executing unit.
    pub class: Class,
    /// Side effects and properties.
    pub effects: Effects,
    /// Memory: bytes per lane that are moved; SMEM: bytes in all (0 for all else).
    pub bytes: u8,
    /// A VOP1, VOP2 or VOPC row that also has the two-word VOP3 form.
    pub vop3: bool,
    /// Modifiers, in whichever of the row's encodings has them.
    pub accepts: Accepts,
    /// Opcode in VOPD, if `effects` says that it can be the X or Y half.
    pub dual: u8,
}

impl Row {
    /// The slot of an operand, if the row has one there.
    #[must_use]
    pub fn slot(&self, place: Place) -> Option<Slot> {
        let (written, index) = place.index();
        let slots = if written { self.dst } else { self.src };
        let slot = *slots.get(index)?;
        (slot.field != Field::Unused).then_some(slot)
    }

    /// Whether it is a vector ALU instruction.
    #[must_use]
    pub const fn is_valu(&self) -> bool {
        matches!(
            self.format,
            Format::Vop1
                | Format::Vop2
                | Format::Vopc
                | Format::Vop3
                | Format::Vop3sd
                | Format::Vop3p
                | Format::Vopd
        )
    }
}
