//! Takes out moves into vector registers that repeat an earlier one of their block.
//!
//! Fields that take vector registers only get a copy of what selection has in a scalar register, each field its own: the
//! address of an LDS access, say. One copy serves all accesses of the block with that address, as long as the scalar
//! register keeps its value and the same lanes are on.

use std::collections::HashMap;

use super::operands::writes;
use super::{File, Function, Inst, Kind, Operand, Register};
use gfx1100_isa as isa;
use isa::Op;

/// Takes them out of every block.
pub fn run(function: &mut Function) {
    let once = written_once(function);
    let mut stands_for: HashMap<Register, Operand> = HashMap::new();
    for index in 0..function.blocks.len() {
        let mut block = std::mem::take(&mut function.blocks[index].insts);
        // By source: the register that holds it.
        let mut held: HashMap<Operand, Operand> = HashMap::new();
        block.retain(|inst| {
            if let Some((to, register)) = copy(function, &once, inst) {
                let first = *held.entry(inst.src[0]).or_insert(to);
                if first != to {
                    stands_for.insert(register, first);
                }
                return first == to;
            }
            if changes_lanes(inst) {
                held.clear();
            }
            writes(function, inst, |_, operand, dwords| {
                if let Operand::Virtual(register, first) = operand {
                    held.retain(|source, _| {
                        !matches!(*source, Operand::Virtual(other, dword)
                            if other == register && (first..first + dwords).contains(&dword))
                    });
                }
            });
            true
        });
        function.blocks[index].insts = block;
    }
    let rename = |operand: &mut Operand| {
        if let Operand::Virtual(register, _) = operand
            && let Some(first) = stands_for.get(register)
        {
            *operand = *first;
        }
    };
    for inst in function
        .blocks
        .iter_mut()
        .flat_map(|block| &mut block.insts)
    {
        inst.src.iter_mut().for_each(rename);
        if let Kind::Copies(pairs) = &mut inst.kind {
            pairs.iter_mut().for_each(|(_, source)| rename(source));
        }
    }
}

/// Registers with a single write, of all their dwords.
fn written_once(function: &Function) -> Vec<bool> {
    let mut times = vec![0; function.registers.len()];
    for (register, _) in &function.live_in {
        times[register.0 as usize] += 1;
    }
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        writes(function, inst, |_, operand, _| {
            if let Operand::Virtual(register, _) = operand {
                times[register.0 as usize] += 1;
            }
        });
    }
    let data = function.registers.iter();
    times
        .iter()
        .zip(data)
        .map(|(times, data)| *times == 1 && data.dwords == 1)
        .collect()
}

/// Destination of a plain move of a scalar register into a vector register that is written nowhere else.
fn copy(function: &Function, once: &[bool], inst: &Inst) -> Option<(Operand, Register)> {
    let (Operand::Virtual(to, 0), Operand::Virtual(from, _)) = (inst.dst[0], inst.src[0]) else {
        return None;
    };
    let (target, source) = (
        function.registers[to.0 as usize],
        function.registers[from.0 as usize],
    );
    let plain = inst.kind == Kind::Isa(Op::V_MOV_B32) && inst.mods == isa::Mods::default();
    let files = target.file == File::Vector && source.file == File::Scalar;
    let ours = plain && files && once[to.0 as usize] && !target.whole_wave;
    ours.then_some((inst.dst[0], to))
}

fn changes_lanes(inst: &Inst) -> bool {
    let names = inst.dst.contains(&Operand::Fixed(isa::Operand::EXEC));
    names || matches!(inst.kind, Kind::Isa(op) if op.row().effects.writes_exec)
}

#[cfg(test)]
mod tests {
    use super::super::RegisterData;
    use super::super::builder::{Builder, EXEC, inst};
    use super::super::execute::{execute, first_difference};
    use super::super::random_functions::random_function;
    use super::super::testing::Random;
    use super::*;

