//! Byte offsets of memory accesses in one canonical shape.
//!
//! An offset is a sum of terms, each a value times a constant. The sum is put together anew so that every part is computed
//! where it is cheapest, and so that accesses that differ by a constant share everything else:
//!
//! ```text
//! offset = (lane terms fixed in the loop + lane terms that vary)      vector part
//!        + (uniform terms fixed in the loop + uniform terms that vary) scalar part
//!        + constant                                                    field of the access
//! ```
//!
//! The fixed sums leave the loop by [`super::hoist`], the varying uniform one becomes a counter by [`super::induction`], and
//! selection finds the two parts as the operands of the outermost addition. All sums are modulo 2^32, where regrouping is
//! exact; that the constant may be taken out of the sum is the dialect's rule that offsets do not wrap.

use std::collections::HashMap;

use crate::ir::{Address, Binary, BlockId, Divergence, Function, Graph, Inst, Op, Type, Value};

/// Terms that a sum may have; more are left as one.
const MOST_TERMS: usize = 16;
/// Operations that are looked at for a sum: one that is used twice counts each time, so there may be any number.
const MOST_LOOKS: u32 = 100;

/// Rewrites the offset of every access; true if one changed.
pub(super) fn run(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let divergence = Divergence::of(function, &graph);
    let mut homes = vec![BlockId(0); function.values.len()];
    let mut known = HashMap::new();
    for &block in &graph.order {
        let data = &function.blocks[block.index()];
        for parameter in &data.parameters {
            homes[parameter.0 as usize] = block;
        }
        for inst in &data.insts {
            if let Some(result) = inst.result {
                homes[result.0 as usize] = block;
                known.insert(result, inst.op.clone());
            }
        }
    }
    let facts = Facts {
        graph: &graph,
        divergence: &divergence,
        homes: &homes,
        known: &known,
    };
    let mut changed = false;
    for &block in &graph.order {
        let insts = std::mem::take(&mut function.blocks[block.index()].insts);
        let mut out = Vec::with_capacity(insts.len());
        for mut inst in insts {
            changed |= rewrite(function, &facts, block, &mut inst, &mut out);
            out.push(inst);
        }
        function.blocks[block.index()].insts = out;
    }
    changed
}

struct Facts<'a> {
    graph: &'a Graph,
    divergence: &'a Divergence,
    homes: &'a [BlockId],
    known: &'a HashMap<Value, Op>,
}

/// A sum: terms with their factors, and a constant.
#[derive(Default)]
struct Sum {
    terms: Vec<(Value, u32)>,
    constant: u32,
    looks: u32,
}

impl Facts<'_> {
    fn bits(&self, value: Value) -> Option<u32> {
        match self.known.get(&value) {
            Some(Op::Const(bits)) => Some(*bits as u32),
            _ => None,
        }
    }

    fn collect(&self, value: Value, factor: u32, sum: &mut Sum) {
        if let Some(bits) = self.bits(value) {
            sum.constant = sum.constant.wrapping_add(bits.wrapping_mul(factor));
            return;
        }
        sum.looks += 1;
        let open = sum.terms.len() < MOST_TERMS && sum.looks < MOST_LOOKS;
        match self.known.get(&value) {
            Some(Op::Binary(Binary::IAdd, [a, b])) if open => {
                self.collect(*a, factor, sum);
                self.collect(*b, factor, sum);
            }
            Some(Op::Binary(Binary::Shl, [a, b])) if self.bits(*b).is_some_and(|b| b < 32) => {
                let count = self.bits(*b).unwrap_or(0);
                self.collect(*a, factor.wrapping_shl(count), sum);
            }
            Some(Op::Binary(Binary::IMul, [a, b])) if self.bits(*b).is_some() => {
                let by = self.bits(*b).unwrap_or(1);
                self.collect(*a, factor.wrapping_mul(by), sum);
            }
            _ => match sum.terms.iter_mut().find(|(term, _)| *term == value) {
                Some((_, already)) => *already = already.wrapping_add(factor),
                None => sum.terms.push((value, factor)),
            },
        }
    }

    /// Where a term belongs: lane terms before uniform ones, fixed ones before those that vary in the innermost loop.
    fn class(&self, value: Value, block: BlockId) -> usize {
        let uniform = self.divergence.uniform(value);
        let home = self.homes.get(value.0 as usize).copied().unwrap_or(block);
        let varies = self.graph.loop_of[block.index()].is_some()
            && self.graph.loop_of[home.index()] == self.graph.loop_of[block.index()];
        usize::from(uniform) * 2 + usize::from(varies)
    }
}

