// Draws a token: temperature, softmax, top-k, top-p, min-p, then a draw among what is left.
//
// With l the largest logit, a token's weight is w = 2^((logit - l) * log2(e) / temperature), at most 1, and its mass the integer
// part of 2^31 * w / sum of w. Tokens rank by weight, and by id among equals. Top-k, top-p and min-p each keep the first tokens
// of that order, so what is kept is the least of three masses; a draw is a place below that mass. All places are integers, and
// sums of integers do not depend on their order: the same logits give the same token, whatever the order of execution.
//
// Finding a place takes no sorting: the bits of a weight, as f32, have the order of weights. A histogram of their upper bits, of
// counts and of masses, says in which of 2048 parts the place lies (weights below 2^-31 have no mass); two finer ones within that
// part give the weight itself; then ids are counted. Each histogram reads all logits again, which the cache holds.
//
// Shapes: logits [rows][stride] f32, of which the first `vocabulary` count, at most 2^20; choices [rows]; tokens [rows] u32:
// 0xffffffff where a logit is NaN or plus infinity, or all are minus infinity.
// Dispatch: (rows, 1, 1); a workgroup of 1024 has one row.

// Invocations in a subgroup.
override SUBGROUP: u32 = 32u;

struct Shape {
    vocabulary: u32,
    stride: u32,
    // The least for which vocabulary <= 1024 << id_shift.
    id_shift: u32,
}
var<immediate> shape: Shape;

