//! Small matrices of floats: columns one after the other in the slots.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{Ty, word};
use super::{Lower, Lowered};
use crate::ir::*;

/// Elements by column, then row.
type Columns = Vec<Vec<Value>>;

impl Lower<'_, '_> {
    /// Lowers an instruction on matrices; `false` if it is none.
    pub(super) fn matrix(&mut self, inst: &Instruction) -> Lowered<bool> {
        let op = inst.class.opcode;
        if !matches!(
            op,
            Spv::MatrixTimesScalar
                | Spv::VectorTimesScalar
                | Spv::VectorTimesMatrix
                | Spv::MatrixTimesVector
                | Spv::MatrixTimesMatrix
                | Spv::Transpose
        ) {
            return Ok(false);
        }
        let (slots, ty) = self.typed(word(inst, 0)?)?;
        if let (Ty::Tile(..), [tile]) = (self.module.ty(ty)?, slots.as_slice()) {
            let factor = self.scalar(word(inst, 1)?)?;
            let scaled = self.b.value(self.b.ty(*tile), Op::TileScale(*tile, factor));
            self.define(inst, vec![scaled])?;
            return Ok(true);
        }
        let a = self.columns(ty, &slots)?;
        let b = match inst.operands.len() {
            2 => {
                let (slots, ty) = self.typed(word(inst, 1)?)?;
                self.columns(ty, &slots)?
            }
            _ => Vec::new(),
        };
        let result: Columns = match op {
            Spv::MatrixTimesScalar | Spv::VectorTimesScalar => {
                return self.times_scalar(inst, &slots, b[0][0]).map(|()| true);
            }
            Spv::Transpose => transpose(&a),
            Spv::VectorTimesMatrix => {
                let product = b
                    .iter()
                    .map(|column| self.sum_of_products(&a[0], column))
                    .collect();
                vec![product]
            }
            _ => {
                let rows = transpose(&a);
                let mut columns = Vec::new();
                for column in &b {
                    columns.push(
                        rows.iter()
                            .map(|row| self.sum_of_products(row, column))
                            .collect(),
                    );
                }
                columns
            }
        };
        let slots = result
            .iter()
            .flat_map(|column| self.slots_of(column))
            .collect();
        self.define(inst, slots)?;
        Ok(true)
    }

    /// Slots times a scalar, pairs of f16 at once.
    fn times_scalar(&mut self, inst: &Instruction, slots: &[Value], factor: Value) -> Lowered<()> {
        let mut both = None;
        let mut result = Vec::new();
        for &slot in slots {
            let factor = match self.b.ty(slot) {
                Type::F16x2 => *both.get_or_insert_with(|| self.b.pack(factor, factor)),
                _ => factor,
            };
            result.push(self.b.binary(Binary::FMul, slot, factor));
        }
        self.define(inst, result)
    }

    /// The columns of a matrix; a vector is one column.
    pub(super) fn columns(&mut self, ty: u32, slots: &[Value]) -> Lowered<Columns> {
        let Ty::Matrix(column, count) = *self.module.ty(ty)? else {
            return Ok(vec![self.elements(ty, slots)?]);
        };
        let each = slots.len() / count as usize;
        slots
            .chunks(each.max(1))
            .map(|slots| self.elements(column, slots))
            .collect()
    }

    /// The scalar product of two lists of one length.
    pub(super) fn sum_of_products(&mut self, a: &[Value], b: &[Value]) -> Value {
        let first = self.b.binary(Binary::FMul, a[0], b[0]);
        a.iter().zip(b).skip(1).fold(first, |sum, (a, b)| {
            self.b.ternary(Ternary::Fma, *a, *b, sum)
        })
    }

    /// The determinant, expanded along the first column.
    pub(super) fn determinant(&mut self, columns: &Columns) -> Value {
        if columns.len() == 1 {
            return columns[0][0];
        }
        let mut sum: Option<Value> = None;
        for row in 0..columns.len() {
            let without_row = |column: &Vec<Value>| {
                column
                    .iter()
                    .enumerate()
                    .filter(|(r, _)| *r != row)
                    .map(|(_, v)| *v)
                    .collect()
            };
            let minor = columns[1..].iter().map(without_row).collect();
            let minor = self.determinant(&minor);
            let term = self.b.binary(Binary::FMul, columns[0][row], minor);
            sum = Some(match sum {
                None => term,
                Some(sum) if row % 2 == 0 => self.b.binary(Binary::FAdd, sum, term),
                Some(sum) => self.b.binary(Binary::FSub, sum, term),
            });
        }
        // PANIC: a matrix has at least two columns.
        sum.expect("a matrix has a first column")
    }
}

fn transpose(columns: &Columns) -> Columns {
    (0..columns[0].len())
        .map(|row| columns.iter().map(|column| column[row]).collect())
        .collect()
}
