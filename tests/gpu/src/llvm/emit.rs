//! Our SSA form as text of LLVM IR.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::{Result, bail};
use shader_compiler::ir::{
    Block, BlockId, Builtin, Combine, Elem, Function, Graph, Inst, Op, Pred, Role, Terminator,
    Type, Value,
};

/// An argument of the LLVM kernel, in the order of its argument segment (natural alignment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// u64 address of the binding.
    Buffer(u32),
    /// u32 size of the binding.
    Size(u32),
    /// u32: a dword of the immediates, by byte offset.
    Immediate(u32),
    /// u32: number of workgroups in a dimension.
    Workgroups(u8),
}

/// A module with one kernel.
#[derive(Clone, Debug)]
pub struct Module {
    /// LLVM IR.
    pub text: String,
    /// The kernel's arguments.
    pub arguments: Vec<Argument>,
}

impl Module {
    /// Writes a function as a module.
    ///
    /// # Errors
    /// If an operation has no form here.
    pub fn of(function: &Function) -> Result<Self> {
        let graph = Graph::new(function);
        let mut emitter = Emitter {
            function,
            graph: &graph,
            names: HashMap::new(),
            out: String::new(),
            temporaries: 0,
        };
        let mut bodies = Vec::new();
        for block in function.blocks.iter().flat_map(|block| &block.insts) {
            if let (Op::Const(bits), Some(result)) = (&block.op, block.result) {
                let text = constant(*bits, function.ty(result));
                emitter.names.insert(result, text);
            }
        }
        for &block in &graph.order {
            emitter.block(block)?;
            bodies.push((block, std::mem::take(&mut emitter.out)));
        }
        // A phi may name what a later block computes, so phis are written when all names are known.
        let mut text = String::new();
        for (block, body) in bodies {
            let _ = writeln!(text, "b{}:", block.0);
            text.push_str(&emitter.phis(block)?);
            text.push_str(&body);
        }
        let arguments = arguments(function);
        Ok(Self {
            text: assemble(function, &arguments, &text),
            arguments,
        })
    }
}

fn arguments(function: &Function) -> Vec<Argument> {
    let count = |n: usize| u32::try_from(n).expect("few bindings");
    let buffers = (0..count(function.bindings.len())).map(Argument::Buffer);
    let sizes = (0..count(function.bindings.len())).map(Argument::Size);
    let immediates = (0..function.immediate_bytes.div_ceil(4)).map(|k| Argument::Immediate(4 * k));
    let groups = (0..3).map(Argument::Workgroups);
    buffers
        .chain(sizes)
        .chain(immediates)
        .chain(groups)
        .collect()
}

fn argument_text(function: &Function, argument: &Argument) -> String {
    match argument {
        Argument::Buffer(index) if function.bindings[*index as usize].written => {
            format!("ptr addrspace(1) noalias align 256 %buffer{index}")
        }
        Argument::Buffer(index) => {
            format!("ptr addrspace(1) noalias readonly align 256 %buffer{index}")
        }
        Argument::Size(index) => format!("i32 %size{index}"),
        Argument::Immediate(offset) => format!("i32 %immediate{offset}"),
        Argument::Workgroups(k) => format!("i32 %groups{k}"),
    }
}

fn assemble(function: &Function, arguments: &[Argument], body: &str) -> String {
    let parameters: Vec<String> = arguments
        .iter()
        .map(|a| argument_text(function, a))
        .collect();
    let [x, y, z] = function.workgroup_size;
    let threads = x * y * z;
    let shared = match function.shared_bytes {
        0 => String::new(),
        bytes => format!("@shared = internal addrspace(3) global [{bytes} x i8] undef, align 16\n"),
    };
    format!(
        "{shared}define amdgpu_kernel void @kernel({}) #0 !reqd_work_group_size !0 {{\n{body}}}\n\
         attributes #0 = {{ nounwind convergent \"amdgpu-flat-work-group-size\"=\"{threads},{threads}\" \
         \"uniform-work-group-size\"=\"true\" \"amdgpu-no-implicitarg-ptr\" }}\n\
         !0 = !{{i32 {x}, i32 {y}, i32 {z}}}\n!1 = !{{float 2.5}}\n",
        parameters.join(", ")
    )
}

