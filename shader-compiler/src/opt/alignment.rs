//! Powers of two that integers are multiples of.
//!
//! Idea: begin with every value as aligned as can be and lower what the operations and the edges into a block contradict,
//! until nothing changes. So a loop counter that starts at a multiple of 64 and goes on by 64 stays one, which looking at
//! definitions alone cannot tell.

use crate::ir::{Binary, BlockId, Function, Graph, Op, Type, Value};

/// Trailing zero bits that count as all.
const MOST: u8 = 32;

/// For each value: that many of its low bits are 0. Values of other types than I32 have none.
pub(super) struct Alignment {
    zeros: Vec<u8>,
    constants: Vec<Option<u32>>,
}

impl Alignment {
    /// Finds the fixed point.
    pub(super) fn of(function: &Function) -> Self {
        let graph = Graph::new(function);
        let integer = |ty: &Type| if *ty == Type::I32 { MOST } else { 0 };
        let mut this = Self {
            zeros: function.values.iter().map(integer).collect(),
            constants: vec![None; function.values.len()],
        };
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            if let (Op::Const(bits), Some(result)) = (&inst.op, inst.result) {
                this.constants[result.0 as usize] = Some(*bits as u32);
            }
        }
        // Each round lowers at least one of the values, by a bit or more; loops need two or three.
        while this.round(function, &graph) {}
        this
    }

    /// A power of two of which the value is a multiple.
    pub(super) fn multiple(&self, value: Value) -> u32 {
        1 << self.bits(value).min(16)
    }

    fn bits(&self, value: Value) -> u8 {
        self.zeros.get(value.0 as usize).copied().unwrap_or(0)
    }

    fn round(&mut self, function: &Function, graph: &Graph) -> bool {
        let mut changed = false;
        for &block in &graph.order {
            let data = &function.blocks[block.index()];
            for inst in &data.insts {
                if let Some(result) = inst.result {
                    changed |= self.lower(result, self.of_op(&inst.op));
                }
            }
            for target in data.terminator.targets() {
                let BlockId(to) = target.block;
                let parameters = &function.blocks[to as usize].parameters;
                for (parameter, argument) in parameters.iter().zip(&target.arguments) {
                    changed |= self.lower(*parameter, self.bits(*argument));
                }
            }
        }
        changed
    }

    fn lower(&mut self, value: Value, to: u8) -> bool {
        let zeros = &mut self.zeros[value.0 as usize];
        let lower = to < *zeros;
        *zeros = to.min(*zeros);
        lower
    }

    fn of_op(&self, op: &Op) -> u8 {
        let of = |value: &Value| self.bits(*value);
        match op {
            Op::Const(bits) => (*bits as u32).trailing_zeros() as u8,
            Op::Binary(Binary::IAdd | Binary::Or | Binary::ISub | Binary::Xor, [a, b])
            | Op::Binary(Binary::UMin | Binary::UMax | Binary::SMin | Binary::SMax, [a, b])
            | Op::Select([_, a, b]) => of(a).min(of(b)),
            Op::Binary(Binary::IMul, [a, b]) => (of(a) + of(b)).min(MOST),
            Op::Binary(Binary::And, [a, b]) => of(a).max(of(b)),
            Op::Binary(Binary::Shl, [a, b]) => match self.constants[b.0 as usize] {
                Some(count) => (of(a) + (count & 31) as u8).min(MOST),
                None => of(a),
            },
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{Access, Op, Space};
    use crate::{front, opt};

    /// Dwords of the loads from workgroup memory of a kernel that reads four neighbours from `start` on, `step` apart.
    fn loads(start: u32, step: u32) -> Vec<u8> {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> limit: u32;
             @group(0) @binding(1) var<storage, read_write> out: array<f32>;
             var<workgroup> all: array<f32, 4096>;
             @compute @workgroup_size(64)
             fn main(@builtin(local_invocation_index) local: u32) {{
                 all[local] = f32(local);
                 workgroupBarrier();
                 var sum = 0.0;
                 for (var i = {start}u; i < limit; i += {step}u) {{
                     sum += all[i] * all[i + 1u] + all[i + 2u] * all[i + 3u];
                 }}
                 out[local] = sum;
             }}"
        );
        let mut functions = front::compile(&source, &[]).expect("valid WGSL");
        opt::run(&mut functions[0], &|_| false, &mut |_, _| ()).expect("it has no arrays");
        let insts = functions[0].blocks.iter().flat_map(|block| &block.insts);
        let words = insts.filter_map(|inst| match inst.op {
            Op::Load {
                space: Space::Shared,
                access: Access::Words(words),
                ..
            } => Some(words),
            _ => None,
        });
        words.collect()
    }

    #[test]
    fn a_counter_stays_a_multiple_of_its_step_if_it_starts_as_one() {
        assert_eq!(loads(8, 16), [4]);
        assert_eq!(loads(2, 16), [2, 2]);
        assert_eq!(loads(8, 6), [2, 2]);
        assert_eq!(loads(8, 3), [1, 1, 1, 1]);
    }
}
