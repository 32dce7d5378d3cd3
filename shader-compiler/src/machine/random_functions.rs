//! Random functions in machine form, for tests of the passes on virtual registers.

use super::builder::{Builder, EXEC, int, part};
use super::testing::Random;
use super::{BlockId, File, Function, Memory, Operand};
use gfx1100_isa as isa;
use isa::Op;

/// What a place in the program may read.
#[derive(Clone, Default)]
struct Scope {
    vector: Vec<Operand>,
    scalar: Vec<Operand>,
    tuples: Vec<Operand>,
}

/// Makes random functions: straight code, branches of lanes and of the wave, loops of both kinds, tuples, products.
struct Maker<'a> {
    b: Builder,
    rng: &'a mut Random,
    budget: usize,
    descriptor: Operand,
    /// Lanes may be off here.
    divergent: bool,
}

/// A random function of about `budget` instructions.
pub(super) fn random_function(rng: &mut Random, budget: usize) -> Function {
    let mut b = Builder::new();
    let arguments = b.arrive(File::Scalar, 2, isa::Operand::S(0));
    let group = b.arrive(File::Scalar, 1, isa::Operand::S(15));
    let local = b.arrive(File::Vector, 1, isa::Operand::V(0));
    let descriptor = b.register(File::Scalar, 4);
    b.push(
        Op::S_LOAD_B128,
        &[descriptor],
        &[arguments, Operand::Fixed(isa::Operand::NULL)],
    )
    .memory = Some(Memory::ReadOnly);
    let mut maker = Maker {
        b,
        rng,
        budget,
        descriptor,
        divergent: false,
    };
    let mut scope = Scope {
        vector: vec![local],
        scalar: vec![group],
        tuples: Vec::new(),
    };
    while maker.budget > 0 {
        maker.statement(&mut scope, 0);
    }
    for value in scope.vector.clone() {
        maker.store(&scope, value);
    }
    maker.b.push(Op::S_ENDPGM, &[], &[]);
    maker.b.function
}

