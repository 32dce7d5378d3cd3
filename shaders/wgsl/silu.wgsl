// The gate of the feed-forward part: out[t][k] = silu(gate[t][k]) * up[t][k], with silu(x) = x / (1 + exp(-x)).
//
// Shapes: gate and up f32, token t at t * stride (in vectors of four), so that both may be parts of one product's result;
// out [tokens][columns], columns a multiple of 32.
// Entry points: silu_f32 and silu_f16 give that type; silu_q8 gives the layout of quantise.wgsl.
// Dispatch: (tokens, ceil(columns / 1024), 1); a workgroup of 256 has 1024 columns, an invocation four neighbouring ones.
enable f16;

struct Shape {
    columns: u32,
    // Vectors of four from one token to the next in gate and up.
    stride: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> gate: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> up: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_f32: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_f16: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> out_quants: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_blocks: array<u32>;

fn gated(token: u32, i: u32) -> vec4<f32> {
    let at = token * shape.stride + i;
    let g = gate[at];
    return g / (1.0 + exp(-g)) * up[at];
}

@compute @workgroup_size(256)
fn silu_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let vectors = shape.columns / 4u;
    let i = group.y * 256u + local;
    if (i < vectors) {
        out_f32[group.x * vectors + i] = gated(group.x, i);
    }
}

@compute @workgroup_size(256)
fn silu_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let vectors = shape.columns / 4u;
    let i = group.y * 256u + local;
    if (i < vectors) {
        out_f16[group.x * vectors + i] = vec4<f16>(gated(group.x, i));
    }
}

@compute @workgroup_size(256)
fn silu_q8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let vectors = shape.columns / 4u;
    let i = group.y * 256u + local;
    store_q8(group.x, i, vectors, gated(group.x, min(i, vectors - 1u)));
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
