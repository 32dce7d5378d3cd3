//! What the kernel reads at entry: descriptors and arguments by scalar loads, ids from the registers they arrive in.

use std::collections::{BTreeMap, BTreeSet};

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::Selector;
use super::bank::Bank;
use crate::ir::{Access, Builtin, Function, Op, Space, Value};
use crate::launch::Launch;
use crate::machine::{File, Inst, Memory, Operand, Register};
use crate::object::Arguments;

/// Registers that are filled at entry.
pub(super) struct Inputs {
    launch: Launch,
    pub(super) arguments: Arguments,
    /// Address of the argument segment.
    segment: Option<Register>,
    local_id: Option<Register>,
    workgroup_ids: [Option<Register>; 3],
    /// Loads of the segment by first dword: register and its dwords.
    loads: BTreeMap<u32, (Register, u8)>,
}

impl Inputs {
    pub(super) fn new(function: &Function) -> Self {
        Self {
            launch: Launch::of(function),
            arguments: Arguments::of(function),
            segment: None,
            local_id: None,
            workgroup_ids: [None; 3],
            loads: BTreeMap::new(),
        }
    }
}

/// Dwords of the argument segment that a kernel reads at offsets known now.
fn used_dwords(function: &Function, arguments: &Arguments, constant: Known<'_>) -> BTreeSet<u32> {
    let mut used = BTreeSet::new();
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        match &inst.op {
            Op::Load {
                space: Space::Arguments,
                offset,
                constant: more,
                access,
                ..
            } => {
                if let Some(offset) = constant(*offset) {
                    let byte = arguments.immediates.0 + offset + more;
                    let count = match access {
                        Access::Words(n) => u32::from(*n),
                        Access::Half => 1,
                    };
                    used.extend(byte / 4..byte / 4 + count);
                }
            }
            Op::Builtin(Builtin::NumWorkgroups(k)) => {
                used.extend(arguments.workgroups.map(|byte| byte / 4 + u32::from(*k)));
            }
            Op::BufferSize(binding) => {
                used.insert(4 * binding + 2);
            }
            Op::Load { space, .. }
            | Op::Store { space, .. }
            | Op::Atomic { space, .. }
            | Op::AtomicCompare { space, .. }
            | Op::TileLoad { space, .. }
            | Op::TileStore { space, .. } => {
                if let Space::Buffer(binding) = space {
                    used.extend(4 * binding..4 * binding + 4);
                }
            }
            _ => {}
        }
    }
    used
}

type Known<'a> = &'a dyn Fn(Value) -> Option<u32>;

/// Covers dwords by loads of 1, 2, 4, 8 or 16: first dword and count.
fn cover(used: &BTreeSet<u32>, total: u32) -> Vec<(u32, u32)> {
    let mut loads = Vec::new();
    let mut next = 0;
    while let Some(&start) = used.range(next..).next() {
        // A gap of less than a descriptor is read along.
        let mut end = start + 1;
        for &dword in used.range(start..start + 16) {
            if dword < end + 4 {
                end = dword + 1;
            }
        }
        let span = end - start;
        let up = span.next_power_of_two();
        // Rounding up reads what stands behind, as long as that belongs to the segment and is less than what is wanted.
        let size = if start + up <= total && up - span < span && up <= 16 {
            up
        } else {
            1 << span.ilog2()
        };
        loads.push((start, size));
        next = start + size;
    }
    loads
}

