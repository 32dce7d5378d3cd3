//! Instruction selection: SSA form to machine form, with virtual registers, lane masks and EXEC.
//!
//! Problem: choose for each value whether the scalar or the vector unit computes it, cover the operations with as few
//! instructions as the machine allows, and turn structured control flow into branches and EXEC masks.
//!
//! Idea, in the order of the calls of [`select`]:
//! 1. [`address`]: byte offsets are taken apart into a uniform, a divergent and a constant part.
//! 2. [`bank`]: every value gets a register file.
//! 3. Blocks are selected last to first, each from its end to its start. A use comes before its definition that way, so
//!    what nobody asked for is never emitted, and an operation that its user absorbed (a shift in an add, a negation in a
//!    modifier) vanishes by not being asked for.
//! 4. [`prologue`]: descriptors, arguments and ids that were asked for are loaded at entry.
//! 5. [`flow`]: the blocks are laid out in the order of the structure; EXEC is narrowed and restored around them.
//!
//! Invariants: a Bool in a mask register is valid in the lanes that were active where it was defined; bits of other lanes
//! are arbitrary. A Bool in the scalar file is 0 or all ones. A 16-bit value stands in the low half of its register, the
//! other half is arbitrary. SCC lives from the instruction that sets it to the next one only.

mod address;
mod alias;
mod atomic;
mod bank;
mod build;
mod compare;
mod convert;
mod divide;
mod float;
mod flow;
mod fuse;
mod integer;
mod memory;
mod operand;
mod permute;
mod prologue;
mod subgroup;
#[cfg(test)]
mod tests;
mod tile;
mod tile_address;
mod uses;
mod wide;

use std::collections::{BTreeMap, HashMap};

use bank::Bank;

use crate::error::{Fault, Reason};
use crate::ir::{self, Binary, BlockId, Divergence, Graph, Op, Terminator, Type, Unary, Value};
use crate::machine::{self, Inst, Operand, Register};

/// Selects instructions for a function whose local variables have all become values.
///
/// # Errors
///
/// An operation that the machine form cannot hold: the message names it.
pub(crate) fn select(function: &ir::Function) -> Result<machine::Function, Fault> {
    let split = address::split(function);
    let mut selector = Selector::new(&split);
    let order = selector.graph.order.clone();
    for &block in order.iter().rev() {
        selector.select_block(block)?;
    }
    let entry = selector.prologue();
    Ok(flow::lay_out(selector, entry))
}

/// How a block's branch decides.
enum Condition {
    /// It does not.
    None,
    /// By SCC, which the instructions set; taken to `then` if SCC is as said.
    Scalar(Vec<Inst>, bool),
    /// By a lane mask, whose bits of lanes that are off are arbitrary; the instructions make it.
    Mask(Vec<Inst>, Operand),
    /// By a `v_cmpx` that keeps the lanes on where the condition holds; the instructions prepare it.
    Compare(Vec<Inst>, Box<Inst>),
}

/// What happens on an edge: instructions and then parallel copies into the target's parameters.
#[derive(Default)]
struct EdgeCode {
    insts: Vec<Inst>,
    copies: Vec<(Value, Operand, Operand)>,
}

/// A selected block.
#[derive(Default)]
struct Code {
    insts: Vec<Inst>,
    condition: Option<Condition>,
    edges: Vec<EdgeCode>,
}

