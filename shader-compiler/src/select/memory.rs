//! Loads, stores, atomics, barriers.

use gfx1100_isa::{Op as Isa, Operand as Reg, Ty};

use super::address::{Kind, Parts};
use super::bank::Bank;
use super::operand::{Src, What};
use super::{Selector, part};
use crate::ir::{Access, Op, Space, Unary, Value};
use crate::machine::{Inst, Memory, Operand};

/// Address fields of a memory instruction, ready.
pub(super) struct Address {
    /// MUBUF: offset register, if any; DS: the address.
    vector: Option<Operand>,
    /// Descriptor of a buffer.
    descriptor: Operand,
    /// Scalar offset of a buffer access.
    scalar: Operand,
    constant: i32,
    memory: Memory,
}

/// Loads of 1 to 4 dwords from buffers and LDS.
const BUFFER_LOADS: [Isa; 4] = [
    Isa::BUFFER_LOAD_B32,
    Isa::BUFFER_LOAD_B64,
    Isa::BUFFER_LOAD_B96,
    Isa::BUFFER_LOAD_B128,
];
const SHARED_LOADS: [Isa; 4] = [
    Isa::DS_LOAD_B32,
    Isa::DS_LOAD_B64,
    Isa::DS_LOAD_B96,
    Isa::DS_LOAD_B128,
];
const BUFFER_STORES: [Isa; 4] = [
    Isa::BUFFER_STORE_B32,
    Isa::BUFFER_STORE_B64,
    Isa::BUFFER_STORE_B96,
    Isa::BUFFER_STORE_B128,
];
const SHARED_STORES: [Isa; 4] = [
    Isa::DS_STORE_B32,
    Isa::DS_STORE_B64,
    Isa::DS_STORE_B96,
    Isa::DS_STORE_B128,
];

