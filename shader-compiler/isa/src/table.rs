//! The instruction table: a row per opcode.

use crate::row::{Class, Effects, Field, Format, Row, Slot, Ty};

/// An instruction of the table, by the manual's mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[expect(
    non_camel_case_types,
    missing_docs,
    reason = "the manual's names, for grep"
)]
pub enum Op {
    V_ADD_F32,
    /// VOPD: two operations, in [`crate::Inst::dual`].
    V_DUAL,
}

const ROWS: &[Row] = &[
    Row {
        name: "v_add_f32",
        format: Format::Vop2,
        opcode: 3,
        dst: &[Slot {
            field: Field::Vgpr,
            ty: Ty::F32,
        }],
        src: &[
            Slot {
                field: Field::Src,
                ty: Ty::F32,
            },
            Slot {
                field: Field::Vgpr,
                ty: Ty::F32,
            },
        ],
        class: Class::Valu,
        effects: Effects {
            reads_scc: false,
            writes_scc: false,
            reads_vcc: false,
            reads_exec: false,
            writes_exec: false,
            reads_m0: false,
            reads_dst: false,
            ignores_exec: false,
            commutes: true,
            dual_x: true,
            dual_y: true,
        },
        bytes: 0,
    },
    Row {
        name: "v_dual",
        format: Format::Vopd,
        opcode: 0,
        dst: &[],
        src: &[],
        class: Class::Valu,
        effects: Effects {
            reads_scc: false,
            writes_scc: false,
            reads_vcc: false,
            reads_exec: false,
            writes_exec: false,
            reads_m0: false,
            reads_dst: false,
            ignores_exec: false,
            commutes: false,
            dual_x: false,
            dual_y: false,
        },
        bytes: 0,
    },
];

impl Op {
    /// What the table says of this instruction.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}
