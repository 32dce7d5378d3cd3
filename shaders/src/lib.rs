//! The kernels of LLM inference: WGSL sources, the layouts of weights that they read, the table of variants.
//!
//! With the feature `compiled` the build script makes gfx1100 machine code of every row: `KERNELS`.
//!
//! Where to start reading: [`VARIANTS`] lists the kernels; each WGSL file says in its first lines what it computes, what its
//! bindings hold and how it is dispatched; [`layout`] brings weights from GGUF's blocks into the order that kernels read.
//!
//! What it never does: launch anything, or know a device.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(feature = "compiled")]
mod kernels;
mod launch;
pub mod layout;
mod product;
mod table;

#[cfg(feature = "compiled")]
pub use kernels::{KERNELS, STATISTICS, kernel};
pub use launch::{
    Arguments, ArgumentsError, Binding, DESCRIPTOR_BYTES, Kernel, KernelError, descriptor,
};
pub use product::{Product, ProductBuffer, ProductShape};
pub use table::{SOURCES, VARIANTS, Variant};

/// The text of a WGSL file, by its name in `wgsl/`.
#[must_use]
pub fn source(file: &str) -> Option<&'static str> {
    let found = SOURCES.iter().find(|(name, _)| *name == file);
    found.map(|(_, text)| *text)
}

/// The kernel of that name.
#[must_use]
pub fn variant(name: &str) -> Option<&'static Variant> {
    VARIANTS.iter().find(|variant| variant.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_file_is_used() {
        let names: BTreeSet<_> = VARIANTS.iter().map(|variant| variant.name).collect();
        assert_eq!(names.len(), VARIANTS.len());
        let used: BTreeSet<_> = VARIANTS.iter().map(|variant| variant.file).collect();
        let files: BTreeSet<_> = SOURCES.iter().map(|(name, _)| *name).collect();
        assert_eq!(used, files);
    }

    /// WGSL has no includes, so what several kernels share stands in each; these copies must not drift apart.
    #[test]
    fn shared_functions_are_the_same_text_everywhere() {
        for shared in ["ordered", "store_q8", "total"] {
            let begin = std::format!("// begin {shared}");
            let end = std::format!("// end {shared}");
            let copies: BTreeSet<_> = SOURCES
                .iter()
                .filter_map(|(_, text)| {
                    let from = text.find(&begin)?;
                    let to = text.find(&end).expect("what begins must end");
                    Some(&text[from..to])
                })
                .collect();
            assert_eq!(copies.len(), 1, "{shared}");
        }
    }
}
