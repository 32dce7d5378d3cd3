//! What the SMU measures: SmuMetricsExternal_t of `smu13_driver_if_v13_0_0.h` (Linux), `smu_13_0_0.py` (tinygrad).

/// Bytes of the table up to the last field that is read here.
pub(super) const BYTES: usize = 180;

/// What may hold the clocks down, by the number in [`Metrics::throttled`] (THROTTLER_*_BIT).
pub const THROTTLERS: [&str; 22] = [
    "edge temperature",
    "hot spot temperature",
    "hot spot temperature, graphics",
    "hot spot temperature, memory dies",
    "memory temperature",
    "regulator temperature, graphics",
    "regulator temperature, memory 0",
    "regulator temperature, memory 1",
    "regulator temperature, SOC",
    "regulator temperature, U",
    "liquid 0 temperature",
    "liquid 1 temperature",
    "switch temperature",
    "graphics current",
    "SOC current",
    "U current",
    "package power 0",
    "package power 1",
    "package power 2",
    "package power 3",
    "reliability",
    "voltage droop",
];

/// One measurement. Averages are over about a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Number of the measurement.
    pub counter: u32,
    /// Clocks now, in MHz: graphics, SOC, memory, fabric.
    pub clocks_mhz: [u32; 4],
    /// Average graphics clock while not asleep, in MHz.
    pub graphics_mhz: u16,
    /// Graphics busy, in percent.
    pub graphics_busy: u16,
    /// Memory busy, in percent.
    pub memory_busy: u16,
    /// Voltage of graphics, in mV.
    pub graphics_millivolts: u16,
    /// Power of the socket, in watts.
    pub socket_watts: u16,
    /// Power of the board, in watts.
    pub board_watts: u16,
    /// Temperature at the die's edge, in degrees Celsius.
    pub edge_celsius: u16,
    /// At its hottest place.
    pub hotspot_celsius: u16,
    /// Of the memory.
    pub memory_celsius: u16,
    /// Speed of the fan.
    pub fan_rpm: u16,
    /// Drive of the fan, in percent.
    pub fan_percent: u8,
    /// How often each of [`THROTTLERS`] held the clocks down, in percent.
    pub throttled: [u8; THROTTLERS.len()],
}

impl Metrics {
    pub(super) fn from_table(table: &[u8; BYTES]) -> Self {
        let dword = |at: usize| {
            u32::from_le_bytes([table[at], table[at + 1], table[at + 2], table[at + 3]])
        };
        let word = |at: usize| u16::from_le_bytes([table[at], table[at + 1]]);
        // Where the arrays begin: AvgTemperature (TEMP_e), ThrottlingPercentage.
        const TEMPERATURE: usize = 120;
        const THROTTLING: usize = 154;
        let mut throttled = [0; THROTTLERS.len()];
        throttled.copy_from_slice(&table[THROTTLING..THROTTLING + THROTTLERS.len()]);
        Self {
            counter: dword(80),
            clocks_mhz: [dword(0), dword(4), dword(8), dword(12)],
            graphics_mhz: word(56),
            graphics_busy: word(104),
            memory_busy: word(106),
            graphics_millivolts: word(84),
            socket_watts: word(116),
            board_watts: word(118),
            edge_celsius: word(TEMPERATURE),
            hotspot_celsius: word(TEMPERATURE + 2),
            memory_celsius: word(TEMPERATURE + 8),
            fan_rpm: word(152),
            fan_percent: table[150],
            throttled,
        }
    }

    /// What held the clocks down, and how often in percent.
    pub fn throttlers(&self) -> impl Iterator<Item = (&'static str, u8)> {
        let all = THROTTLERS.into_iter().zip(self.throttled);
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
        let metrics = Metrics::from_table(&table);
        assert_eq!(metrics.clocks_mhz[2], 0x0b0a_0908);
        assert_eq!(metrics.counter, 0x5352_5150);
        assert_eq!(metrics.memory_celsius, 0x8180);
        assert_eq!(metrics.fan_rpm, 0x9998);
        assert_eq!(metrics.throttled[0], 154);
        assert_eq!(metrics.throttled[21], 175);
        assert_eq!(metrics.throttlers().count(), 22);
    }
}
