//! AMD's own firmware: it brings the model's PSP up to autoload, and each of its 28 signed parts is named when it is missing,
//! out of order, cut off or damaged in its header.

#[allow(dead_code, unreachable_pub, reason = "the rules' tests share the file")]
#[path = "support/bring_up.rs"]
mod bring_up;

use std::sync::Arc;

use amdgpu_registers::mp;
use bring_up::{Driver, FIRMWARE, Step, What};
use gpu_model::{Card, Level, NoHost};
use qemu::firmware::{self, Firmware, container};

/// Signed parts of all files.
const PARTS: usize = 28;

/// Bytes of a part's header in which every bit is known.
const KNOWN: [usize; 5] = [0x12, 0x15, 0x30, 0x59, 0x6d];

fn amds() -> Firmware {
    firmware::load(None).expect("AMD's firmware")
}

fn card() -> Card {
    Card::new(Level::Strict, Arc::new(NoHost)).expect("address space for video memory")
}

/// All steps with AMD's firmware, in the order of Linux.
fn steps(firmware: &Firmware) -> Vec<Step> {
    let step = |name: &'static str, what| {
        // Both published drivers hand the key database over once more where the SPL table is asked for; the pipes of an
        // engine share one stack image.
        let part = match name.rsplit_once("_P") {
            _ if name == "SPL" => "KDB".into(),
            Some((engine, pipe))
                if pipe.ends_with("_STACK") && pipe.starts_with(char::is_numeric) =>
            {
                format!("{engine}_STACK")
            }
            _ => name.to_owned(),
        };
        let bytes = firmware
            .part(&part)
            .expect("AMD's files are whole")
            .to_vec();
        Step { name, what, bytes }
    };
    let mut steps = vec![
        step("KDB", What::Boot(0x8_0000)),
        step("SPL", What::Boot(0x1000_0000)),
        step("SYS_DRV", What::Boot(0x1_0000)),
        step("SOS", What::Boot(0x2_0000)),
        Step::bare("ring", What::Ring),
        step("TOC", What::Toc),
        step("SMU", What::Ip(18)),
        Step::bare("TMR", What::Tmr),
    ];
    steps.extend(
        FIRMWARE
            .iter()
            .map(|(number, name, _)| step(name, What::Ip(*number))),
    );
    steps.push(Step::bare("autoload", What::Autoload));
    steps.push(step("RL", What::Ip(67)));
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
    let steps = steps(&amds());
    let mut card = card();
    let mut driver = Driver::new(&mut card);
    for step in &steps {
        driver.step(step).expect("the step is good");
        if step.what == What::Toc {
            assert_eq!(driver.tmr_bytes(), 0x130_0000);
        }
    }
    let firmware = amds();
    let sos = firmware.part("SOS").expect("AMD's files are whole");
    let version = u32::from_le_bytes(*sos[0x60..].first_chunk().expect("a header"));
    assert_eq!(driver.read(mp::PSP_SOS_VERSION), version);
    assert_eq!(card.stopped(), None);
}

#[test]
fn psp_names_what_is_missing_out_of_order_cut_off_or_damaged() {
    let steps = steps(&amds());
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

#[test]
fn files_that_are_not_whole_are_refused_with_the_name_of_the_part() {
    let firmware = amds();
    let mut count = 0;
    for (file, bytes) in &firmware.files {
        let parts = container::parts(file, bytes).expect("AMD's files are whole");
        assert_ne!(container::checksum(file, bytes), Some(false), "{file}");
        for part in &parts {
            count += 1;
            let refused = |bytes: &[u8]| {
                let error = format!("{:#}", container::parts(file, bytes).expect_err(part.name));
                assert!(
                    error.contains(file) && error.contains(part.name),
                    "{}: {error}",
                    part.name
                );
            };
            for byte in KNOWN {
                let mut bytes = bytes.clone();
                bytes[part.range.start + byte] ^= 4;
                refused(&bytes);
            }
            // Any other byte of its header shows in the checksum, in the files whose rule is known.
            let mut other = bytes.clone();
            other[part.range.start + 0xd5] ^= 4;
            assert_ne!(
                container::checksum(file, &other),
                Some(true),
                "{}",
                part.name
            );
            let end = part.range.end - 1;
            let last = parts.iter().all(|other| other.range.end <= part.range.end);
            if last {
                refused(&bytes[..end]);
            } else {
                assert!(container::parts(file, &bytes[..end]).is_err());
            }
        }
    }
    assert_eq!(count, PARTS);
}
