//! What the tests of the passes share: random numbers, random code, and an evaluator that knows what an instruction
//! computes only as far as that equal operations on equal values give equal results.

use std::hash::{DefaultHasher, Hash, Hasher};

use gfx1100_isa::{Class, Format, Inst, Op, Operand, Place};

use super::BlockId;
use super::code::{Block, Code, Line, control};
use super::spans::{Span, UNITS, results, sources};

/// Random numbers with a seed that is printed, so that a failure can be repeated (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// A sequence for the test `name`.
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        println!("{name}: seed {seed:#x}");
        Self(seed)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (((z >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// One of them.
    pub(crate) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}

/// An instruction with its operands; buffer accesses take their address from a register.
pub(crate) fn inst(op: Op, dst: &[Operand], src: &[Operand]) -> Inst {
    let mut inst = Inst::new(op, dst, src);
    inst.mods.offen = op.row().format == Format::Mubuf;
    inst
}

/// The state of a wave, each unit as a number that stands for its value.
#[derive(Clone)]
struct Wave {
    units: Vec<u64>,
    memory: u64,
}

fn mix(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Wave {
    fn new() -> Self {
        Self {
            units: (0..UNITS).map(|unit| mix(("start", unit))).collect(),
            memory: 0,
        }
    }

    /// One number for all that is left to be seen: SCC is not, which no one reads after the end.
    fn result(mut self) -> u64 {
        self.units[usize::from(Span::SCC.first)] = 0;
        mix((self.units, self.memory))
    }

    fn value(&self, operand: Operand, dwords: u8) -> u64 {
        match operand {
            Operand::None | Operand::S(124) => 0,
            Operand::Literal(bits) => mix(bits),
            Operand::Inline(242) => mix(1_f32.to_bits()),
            Operand::Inline(244) => mix(2_f32.to_bits()),
            Operand::Inline(code @ 128..=192) => mix(u32::from(code) - 128),
            Operand::Inline(code) => mix(("inline", code)),
            register => {
                let span = Span::of(register, dwords).expect("what is left is a register");
                mix(span
                    .units()
                    .map(|unit| self.units[unit])
                    .collect::<Vec<_>>())
            }
        }
    }

    /// Name and sources of one operation, the same for all ways to write it.
    fn operation(&self, inst: &Inst) -> (&'static str, Vec<u64>) {
        let place = |place| self.value(inst.get(place), inst.dwords(place));
        let mut from = [Place::Src0, Place::Src1, Place::Src2, Place::Src3].map(place);
        let accumulator = self.value(inst.dst[0], 1);
        let immediate = mix(i32::from(inst.imm as i16) as u32);
        let row = inst.op.row();
        let name = match inst.op {
            Op::V_FMAMK_F32 | Op::V_FMAAK_F32 => "v_fma_f32",
            Op::V_FMAC_F32 => {
                from[2] = accumulator;
                "v_fma_f32"
            }
            Op::V_SUBREV_F32 | Op::V_SUBREV_NC_U32 => {
                from.swap(0, 1);
                if inst.op == Op::V_SUBREV_F32 {
                    "v_sub_f32"
                } else {
                    "v_sub_nc_u32"
                }
            }
            Op::S_MOVK_I32 => return ("s_mov_b32", vec![immediate]),
            Op::S_ADDK_I32 | Op::S_MULK_I32 => {
                (from[0], from[1]) = (accumulator, immediate);
                if inst.op == Op::S_ADDK_I32 {
                    "s_add_i32"
                } else {
                    "s_mul_i32"
                }
            }
            Op::S_ADD_U32 => "s_add_i32",
            _ => row.name,
        };
        let multiplies =
            name == "v_fma_f32" || name.starts_with("s_add") || name.starts_with("s_mul");
        if row.effects.commutes || multiplies {
            from[..2].sort_unstable();
        }
        let from = from.into_iter().filter(|value| *value != 0);
        (name, from.collect())
    }

    /// What an instruction that is not a pair computes.
    fn computed(&self, inst: &Inst) -> u64 {
        let row = inst.op.row();
        let offset = if row.bytes > 0 { inst.imm } else { 0 };
        let value = mix((self.operation(inst), offset, inst.mods.op_sel));
        let exec = self.units[usize::from(Span::EXEC.first)];
        match sources(inst).contains(&Span::EXEC) {
            true => mix((value, exec)),
            false => value,
        }
    }

    /// Executes one instruction; control instructions do nothing.
    fn step(&mut self, inst: &Inst) {
        let class = inst.op.row().class;
        if matches!(class, Class::Control | Class::Branch | Class::End) {
            return;
        }
        if let Some(dual) = inst.dual {
            let half = |op: Op, k: usize| {
                let literal = Operand::Literal(dual.literal.unwrap_or(0));
                let [a, b] = [inst.src[2 * k], inst.src[2 * k + 1]];
                let src = match op {
                    Op::V_FMAMK_F32 => vec![a, literal, b],
                    Op::V_FMAAK_F32 => vec![a, b, literal],
                    Op::V_CNDMASK_B32 => vec![a, b, Operand::VCC],
                    _ => vec![a, b],
                };
                Inst::new(op, &inst.dst[k..=k], &src)
            };
            let halves = [half(dual.x, 0), half(dual.y, 1)];
            // Both read before either writes; moves copy, so they are taken from the state before as well.
            let before = self.clone();
            for half in halves {
                self.write(&half, before.computed(&half), &before);
            }
            return;
        }
        let before = self.clone();
        let value = self.computed(inst);
        match class {
            Class::VmemStore | Class::LdsStore => self.memory = mix((value, self.memory)),
            Class::VmemLoad | Class::LdsLoad | Class::Smem => {
                self.write(inst, mix((value, self.memory)), &before);
            }
            _ => self.write(inst, value, &before),
        }
    }

    fn write(&mut self, inst: &Inst, value: u64, before: &Self) {
        let moves = matches!(inst.op, Op::V_MOV_B32 | Op::S_MOV_B32);
        for (n, unit) in results(inst)
            .iter()
            .flat_map(|span| span.units())
            .enumerate()
        {
            self.units[unit] = match Span::of(inst.src[0], 1) {
                Some(from) if moves => before.units[usize::from(from.first)],
                _ => mix((value, n)),
            };
        }
    }
}

/// Runs `code` from its entry, branches going by what SCC stands for, for at most `fuel` blocks; whether it ended in them,
/// and a number for its result.
pub(crate) fn run(code: &Code, fuel: u32) -> (bool, u64) {
    let mut wave = Wave::new();
    let mut block = 0;
    for _ in 0..fuel {
        let mut next = block + 1;
        for line in &code.blocks[block].lines {
            wave.step(&line.inst);
            let bit = wave.units[usize::from(Span::SCC.first)] & 1 != 0;
            let taken = match line.inst.op {
                Op::S_BRANCH => true,
                Op::S_CBRANCH_SCC1 => bit,
                Op::S_CBRANCH_SCC0 => !bit,
                Op::S_ENDPGM => return (true, wave.result()),
                _ => false,
            };
            if let Some(BlockId(target)) = line.target.filter(|_| taken) {
                next = target as usize;
                break;
            }
        }
        block = next;
    }
    (false, wave.result())
}

/// Code of so many blocks, each of up to nine lines that `line` makes; the last ends the program, others may branch on.
pub(crate) fn random_code(
    random: &mut Random,
    blocks: u32,
    line: impl Fn(&mut Random) -> Inst,
) -> Code {
    let mut code = Code::default();
    for n in 0..blocks {
        let mut block = Block::default();
        for _ in 0..random.below(10) {
            block.lines.push(Line::added(line(random), 0));
        }
        if n + 1 == blocks {
            block.lines.push(Line::added(control(Op::S_ENDPGM, 0), 0));
        } else {
            let branches = [
                Op::S_CBRANCH_SCC0,
                Op::S_CBRANCH_SCC1,
                Op::S_BRANCH,
                Op::S_NOP,
            ];
            for op in [random.choose(&branches), random.choose(&branches)] {
                let mut branch = Line::added(control(op, 0), 0);
                branch.target = Some(BlockId(random.below(blocks)));
                let ended = block.lines.last().is_some_and(|line| line.target.is_some());
                if op != Op::S_NOP && !(ended && op != Op::S_BRANCH) {
                    block.lines.push(branch);
                }
                if op == Op::S_BRANCH {
                    break;
                }
            }
        }
        code.blocks.push(block);
    }
    code
}

/// A line of arithmetic on few registers, with what shrinking and pairing look at: constants, accumulation, exchange; and
/// loads and stores between.
pub(crate) fn arithmetic(random: &mut Random) -> Inst {
    let v = |random: &mut Random| Operand::V(random.below(10) as u8);
    let s = |random: &mut Random| Operand::S(20 + random.below(3) as u8);
    let any = |random: &mut Random| match random.below(8) {
        0 => s(random),
        1 => Operand::Inline(random.choose(&[128, 130, 242, 244])),
        2 => Operand::Literal(random.choose(&[0x4048_f5c3, 100])),
        _ => v(random),
    };
    let two = [
        Op::V_ADD_F32,
        Op::V_SUB_F32,
        Op::V_MUL_F32,
        Op::V_MAX_F32,
        Op::V_ADD_NC_U32,
        Op::V_LSHLREV_B32,
        Op::V_AND_B32,
        Op::V_XOR_B32,
        Op::V_SUBREV_F32,
    ];
    let scalar = [Op::S_ADD_U32, Op::S_ADD_I32, Op::S_MUL_I32, Op::S_AND_B32];
    let (d, a, b) = (v(random), v(random), v(random));
    loop {
        let made = match random.below(16) {
            0..=4 => inst(random.choose(&two), &[d], &[any(random), b]),
            5..=8 => {
                let c = if random.below(2) == 0 { d } else { any(random) };
                let mut fma = inst(Op::V_FMA_F32, &[d], &[any(random), any(random), c]);
                fma.encoding = gfx1100_isa::Encoding::Native;
                fma
            }
            9 => inst(Op::V_MOV_B32, &[d], &[any(random)]),
            10 => inst(Op::V_CNDMASK_B32, &[d], &[any(random), b, Operand::VCC]),
            11 => inst(
                Op::BUFFER_LOAD_B32,
                &[d],
                &[a, Operand::None, Operand::S(8), Operand::NULL],
            ),
            12 => inst(
                Op::BUFFER_STORE_B32,
                &[],
                &[a, b, Operand::S(8), Operand::NULL],
            ),
            13 => inst(Op::S_CSELECT_B32, &[s(random)], &[s(random), s(random)]),
            14 => inst(Op::S_MOV_B32, &[s(random)], &[any(random)]),
            _ => {
                let d = s(random);
                let b = Operand::Literal(random.choose(&[0x1234, 0x12345, 0xffff_8000]));
                inst(random.choose(&scalar), &[d], &[d, b])
            }
        };
        if gfx1100_isa::encode(&made).is_ok() {
            return made;
        }
    }
}

/// Reads what `Display` of [`Code`] writes; the first block's label may be left out, and the rest of a line after `;`.
pub(crate) fn parse(text: &str) -> Code {
    let mut code = Code::default();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default().trim();
        let number = |label: &str| label.strip_prefix('b').and_then(|n| n.parse::<u32>().ok());
        if line.strip_suffix(':').and_then(number).is_some() {
            code.blocks.push(Block::default());
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if code.blocks.is_empty() {
            code.blocks.push(Block::default());
        }
        let (name, operands) = line.split_once(' ').unwrap_or((line, ""));
        let op = Op::from_name(name);
        let mut parsed = match op.filter(|op| op.row().class == Class::Branch) {
            Some(op) => Line::added(control(op, 0), 0),
            None => {
                let insts = gfx1100_isa::assemble(line);
                let insts = insts.unwrap_or_else(|error| panic!("{line}: {error}"));
                Line::added(insts[0], 0)
            }
        };
        if parsed.inst.op.row().class == Class::Branch {
            parsed.target = number(operands.trim()).map(BlockId);
        }
        let block = code.blocks.last_mut().expect("a block was begun");
        block.lines.push(parsed);
    }
    code
}

/// Runs a pass on text and compares with text. What a line is there for may stand after `;`.
pub(crate) fn check(pass: fn(&mut Code), before: &str, after: &str) {
    let mut code = parse(before);
    pass(&mut code);
    assert_eq!(code.to_string(), parse(after).to_string());
}

/// [`check`] for what the pass leaves alone.
pub(crate) fn unchanged(pass: fn(&mut Code), text: &str) {
    check(pass, text, text);
}
