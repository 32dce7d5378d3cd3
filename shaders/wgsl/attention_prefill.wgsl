// Attention of several neighbouring tokens of one sequence, for prompts: as attention_decode.wgsl, but over the whole context.
//
// A workgroup has one query head and ROWS tokens, and takes HEAD positions of the context at a time: first an invocation has a
// position, then an element of the head. With the largest score so far, m, sums are in units of 2^m; when a later one is larger
// they are multiplied by the power of two between. A token's result does not depend on which tokens are beside it: positions
// after its own have weights that are zero.
//
// Shapes: queries [rows][heads][HEAD] f32, times log2(e) / sqrt(HEAD) (see rope.wgsl, also for `rows`, `tables` and the cache);
// parts of (first row, rows: 1 to ROWS) with neighbouring positions of one sequence; out [rows][heads * HEAD] f16. Places of a
// block that no position has must hold finite numbers, as they do because blocks are cleared.
// Dispatch: (parts, ratio, kv_heads), with ratio = heads / kv_heads.
enable f16;

// Elements of a head, and positions taken at a time: 64 or 128.
override HEAD: u32 = 128u;
// Tokens of a workgroup: a multiple of 4, at most 16.
override ROWS: u32 = 16u;
// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

override WEIGHTS: u32 = HEAD * ROWS;
override QUERIES: u32 = HEAD * ROWS / 4;

struct Shape {
    kv_heads: u32,
    // Query heads that share a key and value head.
    ratio: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> parts: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f16>;

// [token][vector of four elements]
var<workgroup> of_queries: array<vec4<f32>, QUERIES>;
// [token][position]: exponentials of the scores.
var<workgroup> weights: array<f32, WEIGHTS>;
// [token][subgroup]
var<workgroup> maxima: array<f32, 256>;

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
fn attention_prefill(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let part = parts[group.x];
    let row = rows[part.x];
    // Of the part's last token.
    let last = row.x + part.y - 1u;
    let kv_head = group.z;
    let heads = shape.kv_heads * shape.ratio;
    let head = kv_head * shape.ratio + group.y;
    let subgroups = HEAD / SUBGROUP;

    var most: array<f32, 16>;
    var sums: array<f32, 16>;
    var outputs: array<f32, 16>;
    for (var g = 0u; g < ROWS; g++) {
        most[g] = LOWEST;
    }

    for (var n = 0u; n < ROWS / 4u; n++) {
        let i = n * HEAD + local;
        // With fewer tokens than ROWS the last one is taken several times.
        let token = part.x + min(i / (HEAD / 4u), part.y - 1u);
        of_queries[i] = queries[(token * heads + head) * (HEAD / 4u) + i % (HEAD / 4u)];
    }
    workgroupBarrier();

    for (var first = 0u; first <= last; first += HEAD) {
        let position = first + local;
        let page = tables[row.y + min(position, last) / 16u];
        let key = (page * shape.kv_heads + kv_head) * (HEAD * 2u) + position % 16u;
        var scores: array<f32, 16>;
        for (var c = 0u; c < HEAD / 8u; c += 2u) {
            let a = keys[key + c * 16u];
            let b = keys[key + c * 16u + 16u];
            for (var g = 0u; g < ROWS; g++) {
                let query = g * (HEAD / 4u) + c * 2u;
                scores[g] = add_products(a, of_queries[query], of_queries[query + 1u], scores[g]);
                scores[g] = add_products(b, of_queries[query + 2u], of_queries[query + 3u], scores[g]);
            }
        }

        for (var g = 0u; g < ROWS; g++) {
            scores[g] = select(LOWEST, scores[g], position <= row.x + min(g, part.y - 1u));
            let largest = subgroupMax(scores[g]);
            if (lane == 0u) {
                maxima[g * subgroups + subgroup] = largest;
            }
        }
        workgroupBarrier();
        for (var g = 0u; g < ROWS; g++) {
            var next = most[g];
            for (var s = 0u; s < subgroups; s++) {
                next = max(next, maxima[g * subgroups + s]);
            }
            let before = exp2(most[g] - next);
            let weight = exp2(scores[g] - next);
            weights[g * HEAD + local] = weight;
            sums[g] = fma(before, sums[g], weight);
            outputs[g] *= before;
            most[g] = next;
        }
        workgroupBarrier();

        let pages = min(HEAD / 16u, last / 16u - first / 16u + 1u);
        for (var p = 0u; p < pages; p++) {
            let value_page = tables[row.y + first / 16u + p];
            let value = (value_page * shape.kv_heads + kv_head) * (HEAD * 2u) + local * 2u;
            let a = values[value];
            let b = values[value + 1u];
            for (var g = 0u; g < ROWS; g++) {
                let at = g * HEAD + p * 16u;
                outputs[g] = add_products(a, four_weights(at), four_weights(at + 4u), outputs[g]);
                outputs[g] = add_products(b, four_weights(at + 8u), four_weights(at + 12u), outputs[g]);
            }
        }
    }

    for (var g = 0u; g < ROWS; g++) {
        let sum = subgroupAdd(sums[g]);
        if (lane == 0u) {
            maxima[g * subgroups + subgroup] = sum;
        }
    }
    workgroupBarrier();
    for (var g = 0u; g < ROWS; g++) {
        var total = 0.0;
        for (var s = 0u; s < subgroups; s++) {
            total += maxima[g * subgroups + s];
        }
        if (g < part.y) {
            out[((part.x + g) * heads + head) * HEAD + local] = f16(outputs[g] / total);
        }
    }
}
