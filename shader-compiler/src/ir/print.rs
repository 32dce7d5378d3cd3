//! The readable text form of a function, for tests, dumps and messages.

use std::fmt::{self, Display, Formatter};

use super::*;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for BlockId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::I32 => f.write_str("i32"),
            Type::I64 => f.write_str("i64"),
            Type::I16 => f.write_str("i16"),
            Type::F32 => f.write_str("f32"),
            Type::F16 => f.write_str("f16"),
            Type::F16x2 => f.write_str("f16x2"),
            Type::Words(n) => write!(f, "words{n}"),
            Type::Tile(role, Elem::F16) => write!(f, "tile{role:?}.f16"),
            Type::Tile(role, Elem::F32) => write!(f, "tile{role:?}.f32"),
        }
    }
}

impl Display for Space {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Space::Buffer(n) => write!(f, "buffer{n}"),
            Space::Shared => f.write_str("shared"),
            Space::Arguments => f.write_str("arguments"),
        }
    }
}

/// Values with commas between.
struct List<'a>(&'a [Value]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, v) in self.0.iter().enumerate() {
            write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Address {
    /// `space[offset + constant]`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.constant {
            0 => write!(f, "{}[{}]", self.space, self.offset),
            constant => write!(f, "{}[{} + {constant}]", self.space, self.offset),
        }
    }
}

impl Op {
    /// The text of an access of memory at `at`.
    fn fmt_access(&self, at: Address, f: &mut Formatter<'_>) -> fmt::Result {
        let lines = |row_major: &bool| if *row_major { "rows" } else { "columns" };
        match self {
            Op::Load {
                access,
                volatile: false,
                ..
            } => write!(f, "load {at} {access:?}"),
            Op::Load { access, .. } => write!(f, "load volatile {at} {access:?}"),
            Op::Store { access, value, .. } => write!(f, "store {at} {access:?} = {value}"),
            Op::Atomic { combine, value, .. } => write!(f, "atomic {combine:?} {at} by {value}"),
            Op::AtomicCompare { new, expected, .. } => {
                write!(f, "atomic if {at} is {expected} then {new}")
            }
            Op::TileLoad {
                stride, row_major, ..
            } => write!(f, "tile_load {at} {} every {stride}", lines(row_major)),
            Op::TileStore {
                stride,
                row_major,
                value,
                ..
            } => {
                let lines = lines(row_major);
                write!(f, "tile_store {at} {lines} every {stride} = {value}")
            }
            _ => Ok(()),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.address() {
            return self.fmt_access(at, f);
        }
        match self {
            Op::Const(bits) => write!(f, "const {bits:#x}"),
            Op::Undef => f.write_str("undef"),
            Op::Builtin(builtin) => write!(f, "builtin {builtin:?}"),
            Op::BufferSize(n) => write!(f, "size buffer{n}"),
            Op::Unary(op, a) => write!(f, "{op:?} {a}"),
            Op::Binary(op, v) => write!(f, "{op:?} {}", List(v)),
            Op::Ternary(op, v) => write!(f, "{op:?} {}", List(v)),
            Op::Compare(pred, v) => write!(f, "compare {pred:?} {}", List(v)),
            Op::Select([c, a, b]) => write!(f, "select {c} ? {a} : {b}"),
            Op::Pack(v) => write!(f, "pack {}", List(v)),
            Op::PackFromF32(v) => write!(f, "pack_from_f32 {}", List(v)),
            Op::Join(v) => write!(f, "join {}", List(v)),
            Op::Word(a, k) => write!(f, "word {k} of {a}"),
            Op::LocalLoad(local, index) => write!(f, "local{}[{index}]", local.0),
            Op::LocalStore(local, index, value) => write!(f, "local{}[{index}] = {value}", local.0),
            Op::Barrier {
                shared,
                buffers,
                workgroup,
            } => {
                let scope = if *workgroup { "workgroup" } else { "subgroup" };
                write!(f, "barrier {scope}")?;
                if *shared {
                    f.write_str(" shared")?;
                }
                if *buffers {
                    f.write_str(" buffers")?;
                }
                Ok(())
            }
            Op::Subgroup(combine, scan, a) => write!(f, "subgroup {combine:?} {scan:?} {a}"),
            Op::Shuffle(kind, a, b) => write!(f, "shuffle {kind:?} {a}, {b}"),
            Op::BroadcastFirst(a) => write!(f, "broadcast_first {a}"),
            Op::Ballot(a) => write!(f, "ballot {a}"),
            Op::Any(a) => write!(f, "any {a}"),
            Op::All(a) => write!(f, "all {a}"),
            Op::TileSplat(a) => write!(f, "tile_splat {a}"),
            Op::TileMulAdd(v) => write!(f, "tile_mul_add {}", List(v)),
            Op::TileBinary(op, v) => write!(f, "tile {op:?} {}", List(v)),
            Op::TileScale(a, b) => write!(f, "tile_scale {a} by {b}"),
            Op::Load { .. }
            | Op::Store { .. }
            | Op::Atomic { .. }
            | Op::AtomicCompare { .. }
            | Op::TileLoad { .. }
            | Op::TileStore { .. } => Ok(()),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.arguments.as_slice() {
            [] => write!(f, "{}", self.block),
            arguments => write!(f, "{}({})", self.block, List(arguments)),
        }
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Terminator::Jump(target) => write!(f, "jump {target}"),
            Terminator::Branch {
                condition,
                then,
                otherwise,
                merge,
            } => {
                write!(f, "branch {condition} ? {then} : {otherwise} merge {merge}")
            }
            Terminator::Return => f.write_str("return"),
            Terminator::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.workgroup_size;
        writeln!(f, "kernel {} workgroup {x}x{y}x{z}", self.name)?;
        for (n, b) in self.bindings.iter().enumerate() {
            let access = if b.written { "written" } else { "read" };
            let size = if b.size_used { ", size used" } else { "" };
            writeln!(
                f,
                "buffer{n} {} ({}, {}) {access}{size}",
                b.name, b.group, b.binding
            )?;
        }
        if self.immediate_bytes > 0 {
            writeln!(f, "immediates {} bytes", self.immediate_bytes)?;
        }
        if self.shared_bytes > 0 {
            writeln!(f, "shared {} bytes", self.shared_bytes)?;
        }
        for (n, local) in self.locals.iter().enumerate() {
            match local.len {
                1 => writeln!(f, "local{n} {}: {}", local.name, local.ty)?,
                len => writeln!(f, "local{n} {}: {} x {len}", local.name, local.ty)?,
            }
        }
        for (n, block) in self.blocks.iter().enumerate() {
            write!(f, "b{n}")?;
            if !block.parameters.is_empty() {
                f.write_str("(")?;
                for (i, v) in block.parameters.iter().enumerate() {
                    write!(f, "{}{v}: {}", if i > 0 { ", " } else { "" }, self.ty(*v))?;
                }
                f.write_str(")")?;
            }
            match block.loop_ {
                Some(Loop { merge, latch }) => writeln!(f, ": loop merge {merge} latch {latch}")?,
                None => writeln!(f, ":")?,
            }
            for inst in &block.insts {
                match inst.result {
                    Some(v) => writeln!(f, "    {v}: {} = {}", self.ty(v), inst.op)?,
                    None => writeln!(f, "    {}", inst.op)?,
                }
            }
            writeln!(f, "    {}", block.terminator)?;
        }
        Ok(())
    }
}
