// Products of weights with many tokens, for prompts: y[t][r] (+)= sum over k of w[r][k] * x[t][k], by cooperative matrices.
//
// A workgroup of eight waves has a tile of 128 tokens and 128 rows of weights. In steps of 64 columns it puts its tokens' f16
// activations and its rows' weights, made f16, into workgroup memory; then each wave multiplies a part of the tile, 16 columns
// at a time, with f32 sums. While it does, the loads of the next step are under way. Rows of workgroup memory are 72 elements
// long: 36 dwords, so that no two of eight neighbouring lanes with 16 bytes each meet in a bank.
//
// There are two ways to share the tile out. With GRANULE 128 a wave has 64 tokens and 32 rows, which needs the fewest loads.
// With GRANULE 32 it has all tokens and 16 rows, and leaves out those past the last: few tokens take less time, as far as
// loading and converting the weights lets them.
//
// A weight is made from its quant, a byte b, by way of 1024 + b, whose bits in f16 are 0x6400 + b: less a constant, which is
// exact, times the scale, which rounds once. The scales of Q4_K and Q6_K are products and rounded to f16 themselves, as is the
// minimum of Q4_K.
//
// Weights: the planes of matvec_*.wgsl; x [tokens][columns] f16 and y [tokens][stride] f32, both with as many tokens as are a
// multiple of GRANULE, and y with as many columns as are a multiple of 128: what lies beyond the last is computed like the rest.
// The size of x says how many tokens there are.
// Dispatch: (ceil(rows / 128), ceil(tokens / 128), 1).
enable f16;
enable wgpu_cooperative_matrix;

// Type of the weights: 1 F16, 2 Q8_0, 3 Q4_0, 4 Q4_K, 5 Q6_K.
override WEIGHTS: u32 = 3u;
// The number of tokens is a multiple of this, 128 or 32.
override GRANULE: u32 = 128u;
// Tiles of 16 rows that a wave has.
override ROWS: u32 = select(1u, 2u, GRANULE == 128u);

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

// A block of 32 weights as it was loaded.
struct Block {
    words: array<u32, 16>,
    // Q6_K.
    high: vec2<u32>,
    // Q8_0, Q4_0.
    scale: f16,
}

// What the scales of two neighbouring blocks are made of: Q4_K's super-block; of Q6_K four scales and the super-block's.
struct Factors {
    words: vec4<u32>,
    scale: f16,
}

