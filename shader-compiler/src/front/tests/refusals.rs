//! What is refused says why and where; nothing panics.

use super::*;

/// The message for a source that is refused.
fn refused(source: &str) -> String {
    match compile(source, &[]) {
        Ok(_) => panic!("this is not refused:\n{source}"),
        Err(fault) => fault.locate("k.wgsl", source).to_string(),
    }
}

/// A kernel with declarations and a body, which begins in line 4.
fn kernel(declarations: &str, body: &str) -> String {
    format!(
        "enable f16; enable wgpu_cooperative_matrix;
{declarations}
@group(0) @binding(0) var<storage, read_write> o: array<u32>; @compute @workgroup_size(32) fn main() {{
{body}
}}"
    )
}

#[test]
fn each_with_its_place_and_reason() {
    let cases = [
        (
            "",
            "let x = y;",
            "k.wgsl:4:9: no definition in scope for identifier: `y`",
        ),
        ("", "o[0] = 1.5;", "k.wgsl:4:"),
        (
            "",
            "let x = bitcast<vec2<f16>>(o[0]);",
            "k.wgsl:4:9: not supported: bitcast to a vector of f16",
        ),
        (
            "fn f(p: ptr<function, u32>) {}",
            "var a: array<u32, 2>; f(&a[1]);",
            "k.wgsl:4:23: not supported: a pointer argument",
        ),
        (
            "fn naga_mod(a: u32) {}",
            "",
            "k.wgsl:2:4: not supported: the name `naga_mod` is reserved",
        ),
        (
            "@group(0) @binding(1) var t: texture_2d<f32>;",
            "let x = textureLoad(t, vec2(0, 0), 0);",
            "k.wgsl:2:23: not supported: `t`: kernels have buffers",
        ),
        (
            "@fragment fn f() {}",
            "",
            "k.wgsl:2:14: not supported: `f` is not a compute entry point",
        ),
        ("", "let x = coop_mat8x8<f32, C>();", "k.wgsl"),
        (
            "alias W = array<u32, 400000000>; var<workgroup> a: W; var<workgroup> b: W; var<workgroup> c: W;",
            "a[0] = 1u; b[0] = 1u; c[0] = 1u;",
            "workgroup memory is too large",
        ),
        (
            "",
            "var a: array<u32, 100000>; a[o[0]] = 1u; o[1] = a[2];",
            "`a` is too large for a local variable",
        ),
        (
            "struct S { a: array<u32, 3>, b: u32 }",
            "var s: array<S, 2>; s[o[0]].b = 1u; o[1] = s[0].a[1];",
            "k.wgsl:4:",
        ),
    ];
    for (declarations, body, expected) in cases {
        let message = refused(&kernel(declarations, body));
        assert!(
            message.contains(expected),
            "{message}\n does not say {expected}"
        );
    }
}

#[test]
fn sizes_and_overrides() {
    let big = "@compute @workgroup_size(64, 64, 1) fn main() {}";
    assert!(
        refused(big).starts_with("k.wgsl:1:40: not supported: `main` has 4096 invocations"),
        "{}",
        refused(big)
    );
    let large = "var<workgroup> w: array<array<u32, 65536>, 65536>;
                 @compute @workgroup_size(1) fn main() { w[0][0] = 1u; }";
    assert!(
        refused(large).starts_with("k.wgsl:1:1: "),
        "{}",
        refused(large)
    );
    let open = "override n: u32; @compute @workgroup_size(n) fn main() {}";
    assert!(
        refused(open).starts_with("k.wgsl:1:49: Missing value") && refused(open).contains("'n'"),
        "{}",
        refused(open)
    );
    let unknown = compile(
        "@compute @workgroup_size(1) fn main() {}",
        &[("m".into(), 1.0)],
    );
    assert!(
        unknown.is_err_and(|fault| fault.locate("k", "").to_string().contains("'m' not found"))
    );
}

/// Sources with something nested or chained `n` times.
fn deep(n: usize) -> Vec<String> {
    let chain = |first: &str, link: &dyn Fn(usize) -> String| -> String {
        std::iter::once(first.to_string())
            .chain((1..n).map(link))
            .collect()
    };
    let body = |body: String| kernel("", &body);
    let cases = chain("", &|k| format!("case {k}u: {{ o[{k}] = 1u; }} "));
    let structures = chain("struct S0 { a: u32 }", &|k| {
        format!("struct S{k} {{ a: S{} }} ", k - 1)
    });
    let functions = chain("fn f0() { o[0] = 1u; }", &|k| {
        format!("fn f{k}() {{ f{}(); }} ", k - 1)
    });
    let last = n - 1;
    vec![
        body(format!("o[0] = {}1u{};", "(".repeat(n), ")".repeat(n))),
        body(format!("o[0] = u32({}1);", "- ".repeat(n))),
        body(format!("{}o[0] = 1u;{}", "{".repeat(n), "}".repeat(n))),
        body(format!(
            "{}o[0] = 1u;{}",
            "if o[1] > 1u {".repeat(n),
            "}".repeat(n)
        )),
        body(format!(
            "if o[0] == 1u {{}} {}",
            "else if o[1] == 2u { o[2] = 3u; } ".repeat(n)
        )),
        body(format!("o[0] = o[1] {};", "+ 1u".repeat(n))),
        body(format!("o[0] = {}0{};", "o[".repeat(n), "]".repeat(n))),
        body(format!("switch o[0] {{ {cases} default: {{}} }}")),
        kernel(
            &format!("{structures} var<private> s: S{last};"),
            "let x = s;",
        ),
        kernel(&functions, &format!("f{last}();")),
    ]
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    for source in deep(10) {
        lower(&source, &[]);
    }
    for source in deep(5000) {
        refused(&source);
    }
}

