//! The table of measurements that the SMU copies to the driver (SmuMetricsExternal_t of `smu13_driver_if_v13_0_0.h`).

use super::clocks::Limits;

/// Bytes of the table.
pub(crate) const BYTES: usize = 392;
/// The card's own power limit in watts: 355 on the reference card.
pub(crate) const POWER_LIMIT: u32 = 355;

/// Power of a card that idles, in watts.
const IDLE_WATTS: u16 = 15;
const EDGE: u16 = 40;
const HOTSPOT: u16 = 46;
const MEMORY: u16 = 50;

/// A sensor's offset and what it shows. The values are those of a card that idles; only the clocks and the counter follow
/// what a driver does.
const STILL: &[(usize, u16)] = &[
    (76, POWER_LIMIT as u16), // dGPU_W_MAX
    (84, 700),                // AvgVoltage of graphics, mV
    (116, IDLE_WATTS),        // AverageSocketPower
    (118, IDLE_WATTS),        // AverageTotalBoardPower
    (120, EDGE),              // AvgTemperature: edge
    (122, HOTSPOT),
    (124, HOTSPOT),
    (126, HOTSPOT),
    (128, MEMORY),
    (130, EDGE), // voltage regulators
    (132, MEMORY),
    (134, MEMORY),
    (136, EDGE),
    (138, EDGE),
    (146, 30), // AvgTemperatureFanIntake
    (152, 0),  // AvgFanRpm: the fan stands still below 60 degrees
];

/// The table.
pub(crate) fn table(limits: &Limits, counter: u32) -> [u8; BYTES] {
    let mut table = [0; BYTES];
    let mut put = |at: usize, bytes: &[u8]| table[at..at + bytes.len()].copy_from_slice(bytes);
    for domain in 0..4 {
        put(domain as usize * 4, &limits.now(domain).to_le_bytes());
    }
    // Averages: graphics (target, before and after deep sleep), fabric, memory.
    for (at, domain) in [
        (52, 0),
        (54, 0),
        (56, 0),
        (58, 3),
        (60, 3),
        (62, 2),
        (64, 2),
    ] {
        put(at, &(limits.now(domain) as u16).to_le_bytes());
    }
    put(80, &counter.to_le_bytes());
    for (at, value) in STILL {
        put(*at, &value.to_le_bytes());
    }
    // PcieRate in units of the generation, PcieWidth in lanes by AMD's code 6 for 16.
    put(148, &[4, 6]);
    table
}
