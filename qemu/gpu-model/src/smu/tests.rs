//! Tests of the SMU's rules: each is broken once and kept once.

use amdgpu_registers::mp;

use super::message;
use crate::bring_up::MC;
use crate::rig::{Case, Rig};

/// Where tests let the SMU write its table.
const TABLE: u64 = 0x22_0000;

impl Rig {
    /// Sends a message as drivers do: the result, if the response is 1.
    pub(crate) fn smu(&mut self, id: u32, argument: u32) -> Option<u32> {
        self.write(mp::SMU_RESPONSE, 0);
        self.write(mp::SMU_ARGUMENT, argument);
        self.write(mp::SMU_MESSAGE, id);
        let response = (0..10)
            .map(|_| self.read(mp::SMU_RESPONSE))
            .find(|response| *response != 0);
        (response == Some(1)).then(|| self.read(mp::SMU_ARGUMENT))
    }

    /// A card with firmware and the SMU's features on.
    pub(crate) fn with_features() -> Self {
        let mut rig = Self::autoloaded();
        let table = MC + TABLE;
        for (id, argument) in [(0xe, (table >> 32) as u32), (0xf, table as u32), (6, 0)] {
            assert_eq!(rig.smu(id, argument), Some(0));
        }
        rig
    }
}

fn send(rig: &mut Rig, messages: &[(u32, u32)]) {
    *rig = Rig::with_features();
    for (id, argument) in messages {
        rig.smu(*id, *argument);
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: super::BUSY,
        breaks: |rig| {
            send(rig, &[]);
            for _ in 0..2 {
                rig.write(mp::SMU_RESPONSE, 0);
                rig.write(mp::SMU_ARGUMENT, 0);
                rig.write(mp::SMU_MESSAGE, 2);
            }
        },
        keeps: |rig| send(rig, &[(2, 0), (2, 0)]),
    },
    Case {
        rule: super::CLEAR,
        breaks: |rig| {
            send(rig, &[(2, 0)]);
            rig.write(mp::SMU_ARGUMENT, 0);
            rig.write(mp::SMU_MESSAGE, 2);
        },
        keeps: |rig| send(rig, &[(2, 0), (2, 0)]),
    },
    Case {
        rule: super::ARGUMENT,
        breaks: |rig| {
            send(rig, &[(2, 0)]);
            rig.write(mp::SMU_RESPONSE, 0);
            rig.write(mp::SMU_MESSAGE, 2);
        },
        keeps: |rig| send(rig, &[(2, 0), (2, 0)]),
    },
    Case {
        rule: super::EARLY,
        breaks: |rig| {
            send(rig, &[]);
            rig.write(mp::SMU_RESPONSE, 0);
            rig.write(mp::SMU_ARGUMENT, 0);
            rig.write(mp::SMU_MESSAGE, 2);
            rig.read(mp::SMU_ARGUMENT);
        },
        keeps: |rig| send(rig, &[(2, 0)]),
    },
    Case {
        rule: super::LOADED,
        breaks: |rig| {
            rig.smu(2, 0);
        },
        keeps: |rig| send(rig, &[(2, 0)]),
    },
    Case {
        rule: message::MESSAGE,
        breaks: |rig| send(rig, &[(0x99, 0)]),
        keeps: |rig| send(rig, &[(3, 0)]),
    },
    Case {
        rule: message::GFXOFF,
        breaks: |rig| send(rig, &[(0x28, 0)]),
        keeps: |rig| send(rig, &[(0x29, 0)]),
    },
    Case {
        rule: message::TABLE_ADDRESS,
        breaks: |rig| send(rig, &[(0xe, 0), (0xf, 0x1000), (0x12, 5)]),
        keeps: |rig| send(rig, &[(0x12, 5)]),
    },
    Case {
        rule: message::TABLE,
        breaks: |rig| send(rig, &[(0x12, 13)]),
        keeps: |rig| send(rig, &[(0x12, 5)]),
    },
    Case {
        rule: message::FEATURES,
        breaks: |rig| send(rig, &[(7, 0), (0x1f, 0xff)]),
        keeps: |rig| send(rig, &[(0x1f, 0xff)]),
    },
    Case {
        rule: message::CLOCK,
        breaks: |rig| send(rig, &[(0x1a, 2 << 16 | 5000)]),
        keeps: |rig| send(rig, &[(0x19, 2 << 16 | 1249), (0x1a, 2 << 16 | 0xffff)]),
    },
    Case {
        rule: message::POWER,
        breaks: |rig| send(rig, &[(0x32, 1000)]),
        keeps: |rig| send(rig, &[(0x32, 300)]),
    },
    Case {
        rule: message::RESET,
        breaks: |rig| {
            send(rig, &[]);
            rig.card.config_write(4, 2, 6);
            rig.smu(0x2f, 0);
        },
        keeps: |rig| {
            send(rig, &[]);
            rig.card.config_write(4, 2, 2);
            rig.smu(0x2f, 0);
        },
    },
];

