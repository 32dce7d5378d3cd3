//! The table of measurements, `SmuMetrics_t` of Linux `smu13_driver_if_v13_0_0.h`, which tinygrad's
//! `autogen/am/smu_v13_0_0.py` is made of too.

use crate::discovery::Version;

/// Bytes that are read.
pub(super) const BYTES: usize = 256;
/// Blocks whose table it is (`smu_v13_0_0_ppt.c` serves both).
pub(super) const BLOCKS: &[Version] = &[Version(13, 0, 0), Version(13, 0, 10)];

/// Clocks in MHz, averages since the last measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Graphics and compute.
    pub graphics: u16,
    /// Fabric.
    pub fabric: u16,
    /// Memory.
    pub memory: u16,
    /// SoC, at this moment.
    pub soc: u16,
}

/// Temperatures in degrees Celsius.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Temperatures {
    /// Edge of the chip.
    pub edge: u16,
    /// Hottest place of the chip: what throttles first.
    pub hotspot: u16,
    /// Memory.
    pub memory: u16,
    /// Voltage regulator of graphics.
    pub regulator: u16,
    /// Air before the fan.
    pub intake: u16,
}

/// What can hold clocks back, in the table's order (`THROTTLER_*_BIT` of the same header; SMU 14 has another order).
pub const THROTTLERS: [&str; 22] = [
    "edge temperature",
    "hotspot temperature",
    "graphics hotspot temperature",
    "memory dies' hotspot temperature",
    "memory temperature",
    "graphics regulator temperature",
    "memory regulator 0 temperature",
    "memory regulator 1 temperature",
    "SoC regulator temperature",
    "U regulator temperature",
    "liquid 0 temperature",
    "liquid 1 temperature",
    "PCIe switch temperature",
    "graphics current",
    "SoC current",
    "U current",
    "package power 0",
    "package power 1",
    "package power 2",
    "package power 3",
    "reliability",
    "peak current",
];

/// What the card measures of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Clocks.
    pub clocks: Clocks,
    /// Temperatures.
    pub temperatures: Temperatures,
    /// Watts of the chip and its memory.
    pub socket_power: u16,
    /// Watts of the whole board, where it measures them.
    pub board_power: u16,
    /// Millivolts of graphics.
    pub voltage: u16,
    /// Percent of the time in which graphics and compute were busy.
    pub activity: u16,
    /// The same of memory.
    pub memory_activity: u16,
    /// Turns of the fan in a minute.
    pub fan: u16,
    /// Drive of the fan in percent.
    pub fan_drive: u8,
    /// How much each of [`THROTTLERS`] holds clocks back, in percent.
    pub throttling: [u8; THROTTLERS.len()],
    /// Counts measurements.
    pub counter: u32,
}

impl Metrics {
    /// Decodes a table.
    pub(super) fn new(table: &[u8; BYTES]) -> Self {
        let half = |at: usize| u16::from_le_bytes([table[at], table[at + 1]]);
        let word = |at: usize| u32::from(half(at + 2)) << 16 | u32::from(half(at));
        let mut throttling = [0; THROTTLERS.len()];
        throttling.copy_from_slice(&table[154..154 + THROTTLERS.len()]);
        Self {
            clocks: Clocks {
                graphics: half(56),
                fabric: half(60),
                memory: half(64),
                soc: half(4),
            },
            temperatures: Temperatures {
                edge: half(120),
                hotspot: half(122),
                memory: half(128),
                regulator: half(130),
                intake: half(146),
            },
            socket_power: half(116),
            board_power: half(118),
            voltage: half(84),
            activity: half(104),
            memory_activity: half(106),
            fan: half(152),
            fan_drive: table[150],
            throttling,
            counter: word(80),
        }
    }

    /// What holds clocks back now, and by how many percent.
    pub fn throttled(&self) -> impl Iterator<Item = (&'static str, u8)> {
        let all = THROTTLERS.into_iter().zip(self.throttling);
        all.filter(|(_, percent)| *percent > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_amds_structure_has_them() {
        let mut table = [0; BYTES];
        for (n, byte) in table.iter_mut().enumerate() {
            *byte = n as u8;
        }
        let metrics = Metrics::new(&table);
        assert_eq!(metrics.clocks.soc, 0x0504);
        assert_eq!(metrics.counter, 0x5352_5150);
        assert_eq!(metrics.temperatures.memory, 0x8180);
        assert_eq!((metrics.fan, metrics.fan_drive), (0x9998, 0x96));
        assert_eq!(metrics.throttling[0], 154);
        assert_eq!(metrics.throttled().last(), Some(("peak current", 175)));
    }
}
