//! Where each format keeps its fields: the one description that encoder and decoder both walk.
//!
//! Source: AMD "RDNA3 Instruction Set Architecture", chapter "Microcode Formats".

use crate::inst::{Encoding, Place};
use crate::row::{Field, Format, Row};
use crate::table::Op;

/// What a field of an instruction word holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The opcode within the layout.
    Opcode,
    /// An operand as a source or register code; a vector register as 256 plus its number if 9 bits are there for it.
    Code(Place),
    /// A scalar register divided by 2 (SMEM base).
    Pair(Place),
    /// A scalar register divided by 4 (buffer descriptor).
    Quad(Place),
    /// `imm`, sign kept.
    Signed,
    /// `imm`, sign not extended.
    Unsigned,
    Clamp,
    Omod,
    Neg,
    Abs,
    OpSel,
    /// Bits 1:0 of `op_sel_hi`.
    OpSelHi,
    /// Bit 2 of `op_sel_hi`.
    OpSelHi2,
    Glc,
    Dlc,
    Slc,
    Gds,
    Offen,
    Idxen,
    /// MUBUF: a status word follows the data (sparse resources; not for compute).
    Tfe,
    /// Scratch: an address register is used.
    Sve,
    DualX,
    DualY,
    /// Bits 7:1 of the second destination; bit 0 is the inverse of that of the first.
    DualDst,
}

/// A field: what it holds, its lowest bit in the 64 bits of the instruction, its width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits(pub(crate) Part, pub(crate) u8, pub(crate) u8);

/// One way to write an instruction down.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Dwords without literal and DPP.
    pub(crate) words: usize,
    /// Bits that tell the layout, and the mask of them.
    pub(crate) prefix: (u64, u64),
    /// All fields.
    pub(crate) bits: &'static [Bits],
}

use Part::{
    Abs, Clamp, Code, Dlc, DualDst, DualX, DualY, Gds, Glc, Idxen, Neg, Offen, Omod, OpSel,
    OpSelHi, OpSelHi2, Opcode, Pair, Quad, Signed, Slc, Sve, Tfe, Unsigned,
};
use Place::{Dst0, Dst1, Src0, Src1, Src2, Src3};

const fn layout(words: usize, prefix: u32, mask: u32, bits: &'static [Bits]) -> Layout {
    Layout {
        words,
        prefix: (prefix as u64, mask as u64),
        bits,
    }
}

