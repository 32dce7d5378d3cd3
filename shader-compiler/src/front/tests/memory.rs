//! Where things lie: layouts, bindings, immediates, workgroup memory, variables with parts.

use half::f16;

use super::*;

#[test]
fn structures_and_arrays_lie_as_wgsl_lays_them_out() {
    let source = "enable f16;
         struct Inner { a: f32, v: vec3<f32>, h: vec3<f16>, t: array<u32, 3> }
         struct Outer { n: u32, m: mat3x3<f32>, inner: array<Inner, 2>, last: vec2<u32> }
         @group(1) @binding(3) var<storage, read> input: array<Outer>;
         @group(0) @binding(7) var<storage, read_write> o: array<f32>;
         @compute @workgroup_size(1)
         fn main(@builtin(workgroup_id) id: vec3<u32>) {
             let i = id.x;
             let whole = input[i];
             o[i * 8u] = f32(input[i].n) + input[i].m[1].z + whole.m[2][0];
             o[i * 8u + 1u] = input[i].inner[1].v.y + whole.inner[0].v[i];
             o[i * 8u + 2u] = f32(input[i].inner[0].h.z) + f32(whole.inner[1].h.x);
             o[i * 8u + 3u] = f32(input[i].inner[1].t[i] + whole.inner[1].t[2]);
             o[i * 8u + 4u] = f32(whole.last.y) + f32(arrayLength(&input));
         }";
    // n 0, m 16 (columns every 16, 48 bytes), inner 64 (64 bytes each: a 0, v 16, h 32, t 40), last 192; 208 in all.
    let mut bytes = vec![0; 2 * 208];
    let mut put = |at: usize, word: u32| bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    let float = f32::to_bits;
    for e in 0..2 {
        let at = e * 208;
        let k = e as f32 * 100.0;
        put(at, 5 + e as u32);
        put(at + 16 + 16 + 8, float(k + 0.5));
        put(at + 16 + 32, float(k + 0.25));
        put(at + 64 + 64 + 16 + 4, float(k + 1.5));
        put(at + 64 + 16 + 4 * e, float(k + 2.5));
        put(at + 64 + 36, u32::from(f16::from_f32(k + 3.5).to_bits()));
        put(
            at + 64 + 64 + 32,
            u32::from(f16::from_f32(k + 4.5).to_bits()),
        );
        put(at + 64 + 64 + 40 + 4 * e, 6 + e as u32);
        put(at + 64 + 64 + 48, 60);
        put(at + 196, 7);
    }
    let output = floats([0.0; 16]);
    // The binding of group 0 comes first.
    let buffers = evaluate(source, [2, 1, 1], &[output, bytes], &[]);
    let o = to_floats(&buffers[0]);
    for e in 0..2 {
        let k = e as f32 * 100.0;
        let n = e as f32;
        assert_eq!(
            o[8 * e..8 * e + 5],
            [
                5.0 + n + 2.0 * k + 0.75,
                2.0 * k + 4.0,
                2.0 * k + 8.0,
                66.0 + n,
                9.0
            ]
        );
    }
}

#[test]
fn bindings_are_in_order_and_say_how_they_are_used() {
    let source = "@group(1) @binding(0) var<storage, read_write> a: array<u32>;
         @group(0) @binding(2) var<storage, read_write> b: array<u32>;
         @group(0) @binding(1) var<uniform> c: vec4<u32>;
         @group(0) @binding(9) var<storage, read> unused: array<u32>;
         @compute @workgroup_size(1) fn main() { a[0] = b[0] + c.y + arrayLength(&b); }
         @compute @workgroup_size(1) fn other() { b[0] = a[0]; }";
    let functions = lower(source, &[]);
    let shown: Vec<Vec<(String, bool, bool)>> = functions
        .iter()
        .map(|f| {
            f.bindings
                .iter()
                .map(|b| (b.name.clone(), b.written, b.size_used))
                .collect()
        })
        .collect();
    let binding = |name: &str, written, size| (name.to_string(), written, size);
    assert_eq!(
        shown[0],
        [
            binding("c", false, false),
            binding("b", false, true),
            binding("a", true, false)
        ]
    );
    assert_eq!(
        shown[1],
        [binding("b", true, false), binding("a", false, false)]
    );
}

#[test]
fn immediates_begin_at_byte_0_and_overrides_are_put_in() {
    let source = "struct P { n: u32, scale: f32, v: vec2<u32> }
         var<immediate> p: P;
         override size = 4u;
         override factor: f32;
         @group(0) @binding(0) var<storage, read_write> o: array<f32>;
         @compute @workgroup_size(size)
         fn main(@builtin(local_invocation_index) i: u32) {
             if size > 8u { o[i] = f32(p.n) * p.scale * factor + f32(p.v.y); }
         }";
    let overrides = [("size".to_string(), 16.0), ("factor".to_string(), 0.5)];
    let function = lower(source, &overrides).swap_remove(0);
    assert_eq!(
        (function.workgroup_size, function.immediate_bytes),
        ([16, 1, 1], 16)
    );
    // The condition is known, so there is no branch.
    assert_eq!(function.blocks.len(), 1, "{function}");
    let mut buffers = vec![floats([0.0; 16])];
    let immediates = words([3, 2.0_f32.to_bits(), 9, 11]);
    eval::dispatch(&function, [1, 1, 1], &mut buffers, &immediates)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(to_floats(&buffers[0]), [14.0; 16]);
}

