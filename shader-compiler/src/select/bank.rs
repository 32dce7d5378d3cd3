//! Which register file each value lives in.
//!
//! A value goes to the scalar file if it is uniform, the scalar unit has the operation (there is no scalar float
//! arithmetic on gfx1100), and its operands are there too. What is uniform but made by the vector unit stays in a vector
//! register; `v_readfirstlane` brings it over where a scalar is needed.

use crate::ir::{
    Access, Binary, Builtin, Divergence, Function, Graph, Op, Pred, Shuffle, Space, Ternary, Type,
    Unary, Value, divergence,
};

/// Register file of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bank {
    /// SGPRs; a Bool is 0 or all ones.
    Scalar,
    /// VGPRs.
    Vector,
    /// A Bool per lane in an SGPR.
    Mask,
}

/// Assigns a bank to every value, starting from "scalar" and taking it back until nothing changes.
pub(super) fn assign(function: &Function, graph: &Graph, divergence: &Divergence) -> Vec<Bank> {
    let other = |value: Value| match function.ty(value) {
        Type::Bool => Bank::Mask,
        _ => Bank::Vector,
    };
    let mut banks: Vec<Bank> = (0..function.values.len() as u32)
        .map(Value)
        .map(|value| match divergence.uniform(value) {
            true if !matches!(function.ty(value), Type::Tile(..)) => Bank::Scalar,
            _ => other(value),
        })
        .collect();
    let constants = constants(function);
    let mut changed = true;
    while changed {
        changed = false;
        for &block in &graph.order {
            let data = &function.blocks[block.index()];
            let scalar = |value: &Value, banks: &[Bank]| {
                constants[value.0 as usize] || banks[value.0 as usize] == Bank::Scalar
            };
            for (index, parameter) in data.parameters.iter().enumerate() {
                let given = divergence::arguments(function, graph, block, index);
                if banks[parameter.0 as usize] == Bank::Scalar
                    && !given.iter().all(|value| scalar(value, &banks))
                {
                    banks[parameter.0 as usize] = other(*parameter);
                    changed = true;
                }
            }
            for inst in &data.insts {
                let Some(result) = inst.result else { continue };
                if banks[result.0 as usize] != Bank::Scalar {
                    continue;
                }
                let fits = on_scalar_unit(function, &inst.op, result)
                    && (any_operands(&inst.op)
                        || inst.op.uses().iter().all(|value| scalar(value, &banks)));
                if !fits {
                    banks[result.0 as usize] = other(result);
                    changed = true;
                }
            }
        }
    }
    banks
}

/// Which values are constants, in whatever bank they are used.
fn constants(function: &Function) -> Vec<bool> {
    let mut found = vec![false; function.values.len()];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let (Op::Const(_) | Op::Undef, Some(value)) = (&inst.op, inst.result) {
            found[value.0 as usize] = true;
        }
    }
    found
}

/// The operation reads lanes and delivers a scalar.
const fn any_operands(op: &Op) -> bool {
    matches!(
        op,
        Op::Ballot(_)
            | Op::Any(_)
            | Op::All(_)
            | Op::BroadcastFirst(_)
            | Op::Shuffle(Shuffle::Index, ..)
    )
}

fn on_scalar_unit(function: &Function, op: &Op, result: Value) -> bool {
    let ty = function.ty(result);
    let word = matches!(ty, Type::I32 | Type::F32 | Type::F16x2);
    match op {
        Op::Const(_) | Op::Undef | Op::BufferSize(_) => true,
        Op::Builtin(builtin) => !matches!(builtin, Builtin::SubgroupInvocationId),
        Op::Unary(unary, a) => unary_on_scalar_unit(*unary, ty, function.ty(*a)),
        Op::Binary(binary, _) => binary_on_scalar_unit(*binary, ty),
        Op::Ternary(Ternary::ExtractU | Ternary::ExtractS | Ternary::BitInsert, _) => {
            ty == Type::I32
        }
        Op::Compare(pred, [a, _]) => match function.ty(*a) {
            Type::I32 => true,
            Type::I64 | Type::Bool => matches!(pred, Pred::Eq | Pred::Ne),
            _ => false,
        },
        Op::Select(_) => word || matches!(ty, Type::I64 | Type::Bool),
        Op::Join(_) | Op::Word(..) | Op::Pack(_) => true,
        Op::Load {
            space,
            access: Access::Words(_),
            volatile: false,
            ..
        } => match space {
            Space::Arguments => true,
            Space::Buffer(binding) => !function.bindings[*binding as usize].written,
            Space::Shared => false,
        },
        Op::Ballot(_) | Op::Any(_) | Op::All(_) => true,
        Op::BroadcastFirst(_) => word || ty == Type::I64,
        Op::Shuffle(Shuffle::Index, ..) => word,
        _ => false,
    }
}

const fn unary_on_scalar_unit(unary: Unary, ty: Type, from: Type) -> bool {
    match unary {
        Unary::INeg | Unary::Not => matches!(ty, Type::I32 | Type::I64 | Type::Bool),
        Unary::SAbs | Unary::PopCount | Unary::ReverseBits | Unary::Clz | Unary::Ctz => {
            matches!(ty, Type::I32)
        }
        Unary::FNeg | Unary::FAbs => matches!(ty, Type::F32),
        Unary::ZeroExtend | Unary::SignExtend => {
            matches!(ty, Type::I32 | Type::I64) && matches!(from, Type::I32 | Type::I16)
        }
        Unary::Truncate | Unary::Bitcast | Unary::Half(_) => true,
        _ => false,
    }
}

const fn binary_on_scalar_unit(binary: Binary, ty: Type) -> bool {
    use Binary as B;
    match ty {
        Type::I32 => !matches!(
            binary,
            B::FAdd | B::FSub | B::FMul | B::FDiv | B::FRem | B::FMin | B::FMax
        ),
        Type::I64 => matches!(
            binary,
            B::IAdd | B::ISub | B::IMul | B::And | B::Or | B::Xor | B::Shl | B::ShrU | B::ShrS
        ),
        Type::Bool => matches!(binary, B::And | B::Or | B::Xor),
        _ => false,
    }
}
