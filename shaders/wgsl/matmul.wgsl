// Products of weights with many tokens, for prompts: y[t][r] (+)= sum over k of w[r][k] * x[t][k], by cooperative matrices.
//
// A workgroup of eight waves has a tile of TOKENS tokens and 128 rows of weights. In steps of 64 columns it puts its tokens' f16
// activations and its rows' weights, made f16, into workgroup memory; then each wave multiplies its part of the tile,
// TOKENS / WAVES_OF_TOKENS tokens and 16 * WAVES_OF_TOKENS rows, 16 columns at a time, with f32 sums. While it does, the loads of
// the next step are under way. Rows of workgroup memory are 72 elements long: 36 dwords, so that no two of eight neighbouring
// lanes with 16 bytes each meet in a bank.
//
// A weight is rounded to f16 once; its exact value in f32 is a product, for Q4_K a product less another.
//
// Weights: the planes of matvec_*.wgsl; x [tokens][columns] f16 and y [tokens][stride] f32, both with as many tokens as are a
// multiple of TOKENS, and y with as many columns as are a multiple of 128: what lies beyond the last is computed like the rest.
// Dispatch: (ceil(rows / 128), ceil(tokens / TOKENS), 1).
enable f16;
enable wgpu_cooperative_matrix;

// Type of the weights: 1 F16, 2 Q8_0, 3 Q4_0, 4 Q4_K, 5 Q6_K.
override WEIGHTS: u32 = 3u;
// Tokens of a workgroup: 128 or 32.
override TOKENS: u32 = 128u;
// How many of the eight waves lie along the tokens: 2 with 128 tokens, 1 with 32.
override WAVES_OF_TOKENS: u32 = 2u;

struct Shape {
    rows: u32,
    // Blocks of 32 in a row of weights.
    blocks: u32,
    // Elements of y from one token to the next.
    stride: u32,
    // 1: the products are added to y; 0: they replace it.
    add: u32,
}
var<immediate> shape: Shape;

// Q4_0, Q4_K, Q6_K: a block's nibbles; Q8_0: its halves; F16: a block is four vectors.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>;
// Q8_0, Q4_0.
@group(0) @binding(1) var<storage, read> scales: array<f16>;
// Q4_K.
@group(0) @binding(2) var<storage, read> supers: array<vec4<u32>>;
// Q6_K: high bits, scales, and scales of super-blocks.
@group(0) @binding(3) var<storage, read> highs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> scale_pairs: array<u32>;
@group(0) @binding(5) var<storage, read> super_scales: array<f16>;
@group(0) @binding(6) var<storage, read> x: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

const F16 = 1u;
const Q8_0 = 2u;
const Q4_0 = 3u;
const Q4_K = 4u;
const Q6_K = 5u;

// Elements from one token or row to the next.
const LENGTH = 72u;
var<workgroup> of_x: array<f16, 9216>;
var<workgroup> of_w: array<f16, 9216>;

// A block of 32 weights as it was loaded: its words, and what its scales are made of.
struct Block {
    words: array<u32, 16>,
    factors: vec4<u32>,
    scale: f16,
}

// Block number `number` of a row; past the end, zeros.
fn load_block(row: u32, number: u32) -> Block {
    var loaded: Block;
    let inside = number < shape.blocks;
    let block = min(number, shape.blocks - 1u);
    let at = row * shape.blocks + block;
    if (WEIGHTS == F16) {
        for (var i = 0u; i < 4u; i++) {
            let v = select(vec4<u32>(0u), quants[at * 4u + i], inside);
            loaded.words[4u * i] = v.x;
            loaded.words[4u * i + 1u] = v.y;
            loaded.words[4u * i + 2u] = v.z;
            loaded.words[4u * i + 3u] = v.w;
        }
        return loaded;
    }
    var first = at;
    if (WEIGHTS == Q8_0) {
        // In tiles of 32 blocks, the last of a row with fewer.
        let start = block / 32u * 32u;
        let in_tile = min(shape.blocks - start, 32u);
        first = (row * shape.blocks + start) * 2u + block % 32u;
        let v = quants[first + in_tile];
        loaded.words[4] = v.x;
        loaded.words[5] = v.y;
        loaded.words[6] = v.z;
        loaded.words[7] = v.w;
    }
    let v = quants[first];
    loaded.words[0] = v.x;
    loaded.words[1] = v.y;
    loaded.words[2] = v.z;
    loaded.words[3] = v.w;
    if (WEIGHTS == Q4_K) {
        loaded.factors = supers[at / 8u];
    } else if (WEIGHTS == Q6_K) {
        loaded.factors = vec4<u32>(highs[at], scale_pairs[at / 2u], 0u);
        loaded.scale = super_scales[at / 8u];
    } else {
        // Only these types have rows with an odd number of blocks.
        loaded.scale = select(0.0h, scales[at], inside);
    }
    return loaded;
}

// The four bytes of a word.
fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(0xffu));
}