const SOP2: Layout = layout(
    1,
    0x8000_0000,
    0xc000_0000,
    &[
        Bits(Opcode, 23, 7),
        Bits(Code(Dst0), 16, 7),
        Bits(Code(Src1), 8, 8),
        Bits(Code(Src0), 0, 8),
    ],
);
const SOPK: Layout = layout(
    1,
    0xb000_0000,
    0xf000_0000,
    &[
        Bits(Opcode, 23, 5),
        Bits(Code(Dst0), 16, 7),
        Bits(Unsigned, 0, 16),
    ],
);
/// SOPK whose register is a source.
const SOPK_SOURCE: Layout = layout(
    1,
    0xb000_0000,
    0xf000_0000,
    &[
        Bits(Opcode, 23, 5),
        Bits(Code(Src0), 16, 7),
        Bits(Unsigned, 0, 16),
    ],
);
const SOP1: Layout = layout(
    1,
    0xbe80_0000,
    0xff80_0000,
    &[
        Bits(Opcode, 8, 8),
        Bits(Code(Dst0), 16, 7),
        Bits(Code(Src0), 0, 8),
    ],
);
/// SOP1 of `s_sendmsg_rtn`.
const SOP1_MESSAGE: Layout = layout(
    1,
    0xbe80_0000,
    0xff80_0000,
    &[
        Bits(Opcode, 8, 8),
        Bits(Code(Dst0), 16, 7),
        Bits(Unsigned, 0, 8),
    ],
);
const SOPC: Layout = layout(
    1,
    0xbf00_0000,
    0xff80_0000,
    &[
        Bits(Opcode, 16, 7),
        Bits(Code(Src1), 8, 8),
        Bits(Code(Src0), 0, 8),
    ],
);
const SOPP: Layout = layout(
    1,
    0xbf80_0000,
    0xff80_0000,
    &[Bits(Opcode, 16, 7), Bits(Unsigned, 0, 16)],
);
const SMEM: Layout = layout(
    2,
    0xf400_0000,
    0xfc00_0000,
    &[
        Bits(Opcode, 18, 8),
        Bits(Glc, 14, 1),
        Bits(Dlc, 13, 1),
        Bits(Code(Dst0), 6, 7),
        Bits(Pair(Src0), 0, 6),
        Bits(Signed, 32, 21),
        Bits(Code(Src1), 57, 7),
    ],
);
const VOP1: Layout = layout(
    1,
    0x7e00_0000,
    0xfe00_0000,
    &[
        Bits(Opcode, 9, 8),
        Bits(Code(Dst0), 17, 8),
        Bits(Code(Src0), 0, 9),
    ],
);
const VOPC: Layout = layout(
    1,
    0x7c00_0000,
    0xfe00_0000,
    &[
        Bits(Opcode, 17, 8),
        Bits(Code(Src1), 9, 8),
        Bits(Code(Src0), 0, 9),
    ],
);
const VOP2: Layout = layout(
    1,
    0,
    0x8000_0000,
    &[
        Bits(Opcode, 25, 6),
        Bits(Code(Dst0), 17, 8),
        Bits(Code(Src1), 9, 8),
        Bits(Code(Src0), 0, 9),
    ],
);
/// VOP2 of fmamk, where the literal stands between the sources.
const VOP2_MK: Layout = layout(
    1,
    0,
    0x8000_0000,
    &[
        Bits(Opcode, 25, 6),
        Bits(Code(Dst0), 17, 8),
        Bits(Code(Src2), 9, 8),
        Bits(Code(Src0), 0, 9),
    ],
);
const VOP3: Layout = layout(
    2,
    0xd400_0000,
    0xfc00_0000,
    &[
        Bits(Opcode, 16, 10),
        Bits(Clamp, 15, 1),
        Bits(OpSel, 11, 4),
        Bits(Abs, 8, 3),
        Bits(Code(Dst0), 0, 8),
        Bits(Code(Src0), 32, 9),
        Bits(Code(Src1), 41, 9),
        Bits(Code(Src2), 50, 9),
        Bits(Omod, 59, 2),
        Bits(Neg, 61, 3),
    ],
);
const VOP3SD: Layout = layout(
    2,
    0xd400_0000,
    0xfc00_0000,
    &[
        Bits(Opcode, 16, 10),
        Bits(Clamp, 15, 1),
        Bits(Code(Dst1), 8, 7),
        Bits(Code(Dst0), 0, 8),
        Bits(Code(Src0), 32, 9),
        Bits(Code(Src1), 41, 9),
        Bits(Code(Src2), 50, 9),
        Bits(Omod, 59, 2),
        Bits(Neg, 61, 3),
    ],
);
const VOP3P: Layout = layout(
    2,
    0xcc00_0000,
    0xff00_0000,
    &[
        Bits(Opcode, 16, 7),
        Bits(Clamp, 15, 1),
        Bits(OpSelHi2, 14, 1),
        Bits(OpSel, 11, 3),
        Bits(Abs, 8, 3),
        Bits(Code(Dst0), 0, 8),
        Bits(Code(Src0), 32, 9),
        Bits(Code(Src1), 41, 9),
        Bits(Code(Src2), 50, 9),
        Bits(OpSelHi, 59, 2),
        Bits(Neg, 61, 3),
    ],
);
const VOPD: Layout = layout(
    2,
    0xc800_0000,
    0xfc00_0000,
    &[
        Bits(DualX, 22, 4),
        Bits(DualY, 17, 5),
        Bits(Code(Src1), 9, 8),
        Bits(Code(Src0), 0, 9),
        Bits(Code(Src2), 32, 9),
        Bits(Code(Src3), 41, 8),
        Bits(DualDst, 49, 7),
        Bits(Code(Dst0), 56, 8),
    ],
);
const DS: Layout = layout(
    2,
    0xd800_0000,
    0xfc00_0000,
    &[
        Bits(Opcode, 18, 8),
        Bits(Gds, 17, 1),
        Bits(Unsigned, 0, 16),
        Bits(Code(Src0), 32, 8),
        Bits(Code(Src1), 40, 8),
        Bits(Code(Src2), 48, 8),
        Bits(Code(Dst0), 56, 8),
    ],
);
const FLAT_BITS: &[Bits] = &[
    Bits(Opcode, 18, 7),
    Bits(Slc, 15, 1),
    Bits(Glc, 14, 1),
    Bits(Dlc, 13, 1),
    Bits(Signed, 0, 13),
    Bits(Code(Src0), 32, 8),
    Bits(Code(Src1), 40, 8),
    Bits(Code(Src2), 48, 7),
    Bits(Sve, 55, 1),
    Bits(Code(Dst0), 56, 8),
];
const FLAT: Layout = layout(2, 0xdc00_0000, 0xfc03_0000, FLAT_BITS);
const SCRATCH: Layout = layout(2, 0xdc01_0000, 0xfc03_0000, FLAT_BITS);
const GLOBAL: Layout = layout(2, 0xdc02_0000, 0xfc03_0000, FLAT_BITS);
const MUBUF_LOAD: Layout = layout(2, 0xe000_0000, 0xfc00_0000, &mubuf(Dst0));
/// MUBUF whose data register is a source (and the destination too, of an atomic that returns).
const MUBUF_STORE: Layout = layout(2, 0xe000_0000, 0xfc00_0000, &mubuf(Src1));

