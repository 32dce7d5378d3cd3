//! AMD's own firmware: it brings the model's PSP up to autoload, and each of its 28 signed parts is named when it is missing,
//! out of order, cut off or damaged in its header.

#[allow(dead_code, unreachable_pub, reason = "the rules' tests share the file")]
#[path = "support/bring_up.rs"]
mod bring_up;

use std::sync::Arc;

use amdgpu_registers::mp;
use bring_up::{Driver, FIRMWARE, Step, What};
use firmware_loader::{Firmware, Part, sums};
use gpu_model::{Card, Level, NoHost};
use qemu::firmware;

/// Signed parts of all files.
const PARTS: usize = 28;

/// Bytes of a part's header in which every bit is known.
const KNOWN: [usize; 5] = [0x12, 0x15, 0x30, 0x59, 0x6d];

fn amds() -> firmware::Firmware {
    firmware::load(None).expect("AMD's firmware")
}

/// The signed parts, each once.
fn parts<'a>(firmware: &Firmware<'a>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for part in firmware.parts() {
        let place = |part: &Part<'_>| (part.file, part.offset);
        if parts.iter().all(|known| place(known) != place(&part)) {
            parts.push(part);
        }
    }
    parts
}

fn card() -> Card {
    Card::new(Level::Strict, Arc::new(NoHost)).expect("address space for video memory")
}

/// All steps with AMD's firmware, in the order of Linux.
fn steps(firmware: &Firmware<'_>) -> Vec<Step> {
    let step = |name, what, image: &[u8]| Step {
        name,
        what,
        bytes: image.to_vec(),
    };
    let boot = firmware.bootloader();
    let boot = boot.map(|part| step(part.name, What::Boot(part.command), part.image));
    let mut steps: Vec<Step> = boot.collect();
    steps.push(Step::bare("ring", What::Ring));
    steps.push(step("TOC", What::Toc, firmware.toc()));
    let smu = firmware.smu().expect("a card of its own has one");
    steps.push(step(smu.name, What::Ip(smu.kind), smu.image));
    steps.push(Step::bare("TMR", What::Tmr));
    let loads = firmware.loads();
    steps.extend(loads.map(|load| step(load.name, What::Ip(load.kind), load.image)));
    steps.push(Step::bare("autoload", What::Autoload));
    let list = firmware.parts().find(|part| part.name == "RL");
    let list = list.expect("AMD's file has a register list");
    steps.push(step("RL", What::Ip(67), list.image));
    steps
}

/// What stops the card, or what PSP does not answer.
fn outcome(steps: &[Step]) -> Result<(), String> {
    Driver::new(&mut card()).steps(steps)
}

/// Changes a copy of the steps; the error must hold the name.
fn caught(steps: &[Step], name: &str, how: &str, change: impl FnOnce(&mut Vec<Step>)) {
    let mut steps = steps.to_vec();
    change(&mut steps);
    let error = outcome(&steps).expect_err(&format!("{name} {how}"));
    assert!(error.contains(name), "{name} {how}: {error}");
}

#[test]
fn amds_firmware_brings_the_card_up() {
    let files = amds();
    let firmware = files.checked().expect("AMD's files are whole");
    let loads: Vec<_> = firmware
        .loads()
        .map(|load| (load.kind, load.name))
        .collect();
    let expected = FIRMWARE.iter().map(|(number, name, _)| (*number, *name));
    assert!(
        expected.eq(loads),
        "the model's order, which is that of Linux"
    );
    let steps = steps(&firmware);
    let mut card = card();
    let mut driver = Driver::new(&mut card);
    for step in &steps {
        driver.step(step).expect("the step is good");
        if step.what == What::Toc {
            assert_eq!(driver.tmr_bytes(), 0x130_0000);
        }
    }
    let sos = firmware.parts().find(|part| part.name == "SOS");
    let version = sos.and_then(|part| part.version());
    assert_eq!(Some(driver.read(mp::PSP_SOS_VERSION)), version);
    assert_eq!(card.stopped(), None);
}