    /// Moves of the function that [`run`] leaves.
    fn moves(builder: Builder) -> Vec<Inst> {
        let mut function = builder.function;
        run(&mut function);
        let insts = function.blocks.into_iter().flat_map(|block| block.insts);
        insts
            .filter(|inst| inst.kind == Kind::Isa(Op::V_MOV_B32))
            .collect()
    }

    #[test]
    fn repeated_copies_go_and_their_readers_take_the_first() {
        let mut b = Builder::new();
        let scalar = b.arrive(File::Scalar, 1, isa::Operand::S(0));
        let [first, second, sum] = [(); 3].map(|()| b.register(File::Vector, 1));
        b.push(Op::V_MOV_B32, &[first], &[scalar]);
        b.push(Op::V_MOV_B32, &[second], &[scalar]);
        b.push(Op::V_ADD_F32, &[sum], &[first, second]);
        let mut function = b.function;
        run(&mut function);
        let expected = [
            inst(Op::V_MOV_B32, &[first], &[scalar]),
            inst(Op::V_ADD_F32, &[sum], &[first, first]),
        ];
        assert_eq!(function.blocks[0].insts, expected);
    }

    #[test]
    fn copies_stay_where_the_source_or_the_lanes_have_changed() {
        for change in [0, 1, 2] {
            let mut b = Builder::new();
            let scalar = b.arrive(File::Scalar, 1, isa::Operand::S(0));
            let [first, second] = [(); 2].map(|()| b.register(File::Vector, 1));
            b.push(Op::V_MOV_B32, &[first], &[scalar]);
            match change {
                0 => b.push(Op::S_ADD_I32, &[scalar], &[scalar, scalar]),
                1 => b.push(Op::S_MOV_B32, &[EXEC], &[scalar]),
                _ => b.push(Op::S_NOP, &[], &[]),
            };
            b.push(Op::V_MOV_B32, &[second], &[scalar]);
            assert_eq!(moves(b).len(), if change == 2 { 1 } else { 2 });
        }
    }

    /// The function with two copies of each scalar register that an arithmetic vector instruction reads, of which it reads
    /// the second.
    fn with_copies(mut function: Function) -> Function {
        for index in 0..function.blocks.len() {
            let mut insts = Vec::new();
            for mut reader in std::mem::take(&mut function.blocks[index].insts) {
                let Kind::Isa(op) = reader.kind else {
                    insts.push(reader);
                    continue;
                };
                for (source, slot) in reader.src.iter_mut().zip(op.row().src) {
                    let scalar = matches!(*source, Operand::Virtual(register, _)
                        if function.registers[register.0 as usize].file == File::Scalar);
                    let takes_both = slot.field == isa::Field::Src && slot.ty.dwords() == 1;
                    if !(scalar && takes_both && op.row().class == isa::Class::Valu) {
                        continue;
                    }
                    let copies = [(); 2].map(|()| {
                        function.registers.push(RegisterData {
                            file: File::Vector,
                            dwords: 1,
                            mask: false,
                            whole_wave: false,
                        });
                        Operand::Virtual(Register(function.registers.len() as u32 - 1), 0)
                    });
                    insts.extend(copies.map(|copy| inst(Op::V_MOV_B32, &[copy], &[*source])));
                    let [_, vector] = copies;
                    *source = vector;
                }
                insts.push(reader);
            }
            function.blocks[index].insts = insts;
        }
        function
    }

    #[test]
    fn random_functions_compute_the_same() {
        let mut rng = Random::new("repeats", 0x2e9e_a751);
        let (mut taken, mut ran) = (0, 0);
        for number in 0..150 {
            let budget = 5 + rng.below(120);
            let function = with_copies(random_function(&mut rng, budget as usize));
            let mut after = function.clone();
            run(&mut after);
            taken += usize::from(after != function);
            let (before, after) = (execute(&function, 100_000), execute(&after, 100_000));
            assert!(
                before == after,
                "function {number}: {}\n{function}",
                first_difference(&before, &after)
            );
            ran += usize::from(before.is_some());
        }
        assert!(taken > 5 && ran > 120, "{taken} changed, {ran} ended");
    }
}
