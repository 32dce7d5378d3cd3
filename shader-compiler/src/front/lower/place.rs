//! What a pointer points at, and how an access chain narrows it.

use rspirv::dr::Instruction;
use rspirv::spirv::{BuiltIn, StorageClass};

use super::super::module::{Constant, Ty, result, result_type, word};
use super::{Lower, Lowered, Val};
use crate::ir::*;

/// A number that is partly known: `base` (if any) plus `constant`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) base: Option<Value>,
    pub(super) constant: u32,
}

impl Sum {
    pub(super) const ZERO: Self = Self {
        base: None,
        constant: 0,
    };
}

/// A part of a local's slot that is no slot of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Whole,
    /// Element of the pair.
    Half(u8),
    /// Element of the vector that the slots make, chosen when the kernel runs.
    Element(Value),
}

/// What a pointer points at.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Bytes of a memory.
    Memory {
        space: Space,
        offset: Sum,
        ty: u32,
        volatile: bool,
    },
    /// Element `index` of local variables, one for each slot of `ty` (of the vector, for a part of it).
    Locals {
        locals: Vec<Local>,
        index: Sum,
        ty: u32,
        part: Part,
    },
    /// An input of the kernel: the whole (`None`) or one component.
    Builtin {
        builtin: BuiltIn,
        ty: u32,
        component: Option<u32>,
    },
}

impl Lower<'_, '_> {
    /// The place that `id` points at.
    pub(super) fn place(&mut self, id: u32) -> Lowered<Place> {
        match self.val(id)? {
            Val::Place(place) => Ok(place),
            Val::Slots(_) => Err("a value is used as a pointer".into()),
        }
    }

    /// Declares buffers, workgroup memory and inputs; private variables become locals.
    pub(super) fn declare_globals(&mut self) -> Lowered<()> {
        let module = self.module;
        let mut used: Vec<_> = module
            .globals
            .iter()
            .filter(|g| self.entry.interface.contains(&g.id))
            .collect();
        used.sort_by_key(|g| (g.group, g.binding));
        for global in used {
            let (ty, volatile) = (global.ty, global.volatile);
            let memory = |space, constant| Place::Memory {
                space,
                offset: Sum {
                    base: None,
                    constant,
                },
                ty,
                volatile,
            };
            let place = match global.class {
                StorageClass::StorageBuffer | StorageClass::Uniform => {
                    let index = self.b.function.bindings.len() as u32;
                    self.b.function.bindings.push(Binding {
                        name: global.name.clone(),
                        group: global.group,
                        binding: global.binding,
                        written: false,
                        size_used: false,
                    });
                    memory(Space::Buffer(index), 0)
                }
                StorageClass::Workgroup => {
                    let at = self.b.function.shared_bytes;
                    let (size, _) = module.size_align(ty)?;
                    let end = at
                        .checked_add(size)
                        .and_then(|end| end.checked_next_multiple_of(16));
                    self.b.function.shared_bytes = end.ok_or("workgroup memory is too large")?;
                    memory(Space::Shared, at)
                }
                StorageClass::PushConstant => {
                    self.b.function.immediate_bytes = module.size_align(ty)?.0.next_multiple_of(4);
                    memory(Space::Arguments, 0)
                }
                StorageClass::Input => {
                    let builtin = global
                        .builtin
                        .ok_or_else(|| format!("`{}` is no built-in value", global.name))?;
                    Place::Builtin {
                        builtin,
                        ty,
                        component: None,
                    }
                }
                StorageClass::Private => {
                    let place = self.new_locals(&global.name, ty)?;
                    if let Some(initializer) = global.initializer {
                        self.store(&place, initializer)?;
                    }
                    place
                }
                other => {
                    return Err(format!(
                        "`{}`: variables in {other:?} are not supported",
                        global.name
                    ));
                }
            };
            self.values.insert(global.id, Val::Place(place));
        }
        Ok(())
    }

    /// New locals for a variable of type `ty`.
    pub(super) fn new_locals(&mut self, name: &str, ty: u32) -> Lowered<Place> {
        let locals = self.locals_of(name, ty, 1)?;
        Ok(Place::Locals {
            locals,
            index: Sum::ZERO,
            ty,
            part: Part::Whole,
        })
    }

