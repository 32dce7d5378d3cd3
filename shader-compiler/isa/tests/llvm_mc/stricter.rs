//! Where we refuse what LLVM 19 takes, with the reason.

use gfx1100_isa::{Class, DecodeError, Field, Format, Inst, Op, Operand, Place, Rule};

/// Instructions that LLVM's assembler takes and our encoder refuses.
pub(crate) struct Stricter {
    pub(crate) reason: &'static str,
    pub(crate) applies: fn(&Inst, Rule) -> bool,
}

/// All of them. The test fails for one that LLVM refuses by now.
pub(crate) const TEXTS: &[Stricter] = &[
    Stricter {
        reason: "LLVM cuts an offset that is out of range",
        applies: |_, rule| matches!(rule, Rule::Immediate { .. }),
    },
    Stricter {
        reason: "LLVM takes apertures and scc as destination, address, lane mask or C of WMMA",
        applies: |_, rule| {
            matches!(
                rule,
                Rule::Field(
                    _,
                    Field::Sdst | Field::Mask | Field::Sreg | Field::Vinline,
                    Operand::Inline(235..=239 | 253)
                )
            )
        },
    },
    Stricter {
        reason: "an address of null, or C of WMMA",
        applies: |_, rule| {
            matches!(
                rule,
                Rule::Field(_, Field::Sreg | Field::Vinline, Operand::NULL)
            )
        },
    },
    Stricter {
        reason: "LLVM's assembler takes EXEC as the mask that is read, and its disassembler calls that invalid",
        applies: |_, rule| {
            matches!(
                rule,
                Rule::Field(Place::Src2, Field::Mask, Operand::S(126 | 127))
            )
        },
    },
    Stricter {
        reason: "a constant has no neighbour to be indexed, and is no place to jump to",
        applies: |inst, rule| {
            let indexed = matches!(inst.op, Op::S_MOVRELSD_2_B32 | Op::S_SWAPPC_B64);
            indexed
                && matches!(
                    rule,
                    Rule::Field(_, Field::Sreg, Operand::Inline(_) | Operand::Literal(_))
                )
        },
    },
    Stricter {
        reason: "LLVM drops the absolute values of v_div_scale, for which there are no bits",
        applies: |inst, rule| {
            rule == Rule::Modifier("abs") && inst.op.row().format == Format::Vop3sd
        },
    },
    Stricter {
        reason: "the global data share is left out",
        applies: |_, rule| rule == Rule::Modifier("gds"),
    },
    Stricter {
        reason: "LLVM folds the sign of a constant into it where there is no bit for it, or none that is heeded",
        applies: |inst, rule| {
            let number = matches!(inst.src[0], Operand::Inline(_) | Operand::Literal(_));
            number && matches!(rule, Rule::Modifier("neg"))
        },
    },
    Stricter {
        reason: "signs of packed integers and of unsigned dot products say nothing",
        applies: |inst, rule| {
            inst.op.row().format == Format::Vop3p && matches!(rule, Rule::Modifier("neg" | "abs"))
        },
    },
    Stricter {
        reason: "op_sel must not be used with dot products on gfx11 (LLVM models it as a hazard), nor with products of f32 \
                 matrices",
        applies: |inst, rule| {
            let class = inst.op.row().class;
            matches!(class, Class::Dot | Class::Wmma)
                && matches!(rule, Rule::Modifier("op_sel" | "op_sel_hi"))
        },
    },
    Stricter {
        reason: "LLVM takes scc as the register that SOPK reads",
        applies: |inst, rule| {
            inst.op.row().format == Format::Sopk && matches!(rule, Rule::Field(..))
        },
    },
    Stricter {
        reason: "LLVM gives the integer of v_ldexp_f16 the signs of a float",
        applies: |inst, _| inst.op == Op::V_LDEXP_F16,
    },
    Stricter {
        reason: "op_sel of an operand that is no half of a register",
        applies: |inst, rule| {
            inst.op.row().format == Format::Vop3 && rule == Rule::Modifier("op_sel")
        },
    },
    Stricter {
        reason: "LLVM drops the literal of a mixed FMA that has a DPP dword",
        applies: |inst, rule| {
            inst.mods.dpp.is_some() && matches!(rule, Rule::DppOperand(_, Operand::Literal(_)))
        },
    },
];

/// Instructions that the table leaves out.
pub(crate) struct LeftOut {
    pub(crate) reason: &'static str,
    pub(crate) names: fn(&str) -> bool,
}

