//! The device model in stock QEMU: two firmwares find the card, a kernel of 200 lines reads its discovery table, and another
//! has the card copy between the machine's memory and its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::binary;
use tests::gpu_machine::{self, ALL_WELL, Firmware, Machine};
use tests::gpu_script::{AREA, BACK, Pages, SOURCE, STEP, Script, TARGET, scattered};

/// Longest boot on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn firmware_gives_every_aperture_an_address() {
    for firmware in [Firmware::SeaBios, Firmware::Ovmf] {
        let mut machine = Machine::start(firmware, None).unwrap();
        let apertures = machine.wait_enumerated(LIMIT);
        let apertures = apertures.unwrap_or_else(|error| panic!("{firmware:?}: {error}"));
        assert_eq!(
            apertures.map(|(_, bytes)| bytes),
            [256 << 20, 2 << 20, 1 << 20]
        );
        for (n, (base, bytes)) in apertures.iter().enumerate() {
            for (other, _) in &apertures[n + 1..] {
                assert!(
                    !(*base..base + bytes).contains(other),
                    "{apertures:x?} overlap"
                );
            }
        }
    }
}

#[test]
fn a_kernel_reads_the_discovery_table_and_video_memory() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = gpu_machine::build_kernel(folder.path(), "card").unwrap();
    let mut machine = Machine::start(Firmware::SeaBios, Some(&kernel)).unwrap();
    let (lines, status) = machine.run(LIMIT).unwrap();
    assert_eq!(machine.card().report(), None);
    assert_eq!(status, Some(ALL_WELL), "{lines:?}");
    for (name, value) in [
        ("class", "030000c8"),
        ("memsize", "00005ff0"),
        ("signature", "28211407"),
        ("checksum difference", "00000000"),
        ("gc", "00001260"),
        ("through both", "600df00d"),
    ] {
        assert_eq!(gpu_machine::said(&lines, name), Some(value), "{name}");
    }
    assert!(gpu_machine::accesses_per_second(&lines).is_some());
}

#[test]
fn the_card_copies_the_machines_memory_by_dma() {
    const FIRST: u32 = 0x1234_5678;
    const BYTES: u64 = 5 << 20;
    let mut script = Script::sdma().unwrap();
    script.fill(SOURCE, AREA, FIRST);
    for (round, pages) in [Pages::Huge, Pages::Small, Pages::Scattered]
        .into_iter()
        .enumerate()
    {
        script.fill(BACK, AREA, 0);
        // What comes back is what went, and nothing behind it was touched.
        let whole = if pages == Pages::Scattered {
            AREA
        } else {
            BYTES
        };
        script.to_vram(SOURCE, pages, whole, 1);
        script.from_vram(BACK, pages, whole, 1);
        script.check(BACK, whole, FIRST);
        let untouched = (whole / 4) as u32;
        script.check(BACK + whole, AREA - whole, STEP.wrapping_mul(untouched));
        script.mark(round as u32);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::play(folder.path(), script).unwrap();
    let (lines, status) = machine.run(LIMIT).unwrap();
    assert_eq!(machine.card().report(), None, "{lines:?}");
    assert_eq!(status, Some(ALL_WELL), "{lines:?}");
    // The last copy took the pages in another order, which is how video memory has them.
    let mut card = machine.card();
    for page in [0, 1, 2, 1000, AREA / 4096 - 1] {
        let dword = (scattered(page) * 1024) as u32;
        let mut seen = [0; 4];
        card.bar_read(0, TARGET + page * 4096, &mut seen);
        let expected = FIRST.wrapping_add(STEP.wrapping_mul(dword));
        assert_eq!(u32::from_le_bytes(seen), expected, "page {page}");
    }
    // To and from: 5 MiB twice, the whole area once; and what is written of the ring's state is not counted.
    assert_eq!(card.counters().sdma_bytes, 2 * (2 * BYTES + AREA));
}

/// A process that is killed if the test ends early.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_card_on_a_socket_is_attached_to_one_qemu_after_the_other() {
    let program = binary::release("gpu-model", "gpu-model").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kernel = gpu_machine::build_kernel(folder.path(), "card").unwrap();
    let socket = folder.path().join("card");
    let mut server = Command::new(&program);
    server.arg("--socket").arg(&socket).stdout(Stdio::piped());
    let mut server = Served(server.spawn().unwrap());
    let mut line = String::new();
    let output = server.0.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening {}\n", socket.display()));
    for _ in 0..2 {
        let mut guest = Command::new("timeout");
        guest.arg(LIMIT.as_secs().to_string()).arg(&program);
        guest.args(["qemu", "--connect"]).arg(&socket);
        guest.args(["--memory", "128", "--"]);
        guest.args(gpu_machine::board()).arg("-kernel").arg(&kernel);
        let output = guest.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(ALL_WELL), "{said}");
        assert!(said.contains("through both 600df00d"), "{said}");
    }
    let signal = Command::new("kill").arg(server.0.id().to_string()).status();
    assert!(signal.unwrap().success());
    assert_eq!(
        server.0.wait().unwrap().code(),
        Some(0),
        "no rule is broken"
    );
    assert!(!socket.exists(), "the socket is taken away");
}
