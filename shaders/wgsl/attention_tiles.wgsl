// Attention of several neighbouring tokens of one sequence, for prompts, by cooperative matrices: what attention_prefill.wgsl
// computes, for devices that have them.
//
// A workgroup has one query head and up to 64 tokens, 16 for each of its four waves, and takes 32 positions of the context at a
// time. Their keys go to workgroup memory; a wave multiplies them with its queries, gives each token to two lanes, which make
// weights of the scores, and multiplies those with the values, which come as tiles from the cache as it is. Sums are in units of
// 2^most, an integer power of two of each token; they are multiplied by another when a score exceeds that by more than 8. As
// tiles cannot be taken apart they go through workgroup memory then. A token's result does not depend on which tokens are beside
// it: positions after its own have weights that are zero, and its sums are only ever multiplied by its own powers of two.
//
// Queries and weights are rounded to f16; all sums are f32.
//
// Shapes: as in attention_prefill.wgsl, with parts of 1 to 64 rows.
// Dispatch: (parts, ratio, kv_heads), with ratio = heads / kv_heads.
enable f16;
enable wgpu_cooperative_matrix;

// Elements of a head: 64 or 128.
override HEAD: u32 = 128u;
// Elements from one key in workgroup memory to the next: no two of eight lanes with neighbouring positions meet in a bank.
override LENGTH: u32 = HEAD + 8u;

struct Shape {
    kv_heads: u32,
    // Query heads that share a key and value head.
    ratio: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<f16>;
@group(0) @binding(5) var<storage, read> parts: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f16>;

// [position][element]; at the start [token][element], 64 elements at a time, 72 from one token to the next.
var<workgroup> of_keys: array<f16, 4608>;
// [wave][token][position], and tiles of sums that are to be multiplied or stored.
var<workgroup> scores: array<f32, 2304>;
const SCORES = 36u;
// [wave][token][position]
var<workgroup> weights: array<f16, 2560>;
const WEIGHTS = 40u;
// [wave]: a score of one of its tokens exceeds the sums' unit by too much.
var<workgroup> grown: array<u32, 4>;

const LOWEST = -3.0e38;

// What an invocation brings of the keys of 32 positions, HEAD / 32 times eight elements.
fn load_keys(first: u32, last: u32, table: u32, kv_head: u32, local: u32) -> array<vec4<f16>, 8> {
    var loaded: array<vec4<f16>, 8>;
    for (var i = 0u; i < HEAD / 32u; i++) {
        let page = tables[table + min(first / 16u + i / (HEAD / 64u), last / 16u)];
        let at = (page * shape.kv_heads + kv_head) * (HEAD * 4u) + (i * 128u + local) % (HEAD * 2u) * 2u;
        loaded[2u * i] = keys[at];
        loaded[2u * i + 1u] = keys[at + 1u];
    }
    return loaded;
}

// Puts them there.
fn store_keys(loaded: array<vec4<f16>, 8>, local: u32) {
    var own = loaded;
    for (var i = 0u; i < HEAD / 32u; i++) {
        let vector = (i * 128u + local) % (HEAD * 2u);
        let slot = i / (HEAD / 64u) * 16u + vector % 16u;
        let to = slot * LENGTH + vector / 16u * 8u;
        let low = own[2u * i];
        let high = own[2u * i + 1u];
        of_keys[to] = low.x;
        of_keys[to + 1u] = low.y;
        of_keys[to + 2u] = low.z;
        of_keys[to + 3u] = low.w;
        of_keys[to + 4u] = high.x;
        of_keys[to + 5u] = high.y;
        of_keys[to + 6u] = high.z;
        of_keys[to + 7u] = high.w;
    }
}

@compute @workgroup_size(128)
fn attention_tiles(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) wave: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let part = parts[group.x];
    let row = rows[part.x];
    // Of the part's last token.
    let last = row.x + part.y - 1u;
    let kv_head = group.z;
    let heads = shape.kv_heads * shape.ratio;
    let head = kv_head * shape.ratio + group.y;

    // With fewer tokens than 64 the last one is taken several times.
    var of_queries: array<coop_mat16x16<f16, A>, 8>;
    let token = part.x + min(local / 2u, part.y - 1u);
    for (var h = 0u; h < HEAD / 64u; h++) {
        let source = (token * heads + head) * (HEAD / 4u) + h * 16u + local % 2u * 8u;
        let to = local / 2u * 72u + local % 2u * 32u;
        workgroupBarrier();
        for (var i = 0u; i < 8u; i++) {
            let v = vec4<f16>(queries[source + i]);
            of_keys[to + 4u * i] = v.x;
            of_keys[to + 4u * i + 1u] = v.y;
            of_keys[to + 4u * i + 2u] = v.z;
            of_keys[to + 4u * i + 3u] = v.w;
        }
        workgroupBarrier();
        for (var k = 0u; k < 4u; k++) {
            of_queries[4u * h + k] = coopLoadT<coop_mat16x16<f16, A>>(&of_keys[wave * 1152u + k * 16u], 72u);
        }
    }

