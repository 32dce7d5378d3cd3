//! The machine code of the kernels, as the build script compiled it, and how each is launched.

use crate::Variant;

/// A compiled kernel.
///
/// State at entry: `s[0:1]` hold the address of the argument segment; the workgroup ids asked for follow the user SGPRs;
/// `v0` holds the packed local ids (x in bits 9:0, y 19:10, z 29:20); MODE: round to nearest even, denormals kept,
/// dx10_clamp, no ieee.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// What it was compiled from.
    pub variant: &'static Variant,
    /// Machine code, entry at its first byte, padded for the instruction prefetch. It belongs at a multiple of 256 bytes.
    pub code: &'static [u8],
    /// Bytes of `code` before the padding.
    pub code_bytes: u32,
    /// VGPRs used.
    pub vgprs: u32,
    /// SGPRs used, VCC not counted.
    pub sgprs: u32,
    /// User SGPRs before the workgroup ids.
    pub user_sgprs: u32,
    /// Workgroup ids x, y, z wanted in the SGPRs after the user SGPRs.
    pub workgroup_ids: [bool; 3],
    /// Components of the local id wanted in `v0`: 0 x, 1 x and y, 2 all (TIDIG_COMP_CNT).
    pub local_id_components: u32,
    /// Bytes of workgroup memory.
    pub lds_bytes: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// What the argument segment holds.
    pub arguments: Arguments,
    /// Waves per SIMD that registers and workgroup memory allow.
    pub waves_per_simd: u32,
}

/// The argument segment: a buffer descriptor of 16 bytes for each binding, then the immediates, then the number of
/// workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The descriptor of entry n is at byte `16 * n`.
    pub bindings: &'static [Binding],
    /// Offset and bytes of the immediates.
    pub immediates: (u32, u32),
    /// Offset of the number of workgroups (3 u32), if the kernel reads it.
    pub workgroups: Option<u32>,
    /// Bytes in all.
    pub bytes: u32,
}

/// A storage buffer of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name in the WGSL file.
    pub name: &'static str,
    /// `@binding`; the group is always 0.
    pub binding: u32,
    /// The kernel stores to it.
    pub written: bool,
}

/// Every kernel, in the order of [`crate::VARIANTS`].
pub static KERNELS: &[Kernel] = include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// What each kernel came to, a line each. The committed copy is `shaders/statistics.txt`.
pub const STATISTICS: &str = include_str!(concat!(env!("OUT_DIR"), "/statistics.txt"));

/// The compiled kernel of that name.
#[must_use]
pub fn kernel(name: &str) -> Option<&'static Kernel> {
    KERNELS.iter().find(|kernel| kernel.variant.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A review sees what a change does to the kernels because this table is committed.
    #[test]
    fn the_committed_statistics_are_those_of_this_build() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/statistics.txt");
        if std::env::var_os("INFERNEL_WRITE_STATISTICS").is_some() {
            std::fs::write(path, STATISTICS).expect("the table can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = STATISTICS.lines().zip(committed.lines());
        let differs = lines.find(|(built, committed)| built != committed);
        assert!(
            committed == STATISTICS,
            "shaders/statistics.txt is not what this build gives; first difference {differs:#?}. If the change is meant: \
             INFERNEL_WRITE_STATISTICS=1 cargo test -p shaders"
        );
    }

    #[test]
    fn every_kernel_can_be_launched() {
        assert_eq!(KERNELS.len(), crate::VARIANTS.len());
        for kernel in KERNELS {
            let name = kernel.variant.name;
            assert_eq!(super::kernel(name), Some(kernel));
            assert!(
                kernel.code.len().is_multiple_of(4)
                    && (kernel.code_bytes as usize) < kernel.code.len(),
                "{name}"
            );
            let ids = kernel
                .workgroup_ids
                .iter()
                .filter(|wanted| **wanted)
                .count() as u32;
            assert_eq!(kernel.user_sgprs + ids, 16, "{name}");
            assert!(
                kernel.workgroup_size.iter().product::<u32>() <= 1024,
                "{name}"
            );
            let arguments = kernel.arguments;
            assert!(
                arguments.immediates.0 + arguments.immediates.1 <= arguments.bytes,
                "{name}"
            );
            assert!(
                16 * arguments.bindings.len() as u32 <= arguments.immediates.0,
                "{name}"
            );
        }
    }
}
