//! Appends instructions to the function under construction, folding what is constant.

use std::collections::HashMap;

use crate::ir::*;

/// A function under construction and the block that grows.
pub(super) struct Builder {
    pub(super) function: Function,
    /// Where instructions go; `None` after a terminator.
    current: Option<BlockId>,
    /// Blocks in the order in which they were begun.
    order: Vec<BlockId>,
    constants: HashMap<(Type, u64), Value>,
    /// Bits of the values that are constants.
    known: HashMap<Value, u64>,
    /// Halves that a pair was made from.
    halves: HashMap<Value, [Value; 2]>,
    /// Pair and position that a half was taken from.
    taken: HashMap<Value, (Value, u8)>,
    /// The F16 that an F32 was widened from.
    widened: HashMap<Value, Value>,
    /// Byte offset in the source of what is being lowered.
    pub(super) source: u32,
}

impl Builder {
    pub(super) fn new(name: &str, workgroup_size: [u32; 3]) -> Self {
        let function = Function {
            name: name.to_string(),
            workgroup_size,
            bindings: Vec::new(),
            immediate_bytes: 0,
            shared_bytes: 0,
            values: Vec::new(),
            locals: Vec::new(),
            blocks: Vec::new(),
        };
        let mut builder = Self {
            function,
            current: None,
            order: Vec::new(),
            constants: HashMap::new(),
            known: HashMap::new(),
            halves: HashMap::new(),
            taken: HashMap::new(),
            widened: HashMap::new(),
            source: u32::MAX,
        };
        // Block 0 holds the constants, so that each dominates all its uses; the code begins in block 1.
        let entry = builder.new_block();
        builder.begin(entry);
        let body = builder.new_block();
        builder.terminate(Terminator::Jump(Target {
            block: body,
            arguments: Vec::new(),
        }));
        builder.begin(body);
        builder
    }

    /// The finished function, its blocks in order and those of the entry joined.
    pub(super) fn finish(mut self) -> Function {
        if self.current.is_some() {
            self.terminate(Terminator::Return);
        }
        let body = self.function.blocks[1].clone();
        self.function.blocks[0].insts.extend(body.insts);
        self.function.blocks[0].terminator = body.terminator;
        self.order.remove(1);
        reorder_blocks(&mut self.function, &self.order);
        self.function
    }

    pub(super) fn new_block(&mut self) -> BlockId {
        let block = Block {
            parameters: Vec::new(),
            insts: Vec::new(),
            terminator: Terminator::Unreachable,
            loop_: None,
        };
        self.function.blocks.push(block);
        BlockId(self.function.blocks.len() as u32 - 1)
    }

    /// Makes `block` the one that grows.
    pub(super) fn begin(&mut self, block: BlockId) {
        self.order.push(block);
        self.current = Some(block);
    }

