//! Statements of SPIR-V to blocks of our form.
//!
//! A SPIR-V value becomes a flat list of scalars, its *slots*, in the order of its elements and members: a vector of
//! four f32 is four F32, a vector of three f16 is an F16x2 and an F16, a matrix is its columns one after the other.
//! Pointers do not become values; they stand for a place: bytes of a memory, or slots of local variables.
//!
//! A variable of a function becomes one [`LocalVar`] for each slot of its innermost element; arrays around that give
//! the local its length. So `array<vec2<f32>, 8>` is two locals of eight F32, and one index serves both.

mod arith;
mod build;
mod composite;
mod convert;
mod flow;
mod glsl;
mod group;
mod inputs;
mod math;
mod matrix;
mod memory;
mod place;
mod tile;

use std::collections::HashMap;

use rspirv::dr::{self, Instruction};
use rspirv::spirv;

use self::build::Builder;
use self::flow::{Around, Returned};
use self::place::Place;
use super::module::{Constant, Entry, Module, Ty, result, result_type, word};
use super::tree::Scope;
use super::{structure, tree};
use crate::ir::*;

/// What a SPIR-V id stands for.
#[derive(Clone, Debug)]
enum Val {
    Slots(Vec<Value>),
    Place(Place),
}

type Lowered<T> = Result<T, String>;

struct Lower<'m, 'a> {
    module: &'m Module<'a>,
    entry: &'m Entry,
    b: Builder,
    values: HashMap<u32, Val>,
    /// The SPIR-V type of each id in `values` that is no pointer.
    types: HashMap<u32, u32>,
    around: Vec<Around>,
    /// Flags of the scopes that are asked whether they were left; of the innermost function being inlined.
    flags: HashMap<Scope, Local>,
    /// How each function on the inlining stack returns; empty in the entry point itself.
    returned: Vec<Returned>,
    /// Byte offset of a line and column.
    offset: &'m dyn Fn(u32, u32) -> u32,
    /// Calls inlined so far, to bound the size.
    inlined: u32,
}

/// Lowers one entry point. An error comes with the byte offset of its statement.
pub(super) fn function(
    module: &Module<'_>,
    entry: &Entry,
    offset: &dyn Fn(u32, u32) -> u32,
) -> Result<Function, (u32, String)> {
    let mut lower = Lower {
        module,
        entry,
        b: Builder::new(&entry.name, entry.workgroup_size),
        values: HashMap::new(),
        types: HashMap::new(),
        around: Vec::new(),
        flags: HashMap::new(),
        returned: Vec::new(),
        offset,
        inlined: 0,
    };
    match lower.entry_point() {
        Ok(()) => {}
        Err(message) => {
            return Err((
                lower.b.source,
                format!("kernel `{}`: {message}", entry.name),
            ));
        }
    }
    let mut function = lower.b.finish();
    for (index, binding) in function.bindings.iter_mut().enumerate() {
        let space = Space::Buffer(index as u32);
        let mut insts = function.blocks.iter().flat_map(|b| &b.insts);
        binding.written = insts.any(|inst| inst.op.writes() == Some(space));
    }
    Ok(function)
}

impl<'m, 'a> Lower<'m, 'a> {
    fn entry_point(&mut self) -> Lowered<()> {
        let function = self.function(self.entry.function)?;
        // What precedes the first statement is said to be there.
        let mut insts = function.blocks.iter().flat_map(|b| &b.instructions);
        if let Some(line) = insts.find(|i| i.class.opcode == spirv::Op::Line) {
            self.inst(line)?;
        }
        self.declare_globals()?;
        let nodes = structure::structure(tree::statements(function)?, false);
        self.declare_flags(&nodes);
        self.nodes(&nodes)
    }

