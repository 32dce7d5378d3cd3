//! Runs functions in machine form, before and after a pass, for tests.
//!
//! Instructions have a made-up meaning, a hash of what they read, but EXEC, masks, branches and copies are obeyed. So it
//! tells whether two functions do the same with their registers, on four lanes, without knowing any arithmetic.

use super::builder::EXEC;
use super::operands::{READ_DST, READ_VCC, file, reads, writes};
use super::{File, Function, Inst, Kind, Memory, Operand, Register};
use gfx1100_isa as isa;
use isa::{Format, Op};
use std::collections::HashMap;

pub(super) const LANES: usize = 4;

/// A register while a function runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Cell {
    Virtual(Register, u8),
    Machine(bool, u8),
}

/// Stores to a buffer, in order: buffer, what, and what it read, lane by lane. Loads give a hash of their address and of how
/// often the buffer has been written.
pub(super) type Trace = Vec<(u32, u32, Vec<u32>)>;

struct Machine<'a> {
    function: &'a Function,
    cells: HashMap<Cell, [u32; LANES]>,
    exec: u32,
    scc: bool,
    trace: Trace,
    /// How often each buffer has been written.
    written: HashMap<u32, u32>,
}

fn hash(values: &[u32]) -> u32 {
    let mut state = 0x811c_9dc5u32;
    for value in values {
        state = (state ^ value).wrapping_mul(0x0100_0193).rotate_left(13);
    }
    state ^ state >> 15
}

/// Executes a function for at most `steps` instructions; what it stored, or `None` if it went on.
pub(super) fn execute(function: &Function, steps: usize) -> Option<Trace> {
    let mut machine = Machine {
        function,
        cells: HashMap::new(),
        exec: (1 << LANES) - 1,
        scc: false,
        trace: Trace::new(),
        written: HashMap::new(),
    };
    for (register, place) in &function.live_in {
        for dword in 0..function.registers[register.0 as usize].dwords {
            let (vector, number) = match place {
                isa::Operand::V(number) => (true, number + dword),
                isa::Operand::S(number) => (false, number + dword),
                _ => continue,
            };
            let value = std::array::from_fn(|lane| {
                hash(&[77, u32::from(number), if vector { lane as u32 } else { 0 }])
            });
            machine.cells.insert(Cell::Virtual(*register, dword), value);
            machine.cells.insert(Cell::Machine(vector, number), value);
        }
    }
    let (mut block, mut at) = (0, 0);
    for _ in 0..steps {
        while at == function.blocks[block].insts.len() {
            (block, at) = (block + 1, 0);
        }
        let inst = &function.blocks[block].insts[at];
        at += 1;
        let taken = match inst.kind {
            Kind::Isa(Op::S_ENDPGM) => {
                machine.trace.sort_by_key(|entry| entry.0);
                return Some(machine.trace);
            }
            Kind::Isa(Op::S_BRANCH) => true,
            Kind::Isa(Op::S_CBRANCH_SCC1) => machine.scc,
            Kind::Isa(Op::S_CBRANCH_SCC0) => !machine.scc,
            Kind::Isa(Op::S_CBRANCH_EXECZ) => machine.exec == 0,
            Kind::Isa(Op::S_CBRANCH_EXECNZ) => machine.exec != 0,
            _ => {
                machine.step(inst);
                false
            }
        };
        if taken {
            (block, at) = (inst.target?.0 as usize, 0);
        }
    }
    None
}

