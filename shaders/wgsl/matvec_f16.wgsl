// Products of F16 weights with one to eight tokens of f32 activations: y[t][r] = sum over k of w[r][k] * x[t][k].
//
// The activations stay f32: the weights are twice as many bytes as with 8 bits, so there is nothing to gain by less.
//
// Weights: [rows][columns] f16, as in GGUF; columns a multiple of 32. x is [tokens][columns] f32, y [tokens][stride] f32.
// Dispatch: (rows, ceil(tokens / TOKENS), 1); a workgroup of 32 has one row and TOKENS tokens, an invocation eight neighbouring
// elements in 256. x must be readable, and may hold anything, up to a multiple of TOKENS tokens.
// Tokens that a workgroup multiplies with its row: 1 to 8.
override TOKENS: u32 = 1u;
// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

struct Shape {
    // Vectors of eight elements in a row of weights.
    vectors: u32,
    tokens: u32,
    // Elements of y from one token to the next.
    stride: u32,
    // 1: the products are added to y; 0: they replace it.
    add: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// The product of eight weights with vectors `at` and `at + 1` of x, added to `sum`.
fn add_product(w: vec4<u32>, at: u32, sum: f32) -> f32 {
    let low = x[at];
    let high = x[at + 1u];
    let a = unpack2x16float(w.x);
    let b = unpack2x16float(w.y);
    let c = unpack2x16float(w.z);
    let d = unpack2x16float(w.w);
    let first = fma(a.x, low.x, fma(a.y, low.y, fma(b.x, low.z, fma(b.y, low.w, sum))));
    return fma(c.x, high.x, fma(c.y, high.y, fma(d.x, high.z, fma(d.y, high.w, first))));
}

// begin total: the same text in every product kernel. The sum over the workgroup's 32 invocations.
var<workgroup> partial: array<f32, 32>;

fn total(value: f32, local: u32) -> f32 {
    var sum = subgroupAdd(value);
    if (SUBGROUP < 32u) {
        workgroupBarrier();
        partial[local] = sum;
        workgroupBarrier();
        sum = 0.0;
        for (var i = 0u; i < 32u; i += SUBGROUP) {
            sum += partial[i];
        }
    }
    return sum;
}
// end total

@compute @workgroup_size(32)
fn matvec_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = group.x * shape.vectors;
    let token = group.y * TOKENS;
    var sums: array<f32, 8>;

    let strips = (shape.vectors + 31u) / 32u;
    let full = shape.vectors / 32u;

    // Four strips of 32 vectors at a time, so that their loads are under way together.
    var strip = 0u;
    for (; strip + 4u <= full; strip += 4u) {
        let at = start + strip * 32u + local;
        let a = weights[at];
        let b = weights[at + 32u];
        let c = weights[at + 64u];
        let d = weights[at + 96u];
        for (var t = 0u; t < TOKENS; t++) {
            let of_x = ((token + t) * shape.vectors + strip * 32u + local) * 2u;
            sums[t] = add_product(a, of_x, sums[t]);
            sums[t] = add_product(b, of_x + 64u, sums[t]);
            sums[t] = add_product(c, of_x + 128u, sums[t]);
            sums[t] = add_product(d, of_x + 192u, sums[t]);
        }
    }
    for (; strip < strips; strip++) {
        let in_row = strip * 32u + local;
        if (in_row < shape.vectors) {
            let w = weights[start + in_row];
            for (var t = 0u; t < TOKENS; t++) {
                sums[t] = add_product(w, ((token + t) * shape.vectors + in_row) * 2u, sums[t]);
            }
        }
    }

    for (var t = 0u; t < TOKENS; t++) {
        var sum = total(sums[t], local);
        if (local == 0u && token + t < shape.tokens) {
            let at = (token + t) * shape.stride + group.x;
            if (shape.add != 0u) {
                sum += y[at];
            }
            y[at] = sum;
        }
    }
}
