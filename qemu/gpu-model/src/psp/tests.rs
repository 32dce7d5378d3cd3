//! Tests of PSP's rules: each is broken once and kept once.

use amdgpu_registers::mp;

use super::{boot, command, image, memory, ring};
use crate::bring_up::{BUFFER, Driver, FENCE, IMAGE, MC, RING, Step, TMR, What, signed, synthetic};
use crate::rig::{Case, Rig};

/// Steps before the first one that does `what`.
fn before(what: What) -> Vec<Step> {
    let mut steps = synthetic();
    let at = steps.iter().position(|step| step.what == what);
    steps.truncate(at.expect("a step does it"));
    steps
}

/// The step that does `what`.
fn the(what: What) -> Step {
    let found = synthetic().into_iter().find(|step| step.what == what);
    found.expect("a step does it")
}

const SYS_DRV: What = What::Boot(0x1_0000);

impl Rig {
    /// Does all steps up to the first one that does `what`, and hands on to the driver.
    fn up_to(&mut self, what: What) -> Driver<'_> {
        let mut driver = Driver::new(&mut self.card);
        driver.steps(&before(what)).expect("the steps are good");
        driver
    }

    /// A card with all firmware loaded by PSP and started: the blocks of graphics and compute live.
    pub(crate) fn autoloaded() -> Self {
        let mut rig = Self::new();
        let steps = synthetic();
        let mut driver = Driver::new(&mut rig.card);
        driver.steps(&steps).expect("the steps are good");
        rig
    }
}

/// The card with all steps done, of which `change` may change the list.
fn changed(rig: &mut Rig, change: impl FnOnce(&mut Vec<Step>)) {
    let mut steps = synthetic();
    change(&mut steps);
    // The rule that is broken stops the card.
    let _ = Driver::new(&mut rig.card).steps(&steps);
}

fn keeps_all(rig: &mut Rig) {
    changed(rig, |_| ());
}

fn at(steps: &[Step], name: &str) -> usize {
    let found = steps.iter().position(|step| step.name == name);
    found.expect("a step has the name")
}

fn load(driver: &mut Driver<'_>, number: u32, mc: u64, bytes: u32) {
    driver.command(6, &[mc as u32, (mc >> 32) as u32, bytes, number]);
}

