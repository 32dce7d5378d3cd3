//! Names that stand for numbers: registers, constants, immediate fields, messages.

use crate::row::Ty;

/// A field of a 16-bit immediate, written as `name(value)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) low: u8,
    pub(super) width: u8,
    /// Names of the values from 0 on, if they have names.
    pub(super) values: &'static [&'static str],
}

/// An immediate that consists of fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) fields: &'static [Field],
    /// The immediate of a text without any.
    pub(super) default: u16,
    /// What stands between two.
    pub(super) separator: &'static str,
    /// Whether the disassembler writes the names, or the plain number.
    pub(super) symbolic: bool,
}

const fn number(name: &'static str, low: u8, width: u8) -> Field {
    Field {
        name,
        low,
        width,
        values: &[],
    }
}

/// `s_waitcnt`: a counter that is not named is not waited for.
pub(super) static WAITCNT: Fields = Fields {
    fields: &[
        number("vmcnt", 10, 6),
        number("expcnt", 0, 3),
        number("lgkmcnt", 4, 6),
    ],
    default: 0xfff7,
    separator: " ",
    symbolic: true,
};

/// `s_waitcnt_depctr`. LLVM's default leaves the bits without a name 0, the code generators set them: so the number says
/// more than the names.
pub(super) static DEPCTR: Fields = Fields {
    fields: &[
        number("depctr_va_vdst", 12, 4),
        number("depctr_va_sdst", 9, 3),
        number("depctr_va_ssrc", 8, 1),
        number("depctr_hold_cnt", 7, 1),
        number("depctr_vm_vsrc", 2, 3),
        number("depctr_va_vcc", 1, 1),
        number("depctr_sa_sdst", 0, 1),
    ],
    default: 0xff9f,
    separator: " ",
    symbolic: false,
};

const DELAYS: &[&str] = &[
    "NO_DEP",
    "VALU_DEP_1",
    "VALU_DEP_2",
    "VALU_DEP_3",
    "VALU_DEP_4",
    "TRANS32_DEP_1",
    "TRANS32_DEP_2",
    "TRANS32_DEP_3",
    "FMA_ACCUM_CYCLE_1",
    "SALU_CYCLE_1",
    "SALU_CYCLE_2",
    "SALU_CYCLE_3",
];

/// `s_delay_alu`.
pub(super) static DELAY_ALU: Fields = Fields {
    fields: &[
        Field {
            name: "instid0",
            low: 0,
            width: 4,
            values: DELAYS,
        },
        Field {
            name: "instskip",
            low: 4,
            width: 3,
            values: &["SAME", "NEXT", "SKIP_1", "SKIP_2", "SKIP_3", "SKIP_4"],
        },
        Field {
            name: "instid1",
            low: 7,
            width: 4,
            values: DELAYS,
        },
    ],
    default: 0,
    separator: " | ",
    symbolic: true,
};

/// Hardware registers of `s_getreg` and `s_setreg`.
pub(super) const HARDWARE_REGISTERS: &[(&str, u16)] = &[
    ("HW_REG_MODE", 1),
    ("HW_REG_STATUS", 2),
    ("HW_REG_TRAPSTS", 3),
    ("HW_REG_GPR_ALLOC", 5),
    ("HW_REG_LDS_ALLOC", 6),
    ("HW_REG_IB_STS", 7),
    ("HW_REG_SH_MEM_BASES", 15),
    ("HW_REG_PERF_SNAPSHOT_PC_LO", 18),
    ("HW_REG_PERF_SNAPSHOT_PC_HI", 19),
    ("HW_REG_FLAT_SCR_LO", 20),
    ("HW_REG_FLAT_SCR_HI", 21),
    ("HW_REG_HW_ID1", 23),
    ("HW_REG_HW_ID2", 24),
    ("HW_REG_PERF_SNAPSHOT_DATA", 27),
    ("HW_REG_SHADER_CYCLES", 29),
];