/// The LLVM type of values of a type.
pub(super) fn ty(ty: Type) -> String {
    match ty {
        Type::Bool => "i1".into(),
        Type::I32 => "i32".into(),
        Type::I64 => "i64".into(),
        Type::I16 => "i16".into(),
        Type::F32 => "float".into(),
        Type::F16 => "half".into(),
        Type::F16x2 => "<2 x half>".into(),
        Type::Words(n) => format!("<{n} x i32>"),
        Type::Tile(Role::C, Elem::F32) => "<8 x float>".into(),
        Type::Tile(..) => "<16 x half>".into(),
    }
}

fn constant(bits: u64, of: Type) -> String {
    match of {
        Type::Bool => (bits & 1).to_string(),
        Type::I32 => (bits as u32 as i32).to_string(),
        Type::I64 => (bits as i64).to_string(),
        Type::I16 => (bits as u16 as i16).to_string(),
        Type::F16 => format!("bitcast (i16 {} to half)", bits as u16 as i16),
        _ => format!("bitcast (i32 {} to {})", bits as u32 as i32, ty(of)),
    }
}

/// Writes the body.
pub(super) struct Emitter<'a> {
    pub(super) function: &'a Function,
    graph: &'a Graph,
    pub(super) names: HashMap<Value, String>,
    pub(super) out: String,
    temporaries: u32,
}