impl Selector<'_> {
    /// Plans the loads of the arguments and gives their registers to the values that they are.
    pub(super) fn plan_inputs(&mut self) {
        let known = |value: Value| self.constant_u32(value);
        let used = used_dwords(self.function, &self.inputs.arguments, &known);
        let total = self.inputs.arguments.bytes / 4;
        for (start, count) in cover(&used, total) {
            let register = self.new_register(File::Scalar, count as u8, false);
            self.inputs.loads.insert(start, (register, count as u8));
        }
        let function = self.function;
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            let Some(result) = inst.result else { continue };
            let found = match &inst.op {
                Op::Builtin(Builtin::WorkgroupId(k)) => {
                    let slot = &mut self.inputs.workgroup_ids[usize::from(*k)];
                    let register = match *slot {
                        Some(register) => register,
                        None => self.new_register(File::Scalar, 1, false),
                    };
                    self.inputs.workgroup_ids[usize::from(*k)] = Some(register);
                    Some((register, 0))
                }
                Op::Builtin(Builtin::LocalInvocationId(0))
                    if self.inputs.launch.local_id_components == 0
                        && self.bank(result) == Bank::Vector =>
                {
                    Some((self.local_id(), 0))
                }
                Op::Builtin(Builtin::NumWorkgroups(k)) => {
                    let byte = self.inputs.arguments.workgroups.unwrap_or(0);
                    self.loaded(byte / 4 + u32::from(*k), 1)
                }
                Op::BufferSize(binding) => self.loaded(4 * binding + 2, 1),
                Op::Load {
                    space: Space::Arguments,
                    offset,
                    constant,
                    access: Access::Words(n),
                    ..
                } => self.constant_u32(*offset).and_then(|offset| {
                    let byte = self.inputs.arguments.immediates.0 + offset + constant;
                    self.loaded(byte / 4, *n)
                }),
                _ => None,
            };
            self.registers[result.0 as usize] = found;
        }
    }

    /// The register of dwords of the argument segment, if one load brings them all.
    pub(super) fn loaded(&self, dword: u32, count: u8) -> Option<(Register, u8)> {
        let (start, (register, size)) = self.inputs.loads.range(..=dword).next_back()?;
        let first = dword - start;
        let fits = first + u32::from(count) <= u32::from(*size);
        fits.then_some((*register, first as u8))
    }

    /// The descriptor of a storage buffer.
    pub(super) fn descriptor(&mut self, binding: u32) -> Operand {
        match self.loaded(4 * binding, 4) {
            Some((register, first)) => Operand::Virtual(register, first),
            None => {
                self.broken("a buffer without a descriptor");
                Operand::None
            }
        }
    }

    /// The address of the argument segment.
    pub(super) fn segment(&mut self) -> Operand {
        let register = match self.inputs.segment {
            Some(register) => register,
            None => self.new_register(File::Scalar, 2, false),
        };
        self.inputs.segment = Some(register);
        Operand::Virtual(register, 0)
    }

    fn local_id(&mut self) -> Register {
        let register = match self.inputs.local_id {
            Some(register) => register,
            None => self.new_register(File::Vector, 1, false),
        };
        self.inputs.local_id = Some(register);
        register
    }

    pub(super) fn buffer_size(&mut self, _binding: u32, _result: Value) {
        // Its register is that of the load at entry.
    }

    pub(super) fn builtin(&mut self, builtin: Builtin, result: Value) {
        let size = self.function.workgroup_size;
        let lanes: u32 = size.iter().product();
        let dst = self.reg(result);
        match builtin {
            Builtin::WorkgroupId(_) | Builtin::NumWorkgroups(_) => {}
            Builtin::LocalInvocationId(k) => self.local_component(k, dst, result),
            Builtin::SubgroupInvocationId => {
                if size[0] == lanes {
                    let id = Operand::Virtual(self.local_id(), 0);
                    let id = self.flat_x(id);
                    self.emit(Isa::V_AND_B32, dst, &[31.into(), id.into()]);
                } else {
                    self.emit(Isa::V_MBCNT_LO_U32_B32, dst, &[(-1).into(), 0.into()]);
                }
            }
            Builtin::SubgroupId if lanes <= 32 => {
                self.emit(Isa::S_MOV_B32, dst, &[0.into()]);
            }
            Builtin::SubgroupId => self.wave_number(dst, size),
        }
    }

    /// The packed id when the workgroup has but one dimension: its other fields are 0.
    const fn flat_x(&self, id: Operand) -> Operand {
        id
    }

    fn local_component(&mut self, k: u8, dst: Operand, result: Value) {
        let whole = self.inputs.launch.local_id_components == 0;
        let scalar = self.bank(result) == Bank::Scalar;
        if self.function.workgroup_size[usize::from(k)] == 1 {
            let mov = if scalar {
                Isa::S_MOV_B32
            } else {
                Isa::V_MOV_B32
            };
            self.emit(mov, dst, &[0.into()]);
            return;
        }
        let id = Operand::Virtual(self.local_id(), 0);
        if Operand::Virtual(self.local_id(), 0) == dst {
            return;
        }
        if scalar {
            let first = self.scalar_temporary(1);
            self.emit(Isa::V_READFIRSTLANE_B32, first, &[id.into()]);
            let field = (10 << 16) | (10 * u32::from(k));
            self.emit(Isa::S_BFE_U32, dst, &[first.into(), field.into()]);
            return;
        }
        match k {
            0 if whole => self.emit(Isa::V_MOV_B32, dst, &[id.into()]),
            0 => self.emit(Isa::V_AND_B32, dst, &[0x3ff.into(), id.into()]),
            1 => self.emit(Isa::V_BFE_U32, dst, &[id.into(), 10.into(), 10.into()]),
            _ => self.emit(Isa::V_LSHRREV_B32, dst, &[20.into(), id.into()]),
        };
    }

    /// (x + size.x * (y + size.y * z)) / 32, which is one number per wave.
    fn wave_number(&mut self, dst: Operand, size: [u32; 3]) {
        let id = Operand::Virtual(self.local_id(), 0);
        let first = self.scalar_temporary(1);
        self.emit(Isa::V_READFIRSTLANE_B32, first, &[id.into()]);
        let components = self.inputs.launch.local_id_components;
        if components == 0 {
            self.emit(Isa::S_LSHR_B32, dst, &[first.into(), 5.into()]);
            return;
        }
        let mut flat: Option<Operand> = None;
        for k in (0..=components).rev() {
            let field = self.scalar_temporary(1);
            let bits = (10 << 16) | (10 * k);
            self.emit(Isa::S_BFE_U32, field, &[first.into(), bits.into()]);
            flat = Some(match flat {
                None => field,
                Some(outer) => {
                    let scaled = self.scalar_temporary(1);
                    let by = size[k as usize];
                    self.emit(Isa::S_MUL_I32, scaled, &[outer.into(), by.into()]);
                    let sum = self.scalar_temporary(1);
                    self.emit(Isa::S_ADD_I32, sum, &[scaled.into(), field.into()]);
                    sum
                }
            });
        }
        let flat = flat.unwrap_or(first);
        self.emit(Isa::S_LSHR_B32, dst, &[flat.into(), 5.into()]);
    }

    /// The instructions at entry: argument loads and constants; also the registers that the launcher fills.
    pub(super) fn prologue(&mut self) -> Vec<Inst> {
        self.source = u32::MAX;
        self.sequence.clear();
        for (start, (register, count)) in self.inputs.loads.clone() {
            let op = match count {
                1 => Isa::S_LOAD_B32,
                2 => Isa::S_LOAD_B64,
                4 => Isa::S_LOAD_B128,
                8 => Isa::S_LOAD_B256,
                _ => Isa::S_LOAD_B512,
            };
            let segment = self.segment();
            let load = self.emit(
                op,
                Operand::Virtual(register, 0),
                &[segment.into(), Operand::Fixed(Reg::NULL).into()],
            );
            load.imm = 4 * start as i32;
            load.memory = Some(Memory::ReadOnly);
        }
        for (bits, register) in self.pool.clone() {
            let to = Operand::Virtual(register, 0);
            self.emit(Isa::S_MOV_B32, to, &[bits.into()]);
        }
        let mut live = Vec::new();
        live.extend(self.inputs.segment.map(|register| (register, Reg::S(0))));
        for k in 0..3u8 {
            let code = self.inputs.launch.workgroup_id(k);
            if let (Some(register), Some(code)) = (self.inputs.workgroup_ids[usize::from(k)], code)
            {
                live.push((register, Reg::S(code)));
            }
        }
        live.extend(self.inputs.local_id.map(|register| (register, Reg::V(0))));
        self.out.live_in = live;
        std::mem::take(&mut self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_loaded_in_few_pieces() {
        let cover = |dwords: &[u32], total| cover(&dwords.iter().copied().collect(), total);
        // Two descriptors and three immediates of a segment that ends there.
        let used: Vec<u32> = (0..11).collect();
        assert_eq!(cover(&used, 11), [(0, 8), (8, 2), (10, 1)]);
        // Rounded up where the segment goes on.
        assert_eq!(cover(&[0, 1, 2], 4), [(0, 4)]);
        // What is far apart is loaded apart.
        assert_eq!(cover(&[0, 12], 16), [(0, 1), (12, 1)]);
    }
}
