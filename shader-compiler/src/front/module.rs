//! A SPIR-V module as the lowering asks for it: types with their layout, constants, variables and entry points by id.

use std::collections::HashMap;

use rspirv::dr::{self, Instruction, Operand};
use rspirv::spirv::{BuiltIn, Decoration, ExecutionMode, Op, StorageClass};

use crate::ir;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    Void,
    Bool,
    /// Width in bits.
    Int(u32),
    Float(u32),
    /// Element type and count.
    Vector(u32, u32),
    /// Column type and count.
    Matrix(u32, u32),
    Array {
        element: u32,
        len: u32,
        stride: u32,
    },
    RuntimeArray {
        element: u32,
        stride: u32,
    },
    Struct(Vec<Member>),
    Pointer(StorageClass, u32),
    Tile(ir::Role, ir::Elem),
    /// Anything else, by the name of its instruction: refused where a value of it is asked for.
    Other(&'static str),
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) ty: u32,
    pub(super) offset: u32,
}

/// A module-scope constant.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Bits(u64),
    Composite(Vec<u32>),
    /// Zero of the type.
    Null,
    Undef,
}

/// A module-scope variable.
#[derive(Clone, Debug)]
pub(super) struct Global {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) class: StorageClass,
    /// What it holds.
    pub(super) ty: u32,
    pub(super) group: u32,
    pub(super) binding: u32,
    pub(super) builtin: Option<BuiltIn>,
    pub(super) volatile: bool,
    pub(super) initializer: Option<u32>,
}

/// A kernel.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) function: u32,
    pub(super) name: String,
    pub(super) workgroup_size: [u32; 3],
    /// Ids of the module-scope variables that it uses.
    pub(super) interface: Vec<u32>,
}

/// See the head of this file.
pub(super) struct Module<'a> {
    pub(super) entries: Vec<Entry>,
    pub(super) globals: Vec<Global>,
    pub(super) functions: HashMap<u32, &'a dr::Function>,
    types: HashMap<u32, Ty>,
    /// How deeply each type is nested.
    depths: HashMap<u32, u32>,
    /// Constants and their types.
    constants: HashMap<u32, (u32, Constant)>,
    names: HashMap<u32, &'a str>,
}

/// Operand `index` as an id or a number.
pub(super) fn word(inst: &Instruction, index: usize) -> Result<u32, String> {
    let operand = inst.operands.get(index);
    let number = match operand {
        Some(Operand::LiteralBit32(n) | Operand::LiteralExtInstInteger(n)) => Some(*n),
        Some(other) => other.id_ref_any(),
        None => None,
    };
    number.ok_or_else(|| format!("Op{} lacks operand {index}", inst.class.opname))
}

/// The id that an instruction defines.
pub(super) fn result(inst: &Instruction) -> Result<u32, String> {
    inst.result_id
        .ok_or_else(|| format!("Op{} defines nothing", inst.class.opname))
}

/// The type of what an instruction defines.
pub(super) fn result_type(inst: &Instruction) -> Result<u32, String> {
    inst.result_type
        .ok_or_else(|| format!("Op{} has no type", inst.class.opname))
}

/// Structures in structures and arrays of arrays.
const MAX_DEPTH: u32 = 100;

/// What decorations say of an id (or of a member, by its index).
#[derive(Default)]
struct Decorations<'a> {
    plain: HashMap<(u32, Decoration), &'a [Operand]>,
    member: HashMap<(u32, u32, Decoration), &'a [Operand]>,
}

impl<'a> Decorations<'a> {
    fn new(loaded: &'a dr::Module) -> Self {
        let mut decorations = Self::default();
        for inst in &loaded.annotations {
            match (inst.class.opcode, inst.operands.as_slice()) {
                (Op::Decorate, [Operand::IdRef(id), Operand::Decoration(d), rest @ ..]) => {
                    decorations.plain.insert((*id, *d), rest);
                }
                (
                    Op::MemberDecorate,
                    [
                        Operand::IdRef(id),
                        Operand::LiteralBit32(member),
                        Operand::Decoration(d),
                        rest @ ..,
                    ],
                ) => {
                    decorations.member.insert((*id, *member, *d), rest);
                }
                _ => {}
            }
        }
        decorations
    }