/// State of the selection of a function.
struct Selector<'a> {
    function: &'a ir::Function,
    split: &'a address::Split,
    graph: Graph,
    divergence: Divergence,
    /// Block and index of the instruction that defines a value; `usize::MAX` for parameters.
    homes: Vec<Option<(BlockId, usize)>>,
    uses: Vec<u32>,
    banks: Vec<Bank>,
    /// Parameters that stand for another value.
    alias: Vec<Option<Value>>,
    /// Register and first dword of each value that was asked for.
    registers: Vec<Option<(Register, u8)>>,
    /// The vector register in which a divergent Bool parameter arrives as 0 or 1.
    bool_parameters: HashMap<Value, Register>,
    /// Float results to be clamped to [0, 1] by the instruction that makes them.
    clamped: Vec<bool>,
    out: machine::Function,
    /// Instructions of the operation under selection, in order.
    sequence: Vec<Inst>,
    code: Vec<Code>,
    block: BlockId,
    source: u32,
    /// Constants in scalar registers, set at entry.
    pool: BTreeMap<u32, Register>,
    inputs: prologue::Inputs,
    /// First thing that could not be selected.
    fault: Option<Fault>,
}

impl<'a> Selector<'a> {
    fn new(split: &'a address::Split) -> Self {
        let function = &split.function;
        let graph = Graph::new(function);
        let divergence = Divergence::of(function, &graph);
        let banks = bank::assign(function, &graph, &divergence);
        let mut homes = vec![None; function.values.len()];
        for (index, block) in function.blocks.iter().enumerate() {
            let id = BlockId(index as u32);
            for value in &block.parameters {
                homes[value.0 as usize] = Some((id, usize::MAX));
            }
            for (place, inst) in block.insts.iter().enumerate() {
                if let Some(value) = inst.result {
                    homes[value.0 as usize] = Some((id, place));
                }
            }
        }
        let count = function.values.len();
        let mut this = Self {
            function,
            split,
            homes,
            uses: Vec::new(),
            banks,
            alias: vec![None; count],
            registers: vec![None; count],
            bool_parameters: HashMap::new(),
            clamped: vec![false; count],
            out: machine::Function {
                name: function.name.clone(),
                shared_bytes: function.shared_bytes,
                workgroup_size: function.workgroup_size,
                ..machine::Function::default()
            },
            sequence: Vec::new(),
            code: function.blocks.iter().map(|_| Code::default()).collect(),
            block: BlockId(0),
            source: u32::MAX,
            pool: BTreeMap::new(),
            inputs: prologue::Inputs::new(function),
            fault: None,
            graph,
            divergence,
        };
        this.uses = this.count_uses();
        this.find_aliases();
        this.plan_inputs();
        this
    }

    /// The value whose register holds this one.
    fn root(&self, value: Value) -> Value {
        let value = self.resolve(value);
        match self.op(value) {
            Some(Op::Unary(Unary::Bitcast | Unary::Half(0) | Unary::Truncate, inner))
            | Some(Op::Word(inner, _) | Op::BroadcastFirst(inner))
                if self.bank(*inner) == self.bank(value) =>
            {
                self.root(*inner)
            }
            _ => value,
        }
    }

    fn resolve(&self, mut value: Value) -> Value {
        while let Some(other) = self.alias[value.0 as usize] {
            value = other;
        }
        value
    }

    fn bank(&self, value: Value) -> Bank {
        self.banks[self.resolve(value).0 as usize]
    }

    fn ty(&self, value: Value) -> Type {
        self.function.ty(value)
    }