const fn mubuf(data: Place) -> [Bits; 12] {
    [
        Bits(Opcode, 18, 8),
        Bits(Glc, 14, 1),
        Bits(Dlc, 13, 1),
        Bits(Slc, 12, 1),
        Bits(Unsigned, 0, 12),
        Bits(Code(Src0), 32, 8),
        Bits(Code(data), 40, 8),
        Bits(Quad(Src2), 48, 5),
        Bits(Tfe, 53, 1),
        Bits(Offen, 54, 1),
        Bits(Idxen, 55, 1),
        Bits(Code(Src3), 56, 8),
    ]
}

/// The layout of a row in one of its encodings.
pub(crate) fn of(op: Op, row: &Row, encoding: Encoding) -> &'static Layout {
    let source = matches!(row.src.first(), Some(slot) if slot.field != Field::Unused);
    match row.format {
        Format::Vop1 | Format::Vop2 | Format::Vopc if encoding == Encoding::Vop3 => {
            if row.dst.len() == 2 { &VOP3SD } else { &VOP3 }
        }
        Format::Sop2 => &SOP2,
        Format::Sopk if source => &SOPK_SOURCE,
        Format::Sopk => &SOPK,
        Format::Sop1 if is_message_return(op) => &SOP1_MESSAGE,
        Format::Sop1 => &SOP1,
        Format::Sopc => &SOPC,
        Format::Sopp => &SOPP,
        Format::Smem => &SMEM,
        Format::Vop1 => &VOP1,
        Format::Vop2 if row.src.get(1).is_some_and(|s| s.field == Field::Literal) => &VOP2_MK,
        Format::Vop2 => &VOP2,
        Format::Vopc => &VOPC,
        Format::Vop3 => &VOP3,
        Format::Vop3sd => &VOP3SD,
        Format::Vop3p => &VOP3P,
        Format::Vopd => &VOPD,
        Format::Ds => &DS,
        Format::Flat => &FLAT,
        Format::Scratch => &SCRATCH,
        Format::Global => &GLOBAL,
        Format::Mubuf if matches!(row.src.get(1), Some(slot) if slot.field != Field::Unused) => {
            &MUBUF_STORE
        }
        Format::Mubuf => &MUBUF_LOAD,
    }
}

/// Whether source 0 of this SOP1 is a message number.
pub(crate) fn is_message_return(op: Op) -> bool {
    matches!(op, Op::S_SENDMSG_RTN_B32 | Op::S_SENDMSG_RTN_B64)
}

/// The opcode in the layout of this encoding: VOPC, VOP2 and VOP1 have a range each within VOP3.
pub(crate) fn opcode(row: &Row, encoding: Encoding) -> u16 {
    match (encoding, row.format) {
        (Encoding::Vop3, Format::Vop2) => 256 + row.opcode,
        (Encoding::Vop3, Format::Vop1) => 384 + row.opcode,
        _ => row.opcode,
    }
}

/// Tells the format of an instruction from its first dword; `None` if it is none that the table knows. VOP3 stands for
/// all that share its prefix.
pub(crate) fn format(word: u32) -> Option<(Format, &'static Layout)> {
    /// The longest prefix first.
    const FORMATS: &[(Format, &Layout)] = &[
        (Format::Sop1, &SOP1),
        (Format::Sopc, &SOPC),
        (Format::Sopp, &SOPP),
        (Format::Vop3p, &VOP3P),
        (Format::Flat, &FLAT),
        (Format::Scratch, &SCRATCH),
        (Format::Global, &GLOBAL),
        (Format::Vop1, &VOP1),
        (Format::Vopc, &VOPC),
        (Format::Vop3, &VOP3),
        (Format::Vopd, &VOPD),
        (Format::Ds, &DS),
        (Format::Mubuf, &MUBUF_LOAD),
        (Format::Smem, &SMEM),
        (Format::Sopk, &SOPK),
        (Format::Sop2, &SOP2),
        (Format::Vop2, &VOP2),
    ];
    FORMATS.iter().copied().find(|(_, layout)| {
        let (prefix, mask) = layout.prefix;
        u64::from(word) & mask == prefix
    })
}

/// The value of a field that the row does not use.
pub(crate) fn unused(format: Format, part: Part) -> u32 {
    match (format, part) {
        (Format::Flat, Code(Src2)) => 124,
        (Format::Vop3p, OpSelHi) => 3,
        (Format::Vop3p, OpSelHi2) => 1,
        _ => 0,
    }
}
