//! The device model in stock QEMU: two firmwares find the card, and a kernel of 200 lines reads its discovery table.

use std::time::Duration;

use tests::gpu_machine::{self, ALL_WELL, Firmware, Machine};

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
    let kernel = gpu_machine::build_kernel(folder.path()).unwrap();
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
    assert!(gpu_machine::reads_per_second(&lines).is_some());
}
