// The token with the largest logit, the lowest id among equals: sampling at temperature 0.
//
// Shapes: logits [rows][stride] f32, of which the first `vocabulary` count; tokens [rows] u32: 0xffffffff where a logit is NaN or
// plus infinity, or all are minus infinity. Dispatch: (rows, 1, 1); a workgroup of 1024 has one row.

// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

struct Shape {
    vocabulary: u32,
    stride: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;

const WIDTH = 1024u;
const NOBODY = 0xffffffffu;
// What `ordered` gives for minus and for plus infinity.
const LOWEST = 0x007fffffu;
const HIGHEST = 0xff800000u;

// [subgroup]
var<workgroup> keys: array<u32, 128>;
var<workgroup> ids: array<u32, 128>;

// begin ordered: the same text in both files.
// An integer with the order of the numbers; a NaN, of either sign, gives the largest. Both zeros are equal.
fn ordered(value: f32) -> u32 {
    let given = bitcast<u32>(value);
    let bits = select(given, 0u, given == 0x80000000u);
    let key = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
    return select(key, NOBODY, (bits & 0x7fffffffu) > 0x7f800000u);
}
// end ordered

@compute @workgroup_size(1024)
fn argmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    var key = 0u;
    var id = NOBODY;
    for (var i = local; i < shape.vocabulary; i += WIDTH) {
        let other = ordered(logits[group.x * shape.stride + i]);
        id = select(id, i, other > key);
        key = max(key, other);
    }
    let most = subgroupMax(key);
    let least = subgroupMin(select(NOBODY, id, key == most));
    if (lane == 0u) {
        keys[subgroup] = most;
        ids[subgroup] = least;
    }
    workgroupBarrier();
    if (local == 0u) {
        key = keys[0];
        id = ids[0];
        for (var s = 1u; s < WIDTH / SUBGROUP; s++) {
            let better = keys[s] > key || (keys[s] == key && ids[s] < id);
            id = select(id, ids[s], better);
            key = max(key, keys[s]);
        }
        tokens[group.x] = select(NOBODY, id, key > LOWEST && key < HIGHEST);
    }
}
