//! Cooperative matrices as each lane's share of a WMMA operand (layouts: section "Wave Matrix Multiply Accumulate" of the
//! RDNA3 manual). Lane l holds row (A) or column (B) l mod 16; of C, column l mod 16 and the rows 2r + l / 16.

use anyhow::{Result, bail};
use shader_compiler::ir::{Binary, Elem, Op, Role, Space, Type, Value};

use super::emit::{Emitter, ty};

impl Emitter<'_> {
    pub(super) fn tile(&mut self, op: &Op, result: Option<Type>) -> Result<String> {
        let of = result.unwrap_or(Type::I32);
        let result = ty(of);
        match op {
            Op::TileSplat(value) => {
                let lanes = if result.starts_with("<8") { 8 } else { 16 };
                let one = format!(
                    "insertelement {result} poison, {}, i32 0",
                    self.typed(*value)
                );
                let one = self.temporary(&one);
                Ok(self.temporary(&format!(
                    "shufflevector {result} {one}, {result} poison, <{lanes} x i32> zeroinitializer"
                )))
            }
            Op::TileLoad {
                space,
                offset,
                constant,
                stride,
                row_major,
            } => self.tile_load(*space, *offset, *constant, *stride, *row_major, of),
            Op::TileStore {
                space,
                offset,
                constant,
                stride,
                row_major,
                value,
            } => self.tile_store(*space, *offset, *constant, *stride, *row_major, *value),
            Op::TileMulAdd([a, b, c]) => {
                let text = format!(
                    "call <8 x float> @llvm.amdgcn.wmma.f32.16x16x16.f16.v8f32.v16f16({}, {}, {})",
                    self.typed(*a),
                    self.typed(*b),
                    self.typed(*c)
                );
                Ok(self.temporary(&text))
            }
            Op::TileBinary(op, [a, b]) => {
                let name = match op {
                    Binary::FAdd => "fadd",
                    Binary::FSub => "fsub",
                    Binary::FMul => "fmul",
                    other => bail!("{other:?} of tiles has no LLVM form here"),
                };
                Ok(self.temporary(&format!("{name} {}, {}", self.typed(*a), self.name(*b))))
            }
            other => bail!("{other:?} has no LLVM form here"),
        }
    }

    /// Byte offset of the lane's element (major, minor) with the minor ones contiguous.
    fn element(
        &mut self,
        offset: &str,
        stride: &str,
        major: &str,
        minor: &str,
        size: u32,
    ) -> String {
        let row = self.temporary(&format!("mul i32 {major}, {stride}"));
        let index = self.temporary(&format!("add i32 {row}, {minor}"));
        let bytes = self.temporary(&format!("mul i32 {index}, {size}"));
        self.temporary(&format!("add i32 {offset}, {bytes}"))
    }
    fn tile_load(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        stride: Value,
        row_major: bool,
        result: Type,
    ) -> Result<String> {
        let Type::Tile(role, _) = result else {
            bail!("a tile load of {}", ty(result));
        };
        let result = ty(result);
        let (offset, stride) = (self.name(offset), self.name(stride));
        let lane = self.lane();
        let column = self.temporary(&format!("and i32 {lane}, 15"));
        let half = self.temporary(&format!("lshr i32 {lane}, 4"));
        let (count, element, size) = if role == Role::C {
            (8, "float", 4)
        } else {
            (16, "half", 2)
        };
        let mut whole = String::from("poison");
        for k in 0..count {
            let (major, minor) = if role == Role::C {
                let row = self.temporary(&format!("add i32 {half}, {}", 2 * k));
                if row_major {
                    (row, column.clone())
                } else {
                    (column.clone(), row)
                }
            } else {
                // Rows of A and columns of B run along the lanes.
                let lanes_first = row_major == (role == Role::A);
                let k = k.to_string();
                if lanes_first {
                    (column.clone(), k)
                } else {
                    (k, column.clone())
                }
            };
            let at = self.element(&offset, &stride, &major, &minor, size);
            let pointer = self.pointer_at(space, &at, constant);
            let one = self.temporary(&format!("load {element}, {pointer}, align {size}"));
            whole = self.temporary(&format!(
                "insertelement {result} {whole}, {element} {one}, i32 {k}"
            ));
        }
        Ok(whole)
    }

    fn tile_store(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        stride: Value,
        row_major: bool,
        value: Value,
    ) -> Result<String> {
        let of = self.function.ty(value);
        if of != Type::Tile(Role::C, Elem::F32) {
            bail!("a store of {} has no LLVM form here", ty(of));
        }
        let (offset, stride) = (self.name(offset), self.name(stride));
        let lane = self.lane();
        let column = self.temporary(&format!("and i32 {lane}, 15"));
        let half = self.temporary(&format!("lshr i32 {lane}, 4"));
        for k in 0..8 {
            let row = self.temporary(&format!("add i32 {half}, {}", 2 * k));
            let (major, minor) = if row_major {
                (&row, &column)
            } else {
                (&column, &row)
            };
            let at = self.element(&offset, &stride, major, minor, 4);
            let pointer = self.pointer_at(space, &at, constant);
            let one = self.temporary(&format!("extractelement {}, i32 {k}", self.typed(value)));
            self.line(&format!("store float {one}, {pointer}, align 4"));
        }
        Ok(String::new())
    }
}
