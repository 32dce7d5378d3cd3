//! The parts of all files as one table, in the order in which Linux gives them to PSP.
//!
//! HW: order, commands and numbers are Linux `amdgpu_psp.c` (`psp_hw_start`, `psp_load_non_psp_fw`), `enum AMDGPU_UCODE_ID`,
//! `enum psp_fw_type`, `psp_gfx_if.h` (`psp_bootloader_cmd`, `psp_gfx_fw_type`), and tinygrad's `am.py` and `amdev.py`.
//! Types of images are AMD's files themselves: the low half of the dword at 0x58 is the same in those of eleven chips.

use Need::{Always, Maybe};
use Role::{Bootloader, Load, Smu, Spare, Toc};

use crate::container::Place::{self, At, First, Jumps, Listed, Second, WithoutJumps};
use crate::set::File;

/// What a part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// PSP's bootloader gets it with a command.
    Bootloader(u32),
    /// PSP gets it as table of contents.
    Toc,
    /// PSP gets it as GFX_FW_TYPE of this number.
    Load(u32),
    /// The same for the SMU, before there is memory for the others.
    Smu(u32),
    /// Nobody gets it in bring-up, but it must be whole.
    Spare,
}

/// What there is of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The card does not run without it.
    Always,
    /// Some sets have it.
    Maybe,
}

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What AMD calls it.
    pub(crate) name: &'static str,
    pub(crate) file: File,
    /// Versions of the file's header that have it: the first, the last.
    pub(crate) versions: [(u16, u16); 2],
    pub(crate) place: Place,
    /// Type in its image's header; 0 where none is known, and nothing of the image is checked.
    pub(crate) image: u16,
    pub(crate) role: Role,
    pub(crate) need: Need,
}

macro_rules! parts {
    ($($role:expr, $name:literal $image:literal, $file:ident $first:tt $last:tt, $place:expr, $need:expr;)*) => {
        &[$(Row {
            name: $name,
            file: File::$file,
            versions: [$first, $last],
            place: $place,
            image: $image,
            role: $role,
            need: $need,
        }),*]
    };
}

/// An offset and a size that stand at these bytes.
const fn at(offset: usize, size: usize) -> Place {
    At { offset, size }
}

