// RMS normalisation of the rows of the residual stream, for the product that follows.
//
//   x[t] += delta[t]                                        if RESIDUAL
//   out[t][k] = x[t][k] / sqrt(mean(x[t]^2) + epsilon) * weight[k]
//
// Shapes: x, delta [tokens][columns] f32; weight [columns] f32; columns a multiple of 32.
// Entry points: rms_norm_f32 and rms_norm_f16 give [tokens][columns] in that type; rms_norm_q8 gives what the products with
// 8-bit activations read, in the layout of quantise.wgsl.
// Dispatch: (tokens, 1, 1); a workgroup of 256 has one token, an invocation four neighbouring columns at a time.
enable f16;

// Whether delta is added to x, which is then written back.
override RESIDUAL: bool = false;
// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

struct Shape {
    columns: u32,
    epsilon: f32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_f32: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_f16: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> out_quants: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_blocks: array<u32>;

const WIDTH = 256u;
// One sum for each subgroup.
var<workgroup> partial: array<f32, 32>;

// 1 / sqrt(mean(x^2) + epsilon) of the row whose vectors begin at `start`, after adding delta.
fn scale(start: u32, vectors: u32, local: u32, subgroup: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = local; i < vectors; i += WIDTH) {
        var value = x[start + i];
        if (RESIDUAL) {
            value += delta[start + i];
            x[start + i] = value;
        }
        sum += dot(value, value);
    }
    sum = subgroupAdd(sum);
    if (lane == 0u) {
        partial[subgroup] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < WIDTH / SUBGROUP; i++) {
        total += partial[i];
    }
    return inverseSqrt(total / f32(shape.columns) + shape.epsilon);
}

@compute @workgroup_size(256)
fn rms_norm_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let vectors = shape.columns / 4u;
    let start = group.x * vectors;
    let factor = scale(start, vectors, local, subgroup, lane);
    for (var i = local; i < vectors; i += WIDTH) {
        out_f32[start + i] = x[start + i] * factor * weight[i];
    }
}

@compute @workgroup_size(256)
fn rms_norm_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let vectors = shape.columns / 4u;
    let start = group.x * vectors;
    let factor = scale(start, vectors, local, subgroup, lane);
    for (var i = local; i < vectors; i += WIDTH) {
        out_f16[start + i] = vec4<f16>(x[start + i] * factor * weight[i]);
    }
}

@compute @workgroup_size(256)
fn rms_norm_q8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let vectors = shape.columns / 4u;
    let start = group.x * vectors;
    let factor = scale(start, vectors, local, subgroup, lane);
    // All invocations take part in each step, because quantising exchanges values between them.
    for (var first = 0u; first < vectors; first += WIDTH) {
        let i = min(first + local, vectors - 1u);
        store_q8(group.x, first + local, vectors, x[start + i] * factor * weight[i]);
    }
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