// Block number `block` of a row.
fn load_block(row: u32, block: u32) -> Block {
    var loaded: Block;
    let at = row * shape.blocks + block;
    if (WEIGHTS == F16) {
        for (var i = 0u; i < 4u; i++) {
            let v = quants[at * 4u + i];
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
        first = row * shape.blocks * 2u + block + start;
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
    if (WEIGHTS == Q6_K) {
        loaded.high = highs[at];
    } else if (WEIGHTS != Q4_K) {
        loaded.scale = scales[at];
    }
    return loaded;
}

// The factors of block number `block`, which is even, and of the next.
fn load_factors(row: u32, block: u32) -> Factors {
    var loaded: Factors;
    let super_block = row * (shape.blocks / 8u) + block / 8u;
    if (WEIGHTS == Q4_K) {
        loaded.words = supers[super_block];
    } else if (WEIGHTS == Q6_K) {
        loaded.words.x = scale_pairs[row * (shape.blocks / 2u) + block / 2u];
        loaded.scale = super_scales[super_block];
    }
    return loaded;
}

// Two f16 from their bits.
fn pair(bits: u32) -> vec2<f16> {
    return vec2<f16>(unpack2x16float(bits));
}

// 1024 and the lower two bytes of a word.
fn two_bytes(word: u32) -> vec2<f16> {
    return pair((word & 0xffu) | ((word & 0xff00u) << 8u) | 0x64006400u);
}

// 1024 and the bytes of a word.
fn four_bytes(word: u32) -> vec4<f16> {
    return vec4<f16>(two_bytes(word), two_bytes(word >> 16u));
}

// The scales of the halves of block number `number`; for Q4_K the second is what is taken off. Not `inside`: zeros.
fn scales_of(block: Block, factors: Factors, number: u32, inside: bool) -> vec2<f16> {
    if (WEIGHTS == Q4_K) {
        let j = number % 8u;
        let f = factors.words;
        let by = ((f.y >> (4u * j)) & 15u) | (((f.w >> (2u * j)) & 3u) << 4u);
        let less = ((f.z >> (4u * j)) & 15u) | (((f.w >> (16u + 2u * j)) & 3u) << 4u);
        return pair(f.x) * (pair(by | (less << 16u) | 0x64006400u) - 1024.0h);
    }
    if (WEIGHTS == Q6_K) {
        let two = factors.words.x >> (16u * (number % 2u));
        return factors.scale * (two_bytes(two ^ 0x8080u) - 1152.0h);
    }
    return vec2<f16>(select(0.0h, block.scale, inside));
}

// Elements 4 i to 4 i + 3 of a block.
fn four_weights(block: Block, by: vec2<f16>, i: u32) -> vec4<f16> {
    if (WEIGHTS == F16) {
        return vec4<f16>(pair(block.words[2u * i]), pair(block.words[2u * i + 1u]));
    }
    if (WEIGHTS == Q8_0) {
        return (four_bytes(block.words[i] ^ 0x80808080u) - 1152.0h) * by.x;
    }
    let word = block.words[i % 4u];
    if (WEIGHTS == Q6_K) {
        // Two's complement in six bits: the quant plus 32 with its highest bit turned over.
        let high = select(block.high.y, block.high.x, i < 4u) ^ 0xaaaaaaaau;
        let shift = i % 4u * 2u;
        let tops = select(high >> (shift - 4u), high << (4u - shift), shift < 4u) & 0x30303030u;
        let bytes = ((word >> (i / 4u * 4u)) & 0x0f0f0f0fu) | tops;
        return (four_bytes(bytes) - 1056.0h) * select(by.y, by.x, i < 4u);
    }
    // Nibbles; Q4_0's in two's complement.
    let nibbles = select(word, word ^ 0x88888888u, WEIGHTS == Q4_0);
    let bias = select(0.0h, 8.0h, WEIGHTS == Q4_0);
    var quant: vec4<f16>;
    if (i < 4u) {
        quant = four_bytes(nibbles & 0x0f0f0f0fu) - (1024.0h + bias);
    } else {
        // Sixteen times as much, and 1024.
        quant = four_bytes(nibbles & 0xf0f0f0f0u) * 0.0625h - (64.0h + bias);
    }
    if (WEIGHTS == Q4_K) {
        return quant * by.x - by.y;
    }
    return quant * by.x;
}

// Puts block number `number` as f16 into workgroup memory.
fn bring(block: Block, factors: Factors, number: u32, inside: bool, start: u32) {
    let by = scales_of(block, factors, number, inside);
    for (var i = 0u; i < 8u; i++) {
        let v = four_weights(block, by, i);
        let at = start + 4u * i;
        of_w[at] = v.x;
        of_w[at + 1u] = v.y;
        of_w[at + 2u] = v.z;
        of_w[at + 3u] = v.w;
    }
}

@compute @workgroup_size(256)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) wave: u32,
) {
    // What this invocation brings: one of the two blocks of a row in each step, and a vector of eight elements of each 32nd
    // token; of tokens that are not there, those of the last that are.
    let tokens = arrayLength(&x) / (shape.blocks * 8u) - group.y * 128u;
    let row = min(group.x * 128u + local % 128u, shape.rows - 1u);
    let which = wave / 4u;
    let w_at = local % 128u * LENGTH + which * 32u;
    let vector = local % 8u;
    let x_at = local / 8u * LENGTH + vector * 8u;
    let x_start = (group.y * 128u + local / 8u) * shape.blocks * 8u;
    // The last block, and the first one of the last step. Where a row has an odd number of blocks, there is nothing beside that.
    let end = shape.blocks - 1u;
    let last = end / 2u * 2u;

    // What this wave multiplies: tiles of 16 tokens, at least so many, and its rows.
    let least = min(GRANULE / 16u, 4u);
    let more_than_32 = (GRANULE == 32u) & (tokens > 32u);
    let more_than_64 = (GRANULE == 32u) & (tokens > 64u);
    let more_than_96 = (GRANULE == 32u) & (tokens > 96u);
    let first_token = wave % ROWS * 64u;
    let first_row = wave / ROWS * (16u * ROWS);
    let stride = shape.stride;
    let y_start = (group.y * 128u + first_token) * stride + group.x * 128u + first_row;
    var sums: array<coop_mat16x16<f32, C>, 8>;
    if (shape.add != 0u) {
        for (var m = 0u; m < least; m++) {
            for (var n = 0u; n < ROWS; n++) {
                let at = y_start + m * 16u * stride + n * 16u;
                sums[m * ROWS + n] = coopLoadT<coop_mat16x16<f32, C>>(&y[at], stride);
            }
        }
        if (more_than_32) {
            for (var m = 2u; m < 4u; m++) {
                for (var n = 0u; n < ROWS; n++) {
                    let at = y_start + m * 16u * stride + n * 16u;
                    sums[m * ROWS + n] = coopLoadT<coop_mat16x16<f32, C>>(&y[at], stride);
                }
            }
        }
        if (more_than_64) {
            for (var m = 4u; m < 6u; m++) {
                for (var n = 0u; n < ROWS; n++) {
                    let at = y_start + m * 16u * stride + n * 16u;
                    sums[m * ROWS + n] = coopLoadT<coop_mat16x16<f32, C>>(&y[at], stride);
                }
            }
        }
        if (more_than_96) {
            for (var m = 6u; m < 8u; m++) {
                for (var n = 0u; n < ROWS; n++) {
                    let at = y_start + m * 16u * stride + n * 16u;
                    sums[m * ROWS + n] = coopLoadT<coop_mat16x16<f32, C>>(&y[at], stride);
                }
            }
        }
    }

    var block = load_block(row, min(which, end));
    var factors = load_factors(row, 0u);
    var vectors: array<vec4<f16>, 8>;
    for (var i = 0u; i < 4u; i++) {
        let token = select(i * 32u, min(i * 32u, tokens - 32u), GRANULE == 32u);
        let at = x_start + token * shape.blocks * 8u + min(vector * 2u, shape.blocks * 8u - 2u);
        vectors[2u * i] = x[at];
        vectors[2u * i + 1u] = x[at + 1u];
    }
    for (var first = 0u; first <= last; first += 2u) {
        workgroupBarrier();
        // F16 has no scale to be 0 past the end of a row: x is.
        let inside = WEIGHTS != F16 || first * 8u + vector * 2u < shape.blocks * 8u;
        for (var i = 0u; i < 4u; i++) {
            let at = x_at + i * 32u * LENGTH;
            let low = select(vec4<f16>(0.0h), vectors[2u * i], inside);
            let high = select(vec4<f16>(0.0h), vectors[2u * i + 1u], inside);
            of_x[at] = low.x;
            of_x[at + 1u] = low.y;
            of_x[at + 2u] = low.z;
            of_x[at + 3u] = low.w;
            of_x[at + 4u] = high.x;
            of_x[at + 5u] = high.y;
            of_x[at + 6u] = high.z;
            of_x[at + 7u] = high.w;
        }
        bring(block, factors, first + which, first + which <= end, w_at);
        workgroupBarrier();

        // After the last step its own loads are repeated, for nothing.
        let next = min(first + 2u, last);
        block = load_block(row, min(next + which, end));
        factors = load_factors(row, next);
        for (var i = 0u; i < 4u; i++) {
            let token = select(i * 32u, min(i * 32u, tokens - 32u), GRANULE == 32u);
            let at = x_start + token * shape.blocks * 8u + min(next * 8u + vector * 2u, shape.blocks * 8u - 2u);
            vectors[2u * i] = x[at];
            vectors[2u * i + 1u] = x[at + 1u];
        }

        var b: array<coop_mat16x16<f16, B>, 8>;
        for (var k = 0u; k < 4u; k++) {
            for (var n = 0u; n < ROWS; n++) {
                let at = (first_row + n * 16u) * LENGTH + k * 16u;
                b[k * ROWS + n] = coopLoad<coop_mat16x16<f16, B>>(&of_w[at], LENGTH);
            }
        }
        for (var k = 0u; k < 4u; k++) {
            for (var m = 0u; m < least; m++) {
                let a = coopLoadT<coop_mat16x16<f16, A>>(&of_x[(first_token + m * 16u) * LENGTH + k * 16u], LENGTH);
                for (var n = 0u; n < ROWS; n++) {
                    sums[m * ROWS + n] = coopMultiplyAdd(a, b[k * ROWS + n], sums[m * ROWS + n]);
                }
            }
        }
        if (more_than_32) {
            for (var k = 0u; k < 4u; k++) {
                for (var m = 2u; m < 4u; m++) {
                    let a = coopLoadT<coop_mat16x16<f16, A>>(&of_x[(first_token + m * 16u) * LENGTH + k * 16u], LENGTH);
                    for (var n = 0u; n < ROWS; n++) {
                        sums[m * ROWS + n] = coopMultiplyAdd(a, b[k * ROWS + n], sums[m * ROWS + n]);
                    }
                }
            }
        }
        if (more_than_64) {
            for (var k = 0u; k < 4u; k++) {
                for (var m = 4u; m < 6u; m++) {
                    let a = coopLoadT<coop_mat16x16<f16, A>>(&of_x[(first_token + m * 16u) * LENGTH + k * 16u], LENGTH);
                    for (var n = 0u; n < ROWS; n++) {
                        sums[m * ROWS + n] = coopMultiplyAdd(a, b[k * ROWS + n], sums[m * ROWS + n]);
                    }
                }
            }
        }
        if (more_than_96) {
            for (var k = 0u; k < 4u; k++) {
                for (var m = 6u; m < 8u; m++) {
                    let a = coopLoadT<coop_mat16x16<f16, A>>(&of_x[(first_token + m * 16u) * LENGTH + k * 16u], LENGTH);
                    for (var n = 0u; n < ROWS; n++) {
                        sums[m * ROWS + n] = coopMultiplyAdd(a, b[k * ROWS + n], sums[m * ROWS + n]);
                    }
                }
            }
        }
    }

    for (var m = 0u; m < least; m++) {
        for (var n = 0u; n < ROWS; n++) {
            let sum = sums[m * ROWS + n];
            let at = y_start + m * 16u * stride + n * 16u;
            coopStoreT(sum, &y[at], stride);
        }
    }
    if (more_than_32) {
        for (var m = 2u; m < 4u; m++) {
            for (var n = 0u; n < ROWS; n++) {
                let sum = sums[m * ROWS + n];
                let at = y_start + m * 16u * stride + n * 16u;
                coopStoreT(sum, &y[at], stride);
            }
        }
    }
    if (more_than_64) {
        for (var m = 4u; m < 6u; m++) {
            for (var n = 0u; n < ROWS; n++) {
                let sum = sums[m * ROWS + n];
                let at = y_start + m * 16u * stride + n * 16u;
                coopStoreT(sum, &y[at], stride);
            }
        }
    }
    if (more_than_96) {
        for (var m = 6u; m < 8u; m++) {
            for (var n = 0u; n < ROWS; n++) {
                let sum = sums[m * ROWS + n];
                let at = y_start + m * 16u * stride + n * 16u;
                coopStoreT(sum, &y[at], stride);
            }
        }
    }
}
