// Products of Q6_K weights with one to eight tokens of 8-bit activations: y[t][r] = sum over k of w[r][k] * x[t][k].
//
// As in matvec_q8_0.wgsl. An element is d * scale * quant, with a scale for each 16 elements and d for 256; the quant, -32 to 31,
// is kept in two's complement: shifted to the top of a byte it is four times itself as a signed byte.
//
// Weights: B = columns / 32 blocks in a row, columns a multiple of 256:
//   quants: byte (r * B + block) * 16 + i has the low four bits of element 32 * block + i in its low, of element
//     32 * block + 16 + i in its high nibble;
//   highs: dword (r * B + block) * 2 + h has the high two bits of element 32 * block + 16 * h + 4 * i + j at bit 8 * j + 2 * i;
//   scales: signed byte (r * B + block) * 2 + h is the scale of the block's half h;
//   supers: f16 number r * B / 8 + block / 8 is d.
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
@group(0) @binding(1) var<storage, read> highs: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x_blocks: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> scales: array<u32>;
@group(0) @binding(6) var<storage, read> supers: array<f16>;

fn dot_vector(w: vec4<u32>, x: vec4<u32>) -> f32 {
    return f32(dot4I8Packed(w.x, x.x) + dot4I8Packed(w.y, x.y)
        + dot4I8Packed(w.z, x.z) + dot4I8Packed(w.w, x.w));
}

// The scales of the two halves of block number `at`, four times too small.
fn factors(at: u32) -> vec2<f32> {
    let pair = scales[at / 2u] >> (16u * (at % 2u));
    let of_halves = vec2<f32>(f32(bitcast<i32>(pair << 24u) >> 24u), f32(bitcast<i32>(pair << 16u) >> 24u));
    return f32(supers[at / 8u]) * 0.25 * of_halves;
}

// The product of a block with block `i` of tile `tile` of x.
fn block_product(w: vec4<u32>, high: vec2<u32>, by: vec2<f32>, tile: u32, i: u32) -> f32 {
    let shifts = vec4<u32>(6u, 4u, 2u, 0u);
    let top = vec4<u32>(0xc0c0c0c0u);
    let below = vec4<u32>(0x3c3c3c3cu);
    let first = ((vec4<u32>(high.x) << shifts) & top) | ((w << vec4<u32>(2u)) & below);
    let second = ((vec4<u32>(high.y) << shifts) & top) | ((w >> vec4<u32>(2u)) & below);
    let sum = by.x * dot_vector(first, x[tile * 64u + i]) + by.y * dot_vector(second, x[tile * 64u + 32u + i]);
    return unpack2x16float(x_blocks[tile * 32u + i]).x * sum;
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
fn matvec_q6_k(
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
        let high_a = highs[at];
        let high_b = highs[at + 32u];
        let by_a = factors(at);
        let by_b = factors(at + 32u);
        for (var t = 0u; t < TOKENS; t++) {
            let of_x = (token + t) * tiles + tile;
            sums[t] += block_product(a, high_a, by_a, of_x, local);
            sums[t] += block_product(b, high_b, by_b, of_x + 1u, local);
        }
    }
    for (; tile < tiles; tile++) {
        if (tile * 32u + local < shape.blocks) {
            let at = start + tile * 32u + local;
            let w = quants[at];
            let high = highs[at];
            let by = factors(at);
            for (var t = 0u; t < TOKENS; t++) {
                let of_x = (token + t) * tiles + tile;
                sums[t] += block_product(w, high, by, of_x, local);
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