#[test]
fn psp_names_what_is_missing_out_of_order_cut_off_or_damaged() {
    let files = amds();
    let steps = steps(&files.checked().expect("AMD's files are whole"));
    for (at, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| !step.bytes.is_empty())
    {
        let name = step.name;
        // Nothing misses the register list, which comes after autoload; the container test sees that it is there.
        if name != "RL" {
            caught(&steps, name, "missing", |steps| {
                steps.remove(at);
            });
        }
        // What may come at any time among others is not out of order there, but before the memory for it is set up.
        let early = match step.what {
            What::Boot(_) => (at + 1) % 4,
            What::Toc => 7,
            What::Ip(18) => 8,
            _ => 6,
        };
        let late = steps
            .iter()
            .position(|step| step.name == "RLC_G")
            .expect("a step");
        caught(&steps, name, "out of order", |steps| {
            let moved = steps.remove(at);
            let to = if name == "RLC_G" { late - 1 } else { early };
            steps.insert(to, moved);
        });
        caught(&steps, name, "cut off", |steps| {
            let bytes = &mut steps[at].bytes;
            let total = u32::from_le_bytes(*bytes[0x6c..].first_chunk().expect("a header"));
            bytes.truncate(total as usize - 16);
        });
        for byte in KNOWN {
            caught(&steps[..=at], name, "damaged", |steps| {
                steps[at].bytes[byte] ^= 4
            });
        }
    }
}

/// What is said of the files when the bytes of one are exchanged.
fn refused(
    files: &firmware::Firmware,
    part: &Part<'_>,
    change: impl FnOnce(&mut Vec<u8>),
) -> firmware_loader::Error {
    let mut files = files.clone();
    change(files.files.get_mut(part.file).expect("it is there"));
    let error = files.checked().expect_err(part.name);
    assert_eq!(error.file, part.file, "{}", part.name);
    error
}

#[test]
fn files_that_are_not_whole_are_refused_with_the_name_of_the_part() {
    let files = amds();
    let parts = parts(&files.checked().expect("AMD's files are whole"));
    assert_eq!(parts.len(), PARTS);
    for part in &parts {
        for byte in KNOWN {
            let error = refused(&files, part, |file| file[part.offset + byte] ^= 4);
            assert_eq!(error.part, part.name, "{error}");
        }
        // Any other byte of it shows in the sum of the file.
        let mut other = files.files[part.file].clone();
        assert!(
            sums::check(part.file, &other).set.is_some(),
            "{}",
            part.file
        );
        other[part.offset + 0xd5] ^= 4;
        assert_eq!(sums::check(part.file, &other).set, None, "{}", part.name);

        let end = part.offset + part.image.len() - 1;
        refused(&files, part, |file| file.truncate(end));
        // With a header that knows of the cut, a part is named that has lost its end.
        let error = refused(&files, part, |file| {
            file.truncate(end);
            file[..4].copy_from_slice(&(end as u32).to_le_bytes());
        });
        let mut cut = parts.iter().filter(|other| other.file == part.file);
        let cut = cut
            .find(|other| other.name == error.part)
            .expect("a part of the file");
        assert!(cut.offset + cut.image.len() > end, "{error}");
    }
}

#[test]
fn the_archive_of_the_partition_holds_the_files() {
    let packed = firmware::archive(None).expect("AMD's files are whole");
    let archive = firmware_loader::archive::Archive::new(&packed).expect("it was just made");
    let files = amds();
    assert_eq!(archive.entries().count(), files.files.len());
    for (name, bytes) in &files.files {
        assert_eq!(archive.get(name), Some(&bytes[..]), "{name}");
    }
    let mut known = 0;
    let log = |_, verdict: sums::Verdict| known += usize::from(verdict.set.is_some());
    let get = |name: &str| archive.get(name);
    sums::verify(get, &firmware_loader::NAVI31, sums::Trust::Known, log).expect("published files");
    assert_eq!(known, files.files.len());
}
