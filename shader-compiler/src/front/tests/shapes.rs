//! Text in, text out: what the form looks like.

use super::lower;

fn lowered(source: &str) -> String {
    lower(source, &[]).iter().map(ToString::to_string).collect()
}

#[test]
fn a_guard_and_a_store() {
    let text = lowered(
        "@group(0) @binding(0) var<storage, read_write> o: array<f32>;
         @compute @workgroup_size(64)
         fn main(@builtin(global_invocation_id) id: vec3<u32>) {
             if id.x < 100u { o[id.x] = 1.0; }
         }",
    );
    let expected = "\
kernel main workgroup 64x1x1
buffer0 o (0, 0) written
b0:
    v1: i32 = const 0x40
    v6: i32 = const 0x1
    v7: i32 = const 0x0
    v9: i32 = const 0x64
    v11: i32 = const 0x4
    v13: f32 = const 0x3f800000
    v0: i32 = builtin WorkgroupId(0)
    v2: i32 = IMul v0, v1
    v3: i32 = builtin LocalInvocationId(0)
    v4: i32 = IAdd v2, v3
    v5: i32 = builtin WorkgroupId(1)
    v8: i32 = builtin WorkgroupId(2)
    v10: bool = compare ULt v4, v9
    branch v10 ? b1 : b2 merge b2
b1:
    v12: i32 = IMul v4, v11
    store buffer0[v12] Words(1) = v13
    jump b2
b2:
    return
";
    assert_eq!(text, expected, "\n{text}");
}