impl Selector<'_> {
    pub(super) fn memory(&mut self, op: &Op, result: Option<Value>) {
        match *op {
            Op::Load {
                space,
                offset,
                constant,
                access,
                volatile,
            } => {
                if let Some(result) = result {
                    self.load(space, offset, constant, access, volatile, result);
                }
            }
            Op::Store {
                space,
                offset,
                constant,
                access,
                value,
            } => self.store(space, offset, constant, access, value),
            Op::Atomic {
                space,
                offset,
                constant,
                combine,
                value,
            } => self.atomic(space, offset, constant, combine, value, result),
            Op::AtomicCompare {
                space,
                offset,
                constant,
                new,
                expected,
            } => self.atomic_compare(space, offset, constant, [new, expected], result),
            Op::Barrier {
                shared,
                buffers,
                workgroup,
            } => self.barrier(shared, buffers, workgroup),
            _ => {}
        }
    }

    fn memory_of(&self, space: Space) -> Memory {
        match space {
            Space::Shared => Memory::Shared,
            Space::Buffer(n) if self.function.bindings[n as usize].written => Memory::Buffer(n),
            Space::Buffer(_) | Space::Arguments => Memory::ReadOnly,
        }
    }

    pub(super) fn address(&mut self, space: Space, offset: Value, constant: u32) -> Address {
        let kind = if space == Space::Shared {
            Kind::Shared
        } else {
            Kind::Buffer
        };
        let parts = self.split.parts(offset, constant, kind);
        self.address_of(space, parts)
    }

    fn address_of(&mut self, space: Space, parts: Parts) -> Address {
        let memory = self.memory_of(space);
        let constant = parts.constant as i32;
        match space {
            Space::Shared => {
                let value = parts.divergent.or(parts.uniform);
                let what = value.map_or(What::Bits(0), What::Value);
                Address {
                    vector: Some(self.vector(what, Ty::U32)),
                    descriptor: Operand::None,
                    scalar: Operand::None,
                    constant,
                    memory,
                }
            }
            Space::Buffer(binding) => {
                let descriptor = self.descriptor(binding);
                let vector = parts
                    .divergent
                    .map(|value| self.vector(What::Value(value), Ty::U32));
                Address {
                    vector,
                    descriptor,
                    scalar: self.scalar_offset(parts.uniform),
                    constant,
                    memory,
                }
            }
            Space::Arguments => {
                self.unsupported("an access to the arguments that lanes do differently");
                Address {
                    vector: None,
                    descriptor: Operand::None,
                    scalar: Operand::None,
                    constant,
                    memory,
                }
            }
        }
    }

    /// The scalar offset field takes a register or a small constant.
    fn scalar_offset(&mut self, uniform: Option<Value>) -> Operand {
        let zero = Operand::Fixed(Reg::Inline(128));
        let Some(value) = uniform else { return zero };
        match self.constant_u32(value) {
            Some(bits) => match Reg::inline_int(bits as i32) {
                Some(inline) => Operand::Fixed(inline),
                None => self.pooled(bits),
            },
            None => self.scalar_of(value),
        }
    }

    /// Appends an access; the data operand of a store or atomic is `data`.
    pub(super) fn access(
        &mut self,
        op: Isa,
        dst: Operand,
        address: &Address,
        data: &[Operand],
    ) -> &mut Inst {
        let mut inst = self.blank(op);
        inst.dst[0] = dst;
        inst.src[0] = address.vector.unwrap_or(Operand::None);
        for (place, operand) in data.iter().enumerate() {
            inst.src[1 + place] = *operand;
        }
        if address.memory != Memory::Shared {
            inst.src[2] = address.descriptor;
            inst.src[3] = address.scalar;
            inst.mods.offen = address.vector.is_some();
        }
        inst.imm = address.constant;
        inst.memory = Some(address.memory);
        self.push(inst)
    }

    fn load(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        access: Access,
        volatile: bool,
        result: Value,
    ) {
        if space == Space::Arguments {
            return self.load_argument(offset, constant, access, result);
        }
        let dst = self.reg(result);
        if self.bank(result) == Bank::Scalar {
            let Access::Words(count) = access else {
                return self.broken("a 16-bit value in a scalar register");
            };
            let Space::Buffer(binding) = space else {
                return self.broken("workgroup memory in a scalar register");
            };
            let parts = self.split.parts(offset, constant, Kind::Scalar);
            let base = self.descriptor(binding);
            return self.scalar_load(true, base, parts, count, dst);
        }
        let address = self.address(space, offset, constant);
        let shared = space == Space::Shared;
        let op = match access {
            Access::Words(n) if shared => SHARED_LOADS[usize::from(n) - 1],
            Access::Words(n) => BUFFER_LOADS[usize::from(n) - 1],
            Access::Half if shared => Isa::DS_LOAD_U16,
            Access::Half => Isa::BUFFER_LOAD_U16,
        };
        // Others may write it meanwhile: past the cache of this processor.
        self.access(op, dst, &address, &[]).mods.glc = volatile && !shared;
    }

    /// Scalar loads take 1, 2 or 4 dwords of what a load may ask for.
    fn scalar_load(&mut self, buffer: bool, base: Operand, parts: Parts, count: u8, dst: Operand) {
        let offset = match parts.uniform {
            None => Operand::Fixed(Reg::NULL),
            Some(value) => match self.constant_u32(value) {
                Some(bits) => self.pooled(bits),
                None => self.scalar_of(value),
            },
        };
        let mut done = 0;
        while done < count {
            let size = 1 << (count - done).ilog2();
            let op = match (buffer, size) {
                (true, 1) => Isa::S_BUFFER_LOAD_B32,
                (true, 2) => Isa::S_BUFFER_LOAD_B64,
                (true, _) => Isa::S_BUFFER_LOAD_B128,
                (false, 1) => Isa::S_LOAD_B32,
                (false, 2) => Isa::S_LOAD_B64,
                (false, _) => Isa::S_LOAD_B128,
            };
            let sources: [Src; 2] = [base.into(), offset.into()];
            let inst = self.emit(op, part(dst, done), &sources);
            inst.imm = parts.constant as i32 + 4 * i32::from(done);
            inst.memory = Some(Memory::ReadOnly);
            done += size;
        }
    }

    fn load_argument(&mut self, offset: Value, constant: u32, access: Access, result: Value) {
        let start = self.inputs.arguments.immediates.0;
        let dst = self.reg(result);
        if let Some(offset) = self.constant_u32(offset) {
            let byte = start + offset + constant;
            let count = if let Access::Words(n) = access { n } else { 1 };
            for k in 0..count {
                let Some((register, first)) = self.loaded(byte / 4 + u32::from(k), 1) else {
                    return self.broken("an argument that entry does not load");
                };
                let from = Operand::Virtual(register, first);
                if from == part(dst, k) {
                    continue;
                }
                if access == Access::Half && byte % 4 == 2 {
                    self.emit(Isa::V_LSHRREV_B32, dst, &[16.into(), from.into()]);
                } else {
                    self.move_to(result, part(dst, k), from);
                }
            }
            return;
        }
        let Access::Words(count) = access else {
            return self.unsupported("a 16-bit immediate at an index that is not constant");
        };
        if self.bank(result) != Bank::Scalar {
            return self.unsupported("an immediate at an index that differs between lanes");
        }
        let mut parts = self.split.parts(offset, constant, Kind::Scalar);
        parts.constant += start;
        let base = self.segment();
        self.scalar_load(false, base, parts, count, dst);
    }

    fn store(&mut self, space: Space, offset: Value, constant: u32, access: Access, value: Value) {
        let shared = space == Space::Shared;
        let (op, data) = match access {
            Access::Words(n) => {
                let ops = if shared { SHARED_STORES } else { BUFFER_STORES };
                let data = self.vector(What::Value(value), Ty::B32);
                (ops[usize::from(n) - 1], data)
            }
            Access::Half => match self.op(value) {
                // The high half of a pair is stored from where it is.
                Some(&Op::Unary(Unary::Half(1), pair)) if self.bank(pair) == Bank::Vector => {
                    let op = if shared {
                        Isa::DS_STORE_B16_D16_HI
                    } else {
                        Isa::BUFFER_STORE_D16_HI_B16
                    };
                    (op, self.reg(pair))
                }
                _ => {
                    let op = if shared {
                        Isa::DS_STORE_B16
                    } else {
                        Isa::BUFFER_STORE_B16
                    };
                    (op, self.vector(What::Value(value), Ty::B32))
                }
            },
        };
        let address = self.address(space, offset, constant);
        self.access(op, Operand::None, &address, &[data]);
    }

    fn barrier(&mut self, shared: bool, buffers: bool, workgroup: bool) {
        let lanes: u32 = self.function.workgroup_size.iter().product();
        // A wave's own accesses are in order; only other waves are to be waited for.
        if !workgroup || lanes <= 32 {
            return;
        }
        let memory = match (shared, buffers) {
            (true, false) => Some(Memory::Shared),
            (false, true) => Some(Memory::Buffer(0)),
            _ => None,
        };
        let barrier = self.emit(Isa::S_BARRIER, Operand::None, &[]);
        barrier.memory = memory;
        // For the pass that inserts waits, which clears it: what must have arrived.
        barrier.imm = i32::from(shared) | i32::from(buffers) << 1;
        if buffers {
            self.emit(Isa::BUFFER_GL0_INV, Operand::None, &[]);
        }
    }

    /// A piece of a tile: an access of `op` to or from `data`.
    pub(super) fn tile_access(
        &mut self,
        op: Isa,
        space: Space,
        parts: Parts,
        data: Operand,
        store: bool,
    ) {
        let address = self.address_of(space, parts);
        if store {
            self.access(op, Operand::None, &address, &[data]);
        } else {
            self.access(op, data, &address, &[]);
        }
    }
}
