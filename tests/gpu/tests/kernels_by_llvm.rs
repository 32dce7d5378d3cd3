//! LLVM's code for every kernel, in the strict interpreter, gives what the scalar definition gives: a second opinion on
//! kernels that software Vulkan cannot run (cooperative matrices), and on the interpreter, by code that is not ours.

use anyhow::Result;
use gpu_tests::cases;
use gpu_tests::llvm::Llvm;

#[test]
fn kernels_by_llvm() -> Result<()> {
    cases::run_all(&mut Llvm::default(), 20_261_120)
}
