//! Every kernel, as WGSL on a Vulkan device, gives what the scalar definition gives.

use anyhow::Result;
use gpu_tests::cases;
use gpu_tests::vulkan::Vulkan;

#[test]
fn kernels_on_vulkan() -> Result<()> {
    cases::run_all(&mut Vulkan::new()?, 20_261_120)
}
