//! What can be wrong with a machine or a disk: each has a line on the console that names it, and a kernel that goes on as
//! far as it can and ends cleanly.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use qemu::guest::{Configuration, DiskContent, PANIC_STATUS};
use tests::guest::{self, Kernel};
use tests::hosted::demo_model;

/// Boots, expects `words` on the line that says why nothing is served, and checks that the shell lives.
fn cannot_serve(configuration: &Configuration, words: &[&str]) {
    let mut kernel = Kernel::start(configuration).unwrap();
    let line = kernel.expect("no model: ").unwrap();
    for word in words {
        assert!(line.contains(word), "{line:?} does not say {word:?}");
    }
    kernel.command("help", "shutdown").unwrap();
    kernel.shut_down().unwrap();
}

fn disk(folder: &Path, name: &str, content: &[u8]) -> DiskContent {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    DiskContent::Raw(path)
}

#[test]
fn bad_disks_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = std::fs::read(demo_model()).unwrap();
    cannot_serve(&guest::with_disk(DiskContent::Absent), &["no virtio disk"]);
    let empty = disk(folder.path(), "empty", &[0; 1 << 20]);
    cannot_serve(&guest::with_disk(empty), &["disk is empty"]);
    let text = disk(folder.path(), "text", &b"no model at all ".repeat(1 << 12));
    cannot_serve(&guest::with_disk(text), &["GGUF", "GPT"]);
    let truncated = disk(folder.path(), "truncated", &model[..model.len() / 2]);
    cannot_serve(&guest::with_disk(truncated), &["bytes"]);
    let mut corrupt = model.clone();
    corrupt[8..16].fill(0xff);
    let corrupt = disk(folder.path(), "corrupt", &corrupt);
    cannot_serve(&guest::with_disk(corrupt), &["tensor"]);
    let mut unknown = model;
    let key = b"general.architecture";
    let at = unknown
        .windows(key.len())
        .position(|window| window == key)
        .unwrap()
        + key.len();
    // After the key: value type (4 bytes), length (8 bytes), then the name itself.
    unknown[at + 12..at + 17].copy_from_slice(b"mamba");
    let unknown = disk(folder.path(), "unknown", &unknown);
    cannot_serve(&guest::with_disk(unknown), &["mamba"]);
}

#[test]
fn too_little_memory_is_named() {
    let mut configuration = guest::small();
    configuration.options.memory_mib = 64;
    let mut kernel = Kernel::start(&configuration).unwrap();
    kernel.expect("memory").unwrap();
    kernel.command("mem", "MiB").unwrap();
    kernel.shut_down().unwrap();
}

#[test]
fn without_a_network_the_console_still_generates() {
    let mut configuration = guest::small();
    configuration.network = false;
    let mut kernel = Kernel::start(&configuration).unwrap();
    kernel.expect("no virtio network card").unwrap();
    kernel.command("generate Once upon", " a time").unwrap();
    kernel.shut_down().unwrap();
}

/// A card on a cable with nobody at the other end.
#[test]
fn without_a_dhcp_answer_the_kernel_goes_on() {
    let mut configuration = guest::small();
    configuration.network = false;
    let card = "virtio-net-pci,disable-legacy=on,romfile=,netdev=lonely";
    configuration.extra = ["-netdev", "hubport,hubid=0,id=lonely", "-device", card]
        .map(String::from)
        .to_vec();
    let mut kernel = Kernel::start(&configuration).unwrap();
    kernel.expect("no DHCP server answered").unwrap();
    kernel.command("net", "no address yet").unwrap();
    kernel.shut_down().unwrap();
}

#[test]
fn a_panic_prints_a_symbolised_backtrace_and_has_its_own_status() {
    for (kind, words) in [
        ("test", ["panic on core", "rsp", "kernel_main"]),
        ("null", ["nothing is mapped", "rip", "kernel_main"]),
        ("text", ["write not allowed", "rip", "kernel_main"]),
        ("data", ["execution not allowed", "rip", "kernel_main"]),
        ("stack", ["page fault", "stack overflow", "recurse"]),
        ("core", ["panic on core 1", "rsp", "crash::now"]),
    ] {
        let command_line = format!("panic={kind}");
        let mut kernel = Kernel::start(&guest::with_command_line(&command_line)).unwrap();
        for word in words {
            kernel.expect(word).unwrap();
        }
        let status = kernel.guest.wait_end(guest::REACTION_LIMIT).unwrap();
        assert_eq!(status.code(), Some(PANIC_STATUS), "{}", kernel.console());
    }
}

#[test]
fn a_bad_command_line_option_is_named_and_the_boot_goes_on() {
    let (kernel, _, _) =
        Kernel::serving(&guest::with_command_line("ctx=banana colour=red")).unwrap();
    let console = kernel.console();
    assert!(
        console.contains("ctx=banana") && console.contains("colour"),
        "{console}"
    );
    kernel.shut_down().unwrap();
}