/// All of them, by LLVM's names.
pub(crate) const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        reason: "buffer loads and stores with conversion of formats: graphics",
        names: |name| name.starts_with("buffer_") && name.contains("_format_"),
    },
    LeftOut {
        reason: "buffer loads straight into the local data share: no compute compiler emits them for gfx11",
        names: |name| name.starts_with("buffer_load_lds_"),
    },
    LeftOut {
        reason: "ray tracing, ordered counters, and LDS operations that only other generations' compilers emit",
        names: |name| {
            matches!(
                name,
                "ds_bvh_stack_rtn_b32"
                    | "ds_append"
                    | "ds_consume"
                    | "ds_wrap_rtn_b32"
                    | "ds_condxchg32_rtn_b64"
            )
        },
    },
    LeftOut {
        reason: "global wave sync and ordered count: GDS",
        names: |name| {
            name.starts_with("ds_gws_")
                || matches!(
                    name,
                    "ds_ordered_count" | "ds_add_gs_reg_rtn" | "ds_sub_gs_reg_rtn"
                )
        },
    },
    LeftOut {
        reason: "cube maps and lighting: graphics",
        names: |name| name.starts_with("v_cube") || name == "v_mullit_f32",
    },
    LeftOut {
        reason: "trap handlers, debugging, thread trace and performance counters",
        names: |name| {
            matches!(
                name,
                "s_rfe_b64"
                    | "s_setkill"
                    | "s_endpgm_saved"
                    | "s_incperflevel"
                    | "s_decperflevel"
                    | "s_ttracedata"
                    | "s_ttracedata_imm"
                    | "s_version"
                    | "v_pipeflush"
            ) || name.starts_with("s_cbranch_cdbg")
                || name.starts_with("s_atc_probe")
        },
    },
    LeftOut {
        reason: "loops over the halves of a wave of 64",
        names: |name| name.starts_with("s_subvector_loop_"),
    },
    LeftOut {
        reason: "the VOP3 form of v_nop, which LLVM prints as the other, and dwords of zeros that it prints as v_illegal",
        names: |name| matches!(name, "v_nop" | "v_illegal"),
    },
];

/// Whether it is known why we refuse to decode what LLVM decodes, prints and assembles to the same bytes.
pub(crate) fn decodes_otherwise(error: &DecodeError, text: &str) -> bool {
    match *error {
        // Registers of trap handlers, rasterisation, and LDS as a source of pixel shaders.
        DecodeError::Code(..) => [
            "ttmp",
            "src_pops_exiting_wave_id",
            "lds_direct",
            "src_vccz",
            "src_execz",
        ]
        .iter()
        .any(|name| text.contains(name)),
        // Sparse resources are graphics; the bit asks for a register more.
        DecodeError::Rule(_, Rule::Modifier("tfe")) => text.contains(" tfe"),
        DecodeError::Rule(op, rule) => {
            let inst = Inst::new(op, &[], &[]);
            TEXTS.iter().any(|known| (known.applies)(&inst, rule))
        }
        _ => false,
    }
}

/// An instruction of an opcode, with operands that are mostly legal: small registers, constants, few modifiers.
pub(crate) fn random_instruction(
    base: u32,
    fixed: u32,
    prefix: u32,
    dwords: usize,
    round: u32,
    mut random: impl FnMut() -> u32,
) -> Vec<u32> {
    let fixed = fixed | prefix_mask(prefix);
    // Global wave sync decodes with the bit of the GDS only.
    if prefix == 0xd800_0000 && round == 0 {
        return vec![base | 1 << 17, 0];
    }
    let sparse = |random: &mut dyn FnMut() -> u32| match round % 4 {
        0 => 0,
        1 => random() & random() & random() & 0x7e7e_7e7e,
        2 => random() & 0x7c7c_7c7c,
        _ => random(),
    };
    let mut all = vec![base & fixed | sparse(&mut random) & !fixed];
    if dwords == 2 {
        let registers = random() & 0x0404_0404;
        all.push(match round % 3 {
            0 => registers | (0x007c_0000 * (round & 1)),
            // Vector registers in 9-bit fields.
            1 => 0x0402_0100 | registers,
            _ => sparse(&mut random),
        });
    }
    if round % 8 == 5 {
        all.push(0x1234_5678);
    }
    all
}

/// The bits that tell a format.
fn prefix_mask(prefix: u32) -> u32 {
    match prefix >> 24 {
        0x80 => 0xc000_0000,
        0xb0 => 0xf000_0000,
        0xbe | 0xbf => 0xff80_0000,
        0x7e | 0x7c => 0xfe00_0000,
        0xcc => 0xff00_0000,
        0 => 0x8000_0000,
        _ => 0xfc00_0000,
    }
}
