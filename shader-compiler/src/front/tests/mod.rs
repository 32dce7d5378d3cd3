//! Kernels in WGSL, lowered and evaluated, against numbers computed in plain Rust.
//!
//! Every kernel is evaluated twice, as it was lowered and as the optimiser leaves it, and must give the same bytes; the
//! form must obey the rules after every pass.

mod flow;
mod group;
mod memory;
mod numbers;
mod refusals;
mod shapes;

use super::*;
use crate::ir::eval;
use crate::opt;

/// The kernels of a source, verified.
fn lower(source: &str, overrides: &[(String, f64)]) -> Vec<ir::Function> {
    let functions = compile(source, overrides)
        .unwrap_or_else(|fault| panic!("{}", fault.locate("test.wgsl", source)));
    for function in &functions {
        ir::verify(function).unwrap_or_else(|rule| panic!("{rule}\n{function}"));
    }
    functions
}

/// The optimised form, verified after each pass. Contraction rounds less often, so it is left out where bytes are compared.
fn optimise(function: &ir::Function) -> ir::Function {
    let mut function = function.clone();
    let mut check = |pass: &str, function: &ir::Function| {
        ir::verify(function).unwrap_or_else(|rule| panic!("after {pass}: {rule}\n{function}"));
    };
    opt::run(&mut function, &|pass| pass == "contract", &mut check)
        .unwrap_or_else(|fault| panic!("{fault:?}"));
    function
}

/// Evaluates the first kernel of `source`; the buffers come back as it left them.
fn evaluate(
    source: &str,
    groups: [u32; 3],
    buffers: &[Vec<u8>],
    immediates: &[u8],
) -> Vec<Vec<u8>> {
    let function = lower(source, &[]).swap_remove(0);
    let run = |function: &ir::Function| {
        let mut buffers = buffers.to_vec();
        eval::dispatch(function, groups, &mut buffers, immediates)
            .unwrap_or_else(|rule| panic!("{rule}\n{function}"));
        buffers
    };
    let lowered = run(&function);
    let optimised = optimise(&function);
    assert_eq!(lowered, run(&optimised), "{optimised}");
    lowered
}

/// Bytes of dwords.
fn words(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Bytes of f32.
fn floats(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    words(numbers.into_iter().map(f32::to_bits))
}

/// Dwords of bytes.
fn to_words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// f32 of bytes.
fn to_floats(bytes: &[u8]) -> Vec<f32> {
    to_words(bytes).into_iter().map(f32::from_bits).collect()
}

/// Evaluates `body` once for each of `inputs` (32 lanes), as `o[i] = f(a[i])` on u32: `x` is the input, `r` the result.
fn map_words(body: &str, inputs: &[u32]) -> Vec<u32> {
    let source = format!(
        "enable f16;
         @group(0) @binding(0) var<storage, read> a: array<u32>;
         @group(0) @binding(1) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(32)
         fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
             let i = id.x;
             if i < arrayLength(&a) {{ let x = a[i]; var r = 0u; {body} o[i] = r; }}
         }}"
    );
    let groups = inputs.len().div_ceil(32) as u32;
    let output = words(inputs.iter().map(|_| 0));
    let buffers = evaluate(
        &source,
        [groups, 1, 1],
        &[words(inputs.iter().copied()), output],
        &[],
    );
    to_words(&buffers[1])
}

/// The same on f32.
fn map_floats(body: &str, inputs: &[f32]) -> Vec<f32> {
    let body = format!("let f = bitcast<f32>(x); var g = 0.0; {body} r = bitcast<u32>(g);");
    let bits: Vec<u32> = inputs.iter().map(|x| x.to_bits()).collect();
    map_words(&body, &bits)
        .into_iter()
        .map(f32::from_bits)
        .collect()
}

/// Numbers that are not special in any way, always the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}
