//! The interpreter behind a C function, on host memory: for test harnesses written elsewhere.
//!
//! Such harnesses run instruction sequences on real addresses of their own process, and use encodings and undefined
//! registers freely, so every rule that can be switched off is off: registers that nobody wrote read
//! as 0, waits are not needed, LDS and scratch are zero. MODE is what an `.amdhsa_kernel` block without directives asks for.

mod host_memory;

use std::ffi::{c_int, c_void};

use gfx1100_interpreter::{Launch, Mode, Options, Program, Strictness, dispatch};

use host_memory::HostMemory;

/// Steps after which a wave counts as caught in a loop.
const MAX_STEPS: u64 = 1 << 30;

/// Runs machine code as a dispatch of `gx` by `gy` by `gz` workgroups of `lx` by `ly` by `lz` threads, in waves of 32.
///
/// `s[0:1]` hold `kernarg`; `rsrc2` says how many user SGPRs there are (bits 5:1), which workgroup ids follow them (7, 8, 9)
/// and how much LDS there is (23:15, in units of 512 bytes); v0 holds the packed local ids. Returns 0, or writes a message
/// to stderr and returns 1.
///
/// # Safety
/// `code` must point to `size` bytes that nobody writes meanwhile. The code reads and writes memory of this process at
/// addresses that it computes; those that are not mapped end the run, the others must be the caller's to give.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gfx1100_run(
    code: *const c_void,
    size: u32,
    gx: u32,
    gy: u32,
    gz: u32,
    lx: u32,
    ly: u32,
    lz: u32,
    kernarg: *mut c_void,
    rsrc2: u32,
    scratch_bytes_per_lane: u32,
) -> c_int {
    let memory = HostMemory::new();
    let run = || {
        let bytes = memory
            .bytes(code as u64, size as usize)
            .map_err(|fault| format!("the code: {fault:?}"))?;
        let launch = Launch {
            workgroups: [gx, gy, gz],
            workgroup_size: [lx, ly, lz],
            arguments: kernarg as u64,
            user_sgprs: rsrc2 >> 1 & 31,
            workgroup_ids: [7, 8, 9].map(|bit| rsrc2 >> bit & 1 == 1),
            local_id_components: 2,
            lds_bytes: (rsrc2 >> 15 & 0x1ff) * 512,
            lds_zeroed: true,
            scratch_bytes: scratch_bytes_per_lane,
            mode: Mode::HSA,
        };
        let options = Options {
            strictness: Strictness::lenient(),
            threads: 0,
            max_steps: MAX_STEPS,
        };
        let program = Program::new(&bytes, code as u64, 256).map_err(|bad| bad.to_string())?;
        dispatch(&program, &launch, &memory, &options).map_err(|failure| failure.to_string())
    };
    // A panic would be a defect of the interpreter; it must not reach the caller's frames.
    let message = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(Ok(_)) => return 0,
        Ok(Err(message)) => message,
        Err(_) => "the interpreter panicked; the message is above".to_owned(),
    };
    eprintln!("gfx1100_run: {message}");
    1
}