impl Emitter<'_> {
    /// Writes `%tN = text` and gives the name.
    pub(super) fn temporary(&mut self, text: &str) -> String {
        self.temporaries += 1;
        let name = format!("%t{}", self.temporaries);
        let _ = writeln!(self.out, "  {name} = {text}");
        name
    }

    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "  {text}");
    }

    /// The operand text of a value, without its type.
    pub(super) fn name(&self, value: Value) -> String {
        match self.names.get(&value) {
            Some(text) => text.clone(),
            None => format!("%v{}", value.0),
        }
    }

    /// Type and operand text.
    pub(super) fn typed(&self, value: Value) -> String {
        format!("{} {}", ty(self.function.ty(value)), self.name(value))
    }

    fn block(&mut self, block: BlockId) -> Result<()> {
        let function = self.function;
        let data = &function.blocks[block.index()];
        for inst in &data.insts {
            self.inst(inst)?;
        }
        self.terminator(data);
        Ok(())
    }

    /// A phi for each parameter of a block.
    fn phis(&self, block: BlockId) -> Result<String> {
        let mut text = String::new();
        let parameters = &self.function.blocks[block.index()].parameters;
        for (place, parameter) in parameters.iter().enumerate() {
            let mut ways: Vec<(BlockId, String)> = Vec::new();
            for &from in &self.graph.predecessors[block.index()] {
                let targets = self.function.blocks[from.index()].terminator.targets();
                for target in targets.iter().filter(|target| target.block == block) {
                    let way = (from, self.name(target.arguments[place]));
                    let other = ways.iter().find(|(known, _)| *known == from);
                    match other {
                        None if self.graph.reachable(from) => ways.push(way),
                        Some(other) if *other != way => {
                            bail!("b{} has two ways to b{} that differ", from.0, block.0)
                        }
                        _ => {}
                    }
                }
            }
            let ways = ways
                .iter()
                .map(|(from, name)| format!("[ {name}, %b{} ]", from.0));
            let ways = ways.collect::<Vec<_>>().join(", ");
            let ty = ty(self.function.ty(*parameter));
            let _ = writeln!(text, "  %v{} = phi {ty} {ways}", parameter.0);
        }
        Ok(text)
    }

    fn terminator(&mut self, block: &Block) {
        let text = match &block.terminator {
            Terminator::Jump(target) => format!("br label %b{}", target.block.0),
            Terminator::Branch {
                condition,
                then,
                otherwise,
                ..
            } => format!(
                "br i1 {}, label %b{}, label %b{}",
                self.name(*condition),
                then.block.0,
                otherwise.block.0
            ),
            Terminator::Return => "ret void".into(),
            Terminator::Unreachable => "unreachable".into(),
        };
        self.line(&text);
    }

    fn inst(&mut self, inst: &Inst) -> Result<()> {
        let result_type = inst.result.map(|result| self.function.ty(result));
        let value = self.operation(&inst.op, result_type)?;
        if let Some(result) = inst.result {
            self.names.insert(result, value);
        }
        Ok(())
    }

    /// Writes an operation; the operand text of its result.
    fn operation(&mut self, op: &Op, result: Option<Type>) -> Result<String> {
        let text = match op {
            Op::Const(bits) => return Ok(constant(*bits, result.unwrap_or(Type::I32))),
            Op::Undef => return Ok("poison".into()),
            Op::Builtin(builtin) => return Ok(self.builtin(*builtin)),
            Op::BufferSize(index) => return Ok(format!("%size{index}")),
            Op::Unary(op, a) => return self.unary(*op, *a, result.unwrap_or(Type::I32)),
            Op::Binary(op, [a, b]) => return self.binary(*op, *a, *b),
            Op::Ternary(op, values) => return self.ternary(*op, *values),
            Op::Compare(pred, [a, b]) => {
                format!("{} {}, {}", predicate(*pred), self.typed(*a), self.name(*b))
            }
            Op::Select([c, a, b]) => {
                format!(
                    "select i1 {}, {}, {}",
                    self.name(*c),
                    self.typed(*a),
                    self.typed(*b)
                )
            }
            Op::Pack([a, b]) => {
                let low = format!("insertelement <2 x half> poison, {}, i32 0", self.typed(*a));
                let low = self.temporary(&low);
                format!("insertelement <2 x half> {low}, {}, i32 1", self.typed(*b))
            }
            Op::PackFromF32([a, b]) => {
                let halves = [a, b].map(|v| format!("fptrunc {} to half", self.typed(*v)));
                let [low, high] = halves.map(|text| self.temporary(&text));
                let low = self.temporary(&format!(
                    "insertelement <2 x half> poison, half {low}, i32 0"
                ));
                format!("insertelement <2 x half> {low}, half {high}, i32 1")
            }
            Op::Join(parts) => return Ok(self.join(parts)),
            Op::Word(a, k) => return Ok(self.word(*a, *k, result.unwrap_or(Type::I32))),
            Op::Load {
                space,
                offset,
                constant,
                access,
                ..
            } => {
                return self.load(
                    *space,
                    *offset,
                    *constant,
                    *access,
                    result.unwrap_or(Type::I32),
                );
            }
            Op::Store {
                space,
                offset,
                constant,
                value,
                ..
            } => {
                let pointer = self.pointer(*space, *offset, *constant)?;
                let align = if self.function.ty(*value) == Type::F16 {
                    2
                } else {
                    4
                };
                self.line(&format!(
                    "store {}, {pointer}, align {align}",
                    self.typed(*value)
                ));
                return Ok(String::new());
            }
            Op::Atomic {
                space,
                offset,
                constant,
                combine,
                value,
            } => {
                let pointer = self.pointer(*space, *offset, *constant)?;
                format!(
                    "atomicrmw {} {pointer}, {} syncscope(\"agent\") monotonic",
                    atomic(*combine)?,
                    self.typed(*value)
                )
            }
            Op::AtomicCompare {
                space,
                offset,
                constant,
                new,
                expected,
            } => {
                let pointer = self.pointer(*space, *offset, *constant)?;
                let pair = format!(
                    "cmpxchg {pointer}, {}, {} syncscope(\"agent\") monotonic monotonic",
                    self.typed(*expected),
                    self.typed(*new)
                );
                let pair = self.temporary(&pair);
                format!("extractvalue {{ i32, i1 }} {pair}, 0")
            }
            Op::Barrier { workgroup, .. } => {
                let scope = if *workgroup { "workgroup" } else { "wavefront" };
                self.line(&format!("fence syncscope(\"{scope}\") release"));
                if *workgroup {
                    self.line("call void @llvm.amdgcn.s.barrier()");
                }
                self.line(&format!("fence syncscope(\"{scope}\") acquire"));
                return Ok(String::new());
            }
            Op::Subgroup(..)
            | Op::Shuffle(..)
            | Op::BroadcastFirst(_)
            | Op::Ballot(_)
            | Op::Any(_)
            | Op::All(_) => {
                return self.cross_lane(op, result.unwrap_or(Type::I32));
            }
            Op::TileSplat(_)
            | Op::TileLoad { .. }
            | Op::TileStore { .. }
            | Op::TileMulAdd(_)
            | Op::TileBinary(..)
            | Op::TileScale(..) => {
                return self.tile(op, result);
            }
            Op::LocalLoad(..) | Op::LocalStore(..) => {
                bail!("variables must be values before LLVM sees them")
            }
        };
        Ok(self.temporary(&text))
    }

    fn builtin(&mut self, builtin: Builtin) -> String {
        let axis = |k: u8| ["x", "y", "z"][usize::from(k)];
        match builtin {
            Builtin::LocalInvocationId(k) => {
                self.temporary(&format!("call i32 @llvm.amdgcn.workitem.id.{}()", axis(k)))
            }
            Builtin::WorkgroupId(k) => {
                self.temporary(&format!("call i32 @llvm.amdgcn.workgroup.id.{}()", axis(k)))
            }
            Builtin::NumWorkgroups(k) => format!("%groups{k}"),
            Builtin::SubgroupInvocationId => self.lane(),
            Builtin::SubgroupId => {
                let [x, y, _] = self.function.workgroup_size;
                let ids = ["x", "y", "z"]
                    .map(|axis| format!("call i32 @llvm.amdgcn.workitem.id.{axis}()"));
                let [a, b, c] = ids.map(|text| self.temporary(&text));
                let b = self.temporary(&format!("mul nuw i32 {b}, {x}"));
                let c = self.temporary(&format!("mul nuw i32 {c}, {}", x * y));
                let sum = self.temporary(&format!("add nuw i32 {a}, {b}"));
                let sum = self.temporary(&format!("add nuw i32 {sum}, {c}"));
                let wave = self.temporary(&format!("lshr i32 {sum}, 5"));
                self.temporary(&format!(
                    "call i32 @llvm.amdgcn.readfirstlane.i32(i32 {wave})"
                ))
            }
        }
    }

    /// The lane's number in the wave.
    pub(super) fn lane(&mut self) -> String {
        self.temporary("call i32 @llvm.amdgcn.mbcnt.lo(i32 -1, i32 0)")
    }
}