fn tmr(driver: &mut Driver<'_>, offset: u64, bytes: u32, flags: u32) {
    let mc = MC + offset;
    let place = [
        mc as u32,
        (mc >> 32) as u32,
        bytes,
        flags,
        offset as u32,
        (offset >> 32) as u32,
    ];
    driver.command(5, &place);
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: super::STATUS,
        breaks: |rig| rig.write(mp::PSP_SOS_ALIVE, 1),
        keeps: keeps_all,
    },
    Case {
        rule: boot::READY,
        breaks: |rig| {
            let mut driver = rig.up_to(SYS_DRV);
            driver.image(&the(SYS_DRV).bytes);
            driver.write(mp::PSP_BOOTLOADER, 0x1_0000);
            driver.write(mp::PSP_BOOTLOADER, 0x2_0000);
        },
        keeps: keeps_all,
    },
    Case {
        rule: boot::COMMAND,
        breaks: |rig| rig.write(mp::PSP_BOOTLOADER, 0x5_0000),
        keeps: keeps_all,
    },
    Case {
        rule: boot::ORDER,
        breaks: |rig| {
            changed(rig, |steps| {
                steps.remove(1);
            });
        },
        keeps: |rig| {
            changed(rig, |steps| {
                let driver = Step {
                    name: "SOC_DRV",
                    what: What::Boot(0xb_0000),
                    bytes: signed(0x8101_0077, &[1; 0x20]),
                };
                steps.insert(3, driver);
            });
        },
    },
    Case {
        rule: boot::GONE,
        breaks: |rig| {
            rig.up_to(What::Ring);
            rig.write(mp::PSP_BOOTLOADER, 0x8_0000);
        },
        keeps: keeps_all,
    },
    Case {
        rule: boot::ADDRESS,
        breaks: |rig| {
            rig.write(mp::PSP_BOOTLOADER_ADDRESS, (IMAGE >> 20) as u32);
            rig.write(mp::PSP_BOOTLOADER, 0x8_0000);
        },
        keeps: keeps_all,
    },
    Case {
        rule: memory::WRITTEN,
        breaks: |rig| {
            rig.write(mp::PSP_BOOTLOADER_ADDRESS, ((MC + IMAGE) >> 20) as u32);
            rig.write(mp::PSP_BOOTLOADER, 0x8_0000);
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_USE,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ip(71));
            load(&mut driver, 71, MC + TMR + 0x10_0000, 0x240);
        },
        keeps: keeps_all,
    },
    Case {
        rule: image::IMAGE_MAGIC,
        breaks: |rig| changed(rig, |steps| steps[2].bytes[0x10] ^= 1),
        keeps: keeps_all,
    },
    Case {
        rule: image::IMAGE_TYPE,
        breaks: |rig| {
            changed(rig, |steps| {
                steps[2].bytes = signed(0x0100_0009, &[1; 0x20])
            })
        },
        keeps: keeps_all,
    },
    Case {
        rule: image::IMAGE_SIZE,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "IMU_D");
                steps[at].bytes.pop();
            });
        },
        keeps: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "RS64_MEC_P0_STACK");
                steps[at].bytes.resize(0x2_2000, 0);
            });
        },
    },
    Case {
        rule: ring::SOS,
        breaks: |rig| rig.write(mp::PSP_RING_COMMAND, 2 << 16),
        keeps: keeps_all,
    },
    Case {
        rule: ring::CONTROL,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ring);
            driver.poll(mp::PSP_RING_COMMAND, 1 << 31, 1 << 31);
            driver.write(mp::PSP_RING_COMMAND, 1 << 16);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::GEOMETRY,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ring);
            driver.poll(mp::PSP_RING_COMMAND, 1 << 31, 1 << 31);
            driver.write(mp::PSP_RING_BYTES, 0x1000);
            driver.write(mp::PSP_RING_COMMAND, 2 << 16);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::ONCE,
        breaks: |rig| {
            rig.up_to(What::Toc).ring();
        },
        keeps: |rig| {
            let mut driver = rig.up_to(What::Toc);
            driver.write(mp::PSP_RING_COMMAND, 3 << 16);
            driver.ring();
        },
    },
    Case {
        rule: ring::RING,
        breaks: |rig| rig.write(mp::PSP_RING_WPTR, 16),
        keeps: keeps_all,
    },
    Case {
        rule: ring::WPTR,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Toc);
            driver.frame(0x20, &[]);
            driver.write(mp::PSP_RING_WPTR, 1);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::BUFFER,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Toc);
            driver.frame(0x20, &[]);
            driver.memory(RING, &(BUFFER as u32).to_le_bytes());
            driver.memory(RING + 4, &[0; 4]);
            driver.flush();
            driver.write(mp::PSP_RING_WPTR, 16);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::FENCE,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Toc);
            driver.frame(0x20, &[]);
            driver.memory(RING + 12, &((MC + BUFFER) as u32 + 8).to_le_bytes());
            driver.flush();
            driver.write(mp::PSP_RING_WPTR, 16);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::FENCE_VALUE,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Toc);
            driver.frame(0x20, &[]);
            driver.memory(FENCE, &1_u32.to_le_bytes());
            driver.flush();
            driver.write(mp::PSP_RING_WPTR, 16);
        },
        keeps: keeps_all,
    },
    Case {
        rule: ring::RESET_MASTER,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ring);
            driver.card.config_write(4, 2, 6);
            driver.poll(mp::PSP_RING_COMMAND, 1 << 31, 1 << 31);
            driver.write(mp::PSP_RING_COMMAND, 7 << 16);
        },
        keeps: |rig| {
            let mut driver = rig.up_to(What::Ring);
            driver.card.config_write(4, 2, 2);
            driver.poll(mp::PSP_RING_COMMAND, 1 << 31, 1 << 31);
            driver.write(mp::PSP_RING_COMMAND, 7 << 16);
            assert_eq!(driver.read(mp::PSP_SOS_ALIVE), 0);
            assert_eq!(driver.read(mp::PSP_IFWI), 0);
            assert!(driver.poll(mp::PSP_IFWI, u32::MAX, 1 << 31));
            driver.steps(&synthetic()).expect("it starts again");
        },
    },
    Case {
        rule: command::UNKNOWN,
        breaks: |rig| {
            rig.up_to(What::Toc).command(0x55, &[]);
        },
        keeps: |rig| {
            let status = rig.up_to(What::Toc).command(4, &[]);
            assert_eq!(status, Some(0xffff_000a));
        },
    },
    Case {
        rule: command::TOC,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "TOC");
                steps.remove(at);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::TOC_FITS,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "RLC_G");
                steps[at].bytes = signed(0x8101_2009, &[1; 0x6010]);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::SMU_FIRST,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "SMU");
                steps.swap(at, at + 1);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_FIRST,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "TMR");
                steps.swap(at, at + 1);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_PLACE,
        breaks: |rig| tmr(&mut rig.up_to(What::Tmr), TMR + 0x1000, 0x130_0000, 2),
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_PLACE,
        breaks: |rig| tmr(&mut rig.up_to(What::Tmr), TMR, 0x130_0000, 0),
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_SIZE,
        breaks: |rig| tmr(&mut rig.up_to(What::Tmr), TMR, 0x100_0000, 2),
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_OVERLAP,
        breaks: |rig| tmr(&mut rig.up_to(What::Tmr), 0x10_0000, 0x130_0000, 2),
        keeps: keeps_all,
    },
    Case {
        rule: command::TMR_ONCE,
        breaks: |rig| {
            rig.up_to(What::Toc).command(7, &[]);
        },
        keeps: |rig| {
            let mut driver = rig.up_to(What::Ip(71));
            assert_eq!(driver.command(7, &[]), Some(0));
        },
    },
    Case {
        rule: command::TYPE,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ip(71));
            load(&mut driver, 4, MC + IMAGE, 0x240);
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::ADDRESS,
        breaks: |rig| {
            let mut driver = rig.up_to(What::Ip(71));
            load(&mut driver, 71, IMAGE, 0x240);
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::RLC_LAST,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "RLC_G");
                steps.swap(at - 1, at);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::COMPLETE,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "IMU_D");
                steps.remove(at);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::WHOLE,
        breaks: |rig| {
            changed(rig, |steps| {
                let at = at(steps, "CP_MES");
                steps.remove(at);
            });
        },
        keeps: keeps_all,
    },
    Case {
        rule: command::AUTOLOAD_ONCE,
        breaks: |rig| {
            changed(rig, |steps| steps.push(the(What::Autoload)));
        },
        keeps: |rig| {
            changed(rig, |steps| {
                steps.push(Step {
                    name: "RL",
                    what: What::Ip(67),
                    bytes: signed(0x0100_0135, &[1; 0x20]),
                });
            });
        },
    },
];

