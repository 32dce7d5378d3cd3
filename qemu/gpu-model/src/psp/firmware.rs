//! The firmware of the blocks: which types PSP takes, how their images are known, and which of them autoload needs.

use super::image::Expected;

/// How much autoload needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Compute does not run without it.
    Compute,
    /// Every published driver of the kind loads it but one, which computes without it.
    Whole,
    /// Belongs to graphics and compute, but need not be there.
    Optional,
    /// Belongs to other blocks, and may also come later.
    Other,
}

/// A type of firmware.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Firmware {
    /// GFX_FW_TYPE.
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// Type id of its images.
    pub(crate) id: Option<u32>,
    /// A stack, which zeros fill up.
    pub(crate) stack: bool,
    /// Its number in the table of contents.
    pub(crate) toc: u8,
    pub(crate) need: Need,
}

impl Firmware {
    pub(crate) fn expected(&self) -> Expected {
        Expected {
            name: self.name,
            id: self.id,
            magic: true,
            padded: self.stack,
        }
    }
}

const fn row(
    number: u32,
    name: &'static str,
    id: u32,
    stack: bool,
    toc: u8,
    need: Need,
) -> Firmware {
    let id = if id == 0 { None } else { Some(id) };
    Firmware {
        number,
        name,
        id,
        stack,
        toc,
        need,
    }
}

/// System management unit.
pub(crate) const SMU: u32 = 18;
/// The run list controller, which comes last.
pub(crate) const RLC_G: u32 = 8;

/// Numbers and names: `psp_gfx_if.h`. Type ids and numbers in the table of contents: AMD's files.
pub(crate) const FIRMWARE: &[Firmware] = &[
    row(7, "RLC_V", 0x8101_200a, false, 6, Need::Compute),
    row(RLC_G, "RLC_G", 0x8101_2009, false, 1, Need::Compute),
    row(SMU, "SMU", 0x0100_1001, false, 0, Need::Compute),
    row(
        20,
        "RLC_RESTORE_LIST_GPM_MEM",
        0x8101_200b,
        false,
        0,
        Need::Whole,
    ),
    row(
        21,
        "RLC_RESTORE_LIST_SRM_MEM",
        0x8101_200c,
        false,
        4,
        Need::Whole,
    ),
    row(22, "RLC_RESTORE_LIST_SRM_CNTL", 0, false, 0, Need::Optional),
    row(25, "RLC_P", 0x8101_200f, false, 5, Need::Compute),
    row(26, "RLC_IRAM", 0x8101_2016, false, 7, Need::Compute),
    row(33, "CP_MES", 0x8101_2007, false, 16, Need::Whole),
    row(34, "MES_STACK", 0x8101_2008, true, 21, Need::Whole),
    row(48, "RLC_DRAM_BOOT", 0x8101_2017, false, 9, Need::Compute),
    row(49, "VCN0_RAM", 0, true, 0, Need::Other),
    row(50, "VCN1_RAM", 0, true, 0, Need::Other),
    row(51, "DMUB", 0, true, 0, Need::Other),
    row(67, "RL (REG_LIST)", 0x0100_0135, false, 0, Need::Other),
    row(68, "IMU_I", 0x8101_203b, false, 0, Need::Compute),
    row(69, "IMU_D", 0x8101_203c, false, 0, Need::Compute),
    row(70, "LSDMA", 0, false, 0, Need::Other),
    row(71, "SDMA_UCODE_TH0", 0x8101_203e, false, 11, Need::Compute),
    row(72, "SDMA_UCODE_TH1", 0x8101_203f, false, 12, Need::Compute),
    row(73, "PPTABLE", 0, true, 0, Need::Other),
    row(81, "CP_MES_KIQ", 0x8101_2042, false, 17, Need::Whole),
    row(82, "MES_KIQ_STACK", 0x8101_2043, true, 22, Need::Whole),
    row(87, "RS64_PFP", 0x8101_2044, false, 18, Need::Whole),
    row(88, "RS64_ME", 0x8101_2046, false, 19, Need::Whole),
    row(89, "RS64_MEC", 0x8101_2048, false, 20, Need::Compute),
    row(90, "RS64_PFP_P0_STACK", 0x8101_2045, true, 23, Need::Whole),
    row(91, "RS64_PFP_P1_STACK", 0x8101_2045, true, 24, Need::Whole),
    row(92, "RS64_ME_P0_STACK", 0x8101_2047, true, 25, Need::Whole),
    row(93, "RS64_ME_P1_STACK", 0x8101_2047, true, 26, Need::Whole),
    row(
        94,
        "RS64_MEC_P0_STACK",
        0x8101_2049,
        true,
        27,
        Need::Compute,
    ),
    row(95, "RS64_MEC_P1_STACK", 0x8101_2049, true, 28, Need::Whole),
    row(96, "RS64_MEC_P2_STACK", 0x8101_2049, true, 29, Need::Whole),
    row(97, "RS64_MEC_P3_STACK", 0x8101_2049, true, 30, Need::Whole),
];

/// The row of a GFX_FW_TYPE.
pub(crate) fn by_number(number: u32) -> Option<&'static Firmware> {
    FIRMWARE.iter().find(|row| row.number == number)
}

/// The first row whose images have the type id.
pub(crate) fn by_id(id: u32) -> Option<&'static Firmware> {
    FIRMWARE.iter().find(|row| row.id == Some(id))
}
