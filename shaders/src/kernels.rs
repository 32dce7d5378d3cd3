//! The machine code of the kernels, as the build script compiled it.

use crate::launch::{Arguments, Binding, Kernel};

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
