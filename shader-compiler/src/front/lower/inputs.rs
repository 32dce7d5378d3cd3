//! The built-in values of a kernel, from the few that the hardware hands to a wave and the size of the workgroup.

use rspirv::spirv::BuiltIn;

use super::super::module::Ty;
use super::{Lower, Lowered};
use crate::ir::*;

/// Lanes of a wave.
const WAVE: u32 = 32;

impl Lower<'_, '_> {
    /// The value of an input, from what the hardware gives.
    pub(super) fn builtin(
        &mut self,
        builtin: BuiltIn,
        ty: u32,
        component: Option<u32>,
    ) -> Lowered<Vec<Value>> {
        let components: Vec<u32> = match (component, self.module.ty(ty)?) {
            (Some(k), _) => vec![k],
            (None, Ty::Vector(_, count)) => (0..*count).collect(),
            (None, _) => vec![0],
        };
        let mut values = Vec::new();
        for k in components {
            values.push(self.builtin_component(builtin, k)?);
        }
        Ok(values)
    }

    fn builtin_component(&mut self, builtin: BuiltIn, k: u32) -> Lowered<Value> {
        let size = self.entry.workgroup_size;
        let axis = k as u8;
        let lanes: u32 = size.iter().product();
        Ok(match builtin {
            BuiltIn::LocalInvocationId => self.local_id(axis),
            BuiltIn::WorkgroupId => self
                .b
                .value(Type::I32, Op::Builtin(Builtin::WorkgroupId(axis))),
            BuiltIn::NumWorkgroups => self
                .b
                .value(Type::I32, Op::Builtin(Builtin::NumWorkgroups(axis))),
            BuiltIn::GlobalInvocationId => {
                let group = self
                    .b
                    .value(Type::I32, Op::Builtin(Builtin::WorkgroupId(axis)));
                let extent = self.b.i32(size[usize::from(axis)]);
                let first = self.b.binary(Binary::IMul, group, extent);
                let local = self.local_id(axis);
                self.b.binary(Binary::IAdd, first, local)
            }
            BuiltIn::LocalInvocationIndex => {
                let [mut index, y, z] = [0, 1, 2].map(|axis| self.local_id(axis));
                for (id, extent) in [(y, size[0]), (z, size[0] * size[1])] {
                    let extent = self.b.i32(extent);
                    let step = self.b.binary(Binary::IMul, id, extent);
                    index = self.b.binary(Binary::IAdd, index, step);
                }
                index
            }
            BuiltIn::SubgroupSize => self.b.i32(WAVE),
            BuiltIn::NumSubgroups => self.b.i32(lanes.div_ceil(WAVE)),
            BuiltIn::SubgroupLocalInvocationId => self
                .b
                .value(Type::I32, Op::Builtin(Builtin::SubgroupInvocationId)),
            BuiltIn::SubgroupId if lanes <= WAVE => self.b.i32(0),
            BuiltIn::SubgroupId => self.b.value(Type::I32, Op::Builtin(Builtin::SubgroupId)),
            other => return Err(format!("the built-in value {other:?} is not supported")),
        })
    }

    fn local_id(&mut self, axis: u8) -> Value {
        match self.entry.workgroup_size[usize::from(axis)] {
            1 => self.b.i32(0),
            _ => self
                .b
                .value(Type::I32, Op::Builtin(Builtin::LocalInvocationId(axis))),
        }
    }
}
