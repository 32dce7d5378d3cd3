//! Taking vectors, matrices, arrays and structures apart and putting them together, by their slots.
//!
//! Only vectors of f16 need instructions: two of their elements share a slot.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{Ty, result_type, word};
use super::{Lower, Lowered};
use crate::ir::*;

impl Lower<'_, '_> {
    /// The scalar elements of a vector (or the one of a scalar) of type `ty`.
    pub(super) fn elements(&mut self, ty: u32, slots: &[Value]) -> Lowered<Vec<Value>> {
        let module = self.module;
        let Ty::Vector(_, count) = *module.ty(ty)? else {
            return Ok(slots.to_vec());
        };
        let mut elements = Vec::new();
        for &slot in slots {
            match self.b.ty(slot) {
                Type::F16x2 => {
                    for k in 0..2 {
                        let half = self.b.half(slot, k);
                        elements.push(half);
                    }
                }
                _ => elements.push(slot),
            }
        }
        if elements.len() != count as usize {
            return Err("a vector of bytes can only be converted".into());
        }
        Ok(elements)
    }

    /// The slots of a vector (or scalar) with these elements.
    pub(super) fn slots_of(&mut self, elements: &[Value]) -> Vec<Value> {
        if elements.len() < 2 || self.b.ty(elements[0]) != Type::F16 {
            return elements.to_vec();
        }
        let pair = |pair: &[Value]| match *pair {
            [low, high] => self.b.pack(low, high),
            _ => pair[0],
        };
        elements.chunks(2).map(pair).collect()
    }

    /// The type of the elements of a vector; a scalar's own.
    pub(super) fn element_type(&self, ty: u32) -> Lowered<u32> {
        match self.module.ty(ty)? {
            Ty::Vector(element, _) => Ok(*element),
            _ => Ok(ty),
        }
    }

    /// A composite of type `ty` from its parts.
    pub(super) fn compose(&mut self, ty: u32, parts: Vec<Vec<Value>>) -> Lowered<Vec<Value>> {
        let slots = match self.module.ty(ty)? {
            Ty::Vector(..) => {
                // Parts are scalars or vectors; pairs are taken apart where they do not line up.
                let mut elements = Vec::new();
                for &slot in parts.iter().flatten() {
                    match self.b.ty(slot) {
                        Type::F16x2 => {
                            elements.extend([self.b.half(slot, 0), self.b.half(slot, 1)])
                        }
                        _ => elements.push(slot),
                    }
                }
                self.slots_of(&elements)
            }
            _ => parts.concat(),
        };
        let types = self.slot_types(ty)?;
        let good = types.len() == slots.len()
            && types.iter().zip(&slots).all(|(t, s)| *t == self.b.ty(*s));
        if good {
            Ok(slots)
        } else {
            Err("a composite does not fit its type".into())
        }
    }

    /// Type of part `index` of a composite, and where its slots begin; vectors of f16 have no such place.
    pub(super) fn part(&self, ty: u32, index: u32) -> Lowered<(u32, usize)> {
        let (part, at) = match self.module.ty(ty)? {
            Ty::Vector(element, count) if index < *count => (*element, index as usize),
            Ty::Matrix(column, count) if index < *count => {
                (*column, index as usize * self.slot_types(*column)?.len())
            }
            Ty::Array { element, len, .. } if index < *len => {
                (*element, index as usize * self.slot_types(*element)?.len())
            }
            Ty::Struct(members) if (index as usize) < members.len() => {
                let mut at = 0;
                for member in &members[..index as usize] {
                    at += self.slot_types(member.ty)?.len();
                }
                (members[index as usize].ty, at)
            }
            other => return Err(format!("{other:?} has no part {index}")),
        };
        Ok((part, at))
    }

    /// The part of a value that literal indices name, and its type.
    fn extract(&mut self, mut ty: u32, slots: &[Value], indices: &[u32]) -> Lowered<Vec<Value>> {
        let mut slots = slots.to_vec();
        for &index in indices {
            let (part, at) = self.part(ty, index)?;
            if let Ty::Vector(..) = self.module.ty(ty)? {
                slots = vec![self.elements(ty, &slots)?[index as usize]];
            } else {
                let count = self.slot_types(part)?.len();
                slots = slots[at..at + count].to_vec();
            }
            ty = part;
        }
        Ok(slots)
    }

    /// `slots` with the part that literal indices name replaced.
    fn insert(
        &mut self,
        ty: u32,
        slots: &[Value],
        indices: &[u32],
        new: &[Value],
    ) -> Lowered<Vec<Value>> {
        let Some((&index, rest)) = indices.split_first() else {
            return Ok(new.to_vec());
        };
        let (part, at) = self.part(ty, index)?;
        if let Ty::Vector(..) = self.module.ty(ty)? {
            let mut elements = self.elements(ty, slots)?;
            elements[index as usize] = *new.first().ok_or("nothing to insert")?;
            return Ok(self.slots_of(&elements));
        }
        let count = self.slot_types(part)?.len();
        let inner = self.insert(part, &slots[at..at + count], rest, new)?;
        Ok([&slots[..at], &inner, &slots[at + count..]].concat())
    }

    /// One of `elements`, chosen by an index that is only known when the kernel runs.
    pub(super) fn pick(&mut self, elements: &[Value], index: Value) -> Value {
        let mut level = elements.to_vec();
        let mut bit = 0;
        while level.len() > 1 {
            let (mask, zero) = (self.b.i32(1 << bit), self.b.i32(0));
            let masked = self.b.binary(Binary::And, index, mask);
            let odd = self.b.compare(Pred::Ne, masked, zero);
            level = level
                .chunks(2)
                .map(|pair| match *pair {
                    [even, other] => self.b.select(odd, other, even),
                    _ => pair[0],
                })
                .collect();
            bit += 1;
        }
        level[0]
    }

    pub(super) fn composite(&mut self, inst: &Instruction) -> Lowered<()> {
        let ty = result_type(inst)?;
        let literals = |from: usize| -> Lowered<Vec<u32>> {
            (from..inst.operands.len()).map(|i| word(inst, i)).collect()
        };
        let slots = match inst.class.opcode {
            Spv::CompositeConstruct => {
                let mut parts = Vec::new();
                for id in literals(0)? {
                    parts.push(self.slots(id)?);
                }
                if let Ty::Tile(..) = self.module.ty(ty)? {
                    self.splat_tile(ty, word(inst, 0)?)?
                } else {
                    self.compose(ty, parts)?
                }
            }
            Spv::CompositeExtract => {
                let (slots, from) = self.typed(word(inst, 0)?)?;
                self.extract(from, &slots, &literals(1)?)?
            }
            Spv::CompositeInsert => {
                let new = self.slots(word(inst, 0)?)?;
                let slots = self.slots(word(inst, 1)?)?;
                self.insert(ty, &slots, &literals(2)?, &new)?
            }
            Spv::VectorShuffle => {
                let mut all = Vec::new();
                for operand in 0..2 {
                    let (slots, from) = self.typed(word(inst, operand)?)?;
                    all.extend(self.elements(from, &slots)?);
                }
                let mut chosen = Vec::new();
                for index in literals(2)? {
                    chosen.push(
                        *all.get(index as usize)
                            .ok_or("a shuffle takes what is not there")?,
                    );
                }
                self.slots_of(&chosen)
            }
            _ => {
                let (slots, from) = self.typed(word(inst, 0)?)?;
                let index = self.scalar(word(inst, 1)?)?;
                let elements = self.elements(from, &slots)?;
                vec![self.pick(&elements, index)]
            }
        };
        self.define(inst, slots)
    }
}
