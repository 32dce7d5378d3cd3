//! What instructions kernels become, beside doing the right thing.

use super::*;

/// The instructions of a kernel as text, which computes what the evaluator says.
fn instructions(case: &Case<'_>) -> Vec<String> {
    both(case).unwrap_or_else(|what| panic!("{what}"));
    let objects = compile(case.source, "case.wgsl", &mut crate::Options::default());
    let object = objects.expect("it was compiled before").swap_remove(0);
    let bytes = object.code[..object.code_bytes as usize].chunks_exact(4);
    let words: Vec<u32> = bytes
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let mut rest = words.as_slice();
    let mut text = Vec::new();
    while !rest.is_empty() {
        let (inst, length) = gfx1100_isa::decode(rest, gfx1100_isa::Rigor::Strict)
            .unwrap_or_else(|error| panic!("{error}"));
        text.push(inst.to_string());
        rest = &rest[length..];
    }
    text
}

fn count(instructions: &[String], name: &str) -> usize {
    let named = instructions.iter().filter(|inst| inst.contains(name));
    named.count()
}

/// 256 distinct halves, all of them finite.
fn halves() -> Vec<u8> {
    (0..256u16)
        .flat_map(|k| (0x3000 + 37 * k).to_le_bytes())
        .collect()
}

#[test]
fn neighbouring_halves_move_together() {
    // Each lane moves eight halves from its own 16 bytes, which are aligned, to others that are so by 4, 2 and 1 halves.
    for (shift, stores, single) in [(0, 1, 0), (2, 3, 0), (1, 2, 2)] {
        let mut body = String::new();
        for k in 0..8 {
            body += &format!(
                "kept[lane * 8u + {}u] = from_halves[lane * 8u + {k}u];\n",
                k + shift
            );
        }
        let source = format!(
            "enable f16;
             @group(0) @binding(0) var<storage, read> from_halves: array<f16>;
             @group(0) @binding(1) var<storage, read_write> output: array<u32>;
             var<workgroup> kept: array<f16, 264>;
             @compute @workgroup_size(32)
             fn main(@builtin(local_invocation_index) lane: u32) {{
                 {body}
                 workgroupBarrier();
                 for (var k = 0u; k < 8u; k++) {{
                     let at = lane * 8u + k;
                     output[at] = pack2x16float(vec2(f32(kept[at + {shift}u]), 0.0));
                 }}
             }}"
        );
        let found = instructions(&Case {
            source: &source,
            buffers: vec![halves(), vec![0; 1024]],
            immediates: vec![],
            groups: [1, 1, 1],
        });
        assert_eq!(count(&found, "buffer_load_b128"), 1, "{found:#?}");
        assert_eq!(count(&found, "ds_store_b"), stores + single, "{found:#?}");
        assert_eq!(count(&found, "ds_store_b16"), single, "{found:#?}");
    }
}

#[test]
fn what_a_loop_carries_stays_in_its_registers() {
    // The sum is used after the loop, and what is stored in each round was loaded in the one before.
    let source = "
        @group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
        @group(0) @binding(1) var<storage, read_write> output: array<u32>;
        var<immediate> rounds: u32;
        var<workgroup> kept: array<u32, 256>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) lane: u32) {
            var next = input[lane];
            var sum = 0u;
            for (var round = 0u; round < rounds; round++) {
                workgroupBarrier();
                kept[lane * 4u] = next.x;
                kept[lane * 4u + 1u] = next.y;
                kept[lane * 4u + 2u] = next.z;
                kept[lane * 4u + 3u] = next.w;
                workgroupBarrier();
                next = input[(lane + round) % 64u];
                sum += kept[255u - lane] ^ round;
            }
            output[lane] = sum;
        }";
    let found = instructions(&Case {
        source,
        buffers: vec![halves().repeat(2), vec![0; 256]],
        immediates: 5u32.to_le_bytes().to_vec(),
        groups: [1, 1, 1],
    });
    let start = found.iter().position(|inst| inst.contains("s_barrier"));
    let end = found.iter().rposition(|inst| inst.contains("s_cbranch"));
    let body = &found[start.expect("a barrier")..end.expect("a branch back")];
    assert_eq!(count(body, "ds_store_b128"), 1, "{found:#?}");
    assert_eq!(
        count(body, "v_mov") + count(body, "v_dual_mov"),
        0,
        "{found:#?}"
    );
}

/// Runs `output[lane] = expression` of words `a` and `b` on numbers at the edges.
fn of_words(expression: &str) -> Vec<String> {
    let source = format!(
        "@group(0) @binding(0) var<storage, read> input: array<u32, 64>;
         @group(0) @binding(1) var<storage, read_write> output: array<u32>;
         @compute @workgroup_size(32)
         fn main(@builtin(local_invocation_index) lane: u32) {{
             let a = input[lane]; let b = input[lane + 32u];
             output[lane] = {expression};
         }}"
    );
    let mut random = 0x1234_5678_u32;
    let words = edges().into_iter().enumerate().map(|(k, edge)| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if k % 2 == 0 { random } else { edge }
    });
    instructions(&Case {
        source: &source,
        buffers: vec![words.flat_map(u32::to_le_bytes).collect(), vec![0; 128]],
        immediates: vec![],
        groups: [1, 1, 1],
    })
}

#[test]
fn bytes_are_moved_by_one_instruction() {
    let moves = [
        "(a & 0xffu) | ((a & 0xff00u) << 8u) | 0x64006400u",
        "((a >> 16u) & 0xffu) | (((a >> 16u) & 0xff00u) << 8u) | 0x64006400u",
        "(a & 0xff00ff00u) | ((b >> 8u) & 0x00ff00ffu)",
        "(a << 24u) | ((a & 0xff00u) << 8u) | ((a >> 8u) & 0xff00u) | (a >> 24u)",
        "(b << 16u) | (a & 0xff00u) | 0xffu",
        "(extractBits(a, 8u, 16u) << 8u) | (b & 0xff0000ffu)",
    ];
    for expression in moves {
        let found = of_words(expression);
        assert_eq!(count(&found, "v_perm_b32"), 1, "{expression}: {found:#?}");
        // Beside it there is the address.
        let vector = found.iter().filter(|inst| inst.starts_with("v_"));
        assert_eq!(vector.count(), 2, "{expression}: {found:#?}");
    }
    // The mask that both pairs of bytes have in common is applied once.
    let nibbles = "
        dot4U8Packed((((a & 0x0f0f0f0fu) & 0xffu) | (((a & 0x0f0f0f0fu) & 0xff00u) << 8u) | 0x64006400u),
            ((((a & 0x0f0f0f0fu) >> 16u) & 0xffu) | ((((a & 0x0f0f0f0fu) >> 16u) & 0xff00u) << 8u) | 0x64006400u))";
    let found = of_words(nibbles);
    assert_eq!(count(&found, "v_perm_b32"), 2, "{found:#?}");
    assert_eq!(count(&found, "v_and_b32"), 1, "{found:#?}");
    // Not these: bytes overlap or are cut, or one instruction does it anyway.
    let others = [
        "(a & 0xffffu) | ((b & 0xff00u) << 4u) | 0x64006400u",
        "(a & 0xffffu) | ((b & 0xffffu) << 8u)",
        "(a << 8u) | b",
        "(a & 0xff00u) | 0x64u",
    ];
    for expression in others {
        let found = of_words(expression);
        assert_eq!(count(&found, "v_perm_b32"), 0, "{expression}: {found:#?}");
    }
}