    // Two lanes have a token, each with half of the positions or elements.
    let own = wave * 16u + lane / 2u;
    let side = lane % 2u;
    let position = row.x + min(own, part.y - 1u);
    let of_wave = wave * 16u * SCORES;
    let scores_at = own * SCORES + side * 16u;
    let tile_at = own * SCORES + side * 8u;
    let weights_at = own * WEIGHTS + side * 16u;
    var most = LOWEST;
    var sum = 0.0;
    var outputs: array<coop_mat16x16<f32, C>, 8>;

    workgroupBarrier();
    store_keys(load_keys(0u, last, row.y, kv_head, local), local);
    for (var first = 0u; first <= last; first += 32u) {
        workgroupBarrier();
        let next_keys = load_keys(first + 32u, last, row.y, kv_head, local);
        for (var t = 0u; t < 2u; t++) {
            var products = coop_mat16x16<f32, C>();
            for (var k = 0u; k < HEAD / 16u; k++) {
                let b = coopLoad<coop_mat16x16<f16, B>>(&of_keys[t * 16u * LENGTH + k * 16u], LENGTH);
                products = coopMultiplyAdd(of_queries[k], b, products);
            }
            coopStoreT(products, &scores[of_wave + t * 16u], SCORES);
        }
        subgroupBarrier();

        // Its positions up to the token's own count.
        let room = i32(position) - i32(first + side * 16u);
        var s: array<f32, 16>;
        var largest = LOWEST;
        for (var i = 0u; i < 16u; i++) {
            s[i] = select(LOWEST, scores[scores_at + i], i32(i) <= room);
            largest = max(largest, s[i]);
        }
        largest = max(largest, subgroupShuffleXor(largest, 1u));
        let exceeds = largest > most + 8.0;
        let any = subgroupAny(exceeds);
        if (lane == 0u) {
            grown[wave] = select(0u, 1u, any);
        }
        // All waves have also read the keys then.
        let all = workgroupUniformLoad(&grown);
        if ((all[0] | all[1] | all[2] | all[3]) != 0u) {
            let next = select(most, ceil(largest), exceeds);
            let before = exp2(most - next);
            most = next;
            sum *= before;
            for (var d = 0u; d < HEAD / 16u; d++) {
                coopStoreT(outputs[d], &scores[of_wave], SCORES);
                subgroupBarrier();
                var elements: array<f32, 8>;
                for (var i = 0u; i < 8u; i++) {
                    elements[i] = scores[tile_at + i] * before;
                }
                for (var i = 0u; i < 8u; i++) {
                    scores[tile_at + i] = elements[i];
                }
                subgroupBarrier();
                outputs[d] = coopLoadT<coop_mat16x16<f32, C>>(&scores[of_wave], SCORES);
            }
        }
        for (var i = 0u; i < 16u; i++) {
            let weight = exp2(s[i] - most);
            sum += weight;
            weights[weights_at + i] = f16(weight);
        }
        subgroupBarrier();

        for (var t = 0u; t < 2u; t++) {
            let a = coopLoadT<coop_mat16x16<f16, A>>(&weights[wave * 16u * WEIGHTS + t * 16u], WEIGHTS);
            let page = tables[row.y + min(first / 16u + t, last / 16u)];
            let value = (page * shape.kv_heads + kv_head) * (HEAD * 16u);
            for (var d = 0u; d < HEAD / 16u; d++) {
                let b = coopLoad<coop_mat16x16<f16, B>>(&values[value + d * 256u], 16u);
                outputs[d] = coopMultiplyAdd(a, b, outputs[d]);
            }
        }
        store_keys(next_keys, local);
    }

    let inverse = 1.0 / (sum + subgroupShuffleXor(sum, 1u));
    let target_at = ((part.x + own) * heads + head) * HEAD + side * 8u;
    for (var d = 0u; d < HEAD / 16u; d++) {
        subgroupBarrier();
        coopStoreT(outputs[d], &scores[of_wave], SCORES);
        subgroupBarrier();
        if (own < part.y) {
            for (var i = 0u; i < 8u; i++) {
                out[target_at + d * 16u + i] = f16(scores[tile_at + i] * inverse);
            }
        }
    }
}
