//! Kernels compiled to the end and executed by the interpreter, strictly, against the evaluator of the SSA form; and what
//! instructions some of them became.

mod forms;
mod loops;

use gfx1100_interpreter::{Launch as Dispatch, Mode, Options, Program, Regions, dispatch};
use shaders::descriptor;

use crate::{CodeObject, compile, front, ir, opt};

const CODE: u64 = 0x1_0000_0000;
const ARGUMENTS: u64 = 0x2_0000_0000;
const BUFFERS: u64 = 0x10_0000_0000;
const DISTANCE: u64 = 1 << 32;

/// A kernel, its buffers and its launch.
struct Case<'a> {
    source: &'a str,
    buffers: Vec<Vec<u8>>,
    immediates: Vec<u8>,
    groups: [u32; 3],
}

fn execute(object: &CodeObject, case: &Case<'_>) -> Result<Vec<Vec<u8>>, String> {
    let place = |k: usize| BUFFERS + DISTANCE * k as u64;
    let mut memory = Regions::new();
    let mut arguments = Vec::new();
    for (k, buffer) in case.buffers.iter().enumerate() {
        let words = descriptor(place(k), buffer.len() as u32);
        arguments.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        memory.add(place(k), buffer).map_err(|e| format!("{e:?}"))?;
    }
    arguments.extend(&case.immediates);
    arguments.resize(object.arguments.bytes as usize, 0);
    if let Some(at) = object.arguments.workgroups {
        for (k, count) in case.groups.iter().enumerate() {
            arguments[at as usize + 4 * k..][..4].copy_from_slice(&count.to_le_bytes());
        }
    }
    memory
        .add(ARGUMENTS, &arguments)
        .map_err(|e| format!("{e:?}"))?;
    let program = Program::new(&object.code, CODE, object.vgprs).map_err(|e| e.to_string())?;
    let launch = Dispatch {
        workgroups: case.groups,
        workgroup_size: object.workgroup_size,
        arguments: ARGUMENTS,
        user_sgprs: object.user_sgprs,
        workgroup_ids: object.workgroup_ids,
        local_id_components: object.local_id_components,
        lds_bytes: object.lds_bytes,
        lds_zeroed: false,
        scratch_bytes: 0,
        mode: Mode::DEFAULT,
    };
    let options = Options {
        max_steps: 1 << 22,
        threads: 1,
        ..Options::default()
    };
    dispatch(&program, &launch, &memory, &options).map_err(|e| e.to_string())?;
    let buffers = case.buffers.iter().enumerate();
    buffers
        .map(|(k, bytes)| {
            memory
                .bytes(place(k), bytes.len())
                .map_err(|e| format!("{e:?}"))
        })
        .collect()
}

/// What the evaluator says of the optimised kernel, which is what selection was given.
fn evaluate(case: &Case<'_>) -> Result<Vec<Vec<u8>>, String> {
    let mut functions = front::compile(case.source, &[]).map_err(|e| format!("{e:?}"))?;
    opt::run(&mut functions[0], &|_| false, &mut |_, _| ()).map_err(|e| format!("{e:?}"))?;
    let mut buffers = case.buffers.clone();
    ir::eval::dispatch(&functions[0], case.groups, &mut buffers, &case.immediates)?;
    Ok(buffers)
}

fn both(case: &Case<'_>) -> Result<(), String> {
    both_off(case, Vec::new())
}

/// The same with passes left out.
fn both_off(case: &Case<'_>, off: Vec<String>) -> Result<(), String> {
    let mut options = crate::Options {
        off,
        ..crate::Options::default()
    };
    let objects = compile(case.source, "case.wgsl", &mut options).map_err(|e| e.to_string())?;
    let (ours, expected) = (execute(&objects[0], case)?, evaluate(case)?);
    for (k, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
        let words = ours.chunks(4).zip(expected.chunks(4));
        if let Some(at) = words.clone().position(|(a, b)| a != b) {
            let (a, b) = (&ours[4 * at..], &expected[4 * at..]);
            return Err(format!(
                "buffer {k}, word {at}: {:02x?}, not {:02x?}",
                &a[..4.min(a.len())],
                &b[..4.min(b.len())]
            ));
        }
    }
    Ok(())
}

