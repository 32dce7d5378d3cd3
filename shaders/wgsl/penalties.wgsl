// Changes logits before sampling: the bias of single tokens, and penalties for tokens that occurred.
//
// bias: logits[row][id] += value for each of `entries`: (row, id, value in f32 bits, 0), no token of a row twice.
//   Dispatch: (ceil(count / 64), 1, 1).
// penalties: counts[row's slot][token] has bit 31 set where the token occurs in the prompt, and below that how often it occurs
//   in the answer. A token that occurs anywhere has a positive logit divided, another multiplied by `repetition`; one that
//   occurs in the answer n times then loses n * frequency + presence.
//   `rows` [rows] of (slot, repetition, frequency, presence), the last three as f32 bits.
//   Dispatch: (rows, ceil(vocabulary / 256), 1).
// count_tokens: after sampling, counts[slot][tokens[row]] += 1; a token outside the vocabulary is not counted.
//   No two rows have the same slot. Dispatch: (ceil(count / 64), 1, 1).

struct Shape {
    vocabulary: u32,
    stride: u32,
    // Entries of the list, or rows.
    count: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read> entries: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> rows: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
@group(0) @binding(4) var<storage, read> tokens: array<u32>;

@compute @workgroup_size(64)
fn bias(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.x * 64u + local;
    if (i < shape.count) {
        let entry = entries[i];
        logits[entry.x * shape.stride + entry.y] += bitcast<f32>(entry.z);
    }
}

@compute @workgroup_size(256)
fn penalties(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let token = group.y * 256u + local;
    if (token >= shape.vocabulary) {
        return;
    }
    let row = rows[group.x];
    let count = counts[row.x * shape.vocabulary + token];
    if (count == 0u) {
        return;
    }
    let at = group.x * shape.stride + token;
    let repetition = bitcast<f32>(row.y);
    var logit = logits[at];
    logit = select(logit * repetition, logit / repetition, logit > 0.0);
    let in_answer = count & 0x7fffffffu;
    if (in_answer > 0u) {
        logit -= bitcast<f32>(row.z) * f32(in_answer) + bitcast<f32>(row.w);
    }
    logits[at] = logit;
}

@compute @workgroup_size(64)
fn count_tokens(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.x * 64u + local;
    if (i < shape.count && tokens[i] < shape.vocabulary) {
        counts[rows[i].x * shape.vocabulary + tokens[i]] += 1u;
    }
}
