//! How many wave-instructions per second one core executes: `cargo run --release -p gfx1100-interpreter --example speed`.
//!
//! Each line is a loop of 64 instructions of one kind, run strictly and leniently by one wave on one thread. Time is that
//! which the thread was running, so that other load on the machine counts less.

use std::time::Instant;

use gfx1100_interpreter::{Machine, Options, Program, Regions, Strictness, WaveState, execute};
use gfx1100_isa::{Inst, Op, Operand, encode};

/// Times that the loop goes round.
const ROUNDS: u32 = 100_000;
/// Copies of the instruction in the loop.
const COPIES: i32 = 64;

fn bytes(insts: &[Inst]) -> Vec<u8> {
    let words = insts.iter().map(|inst| match encode(inst) {
        Ok(words) => words,
        Err(error) => panic!("the benchmark's own code: {error}"),
    });
    words
        .flat_map(|words| words.to_vec())
        .flat_map(u32::to_le_bytes)
        .collect()
}

fn sopp(op: Op, imm: i32) -> Inst {
    let mut inst = Inst::new(op, &[], &[]);
    inst.imm = imm;
    inst
}

/// The instruction `COPIES` times in a loop of `ROUNDS`.
fn program(body: Inst) -> Vec<u8> {
    let counter = Operand::S(10);
    let mut code = vec![Inst::new(
        Op::S_MOV_B32,
        &[counter],
        &[Operand::Literal(ROUNDS)],
    )];
    code.extend((0..COPIES).map(|_| body));
    let mut subtract = Inst::new(Op::S_SUB_U32, &[counter], &[counter]);
    subtract.src[1] = Operand::Inline(129);
    let mut compare = Inst::new(Op::S_CMP_LG_U32, &[], &[counter]);
    compare.src[1] = Operand::Inline(128);
    let tail = [body, subtract, compare, sopp(Op::S_CBRANCH_SCC1, 0)];
    let back = -((bytes(&tail).len() + bytes(&[body]).len() * (COPIES as usize - 1)) as i32) / 4;
    code.extend([subtract, compare]);
    code.push(sopp(Op::S_CBRANCH_SCC1, back & 0xffff));
    code.push(sopp(Op::S_ENDPGM, 0));
    bytes(&code)
}

/// Nanoseconds that this thread has been running, where Linux says it.
fn running() -> Option<u64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_ascii_whitespace().next()?.parse().ok()
}

/// Wave-instructions per second.
fn rate(code: &[u8], exec: u32, strictness: Strictness) -> f64 {
    let program = match Program::new(code, 0, 256) {
        Ok(program) => program,
        Err(error) => panic!("the benchmark's own code: {error}"),
    };
    let mut wave = WaveState {
        exec,
        scc: Some(false),
        vcc: [Some(0x5555_5555), None],
        ..WaveState::default()
    };
    for register in 0..16 {
        let lanes = std::array::from_fn(|lane| Some((lane as f32 * 0.5 + 1.0).to_bits()));
        wave.vgprs.insert(register, lanes);
        wave.sgprs.insert(register, 0x3f80_0000);
    }
    let machine = Machine {
        waves: vec![wave],
        ..Machine::default()
    };
    let options = Options {
        strictness,
        ..Options::default()
    };
    let memory = Regions::new();
    let start = (Instant::now(), running());
    let outcome = execute(&program, &machine, &memory, &options);
    let seconds = match (start.1, running()) {
        (Some(before), Some(after)) => (after - before) as f64 * 1e-9,
        _ => start.0.elapsed().as_secs_f64(),
    };
    if let Some(stop) = outcome.stop {
        panic!("the benchmark's own code: {stop}");
    }
    outcome.report.instructions as f64 / seconds
}

fn main() {
    let v = Operand::V;
    let mut half = Inst::new(Op::V_ADD_F16, &[v(4)], &[v(2), v(3)]);
    half.mods.op_sel = 0;
    let dual = Inst {
        src: [v(0), v(1), v(2), v(3)],
        dual: Some(gfx1100_isa::Dual {
            x: Op::V_MUL_F32,
            y: Op::V_ADD_F32,
            literal: None,
        }),
        ..Inst::new(Op::V_DUAL, &[v(4), v(5)], &[])
    };
    let kinds = [
        (
            "v_add_nc_u32 v, v, v",
            Inst::new(Op::V_ADD_NC_U32, &[v(4)], &[v(2), v(3)]),
        ),
        (
            "v_add_f32 v, s, v",
            Inst::new(Op::V_ADD_F32, &[v(4)], &[Operand::S(2), v(3)]),
        ),
        (
            "v_fma_f32 v, v, v, v",
            Inst::new(Op::V_FMA_F32, &[v(4)], &[v(1), v(2), v(3)]),
        ),
        (
            "v_fmac_f32 v, v, v",
            Inst::new(Op::V_FMAC_F32, &[v(4)], &[v(2), v(3)]),
        ),
        (
            "v_cndmask_b32 v, v, v, vcc",
            Inst::new(Op::V_CNDMASK_B32, &[v(4)], &[v(2), v(3), Operand::VCC]),
        ),
        (
            "v_cmp_lt_f32 vcc, v, v",
            Inst::new(Op::V_CMP_LT_F32, &[Operand::VCC], &[v(2), v(3)]),
        ),
        (
            "v_pk_fma_f16 v, v, v, v",
            Inst::new(Op::V_PK_FMA_F16, &[v(4)], &[v(1), v(2), v(3)]),
        ),
        ("v_add_f16 v, v, v", half),
        ("v_dual_mul_f32 :: v_dual_add_f32", dual),
        (
            "s_add_u32 s, s, s",
            Inst::new(
                Op::S_ADD_U32,
                &[Operand::S(4)],
                &[Operand::S(2), Operand::S(3)],
            ),
        ),
    ];
    println!("million wave-instructions per second and core");
    println!(
        "{:36} {:>8} {:>8} {:>14}",
        "", "strict", "lenient", "strict, EXEC/2"
    );
    for (name, inst) in kinds {
        let code = program(inst);
        let million = |exec, strictness| rate(&code, exec, strictness) / 1e6;
        println!(
            "{name:36} {:8.1} {:8.1} {:14.1}",
            million(u32::MAX, Strictness::strict()),
            million(u32::MAX, Strictness::lenient()),
            million(0x5555_5555, Strictness::strict()),
        );
    }
}
