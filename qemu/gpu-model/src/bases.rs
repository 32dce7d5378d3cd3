//! Where Navi 31 has its blocks: base addresses in dwords, per block.
//!
//! Confirmed by dumps and kernel logs of real cards: GC, MMHUB, segment 0 of MP0 and MP1, segments 1 and 2 of NBIF. The
//! others are those of the Navi family's static tables in Linux (`navi10_ip_offset.h`, `sienna_cichlid_ip_offset.h`).

use amdgpu_registers::{Bases, Ip};

/// The bases of one card.
#[derive(Debug)]
pub struct CardBases {
    /// Block, its version (major, minor, revision), its bases.
    pub blocks: &'static [(Ip, [u8; 3], &'static [u32])],
}

/// The bases of the RX 7900 XTX.
pub const NAVI31: CardBases = CardBases {
    blocks: &[
        (
            Ip::Mp1,
            [13, 0, 0],
            &[0x16000, 0x00DC_0000, 0x00E0_0000, 0x00E4_0000, 0x0243_FC00],
        ),
        (
            Ip::Smuio,
            [13, 0, 6],
            &[0x16800, 0x16A00, 0x0044_0000, 0x0240_1000],
        ),
        (Ip::Gc, [11, 0, 0], &[0x1260, 0xA000, 0x1C000, 0x0240_2C00]),
        (Ip::Mmhub, [3, 0, 0], &[0x1A000, 0x0240_8800]),
        (Ip::Osssys, [6, 0, 0], &[0x10A0, 0x0240_A000]),
        (Ip::Hdp, [6, 0, 0], &[0xF20, 0x0240_A400]),
        (
            Ip::Nbif,
            [4, 3, 0],
            &[0x0, 0x14, 0xD20, 0x10400, 0x0241_B000, 0x0404_0000],
        ),
        (
            Ip::Mp0,
            [13, 0, 0],
            &[0x16000, 0x00DC_0000, 0x00E0_0000, 0x00E4_0000, 0x0243_FC00],
        ),
    ],
};

impl Bases for CardBases {
    fn base(&self, ip: Ip, segment: u8) -> Option<u32> {
        let (.., bases) = self.blocks.iter().find(|(block, ..)| *block == ip)?;
        bases.get(usize::from(segment)).copied()
    }
}
