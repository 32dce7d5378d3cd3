//! Packets of SDMA queues (`sdma_v6_0_0_pkt_open.h` and `sdma_v6_0.c` in Linux; `AMDCopyQueue` in tinygrad's `ops_amd.py`).

use crate::GpuVa;

/// What a COPY or FILL packet moves at most (copy_max_bytes in `sdma_v6_0_buffer_funcs` of Linux).
pub(super) const MOST_BYTES: u64 = 0x40_0000;

/// NOP, of one dword: what rings are filled up with.
pub(super) const NOP: u32 = 0;

const COPY: u32 = 1;
const FENCE: u32 = 5;
const POLL_REGMEM: u32 = 8;
const CONST_FILL: u32 = 11;
const TIMESTAMP: u32 = 13;

const NAMES: &[(u32, &str, usize)] = &[
    (NOP, "NOP", 1),
    (COPY, "COPY_LINEAR", 7),
    (FENCE, "FENCE", 4),
    (POLL_REGMEM, "POLL_REGMEM", 6),
    (CONST_FILL, "CONST_FILL", 5),
    (TIMESTAMP, "TIMESTAMP", 3),
];

/// What a header says: the packet's name, if this driver writes such packets, and its dwords.
pub(super) fn decode(header: u32) -> (Option<&'static str>, usize) {
    let found = NAMES.iter().find(|(known, ..)| *known == header & 0xff);
    found.map_or((None, 1), |(_, name, dwords)| (Some(*name), *dwords))
}

/// COPY_LINEAR of 1 to [`MOST_BYTES`] bytes.
pub(super) const fn copy(from: GpuVa, to: GpuVa, bytes: u32) -> [u32; 7] {
    [
        COPY,
        bytes - 1,
        0,
        from.low(),
        from.high(),
        to.low(),
        to.high(),
    ]
}

/// CONST_FILL with a dword. Address and length are multiples of 4.
pub(super) const fn fill(to: GpuVa, value: u32, bytes: u32) -> [u32; 5] {
    const DWORDS: u32 = 2 << 30;
    [CONST_FILL | DWORDS, to.low(), to.high(), value, bytes - 1]
}

/// FENCE: writes 32 bits, uncached, when what packets before it wrote has arrived.
pub(super) const fn fence(place: GpuVa, value: u32) -> [u32; 4] {
    const UNCACHED: u32 = 3 << 16;
    [FENCE | UNCACHED, place.low(), place.high(), value]
}

/// POLL_REGMEM: goes on when the dword there is at least `value`. Asks every 64 clocks, without end.
pub(super) const fn poll(place: GpuVa, value: u32) -> [u32; 6] {
    const MEMORY: u32 = 1 << 31;
    const AT_LEAST: u32 = 5 << 28;
    let header = POLL_REGMEM | AT_LEAST | MEMORY;
    [
        header,
        place.low(),
        place.high(),
        value,
        u32::MAX,
        0xfff << 16 | 4,
    ]
}

/// TIMESTAMP_GET_GLOBAL: writes the clock of 100 MHz to a multiple of 8.
pub(super) const fn timestamp(place: GpuVa) -> [u32; 3] {
    [TIMESTAMP | 2 << 8, place.low(), place.high()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rdna3-bringup.md, Appendix C.
    #[test]
    fn packets_are_those_of_the_reference() {
        let (from, to) = (GpuVa(0x2000_1111_0004), GpuVa(0x2001_2222_0008));
        let expected = [1, 99, 0, 0x1111_0004, 0x2000, 0x2222_0008, 0x2001];
        assert_eq!(copy(from, to, 100), expected);
        assert_eq!(fill(to, 7, 64), [0x8000_000b, 0x2222_0008, 0x2001, 7, 63]);
        assert_eq!(fence(to, 5), [0x3_0005, 0x2222_0008, 0x2001, 5]);
        let expected = [0xd000_0008, 0x2222_0008, 0x2001, 5, u32::MAX, 0x0fff_0004];
        assert_eq!(poll(to, 5), expected);
        assert_eq!(timestamp(to), [0x20d, 0x2222_0008, 0x2001]);
        assert_eq!(decode(copy(from, to, 1)[0]), (Some("COPY_LINEAR"), 7));
        assert_eq!(decode(poll(to, 1)[0]), (Some("POLL_REGMEM"), 6));
        assert_eq!(decode(0x55), (None, 1));
    }
}
