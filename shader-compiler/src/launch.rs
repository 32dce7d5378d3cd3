//! What a kernel finds at entry: which registers the launcher fills, and how its argument segment is laid out. Selection
//! reads values from there, and the code object tells the launcher to put them there, both by this file.

use crate::ir::{Builtin, Function, Op};
use crate::object::{Arguments, Binding, DESCRIPTOR_BYTES};

/// Registers that user SGPRs and workgroup ids fill together, however few the kernel reads: LLVM asks for 16 on gfx1100 in
/// wave32 because of an erratum of the hardware.
const INITIALISED_SGPRS: u32 = 16;

/// What is asked of the launcher beside the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// User SGPRs; `s[0:1]` hold the address of the arguments, the others nothing.
    pub user_sgprs: u32,
    /// Workgroup ids x, y, z wanted, in the SGPRs after the user SGPRs.
    pub workgroup_ids: [bool; 3],
    /// Components of the local id wanted in `v0`: 0 x, 1 x and y, 2 all.
    pub local_id_components: u32,
}

fn ops(function: &Function) -> impl Iterator<Item = &Op> {
    let blocks = function.blocks.iter();
    blocks.flat_map(|block| block.insts.iter().map(|inst| &inst.op))
}

fn builtins(function: &Function) -> impl Iterator<Item = Builtin> {
    ops(function).filter_map(|op| match op {
        Op::Builtin(builtin) => Some(*builtin),
        _ => None,
    })
}

impl Launch {
    /// What the kernel reads, by the instructions that are left in it.
    #[must_use]
    pub(crate) fn of(function: &Function) -> Self {
        let mut workgroup_ids = [false; 3];
        let mut local_id_components = 0;
        let size = function.workgroup_size;
        let dimensions = (0..3).rev().find(|&k| size[k] > 1).unwrap_or(0) as u32;
        for builtin in builtins(function) {
            match builtin {
                Builtin::WorkgroupId(k) => workgroup_ids[usize::from(k)] = true,
                Builtin::LocalInvocationId(k) => {
                    local_id_components = local_id_components.max(u32::from(k));
                }
                // The wave's number is the flat local id divided by 32.
                Builtin::SubgroupId => local_id_components = local_id_components.max(dimensions),
                Builtin::NumWorkgroups(_) | Builtin::SubgroupInvocationId => {}
            }
        }
        let ids = workgroup_ids.iter().filter(|wanted| **wanted).count() as u32;
        Self {
            user_sgprs: INITIALISED_SGPRS - ids,
            workgroup_ids,
            local_id_components,
        }
    }

    /// SGPR in which component `k` of the workgroup id arrives, if it was asked for.
    #[must_use]
    pub(crate) fn workgroup_id(&self, k: u8) -> Option<u8> {
        let before = self.workgroup_ids[..usize::from(k)].iter();
        let before = before.filter(|wanted| **wanted).count();
        self.workgroup_ids[usize::from(k)].then_some(self.user_sgprs as u8 + before as u8)
    }
}

impl Arguments {
    /// The layout that [`Arguments`] describes, for this kernel.
    #[must_use]
    pub(crate) fn of(function: &Function) -> Self {
        let bindings = function.bindings.iter().map(|binding| Binding {
            name: binding.name.clone(),
            group: binding.group,
            binding: binding.binding,
            written: binding.written,
        });
        let bindings: Vec<_> = bindings.collect();
        let immediates = (
            DESCRIPTOR_BYTES * bindings.len() as u32,
            function.immediate_bytes,
        );
        let mut bytes = (immediates.0 + immediates.1).next_multiple_of(4);
        let counts = builtins(function).any(|b| matches!(b, Builtin::NumWorkgroups(_)));
        let workgroups = counts.then_some(bytes);
        bytes += if counts { 12 } else { 0 };
        Self {
            bindings,
            immediates,
            workgroups,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir;

    fn kernel(size: [u32; 3], ops: Vec<Op>) -> Function {
        let binding = |n: u32| ir::Binding {
            name: format!("buffer{n}"),
            group: 0,
            binding: n,
            written: n == 1,
            size_used: n == 1,
        };
        let insts = ops.into_iter().map(|op| ir::Inst {
            op,
            result: None,
            source: u32::MAX,
        });
        Function {
            name: "main".into(),
            workgroup_size: size,
            bindings: (0..3).map(binding).collect(),
            immediate_bytes: 6,
            shared_bytes: 0,
            values: Vec::new(),
            locals: Vec::new(),
            blocks: vec![ir::Block {
                parameters: Vec::new(),
                insts: insts.collect(),
                terminator: ir::Terminator::Return,
                loop_: None,
            }],
        }
    }

    #[test]
    fn workgroup_ids_end_at_the_sixteenth_register() {
        let ops = vec![
            Op::Builtin(Builtin::WorkgroupId(0)),
            Op::Builtin(Builtin::WorkgroupId(2)),
        ];
        let launch = Launch::of(&kernel([64, 1, 1], ops));
        assert_eq!(launch.user_sgprs, 14);
        assert_eq!(launch.workgroup_id(0), Some(14));
        assert_eq!(launch.workgroup_id(1), None);
        assert_eq!(launch.workgroup_id(2), Some(15));
    }

    #[test]
    fn the_wave_number_needs_the_dimensions_that_the_workgroup_has() {
        let wave = || vec![Op::Builtin(Builtin::SubgroupId)];
        assert_eq!(
            Launch::of(&kernel([64, 1, 1], wave())).local_id_components,
            0
        );
        assert_eq!(
            Launch::of(&kernel([8, 8, 1], wave())).local_id_components,
            1
        );
    }

    #[test]
    fn arguments_stand_in_the_order_that_their_type_documents() {
        let ops = vec![Op::Builtin(Builtin::NumWorkgroups(1))];
        let arguments = Arguments::of(&kernel([1, 1, 1], ops));
        assert_eq!(arguments.immediates, (48, 6));
        assert_eq!(arguments.workgroups, Some(56));
        assert_eq!(arguments.bytes, 68);
        let arguments = Arguments::of(&kernel([1, 1, 1], vec![]));
        assert_eq!((arguments.workgroups, arguments.bytes), (None, 56));
    }
}