    fn number(&self, id: u32, decoration: Decoration) -> Option<u32> {
        match self.plain.get(&(id, decoration)) {
            Some([Operand::LiteralBit32(n)]) => Some(*n),
            _ => None,
        }
    }

    fn member_number(&self, id: u32, member: u32, decoration: Decoration) -> Option<u32> {
        match self.member.get(&(id, member, decoration)) {
            Some([Operand::LiteralBit32(n)]) => Some(*n),
            _ => None,
        }
    }

    fn builtin(&self, id: u32) -> Option<BuiltIn> {
        match self.plain.get(&(id, Decoration::BuiltIn)) {
            Some([Operand::BuiltIn(b)]) => Some(*b),
            _ => None,
        }
    }
}

impl<'a> Module<'a> {
    /// Indexes a loaded module.
    pub(super) fn new(loaded: &'a dr::Module) -> Result<Self, String> {
        let decorations = Decorations::new(loaded);
        let mut module = Self {
            entries: Vec::new(),
            globals: Vec::new(),
            functions: HashMap::new(),
            types: HashMap::new(),
            depths: HashMap::new(),
            constants: HashMap::new(),
            names: HashMap::new(),
        };
        for inst in &loaded.debug_names {
            if let [Operand::IdRef(id), Operand::LiteralString(name)] = inst.operands.as_slice() {
                module.names.insert(*id, name);
            }
        }
        for inst in &loaded.types_global_values {
            let class = inst.class.opcode;
            if class.is_type() {
                module.bound_depth(inst)?;
                let ty = module.read_type(inst, &decorations)?;
                module.types.insert(result(inst)?, ty);
            } else if class.is_constant() || class == Op::Undef {
                module
                    .constants
                    .insert(result(inst)?, (result_type(inst)?, read_constant(inst)?));
            } else if class == Op::Variable {
                let global = module.read_global(inst, &decorations)?;
                module.globals.push(global);
            }
        }
        for function in &loaded.functions {
            if let Some(id) = function.def_id() {
                module.functions.insert(id, function);
            }
        }
        for inst in &loaded.entry_points {
            let entry = read_entry(inst, loaded)?;
            module.entries.push(entry);
        }
        Ok(module)
    }

    /// The type `id`.
    pub(super) fn ty(&self, id: u32) -> Result<&Ty, String> {
        self.types
            .get(&id)
            .ok_or_else(|| format!("type {id} is not declared"))
    }

