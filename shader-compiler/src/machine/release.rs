//! Gives the vector registers back before the last stores of a wave are done, so that the next wave need not wait for them.
//!
//! Worth two instructions only where stores are still on their way at the end, and where registers are what limits the
//! number of waves. The hardware wants an `s_nop` before the message (section "Dealloc" of LLVM's hazard list), and no
//! scratch store outstanding: this compiler uses no scratch.

use gfx1100_isa::Op;

use super::code::{Code, Line, control};
use super::waits;

/// `MSG_DEALLOC_VGPRS`.
const DEALLOC_VGPRS: i32 = 3;

/// VGPRs that every one of the 16 waves of a SIMD can have.
const ENOUGH_FOR_ALL: u32 = 96;

/// Inserts the message before each end of the program that stores may outlive.
pub fn run(code: &mut Code) {
    if super::emit::registers(code).0 <= ENOUGH_FOR_ALL {
        return;
    }
    let entry = waits::at_entry(code);
    for (block, state) in code.blocks.iter_mut().zip(entry) {
        let (Some(mut state), Some(last)) = (state, block.lines.last().copied()) else {
            continue;
        };
        if last.inst.op != Op::S_ENDPGM {
            continue;
        }
        for line in &block.lines {
            state.step(&line.inst);
        }
        if state.stores_outstanding() {
            let end = block.lines.len() - 1;
            let nop = Line::added(control(Op::S_NOP, 0), last.source);
            let message = Line::added(control(Op::S_SENDMSG, DEALLOC_VGPRS), last.source);
            block.lines.splice(end..end, [nop, message]);
        }
    }
}
