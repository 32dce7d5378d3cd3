//! Variables, loads and stores: values to and from bytes of a memory, local variables and inputs.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{Ty, result, result_type, word};
use super::place::{Part, Place, Sum};
use super::{Lower, Lowered, Val};
use crate::ir::*;

impl Lower<'_, '_> {
    pub(super) fn memory(&mut self, inst: &Instruction) -> Lowered<()> {
        match inst.class.opcode {
            Spv::Variable => {
                let (_, ty) = self.module.pointee(result_type(inst)?)?;
                let id = result(inst)?;
                let name = self.module.name(id);
                let place = self.new_locals(if name.is_empty() { "a value" } else { name }, ty)?;
                if inst.operands.len() > 1 {
                    self.store(&place, word(inst, 1)?)?;
                }
                self.values.insert(id, Val::Place(place));
                Ok(())
            }
            Spv::AccessChain | Spv::InBoundsAccessChain => self.access_chain(inst),
            Spv::Load => {
                let place = self.place(word(inst, 0)?)?;
                let slots = self.load(&place)?;
                self.define(inst, slots)
            }
            Spv::Store => {
                let place = self.place(word(inst, 0)?)?;
                self.store(&place, word(inst, 1)?)
            }
            _ => self.array_length(inst),
        }
    }

    /// Bytes of the buffer behind the array's start, over the array's stride.
    fn array_length(&mut self, inst: &Instruction) -> Lowered<()> {
        let place = self.place(word(inst, 0)?)?;
        let member = word(inst, 1)? as usize;
        let Place::Memory {
            space: Space::Buffer(buffer),
            offset: Sum {
                base: None,
                constant,
            },
            ty,
            ..
        } = place
        else {
            return Err("arrayLength of something that is no buffer".into());
        };
        let module = self.module;
        let Ty::Struct(members) = module.ty(ty)? else {
            return Err("arrayLength of no structure".into());
        };
        let member = members.get(member).ok_or("no such member")?;
        let Ty::RuntimeArray { stride, .. } = *module.ty(member.ty)? else {
            return Err("arrayLength of an array of fixed length".into());
        };
        self.b.function.bindings[buffer as usize].size_used = true;
        let size = self.b.value(Type::I32, Op::BufferSize(buffer));
        let before = self.b.i32(constant + member.offset);
        let bytes = self.b.binary(Binary::ISub, size, before);
        let length = if stride.is_power_of_two() {
            let shift = self.b.i32(stride.trailing_zeros());
            self.b.binary(Binary::ShrU, bytes, shift)
        } else {
            let stride = self.b.i32(stride);
            self.b.binary(Binary::UDiv, bytes, stride)
        };
        self.define(inst, vec![length])
    }

    pub(super) fn load(&mut self, place: &Place) -> Lowered<Vec<Value>> {
        match place {
            Place::Memory {
                space,
                offset,
                ty,
                volatile,
            } => {
                let base = self.base(*offset);
                let mut slots = Vec::new();
                let at = At {
                    space: *space,
                    base,
                    volatile: *volatile,
                };
                self.load_bytes(at, offset.constant, *ty, &mut slots)?;
                Ok(slots)
            }
            Place::Locals {
                locals,
                index,
                ty,
                part,
            } => self.load_locals(locals, *index, *ty, *part),
            Place::Builtin {
                builtin,
                ty,
                component,
            } => self.builtin(*builtin, *ty, *component),
        }
    }

    /// The value of a sum's variable part.
    pub(super) fn base(&mut self, sum: Sum) -> Value {
        match sum.base {
            Some(base) => base,
            None => self.b.i32(0),
        }
    }

