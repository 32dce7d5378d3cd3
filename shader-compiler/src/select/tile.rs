//! Cooperative matrices: 16x16 tiles in eight registers, by the lane layouts of `v_wmma` (RDNA3 manual, "Wave Matrix Multiply Accumulate").
//!
//! A and B: lane c (and c + 16) holds row c of A or column c of B, two elements per register. C of F32: lane l holds column
//! l mod 16, register r row 2r + l / 16; C of F16 likewise, in the low half of the register.

use gfx1100_isa::{Op as Isa, Ty};

use super::address::TileKey;
use super::operand::{Src, What};
use super::{Selector, part};
use crate::ir::{Binary, Elem, Op, Role, Space, Type, Value};
use crate::machine::Operand;

const REGISTERS: u8 = 8;

impl Selector<'_> {
    pub(super) fn tile(&mut self, op: &Op, result: Option<Value>) {
        let ty = match (op, result) {
            (Op::TileStore { value, .. }, _) => self.ty(*value),
            (_, Some(result)) => self.ty(result),
            _ => return,
        };
        let Type::Tile(role, elem) = ty else {
            return self.broken("a tile of another type");
        };
        match (op, result) {
            (Op::TileSplat(value), Some(result)) => self.tile_splat(*value, role, elem, result),
            (Op::TileLoad { space, .. } | Op::TileStore { space, .. }, _) => {
                let Some(key) = TileKey::of(self.function, op, result) else {
                    return self.broken("a matrix in memory without its type");
                };
                let (tile, store) = match op {
                    Op::TileStore { value, .. } => (Some(*value), true),
                    _ => (result, false),
                };
                let Some(tile) = tile else { return };
                let data = self.reg(tile);
                self.tile_memory(*space, &key, data, store);
            }
            (Op::TileMulAdd([a, b, c]), Some(result)) => {
                let op = match elem {
                    Elem::F32 => Isa::V_WMMA_F32_16X16X16_F16,
                    Elem::F16 => Isa::V_WMMA_F16_16X16X16_F16,
                };
                let dst = self.reg(result);
                let addend = match self.op(*c) {
                    Some(Op::TileSplat(value)) if self.constant(*value) == Some(0) => 0.into(),
                    _ => Src::from(*c),
                };
                self.emit(op, dst, &[(*a).into(), (*b).into(), addend]);
            }
            (Op::TileBinary(binary, [a, b]), Some(result)) => {
                self.tile_binary(*binary, *a, *b, role, elem, result);
            }
            (Op::TileScale(tile, scale), Some(result)) => {
                self.tile_scale(*tile, *scale, role, elem, result);
            }
            _ => self.broken("a tile operation without its result"),
        }
    }

    /// Registers hold two elements (A, B) or one.
    const fn packed_tile(role: Role) -> bool {
        !matches!(role, Role::C)
    }

    fn tile_splat(&mut self, value: Value, role: Role, elem: Elem, result: Value) {
        let dst = self.reg(result);
        let source: Src = match self.constant_u32(value) {
            Some(bits) if elem == Elem::F16 && Self::packed_tile(role) => {
                (bits & 0xffff | bits << 16).into()
            }
            Some(bits) => bits.into(),
            None if elem == Elem::F16 && Self::packed_tile(role) => {
                let pair = self.vector_temporary(1);
                let half = self.float(value);
                self.emit(Isa::V_PACK_B32_F16, pair, &[half, half]);
                pair.into()
            }
            None => value.into(),
        };
        for k in 0..REGISTERS {
            self.emit(Isa::V_MOV_B32, part(dst, k), &[source]);
        }
    }

    /// The bits of a register of a tile all of whose elements are one constant.
    pub(super) fn tile_constant(&self, value: Value) -> Option<u32> {
        let Some(Op::TileSplat(element)) = self.op(value) else {
            return None;
        };
        let bits = self.constant_u32(*element)?;
        match self.ty(value) {
            Type::Tile(role, Elem::F16) if Self::packed_tile(role) => {
                Some(bits & 0xffff | bits << 16)
            }
            _ => Some(bits),
        }
    }

    fn tile_memory(&mut self, space: Space, key: &TileKey, data: Operand, store: bool) {
        let Some(parts) = self.split.tile(key) else {
            return self.broken("a tile whose address was not taken apart");
        };
        let shared = space == Space::Shared;
        let pieces = parts.pieces.clone();
        if parts.contiguous {
            let op = match (shared, store) {
                (false, false) => Isa::BUFFER_LOAD_B128,
                (false, true) => Isa::BUFFER_STORE_B128,
                (true, false) => Isa::DS_LOAD_B128,
                (true, true) => Isa::DS_STORE_B128,
            };
            for (half, piece) in pieces.into_iter().enumerate() {
                self.tile_access(op, space, piece, part(data, 4 * half as u8), store);
            }
            return;
        }
        if pieces.len() == usize::from(REGISTERS) {
            let single = key.elem == Elem::F32;
            let op = match (shared, store, single) {
                (false, false, true) => Isa::BUFFER_LOAD_B32,
                (false, true, true) => Isa::BUFFER_STORE_B32,
                (true, false, true) => Isa::DS_LOAD_B32,
                (true, true, true) => Isa::DS_STORE_B32,
                (false, false, false) => Isa::BUFFER_LOAD_U16,
                (false, true, false) => Isa::BUFFER_STORE_B16,
                (true, false, false) => Isa::DS_LOAD_U16,
                (true, true, false) => Isa::DS_STORE_B16,
            };
            for (k, piece) in pieces.into_iter().enumerate() {
                self.tile_access(op, space, piece, part(data, k as u8), store);
            }
            return;
        }
        // Sixteen halves, two per register.
        for (k, piece) in pieces.chunks(2).enumerate() {
            let register = part(data, k as u8);
            if store {
                let ops = if shared {
                    [Isa::DS_STORE_B16, Isa::DS_STORE_B16_D16_HI]
                } else {
                    [Isa::BUFFER_STORE_B16, Isa::BUFFER_STORE_D16_HI_B16]
                };
                for (op, piece) in ops.into_iter().zip(piece) {
                    self.tile_access(op, space, *piece, register, true);
                }
                continue;
            }
            let op = if shared {
                Isa::DS_LOAD_U16
            } else {
                Isa::BUFFER_LOAD_U16
            };
            let halves = [self.vector_temporary(1), self.vector_temporary(1)];
            for (half, piece) in halves.into_iter().zip(piece) {
                self.tile_access(op, space, *piece, half, false);
            }
            let sources = [halves[1].into(), 16.into(), halves[0].into()];
            self.emit(Isa::V_LSHL_OR_B32, register, &sources);
        }
    }

    fn tile_binary(
        &mut self,
        binary: Binary,
        a: Value,
        b: Value,
        role: Role,
        elem: Elem,
        result: Value,
    ) {
        let packed = elem == Elem::F16 && Self::packed_tile(role);
        let op = match (binary, elem, packed) {
            (Binary::FAdd, Elem::F32, _) => Isa::V_ADD_F32,
            (Binary::FSub, Elem::F32, _) => Isa::V_SUB_F32,
            (Binary::FMul, Elem::F32, _) => Isa::V_MUL_F32,
            (Binary::FAdd, _, false) => Isa::V_ADD_F16,
            (Binary::FSub, _, false) => Isa::V_SUB_F16,
            (Binary::FMul, _, false) => Isa::V_MUL_F16,
            (Binary::FAdd | Binary::FSub, _, true) => Isa::V_PK_ADD_F16,
            (Binary::FMul, _, true) => Isa::V_PK_MUL_F16,
            _ => return self.unsupported("this operation on matrices"),
        };
        let dst = self.reg(result);
        for k in 0..REGISTERS {
            let (a, b) = (self.dword(a, k), self.dword(b, k));
            let inst = self.emit(op, part(dst, k), &[a.into(), b.into()]);
            if packed && binary == Binary::FSub {
                // Both halves of the subtrahend are negated.
                inst.mods.neg = 2;
                inst.mods.abs = 2;
            }
        }
    }

    fn tile_scale(&mut self, tile: Value, scale: Value, role: Role, elem: Elem, result: Value) {
        let dst = self.reg(result);
        let packed = elem == Elem::F16 && Self::packed_tile(role);
        let op = match (elem, packed) {
            (Elem::F32, _) => Isa::V_MUL_F32,
            (Elem::F16, false) => Isa::V_MUL_F16,
            (Elem::F16, true) => Isa::V_PK_MUL_F16,
        };
        let scale: Src = if packed {
            self.vector(What::Value(scale), Ty::B32).into()
        } else {
            scale.into()
        };
        for k in 0..REGISTERS {
            let from = self.dword(tile, k);
            let inst = self.emit(op, part(dst, k), &[from.into(), scale]);
            if packed {
                // The scale's low half serves both.
                inst.mods.op_sel_hi = 1;
            }
        }
    }
}