    fn function(&self, id: u32) -> Lowered<&'a dr::Function> {
        self.module
            .functions
            .get(&id)
            .copied()
            .ok_or_else(|| format!("function {id} does not exist"))
    }

    fn new_local(&mut self, name: &str, ty: Type, len: u32) -> Local {
        self.b.function.locals.push(LocalVar {
            name: name.to_string(),
            ty,
            len,
        });
        Local(self.b.function.locals.len() as u32 - 1)
    }

    /// What `id` stands for.
    fn val(&mut self, id: u32) -> Lowered<Val> {
        if let Some(val) = self.values.get(&id) {
            return Ok(val.clone());
        }
        let module = self.module;
        let Some((ty, constant)) = module.constant(id) else {
            return Err(format!("value {id} is used before it is defined"));
        };
        Ok(Val::Slots(self.constant_slots(*ty, constant)?))
    }

    /// The slots of a value.
    fn slots(&mut self, id: u32) -> Lowered<Vec<Value>> {
        match self.val(id)? {
            Val::Slots(slots) => Ok(slots),
            Val::Place(_) => Err("a pointer is used as a value".into()),
        }
    }

    /// A value of one slot.
    fn scalar(&mut self, id: u32) -> Lowered<Value> {
        match self.slots(id)?.as_slice() {
            [slot] => Ok(*slot),
            slots => Err(format!(
                "a scalar is expected where {} values are",
                slots.len()
            )),
        }
    }

    /// The slots of a value, and its type.
    fn typed(&mut self, id: u32) -> Lowered<(Vec<Value>, u32)> {
        let slots = self.slots(id)?;
        let ty = self
            .types
            .get(&id)
            .copied()
            .or_else(|| self.module.constant(id).map(|(ty, _)| *ty));
        Ok((slots, ty.ok_or_else(|| format!("value {id} has no type"))?))
    }

    fn define(&mut self, inst: &Instruction, slots: Vec<Value>) -> Lowered<()> {
        self.types.insert(result(inst)?, result_type(inst)?);
        self.values.insert(result(inst)?, Val::Slots(slots));
        Ok(())
    }

    fn constant_slots(&mut self, ty: u32, constant: &Constant) -> Lowered<Vec<Value>> {
        let module = self.module;
        match constant {
            Constant::Bits(bits) => {
                let slot = self.slot_types(ty)?[0];
                let bits = match slot {
                    Type::F16 | Type::I16 => bits & 0xffff,
                    _ => *bits,
                };
                Ok(vec![self.b.constant(slot, bits)])
            }
            Constant::Composite(parts) => {
                if let Ty::Tile(..) = module.ty(ty)? {
                    return self
                        .splat_tile(ty, *parts.first().ok_or("a matrix constant of nothing")?);
                }
                let mut slots = Vec::new();
                for part in parts {
                    slots.push(self.slots(*part)?);
                }
                self.compose(ty, slots)
            }
            Constant::Null => {
                let mut slots = Vec::new();
                for ty in self.slot_types(ty)? {
                    slots.push(match ty {
                        Type::Tile(_, elem) => {
                            let zero = self.b.float(tile::elem_type(elem), 0.0);
                            self.b.value(ty, Op::TileSplat(zero))
                        }
                        _ => self.b.constant(ty, 0),
                    });
                }
                Ok(slots)
            }
            Constant::Undef => {
                let types = self.slot_types(ty)?;
                Ok(types
                    .into_iter()
                    .map(|t| self.b.value(t, Op::Undef))
                    .collect())
            }
        }
    }

    /// Types of the slots of a value of type `ty`.
    fn slot_types(&self, ty: u32) -> Lowered<Vec<Type>> {
        Ok(match self.module.ty(ty)? {
            Ty::Void => Vec::new(),
            Ty::Bool => vec![Type::Bool],
            Ty::Int(16) => vec![Type::I16],
            Ty::Int(32) => vec![Type::I32],
            Ty::Int(64) => vec![Type::I64],
            Ty::Float(16) => vec![Type::F16],
            Ty::Float(32) => vec![Type::F32],
            Ty::Vector(element, count) => match self.module.ty(*element)? {
                Ty::Float(16) => {
                    let mut types = vec![Type::F16x2; (*count / 2) as usize];
                    types.extend((count % 2 == 1).then_some(Type::F16));
                    types
                }
                // Four bytes are one dword: only conversions to and from it come.
                Ty::Int(8) if *count == 4 => vec![Type::I32],
                _ => self.slot_types(*element)?.repeat(*count as usize),
            },
            Ty::Matrix(column, count) => self.slot_types(*column)?.repeat(*count as usize),
            Ty::Array { element, len, .. } => {
                let element = self.slot_types(*element)?;
                if u64::from(*len) * element.len() as u64 > MAX_SLOTS {
                    return Err(format!(
                        "an array of {len} elements is too large for registers"
                    ));
                }
                element.repeat(*len as usize)
            }
            Ty::Struct(members) => {
                let mut types = Vec::new();
                for member in members {
                    types.extend(self.slot_types(member.ty)?);
                }
                types
            }
            Ty::Tile(role, elem) => vec![Type::Tile(*role, *elem)],
            Ty::Other(name) => return Err(format!("values of Op{name} are not supported")),
            other => return Err(format!("values of type {other:?} are not supported")),
        })
    }

    /// Lowers one instruction.
    fn inst(&mut self, inst: &Instruction) -> Lowered<()> {
        use spirv::Op as O;
        match inst.class.opcode {
            O::Line => {
                self.b.source = (self.offset)(word(inst, 1)?, word(inst, 2)?);
                Ok(())
            }
            O::NoLine | O::Nop => Ok(()),
            O::FunctionCall => self.call(inst),
            O::Variable
            | O::AccessChain
            | O::InBoundsAccessChain
            | O::Load
            | O::Store
            | O::ArrayLength => self.memory(inst),
            O::ExtInst => self.extended(inst),
            O::Undef => {
                let types = self.slot_types(result_type(inst)?)?;
                let slots = types
                    .into_iter()
                    .map(|t| self.b.value(t, Op::Undef))
                    .collect();
                self.define(inst, slots)
            }
            O::CopyObject => {
                let slots = self.slots(word(inst, 0)?)?;
                self.define(inst, slots)
            }
            O::CompositeConstruct
            | O::CompositeExtract
            | O::CompositeInsert
            | O::VectorShuffle
            | O::VectorExtractDynamic => self.composite(inst),
            O::ControlBarrier | O::MemoryBarrier => self.barrier(inst),
            O::CooperativeMatrixLoadKHR
            | O::CooperativeMatrixStoreKHR
            | O::CooperativeMatrixMulAddKHR => self.tile(inst),
            _ => {
                if self.atomic(inst)?
                    || self.group(inst)?
                    || self.convert(inst)?
                    || self.matrix(inst)?
                {
                    return Ok(());
                }
                self.arithmetic(inst)
            }
        }
    }
}

/// Slots that one variable or value may have.
const MAX_SLOTS: u64 = 65_536;
