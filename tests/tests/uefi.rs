//! The second door: UEFI firmware (OVMF), Limine, and the same kernel from an EFI system partition.

use std::io::Write;

use tests::guest::{self, Kernel};

/// Nothing installable brings Limine's loader, so this is the one test that may be left out, and says so.
#[test]
fn limine_boots_the_same_kernel() {
    if std::env::var_os("LIMINE_DIR").is_none() {
        // Not by println, which the test harness keeps to itself when a test passes.
        let said = writeln!(
            std::io::stdout(),
            "uefi: not run: LIMINE_DIR is not set, so there is no Limine to boot with"
        );
        said.expect("stdout is there");
        return;
    }
    let mut configuration = guest::small();
    configuration.options.uefi = true;
    configuration.options.memory_mib = 512;
    let (kernel, ready, api) = Kernel::serving(&configuration).unwrap();
    assert_eq!(ready.backend, "cpu");
    assert!(!api.complete("Once upon a time", 8).unwrap().is_empty());
    assert!(kernel.console().contains("Limine"), "{}", kernel.console());
    kernel.shut_down().unwrap();
}
