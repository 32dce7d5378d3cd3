//! Which cards there are: by the versions of their blocks, with their firmware and what is known of them.
//!
//! A row and, where a block's registers moved, a register file is all that another RDNA3 card needs. A card that nobody has
//! brought up on the model is refused unless the configuration forces it; one whose registers no file has is refused always.
//!
//! Sources: Linux `amdgpu_discovery.c` (`amdgpu_discovery_set_*_ip_blocks`: which file drives which version), `pci_ids`.

use alloc::format;
use alloc::string::String;
use core::fmt;

use amdgpu_registers::Ip;
use firmware_loader as firmware;

use crate::Error;
use crate::discovery::{Discovery, Version};
use crate::pci::Ids;

/// Hardware ids of blocks that have no register file of their own: SDMA engines lie in GC's.
pub const SDMA0: u16 = 42;

/// How far a card is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The model runs it, strictly.
    Checked,
    /// The same registers and firmware interfaces by Linux's sources, but never tried.
    Unchecked,
    /// It has registers that no file here has.
    No,
}

/// A kind of card.
#[derive(Debug, PartialEq, Eq)]
pub struct Asic {
    /// AMD's name of the chip.
    pub name: &'static str,
    /// LLVM's name of the instruction set.
    pub isa: &'static str,
    /// PCI device ids.
    pub devices: &'static [u16],
    /// Version of GC, by which it is known.
    pub gc: Version,
    /// Version of MP0 and MP1.
    pub mp: Version,
    /// Version of SDMA.
    pub sdma: Version,
    /// Its firmware.
    pub firmware: &'static firmware::Set,
    /// How far it is supported.
    pub support: Support,
}

impl fmt::Display for Asic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, GC {})", self.name, self.isa, self.gc)
    }
}

macro_rules! asics {
    ($($firmware:ident $isa:literal $support:ident, gc $gc:tt, mp $mp:tt, sdma $sdma:tt, $devices:expr;)*) => {
        &[$(Asic {
            name: firmware::$firmware.name,
            isa: $isa,
            devices: &$devices,
            gc: Version $gc,
            mp: Version $mp,
            sdma: Version $sdma,
            firmware: &firmware::$firmware,
            support: Support::$support,
        }),*]
    };
}

/// The cards. Navi 33 has its MM hub's registers elsewhere (MMHUB 3.0.2). Processors with graphics have another bus interface
/// (NBIO 7), and PSP and SMU that run from the start.
pub const ASICS: &[Asic] = asics! {
    NAVI31 "gfx1100" Checked, gc (11, 0, 0), mp (13, 0, 0), sdma (6, 0, 0), [0x744c, 0x7448, 0x745e];
    NAVI32 "gfx1101" Unchecked, gc (11, 0, 3), mp (13, 0, 10), sdma (6, 0, 3), [0x747e, 0x7470];
    NAVI33 "gfx1102" No, gc (11, 0, 2), mp (13, 0, 7), sdma (6, 0, 2), [0x7480, 0x7483, 0x7489, 0x7499];
    PHOENIX "gfx1103" No, gc (11, 0, 1), mp (13, 0, 4), sdma (6, 0, 1), [0x15bf, 0x15c8];
    STRIX "gfx1150" No, gc (11, 5, 0), mp (14, 0, 0), sdma (6, 1, 0), [0x150e];
    STRIX_HALO "gfx1151" No, gc (11, 5, 1), mp (14, 0, 1), sdma (6, 1, 1), [0x1586];
};

/// The blocks whose registers `amdgpu-registers` has, and the versions that Linux drives by one file with it.
const REGISTER_FILES: &[(Ip, &[Version])] = &[
    (Ip::Nbif, &[Version(4, 3, 0), Version(4, 3, 1)]),
    // Those of 3.0.1 and 3.0.2 lie elsewhere (`mmhub_3_0_1_offset.h`, `mmhub_3_0_2_offset.h`).
    (Ip::Mmhub, &[Version(3, 0, 0)]),
    (
        Ip::Osssys,
        &[Version(6, 0, 0), Version(6, 0, 1), Version(6, 0, 2)],
    ),
    (Ip::Hdp, &[Version(6, 0, 0)]),
];

/// Cards that have the chip of a row but take other firmware: device id, revision, why. The RX 7900 GRE: Linux
/// `gfx_v11_0_init_microcode`.
const OTHER_FIRMWARE: &[(u16, u8, &str)] = &[(
    0x744c,
    0xce,
    "it takes gc_11_0_0_rlc_1.bin, which no set of firmware here has",
)];

/// The card with a PCI device id, to choose firmware before the card was looked at.
#[must_use]
pub fn by_device(device: u16) -> Option<&'static Asic> {
    ASICS.iter().find(|asic| asic.devices.contains(&device))
}

/// The card that a discovery table describes.
///
/// # Errors
/// Says which block this driver has no registers for, or that the card was never checked, unless `force` is set.
pub fn identify(discovery: &Discovery, force: bool) -> Result<&'static Asic, Error> {
    let refuse = |name: String, why| Err(Error::Unsupported { name, why });
    let Some(gc) = discovery.version(Ip::Gc as u16) else {
        return refuse(String::from("a card without GC"), "it cannot compute");
    };
    let Some(asic) = ASICS.iter().find(|asic| asic.gc == gc) else {
        return refuse(format!("a card with GC {gc}"), "no row of the table has it");
    };
    if asic.support == Support::No {
        return refuse(format!("{asic}"), "it has registers that no table here has");
    }
    let own = [
        (Ip::Mp0 as u16, "MP0", asic.mp),
        (Ip::Mp1 as u16, "MP1", asic.mp),
        (SDMA0, "SDMA", asic.sdma),
    ];
    for (id, name, expected) in own {
        let found = discovery.version(id);
        if found != Some(expected) {
            let found = found.map_or(String::from("none"), |found| format!("{found}"));
            let name = format!("{asic} with {name} {found}");
            return refuse(name, "its firmware would be another");
        }
    }
    for (ip, versions) in REGISTER_FILES {
        let found = discovery.version(*ip as u16);
        if !found.is_some_and(|found| versions.contains(&found)) {
            let found = found.map_or(String::from("none"), |found| format!("{found}"));
            let name = format!("{asic} with {ip:?} {found}");
            return refuse(name, "its registers are in no table here");
        }
    }
    if asic.support == Support::Unchecked && !force {
        let why = "it was never brought up on the model; the configuration can force it";
        return refuse(format!("{asic}"), why);
    }
    Ok(asic)
}

/// Whether a card takes the firmware of its row.
///
/// # Errors
/// Says what other firmware it takes.
pub fn check_ids(asic: &Asic, ids: &Ids) -> Result<(), Error> {
    let mut others = OTHER_FIRMWARE.iter();
    let other = others.find(|other| (other.0, other.1) == (ids.device, ids.revision));
    let Some((.., why)) = other else {
        return Ok(());
    };
    let name = format!("{asic}, revision {:02x},", ids.revision);
    Err(Error::Unsupported { name, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_takes_other_firmware_is_refused() {
        let mut ids = Ids {
            vendor: 0x1002,
            device: 0x744c,
            revision: 0xc8,
            subsystem: [0; 2],
        };
        assert_eq!(check_ids(&ASICS[0], &ids), Ok(()));
        ids.revision = 0xce;
        let refused = check_ids(&ASICS[0], &ids).expect_err("it is a GRE");
        assert!(
            format!("{refused}")
                .contains("revision ce, is not supported: it takes gc_11_0_0_rlc_1.bin")
        );
    }
}
