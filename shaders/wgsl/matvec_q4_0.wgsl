// Products of Q4_0 weights with one to eight tokens of 8-bit activations: y[t][r] = sum over k of w[r][k] * x[t][k].
//
// As in matvec_q8_0.wgsl. A nibble holds its quant, -8 to 7, in two's complement: as the high half of a byte with zeros below
// it is sixteen times the quant as a signed byte, which costs no subtraction; the sum is divided by sixteen at the end.
//
// Weights: B = columns / 32 blocks in a row:
//   quants: byte (r * B + block) * 16 + i has element 32 * block + i in its low, element 32 * block + 16 + i in its high nibble;
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

// Sixteen times the product of a block with block `i` of tile `tile` of x, in units of the weights' scale.
fn block_product(w: vec4<u32>, tile: u32, i: u32) -> f32 {
    let low = (w << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u);
    let high = w & vec4<u32>(0xf0f0f0f0u);
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
fn matvec_q4_0(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = group.x * shape.blocks;
    let tiles = (shape.blocks + 31u) / 32u;
    let full = shape.blocks / 32u;
    let token = group.y * TOKENS;
    var sums: array<f32, 8>;

    // Two full tiles at a time, so that their loads are under way together.
    var tile = 0u;
    for (; tile + 2u <= full; tile += 2u) {
        let at = start + tile * 32u + local;
        let a = quants[at];
        let b = quants[at + 32u];
        let scale_a = f32(scales[at]);
        let scale_b = f32(scales[at + 32u]);
        for (var t = 0u; t < TOKENS; t++) {
            let of_x = (token + t) * tiles + tile;
            sums[t] = fma(scale_a, block_product(a, of_x, local), sums[t]);
            sums[t] = fma(scale_b, block_product(b, of_x + 1u, local), sums[t]);
        }
    }
    for (; tile < tiles; tile++) {
        if (tile * 32u + local < shape.blocks) {
            let at = start + tile * 32u + local;
            let w = quants[at];
            let scale = f32(scales[at]);
            for (var t = 0u; t < TOKENS; t++) {
                let of_x = (token + t) * tiles + tile;
                sums[t] = fma(scale, block_product(w, of_x, local), sums[t]);
            }
        }
    }

    for (var t = 0u; t < TOKENS; t++) {
        var sum = total(sums[t], local) * 0.0625;
        if (local == 0u && token + t < shape.tokens) {
            let at = (token + t) * shape.stride + group.x;
            if (shape.add != 0u) {
                sum += y[at];
            }
            y[at] = sum;
        }
    }
}