impl Maker<'_> {
    fn pick(&mut self, from: &[Operand]) -> Operand {
        // Mostly what is new, sometimes what is old.
        let near = from.len().min(6);
        match self.rng.below(3) {
            0 => from[self.rng.below(from.len() as u32) as usize],
            _ => from[from.len() - 1 - self.rng.below(near as u32) as usize],
        }
    }

    fn vector(&mut self) -> Operand {
        self.b.register(File::Vector, 1)
    }

    fn scalar(&mut self) -> Operand {
        self.b.register(File::Scalar, 1)
    }

    fn statement(&mut self, scope: &mut Scope, depth: u32) {
        self.budget = self.budget.saturating_sub(1);
        let deep = depth < 4 && self.budget > 4;
        match self.rng.below(if deep { 26 } else { 20 }) {
            0..=3 => {
                let d = self.vector();
                let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
                self.b.push(Op::V_ADD_F32, &[d], &[x, y]);
                scope.vector.push(d);
            }
            4..=6 => {
                let d = self.vector();
                let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
                let z = self.pick(&scope.vector);
                let x = if self.rng.below(4) == 0 {
                    self.pick(&scope.scalar)
                } else {
                    x
                };
                self.b.push(Op::V_FMA_F32, &[d], &[x, y, z]);
                scope.vector.push(d);
            }
            7 => {
                let d = self.scalar();
                let (x, y) = (self.pick(&scope.scalar), self.pick(&scope.scalar));
                self.b.push(Op::S_ADD_I32, &[d], &[x, y]);
                scope.scalar.push(d);
            }
            8 => {
                let (mask, d) = (self.mask(scope), self.vector());
                let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
                self.b.push(Op::V_CNDMASK_B32, &[d], &[x, y, mask]);
                scope.vector.push(d);
            }
            9 | 10 => self.load(scope),
            11 => {
                let value = self.pick(&scope.vector);
                self.store(scope, value);
            }
            12 => self.build_tuple(scope),
            13 => self.take_apart(scope),
            14 => self.wide_product(scope),
            15 if !self.divergent => self.tile(scope),
            16 => self.whole_wave(scope),
            17 => self.atomic(scope),
            18 => self.choose(scope),
            19 => self.carry(scope),
            20 | 21 => self.lanes_branch(scope, depth),
            22 | 23 => self.wave_branch(scope, depth),
            24 if !self.divergent || self.rng.below(2) == 0 => self.wave_loop(scope, depth),
            _ if deep => self.lanes_loop(scope, depth),
            _ => self.half(scope),
        }
    }

    fn body(&mut self, scope: &Scope, depth: u32) -> Scope {
        let mut inner = scope.clone();
        for _ in 0..1 + self.rng.below(6) {
            self.statement(&mut inner, depth + 1);
        }
        inner
    }

    fn mask(&mut self, scope: &Scope) -> Operand {
        let mask = self.scalar();
        self.b.data(mask).mask = true;
        let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
        self.b.push(Op::V_CMP_LT_F32, &[mask], &[x, y]);
        mask
    }

    fn load(&mut self, scope: &mut Scope) {
        let t = self.b.register(File::Vector, 4);
        let address = self.pick(&scope.vector);
        let descriptor = self.descriptor;
        let buffer = self.rng.below(3);
        self.b
            .push(
                Op::BUFFER_LOAD_B128,
                &[t],
                &[address, Operand::None, descriptor, int(0)],
            )
            .memory = Some(Memory::Buffer(buffer));
        scope.tuples.push(t);
    }

    fn store(&mut self, scope: &Scope, value: Operand) {
        let address = self.pick(&scope.vector);
        let descriptor = self.descriptor;
        self.b
            .push(
                Op::BUFFER_STORE_B32,
                &[],
                &[address, value, descriptor, int(0)],
            )
            .memory = Some(Memory::Buffer(1));
    }

    fn build_tuple(&mut self, scope: &mut Scope) {
        let t = self.b.register(File::Vector, 4);
        let by_copies = self.rng.below(2) == 0;
        let mut pairs = Vec::new();
        for dword in 0..4 {
            let value = self.pick(&scope.vector);
            if by_copies {
                pairs.push((part(t, dword), value));
            } else {
                let other = self.pick(&scope.vector);
                self.b
                    .push(Op::V_ADD_F32, &[part(t, dword)], &[value, other]);
            }
        }
        if by_copies {
            self.b.copies(pairs);
        }
        let (address, descriptor) = (self.pick(&scope.vector), self.descriptor);
        self.b
            .push(
                Op::BUFFER_STORE_B128,
                &[],
                &[address, t, descriptor, int(0)],
            )
            .memory = Some(Memory::Buffer(1));
        scope.tuples.push(t);
    }

    fn take_apart(&mut self, scope: &mut Scope) {
        if scope.tuples.is_empty() {
            return self.load(scope);
        }
        let t = self.pick(&scope.tuples);
        let d = self.vector();
        let dword = self.rng.below(4) as u8;
        match self.rng.below(2) {
            0 => self.b.copies(vec![(d, part(t, dword))]),
            _ => {
                self.b
                    .push(Op::V_MUL_F32, &[d], &[part(t, dword), part(t, 3 - dword)]);
            }
        }
        scope.vector.push(d);
    }

    fn wide_product(&mut self, scope: &mut Scope) {
        if scope.tuples.is_empty() {
            return self.load(scope);
        }
        let t = self.pick(&scope.tuples);
        let d = self.b.register(File::Vector, 2);
        let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
        let null = Operand::Fixed(isa::Operand::NULL);
        self.b
            .push(Op::V_MAD_U64_U32, &[d, null], &[x, y, part(t, 1)]);
        scope.vector.push(part(d, 0));
        scope.vector.push(part(d, 1));
    }

    fn tile(&mut self, scope: &mut Scope) {
        let (a, c) = (
            self.b.register(File::Vector, 8),
            self.b.register(File::Vector, 8),
        );
        for dword in 0..8 {
            let value = self.pick(&scope.vector);
            self.b.push(Op::V_MOV_B32, &[part(a, dword)], &[value]);
        }
        let mut sum = int(0);
        for _ in 0..1 + self.rng.below(3) {
            let next = self.b.register(File::Vector, 8);
            self.b
                .push(Op::V_WMMA_F32_16X16X16_F16, &[next], &[a, a, sum]);
            if self.rng.below(4) == 0 && sum != int(0) {
                // The old sum lives on, so the new one cannot take its place.
                scope.vector.push(part(sum, 3));
            }
            sum = next;
        }
        self.b.push(Op::V_WMMA_F32_16X16X16_F16, &[c], &[a, a, sum]);
        scope.vector.push(part(c, 5));
    }

    /// A register that is written with all lanes on.
    fn whole_wave(&mut self, scope: &mut Scope) {
        let (saved, w, d) = (self.scalar(), self.vector(), self.vector());
        self.b.data(w).whole_wave = true;
        let (x, y) = (self.pick(&scope.scalar), self.pick(&scope.vector));
        self.b.push(Op::S_OR_SAVEEXEC_B32, &[saved], &[int(-1)]);
        self.b.push(Op::V_MOV_B32, &[w], &[x]);
        self.b.push(Op::S_MOV_B32, &[EXEC], &[saved]);
        self.b.push(Op::V_ADD_F32, &[d], &[w, y]);
        scope.vector.push(d);
    }

    fn atomic(&mut self, scope: &mut Scope) {
        let d = self.vector();
        let (x, y, descriptor) = (
            self.pick(&scope.vector),
            self.pick(&scope.vector),
            self.descriptor,
        );
        let atomic = self
            .b
            .push(Op::BUFFER_ATOMIC_ADD_U32, &[d], &[x, y, descriptor, int(0)]);
        atomic.mods.glc = true;
        atomic.memory = Some(Memory::Buffer(2));
        scope.vector.push(d);
    }

    /// A scalar choice by SCC.
    fn choose(&mut self, scope: &mut Scope) {
        let d = self.scalar();
        let (x, y) = (self.pick(&scope.scalar), self.pick(&scope.scalar));
        self.b.push(Op::S_CMP_LT_I32, &[], &[x, y]);
        self.b.push(Op::S_CSELECT_B32, &[d], &[x, y]);
        scope.scalar.push(d);
    }

    /// A sum of 64 bits, whose carry goes through SCC.
    fn carry(&mut self, scope: &mut Scope) {
        let d = self.b.register(File::Scalar, 2);
        let (x, y) = (self.pick(&scope.scalar), self.pick(&scope.scalar));
        self.b.push(Op::S_ADD_U32, &[part(d, 0)], &[x, y]);
        self.b.push(Op::S_ADDC_U32, &[part(d, 1)], &[y, part(d, 0)]);
        scope.scalar.extend([part(d, 0), part(d, 1)]);
    }

    /// Two halves of a register, one after the other.
    fn half(&mut self, scope: &mut Scope) {
        let d = self.vector();
        let (x, y) = (self.pick(&scope.vector), self.pick(&scope.vector));
        self.b.push(Op::V_MOV_B32, &[d], &[int(0)]);
        self.b.push(Op::V_CVT_F16_F32, &[d], &[x]);
        self.b.push(Op::V_CVT_F16_F32, &[d], &[y]).mods.op_sel = 8;
        scope.vector.push(d);
    }

    /// If and else of lanes, with a value that both sides give.
    fn lanes_branch(&mut self, scope: &mut Scope, depth: u32) {
        let (saved, result) = (self.scalar(), self.vector());
        let mask = self.mask(scope);
        let was = std::mem::replace(&mut self.divergent, true);
        self.b.push(Op::S_AND_SAVEEXEC_B32, &[saved], &[mask]);
        let head = self.b.now;
        self.b.branch(Op::S_CBRANCH_EXECZ, 0);
        let then = self.b.block();
        self.b.edge(head, then, true, true);
        let inner = self.body(scope, depth);
        let value = self.pick(&inner.vector);
        self.b.copies(vec![(result, value)]);
        let then_end = self.b.now;
        let other = self.b.block();
        let jump = self.b.function.blocks[head].insts.last_mut();
        jump.expect("the branch").target = Some(BlockId(other as u32));
        self.b.edge(head, other, true, true);
        self.b.edge(then_end, other, false, true);
        self.b.push(Op::S_XOR_B32, &[EXEC], &[saved, EXEC]);
        let inner = self.body(scope, depth);
        let value = self.pick(&inner.vector);
        self.b.copies(vec![(result, value)]);
        let other_end = self.b.now;
        let merge = self.b.block();
        self.b.edge(then_end, merge, true, false);
        self.b.edge(other_end, merge, true, true);
        self.b.push(Op::S_MOV_B32, &[EXEC], &[saved]);
        self.divergent = was;
        scope.vector.push(result);
    }

    /// If without else of the wave, with a scalar and a vector result.
    fn wave_branch(&mut self, scope: &mut Scope, depth: u32) {
        let (s, v) = (self.scalar(), self.vector());
        let (x, y) = (self.pick(&scope.scalar), self.pick(&scope.scalar));
        self.b.push(Op::S_CMP_LT_I32, &[], &[x, y]);
        let (first, second) = (self.pick(&scope.vector), self.pick(&scope.scalar));
        // Between compare and branch: SCC must survive the moves.
        self.b.copies(vec![(v, first), (s, second)]);
        let head = self.b.now;
        self.b.branch(Op::S_CBRANCH_SCC1, 0);
        let then = self.b.block();
        self.b.edge(head, then, true, true);
        let inner = self.body(scope, depth);
        let (first, second) = (self.pick(&inner.vector), self.pick(&inner.scalar));
        self.b.copies(vec![(v, first), (s, second)]);
        let end = self.b.now;
        let merge = self.b.block();
        let jump = self.b.function.blocks[head].insts.last_mut();
        jump.expect("the branch").target = Some(BlockId(merge as u32));
        self.b.edge(head, merge, true, true);
        self.b.edge(end, merge, true, true);
        scope.vector.push(v);
        scope.scalar.push(s);
    }

    /// A counted loop; two vector and two scalar parameters, which may change places.
    fn wave_loop(&mut self, scope: &mut Scope, depth: u32) {
        let counter = self.scalar();
        let (v, w, s, t) = (self.vector(), self.vector(), self.scalar(), self.scalar());
        let sums: Vec<Operand> = (0..self.rng.below(6)).map(|_| self.vector()).collect();
        let mut start = vec![
            (counter, int(0)),
            (v, self.pick(&scope.vector)),
            (w, self.pick(&scope.vector)),
            (s, self.pick(&scope.scalar)),
            (t, int(7)),
        ];
        start.extend(sums.iter().map(|sum| (*sum, int(0))));
        self.b.copies(start);
        let before = self.b.now;
        self.b.depth += 1;
        let header = self.b.block();
        self.b.function.blocks[header].loop_header = true;
        self.b.edge(before, header, true, true);
        let mut inner = scope.clone();
        inner.vector.extend([v, w]);
        inner.scalar.extend([s, t]);
        let inner = self.body(&inner, depth);
        let next = self.scalar();
        self.b.push(Op::S_ADD_I32, &[next], &[counter, int(1)]);
        self.b.push(Op::S_CMP_LT_I32, &[], &[next, int(3)]);
        let value = self.pick(&inner.vector);
        let swap = self.rng.below(2) == 0;
        let mut pairs = vec![(counter, next)];
        // More copies than an instruction has places, of values written once.
        for more in &sums {
            let sum = self.vector();
            let value = self.pick(&inner.vector);
            self.b.push(Op::V_ADD_F32, &[sum], &[*more, value]);
            pairs.push((*more, sum));
        }
        match swap {
            true => pairs.extend([(v, w), (w, v), (s, t), (t, s)]),
            false => pairs.extend([(v, value), (w, v), (s, self.pick(&inner.scalar)), (t, s)]),
        }
        self.b.copies(pairs);
        let latch = self.b.now;
        self.b.branch(Op::S_CBRANCH_SCC1, header);
        self.b.edge(latch, header, true, true);
        self.b.depth -= 1;
        let exit = self.b.block();
        self.b.edge(latch, exit, true, true);
        scope.vector.extend(sums);
        scope.vector.extend([v, w]);
        scope.scalar.extend([s, t]);
    }

    /// A loop that lanes leave one by one, each with a value of its last turn.
    fn lanes_loop(&mut self, scope: &mut Scope, depth: u32) {
        let (saved, counter, v) = (self.scalar(), self.scalar(), self.vector());
        self.b.push(Op::S_MOV_B32, &[saved], &[EXEC]);
        let value = self.pick(&scope.vector);
        self.b.copies(vec![(v, value), (counter, int(0))]);
        let before = self.b.now;
        let was = std::mem::replace(&mut self.divergent, true);
        self.b.depth += 1;
        let header = self.b.block();
        self.b.function.blocks[header].loop_header = true;
        self.b.edge(before, header, true, true);
        let mut inner = scope.clone();
        inner.vector.push(v);
        // What holds for the wave at a lane's last turn does not hold when it goes on.
        let inner = self.body(&inner, depth);
        let leave = self.mask(&inner);
        self.b.push(Op::S_AND_NOT1_B32, &[EXEC], &[EXEC, leave]);
        let decide = self.b.now;
        let latch = self.b.block();
        self.b.edge(decide, latch, true, true);
        let next = self.scalar();
        self.b.push(Op::S_ADD_I32, &[next], &[counter, int(1)]);
        // After four turns all leave: no lane is on any more.
        let last = self.scalar();
        self.b.push(Op::S_CMP_LT_I32, &[], &[next, int(4)]);
        self.b.push(Op::S_CSELECT_B32, &[last], &[int(-1), int(0)]);
        self.b.push(Op::S_AND_B32, &[EXEC], &[EXEC, last]);
        let value = self.pick(&inner.vector);
        self.b.copies(vec![(v, value), (counter, next)]);
        let back = self.b.now;
        self.b.branch(Op::S_CBRANCH_EXECNZ, header);
        self.b.depth -= 1;
        let exit = self.b.block();
        self.b.edge(back, header, true, true);
        self.b.edge(decide, exit, true, false);
        self.b.edge(latch, exit, true, true);
        self.b.push(Op::S_MOV_B32, &[EXEC], &[saved]);
        self.divergent = was;
        // A value of the last turn of each lane.
        scope.vector.push(v);
        let kept: Vec<Operand> = inner.vector[scope.vector.len() - 1..].to_vec();
        scope.vector.extend(kept.into_iter().take(2));
    }
}