/// How intrinsics name a type.
pub(super) const fn suffix(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "i1",
        Type::I64 => "i64",
        Type::I16 => "i16",
        Type::F32 => "f32",
        Type::F16 => "f16",
        Type::F16x2 => "v2f16",
        _ => "i32",
    }
}

const fn predicate(pred: Pred) -> &'static str {
    match pred {
        Pred::Eq => "icmp eq",
        Pred::Ne => "icmp ne",
        Pred::ULt => "icmp ult",
        Pred::ULe => "icmp ule",
        Pred::SLt => "icmp slt",
        Pred::SLe => "icmp sle",
        Pred::FEq => "fcmp oeq",
        Pred::FNe => "fcmp une",
        Pred::FLt => "fcmp olt",
        Pred::FLe => "fcmp ole",
        Pred::FUnordered => "fcmp uno",
    }
}

fn atomic(combine: Combine) -> Result<&'static str> {
    Ok(match combine {
        Combine::IAdd => "add",
        Combine::UMin => "umin",
        Combine::UMax => "umax",
        Combine::SMin => "min",
        Combine::SMax => "max",
        Combine::And => "and",
        Combine::Or => "or",
        Combine::Xor => "xor",
        Combine::FAdd => "fadd",
        Combine::Exchange => "xchg",
        other => bail!("atomic {other:?} has no LLVM form here"),
    })
}
