//! What lanes do together.

use half::f16;

use super::*;

/// The lanes' results of `body`, which sets `r` from the lane `i` and an input `x`.
fn together(body: &str, inputs: &[u32]) -> Vec<u32> {
    let source = format!(
        "enable f16;
         @group(0) @binding(0) var<storage, read> a: array<u32>;
         @group(0) @binding(1) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(32)
         fn main(@builtin(subgroup_invocation_id) i: u32) {{ let x = a[i]; var r = 0u; {body} o[i] = r; }}"
    );
    let buffers = evaluate(
        &source,
        [1, 1, 1],
        &[words(inputs.iter().copied()), words(vec![0; 32])],
        &[],
    );
    to_words(&buffers[1])
}

fn inputs() -> Vec<u32> {
    let mut random = Random(3);
    (0..32).map(|_| random.next()).collect()
}

#[test]
fn reductions_and_scans() {
    let x = inputs();
    let sum = x.iter().fold(0u32, |a, b| a.wrapping_add(*b));
    assert_eq!(together("r = subgroupAdd(x);", &x), [sum; 32]);
    assert_eq!(
        together("r = subgroupMax(x) ^ subgroupMin(x);", &x),
        [x.iter().max().unwrap_or(&0) ^ x.iter().min().unwrap_or(&0); 32]
    );
    let signed = x.iter().map(|x| *x as i32);
    let extremes = signed.clone().max().unwrap_or(0) ^ signed.min().unwrap_or(0);
    assert_eq!(
        together("r = u32(subgroupMax(i32(x)) ^ subgroupMin(i32(x)));", &x),
        [extremes as u32; 32]
    );
    let bits = x.iter().fold(0, |a, b| a ^ b)
        ^ x.iter().fold(0, |a, b| a | b)
        ^ x.iter().fold(u32::MAX, |a, b| a & b);
    assert_eq!(
        together("r = subgroupXor(x) ^ subgroupOr(x) ^ subgroupAnd(x);", &x),
        [bits; 32]
    );
    let mut before = 0u32;
    let scans: Vec<u32> = x
        .iter()
        .map(|x| {
            let exclusive = before;
            before = before.wrapping_add(*x);
            exclusive.wrapping_mul(3).wrapping_add(before)
        })
        .collect();
    assert_eq!(
        together(
            "r = subgroupExclusiveAdd(x) * 3u + subgroupInclusiveAdd(x);",
            &x
        ),
        scans
    );
}

#[test]
fn only_active_lanes_take_part() {
    let x: Vec<u32> = (0..32).collect();
    let odd: u32 = x.iter().filter(|x| *x % 2 == 1).sum();
    let results = together(
        "if i % 2u == 1u { r = subgroupAdd(x) + subgroupBroadcastFirst(x); } else { r = 7u; }",
        &x,
    );
    let expected: Vec<u32> = x
        .iter()
        .map(|x| if x % 2 == 1 { odd + 1 } else { 7 })
        .collect();
    assert_eq!(results, expected);
    let results = together("for (var k = 0u; k < x; k++) { r = subgroupAdd(1u); }", &x);
    let expected: Vec<u32> = x.iter().map(|x| if *x == 0 { 0 } else { 32 - x }).collect();
    assert_eq!(results, expected);
}

#[test]
fn shuffles_and_votes() {
    let x = inputs();
    let of = |f: &dyn Fn(usize) -> usize| -> Vec<u32> { (0..32).map(|l| x[f(l)]).collect() };
    assert_eq!(
        together("r = subgroupShuffle(x, 31u - i);", &x),
        of(&|l| 31 - l)
    );
    assert_eq!(
        together("r = subgroupShuffleXor(x, 5u);", &x),
        of(&|l| l ^ 5)
    );
    assert_eq!(
        together("r = select(x, subgroupShuffleUp(x, 3u), i >= 3u);", &x),
        of(&|l| l.checked_sub(3).unwrap_or(l))
    );
    assert_eq!(
        together("r = select(x, subgroupShuffleDown(x, 3u), i < 29u);", &x),
        of(&|l| if l < 29 { l + 3 } else { l })
    );
    assert_eq!(together("r = subgroupBroadcast(x, 9u);", &x), of(&|_| 9));
    assert_eq!(
        together("r = quadBroadcast(x, 2u);", &x),
        of(&|l| l & !3 | 2)
    );
    assert_eq!(together("r = quadSwapX(x) + 0u;", &x), of(&|l| l ^ 1));
    assert_eq!(together("r = quadSwapY(x);", &x), of(&|l| l ^ 2));
    assert_eq!(together("r = quadSwapDiagonal(x);", &x), of(&|l| l ^ 3));
    let votes: u32 = x
        .iter()
        .enumerate()
        .map(|(l, x)| u32::from(x % 3 == 0) << l)
        .sum();
    let body = "let b = x % 3u == 0u; let v = subgroupBallot(b); r = v.x + v.y + select(0u, 1u, subgroupAny(b)) + select(0u, 2u, subgroupAll(b));";
    assert_eq!(together(body, &x), [votes.wrapping_add(1); 32]);
}

#[test]
fn vectors_and_halves_move_too() {
    let x: Vec<u32> = (0..32).collect();
    let body = "let v = vec3(f16(x), f16(x * 2u), 1.0h); let s = subgroupShuffleXor(v, 1u); let t = subgroupAdd(vec2(f16(x), 1.0h));
         let w = subgroupShuffleXor(vec2(x, 3u), 2u);
         r = u32(s.x) + 100u * u32(s.y) + 10000u * u32(t.x) + w.x + w.y + u32(t.y);";
    let expected: Vec<u32> = (0..32u32)
        .map(|l| (l ^ 1) + 200 * (l ^ 1) + 4_960_000 + (l ^ 2) + 3 + 32)
        .collect();
    assert_eq!(together(body, &x), expected);
}

