// Products of Q8_0 weights with one to eight tokens of 8-bit activations: y[t][r] = sum over k of w[r][k] * x[t][k].
//
// A block of 32 elements gives an exact integer sum, by dot4; both scales multiply it, and an invocation adds its blocks in
// ascending order. The order of additions does not depend on TOKENS or on the other tokens.
//
// Weights: B = columns / 32 blocks in a row; row r, in tiles of 32 blocks, the last with n <= 32 of them:
//   quants: byte (r * B + 32 * tile) * 32 + half * n * 16 + block % 32 * 16 + i is element 32 * block + 16 * half + i, signed;
//   scales: f16 number r * B + block.
// x and x_blocks are in the layout of quantise.wgsl; y is [tokens][stride] f32.
// Dispatch: (rows, ceil(tokens / TOKENS), 1); a workgroup of 32 has one row and TOKENS tokens, an invocation one block in 32.
// x must be readable, and may hold anything, up to a multiple of TOKENS tokens.
enable f16;

// Tokens that a workgroup multiplies with its row: 1 to 8.
override TOKENS: u32 = 1u;
// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

struct Shape {
    // Blocks in a row of weights.
    blocks: u32,
    tokens: u32,
    // Elements of y from one token to the next.
    stride: u32,
    // 1: the products are added to y; 0: they replace it.
    add: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<f16>;
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x_blocks: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn dot_vector(w: vec4<u32>, x: vec4<u32>, sum: i32) -> i32 {
    return sum + dot4I8Packed(w.x, x.x) + dot4I8Packed(w.y, x.y)
        + dot4I8Packed(w.z, x.z) + dot4I8Packed(w.w, x.w);
}

// The product of a block's quants, the first half `low` and the second `high`, with block `i` of tile `tile` of x, in units
// of the weights' scale.
fn block_product(low: vec4<u32>, high: vec4<u32>, tile: u32, i: u32) -> f32 {
    let sum = dot_vector(low, x[tile * 64u + i], dot_vector(high, x[tile * 64u + 32u + i], 0));
    return unpack2x16float(x_blocks[tile * 32u + i]).x * f32(sum);
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
fn matvec_q8_0(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = group.x * shape.blocks;
    let tiles = (shape.blocks + 31u) / 32u;
    let full = shape.blocks / 32u;
    let token = group.y * TOKENS;
    var sums: array<f32, 8>;

    // Two full tiles at a time, so that four loads of weights are under way.
    var tile = 0u;
    for (; tile + 2u <= full; tile += 2u) {
        let at = (start + tile * 32u) * 2u + local;
        let low_a = quants[at];
        let high_a = quants[at + 32u];
        let low_b = quants[at + 64u];
        let high_b = quants[at + 96u];
        let scale_a = f32(scales[start + tile * 32u + local]);
        let scale_b = f32(scales[start + tile * 32u + 32u + local]);
        for (var t = 0u; t < TOKENS; t++) {
            let of_x = (token + t) * tiles + tile;
            sums[t] = fma(scale_a, block_product(low_a, high_a, of_x, local), sums[t]);
            sums[t] = fma(scale_b, block_product(low_b, high_b, of_x + 1u, local), sums[t]);
        }
    }
    for (; tile < tiles; tile++) {
        let left = min(shape.blocks - tile * 32u, 32u);
        if (local < left) {
            let at = (start + tile * 32u) * 2u + local;
            let low = quants[at];
            let high = quants[at + left];
            let scale = f32(scales[start + tile * 32u + local]);
            for (var t = 0u; t < TOKENS; t++) {
                let of_x = (token + t) * tiles + tile;
                sums[t] = fma(scale, block_product(low, high, of_x, local), sums[t]);
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
