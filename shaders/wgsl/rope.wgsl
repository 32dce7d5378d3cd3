// Rotary position embedding of queries and keys, and the way of keys and values into the paged cache.
//
// A pair of elements, taken as a complex number, is multiplied by the turn of its position: elements 2i and 2i + 1 of a head
// (the order in which GGUF stores Llama's heads), or i and i + ROTATED / 2 (NEOX). Elements from ROTATED on stay as they are.
// Queries are also multiplied by `scale`, log2(e) / sqrt(HEAD), so that attention needs only exp2.
//
// Shapes: qkv [tokens][stride] f32, a token's queries [heads][HEAD], then keys and values, [kv_heads][HEAD] each;
// turns [position][ROTATED / 2] of (cosine, sine); queries [tokens][heads][HEAD] f32;
// rows [tokens] of (position, first entry of the sequence's block table in `tables`), a position of 0xffffffff: no token.
// Cache: a block has 16 positions. With base = (block * kv_heads + head) * HEAD * 16, element d of position p % 16 is
//   keys: f16 number base + d / 8 * 128 + p % 16 * 8 + d % 8, so that 16 positions' vectors of eight are neighbours;
//   values: f16 number base + d * 16 + p % 16, so that an element's 16 positions are neighbours.
// Dispatch: (tokens, ceil((heads + 2 * kv_heads) * HEAD / 128), 1); an invocation has a pair.
enable f16;

// Elements of a head: 64 or 128.
override HEAD: u32 = 128u;
// Elements of a head that are rotated; even.
override ROTATED: u32 = 128u;
override NEOX: bool = false;

struct Shape {
    heads: u32,
    kv_heads: u32,
    stride: u32,
    scale: f32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> turns: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read_write> queries: array<f32>;
@group(0) @binding(5) var<storage, read_write> keys: array<f16>;
@group(0) @binding(6) var<storage, read_write> values: array<f16>;

@compute @workgroup_size(64)
fn rope(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = rows[group.x];
    let position = row.x;
    let number = group.y * 64u + local;
    let head = number / (HEAD / 2u);
    let pair = number % (HEAD / 2u);
    if (position == 0xffffffffu || head >= shape.heads + 2u * shape.kv_heads) {
        return;
    }

    var first = 2u * pair;
    var second = first + 1u;
    if (NEOX && first < ROTATED) {
        first = pair;
        second = pair + ROTATED / 2u;
    }
    let source = group.x * shape.stride + head * HEAD;
    let a = qkv[source + first];
    let b = qkv[source + second];
    var turned = vec2<f32>(a, b);
    if (2u * pair < ROTATED && head < shape.heads + shape.kv_heads) {
        let turn = turns[position * (ROTATED / 2u) + pair];
        turned = vec2<f32>(a * turn.x - b * turn.y, a * turn.y + b * turn.x);
    }

    if (head < shape.heads) {
        let at = (group.x * shape.heads + head) * HEAD;
        queries[at + first] = turned.x * shape.scale;
        queries[at + second] = turned.y * shape.scale;
        return;
    }
    let block = tables[row.y + position / 16u];
    let slot = position % 16u;
    if (head < shape.heads + shape.kv_heads) {
        let base = (block * shape.kv_heads + head - shape.heads) * HEAD * 16u + slot * 8u;
        keys[base + first / 8u * 128u + first % 8u] = f16(turned.x);
        keys[base + second / 8u * 128u + second % 8u] = f16(turned.y);
    } else {
        let base = (block * shape.kv_heads + head - shape.heads - shape.kv_heads) * HEAD * 16u + slot;
        values[base + first * 16u] = f16(turned.x);
        values[base + second * 16u] = f16(turned.y);
    }
}