/// Runs a kernel of one wave over `input` and `output`, 64 words each, of which lane i takes words i and i + 32.
fn wave(declarations: &str, body: &str, input: &[u32; 64]) -> Result<(), String> {
    let source = format!(
        "{declarations}
         @group(0) @binding(0) var<storage, read> input: array<u32, 64>;
         @group(0) @binding(1) var<storage, read_write> output: array<u32>;
         @compute @workgroup_size(32)
         fn main(@builtin(local_invocation_index) lane: u32) {{
             let a = input[lane]; let b = input[lane + 32u];
             {body}
         }}"
    );
    let bytes = input.iter().flat_map(|word| word.to_le_bytes());
    both(&Case {
        source: &source,
        buffers: vec![bytes.collect(), vec![0xcc; 4 * 32 * 16]],
        immediates: vec![],
        groups: [1, 1, 1],
    })
}

/// Numbers at the edges of what there is, in both operands.
fn edges() -> [u32; 64] {
    const EDGES: [u32; 8] = [0, 1, 2, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, u32::MAX];
    std::array::from_fn(|k| match k {
        0..32 => EDGES[k % 8].wrapping_add((k / 16) as u32),
        _ => EDGES[k / 4 % 8].wrapping_sub((k % 3) as u32),
    })
}

fn check(declarations: &str, expressions: &[&str]) {
    let mut body = String::new();
    for (k, expression) in expressions.iter().enumerate() {
        body += &format!("output[lane * 16u + {k}u] = {expression};\n");
    }
    if let Err(what) = wave(declarations, &body, &edges()) {
        panic!("{expressions:?}: {what}");
    }
}

#[test]
fn integers_are_computed_as_the_form_says() {
    check(
        "",
        &[
            "a + b",
            "a - b",
            "a * b",
            "a & b",
            "a | b",
            "a ^ b",
            "~a",
            "a << (b & 31u)",
        ],
    );
    check(
        "",
        &[
            "a >> (b & 31u)",
            "u32(i32(a) >> (b & 31u))",
            "min(a, b)",
            "max(a, b)",
        ],
    );
    check(
        "",
        &[
            "u32(min(i32(a), i32(b)))",
            "u32(max(i32(a), i32(b)))",
            "u32(abs(i32(a)))",
            "u32(-i32(a))",
        ],
    );
    check(
        "",
        &[
            "countOneBits(a)",
            "reverseBits(a)",
            "countLeadingZeros(a)",
            "countTrailingZeros(a)",
        ],
    );
    check(
        "",
        &[
            "extractBits(a, 3u, 9u)",
            "u32(extractBits(i32(a), 3u, 9u))",
            "insertBits(a, b, 5u, 11u)",
        ],
    );
    check(
        "",
        &[
            "select(a, b, a < b)",
            "select(a, b, i32(a) <= i32(b))",
            "select(1u, 0u, a == b)",
        ],
    );
}

#[test]
fn absorbed_operations_keep_their_meaning() {
    check(
        "",
        &[
            "(a << 4u) + b",
            "(a + b) << 3u",
            "(a & b) | 77u",
            "(a << 7u) | b",
            "a + b + 5u",
            "(a ^ b) + 9u",
        ],
    );
    check(
        "",
        &[
            "(a >> 5u) & 0x3ffu",
            "(a << 3u) >> 9u",
            "u32(i32(a << 8u) >> 20u)",
            "a & ~b",
            "~(a ^ b)",
        ],
    );
    check(
        "",
        &[
            "(a & 0xffffu) * (b & 0xfffu) + 3u",
            "a * 9u",
            "a * 16u",
            "countOneBits(a) + b",
            "(a << 9u) | (b >> 23u)",
        ],
    );
    check(
        "",
        &[
            "min(min(a, b), 12u)",
            "u32(max(max(i32(a), i32(b)), -3))",
            "a | b | 6u",
            "a ^ b ^ 6u",
        ],
    );
    check(
        "",
        &["dot4U8Packed(a, b) + 3u", "u32(dot4I8Packed(a, b)) - 3u"],
    );
}

