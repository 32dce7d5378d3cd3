// Adds up what attention_decode.wgsl gave for the splits of a context:
//   out[row][head][d] = sum over s of 2^(m[s] - max m) * partials[s][d] / sum over s of 2^(m[s] - max m) * sums[s].
//
// A workgroup of 256 has one query head; 256 * 4 / HEAD parts of it, each HEAD / 4 invocations with four neighbouring elements,
// take splits in turn. A row that is no token gives zeros.
//
// Shapes: partials [rows][heads][splits][HEAD] f32, stats [rows][heads][splits] of (m, sum); rows as in rope.wgsl.
// Entry points: attention_reduce_f32 and attention_reduce_f16 give [rows][heads * HEAD] in that type; attention_reduce_q8 gives
// the layout of quantise.wgsl.
// Dispatch: (rows, heads, 1).
enable f16;

// Elements of a head, and positions of a split: 64 or 128.
override HEAD: u32 = 128u;

struct Shape {
    heads: u32,
    splits: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> out_f32: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out_f16: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> out_quants: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_blocks: array<u32>;

// [part][vector of four elements]
var<workgroup> sums: array<vec4<f32>, 256>;
// [part]: the largest m, and the sum of the sums.
var<workgroup> totals: array<vec2<f32>, 16>;

const LOWEST = -3.0e38;

// The four elements of invocation `local`, which is below HEAD / 4; in the others, what is of no use.
fn reduced(row: u32, head: u32, local: u32) -> vec4<f32> {
    let vectors = HEAD / 4u;
    let parts = 256u / vectors;
    let part = local / vectors;
    let vector = local % vectors;
    let splits = (rows[row].x + 1u + HEAD - 1u) / HEAD;
    let start = (row * shape.heads + head) * shape.splits;

    // The largest m so far, and sums in units of 2^largest.
    var most = LOWEST;
    var sum = vec4<f32>(0.0);
    var total = 0.0;
    for (var s = part; s < splits; s += parts) {
        let of_split = stats[start + s];
        let next = max(most, of_split.x);
        let before = exp2(most - next);
        let factor = exp2(of_split.x - next);
        sum = before * sum + factor * partials[(start + s) * vectors + vector];
        total = before * total + factor * of_split.y;
        most = next;
    }
    sums[local] = sum;
    if (vector == 0u) {
        totals[part] = vec2<f32>(most, total);
    }
    workgroupBarrier();
    most = totals[0].x;
    for (var p = 1u; p < parts; p++) {
        most = max(most, totals[p].x);
    }
    sum = vec4<f32>(0.0);
    total = 0.0;
    for (var p = 0u; p < parts; p++) {
        let factor = exp2(totals[p].x - most);
        sum += factor * sums[p * vectors + vector];
        total += factor * totals[p].y;
    }
    return select(sum / total, vec4<f32>(0.0), splits == 0u);
}

@compute @workgroup_size(256)
fn attention_reduce_f32(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let value = reduced(group.x, group.y, local);
    if (local < HEAD / 4u) {
        out_f32[(group.x * shape.heads + group.y) * (HEAD / 4u) + local] = value;
    }
}

@compute @workgroup_size(256)
fn attention_reduce_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let value = reduced(group.x, group.y, local);
    if (local < HEAD / 4u) {
        out_f16[(group.x * shape.heads + group.y) * (HEAD / 4u) + local] = vec4<f16>(value);
    }
}

@compute @workgroup_size(256)
fn attention_reduce_q8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let value = reduced(group.x, group.y, local);
    let vectors = shape.heads * (HEAD / 4u);
    let i = select(vectors, group.y * (HEAD / 4u) + local, local < HEAD / 4u);
    store_q8(group.x, i, vectors, value);
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