#[test]
fn builtins_of_a_workgroup_with_three_dimensions() {
    let source = "@group(0) @binding(0) var<storage, read_write> o: array<vec4<u32>>;
         @compute @workgroup_size(4, 3, 5)
         fn main(@builtin(local_invocation_index) i: u32, @builtin(local_invocation_id) l: vec3<u32>,
                 @builtin(global_invocation_id) g: vec3<u32>, @builtin(workgroup_id) w: vec3<u32>,
                 @builtin(num_workgroups) n: vec3<u32>) {
             let at = i + 60u * (w.x + n.x * (w.y + n.y * w.z));
             o[at] = vec4(g.x + 100u * g.y + 10000u * g.z, l.z, l.y, l.x);
         }";
    let buffers = evaluate(source, [2, 2, 2], &[words(vec![0; 60 * 8 * 4])], &[]);
    let o = to_words(&buffers[0]);
    for (at, element) in o.chunks(4).enumerate() {
        let (index, group) = (at as u32 % 60, at as u32 / 60);
        let [x, y, z] = [
            index % 4 + 4 * (group % 2),
            index / 4 % 3 + 3 * (group / 2 % 2),
            index / 12 + 5 * (group / 4),
        ];
        assert_eq!(
            element,
            [
                x + 100 * y + 10000 * z,
                index / 12,
                index / 4 % 3,
                index % 4
            ]
        );
    }
}

#[test]
fn waves_and_lanes_count_up() {
    let source = "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(80)
         fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_id) wave: u32, @builtin(subgroup_size) size: u32,
                 @builtin(subgroup_invocation_id) lane: u32, @builtin(num_subgroups) waves: u32) {
             o[i] = wave * size + lane + 1000u * waves;
         }";
    let buffers = evaluate(source, [1, 1, 1], &[words(vec![0; 80])], &[]);
    assert_eq!(to_words(&buffers[0]), (3000..3080).collect::<Vec<u32>>());
}

#[test]
fn workgroup_memory_is_shared_between_waves() {
    let source = "enable f16;
         struct S { flag: bool, h: array<f16, 3>, v: vec3<f32> }
         var<workgroup> first: array<u32, 64>;
         var<workgroup> second: array<S, 2>;
         @group(0) @binding(0) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(64)
         fn main(@builtin(local_invocation_index) i: u32) {
             first[i] = i * i;
             if i < 2u { second[i].flag = i == 1u; second[i].h[2] = f16(i + 5u); second[i].v.z = 0.5; }
             workgroupBarrier();
             let s = second[i % 2u];
             o[i] = first[63u - i] + select(0u, 10000u, s.flag) + u32(f32(s.h[2]) * s.v.z * 2.0) * 100000u;
         }";
    let function = &lower(source, &[])[0];
    assert_eq!(function.shared_bytes, 256 + 2 * 32, "{function}");
    let buffers = evaluate(source, [1, 1, 1], &[words(vec![0; 64])], &[]);
    let expected: Vec<u32> = (0..64)
        .map(|i: u32| (63 - i) * (63 - i) + i % 2 * 10000 + (5 + i % 2) * 100_000)
        .collect();
    assert_eq!(to_words(&buffers[0]), expected);
}

#[test]
fn variables_with_parts() {
    let results = map_words(
        "var a: array<vec3<u32>, 4>;
         for (var k = 0u; k < 4u; k++) { a[k] = vec3(x + k, k, 2u * k); }
         var m: mat2x2<f32>;
         m[1][0] = f32(x);
         m[x % 2u].y = 3.0;
         var b = a;
         b[x % 4u].y = 100u;
         b[2].z += 1u;
         r = b[1].x + b[x % 4u].y + b[2].z + a[3].y + u32(m[1].x + m[0].y);",
        &(0..40).collect::<Vec<u32>>(),
    );
    for (x, result) in (0u32..).zip(results) {
        let m = x + if x.is_multiple_of(2) { 3 } else { 0 };
        assert_eq!(result, (x + 1) + 100 + 5 + 3 + m, "for {x}");
    }
}

#[test]
fn private_variables_and_tables() {
    let source = "const TABLE = array<u32, 6>(3, 1, 4, 1, 5, 9);
         var<private> count: u32 = 7u;
         @group(0) @binding(0) var<storage, read_write> o: array<u32>;
         fn next() -> u32 { count += 1u; return TABLE[count % 6u]; }
         @compute @workgroup_size(32)
         fn main(@builtin(local_invocation_index) i: u32) {
             count += i;
             o[i] = next() * 10u + next();
         }";
    let buffers = evaluate(source, [1, 1, 1], &[words(vec![0; 32])], &[]);
    let table = [3, 1, 4, 1, 5, 9];
    let expected: Vec<u32> = (0..32)
        .map(|i| table[(8 + i) % 6] * 10 + table[(9 + i) % 6])
        .collect();
    assert_eq!(to_words(&buffers[0]), expected);
}