#[test]
fn atomics_count_every_lane() {
    let source = "@group(0) @binding(0) var<storage, read_write> g: array<atomic<u32>, 8>;
         @group(0) @binding(1) var<storage, read_write> s: atomic<i32>;
         @group(0) @binding(2) var<storage, read_write> f: atomic<f32>;
         @group(0) @binding(3) var<storage, read_write> o: array<u32>;
         var<workgroup> w: atomic<u32>;
         @compute @workgroup_size(48)
         fn main(@builtin(local_invocation_index) i: u32) {
             if i == 0u { atomicStore(&w, 5u); }
             workgroupBarrier();
             o[i] = atomicAdd(&w, 2u);
             atomicSub(&g[0], i); atomicMax(&g[1], i); atomicMin(&g[2], i); atomicAnd(&g[3], ~(1u << (i % 32u)));
             atomicOr(&g[4], 1u << (i % 32u)); atomicXor(&g[5], i);
             let e = atomicExchange(&g[6], i);
             let c = atomicCompareExchangeWeak(&g[7], 3u, 9u);
             if c.exchanged { o[i] += 1000u; }
             atomicMin(&s, -i32(i));
             atomicAdd(&f, 0.5);
             workgroupBarrier();
             if i == 1u { o[0] += atomicLoad(&w); }
         }";
    let buffers = [
        words([0, 0, 99, u32::MAX, 0, 0, 0, 3]),
        words([5]),
        floats([1.0]),
        words(vec![0; 48]),
    ];
    let after = evaluate(source, [1, 1, 1], &buffers, &[]);
    let xor = (0..48).fold(0, |a, b| a ^ b);
    let sum: u32 = (0..48).sum();
    assert_eq!(
        to_words(&after[0]),
        [sum.wrapping_neg(), 47, 0, 0, u32::MAX, xor, 47, 9]
    );
    assert_eq!(to_words(&after[1]), [-47i32 as u32]);
    assert_eq!(to_floats(&after[2]), [25.0]);
    // Lane 0 came first: it took 5 and exchanged; 5 + 2 * 48 was there in the end.
    let mut expected: Vec<u32> = (0..48).map(|i| 5 + 2 * i).collect();
    expected[0] += 1000 + 101;
    assert_eq!(to_words(&after[3]), expected);
}

#[test]
fn a_reduction_over_waves_with_barriers_in_a_loop() {
    let source = "var<workgroup> w: array<u32, 128>;
         @group(0) @binding(0) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(128)
         fn main(@builtin(local_invocation_index) i: u32) {
             w[i] = o[i];
             workgroupBarrier();
             for (var step = 64u; step > 0u; step /= 2u) {
                 if i < step { w[i] += w[i + step]; }
                 workgroupBarrier();
             }
             let all = workgroupUniformLoad(&w[0]);
             storageBarrier();
             o[i] = all;
         }";
    let x: Vec<u32> = (0..128).map(|i| i * i + 3).collect();
    let buffers = evaluate(source, [1, 1, 1], &[words(x.iter().copied())], &[]);
    assert_eq!(to_words(&buffers[0]), [x.iter().sum::<u32>(); 128]);
}

#[test]
fn cooperative_matrices() {
    let source = "enable f16; enable wgpu_cooperative_matrix;
         @group(0) @binding(0) var<storage, read> a: array<f16>;
         @group(0) @binding(1) var<storage, read> b: array<f16>;
         @group(0) @binding(2) var<storage, read_write> o: array<f32>;
         var<immediate> stride: u32;
         @compute @workgroup_size(32)
         fn main() {
             var sum = coop_mat16x16<f32, C>();
             for (var k = 0u; k < 2u; k++) {
                 var tiles: array<coop_mat16x16<f16, A>, 2>;
                 tiles[1] = coopLoadT<coop_mat16x16<f16, A>>(&a[16u * k], 32u);
                 let left = tiles[1];
                 let right = coopLoad<coop_mat16x16<f16, B>>(&b[16u * k], stride);
                 sum = coopMultiplyAdd(left, right, sum);
             }
             let twice = sum * 2.0 + sum - sum;
             coopStoreT(twice, &o[stride], stride / 2u);
         }";
    let mut random = Random(4);
    let mut halves = || -> Vec<f32> {
        (0..16 * 32)
            .map(|_| (random.next() % 17) as f32 - 8.0)
            .collect()
    };
    let (a, b) = (halves(), halves());
    let bytes = |x: &[f32]| -> Vec<u8> {
        x.iter()
            .flat_map(|x| f16::from_f32(*x).to_le_bytes())
            .collect()
    };
    let buffers = [bytes(&a), bytes(&b), floats(vec![0.0; 32 + 256])];
    let after = evaluate(source, [1, 1, 1], &buffers, &words([32]));
    let o = to_floats(&after[2]);
    for r in 0..16 {
        for c in 0..16 {
            // A by rows of 32, B by columns of 32: both contiguous along k.
            let sum: f32 = (0..32).map(|k| a[32 * r + k] * b[32 * c + k]).sum();
            assert_eq!(o[32 + 16 * r + c], 2.0 * sum, "({r}, {c})");
        }
    }
}