    /// The name of `id` in the source; empty if it has none.
    pub(super) fn name(&self, id: u32) -> &'a str {
        self.names.get(&id).copied().unwrap_or("")
    }

    /// The constant `id` with its type.
    pub(super) fn constant(&self, id: u32) -> Option<&(u32, Constant)> {
        self.constants.get(&id)
    }

    /// The bits of a scalar constant.
    pub(super) fn number(&self, id: u32) -> Result<u32, String> {
        match self.constant(id) {
            Some((_, Constant::Bits(bits))) => Ok(*bits as u32),
            Some((_, Constant::Null)) => Ok(0),
            _ => Err(format!("{id} is not a constant")),
        }
    }

    /// What a pointer of type `id` points to, and where that lies.
    pub(super) fn pointee(&self, id: u32) -> Result<(StorageClass, u32), String> {
        match self.ty(id)? {
            Ty::Pointer(class, ty) => Ok((*class, *ty)),
            other => Err(format!("{other:?} is not a pointer")),
        }
    }

    /// Types are walked recursively from here on, so their depth is bounded first.
    fn bound_depth(&mut self, inst: &Instruction) -> Result<(), String> {
        let inner = inst.operands.iter().filter_map(Operand::id_ref_any);
        let depth = inner
            .filter_map(|id| self.depths.get(&id))
            .max()
            .map_or(0, |depth| depth + 1);
        if depth > MAX_DEPTH {
            return Err(format!("types are nested more than {MAX_DEPTH} deep"));
        }
        self.depths.insert(result(inst)?, depth);
        Ok(())
    }

    fn read_type(&self, inst: &Instruction, decorations: &Decorations<'_>) -> Result<Ty, String> {
        let id = result(inst)?;
        Ok(match inst.class.opcode {
            Op::TypeVoid => Ty::Void,
            Op::TypeBool => Ty::Bool,
            Op::TypeInt => Ty::Int(word(inst, 0)?),
            Op::TypeFloat => Ty::Float(word(inst, 0)?),
            Op::TypeVector => Ty::Vector(word(inst, 0)?, word(inst, 1)?),
            Op::TypeMatrix => Ty::Matrix(word(inst, 0)?, word(inst, 1)?),
            Op::TypeArray => {
                let (element, len) = (word(inst, 0)?, self.number(word(inst, 1)?)?);
                Ty::Array {
                    element,
                    len,
                    stride: self.stride(id, element, decorations)?,
                }
            }
            Op::TypeRuntimeArray => {
                let element = word(inst, 0)?;
                Ty::RuntimeArray {
                    element,
                    stride: self.stride(id, element, decorations)?,
                }
            }
            Op::TypeStruct => {
                let mut members = Vec::new();
                let mut end = 0u32;
                for index in 0..inst.operands.len() {
                    let ty = word(inst, index)?;
                    let (size, align) = self.size_align(ty).unwrap_or((0, 1));
                    let natural = end.next_multiple_of(align);
                    let offset = decorations
                        .member_number(id, index as u32, Decoration::Offset)
                        .unwrap_or(natural);
                    self.check_matrix_stride(id, index as u32, ty, decorations)?;
                    members.push(Member { ty, offset });
                    end = offset.saturating_add(size);
                }
                Ty::Struct(members)
            }
            Op::TypePointer => match inst.operands.first() {
                Some(Operand::StorageClass(class)) => Ty::Pointer(*class, word(inst, 1)?),
                _ => return Err("OpTypePointer without a storage class".into()),
            },
            Op::TypeCooperativeMatrixKHR => self.read_tile(inst)?,
            _ => Ty::Other(inst.class.opname),
        })
    }

    fn stride(&self, id: u32, element: u32, decorations: &Decorations<'_>) -> Result<u32, String> {
        match decorations.number(id, Decoration::ArrayStride) {
            Some(stride) => Ok(stride),
            None => Ok(self
                .size_align(element)
                .map_or(0, |(size, align)| size.next_multiple_of(align))),
        }
    }

    /// Matrices lie as WGSL lays them out everywhere; naga splits those of uniform buffers that would not.
    fn check_matrix_stride(
        &self,
        id: u32,
        member: u32,
        mut ty: u32,
        decorations: &Decorations<'_>,
    ) -> Result<(), String> {
        while let Ty::Array { element, .. } | Ty::RuntimeArray { element, .. } = self.ty(ty)? {
            ty = *element;
        }
        if let Ty::Matrix(column, _) = self.ty(ty)? {
            let (size, align) = self.size_align(*column)?;
            let stride = decorations.member_number(id, member, Decoration::MatrixStride);
            if stride.is_some_and(|s| s != size.next_multiple_of(align)) {
                return Err("a matrix has a column stride that WGSL does not give it".into());
            }
        }
        Ok(())
    }

    fn read_tile(&self, inst: &Instruction) -> Result<Ty, String> {
        let elem = match self.ty(word(inst, 0)?)? {
            Ty::Float(16) => ir::Elem::F16,
            Ty::Float(32) => ir::Elem::F32,
            other => {
                return Err(format!(
                    "a cooperative matrix of {other:?} is not supported"
                ));
            }
        };
        let (rows, columns) = (self.number(word(inst, 2)?)?, self.number(word(inst, 3)?)?);
        if (rows, columns) != (16, 16) {
            return Err(format!(
                "cooperative matrices are 16 by 16, not {rows} by {columns}"
            ));
        }
        let role = match self.number(word(inst, 4)?)? {
            0 => ir::Role::A,
            1 => ir::Role::B,
            _ => ir::Role::C,
        };
        if role != ir::Role::C && elem == ir::Elem::F32 {
            return Err("cooperative matrices in the roles A and B hold f16".into());
        }
        Ok(Ty::Tile(role, elem))
    }

    fn read_global(
        &self,
        inst: &Instruction,
        decorations: &Decorations<'_>,
    ) -> Result<Global, String> {
        let id = result(inst)?;
        let (class, ty) = self.pointee(result_type(inst)?)?;
        let has = |d| decorations.plain.contains_key(&(id, d));
        Ok(Global {
            id,
            name: self.name(id).to_string(),
            class,
            ty,
            group: decorations
                .number(id, Decoration::DescriptorSet)
                .unwrap_or(0),
            binding: decorations.number(id, Decoration::Binding).unwrap_or(0),
            builtin: decorations.builtin(id),
            volatile: has(Decoration::Volatile) || has(Decoration::Coherent),
            initializer: inst.operands.get(1).and_then(Operand::id_ref_any),
        })
    }

    /// Size and alignment in bytes, by WGSL's rules.
    pub(super) fn size_align(&self, id: u32) -> Result<(u32, u32), String> {
        Ok(match self.ty(id)? {
            Ty::Bool => (4, 4),
            Ty::Int(width) | Ty::Float(width) => (width / 8, width / 8),
            Ty::Vector(element, count) => {
                let (size, _) = self.size_align(*element)?;
                (size * count, size * count.next_power_of_two())
            }
            Ty::Matrix(column, count) => {
                let (size, align) = self.size_align(*column)?;
                (size.next_multiple_of(align) * count, align)
            }
            Ty::Array {
                element,
                len,
                stride,
            } => {
                let size = stride.checked_mul(*len).ok_or("an array is too large")?;
                (size, self.size_align(*element)?.1)
            }
            Ty::RuntimeArray { element, .. } => (0, self.size_align(*element)?.1),
            Ty::Struct(members) => {
                let (mut end, mut align) = (0u32, 1);
                for member in members {
                    let (size, own) = self.size_align(member.ty)?;
                    end = end.max(
                        member
                            .offset
                            .checked_add(size)
                            .ok_or("a structure is too large")?,
                    );
                    align = align.max(own);
                }
                (end.next_multiple_of(align), align)
            }
            other => return Err(format!("{other:?} has no size in memory")),
        })
    }
}