    /// One local for each slot of the innermost element; `len`: elements of the arrays around.
    fn locals_of(&mut self, name: &str, ty: u32, len: u32) -> Lowered<Vec<Local>> {
        let module = self.module;
        let many = |count: u32| {
            len.checked_mul(count)
                .filter(|n| u64::from(*n) <= super::MAX_SLOTS)
                .ok_or_else(|| format!("`{name}` is too large for a local variable"))
        };
        match module.ty(ty)? {
            Ty::Array {
                element,
                len: count,
                ..
            }
            | Ty::Matrix(element, count) => self.locals_of(name, *element, many(*count)?),
            Ty::Struct(members) => {
                let mut locals = Vec::new();
                for member in members {
                    locals.extend(self.locals_of(name, member.ty, len)?);
                }
                Ok(locals)
            }
            _ => {
                let types = self.slot_types(ty)?;
                Ok(types
                    .into_iter()
                    .map(|t| self.new_local(name, t, len))
                    .collect())
            }
        }
    }

    /// How many locals a variable of type `ty` has.
    pub(super) fn count_locals(&self, ty: u32) -> Lowered<usize> {
        Ok(match self.module.ty(ty)? {
            Ty::Array { element, .. } | Ty::Matrix(element, _) => self.count_locals(*element)?,
            Ty::Struct(members) => {
                let mut count = 0;
                for member in members {
                    count += self.count_locals(member.ty)?;
                }
                count
            }
            _ => self.slot_types(ty)?.len(),
        })
    }

    /// `sum + index * scale`, where `index` is a SPIR-V id.
    fn add_scaled(&mut self, sum: Sum, index: u32, scale: u32) -> Lowered<Sum> {
        if let Some((_, Constant::Bits(_) | Constant::Null)) = self.module.constant(index) {
            let step = self.module.number(index)?.checked_mul(scale);
            let constant = step.and_then(|step| sum.constant.checked_add(step));
            return Ok(Sum {
                constant: constant.ok_or("an index is out of any range")?,
                ..sum
            });
        }
        let index = self.scalar(index)?;
        let index = match self.b.ty(index) {
            Type::I32 => index,
            Type::I64 => self.b.unary(Unary::Truncate, index, Type::I32),
            _ => self.b.unary(Unary::ZeroExtend, index, Type::I32),
        };
        if let Some(known) = self.b.known(index) {
            let constant = (known as u32)
                .wrapping_mul(scale)
                .wrapping_add(sum.constant);
            return Ok(Sum { constant, ..sum });
        }
        let scale = self.b.i32(scale);
        let step = self.b.binary(Binary::IMul, index, scale);
        let base = match sum.base {
            None => step,
            Some(base) => self.b.binary(Binary::IAdd, base, step),
        };
        Ok(Sum {
            base: Some(base),
            ..sum
        })
    }

    pub(super) fn access_chain(&mut self, inst: &Instruction) -> Lowered<()> {
        let mut place = self.place(word(inst, 0)?)?;
        for operand in 1..inst.operands.len() {
            place = self.narrow(place, word(inst, operand)?)?;
        }
        let (_, pointee) = self.module.pointee(result_type(inst)?)?;
        debug_assert_eq!(
            self.module.ty(place.ty()).ok(),
            self.module.ty(pointee).ok(),
            "the chain's type"
        );
        self.values.insert(result(inst)?, Val::Place(place));
        Ok(())
    }