    /// The block that grows is not ended yet.
    pub(super) fn is_open(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn terminate(&mut self, terminator: Terminator) {
        if let Some(block) = self.current.take() {
            self.function.blocks[block.index()].terminator = terminator;
        }
    }

    pub(super) fn jump(&mut self, block: BlockId) {
        self.terminate(Terminator::Jump(Target {
            block,
            arguments: Vec::new(),
        }));
    }

    fn append(&mut self, op: Op, result: Option<Value>) {
        let source = self.source;
        if let Some(block) = self.current {
            self.function.blocks[block.index()]
                .insts
                .push(Inst { op, result, source });
        }
    }

    /// An instruction with a result.
    pub(super) fn value(&mut self, ty: Type, op: Op) -> Value {
        let value = self.function.new_value(ty);
        self.append(op, Some(value));
        value
    }

    /// An instruction without.
    pub(super) fn effect(&mut self, op: Op) {
        self.append(op, None);
    }

    pub(super) fn ty(&self, value: Value) -> Type {
        self.function.ty(value)
    }

    /// The constant with these bits.
    pub(super) fn constant(&mut self, ty: Type, bits: u64) -> Value {
        if let Some(value) = self.constants.get(&(ty, bits)) {
            return *value;
        }
        let value = self.function.new_value(ty);
        let source = u32::MAX;
        self.function.blocks[0].insts.push(Inst {
            op: Op::Const(bits),
            result: Some(value),
            source,
        });
        self.constants.insert((ty, bits), value);
        self.known.insert(value, bits);
        value
    }

    pub(super) fn i32(&mut self, number: u32) -> Value {
        self.constant(Type::I32, u64::from(number))
    }

    pub(super) fn f32(&mut self, number: f32) -> Value {
        self.constant(Type::F32, u64::from(number.to_bits()))
    }

    pub(super) fn bool(&mut self, value: bool) -> Value {
        self.constant(Type::Bool, u64::from(value))
    }

    /// A float of type `ty` (F16 or F32).
    pub(super) fn float(&mut self, ty: Type, number: f32) -> Value {
        match ty {
            Type::F16 => self.constant(ty, u64::from(half::f16::from_f32(number).to_bits())),
            _ => self.f32(number),
        }
    }

    /// The bits of a value that is constant.
    pub(super) fn known(&self, value: Value) -> Option<u64> {
        self.known.get(&value).copied()
    }

    pub(super) fn unary(&mut self, op: Unary, a: Value, ty: Type) -> Value {
        if let Some(bits) = self
            .known(a)
            .and_then(|a_bits| scalar::fold_unary(op, self.ty(a), ty, a_bits))
        {
            return self.constant(ty, bits);
        }
        match op {
            Unary::Bitcast if self.ty(a) == ty => return a,
            Unary::Half(k) => {
                if let Some(halves) = self.halves.get(&a) {
                    return halves[usize::from(k)];
                }
                let half = self.value(ty, Op::Unary(op, a));
                self.taken.insert(half, (a, k));
                return half;
            }
            // Widening is exact, so narrowing again gives what there was.
            Unary::F16FromF32 => {
                if let Some(from) = self.widened.get(&a) {
                    return *from;
                }
            }
            Unary::F32FromF16 => {
                let wide = self.value(ty, Op::Unary(op, a));
                self.widened.insert(wide, a);
                return wide;
            }
            _ => {}
        }
        self.value(ty, Op::Unary(op, a))
    }

    /// The same type for operands and result.
    pub(super) fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        let commutes = matches!(
            op,
            Binary::IAdd
                | Binary::IMul
                | Binary::And
                | Binary::Or
                | Binary::Xor
                | Binary::FAdd
                | Binary::FMul
        );
        let (a, b) = if commutes && self.known(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        if let (Some(x), Some(y)) = (self.known(a), self.known(b))
            && let Some(bits) = scalar::fold_binary(op, ty, x, y)
        {
            return self.constant(ty, bits);
        }
        let known = self.known(b);
        match (op, known) {
            (Binary::IAdd | Binary::ISub | Binary::Or | Binary::Xor, Some(0)) => return a,
            (Binary::Shl | Binary::ShrU | Binary::ShrS, Some(0)) | (Binary::IMul, Some(1)) => {
                return a;
            }
            _ => {}
        }
        self.value(ty, Op::Binary(op, [a, b]))
    }

    pub(super) fn ternary(&mut self, op: Ternary, a: Value, b: Value, c: Value) -> Value {
        let ty = self.ty(c);
        self.value(ty, Op::Ternary(op, [a, b, c]))
    }

    pub(super) fn compare(&mut self, pred: Pred, a: Value, b: Value) -> Value {
        if let (Some(x), Some(y)) = (self.known(a), self.known(b)) {
            let bits = scalar::compare(pred, self.ty(a), x, y);
            return self.bool(bits);
        }
        self.value(Type::Bool, Op::Compare(pred, [a, b]))
    }

    pub(super) fn select(&mut self, condition: Value, yes: Value, no: Value) -> Value {
        match self.known(condition) {
            Some(0) => no,
            Some(_) => yes,
            None if yes == no => yes,
            None => self.value(self.ty(yes), Op::Select([condition, yes, no])),
        }
    }

    pub(super) fn not(&mut self, a: Value) -> Value {
        let ty = self.ty(a);
        self.unary(Unary::Not, a, ty)
    }

    /// Two F16 as one F16x2.
    pub(super) fn pack(&mut self, low: Value, high: Value) -> Value {
        if let (Some(a), Some(b)) = (self.known(low), self.known(high)) {
            return self.constant(Type::F16x2, a & 0xffff | b << 16);
        }
        if let (Some(&(a, 0)), Some(&(b, 1))) = (self.taken.get(&low), self.taken.get(&high))
            && a == b
        {
            return a;
        }
        let pair = self.value(Type::F16x2, Op::Pack([low, high]));
        self.halves.insert(pair, [low, high]);
        pair
    }

    /// Element `k` of an F16x2.
    pub(super) fn half(&mut self, pair: Value, k: u8) -> Value {
        self.unary(Unary::Half(k), pair, Type::F16)
    }
}

/// Keeps only the blocks in `order`, in that order, and renumbers all mentions of blocks.
fn reorder_blocks(function: &mut Function, order: &[BlockId]) {
    let mut new_id = vec![BlockId(0); function.blocks.len()];
    for (index, old) in order.iter().enumerate() {
        new_id[old.index()] = BlockId(index as u32);
    }
    let mut rename = |id: &mut BlockId| *id = new_id[id.index()];
    let mut blocks = Vec::with_capacity(order.len());
    for id in order {
        let mut block = function.blocks[id.index()].clone();
        if let Some(l) = &mut block.loop_ {
            rename(&mut l.merge);
            rename(&mut l.latch);
        }
        block.terminator.visit_blocks(&mut rename);
        blocks.push(block);
    }
    function.blocks = blocks;
}
