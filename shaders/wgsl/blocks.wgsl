// Blocks of the paged cache: zeroed before another request gets them, and copied when one of two owners writes.
//
// One layer's keys or values, seen as vectors of 16 bytes; a block has `vectors` of them.
// block_clear: dispatch (blocks of `list`, ceil(vectors / 256), 1). block_copy: list holds pairs of (source, copy), likewise; no
// block is written twice in a dispatch, nor read and written.
struct Shape {
    vectors: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read_write> cache: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> list: array<u32>;

@compute @workgroup_size(256)
fn block_clear(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.y * 256u + local;
    if (i < shape.vectors) {
        cache[list[group.x] * shape.vectors + i] = vec4<u32>(0u);
    }
}

@compute @workgroup_size(256)
fn block_copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.y * 256u + local;
    if (i < shape.vectors) {
        let source = list[2u * group.x];
        let copy = list[2u * group.x + 1u];
        cache[copy * shape.vectors + i] = cache[source * shape.vectors + i];
    }
}
