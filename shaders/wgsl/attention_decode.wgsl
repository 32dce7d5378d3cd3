// Attention of one token per sequence over its cached positions, split along the context.
//
// A workgroup has one key and value head, with the GROUP query heads that share it, and HEAD positions, one for each of its HEAD
// invocations. First an invocation has a position: its scores with all query heads, and after the maximum over the workgroup
// their exponentials. Then it has an element of the head: the weighted sum of that element over the positions. What it gives is
//   partials[row][head][split][d] = sum over p of 2^(s[p] - m) * value[p][d],  and (m, sum over p of 2^(s[p] - m)) in `stats`,
// which attention_reduce.wgsl adds up. Splits end at multiples of HEAD positions, so the result depends on nothing but the
// sequence.
//
// Shapes: queries [rows][heads][HEAD] f32, times log2(e) / sqrt(HEAD) (see rope.wgsl, also for `rows`, `tables` and the cache);
// partials [rows][heads][splits][HEAD] f32, stats [rows][heads][splits] of two f32. Places of a block that no position has must
// hold finite numbers, as they do because blocks are cleared.
// Dispatch: (rows, kv_heads, splits); splits beyond the context end at once. Where more than GROUP query heads share a key and
// value head there is one dispatch for each GROUP of them.

// Elements of a head, and positions of a split: 64 or 128.
override HEAD: u32 = 128u;
// Query heads of a workgroup: 1 to 8.
override GROUP: u32 = 4u;
// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

override WEIGHTS: u32 = HEAD * GROUP;
override QUERIES: u32 = HEAD * GROUP / 4;

struct Shape {
    kv_heads: u32,
    // Query heads that share a key and value head.
    ratio: u32,
    splits: u32,
    // First of a workgroup's query heads, among those that share a key and value head.
    first_head: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2<f32>>;

// [query head][vector of four elements]
var<workgroup> of_queries: array<vec4<f32>, QUERIES>;
// [query head][position]: exponentials of the scores.
var<workgroup> weights: array<f32, WEIGHTS>;
// [query head][subgroup]
var<workgroup> maxima: array<f32, 128>;
var<workgroup> sums: array<f32, 128>;

const LOWEST = -3.0e38;

// Eight products added to `sum`: a vector of f16 with two vectors of f32.
fn add_products(v: vec4<u32>, low: vec4<f32>, high: vec4<f32>, sum: f32) -> f32 {
    let a = unpack2x16float(v.x);
    let b = unpack2x16float(v.y);
    let c = unpack2x16float(v.z);
    let d = unpack2x16float(v.w);
    let first = fma(a.x, low.x, fma(a.y, low.y, fma(b.x, low.z, fma(b.y, low.w, sum))));
    return fma(c.x, high.x, fma(c.y, high.y, fma(d.x, high.z, fma(d.y, high.w, first))));
}

// The weights of positions `at` to `at + 3`.
fn four_weights(at: u32) -> vec4<f32> {
    return vec4<f32>(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

@compute @workgroup_size(HEAD)
fn attention_decode(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let row = rows[group.x];
    // No token (0xffffffff) has no positions.
    let positions = row.x + 1u;
    let first = group.z * HEAD;
    if (first >= positions) {
        return;
    }
    let kv_head = group.y;
    // Number of the first query head that shares it.
    let head = (group.x * shape.kv_heads + kv_head) * shape.ratio;

    for (var n = 0u; n < (GROUP + 3u) / 4u; n++) {
        let i = n * HEAD + local;
        if (i < QUERIES) {
            // With fewer query heads than GROUP the last one is taken several times.
            let g = min(shape.first_head + i / (HEAD / 4u), shape.ratio - 1u);
            of_queries[i] = queries[(head + g) * (HEAD / 4u) + i % (HEAD / 4u)];
        }
    }
    workgroupBarrier();

    let position = first + local;
    let page = tables[row.y + min(position, positions - 1u) / 16u];
    let key = (page * shape.kv_heads + kv_head) * (HEAD * 2u) + position % 16u;
    var scores: array<f32, 8>;
    for (var c = 0u; c < HEAD / 8u; c += 4u) {
        let a = keys[key + c * 16u];
        let b = keys[key + c * 16u + 16u];
        let d = keys[key + c * 16u + 32u];
        let e = keys[key + c * 16u + 48u];
        for (var g = 0u; g < GROUP; g++) {
            let query = g * (HEAD / 4u) + c * 2u;
            scores[g] = add_products(a, of_queries[query], of_queries[query + 1u], scores[g]);
            scores[g] = add_products(b, of_queries[query + 2u], of_queries[query + 3u], scores[g]);
            scores[g] = add_products(d, of_queries[query + 4u], of_queries[query + 5u], scores[g]);
            scores[g] = add_products(e, of_queries[query + 6u], of_queries[query + 7u], scores[g]);
        }
    }

    let subgroups = HEAD / SUBGROUP;
    for (var g = 0u; g < GROUP; g++) {
        scores[g] = select(LOWEST, scores[g], position < positions);
        let most = subgroupMax(scores[g]);
        if (lane == 0u) {
            maxima[g * subgroups + subgroup] = most;
        }
    }
    workgroupBarrier();
    for (var g = 0u; g < GROUP; g++) {
        var most = maxima[g * subgroups];
        for (var s = 1u; s < subgroups; s++) {
            most = max(most, maxima[g * subgroups + s]);
        }
        let weight = exp2(scores[g] - most);
        weights[g * HEAD + local] = weight;
        let sum = subgroupAdd(weight);
        if (lane == 0u) {
            sums[g * subgroups + subgroup] = sum;
        }
        scores[g] = most;
    }
    workgroupBarrier();

    var outputs: array<f32, 8>;
    let last = (positions - 1u) / 16u;
    let pages = min(HEAD / 16u, last - first / 16u + 1u);
    for (var p = 0u; p < pages; p += 2u) {
        // Without a second page the last one is taken again, with weights that are zero.
        let page_a = tables[row.y + first / 16u + p];
        let page_b = tables[row.y + min(first / 16u + p + 1u, last)];
        let value_a = (page_a * shape.kv_heads + kv_head) * (HEAD * 2u) + local * 2u;
        let value_b = (page_b * shape.kv_heads + kv_head) * (HEAD * 2u) + local * 2u;
        let a = values[value_a];
        let b = values[value_a + 1u];
        let c = values[value_b];
        let d = values[value_b + 1u];
        for (var g = 0u; g < GROUP; g++) {
            let at = g * HEAD + p * 16u;
            outputs[g] = add_products(a, four_weights(at), four_weights(at + 4u), outputs[g]);
            outputs[g] = add_products(b, four_weights(at + 8u), four_weights(at + 12u), outputs[g]);
            outputs[g] = add_products(c, four_weights(at + 16u), four_weights(at + 20u), outputs[g]);
            outputs[g] = add_products(d, four_weights(at + 24u), four_weights(at + 28u), outputs[g]);
        }
    }

    for (var g = 0u; g < GROUP; g++) {
        if (shape.first_head + g < shape.ratio) {
            let at = (head + shape.first_head + g) * shape.splits + group.z;
            partials[at * HEAD + local] = outputs[g];
            var sum = 0.0;
            for (var s = 0u; s < subgroups; s++) {
                sum += sums[g * subgroups + s];
            }
            if (local == 0u) {
                stats[at] = vec2<f32>(scores[g], sum);
            }
        }
    }
}