    fn load_bytes(
        &mut self,
        at: At,
        constant: u32,
        ty: u32,
        slots: &mut Vec<Value>,
    ) -> Lowered<()> {
        for piece in self.pieces(ty, constant)? {
            let Piece { constant, types } = piece;
            let access = access_of(&types);
            let load = |ty| {
                (
                    ty,
                    Op::Load {
                        space: at.space,
                        offset: at.base,
                        constant,
                        access,
                        volatile: at.volatile,
                    },
                )
            };
            match *types.as_slice() {
                [Type::Bool] => {
                    let (ty, op) = load(Type::I32);
                    let (word, zero) = (self.b.value(ty, op), self.b.i32(0));
                    slots.push(self.b.compare(Pred::Ne, word, zero));
                }
                [Type::I64] => {
                    let (ty, op) = load(Type::Words(2));
                    let words = self.b.value(ty, op);
                    slots.push(self.b.unary(Unary::Bitcast, words, Type::I64));
                }
                [ty] => {
                    let (ty, op) = load(ty);
                    slots.push(self.b.value(ty, op));
                }
                _ => {
                    let (ty, op) = load(Type::Words(types.len() as u8));
                    let words = self.b.value(ty, op);
                    for (k, ty) in types.into_iter().enumerate() {
                        slots.push(self.b.value(ty, Op::Word(words, k as u8)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The accesses that move a value of type `ty` at byte `constant`, in the order of its slots.
    fn pieces(&self, ty: u32, constant: u32) -> Lowered<Vec<Piece>> {
        let mut pieces = Vec::new();
        self.add_pieces(ty, constant, &mut pieces)?;
        Ok(pieces)
    }

    fn add_pieces(&self, ty: u32, constant: u32, pieces: &mut Vec<Piece>) -> Lowered<()> {
        let module = self.module;
        let at = |step: u32, k: u32| {
            step.checked_mul(k)
                .and_then(|s| s.checked_add(constant))
                .ok_or("an offset is too large")
        };
        match module.ty(ty)? {
            Ty::Vector(element, count) => match module.ty(*element)? {
                Ty::Int(32) | Ty::Float(32) => {
                    pieces.push(Piece {
                        constant,
                        types: self.slot_types(ty)?,
                    });
                }
                Ty::Float(16) => {
                    let types = self.slot_types(ty)?;
                    let (words, rest) = types.split_at((*count / 2) as usize);
                    pieces.push(Piece {
                        constant,
                        types: words.to_vec(),
                    });
                    if !rest.is_empty() {
                        pieces.push(Piece {
                            constant: at(2, count - 1)?,
                            types: rest.to_vec(),
                        });
                    }
                }
                _ => {
                    let (size, _) = module.size_align(*element)?;
                    for k in 0..*count {
                        self.add_pieces(*element, at(size, k)?, pieces)?;
                    }
                }
            },
            Ty::Matrix(column, count) => {
                let (size, align) = module.size_align(*column)?;
                for k in 0..*count {
                    self.add_pieces(*column, at(size.next_multiple_of(align), k)?, pieces)?;
                }
            }
            Ty::Array {
                element,
                len,
                stride,
            } => {
                // Also bounds the number of pieces.
                self.slot_types(ty)?;
                for k in 0..*len {
                    self.add_pieces(*element, at(*stride, k)?, pieces)?;
                }
            }
            Ty::Struct(members) => {
                for member in members {
                    self.add_pieces(member.ty, at(member.offset, 1)?, pieces)?;
                }
            }
            _ => pieces.push(Piece {
                constant,
                types: self.slot_types(ty)?,
            }),
        }
        Ok(())
    }

    /// Stores the value `id`.
    pub(super) fn store(&mut self, place: &Place, id: u32) -> Lowered<()> {
        let slots = self.slots(id)?;
        match place {
            Place::Memory {
                space,
                offset,
                ty,
                volatile,
            } => {
                let base = self.base(*offset);
                let at = At {
                    space: *space,
                    base,
                    volatile: *volatile,
                };
                self.store_bytes(at, offset.constant, *ty, &slots)
            }
            Place::Locals {
                locals,
                index,
                ty,
                part,
            } => self.store_locals(locals, *index, *ty, *part, &slots),
            Place::Builtin { .. } => Err("an input is stored to".into()),
        }
    }

    fn store_bytes(&mut self, at: At, constant: u32, ty: u32, slots: &[Value]) -> Lowered<()> {
        let mut slots = slots.iter().copied();
        for Piece { constant, types } in self.pieces(ty, constant)? {
            let access = access_of(&types);
            let parts: Vec<Value> = slots.by_ref().take(types.len()).collect();
            let value = match (types.as_slice(), parts.as_slice()) {
                ([Type::Bool], [value]) => {
                    let (one, zero) = (self.b.i32(1), self.b.i32(0));
                    self.b.select(*value, one, zero)
                }
                ([Type::I64], [value]) => self.b.unary(Unary::Bitcast, *value, Type::Words(2)),
                (_, [value]) => *value,
                _ => self
                    .b
                    .value(Type::Words(parts.len() as u8), Op::Join(parts)),
            };
            self.b.effect(Op::Store {
                space: at.space,
                offset: at.base,
                constant,
                access,
                value,
            });
        }
        Ok(())
    }

    fn index_value(&mut self, index: Sum, step: u32) -> Value {
        let constant = self.b.i32(index.constant.wrapping_add(step));
        match index.base {
            None => constant,
            Some(base) => self.b.binary(Binary::IAdd, base, constant),
        }
    }

    /// The local and the index of each slot of a `ty` at `index` of `locals`, in the order of the slots.
    fn local_slots(&mut self, locals: &[Local], index: Sum, ty: u32) -> Lowered<Vec<(Local, Sum)>> {
        let module = self.module;
        let mut found = Vec::new();
        match module.ty(ty)? {
            Ty::Array { element, len, .. } | Ty::Matrix(element, len) => {
                let inner = self.leaf_len(*element)?;
                for k in 0..*len {
                    let index = Sum {
                        constant: index.constant.wrapping_add(k * inner),
                        ..index
                    };
                    found.extend(self.local_slots(locals, index, *element)?);
                }
            }
            Ty::Struct(members) => {
                let mut from = 0;
                for member in members {
                    let count = self.count_locals(member.ty)?;
                    found.extend(self.local_slots(
                        &locals[from..from + count],
                        index,
                        member.ty,
                    )?);
                    from += count;
                }
            }
            _ => found.extend(locals.iter().map(|local| (*local, index))),
        }
        Ok(found)
    }

    fn load_local(&mut self, local: Local, index: Sum) -> Value {
        let index = self.index_value(index, 0);
        let ty = self.b.function.locals[local.0 as usize].ty;
        self.b.value(ty, Op::LocalLoad(local, index))
    }

    fn store_local(&mut self, local: Local, index: Sum, value: Value) {
        let index = self.index_value(index, 0);
        self.b.effect(Op::LocalStore(local, index, value));
    }

    fn load_locals(
        &mut self,
        locals: &[Local],
        index: Sum,
        ty: u32,
        part: Part,
    ) -> Lowered<Vec<Value>> {
        match part {
            Part::Whole => {
                let places = self.local_slots(locals, index, ty)?;
                Ok(places
                    .into_iter()
                    .map(|(local, index)| self.load_local(local, index))
                    .collect())
            }
            Part::Half(k) => {
                let pair = self.load_local(locals[0], index);
                Ok(vec![self.b.half(pair, k)])
            }
            Part::Element(chosen) => {
                let elements = self.local_elements(locals, index);
                Ok(vec![self.pick(&elements, chosen)])
            }
        }
    }

    /// The elements of the vector in `locals`.
    fn local_elements(&mut self, locals: &[Local], index: Sum) -> Vec<Value> {
        let mut elements = Vec::new();
        for local in locals {
            let slot = self.load_local(*local, index);
            match self.b.ty(slot) {
                Type::F16x2 => elements.extend([self.b.half(slot, 0), self.b.half(slot, 1)]),
                _ => elements.push(slot),
            }
        }
        elements
    }

    fn store_locals(
        &mut self,
        locals: &[Local],
        index: Sum,
        ty: u32,
        part: Part,
        slots: &[Value],
    ) -> Lowered<()> {
        let new = || slots.first().copied().ok_or("nothing to store");
        match part {
            Part::Whole => {
                for ((local, index), slot) in
                    self.local_slots(locals, index, ty)?.into_iter().zip(slots)
                {
                    self.store_local(local, index, *slot);
                }
            }
            Part::Half(k) => {
                let pair = self.load_local(locals[0], index);
                let mut halves = [self.b.half(pair, 0), self.b.half(pair, 1)];
                halves[usize::from(k)] = new()?;
                let pair = self.b.pack(halves[0], halves[1]);
                self.store_local(locals[0], index, pair);
            }
            Part::Element(chosen) => {
                let new = new()?;
                let mut elements = self.local_elements(locals, index);
                for (k, element) in elements.iter_mut().enumerate() {
                    let k = self.b.i32(k as u32);
                    let this = self.b.compare(Pred::Eq, chosen, k);
                    *element = self.b.select(this, new, *element);
                }
                let slots = self.slots_of(&elements);
                for (local, slot) in locals.iter().zip(slots) {
                    self.store_local(*local, index, slot);
                }
            }
        }
        Ok(())
    }
}

/// A memory and the variable part of an offset in it.
#[derive(Clone, Copy)]
struct At {
    space: Space,
    base: Value,
    volatile: bool,
}

/// One access: where, and the slots that it moves.
struct Piece {
    constant: u32,
    types: Vec<Type>,
}

fn access_of(types: &[Type]) -> Access {
    match types {
        [Type::F16 | Type::I16] => Access::Half,
        [Type::I64] => Access::Words(2),
        _ => Access::Words(types.len() as u8),
    }
}
