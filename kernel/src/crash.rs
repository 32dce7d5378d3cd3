//! Failing on purpose (`panic=` on the command line), so that tests see what a crash report says.

use core::{hint::black_box, ptr};

use cpu_fallback::fork_join::ForkJoin;

use crate::{cores, memory::image, options::Crash};

/// Fails in the given way.
///
/// # Panics
/// Always, one way or another; with its own message where the protection that should have struck did not.
pub fn now(how: Crash) -> ! {
    log::info!("crash: {how:?}, as the command line asks");
    match how {
        Crash::Panic => panic!("as the command line asks"),
        // SAFETY: not met, on purpose: nothing is mapped at address zero, which is to end the kernel here.
        Crash::Null => _ = black_box(unsafe { black_box(ptr::null::<u8>()).read_volatile() }),
        // SAFETY: not met, on purpose: code is mapped read-only, which is to end the kernel here.
        Crash::Text => unsafe { (image::layout().text as *mut u8).write_volatile(0) },
        Crash::Data => {
            // `ret`, in a variable: where data could be executed this would return.
            let code = black_box([0xc3_u8; 16]);
            // SAFETY: not met, on purpose: the stack is mapped no-execute, which is to end the kernel here.
            let function: extern "C" fn() = unsafe { core::mem::transmute(code.as_ptr()) };
            function();
        }
        Crash::Stack => _ = black_box(recurse(1)),
        Crash::Core => cores::pool()
            .run(&|worker| assert!(worker == 0, "on worker {worker}, as the command line asks")),
    }
    panic!("{how:?} did not end the kernel")
}

/// Uses stack without end.
#[expect(
    unconditional_recursion,
    reason = "to overflow the stack is what it is for"
)]
fn recurse(depth: u64) -> u64 {
    let local = black_box([depth; 64]);
    recurse(depth + 1) + local[63]
}