/// Messages of `s_sendmsg` and `s_sendmsg_rtn`.
pub(super) const MESSAGES: &[(&str, u16)] = &[
    ("MSG_INTERRUPT", 1),
    ("MSG_HS_TESSFACTOR", 2),
    ("MSG_DEALLOC_VGPRS", 3),
    ("MSG_STALL_WAVE_GEN", 5),
    ("MSG_HALT_WAVES", 6),
    ("MSG_GS_ALLOC_REQ", 9),
    ("MSG_RTN_GET_DOORBELL", 128),
    ("MSG_RTN_GET_DDID", 129),
    ("MSG_RTN_GET_TMA", 130),
    ("MSG_RTN_GET_REALTIME", 131),
    ("MSG_RTN_SAVE_WAVE", 132),
    ("MSG_RTN_GET_TBA", 133),
    ("MSG_RTN_GET_TBA_TO_PC", 134),
];

/// Scalar registers with a name of their own, by width in dwords.
pub(super) const SCALARS: &[(&str, u8, u8)] = &[
    ("vcc_lo", 106, 1),
    ("vcc_hi", 107, 1),
    ("vcc", 106, 2),
    ("m0", 125, 1),
    ("exec_lo", 126, 1),
    ("exec_hi", 127, 1),
    ("exec", 126, 2),
];

/// Source codes that are no numbers.
pub(super) const SPECIAL: &[(&str, u8)] = &[
    ("src_shared_base", 235),
    ("src_shared_limit", 236),
    ("src_private_base", 237),
    ("src_private_limit", 238),
    ("src_scc", 253),
];

/// Inline floats: text, code, and the bits as f16, f32 and f64.
pub(super) const FLOATS: &[(&str, u8, u16, u32, u64)] = &[
    ("0.5", 240, 0x3800, 0x3f00_0000, 0x3fe0_0000_0000_0000),
    ("-0.5", 241, 0xb800, 0xbf00_0000, 0xbfe0_0000_0000_0000),
    ("1.0", 242, 0x3c00, 0x3f80_0000, 0x3ff0_0000_0000_0000),
    ("-1.0", 243, 0xbc00, 0xbf80_0000, 0xbff0_0000_0000_0000),
    ("2.0", 244, 0x4000, 0x4000_0000, 0x4000_0000_0000_0000),
    ("-2.0", 245, 0xc000, 0xc000_0000, 0xc000_0000_0000_0000),
    ("4.0", 246, 0x4400, 0x4080_0000, 0x4010_0000_0000_0000),
    ("-4.0", 247, 0xc400, 0xc080_0000, 0xc010_0000_0000_0000),
    (
        "0.15915494",
        248,
        0x3118,
        0x3e22_f983,
        0x3fc4_5f30_6dc9_c882,
    ),
];

/// The text of 1 / (2 pi) where the operand is an f64 or another 64-bit one.
pub(super) const INVERSE_TWO_PI_64: &str = "0.15915494309189532";

/// The text of an inline number.
pub(super) fn number_text(code: u8, ty: Ty) -> String {
    match code {
        128..=192 => (code - 128).to_string(),
        193..=208 => format!("-{}", code - 192),
        248 if ty.dwords() > 1 => INVERSE_TWO_PI_64.to_string(),
        _ => {
            let float = FLOATS.iter().find(|float| float.1 == code);
            float.map_or_else(|| format!("code{code}"), |float| float.0.to_string())
        }
    }
}

/// The inline code of bits of so wide an operand.
pub(super) fn inline_bits(bits: u64, ty: Ty) -> Option<u8> {
    let float = FLOATS.iter().find(|float| {
        if ty.is_16() || ty.halves() {
            u64::from(float.2) == bits
        } else if ty.dwords() == 1 {
            u64::from(float.3) == bits
        } else {
            float.4 == bits
        }
    });
    float.map(|float| float.1)
}

/// Lane exchanges with a number, and the control of number 0.
pub(super) const ROW_CONTROLS: &[(&str, u16)] = &[
    ("row_shl", 0x100),
    ("row_shr", 0x110),
    ("row_ror", 0x120),
    ("row_share", 0x150),
    ("row_xmask", 0x160),
];

/// Lane exchanges without.
pub(super) const ROW_MIRRORS: &[(&str, u16)] = &[("row_mirror", 0x140), ("row_half_mirror", 0x141)];

/// Output modifiers by `omod`.
pub(super) const OUTPUT: &[(&str, u8)] = &[("mul:2", 1), ("mul:4", 2), ("div:2", 3)];