fn rewrite(
    function: &mut Function,
    facts: &Facts<'_>,
    block: BlockId,
    inst: &mut Inst,
    out: &mut Vec<Inst>,
) -> bool {
    let Some(old) = inst.op.address() else {
        return false;
    };
    let mut sum = Sum::default();
    facts.collect(old.offset, 1, &mut sum);
    // A negative constant has to stay inside the sum: the fields of the access are unsigned.
    let total = old.constant.wrapping_add(sum.constant);
    let (field, inside) = if (total as i32) < 0 {
        (0, total)
    } else {
        (total, 0)
    };
    let mut builder = Builder {
        function,
        out,
        source: inst.source,
    };
    let mut classes: [Vec<(Value, u32)>; 4] = Default::default();
    for (value, factor) in sum.terms {
        if factor != 0 {
            classes[facts.class(value, block)].push((value, factor));
        }
    }
    let parts = classes.map(|terms| builder.scaled_sum(terms));
    let [lane_fixed, lane_varies, uniform_fixed, uniform_varies] = parts;
    let lane = builder.add(lane_fixed, lane_varies);
    let uniform_fixed = match inside {
        0 => uniform_fixed,
        bits => {
            let constant = builder.constant(bits);
            builder.add(uniform_fixed, Some(constant))
        }
    };
    let uniform = builder.add(uniform_fixed, uniform_varies);
    let whole = builder.add(lane, uniform);
    let new = Address {
        space: old.space,
        offset: whole.unwrap_or_else(|| builder.constant(0)),
        constant: field,
    };
    inst.op.set_address(new);
    new != old
}

/// Appends operations to the block being rewritten.
struct Builder<'a> {
    function: &'a mut Function,
    out: &'a mut Vec<Inst>,
    source: u32,
}

impl Builder<'_> {
    fn push(&mut self, op: Op) -> Value {
        let result = self.function.new_value(Type::I32);
        self.out.push(Inst {
            op,
            result: Some(result),
            source: self.source,
        });
        result
    }

    fn constant(&mut self, bits: u32) -> Value {
        self.push(Op::Const(bits.into()))
    }

    fn add(&mut self, a: Option<Value>, b: Option<Value>) -> Option<Value> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.push(Op::Binary(Binary::IAdd, [a, b]))),
            (one, None) | (None, one) => one,
        }
    }

    /// The sum of terms; those of one factor are added before they are scaled.
    fn scaled_sum(&mut self, mut terms: Vec<(Value, u32)>) -> Option<Value> {
        terms.sort_by_key(|(value, factor)| (*factor, *value));
        let mut total = None;
        let mut rest = terms.as_slice();
        while let Some((_, factor)) = rest.first() {
            let same = rest.iter().take_while(|(_, other)| other == factor).count();
            let mut group = None;
            for (value, _) in &rest[..same] {
                group = self.add(group, Some(*value));
            }
            let scaled = match (*factor, group) {
                (1, group) => group,
                (factor, Some(group)) if factor.is_power_of_two() => {
                    let count = self.constant(factor.trailing_zeros());
                    Some(self.push(Op::Binary(Binary::Shl, [group, count])))
                }
                (factor, Some(group)) => {
                    let by = self.constant(factor);
                    Some(self.push(Op::Binary(Binary::IMul, [group, by])))
                }
                (_, None) => None,
            };
            total = self.add(total, scaled);
            rest = &rest[same..];
        }
        total
    }
}