#[test]
fn division_is_right_for_every_kind_of_divisor() {
    check(
        "",
        &[
            "a / 7u",
            "a % 7u",
            "a / 641u",
            "a % 3u",
            "a / 0x80000001u",
            "a / 16u",
            "a % 16u",
        ],
    );
    check(
        "",
        &[
            "u32(i32(a) / 7)",
            "u32(i32(a) % 7)",
            "u32(i32(a) / -5)",
            "u32(i32(a) / 8)",
            "u32(i32(a) % -8)",
        ],
    );
    check(
        "",
        &[
            "a / max(b, 1u)",
            "a % max(b, 1u)",
            "u32(i32(a) / max(i32(b), 1))",
            "u32(i32(a) % max(i32(b), 1))",
        ],
    );
}

#[test]
fn wide_integers_are_pairs_of_dwords() {
    let wide =
        "fn low(x: u64) -> u32 { return u32(x); } fn high(x: u64) -> u32 { return u32(x >> 32u); }";
    check(
        wide,
        &[
            "high(u64(a) * u64(b))",
            "low(u64(a) + (u64(b) << 20u))",
            "high(u64(a) + (u64(b) << 20u))",
        ],
    );
    check(
        wide,
        &[
            "high((u64(a) << 32u) - u64(b))",
            "select(0u, 1u, (u64(a) << 3u) < u64(b))",
        ],
    );
}

#[test]
fn floats_keep_modifiers_clamps_and_mixed_sources() {
    let float = "fn f(x: u32) -> f32 { return f32(x & 0xffu) - 100.0; }";
    check(
        float,
        &[
            "bitcast<u32>(-f(a) * abs(f(b)))",
            "bitcast<u32>(fma(f(a), -f(b), 3.0))",
            "bitcast<u32>(clamp(f(a), 0.0, 1.0))",
        ],
    );
    check(
        float,
        &[
            "bitcast<u32>(max(max(f(a), f(b)), 1.5))",
            "bitcast<u32>(clamp(f(a), -20.0, f(b) + 200.0))",
            "bitcast<u32>(2.0 - f(a))",
        ],
    );
    check(
        float,
        &[
            "u32(i32(floor(f(a) * 0.25)))",
            "u32(i32(round(f(a) * 0.25)))",
            "bitcast<u32>(fract(f(a) * 0.25))",
            "u32(f(a))",
        ],
    );
    check(
        float,
        &[
            "bitcast<u32>(f32((a >> 8u) & 0xffu))",
            "bitcast<u32>(f32(a >> 24u))",
            "bitcast<u32>(unpack2x16float(a & 0x3bff3bffu).y * f(b))",
        ],
    );
    check(
        float,
        &[
            "pack2x16float(vec2(f(a), f(b)))",
            "bitcast<u32>(select(f(a), -f(b), f(a) < f(b)))",
            "bitcast<u32>(f32(i32(a)))",
        ],
    );
}

#[test]
fn lanes_exchange_values() {
    check(
        "",
        &[
            "subgroupAdd(a)",
            "subgroupMax(a)",
            "u32(subgroupMin(i32(a)))",
            "subgroupXor(a)",
            "subgroupAnd(a)",
        ],
    );
    check(
        "",
        &[
            "subgroupInclusiveAdd(a)",
            "subgroupExclusiveAdd(a)",
            "subgroupMul(a | 1u)",
        ],
    );
    check(
        "",
        &[
            "subgroupShuffleXor(a, 1u)",
            "subgroupShuffleXor(a, 5u)",
            "subgroupShuffleXor(a, 16u)",
            "subgroupShuffleXor(a, 21u)",
        ],
    );
    check(
        "",
        &[
            "subgroupShuffle(a, lane ^ 7u)",
            "subgroupBroadcast(a, 9u)",
            "subgroupBroadcastFirst(b)",
            "subgroupBallot((a & 1u) == 1u).x",
        ],
    );
    check(
        "",
        &[
            "quadSwapX(a)",
            "quadSwapY(a)",
            "quadSwapDiagonal(a)",
            "quadBroadcast(a, 2u)",
        ],
    );
    check(
        "",
        &[
            "select(0u, 1u, subgroupAny(a == 7u))",
            "select(0u, 1u, subgroupAll(a != 99u))",
        ],
    );
}