/// Every part. What it is for, name, type of its image, file, first and last version of its header, place, need.
#[rustfmt::skip]
pub(crate) const PARTS: &[Row] = parts! {
    Bootloader(0x8_0000), "KDB" 0x4f, Sos (2, 0) (2, 1), Listed(3), Always;
    // On MP0 13.0 both published drivers send the key database once more where the SPL table is asked for.
    Bootloader(0x1000_0000), "SPL" 0x4f, Sos (2, 0) (2, 1), Listed(3), Always;
    Bootloader(0x1_0000), "SYS_DRV" 0x0a, Sos (2, 0) (2, 1), Listed(2), Always;
    Bootloader(0xb_0000), "SOC_DRV" 0x14a, Sos (2, 0) (2, 1), Listed(7), Maybe;
    Bootloader(0xd_0000), "INTF_DRV" 0x14c, Sos (2, 0) (2, 1), Listed(8), Maybe;
    Bootloader(0xc_0000), "DBG_DRV" 0x14b, Sos (2, 0) (2, 1), Listed(9), Maybe;
    Bootloader(0xe_0000), "RAS_DRV" 0x152, Sos (2, 0) (2, 1), Listed(10), Maybe;
    Bootloader(0xf_0000), "IPKEYMGR_DRV" 0x1e1, Sos (2, 0) (2, 1), Listed(11), Maybe;
    Bootloader(0x2_0000), "SOS" 0x09, Sos (2, 0) (2, 1), Listed(1), Always;
    Spare, "SPL table" 0x56, Sos (2, 0) (2, 1), Listed(5), Maybe;
    Spare, "RL" 0x135, Sos (2, 0) (2, 1), Listed(6), Maybe;
    Spare, "ASD" 0, Ta (2, 0) (2, 0), Listed(1), Maybe;
    Spare, "RAS" 0, Ta (2, 0) (2, 0), Listed(3), Maybe;
    Spare, "HDCP" 0, Ta (2, 0) (2, 0), Listed(4), Maybe;
    Spare, "DTM" 0, Ta (2, 0) (2, 0), Listed(5), Maybe;
    Toc, "TOC" 0x200e, Sos (2, 0) (2, 1), Listed(4), Always;
    Toc, "TOC" 0x200e, Toc (1, 0) (1, 0), First(20), Always;
    Smu(18), "SMU" 0x1001, Smu (1, 0) (2, 1), First(20), Always;
    Load(71), "SDMA_UCODE_TH0" 0x203e, Sdma (2, 0) (2, 0), First(36), Always;
    Load(72), "SDMA_UCODE_TH1" 0x203f, Sdma (2, 0) (2, 0), at(48, 52), Always;
    Load(2), "CP_PFP" 0x2002, Pfp (1, 0) (1, 0), First(20), Always;
    Load(1), "CP_ME" 0x2001, Me (1, 0) (1, 0), First(20), Always;
    Load(87), "RS64_PFP" 0x2044, Pfp (2, 0) (2, 0), First(36), Always;
    Load(88), "RS64_ME" 0x2046, Me (2, 0) (2, 0), First(36), Always;
    Load(89), "RS64_MEC" 0x2048, Mec (2, 0) (2, 0), First(36), Always;
    // The pipes of an engine begin with the same data.
    Load(90), "RS64_PFP_P0_STACK" 0x2045, Pfp (2, 0) (2, 0), at(48, 44), Always;
    Load(91), "RS64_PFP_P1_STACK" 0x2045, Pfp (2, 0) (2, 0), at(48, 44), Always;
    Load(92), "RS64_ME_P0_STACK" 0x2047, Me (2, 0) (2, 0), at(48, 44), Always;
    Load(93), "RS64_ME_P1_STACK" 0x2047, Me (2, 0) (2, 0), at(48, 44), Always;
    Load(94), "RS64_MEC_P0_STACK" 0x2049, Mec (2, 0) (2, 0), at(48, 44), Always;
    Load(95), "RS64_MEC_P1_STACK" 0x2049, Mec (2, 0) (2, 0), at(48, 44), Always;
    Load(96), "RS64_MEC_P2_STACK" 0x2049, Mec (2, 0) (2, 0), at(48, 44), Always;
    Load(97), "RS64_MEC_P3_STACK" 0x2049, Mec (2, 0) (2, 0), at(48, 44), Always;
    Load(4), "CP_MEC" 0x2004, Mec (1, 0) (1, 0), WithoutJumps, Always;
    Load(5), "CP_MEC_ME1" 0x2005, Mec (1, 0) (1, 0), Jumps, Always;
    Load(33), "CP_MES" 0x2007, Mes (1, 0) (1, 0), at(40, 36), Always;
    Load(34), "MES_STACK" 0x2008, Mes (1, 0) (1, 0), at(52, 48), Always;
    Load(81), "CP_MES_KIQ" 0x2042, Mes1 (1, 0) (1, 0), at(40, 36), Always;
    Load(82), "MES_KIQ_STACK" 0x2043, Mes1 (1, 0) (1, 0), at(52, 48), Always;
    Load(68), "IMU_I" 0x203b, Imu (1, 0) (1, 0), First(32), Always;
    Load(69), "IMU_D" 0x203c, Imu (1, 0) (1, 0), Second(32, 40), Always;
    Load(27), "GLOBAL_TAP_DELAYS" 0, Rlc (2, 4) (2, 4), at(208, 204), Maybe;
    Load(28), "SE0_TAP_DELAYS" 0, Rlc (2, 4) (2, 4), at(216, 212), Maybe;
    Load(29), "SE1_TAP_DELAYS" 0, Rlc (2, 4) (2, 4), at(224, 220), Maybe;
    Load(65), "SE2_TAP_DELAYS" 0, Rlc (2, 4) (2, 4), at(232, 228), Maybe;
    Load(66), "SE3_TAP_DELAYS" 0, Rlc (2, 4) (2, 4), at(240, 236), Maybe;
    Load(22), "RLC_RESTORE_LIST_SRM_CNTL" 0, Rlc (2, 1) (2, 5), at(120, 116), Maybe;
    Load(20), "RLC_RESTORE_LIST_GPM_MEM" 0x200b, Rlc (2, 1) (2, 5), at(136, 132), Maybe;
    Load(21), "RLC_RESTORE_LIST_SRM_MEM" 0x200c, Rlc (2, 1) (2, 5), at(152, 148), Maybe;
    Load(26), "RLC_IRAM" 0x2016, Rlc (2, 2) (2, 5), at(160, 156), Always;
    Load(48), "RLC_DRAM_BOOT" 0x2017, Rlc (2, 2) (2, 5), at(168, 164), Always;
    Load(98), "RLX6_UCODE_CORE1" 0, Rlc (2, 5) (2, 5), at(176, 172), Maybe;
    Load(99), "RLX6_DRAM_BOOT_CORE1" 0, Rlc (2, 5) (2, 5), at(184, 180), Maybe;
    Load(25), "RLC_P" 0x200f, Rlc (2, 3) (2, 3), at(184, 180), Always;
    Load(7), "RLC_V" 0x200a, Rlc (2, 3) (2, 3), at(200, 196), Maybe;
    // The last one: autoload is what comes next.
    Load(8), "RLC_G" 0x2009, Rlc (2, 0) (2, 5), First(20), Always;
};
