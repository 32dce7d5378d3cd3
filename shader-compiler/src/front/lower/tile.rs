//! Cooperative matrices: whole tiles as values.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{Ty, result_type, word};
use super::place::Place;
use super::{Lower, Lowered};
use crate::ir::*;

/// The scalar type of a tile's elements.
pub(super) fn elem_type(elem: Elem) -> Type {
    match elem {
        Elem::F16 => Type::F16,
        Elem::F32 => Type::F32,
    }
}

impl Lower<'_, '_> {
    /// A tile of type `ty` with every element the scalar `id`.
    pub(super) fn splat_tile(&mut self, ty: u32, id: u32) -> Lowered<Vec<Value>> {
        let Ty::Tile(role, elem) = *self.module.ty(ty)? else {
            return Err("not a matrix type".into());
        };
        let scalar = self.scalar(id)?;
        Ok(vec![
            self.b.value(Type::Tile(role, elem), Op::TileSplat(scalar)),
        ])
    }

    /// Sums and differences of tiles; `None` if the operands are none.
    pub(super) fn tile_binary(&mut self, op: Binary, ids: &[u32]) -> Lowered<Option<Vec<Value>>> {
        let (a, b) = (self.slots(ids[0])?, self.slots(ids[1])?);
        let (&[a], &[b]) = (a.as_slice(), b.as_slice()) else {
            return Ok(None);
        };
        let ty = self.b.ty(a);
        if !matches!(ty, Type::Tile(..)) {
            return Ok(None);
        }
        Ok(Some(vec![self.b.value(ty, Op::TileBinary(op, [a, b]))]))
    }

    pub(super) fn tile(&mut self, inst: &Instruction) -> Lowered<()> {
        match inst.class.opcode {
            Spv::CooperativeMatrixMulAddKHR => {
                let [a, b, c] = [0, 1, 2].map(|i| word(inst, i).and_then(|id| self.scalar(id)));
                let (a, b, c) = (a?, b?, c?);
                let fits = self.b.ty(a) == Type::Tile(Role::A, Elem::F16)
                    && self.b.ty(b) == Type::Tile(Role::B, Elem::F16)
                    && matches!(self.b.ty(c), Type::Tile(Role::C, _));
                if !fits {
                    return Err("coopMultiplyAdd takes matrices in the roles A, B and C".into());
                }
                let product = self.b.value(self.b.ty(c), Op::TileMulAdd([a, b, c]));
                self.define(inst, vec![product])
            }
            Spv::CooperativeMatrixLoadKHR => {
                let ty = self.slot_types(result_type(inst)?)?[0];
                let (space, offset, constant) = self.tile_place(word(inst, 0)?, ty)?;
                let (row_major, stride) = self.tile_layout(inst, 1)?;
                let tile = self.b.value(
                    ty,
                    Op::TileLoad {
                        space,
                        offset,
                        constant,
                        stride,
                        row_major,
                    },
                );
                self.define(inst, vec![tile])
            }
            _ => {
                let value = self.scalar(word(inst, 1)?)?;
                let (space, offset, constant) =
                    self.tile_place(word(inst, 0)?, self.b.ty(value))?;
                let (row_major, stride) = self.tile_layout(inst, 2)?;
                self.b.effect(Op::TileStore {
                    space,
                    offset,
                    constant,
                    stride,
                    row_major,
                    value,
                });
                Ok(())
            }
        }
    }

    /// Memory, variable and constant offset of the tile's first element.
    fn tile_place(&mut self, id: u32, tile: Type) -> Lowered<(Space, Value, u32)> {
        let Place::Memory {
            space, offset, ty, ..
        } = self.place(id)?
        else {
            return Err("a cooperative matrix lies in a buffer or in workgroup memory".into());
        };
        let Type::Tile(_, elem) = tile else {
            return Err("not a matrix".into());
        };
        if space == Space::Arguments || self.slot_types(ty)? != [elem_type(elem)] {
            return Err("the pointer must be to an element of the matrix's own type".into());
        }
        Ok((space, self.base(offset), offset.constant))
    }

    /// Row major or not, and the stride.
    fn tile_layout(&mut self, inst: &Instruction, at: usize) -> Lowered<(bool, Value)> {
        let row_major = match self.module.number(word(inst, at)?)? {
            0 => true,
            1 => false,
            other => return Err(format!("matrix layout {other} is not supported")),
        };
        let stride = self.scalar(word(inst, at + 1)?)?;
        Ok((row_major, stride))
    }
}
