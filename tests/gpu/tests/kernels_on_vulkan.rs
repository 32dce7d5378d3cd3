//! Every kernel, as WGSL on a Vulkan device, gives what the scalar definition gives.

use anyhow::Result;
use gpu_tests::cases;
use gpu_tests::device::Device;
use gpu_tests::vulkan::Vulkan;

const SEED: u64 = 20_261_120;

#[test]
fn kernels_on_vulkan() -> Result<()> {
    let device = Vulkan::new()?;
    println!("{}, seed {SEED}", device.name());
    let (mut wrong, mut left_out) = (0, 0);
    let cases = cases::all(SEED);
    for case in &cases {
        if !device.runs(&case.launch)? {
            left_out += 1;
            continue;
        }
        let result = device
            .run(&case.launch)
            .and_then(|outputs| (case.check)(&outputs));
        if let Err(error) = result {
            println!("{}: {error:#}", case.name);
            wrong += 1;
        }
    }
    println!(
        "{left_out} of {} cases need cooperative matrices, which this device lacks",
        cases.len()
    );
    assert_eq!(wrong, 0, "of {} cases", cases.len());
    Ok(())
}