    /// The part of a place that the id `index` chooses.
    fn narrow(&mut self, place: Place, index: u32) -> Lowered<Place> {
        match place {
            Place::Memory {
                space,
                offset,
                ty,
                volatile,
            } => {
                let module = self.module;
                let (ty, offset) = match module.ty(ty)? {
                    Ty::Struct(members) => {
                        let number = module.number(index)?;
                        let member = members.get(number as usize).ok_or("no such member")?;
                        let constant = offset
                            .constant
                            .checked_add(member.offset)
                            .ok_or("a member lies too far")?;
                        (member.ty, Sum { constant, ..offset })
                    }
                    Ty::Array {
                        element, stride, ..
                    }
                    | Ty::RuntimeArray { element, stride } => {
                        (*element, self.add_scaled(offset, index, *stride)?)
                    }
                    Ty::Vector(element, _) => {
                        let (size, _) = module.size_align(*element)?;
                        (*element, self.add_scaled(offset, index, size)?)
                    }
                    Ty::Matrix(column, _) => {
                        let (size, align) = module.size_align(*column)?;
                        (
                            *column,
                            self.add_scaled(offset, index, size.next_multiple_of(align))?,
                        )
                    }
                    other => return Err(format!("{other:?} cannot be indexed")),
                };
                Ok(Place::Memory {
                    space,
                    offset,
                    ty,
                    volatile,
                })
            }
            Place::Locals {
                locals,
                index: at,
                ty,
                part: Part::Whole,
            } => self.narrow_locals(locals, at, ty, index),
            Place::Builtin {
                builtin,
                ty,
                component: None,
            } => {
                let ty = self.element_type(ty)?;
                Ok(Place::Builtin {
                    builtin,
                    ty,
                    component: Some(self.module.number(index)?),
                })
            }
            _ => Err("a scalar cannot be indexed".into()),
        }
    }

    fn narrow_locals(
        &mut self,
        locals: Vec<Local>,
        at: Sum,
        ty: u32,
        index: u32,
    ) -> Lowered<Place> {
        let module = self.module;
        let whole = |locals, index, ty| Place::Locals {
            locals,
            index,
            ty,
            part: Part::Whole,
        };
        Ok(match module.ty(ty)? {
            Ty::Struct(members) => {
                let number = module.number(index)? as usize;
                let member = members.get(number).ok_or("no such member")?;
                let mut from = 0;
                for before in &members[..number] {
                    from += self.count_locals(before.ty)?;
                }
                let count = self.count_locals(member.ty)?;
                whole(locals[from..from + count].to_vec(), at, member.ty)
            }
            Ty::Array { element, .. } | Ty::Matrix(element, _) => {
                // The elements of what lies inside stand next to each other in each local.
                let inner = self.leaf_len(*element)?;
                let index = self.add_scaled(at, index, inner)?;
                whole(locals, index, *element)
            }
            Ty::Vector(element, _) => {
                let element = *element;
                let Ok(number) = module.number(index) else {
                    let chosen = self.scalar(index)?;
                    return Ok(Place::Locals {
                        locals,
                        index: at,
                        ty: element,
                        part: Part::Element(chosen),
                    });
                };
                let pairs = self.slot_types(ty)?.first() == Some(&Type::F16x2);
                let slot = if pairs { number / 2 } else { number } as usize;
                let local = *locals.get(slot).ok_or("a vector has no such element")?;
                let half = self.b.function.locals[local.0 as usize].ty == Type::F16x2;
                let part = if half {
                    Part::Half((number % 2) as u8)
                } else {
                    Part::Whole
                };
                Place::Locals {
                    locals: vec![local],
                    index: at,
                    ty: element,
                    part,
                }
            }
            other => return Err(format!("{other:?} cannot be indexed")),
        })
    }

    /// Elements that one `ty` takes in each of its locals. Members of a structure each have their own locals, whose
    /// lengths may differ, so arrays of structures with arrays in them are counted by their own arrays.
    pub(super) fn leaf_len(&self, ty: u32) -> Lowered<u32> {
        Ok(match self.module.ty(ty)? {
            Ty::Array { element, len, .. } | Ty::Matrix(element, len) => len
                .checked_mul(self.leaf_len(*element)?)
                .ok_or("an array is too large")?,
            Ty::Struct(members) => {
                let mut lens = Vec::new();
                for member in members {
                    lens.push(self.leaf_len(member.ty)?);
                }
                lens.dedup();
                match lens.as_slice() {
                    [] => 1,
                    [len] => *len,
                    _ => {
                        return Err(
                            "a local array of structures with arrays inside is not supported: \
                                    use one array for each member"
                                .into(),
                        );
                    }
                }
            }
            _ => 1,
        })
    }
}

impl Place {
    /// The type of what lies there.
    pub(super) fn ty(&self) -> u32 {
        match self {
            Place::Memory { ty, .. } | Place::Locals { ty, .. } | Place::Builtin { ty, .. } => *ty,
        }
    }
}
