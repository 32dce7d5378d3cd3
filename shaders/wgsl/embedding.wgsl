// Looks up the rows of the embedding: x[t] = row tokens[t] of the weights, as f32; zeros for a token outside the vocabulary,
// which is what sampling gives where the logits are no numbers.
//
// Weights: the planes that the products read (see matvec_*.wgsl), so that an embedding may also be the output matrix; F32 and
// F16 are [rows][columns]. A plane must be readable up to a multiple of four bytes. x is [tokens][columns] f32.
// Dispatch: (tokens, ceil(columns / 1024), 1); a workgroup of 256 has 1024 columns, an invocation four neighbouring ones.

// Type of the weights: 0 F32, 1 F16, 2 Q8_0, 3 Q4_0, 4 Q4_K, 5 Q6_K.
override WEIGHTS: u32 = 0u;

struct Shape {
    columns: u32,
    rows: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> plane_0: array<u32>;
@group(0) @binding(2) var<storage, read> plane_1: array<u32>;
@group(0) @binding(3) var<storage, read> plane_2: array<u32>;
@group(0) @binding(4) var<storage, read> plane_3: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>;

// f16 number `i` of a plane, given the word that holds it.
fn half(word: u32, i: u32) -> f32 {
    return unpack2x16float(word >> (16u * (i % 2u))).x;
}

// The four bytes of a word, signed.
fn signed_bytes(word: u32) -> vec4<f32> {
    let bytes = bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word));
    return vec4<f32>(bytes >> vec4<u32>(24u));
}

// Nibbles of a block's four elements from `in_block` on, each in a byte; `block` counts from the first of the tensor.
fn nibbles(block: u32, in_block: u32) -> u32 {
    return (plane_0[block * 4u + in_block % 16u / 4u] >> (in_block / 16u * 4u)) & 0x0f0f0f0fu;
}

fn q8_0(row: u32, column: u32) -> vec4<f32> {
    let blocks = shape.columns / 32u;
    let number = column / 32u;
    // The last tile of a row has fewer than 32 blocks.
    let in_tile = min(blocks - number / 32u * 32u, 32u);
    let at = (row * blocks + number / 32u * 32u) * 8u
        + column % 32u / 16u * 4u * in_tile + number % 32u * 4u + column % 16u / 4u;
    let block = row * blocks + number;
    return half(plane_1[block / 2u], block) * signed_bytes(plane_0[at]);
}

fn q4_0(block: u32, in_block: u32) -> vec4<f32> {
    // At the top of a byte, a nibble in two's complement is sixteen times its quant.
    let quants = signed_bytes(nibbles(block, in_block) << 4u);
    return half(plane_1[block / 2u], block) * 0.0625 * quants;
}

fn q4_k(block: u32, in_block: u32) -> vec4<f32> {
    let at = block / 8u * 4u;
    let j = block % 8u;
    let d = unpack2x16float(plane_1[at]);
    let tops = plane_1[at + 3u];
    let scale = ((plane_1[at + 1u] >> (4u * j)) & 15u) | (((tops >> (2u * j)) & 3u) << 4u);
    let low = ((plane_1[at + 2u] >> (4u * j)) & 15u) | (((tops >> (16u + 2u * j)) & 3u) << 4u);
    return d.x * f32(scale) * signed_bytes(nibbles(block, in_block)) - d.y * f32(low);
}

fn q6_k(block: u32, in_block: u32) -> vec4<f32> {
    let half_block = in_block / 16u;
    let tops = plane_1[block * 2u + half_block] >> (in_block % 16u / 4u * 2u);
    let quants = (nibbles(block, in_block) << 2u) | ((tops & 0x03030303u) << 6u);
    let scale = signed_bytes(plane_2[block / 2u] >> (16u * (block % 2u) + 8u * half_block)).x;
    let super_block = block / 8u;
    return half(plane_3[super_block / 2u], super_block) * 0.25 * scale * signed_bytes(quants);
}

fn element(row: u32, column: u32) -> vec4<f32> {
    let vector = row * (shape.columns / 4u) + column / 4u;
    let block = row * (shape.columns / 32u) + column / 32u;
    let in_block = column % 32u;
    switch WEIGHTS {
        case 0u: {
            let at = vector * 4u;
            return bitcast<vec4<f32>>(vec4<u32>(plane_0[at], plane_0[at + 1u], plane_0[at + 2u], plane_0[at + 3u]));
        }
        case 1u: {
            return vec4<f32>(unpack2x16float(plane_0[vector * 2u]), unpack2x16float(plane_0[vector * 2u + 1u]));
        }
        case 2u: {
            return q8_0(row, column);
        }
        case 3u: {
            return q4_0(block, in_block);
        }
        case 4u: {
            return q4_k(block, in_block);
        }
        default: {
            return q6_k(block, in_block);
        }
    }
}

@compute @workgroup_size(256)
fn embedding(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let column = (group.y * 256u + local) * 4u;
    if (column >= shape.columns) {
        return;
    }
    let row = tokens[group.x];
    let at = (group.x * shape.columns + column) / 4u;
    if (row < shape.rows) {
        x[at] = element(row, column);
    } else {
        x[at] = vec4<f32>(0.0);
    }
}
