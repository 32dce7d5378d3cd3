//! Float operations joined as WGSL allows: a product and a sum become one fused operation, rounded once.
//!
//! WGSL 15.7.3 lets an implementation contract. The result is the more exact one; tests that compare with another
//! implementation use bounds that cover both.

use crate::ir::{Binary, Function, Op, Ternary, Type, Unary, Value};

/// Fuses wherever the product has no other use.
pub(super) fn run(function: &mut Function) -> bool {
    let uses = function.use_counts();
    let known: Vec<Option<Op>> = function
        .definitions()
        .into_iter()
        .map(|inst| inst.map(|inst| inst.op.clone()))
        .collect();
    let types = function.values.clone();
    let mut changed = false;
    for block in &mut function.blocks {
        let mut negations = Vec::new();
        for (place, inst) in block.insts.iter_mut().enumerate() {
            let Some(result) = inst.result else { continue };
            let ty = types[result.0 as usize];
            if !matches!(ty, Type::F32 | Type::F16 | Type::F16x2) {
                continue;
            }
            let product = |value: Value| match &known[value.0 as usize] {
                Some(Op::Binary(Binary::FMul, factors)) if uses[value.0 as usize] == 1 => {
                    Some(*factors)
                }
                _ => None,
            };
            match &inst.op {
                Op::Binary(Binary::FAdd, [a, b]) => {
                    let fused = match (product(*a), product(*b)) {
                        (Some([x, y]), _) => [x, y, *b],
                        (None, Some([x, y])) => [x, y, *a],
                        _ => continue,
                    };
                    inst.op = Op::Ternary(Ternary::Fma, fused);
                }
                // a * b - c = fma(a, b, -c); c - a * b = fma(-a, b, c). Selection takes negations as modifiers.
                Op::Binary(Binary::FSub, [a, b]) => {
                    let (negated, fused) = match (product(*a), product(*b)) {
                        (Some([x, y]), _) => (2, [x, y, *b]),
                        (None, Some([x, y])) => (0, [x, y, *a]),
                        _ => continue,
                    };
                    inst.op = Op::Ternary(Ternary::Fma, fused);
                    negations.push((place, negated, ty));
                }
                _ => continue,
            }
            changed = true;
        }
        // From the end, so that places stay right while negations are put in.
        for (place, operand, ty) in negations.into_iter().rev() {
            let Op::Ternary(Ternary::Fma, factors) = &mut block.insts[place].op else {
                continue;
            };
            let value = factors[operand];
            function.values.push(ty);
            let negated = Value(function.values.len() as u32 - 1);
            factors[operand] = negated;
            let source = block.insts[place].source;
            let negation = crate::ir::Inst {
                op: Op::Unary(Unary::FNeg, value),
                result: Some(negated),
                source,
            };
            block.insts.insert(place, negation);
        }
    }
    changed
}