#[test]
fn clocks_have_the_levels_of_the_card_and_follow_limits() {
    let mut rig = Rig::with_features();
    let counts: Vec<_> = (0..4)
        .map(|clock| rig.smu(0x1f, clock << 16 | 0xff))
        .collect();
    assert_eq!(counts, [1 << 31 | 2, 1 << 31 | 2, 4, 8].map(Some));
    assert_eq!(rig.smu(0x1f, 2 << 16 | 3), Some(1249));
    assert_eq!(rig.smu(0x19, 2 << 16 | 1249), Some(0));
    assert_eq!(rig.smu(0x12, 5), Some(0));
    let mut table = [0; 392];
    rig.card.bar_read(0, TABLE, &mut table);
    assert_eq!(
        u32::from_le_bytes([table[8], table[9], table[10], table[11]]),
        1249
    );
    assert_eq!(u16::from_le_bytes([table[62], table[63]]), 1249);
    assert_eq!(u16::from_le_bytes([table[120], table[121]]), 40);
}

#[test]
fn both_mailboxes_reset_the_whole_card_and_still_answer() {
    for debug in [false, true] {
        let mut rig = Rig::with_features();
        rig.card.config_write(4, 2, 2);
        let (message, argument, response, id) = if debug {
            (
                mp::SMU_DEBUG_MESSAGE,
                mp::SMU_DEBUG_ARGUMENT,
                mp::SMU_DEBUG_RESPONSE,
                2,
            )
        } else {
            (mp::SMU_MESSAGE, mp::SMU_ARGUMENT, mp::SMU_RESPONSE, 0x2f)
        };
        rig.write(response, 0);
        rig.write(argument, 0);
        rig.write(message, id);
        let answer = (0..10)
            .map(|_| rig.read(response))
            .find(|answer| *answer != 0);
        assert_eq!(answer, Some(1));
        assert_eq!(rig.read(mp::PSP_SOS_ALIVE), 0);
        assert_eq!(rig.read(mp::PSP_BOOTLOADER), 0);
        assert_eq!(rig.card.stopped(), None);
    }
}

#[test]
fn a_silent_unit_never_answers() {
    let mut rig = Rig::with_features();
    rig.card.faults().add(crate::FaultKind::SmuSilent, 2);
    assert_eq!(rig.smu(1, 41), Some(42));
    assert_eq!(rig.smu(1, 41), None);
    assert_eq!(rig.smu(1, 41), None);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn a_driver_that_waits_no_longer_gets_the_next_answer() {
    let mut rig = Rig::with_features();
    rig.card.fabric.level = crate::Level::Hardware;
    rig.write(mp::SMU_RESPONSE, 0);
    rig.write(mp::SMU_ARGUMENT, (2 << 16) | 456);
    rig.write(mp::SMU_MESSAGE, 0x19);
    assert_eq!(rig.smu(1, 6), Some(7));
    assert_eq!(rig.card.stopped(), None);
    let tolerated: Vec<_> = rig.card.tolerated().collect();
    assert_eq!(tolerated, [(super::BUSY.name, 1)]);
}
