//! A slow, obvious evaluator of the SSA form: the opinion that passes and the back end are tested against.
//!
//! A workgroup is evaluated as its waves of 32 lanes, one wave after the other up to the next barrier. Within a wave
//! every lane has its own place in the program; of the places where lanes stand, the earliest block (in the order of the
//! control-flow graph, in which what follows a loop or a branch comes after all of it) is evaluated for the lanes that
//! stand there. So lanes that parted wait for each other where the paths meet, which is what the structure of the form
//! promises, and no structure needs to be understood for it.
//!
//! What the form leaves open is made an error here where that is cheap to see: a value read before it is defined, an
//! access outside of its memory or not aligned, a barrier or a matrix operation that not all lanes reach. Undefined
//! values, workgroup memory that nobody wrote, and what a shuffle takes from a lane that is not active are a fixed
//! pattern ([`UNDEFINED`]), so that a result that depends on them is the same each time and looks wrong.

mod lanes;
mod memory;
mod tile;
mod wave;

use self::memory::Memory;
use self::wave::{Pause, Wave};
use super::{Function, Graph, scalar};

/// Lanes of a wave.
pub const LANES: usize = 32;

/// The dword that stands for what is not defined.
pub const UNDEFINED: u32 = 0xbad5_eed5;

/// Blocks that one wave may evaluate before the kernel is taken to run for ever.
const MAX_BLOCKS: u64 = 5_000_000;

/// What stays the same for all waves of a dispatch.
struct Program<'f> {
    function: &'f Function,
    /// Place of each block in the graph's order.
    position: Vec<usize>,
    groups: [u32; 3],
}

/// Evaluates a whole dispatch of `groups` workgroups, in order. There must be one buffer for each binding.
///
/// # Errors
/// The rule that the kernel broke, with the instruction and the lane.
pub fn dispatch(
    function: &Function,
    groups: [u32; 3],
    buffers: &mut [Vec<u8>],
    immediates: &[u8],
) -> Result<(), String> {
    for z in 0..groups[2] {
        for y in 0..groups[1] {
            for x in 0..groups[0] {
                workgroup(function, [x, y, z], groups, buffers, immediates)
                    .map_err(|e| format!("workgroup ({x}, {y}, {z}): {e}"))?;
            }
        }
    }
    Ok(())
}

/// Evaluates one workgroup of a dispatch.
///
/// # Errors
/// As for [`dispatch`].
pub fn workgroup(
    function: &Function,
    group: [u32; 3],
    groups: [u32; 3],
    buffers: &mut [Vec<u8>],
    immediates: &[u8],
) -> Result<(), String> {
    if buffers.len() != function.bindings.len() {
        return Err(format!(
            "{} buffers for {} bindings",
            buffers.len(),
            function.bindings.len()
        ));
    }
    let graph = Graph::new(function);
    let mut position = vec![usize::MAX; function.blocks.len()];
    for (index, block) in graph.order.iter().enumerate() {
        position[block.index()] = index;
    }
    let program = Program {
        function,
        position,
        groups,
    };
    let shared = UNDEFINED
        .to_le_bytes()
        .repeat(function.shared_bytes.div_ceil(4) as usize);
    let mut memory = Memory {
        buffers,
        shared,
        immediates,
    };
    let lanes = function.workgroup_size.iter().product::<u32>() as usize;
    let mut waves: Vec<Wave> = (0..lanes.div_ceil(LANES))
        .map(|index| Wave::new(&program, group, index, lanes))
        .collect();
    loop {
        let mut pauses = Vec::new();
        for (index, wave) in waves.iter_mut().enumerate() {
            pauses.push(
                wave.run(&program, &mut memory)
                    .map_err(|e| format!("wave {index}: {e}"))?,
            );
        }
        match pauses.as_slice() {
            all if all.iter().all(|p| *p == Pause::Done) => return Ok(()),
            [first, rest @ ..] if rest.iter().all(|p| p == first) => {}
            _ => return Err("a barrier is not reached by all waves".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule that a kernel with this body breaks when 64 lanes evaluate it on a buffer of 16 dwords.
    fn broken(body: &str) -> String {
        let source = format!(
            "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
             var<workgroup> w: array<u32, 8>;
             @compute @workgroup_size(64)
             fn main(@builtin(local_invocation_index) i: u32) {{ w[0] = o[0]; {body} }}"
        );
        let function = crate::front::compile(&source, &[])
            .expect("it is valid")
            .swap_remove(0);
        dispatch(&function, [1, 1, 1], &mut [vec![0; 64]], &[]).expect_err(body)
    }

    #[test]
    fn what_the_form_leaves_open_is_an_error() {
        let message = broken("if i == 40u { o[i] = 1u; }");
        assert!(
            message.contains("wave 1") && message.contains("lane 8: 4 bytes at 160 of buffer0"),
            "{message}"
        );
        let message = broken("w[i] = 1u;");
        assert!(message.contains("of shared, which has 32"), "{message}");
        assert!(broken("if i < 3u { workgroupBarrier(); }").contains("not reached by all lanes"));
        assert!(broken("if i < 32u { workgroupBarrier(); }").contains("not reached by all waves"));
        let message = broken("loop { o[0] += 1u; if o[0] == 0u { break; } }");
        assert!(message.contains("does not end"), "{message}");
    }

    #[test]
    fn what_nobody_wrote_is_the_pattern() {
        let source = "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
             var<workgroup> w: array<u32, 8>;
             @compute @workgroup_size(1) fn main() { o[0] = w[3]; }";
        let function = crate::front::compile(source, &[])
            .expect("it is valid")
            .swap_remove(0);
        let mut buffers = [vec![0; 4]];
        dispatch(&function, [1, 1, 1], &mut buffers, &[]).expect("it runs");
        assert_eq!(buffers[0], UNDEFINED.to_le_bytes());
    }
}
