// Quantises activations to 8 bits, as the products in matvec_*.wgsl read them.
//
// A block of 32 neighbouring elements has one scale, max|x| / 127; a quant is x / scale, rounded to the nearest. A scale is
// then rounded to f16, as in GGUF's Q8_0. A block with NaN or infinity in it has the scale NaN, which reaches every product
// with it; one with max|x| < 1e-30 counts as zero.
//
// Layout of a token: tiles of 1024 elements, the last one perhaps not full. The 1024 bytes of a tile's quants are
//   [half of the block: 2][block: 32][byte: 16],
// so that 32 invocations with a block each load whole cache lines: element k of the token is byte
//   k / 1024 * 1024 + k % 32 / 16 * 512 + k / 32 % 32 * 16 + k % 16.
// Beside them a u32 for each block of a tile, 32 of them: its scale in f16 (low half) and the sum of its quants in i16.
// A token has ceil(columns / 1024) tiles.
//
// Shapes: x [tokens][columns] f32, columns a multiple of 32.
// Dispatch: (tokens, ceil(columns / 1024), 1); a workgroup of 256 has a tile, an invocation four neighbouring elements.
struct Shape {
    columns: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_quants: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_blocks: array<u32>;

@compute @workgroup_size(256)
fn quantise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let vectors = shape.columns / 4u;
    let i = group.y * 256u + local;
    store_q8(group.x, i, vectors, x[group.x * vectors + min(i, vectors - 1u)]);
}

// begin store_q8: the same text in every kernel that quantises; what it does is described in quantise.wgsl.
fn store_q8(token: u32, i: u32, vectors: u32, value: vec4<f32>) {
    let bits = bitcast<vec4<u32>>(value) & vec4<u32>(0x7fffffffu);
    var most = max(max(bits.x, bits.y), max(bits.z, bits.w));
    most = max(most, subgroupShuffleXor(most, 1u));
    most = max(most, subgroupShuffleXor(most, 2u));
    most = max(most, subgroupShuffleXor(most, 4u));
    let largest = bitcast<f32>(most);
    let inverse = select(127.0 / largest, 0.0, largest < 1e-30);
    let scale = select(largest / 127.0, 0.0, largest < 1e-30);
    let quants = bitcast<vec4<i32>>(value * inverse + vec4<f32>(12582912.0)) - vec4<i32>(0x4b400000);
    var sum = quants.x + quants.y + quants.z + quants.w;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    if (i >= vectors) {
        return;
    }
    let tile = token * ((vectors + 255u) / 256u) + i / 256u;
    let block = (i / 8u) % 32u;
    let bytes = vec4<u32>(quants) & vec4<u32>(0xffu);
    out_quants[tile * 256u + (i / 4u) % 2u * 128u + block * 4u + i % 4u] =
        bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
    if (i % 8u == 0u) {
        let half = select(pack2x16float(vec2<f32>(scale, 0.0)), 0x7e00u, most >= 0x7f800000u);
        out_blocks[tile * 32u + block] = half | (bitcast<u32>(sum) << 16u);
    }
}
// end store_q8