#[test]
fn matrix_tiles_are_loaded_multiplied_and_stored() {
    // A row by row or column by column, B likewise, the sum both ways: small integers, so every sum is exact.
    for (load_a, load_b, store) in [
        ("coopLoadT", "coopLoad", "coopStoreT"),
        ("coopLoad", "coopLoadT", "coopStore"),
    ] {
        for memory in ["halves", "shared_halves"] {
            let source = format!(
                "enable f16; enable wgpu_cooperative_matrix;
                 @group(0) @binding(0) var<storage, read> halves: array<f16>;
                 @group(0) @binding(1) var<storage, read_write> sums: array<f32>;
                 var<immediate> stride: u32;
                 var<workgroup> shared_halves: array<f16, 1024>;
                 @compute @workgroup_size(32)
                 fn main(@builtin(local_invocation_index) lane: u32) {{
                     for (var i = lane; i < 1024u; i += 32u) {{ shared_halves[i] = halves[i]; }}
                     workgroupBarrier();
                     var c = {load}<coop_mat16x16<f32, C>>(&sums[256], 16u);
                     for (var k = 0u; k < 2u; k += 1u) {{
                         let a = {load_a}<coop_mat16x16<f16, A>>(&{memory}[k * 256u], stride);
                         let b = {load_b}<coop_mat16x16<f16, B>>(&{memory}[512u + k * 256u], 16u);
                         c = coopMultiplyAdd(a, b, c);
                     }}
                     {store}(c, &sums[0], 16u);
                 }}",
                load = store.replace("Store", "Load"),
            );
            let half = |k: u32| ((k * 7 + k / 16) % 9) as f32 - 4.0;
            let bits = |x: f32| -> u16 {
                // Small integers: 0 to 4 and their negatives in binary16.
                let magnitude = [0, 0x3c00, 0x4000, 0x4200, 0x4400][x.abs() as usize];
                magnitude | if x < 0.0 { 0x8000 } else { 0 }
            };
            let halves = (0..1024).flat_map(|k| bits(half(k)).to_le_bytes());
            let sums = (0..512u32).flat_map(|k| ((k % 11) as f32).to_le_bytes());
            both(&Case {
                source: &source,
                buffers: vec![halves.collect(), sums.collect()],
                immediates: 16u32.to_le_bytes().to_vec(),
                groups: [1, 1, 1],
            })
            .unwrap_or_else(|what| panic!("{load_a} {load_b} {memory}: {what}"));
        }
    }
}

/// A sum of which each part is used several times has more paths than anybody can follow.
#[test]
fn sums_of_sums_are_addresses_too() {
    let sum: String = (0..40)
        .map(|k| format!("s = s + (s * {}u) + input[{k}];", k + 3))
        .collect();
    let body = format!(
        "var s = lane; {sum} output[lane] = s;
         if s == 12345u {{ output[s] = 3u; output[s * 3u + 1u] = 4u; }}"
    );
    assert_eq!(wave("", &body, &edges()), Ok(()));
}

#[test]
fn halves_become_short_integers_as_far_as_those_go() {
    let body = "let h = f16(f32(bitcast<i32>(a))); let s = i16(bitcast<i32>(b)); let u = u16(b);
         output[lane] = bitcast<u32>(i32(i16(h))); output[lane + 32u] = u32(u16(h));
         output[lane + 64u] = bitcast<u32>(f32(f16(s))); output[lane + 96u] = bitcast<u32>(f32(f16(u)));";
    let declarations = "enable f16; enable wgpu_int16;";
    assert_eq!(wave(declarations, body, &edges()), Ok(()));
}