struct Choice {
    // 0: the token with the largest logit.
    temperature: f32,
    // 0 keeps all.
    top_k: u32,
    // 1 keeps all.
    top_p: f32,
    // 0 keeps all.
    min_p: f32,
    // A random number.
    draw: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> choices: array<Choice>;

const WIDTH = 1024u;
const NOBODY = 0xffffffffu;
// What `ordered` gives for minus and for plus infinity.
const LOWEST = 0x007fffffu;
const HIGHEST = 0xff800000u;
// Bits of 2^-31 as f32: the lowest weight that may have mass.
const LEAST = 0x30000000u;

// Upper bits of weights from 2^-31 to 1, 64 parts for each factor of two; 1 itself is in part 1984.
const COARSE = 2048u;
var<workgroup> counts: array<atomic<u32>, 2048>;
var<workgroup> masses: array<atomic<u32>, 2048>;
// Ten bits, then seven, of weights in one part of the one before; or ids.
const FINE = 1024u;
var<workgroup> fine_counts: array<atomic<u32>, 1024>;
var<workgroup> fine_masses: array<atomic<u32>, 1024>;

// [subgroup]
var<workgroup> partial: array<vec3<u32>, 128>;
var<workgroup> partial_sums: array<f32, 128>;
// What `find` found: the part, and how many tokens and how much mass lie before it.
var<workgroup> found: array<u32, 3>;

// begin ordered: the same text in both files.
// An integer with the order of the numbers; a NaN, of either sign, gives the largest. Both zeros are equal.
fn ordered(value: f32) -> u32 {
    let given = bitcast<u32>(value);
    let bits = select(given, 0u, given == 0x80000000u);
    let key = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
    return select(key, NOBODY, (bits & 0x7fffffffu) > 0x7f800000u);
}
// end ordered

// The invocation's place in the workgroup.
struct Place {
    local: u32,
    subgroup: u32,
    lane: u32,
}

// How logits become weights and masses.
struct Scale {
    // Index of the row's first logit.
    start: u32,
    largest: f32,
    factor: f32,
    // Mass of weight 1.
    mass: f32,
}

fn weight(scale: Scale, i: u32) -> f32 {
    return exp2((logits[scale.start + i] - scale.largest) * scale.factor);
}

fn mass_of(scale: Scale, weight: f32) -> u32 {
    return u32(weight * scale.mass);
}

// The largest of the row's logits, and its token.
fn best(start: u32, at: Place) -> vec2<u32> {
    var key = 0u;
    var id = NOBODY;
    for (var i = at.local; i < shape.vocabulary; i += WIDTH) {
        let other = ordered(logits[start + i]);
        id = select(id, i, other > key);
        key = max(key, other);
    }
    let most = subgroupMax(key);
    let least = subgroupMin(select(NOBODY, id, key == most));
    if (at.lane == 0u) {
        partial[at.subgroup] = vec3<u32>(most, least, 0u);
    }
    workgroupBarrier();
    var first = partial[0].xy;
    for (var s = 1u; s < WIDTH / SUBGROUP; s++) {
        let other = partial[s].xy;
        let better = other.x > first.x || (other.x == first.x && other.y < first.y);
        first = select(first, other, better);
    }
    return first;
}

// Sum of all weights, in an order that does not change.
fn sum_of_weights(scale: Scale, at: Place) -> f32 {
    var sum = 0.0;
    for (var i = at.local; i < shape.vocabulary; i += WIDTH) {
        sum += weight(scale, i);
    }
    sum = subgroupAdd(sum);
    if (at.lane == 0u) {
        partial_sums[at.subgroup] = sum;
    }
    workgroupBarrier();
    sum = 0.0;
    for (var s = 0u; s < WIDTH / SUBGROUP; s++) {
        sum += partial_sums[s];
    }
    return sum;
}

// Counts and masses of everything, by the upper bits of weights. Gives the mass of weights from `least` on, the mass of all,
// and how many have mass.
fn count_coarse(scale: Scale, least: f32, at: Place) -> vec3<u32> {
    for (var i = at.local; i < COARSE; i += WIDTH) {
        atomicStore(&counts[i], 0u);
        atomicStore(&masses[i], 0u);
    }
    workgroupBarrier();
    var sum = vec3<u32>(0u);
    for (var i = at.local; i < shape.vocabulary; i += WIDTH) {
        let w = weight(scale, i);
        let mass = mass_of(scale, w);
        if (mass > 0u) {
            let part = (bitcast<u32>(w) - LEAST) >> 17u;
            atomicAdd(&counts[part], 1u);
            atomicAdd(&masses[part], mass);
            sum += vec3<u32>(select(0u, mass, w >= least), mass, 1u);
        }
    }
    sum = vec3<u32>(subgroupAdd(sum.x), subgroupAdd(sum.y), subgroupAdd(sum.z));
    if (at.lane == 0u) {
        partial[at.subgroup] = sum;
    }
    workgroupBarrier();
    sum = vec3<u32>(0u);
    for (var s = 0u; s < WIDTH / SUBGROUP; s++) {
        sum += partial[s];
    }
    workgroupBarrier();
    return sum;
}

// The same for weights whose bits from bit `above` on are `prefix`, by the bits from `below` on.
fn count_fine(scale: Scale, prefix: u32, above: u32, below: u32, at: Place) {
    atomicStore(&fine_counts[at.local], 0u);
    atomicStore(&fine_masses[at.local], 0u);
    workgroupBarrier();
    for (var i = at.local; i < shape.vocabulary; i += WIDTH) {
        let w = weight(scale, i);
        let bits = bitcast<u32>(w);
        let mass = mass_of(scale, w);
        if (bits >= LEAST && (bits - LEAST) >> above == prefix && mass > 0u) {
            let part = ((bits - LEAST) >> below) % FINE;
            atomicAdd(&fine_counts[part], 1u);
            atomicAdd(&fine_masses[part], mass);
        }
    }
    workgroupBarrier();
}

// Finds the part in which place `place` lies, among counts or masses, when the parts before it (those of this invocation's
// predecessors) and its own two are put one after the other; leaves it in `found`.
fn find(parts: vec2<u32>, own_counts: vec2<u32>, own_masses: vec2<u32>, place: u32, by_mass: bool, at: Place) {
    let own = vec2<u32>(own_counts.x + own_counts.y, own_masses.x + own_masses.y);
    let inclusive = vec2<u32>(subgroupInclusiveAdd(own.x), subgroupInclusiveAdd(own.y));
    if (at.lane == SUBGROUP - 1u) {
        partial[at.subgroup] = vec3<u32>(inclusive, 0u);
    }
    workgroupBarrier();
    var before = inclusive - own;
    for (var s = 0u; s < WIDTH / SUBGROUP; s++) {
        before += select(vec2<u32>(0u), partial[s].xy, s < at.subgroup);
    }
    let middle = before + vec2<u32>(own_counts.x, own_masses.x);
    let after = before + own;
    let places = select(vec3<u32>(before.x, middle.x, after.x), vec3<u32>(before.y, middle.y, after.y), by_mass);
    if (place >= places.x && place < places.z) {
        let second = place >= places.y;
        found[0] = select(parts.x, parts.y, second);
        found[1] = select(before.x, middle.x, second);
        found[2] = select(before.y, middle.y, second);
    }
    workgroupBarrier();
}

// The weight at a place of the ranking: its bits, and how many tokens and how much mass rank before all that have it.
struct Found {
    bits: u32,
    count: u32,
    mass: u32,
}

fn weight_at(scale: Scale, place: u32, by_mass: bool, at: Place) -> Found {
    // Heavier parts come first.
    let coarse = COARSE - 1u - 2u * at.local;
    let coarse_counts = vec2<u32>(atomicLoad(&counts[coarse]), atomicLoad(&counts[coarse - 1u]));
    let coarse_masses = vec2<u32>(atomicLoad(&masses[coarse]), atomicLoad(&masses[coarse - 1u]));
    find(vec2<u32>(coarse, coarse - 1u), coarse_counts, coarse_masses, place, by_mass, at);
    var prefix = found[0];
    var count = found[1];
    var mass = found[2];

    let fine = FINE - 1u - at.local;
    count_fine(scale, prefix, 17u, 7u, at);
    find_fine(fine, place - select(count, mass, by_mass), by_mass, at);
    prefix = (prefix << 10u) | found[0];
    count += found[1];
    mass += found[2];

    count_fine(scale, prefix, 7u, 0u, at);
    find_fine(fine, place - select(count, mass, by_mass), by_mass, at);
    // The last seven bits; above them the histogram has three bits of the prefix.
    let bits = LEAST + ((prefix << 7u) | (found[0] & 127u));
    count += found[1];
    mass += found[2];
    workgroupBarrier();
    return Found(bits, count, mass);
}

fn find_fine(part: u32, place: u32, by_mass: bool, at: Place) {
    let own_count = vec2<u32>(atomicLoad(&fine_counts[part]), 0u);
    let own_mass = vec2<u32>(atomicLoad(&fine_masses[part]), 0u);
    find(vec2<u32>(part, part), own_count, own_mass, place, by_mass, at);
}

// The token number `place`, by id, of those whose weight has these bits.
fn token_with(scale: Scale, bits: u32, place: u32, at: Place) -> u32 {
    // At most 1024 ranges of ids, of at most 1024 ids.
    atomicStore(&fine_counts[at.local], 0u);
    workgroupBarrier();
    for (var i = at.local; i < shape.vocabulary; i += WIDTH) {
        if (bitcast<u32>(weight(scale, i)) == bits) {
            atomicAdd(&fine_counts[i >> shape.id_shift], 1u);
        }
    }
    workgroupBarrier();
    let own = vec2<u32>(atomicLoad(&fine_counts[at.local]), 0u);
    find(vec2<u32>(at.local), own, vec2<u32>(0u), place, false, at);
    let first = found[0] << shape.id_shift;
    let left = place - found[1];
    workgroupBarrier();

    let id = first + at.local;
    let inside = at.local < (1u << shape.id_shift) && id < shape.vocabulary;
    let same = inside && bitcast<u32>(weight(scale, min(id, shape.vocabulary - 1u))) == bits;
    find(vec2<u32>(id), vec2<u32>(select(0u, 1u, same), 0u), vec2<u32>(0u), left, false, at);
    return found[0];
}

// The upper 32 bits of a product.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}

// The integer part of a / b, which is below 2^21: f32 is off by one at most.
fn quotient(a: u32, b: u32) -> u32 {
    let near = u32(f32(a) / f32(b));
    let down = select(near, near - 1u, near * b > a);
    return select(down, down + 1u, a - down * b >= b);
}

@compute @workgroup_size(1024)
fn sample(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let at = Place(local, subgroup, lane);
    let choice = choices[group.x];
    let start = group.x * shape.stride;
    let largest = best(start, at);
    var token = largest.y;
    if (choice.temperature > 0.0) {
        let id = min(largest.y, shape.vocabulary - 1u);
        var scale = Scale(start, logits[start + id], 1.4426950408889634 / choice.temperature, 0.0);
        scale.mass = 2147483648.0 / sum_of_weights(scale, at);
        let sums = count_coarse(scale, choice.min_p, at);
        var kept = sums.y;
        if (choice.top_k > 0u) {
            let count = min(choice.top_k, sums.z);
            let last = weight_at(scale, count - 1u, false, at);
            kept = last.mass + (count - last.count) * mass_of(scale, bitcast<f32>(last.bits));
        }
        if (choice.top_p < 1.0) {
            let wanted = min(u32(ceil(choice.top_p * f32(kept))), kept);
            let place = max(wanted, 1u) - 1u;
            let last = weight_at(scale, place, true, at);
            let mass = mass_of(scale, bitcast<f32>(last.bits));
            kept = min(kept, last.mass + (quotient(place - last.mass, mass) + 1u) * mass);
        }
        kept = min(kept, sums.x);
        let place = multiply_high(choice.draw, kept);
        let drawn = weight_at(scale, place, true, at);
        let number = quotient(place - drawn.mass, mass_of(scale, bitcast<f32>(drawn.bits)));
        token = token_with(scale, drawn.bits, number, at);
    }
    if (local == 0u) {
        tokens[group.x] = select(NOBODY, token, largest.x > LOWEST && largest.x < HIGHEST);
    }
}
