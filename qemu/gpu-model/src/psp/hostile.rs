//! A driver that knows nothing, against PSP, SMU and IH.

use amdgpu_registers::{Register, mp, osssys};

use crate::bring_up::{BUFFER, Driver, FENCE, IMAGE, RING, synthetic};
use crate::{Card, Level, NoHost};

/// Random accesses of a driver that knows nothing must end in answers or in a rule, at both levels.
#[test]
fn nothing_that_a_driver_writes_breaks_the_model() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    let registers: Vec<Register> = (32..128)
        .flat_map(|n| [mp::psp(n), mp::smu(n)])
        .chain(osssys::TABLE.iter().map(|info| info.register))
        .collect();
    let values = [
        0,
        1,
        0x8_0000,
        0x2_0000,
        0x7_0000,
        16,
        0x1000,
        u32::MAX,
        0x80_0000,
        1 << 31,
    ];
    for round in 0..60 {
        let level = [Level::Strict, Level::Hardware][round % 2];
        let card = Card::new(level, std::sync::Arc::new(NoHost));
        let mut card = card.expect("address space for video memory");
        let mut driver = Driver::new(&mut card);
        let steps = synthetic();
        let count = random() as usize % steps.len();
        driver.steps(&steps[..count]).expect("the steps are good");
        for _ in 0..200 {
            let register = registers[random() as usize % registers.len()];
            let value = match random() % 3 {
                0 => random(),
                1 => values[random() as usize % values.len()],
                _ => 1 << (random() % 32),
            };
            match random() % 4 {
                0 => {
                    driver.read(register);
                }
                1 => {
                    let bytes: Vec<u8> = (0..64).map(|_| random() as u8).collect();
                    let place = [IMAGE, RING, BUFFER, FENCE][random() as usize % 4];
                    driver.memory(place + u64::from(random() % 256) * 4, &bytes);
                    driver.flush();
                }
                2 if count > 5 => {
                    let payload: Vec<u32> = (0..8).map(|_| random()).collect();
                    driver.command(random() % 0x30, &payload);
                }
                _ => driver.write(register, value),
            }
        }
    }
}
