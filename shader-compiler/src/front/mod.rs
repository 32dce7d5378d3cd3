//! The front end: WGSL to SPIR-V (by naga), SPIR-V to the compiler's own form.
//!
//! ```text
//! WGSL --naga--> SPIR-V words --rspirv--> Module (types, constants, layouts)
//!      --tree, structure--> nested statements, one list per function, every early exit made structural
//!      --lower--> ir::Function: calls inlined, vectors taken apart, memory as byte offsets
//! ```
//!
//! SPIR-V is the boundary because it is what other compilers read too: the very same words can be given to a Vulkan
//! driver and compared. Only what naga writes for compute shaders is understood; anything else is refused with the name
//! of the instruction.

mod defects;
mod lower;
mod module;
mod structure;
mod tree;
mod wgsl;

use crate::error::{Fault, Reason};
use crate::ir;

pub use wgsl::spirv;

/// Compiles every entry point of a WGSL source as far as the compiler's own form, variables still in place.
///
/// # Errors
/// Invalid WGSL, and what the compiler does not support.
pub fn compile(source: &str, overrides: &[(String, f64)]) -> Result<Vec<ir::Function>, Fault> {
    functions(&spirv(source, overrides)?, source)
}

/// Lowers every entry point of a module that [`spirv`] has written for `source`.
///
/// # Errors
/// What the compiler does not support, at the line of the statement that asks for it.
pub fn functions(words: &[u32], source: &str) -> Result<Vec<ir::Function>, Fault> {
    let refuse = |(source, message)| Fault {
        reason: Reason::Unsupported(message),
        source,
    };
    let loaded = rspirv::dr::load_words(words)
        .map_err(|e| Fault::broken("naga", format!("its SPIR-V cannot be read: {e:?}")))?;
    let module = module::Module::new(&loaded).map_err(|e| refuse((u32::MAX, e)))?;
    let offset = |line, column| offset_of(source, line, column);
    module
        .entries
        .iter()
        .map(|entry| lower::function(&module, entry, &offset).map_err(refuse))
        .collect()
}

/// Byte offset of a line and column (both from 1); `u32::MAX` if there is no such place.
fn offset_of(source: &str, line: u32, column: u32) -> u32 {
    let Some(skipped) = line.checked_sub(1) else {
        return u32::MAX;
    };
    let lines: usize = source
        .split_inclusive('\n')
        .take(skipped as usize)
        .map(str::len)
        .sum();
    let offset = lines + (column.max(1) - 1) as usize;
    if offset <= source.len() {
        offset as u32
    } else {
        u32::MAX
    }
}

#[cfg(test)]
mod tests;