#[test]
fn firmware_that_has_the_form_of_amds_is_loaded_and_started() {
    let mut rig = Rig::new();
    let mut driver = rig.up_to(What::Tmr);
    assert_eq!(driver.read(mp::PSP_SOS_VERSION), 0x0031_0025);
    driver.step(&the(What::Tmr)).expect("the TMR is good");
    driver.step(&the(What::Ip(72))).expect("the image is good");
    let address =
        u64::from(driver.dword(BUFFER + 872)) | u64::from(driver.dword(BUFFER + 876)) << 32;
    // In the table, what comes before it has 0x2d200 bytes.
    assert_eq!(
        address,
        MC + TMR + 0x6000 + 0xa000 + 0x2000 + 0x3000 + 0x1_0000 + 0x8000 + 0x4200
    );
    assert_eq!(Rig::autoloaded().card.stopped(), None);
}

#[test]
fn faults_show_as_a_driver_sees_them() {
    use crate::fault::FaultKind::{FirmwareRejected, PspSilent};
    for (kind, occasion) in [
        (FirmwareRejected, 3),
        (FirmwareRejected, 9),
        (PspSilent, 2),
        (PspSilent, 12),
    ] {
        let mut rig = Rig::new();
        rig.card.faults().add(kind, occasion);
        let mut driver = Driver::new(&mut rig.card);
        let error = driver.steps(&synthetic()).expect_err("the fault happens");
        assert!(error.contains("did not answer"), "{error}");
        assert_eq!(rig.card.stopped(), None);
    }
}
