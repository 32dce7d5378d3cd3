//! `cargo gpu` as its users run it, on the model in its own process and on one that is served.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use gpu_model::door::Stop;
use gpu_model::door::remote::{LentMemory, Remote};
use gpu_model::{Card, Level};

fn gpu(arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["300", env!("CARGO_BIN_EXE_gpu")]);
    command.args(arguments).output().expect("the tool starts")
}

/// What it says when all is well.
fn good(arguments: &[&str]) -> String {
    let output = gpu(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// What it says when something is not, and its exit status.
fn bad(arguments: &[&str]) -> (String, Option<i32>) {
    let output = gpu(arguments);
    let said = String::from_utf8(output.stderr).expect("text");
    (said, output.status.code())
}

/// Ends the door's service when it goes.
struct Stops<'a>(&'a Stop);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// A card of the model behind a door, at its strictest; it is good in the end.
fn served(act: impl FnOnce(&str)) {
    let memory = Arc::new(LentMemory::default());
    let card = Card::new(Level::Strict, memory.clone()).expect("address space");
    let card = Arc::new(Mutex::new(card));
    card.lock().expect("nobody panicked").post(false);
    let door = Remote::listen(0, card.clone(), memory).expect("a free port");
    let stop = Stop::default();
    std::thread::scope(|scope| {
        // Also when something below fails.
        let _stops = Stops(&stop);
        scope.spawn(|| door.serve(&stop, &|text| panic!("{text}")));
        act(&door.address().expect("an address").to_string());
    });
    let card = card.lock().expect("nobody panicked");
    assert_eq!(card.report(), None);
}

#[test]
fn info_says_the_same_of_both() {
    let own = good(&["--", "--model", "info"]);
    for expected in [
        "PCI           1002:744c revision c8",
        "apertures     video memory 256 MiB, doorbells 2048 KiB, registers 1024 KiB",
        "video memory  24560 MiB",
        "chip          Navi 31 (gfx1100, GC 11.0.0), brought up on the model",
        "96 compute units",
        "state         cold: PSP's boot loader waits",
        "  GC           0  11.0.0   0x1260 0xa000 0x1c000 0x2402c00",
    ] {
        assert!(own.contains(expected), "{expected:?} is not in\n{own}");
    }
    served(|address| {
        let other = good(&["--remote", address, "info"]);
        let rest = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rest(&own), rest(&other));
        assert!(other.starts_with(&format!("card          0000:03:00.0 at {address}\n")));
    });
}

#[test]
fn all_registers_are_read_and_what_would_do_something_is_skipped() {
    let lines = good(&["dump-registers"]);
    let dumped = |name: &str| lines.lines().find(|line| line.starts_with(name));
    for info in amdgpu_registers::tables().into_iter().flatten() {
        assert!(dumped(info.name).is_some(), "{}", info.name);
    }
    let memory = dumped("RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE");
    let expected = "RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE @0xde3 = 0x00005ff0";
    assert_eq!(memory, Some(expected));
    let semaphore = dumped("GCVM_INVALIDATE_ENG_SEM").expect("a line");
    assert!(semaphore.ends_with("skipped, reading it acquires the semaphore"));
    served(|address| {
        let some = good(&["--remote", address, "dump-registers", "MMVM_L2_CNTL"]);
        assert_eq!(some.lines().count(), 6, "{some}");
        let first = "MMVM_L2_CNTL @0x1a700 = 0x00080602 ENABLE_L2_FRAGMENT_PROCESSING=0x1";
        assert!(some.starts_with(first), "{some}");
    });
}

#[test]
fn a_served_card_is_brought_up_cold_warm_and_after_a_reset() {
    served(|address| {
        let cold = good(&["--remote", address, "bringup"]);
        let warm = good(&["--remote", address, "bringup"]);
        let again = good(&["--remote", address, "--cold", "bringup"]);
        for (said, found, has_psp) in [
            (&cold, "as the machine's firmware leaves it", true),
            (&warm, "as this driver left it", false),
            (&again, "running, and was reset", true),
        ] {
            assert!(said.contains(found), "{said}");
            assert!(said.contains(" ms  queues\n"), "{said}");
            assert_eq!(said.contains(" ms  PSP: autoload\n"), has_psp, "{said}");
            assert!(said.contains("degrees Celsius: edge 40"), "{said}");
            assert!(said.ends_with("stopped in order\n"), "{said}");
        }
    });
    let small = good(&["--small-bar", "bringup"]);
    assert!(
        small.contains("24560 MiB, 256 MiB of it visible"),
        "{small}"
    );
}

#[test]
fn kernels_run_on_a_served_card_and_their_results_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    let path = path.to_str().expect("text");
    served(|address| {
        let said = good(&["--remote", address, "dispatch", "add"]);
        assert!(
            said.contains("\nright, as the scalar reference has it"),
            "{said}"
        );
        let said = good(&["--remote", address, "--report", path, "selftest", "silu"]);
        assert!(said.contains("selftest: 3 passed, 0 failed\n"), "{said}");
        assert!(
            said.ends_with(&format!("the report is in {path}\n")),
            "{said}"
        );
        let report = std::fs::read_to_string(path).expect("a report");
        assert!(report.starts_with("Infernel "), "{report}");
        assert!(
            report.contains("firmware  smu_13_0_0.bin 0x4e4b00"),
            "{report}"
        );
        assert!(
            report.ends_with("selftest: 3 passed, 0 failed\n"),
            "{report}"
        );
    });
    let (said, status) = bad(&["dispatch", "nothing"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("there is no kernel \"nothing\"; there are "),
        "{said}"
    );
}

#[test]
fn firmware_that_is_not_there_or_not_published_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let (said, status) = bad(&["--firmware", path, "bringup"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("copy the files there"), "{said}");
    let files = qemu::firmware::load(None).expect("AMD's firmware").files;
    for (name, mut bytes) in files {
        bytes[200] ^= u8::from(name.contains("imu"));
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    let (said, status) = bad(&["--firmware", path, "bringup"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("gc_11_0_0_imu.bin") && said.contains("--any-firmware"),
        "{said}"
    );
}

#[test]
fn command_lines_that_make_no_sense_are_named() {
    for (arguments, expected) in [
        (&[][..], "nothing to do; --help says what there is"),
        (&["frobnicate"], "there is no command \"frobnicate\""),
        (&["info", "--frob"], "invalid option '--frob'"),
        (&["--model", "--remote", "x", "info"], "choose one"),
        (&["--device", "x", "info"], "name the server by --remote"),
        (
            &["--remote", "x", "--small-bar", "info"],
            "are for the model",
        ),
        (&["--timeout", "0", "info"], "expected a second or more"),
        (&["info", "x"], "info takes other arguments than [\"x\"]"),
    ] {
        let (said, status) = bad(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let help = good(&["--help"]);
    assert!(help.contains("examples:\n  cargo gpu -- info\n"));
}

#[test]
fn what_fails_is_named_and_the_status_says_it() {
    let (said, status) = bad(&["dump-registers", "NOTHING"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("no register's name begins with \"NOTHING\""),
        "{said}"
    );
    // Port 1 is nobody's.
    let (said, status) = bad(&["--remote", "127.0.0.1:1", "info"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("is a remote PCI server running there?"),
        "{said}"
    );
    served(|address| {
        let (said, status) = bad(&["--remote", address, "--device", "0000:99:00.0", "info"]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("only \"0000:03:00.0\""), "{said}");
    });
}