impl Machine<'_> {
    fn cell(operand: Operand, dword: u8) -> Option<Cell> {
        Some(match operand {
            Operand::Virtual(register, first) => Cell::Virtual(register, first + dword),
            Operand::Fixed(isa::Operand::V(first)) => Cell::Machine(true, first + dword),
            Operand::Fixed(isa::Operand::S(first)) => Cell::Machine(false, first + dword),
            _ => return None,
        })
    }

    fn read(&self, operand: Operand, dword: u8) -> [u32; LANES] {
        match operand {
            EXEC => [self.exec; LANES],
            Operand::Fixed(isa::Operand::S(124)) => [0; LANES],
            Operand::Fixed(isa::Operand::Inline(code @ 128..=192)) => {
                [u32::from(code) - 128; LANES]
            }
            Operand::Fixed(isa::Operand::Inline(code @ 193..=208)) => {
                [192u32.wrapping_sub(u32::from(code)); LANES]
            }
            Operand::Fixed(isa::Operand::Literal(bits)) => [bits; LANES],
            _ => Self::cell(operand, dword)
                .and_then(|cell| self.cells.get(&cell).copied())
                .unwrap_or([0xdead_beef; LANES]),
        }
    }

    fn write(&mut self, operand: Operand, dword: u8, value: [u32; LANES], lanes: u32) {
        if operand == EXEC {
            self.exec = value[0] & ((1 << LANES) - 1);
        } else if let Some(cell) = Self::cell(operand, dword) {
            let old = self.cells.entry(cell).or_insert([0xdead_beef; LANES]);
            for lane in (0..LANES).filter(|lane| lanes >> lane & 1 != 0) {
                old[lane] = value[lane];
            }
        }
    }

    fn step(&mut self, inst: &Inst) {
        match &inst.kind {
            Kind::Undefined => {}
            Kind::Copies(pairs) => {
                let values: Vec<_> = pairs.iter().map(|(_, s)| self.read(*s, 0)).collect();
                for ((destination, _), value) in pairs.iter().zip(values) {
                    self.write(*destination, 0, value, self.lanes(*destination));
                }
            }
            Kind::Isa(op) => self.isa(inst, *op),
        }
    }

    fn lanes(&self, destination: Operand) -> u32 {
        match file(self.function, destination) {
            Some(File::Vector) => self.exec,
            _ => u32::MAX,
        }
    }

    fn isa(&mut self, inst: &Inst, op: Op) {
        let s = inst.src;
        let one = |m: &Self, index: usize| m.read(s[index], 0);
        let scalar = |m: &mut Self, value: u32| m.write(inst.dst[0], 0, [value; LANES], u32::MAX);
        let all = (1 << LANES) - 1;
        match op {
            Op::V_MOV_B32 | Op::S_MOV_B32 => {
                let value = one(self, 0);
                return self.write(inst.dst[0], 0, value, self.lanes(inst.dst[0]));
            }
            Op::V_SWAP_B32 => {
                let (a, b) = (self.read(inst.dst[0], 0), one(self, 0));
                self.write(inst.dst[0], 0, b, self.exec);
                return self.write(s[0], 0, a, self.exec);
            }
            Op::S_AND_SAVEEXEC_B32 | Op::S_OR_SAVEEXEC_B32 => {
                let (was, mask) = (self.exec, one(self, 0)[0]);
                let and = op == Op::S_AND_SAVEEXEC_B32;
                self.exec = all & if and { was & mask } else { was | mask };
                self.scc = self.exec != 0;
                return scalar(self, was);
            }
            Op::S_AND_B32 | Op::S_XOR_B32 | Op::S_AND_NOT1_B32 => {
                let (a, b) = (one(self, 0)[0], one(self, 1)[0]);
                let value = match op {
                    Op::S_AND_B32 => a & b,
                    Op::S_XOR_B32 => a ^ b,
                    _ => a & !b,
                };
                self.scc = value != 0;
                return scalar(self, value);
            }
            Op::S_ADD_I32 => {
                let value = one(self, 0)[0].wrapping_add(one(self, 1)[0]);
                self.scc = value & 1 != 0;
                return scalar(self, value);
            }
            Op::S_CMP_LT_I32 => {
                self.scc = (one(self, 0)[0] as i32) < one(self, 1)[0] as i32;
                return;
            }
            Op::S_CSELECT_B32 => {
                let value = one(self, usize::from(!self.scc))[0];
                return scalar(self, value);
            }
            _ => {}
        }
        self.hashed(inst, op);
    }

    /// Any other instruction: results are hashes of what it reads.
    fn hashed(&mut self, inst: &Inst, op: Op) {
        let name = match op {
            Op::V_FMAC_F32 => Op::V_FMA_F32,
            other => other,
        };
        let mut inputs: Vec<[u32; LANES]> = Vec::new();
        reads(inst, |place, operand, dwords| {
            let operand = match place {
                READ_DST => inst.dst[0],
                READ_VCC => Operand::Fixed(isa::Operand::VCC),
                _ => operand,
            };
            inputs.extend((0..dwords).map(|dword| self.read(operand, dword)));
        });
        let buffer = match inst.memory {
            Some(Memory::Buffer(buffer)) => buffer,
            _ => u32::MAX,
        };
        let effects = op.row().effects;
        let written = self.written.get(&buffer).copied().unwrap_or(0);
        let state = [
            if effects.reads_scc {
                u32::from(self.scc)
            } else {
                0
            },
            if inst.memory.is_some() { written } else { 0 },
        ];
        if effects.writes_scc {
            self.scc = hash(&[name as u32, inputs[0][0], inputs[1][0]]) >> 9 & 1 != 0;
        }
        // Some instructions look at all lanes.
        let everywhere = op.row().effects.ignores_exec;
        let lane_hash = |lane: usize, salt: u32| {
            let mut values = vec![
                state[0],
                state[1],
                name as u32,
                salt,
                inst.imm as u32,
                u32::from(inst.mods.op_sel),
            ];
            values.extend(inputs.iter().map(|input| input[lane]));
            if name == Op::V_FMA_F32 {
                values[6..8].sort_unstable();
            }
            hash(&values)
        };
        let exec = if everywhere {
            (1 << LANES) - 1
        } else {
            self.exec
        };
        if op.row().dst.is_empty() || op.row().class == isa::Class::VmemAtomic {
            *self.written.entry(buffer).or_default() += 1;
            for lane in (0..LANES).filter(|lane| exec >> lane & 1 != 0) {
                let mut values = vec![lane as u32];
                values.extend(inputs.iter().map(|input| input[lane]));
                self.trace.push((buffer, name as u32, values));
            }
        }
        let mut results = Vec::new();
        writes(self.function, inst, |number, operand, dwords| {
            for dword in 0..dwords {
                let salt = (number * 100) as u32 + u32::from(dword);
                let value = match file(self.function, operand) {
                    Some(File::Vector) => std::array::from_fn(|lane| lane_hash(lane, salt)),
                    // A mask from a vector instruction, a load or arithmetic from a scalar one.
                    _ if op.row().format == Format::Vopc => {
                        let lanes = (0..LANES).filter(|lane| exec >> lane & 1 != 0);
                        [lanes
                            .map(|lane| (lane_hash(lane, salt) >> 7 & 1) << lane)
                            .sum(); LANES]
                    }
                    _ => [lane_hash(0, salt); LANES],
                };
                results.push((operand, dword, value));
            }
        });
        for (operand, dword, value) in results {
            let lanes = match file(self.function, operand) {
                Some(File::Vector) => exec,
                _ => u32::MAX,
            };
            self.write(operand, dword, value, lanes);
        }
    }
}

/// Where two traces part.
pub(super) fn first_difference(a: &Option<Trace>, b: &Option<Trace>) -> String {
    let (Some(a), Some(b)) = (a, b) else {
        return format!("ends: {} {}", a.is_some(), b.is_some());
    };
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    format!(
        "{} and {} entries, first difference {at:?}: {:?}",
        a.len(),
        b.len(),
        at.map(|at| (&a[at], &b[at]))
    )
}
