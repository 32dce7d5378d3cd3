//! Which files bring up which card.
//!
//! HW: names are `amdgpu/` of linux-firmware: a prefix and the IP version of the block from the card's discovery table (Linux
//! `amdgpu_ucode_ip_version_decode`; tinygrad `amdev.py` `fmt_ver`). Only Navi 31 has been brought up on the model.

/// A file of a set, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// PSP's secure operating system and what comes before it.
    Sos,
    /// The table of contents alone, for processors with graphics, whose PSP runs when the machine starts.
    Toc,
    /// Trusted applications, which compute does not need.
    Ta,
    /// System management unit.
    Smu,
    /// System DMA.
    Sdma,
    /// Prefetch parser of the graphics ring.
    Pfp,
    /// Micro engine of the graphics ring.
    Me,
    /// Micro engine of compute.
    Mec,
    /// Scheduler, pipe 0.
    Mes,
    /// Scheduler, pipe 1.
    Mes1,
    /// IP initialisation inside graphics.
    Imu,
    /// Run list controller.
    Rlc,
}

impl File {
    /// All of them, in the order of [`Set::files`].
    pub const ALL: [Self; 12] = [
        Self::Sos,
        Self::Toc,
        Self::Ta,
        Self::Smu,
        Self::Sdma,
        Self::Pfp,
        Self::Me,
        Self::Mec,
        Self::Mes,
        Self::Mes1,
        Self::Imu,
        Self::Rlc,
    ];

    /// Whether a card does without it. tinygrad's driver computes without the scheduler; Linux always loads it.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::Ta | Self::Mes | Self::Mes1)
    }
}

/// The files of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// AMD's name of the card's chip.
    pub name: &'static str,
    /// Names of the files, in the order of [`File::ALL`]; none for what the chip has no file of.
    pub files: [Option<&'static str>; File::ALL.len()],
}

/// The name of a file that only discrete cards have, or only processors with graphics.
macro_rules! only {
    (discrete discrete $($name:literal)*) => { Some(concat!($($name),*)) };
    (apu apu $($name:literal)*) => { Some(concat!($($name),*)) };
    ($has:ident $is:ident $($name:literal)*) => { None };
}

macro_rules! sets {
    ($($set:ident: $name:literal, $kind:ident, mp $mp:literal, sdma $sdma:literal, gc $gc:literal, $mes:literal;)*) => {
        $(
            #[doc = concat!($name, ".")]
            pub const $set: Set = Set {
                name: $name,
                files: [
                    only!(discrete $kind "psp_" $mp "_sos.bin"),
                    only!(apu $kind "psp_" $mp "_toc.bin"),
                    Some(concat!("psp_", $mp, "_ta.bin")),
                    only!(discrete $kind "smu_" $mp ".bin"),
                    Some(concat!("sdma_", $sdma, ".bin")),
                    Some(concat!("gc_", $gc, "_pfp.bin")),
                    Some(concat!("gc_", $gc, "_me.bin")),
                    Some(concat!("gc_", $gc, "_mec.bin")),
                    Some(concat!("gc_", $gc, "_", $mes, ".bin")),
                    Some(concat!("gc_", $gc, "_mes1.bin")),
                    Some(concat!("gc_", $gc, "_imu.bin")),
                    Some(concat!("gc_", $gc, "_rlc.bin")),
                ],
            };
        )*
        /// Every set.
        pub const SETS: &[&Set] = &[$(&$set),*];
    };
}

sets! {
    NAVI31: "Navi 31", discrete, mp "13_0_0", sdma "6_0_0", gc "11_0_0", "mes";
    NAVI32: "Navi 32", discrete, mp "13_0_10", sdma "6_0_3", gc "11_0_3", "mes_2";
    NAVI33: "Navi 33", discrete, mp "13_0_7", sdma "6_0_2", gc "11_0_2", "mes";
    PHOENIX: "Phoenix", apu, mp "13_0_4", sdma "6_0_1", gc "11_0_1", "mes";
    STRIX: "Strix", apu, mp "14_0_0", sdma "6_1_0", gc "11_5_0", "mes_2";
    STRIX_HALO: "Strix Halo", apu, mp "14_0_1", sdma "6_1_1", gc "11_5_1", "mes_2";
}