    /// The operation that defines a value; none for parameters.
    fn op(&self, value: Value) -> Option<&'a Op> {
        let (block, index) = self.homes[self.resolve(value).0 as usize]?;
        let inst = self.function.blocks[block.index()].insts.get(index)?;
        Some(&inst.op)
    }

    /// The operation behind a value that its only user may absorb: nobody else needs it, and it is not computed less often
    /// than the user.
    fn absorbed(&self, value: Value) -> Option<&'a Op> {
        let value = self.resolve(value);
        let (home, _) = self.homes[value.0 as usize]?;
        let same = self.graph.loop_of[home.index()] == self.graph.loop_of[self.block.index()];
        if self.uses[value.0 as usize] != 1 || !same || self.registers[value.0 as usize].is_some() {
            return None;
        }
        self.op(value)
    }

    fn here(&self, value: Value) -> bool {
        self.homes[self.resolve(value).0 as usize].is_some_and(|(home, _)| home == self.block)
    }

    fn select_block(&mut self, block: BlockId) -> Result<(), Fault> {
        self.block = block;
        let data = &self.function.blocks[block.index()];
        let mut reversed = Vec::new();
        self.source = data.insts.last().map_or(u32::MAX, |inst| inst.source);
        self.terminator(block, &data.terminator);
        reversed.extend(self.sequence.drain(..).rev());
        for inst in data.insts.iter().rev() {
            self.source = inst.source;
            if let Some(result) = inst.result
                && inst.op.is_removable()
                && self.registers[result.0 as usize].is_none()
            {
                continue;
            }
            self.select_op(&inst.op, inst.result);
            reversed.extend(self.sequence.drain(..).rev());
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
        }
        for &parameter in &data.parameters {
            self.bool_parameter(parameter);
        }
        reversed.extend(self.sequence.drain(..).rev());
        reversed.reverse();
        self.code[block.index()].insts = reversed;
        Ok(())
    }

    /// A divergent Bool arrives as 0 or 1 in a vector register and becomes a mask.
    fn bool_parameter(&mut self, parameter: Value) {
        if self.bank(parameter) != Bank::Mask
            || self.alias[parameter.0 as usize].is_some()
            || self.registers[parameter.0 as usize].is_none()
        {
            return;
        }
        let mask = self.reg(parameter);
        let arrives = self.bool_register(parameter);
        self.emit(
            gfx1100_isa::Op::V_CMP_NE_U32,
            mask,
            &[0.into(), arrives.into()],
        );
    }

    fn bool_register(&mut self, parameter: Value) -> Operand {
        if let Some(register) = self.bool_parameters.get(&parameter) {
            return Operand::Virtual(*register, 0);
        }
        let register = self.vector_register(1);
        self.bool_parameters.insert(parameter, register);
        Operand::Virtual(register, 0)
    }

    fn terminator(&mut self, block: BlockId, terminator: &Terminator) {
        let edges: Vec<EdgeCode> = terminator
            .targets()
            .into_iter()
            .map(|target| self.edge(target))
            .collect();
        let condition = match terminator {
            Terminator::Branch { condition, .. } if self.divergence.uniform(*condition) => {
                let taken = self.scc(*condition);
                Condition::Scalar(std::mem::take(&mut self.sequence), taken)
            }
            Terminator::Branch { condition, .. } => self.lane_condition(*condition),
            _ => Condition::None,
        };
        let code = &mut self.code[block.index()];
        code.edges = edges;
        code.condition = Some(condition);
    }

    fn edge(&mut self, target: &ir::Target) -> EdgeCode {
        let parameters = &self.function.blocks[target.block.index()].parameters;
        let mut code = EdgeCode::default();
        for (&parameter, &argument) in parameters.iter().zip(&target.arguments) {
            if self.alias[parameter.0 as usize].is_some() || self.uses[parameter.0 as usize] == 0 {
                continue;
            }
            if self.bank(parameter) == Bank::Mask {
                let to = self.bool_register(parameter);
                let from = self.bool_argument(argument);
                code.copies.push((parameter, to, from));
                continue;
            }
            let dwords = dwords(self.ty(parameter));
            let to = self.reg(parameter);
            for k in 0..dwords {
                let from = self.dword(argument, k);
                code.copies.push((parameter, part(to, k), from));
            }
        }
        code.insts = std::mem::take(&mut self.sequence);
        code
    }

    fn bool_argument(&mut self, argument: Value) -> Operand {
        if let Some(bits) = self.constant(argument) {
            return build::constant32(bits as u32 & 1);
        }
        let mask = self.mask(argument);
        let bit = self.vector_temporary(1);
        self.emit(
            gfx1100_isa::Op::V_CNDMASK_B32,
            bit,
            &[0.into(), 1.into(), mask.into()],
        );
        bit
    }

    fn select_op(&mut self, op: &'a Op, result: Option<Value>) {
        match (op, result) {
            (Op::Const(_) | Op::Undef, Some(result)) => self.materialize(result),
            (Op::Builtin(builtin), Some(result)) => self.builtin(*builtin, result),
            (Op::BufferSize(binding), Some(result)) => self.buffer_size(*binding, result),
            (Op::Unary(unary, a), Some(result)) => self.unary(*unary, *a, result),
            (Op::Binary(binary, [a, b]), Some(result)) => self.binary(*binary, *a, *b, result),
            (Op::Ternary(ternary, values), Some(result)) => {
                self.ternary(*ternary, *values, result);
            }
            (Op::Compare(pred, [a, b]), Some(result)) => self.compare(*pred, *a, *b, result),
            (Op::Select(values), Some(result)) => self.select_value(*values, result),
            (Op::Pack([low, high]), Some(result)) => self.pack(*low, *high, result),
            (Op::PackFromF32([low, high]), Some(result)) => {
                self.pack_from_f32(*low, *high, result);
            }
            (Op::Join(values), Some(result)) => self.join(values, result),
            (Op::Word(a, k), Some(result)) => self.word(*a, *k, result),
            (Op::Subgroup(combine, scan, value), Some(result)) => {
                self.subgroup(*combine, *scan, *value, result);
            }
            (Op::Shuffle(shuffle, value, lane), Some(result)) => {
                self.shuffle(*shuffle, *value, *lane, result);
            }
            (Op::BroadcastFirst(value), Some(result)) => self.broadcast_first(*value, result),
            (Op::Ballot(value), Some(result)) => self.ballot(*value, result),
            (Op::Any(_) | Op::All(_), Some(result)) => self.vote(op, result),
            (Op::Load { .. } | Op::Store { .. } | Op::Atomic { .. }, _)
            | (Op::AtomicCompare { .. } | Op::Barrier { .. }, _) => self.memory(op, result),
            (
                Op::TileSplat(_)
                | Op::TileLoad { .. }
                | Op::TileStore { .. }
                | Op::TileMulAdd(_)
                | Op::TileBinary(..)
                | Op::TileScale(..),
                _,
            ) => self.tile(op, result),
            (Op::LocalLoad(..) | Op::LocalStore(..), _) => self
                .unsupported("a local variable that is indexed by a value which is not constant"),
            _ => self.broken("an operation without its result"),
        }
    }

    fn unsupported(&mut self, what: &str) {
        self.fail(Reason::Unsupported(what.to_owned()));
    }

    fn broken(&mut self, what: &str) {
        self.fail(Reason::Broken {
            pass: "select",
            what: what.to_owned(),
        });
    }

    fn fail(&mut self, reason: Reason) {
        self.fault.get_or_insert(Fault {
            reason,
            source: self.source,
        });
    }

    fn binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        match (binary, self.ty(result)) {
            (Binary::FAdd | Binary::FSub | Binary::FMul | Binary::FDiv | Binary::FRem, _)
            | (Binary::FMin | Binary::FMax, _) => self.float_binary(binary, a, b, result),
            (_, Type::Bool) => self.bool_binary(binary, a, b, result),
            (_, Type::I64) => self.wide_binary(binary, a, b, result),
            (_, Type::I16) => self.short_binary(binary, a, b, result),
            _ => self.int_binary(binary, a, b, result),
        }
    }
}

/// Dwords that a value of this type takes.
const fn dwords(ty: Type) -> u8 {
    match ty {
        Type::I64 => 2,
        Type::Words(n) => n,
        Type::Tile(..) => 8,
        _ => 1,
    }
}

/// Dword `k` of an operand.
fn part(operand: Operand, k: u8) -> Operand {
    match operand {
        Operand::Virtual(register, first) => Operand::Virtual(register, first + k),
        other => other,
    }
}