/// Sources that between them use everything.
const SOURCES: [&str; 3] = [
    "enable f16; struct P { n: u32, s: f32 } var<immediate> p: P; override k = 4u; alias V = vec4<f32>;
     @group(0) @binding(0) var<storage, read> a: array<V>; @group(0) @binding(1) var<storage, read_write> o: array<f16>;
     var<workgroup> w: array<atomic<u32>, k>; const T = array(1, 2, 3);
     fn f(x: f32, q: ptr<function, i32>) -> f32 { if x < 0.0 { return -x; } *q += 1; return x * p.s; }
     @compute @workgroup_size(8, k) fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(local_invocation_index) l: u32) {
         var s = 0.0; var n = 3;
         for (var i = 0u; i < p.n; i++) { let v = a[g.x + i]; if v.x == 3.0 { continue; } s += dot(v, v.wzyx) + f(v.y, &n); }
         switch l { case 1u, 2u: { s += 1.0; } default: { if s > 2.0 { break; } s = 4.0; } }
         atomicAdd(&w[l % k], u32(n)); workgroupBarrier(); let h = vec3<f16>(f16(s), o[1], 2.0h);
         loop { n -= 1; continuing { break if n < 0; } }
         while n < 5 { n += T[l % 3u]; }
         o[g.y] = h.z * f16(subgroupAdd(s)) + f16(atomicLoad(&w[0])); }",
    "enable f16; enable wgpu_cooperative_matrix; @group(0) @binding(0) var<storage, read> a: array<f16>; @group(0) @binding(1) var<storage, read_write> o: array<f32>;
     @compute @workgroup_size(32) fn main(@builtin(workgroup_id) w: vec3<u32>) { var c = coop_mat16x16<f32, C>();
     let x = coopLoadT<coop_mat16x16<f16, A>>(&a[w.x], 16u); let y = coopLoad<coop_mat16x16<f16, B>>(&a[256u], 16u);
     c = coopMultiplyAdd(x, y, c); coopStoreT(c * 2.0, &o[w.x * 256u], 16u); }",
    "struct R { m: mat3x2<f32>, t: array<vec3<f32>, 2>, b: u32 } @group(0) @binding(0) var<uniform> u: R; @group(0) @binding(1) var<storage, read_write> o: array<u32>;
     @compute @workgroup_size(64) fn main(@builtin(local_invocation_id) i: vec3<u32>) { let m = u.m; let q = unpack4xI8(o[i.x]);
     o[i.x] = pack4xI8(q + vec4(1)) ^ u32(dot4I8Packed(o[1], 5u)) ^ extractBits(u.b, 3u, 4u) ^ u32(m[1].y + u.t[i.x % 2u].z) ^ countOneBits(o[2]);
     let d = frexp(u.m[2].x); o[3] = u32(d.exp) + pack2x16float(vec2(d.fract, sin(d.fract))) + u32(u64(o[4]) >> 3u) + u32(-7 % i32(o[5])); }",
];

#[test]
fn changed_sources_never_panic() {
    let seed = 20261120;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut good = 0;
    for source in SOURCES {
        lower(source, &[]);
        let pieces: Vec<&str> = source
            .split_inclusive([' ', '(', ')', ';', ',', '.', '<', '[', '{'])
            .collect();
        for _ in 0..400 {
            let mut pieces = pieces.clone();
            for _ in 0..1 + random.next() % 3 {
                let (i, j) = (
                    random.next() as usize % pieces.len(),
                    random.next() as usize % pieces.len(),
                );
                match random.next() % 4 {
                    0 => pieces[i] = "",
                    1 => pieces[i] = pieces[j],
                    2 => pieces.swap(i, j),
                    _ => pieces.insert(i, pieces[j]),
                }
            }
            let changed = pieces.concat();
            if let Ok(mut functions) = compile(&changed, &[]) {
                good += 1;
                for function in &mut functions {
                    ir::verify(function)
                        .unwrap_or_else(|rule| panic!("{rule}\n{changed}\n{function}"));
                    // A long array that stays an array is refused, which is not a panic.
                    let mut check = |pass: &str, function: &ir::Function| {
                        ir::verify(function)
                            .unwrap_or_else(|rule| panic!("{pass}: {rule}\n{changed}\n{function}"));
                    };
                    let _ = opt::run(function, &|_| false, &mut check);
                }
            }
        }
    }
    assert!(
        good > 50,
        "only {good} changed sources compile: the changes are too coarse"
    );
}