// Elements 4 i to 4 i + 3 of block number `number` of its row.
fn four_weights(block: Block, number: u32, i: u32) -> vec4<f16> {
    if (WEIGHTS == F16) {
        let low = unpack2x16float(block.words[2u * i]);
        let high = unpack2x16float(block.words[2u * i + 1u]);
        return vec4<f16>(vec4<f32>(low, high));
    }
    let scale = f32(block.scale);
    if (WEIGHTS == Q8_0) {
        return vec4<f16>(bytes(block.words[i] ^ 0x80808080u) * scale - 128.0 * scale);
    }
    let nibbles = (block.words[i % 4u] >> (i / 4u * 4u)) & 0x0f0f0f0fu;
    if (WEIGHTS == Q4_0) {
        return vec4<f16>(bytes(nibbles ^ 0x08080808u) * scale - 8.0 * scale);
    }
    if (WEIGHTS == Q4_K) {
        let j = number % 8u;
        let d = unpack2x16float(block.factors.x);
        let by = ((block.factors.y >> (4u * j)) & 15u) | (((block.factors.w >> (2u * j)) & 3u) << 4u);
        let less = ((block.factors.z >> (4u * j)) & 15u) | (((block.factors.w >> (16u + 2u * j)) & 3u) << 4u);
        return vec4<f16>(bytes(nibbles) * (d.x * f32(by)) - d.y * f32(less));
    }
    let tops = (select(block.factors.y, block.factors.x, i < 4u) >> (i % 4u * 2u)) & 0x03030303u;
    let pair = block.factors.z >> (16u * (number % 2u) + 8u * (i / 4u));
    let of_half = scale * f32(bitcast<i32>(pair << 24u) >> 24u);
    return vec4<f16>(bytes((nibbles | (tops << 4u)) ^ 0x20202020u) * of_half - 32.0 * of_half);
}

@compute @workgroup_size(256)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) wave: u32,
) {
    // What this invocation brings: a block of a row in each step, and a vector of eight elements of each 32nd token.
    let row = min(group.x * 128u + local % 128u, shape.rows - 1u);
    let which = local / 128u;
    let w_at = local % 128u * LENGTH + which * 32u;
    let vector = local % 8u;
    let x_at = local / 8u * LENGTH + vector * 8u;
    let x_start = (group.y * TOKENS + local / 8u) * shape.blocks * 8u;
    let steps = (shape.blocks + 1u) / 2u;

    // What this wave multiplies.
    let first_token = wave % WAVES_OF_TOKENS * (TOKENS / WAVES_OF_TOKENS);
    let first_row = wave / WAVES_OF_TOKENS * (16u * WAVES_OF_TOKENS);
    let tiles = TOKENS / WAVES_OF_TOKENS / 16u;
    let stride = shape.stride;
    let y_start = (group.y * TOKENS + first_token) * stride + group.x * 128u + first_row;
    var sums: array<coop_mat16x16<f32, C>, 8>;
    if (shape.add != 0u) {
        for (var n = 0u; n < WAVES_OF_TOKENS; n++) {
            for (var m = 0u; m < tiles; m++) {
                let at = y_start + m * 16u * stride + n * 16u;
                sums[m * WAVES_OF_TOKENS + n] = coopLoadT<coop_mat16x16<f32, C>>(&y[at], stride);
            }
        }
    }

    var number = which;
    var block = load_block(row, number);
    var tokens: array<vec4<f16>, 8>;
    for (var i = 0u; i < TOKENS / 32u; i++) {
        let at = x_start + i * 32u * shape.blocks * 8u + min(vector * 2u, shape.blocks * 8u - 2u);
        tokens[2u * i] = x[at];
        tokens[2u * i + 1u] = x[at + 1u];
    }
    for (var step = 0u; step < steps; step++) {
        workgroupBarrier();
        for (var i = 0u; i < TOKENS / 32u; i++) {
            let at = x_at + i * 32u * LENGTH;
            let low = tokens[2u * i];
            let high = tokens[2u * i + 1u];
            of_x[at] = low.x;
            of_x[at + 1u] = low.y;
            of_x[at + 2u] = low.z;
            of_x[at + 3u] = low.w;
            of_x[at + 4u] = high.x;
            of_x[at + 5u] = high.y;
            of_x[at + 6u] = high.z;
            of_x[at + 7u] = high.w;
        }
        for (var i = 0u; i < 8u; i++) {
            let v = four_weights(block, number, i);
            let at = w_at + 4u * i;
            of_w[at] = v.x;
            of_w[at + 1u] = v.y;
            of_w[at + 2u] = v.z;
            of_w[at + 3u] = v.w;
        }
        workgroupBarrier();

        // After the last step its own loads are repeated, for nothing.
        let next = min(step + 1u, steps - 1u);
        number = next * 2u + which;
        block = load_block(row, number);
        for (var i = 0u; i < TOKENS / 32u; i++) {
            let at = x_start + i * 32u * shape.blocks * 8u + min(next * 16u + vector * 2u, shape.blocks * 8u - 2u);
            tokens[2u * i] = x[at];
            tokens[2u * i + 1u] = x[at + 1u];
        }

        for (var k = 0u; k < 64u; k += 16u) {
            // A wave has as many tiles of rows as there are waves along the tokens: one, then both are the same, or two.
            let first = coopLoad<coop_mat16x16<f16, B>>(&of_w[first_row * LENGTH + k], LENGTH);
            let second_row = first_row + 16u * (WAVES_OF_TOKENS - 1u);
            let second = coopLoad<coop_mat16x16<f16, B>>(&of_w[second_row * LENGTH + k], LENGTH);
            for (var m = 0u; m < tiles; m++) {
                let a = coopLoadT<coop_mat16x16<f16, A>>(&of_x[(first_token + m * 16u) * LENGTH + k], LENGTH);
                let i = m * WAVES_OF_TOKENS;
                sums[i] = coopMultiplyAdd(a, first, sums[i]);
                if (WAVES_OF_TOKENS == 2u) {
                    sums[i + 1u] = coopMultiplyAdd(a, second, sums[i + 1u]);
                }
            }
        }
    }

    for (var n = 0u; n < WAVES_OF_TOKENS; n++) {
        for (var m = 0u; m < tiles; m++) {
            let sum = sums[m * WAVES_OF_TOKENS + n];
            let at = y_start + m * 16u * stride + n * 16u;
            coopStoreT(sum, &y[at], stride);
        }
    }
}
