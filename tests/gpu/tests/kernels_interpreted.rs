//! Every kernel, as our machine code in the strict interpreter, gives what the scalar definition gives.

use anyhow::Result;
use gpu_tests::cases;
use gpu_tests::machine::Machine;

#[test]
fn kernels_interpreted() -> Result<()> {
    cases::run_all(&mut Machine::default(), 20_261_120)
}
