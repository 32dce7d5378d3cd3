//! NVMe: the same model comes off the disk whatever its controller is like, and one that fails is named.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use qemu::guest::{Configuration, DiskContent};
use qemu::options::Disk;
use tests::guest::{self, Kernel};
use tests::hosted::{Server, demo_model};

const PLAIN: &str = "format=raw,file=FILE";
const ONE: &str = "nvme,serial=d,drive=d";

/// The demo model as a whole disk, which QEMU's options `drive` open, on the controllers `devices`.
fn nvme(folder: &Path, drive: &str, devices: &[&str]) -> Configuration {
    let mut content = std::fs::read(demo_model()).unwrap();
    content.resize(content.len().next_multiple_of(4096), 0);
    let path = folder.join("disk");
    std::fs::write(&path, content).unwrap();
    let file = path.display().to_string().replace(',', ",,");
    let drive = format!("if=none,id=d,read-only=on,{}", drive.replace("FILE", &file));
    let mut configuration = guest::with_disk(DiskContent::Absent);
    configuration.extra = vec!["-drive".to_owned(), drive];
    for device in devices {
        configuration
            .extra
            .extend(["-device", device].map(String::from));
    }
    configuration
}

/// Boots, expects `words` in the line that says why nothing is served, and checks that the shell lives.
fn fails(configuration: &Configuration, words: &[&str]) {
    let mut kernel = Kernel::start(configuration).unwrap();
    kernel.expect("NVMe").unwrap();
    let line = kernel.expect(words[0]).unwrap();
    for word in words {
        assert!(line.contains(word), "{line:?} does not say {word:?}");
    }
    kernel.command("help", "shutdown").unwrap();
    kernel.shut_down().unwrap();
}

/// As `cargo boot -- --disk nvme` attaches it; with blocks of 4096 bytes; with requests of 8 KiB at most.
#[test]
fn nvme_serves_what_hosted_serves() {
    let folder = tempfile::tempdir().unwrap();
    let prompt = "Once upon a time";
    let hosted = Server::start(&[])
        .unwrap()
        .api
        .complete(prompt, 24)
        .unwrap();
    let mut plain = guest::small();
    plain.options.disk = Disk::Nvme;
    let blocks = "nvme,serial=d,drive=d,logical_block_size=4096,physical_block_size=4096";
    let requests = "nvme,serial=d,drive=d,mdts=1";
    for configuration in [
        plain,
        nvme(folder.path(), PLAIN, &[blocks]),
        nvme(folder.path(), PLAIN, &[requests]),
    ] {
        let (mut kernel, _, api) = Kernel::serving(&configuration).unwrap();
        let answer = api.complete(prompt, 24).unwrap();
        assert_eq!(answer, hosted, "{}", kernel.console());
        kernel.command("disks", "NVMe").unwrap();
        kernel.shut_down().unwrap();
    }
}

/// Sector 2500 lies among the weights; the request that fails starts before it.
#[test]
fn a_read_error_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let drive = "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=FILE,\
                 file.inject-error.0.event=read_aio,file.inject-error.0.sector=2500";
    let words = [
        "no model: ",
        "disk 00",
        "unrecovered read error",
        "sector 2",
    ];
    fails(&nvme(folder.path(), drive, &[ONE]), &words);
}

/// A disk from which a few KiB come a second: the next answer takes longer than the deadline.
#[test]
fn a_silent_disk_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let drive = "format=raw,file=FILE,throttling.bps-read=4096";
    let words = ["did not answer within 30 s", "disk 00", "sector"];
    fails(&nvme(folder.path(), drive, &[ONE]), &words);
}

/// A controller without a namespace, and one with a namespace whose blocks carry metadata.
#[test]
fn controllers_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let devices = [
        "nvme,serial=empty",
        "nvme,serial=d,id=n",
        "nvme-ns,bus=n,drive=d,ms=8",
    ];
    let mut kernel = Kernel::start(&nvme(folder.path(), PLAIN, &devices)).unwrap();
    for words in ["no namespace 1", "8 bytes of metadata"] {
        let line = kernel.expect(words).unwrap();
        assert!(line.contains("disk 00"), "{line:?}");
    }
    kernel.expect("no model: ").unwrap();
    kernel.shut_down().unwrap();
}