fn read_constant(inst: &Instruction) -> Result<Constant, String> {
    Ok(match inst.class.opcode {
        Op::ConstantTrue => Constant::Bits(1),
        Op::ConstantFalse => Constant::Bits(0),
        Op::Constant => match inst.operands.first() {
            Some(Operand::LiteralBit32(n)) => Constant::Bits(u64::from(*n)),
            Some(Operand::LiteralBit64(n)) => Constant::Bits(*n),
            _ => return Err("OpConstant without a number".into()),
        },
        Op::ConstantComposite => Constant::Composite(
            (0..inst.operands.len())
                .map(|i| word(inst, i))
                .collect::<Result<_, _>>()?,
        ),
        Op::ConstantNull => Constant::Null,
        Op::Undef => Constant::Undef,
        _ => return Err(format!("Op{} is not supported", inst.class.opname)),
    })
}

fn read_entry(inst: &Instruction, loaded: &dr::Module) -> Result<Entry, String> {
    let [
        _,
        Operand::IdRef(function),
        Operand::LiteralString(name),
        interface @ ..,
    ] = inst.operands.as_slice()
    else {
        return Err("OpEntryPoint has strange operands".into());
    };
    let size = loaded
        .execution_modes
        .iter()
        .find_map(|mode| match mode.operands.as_slice() {
            [
                Operand::IdRef(f),
                Operand::ExecutionMode(ExecutionMode::LocalSize),
                Operand::LiteralBit32(x),
                Operand::LiteralBit32(y),
                Operand::LiteralBit32(z),
            ] if f == function => Some([*x, *y, *z]),
            _ => None,
        });
    let workgroup_size = size.ok_or_else(|| format!("`{name}` has no workgroup size"))?;
    let lanes = workgroup_size
        .iter()
        .map(|&n| u64::from(n))
        .product::<u64>();
    if lanes == 0 || lanes > 1024 {
        return Err(format!(
            "`{name}` has {lanes} invocations per workgroup; 1 to 1024 are possible"
        ));
    }
    Ok(Entry {
        function: *function,
        name: name.clone(),
        workgroup_size,
        interface: interface.iter().filter_map(Operand::id_ref_any).collect(),
    })
}
