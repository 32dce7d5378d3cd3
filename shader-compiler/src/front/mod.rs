//! The front end: WGSL to SPIR-V (by naga), SPIR-V to the compiler's own form.
//!
//! ```text
//! WGSL --naga--> SPIR-V words --rspirv--> Module (types, constants, layouts)
//!      --tree--> nested statements, one list per function, every early exit made structural
//!      --lower--> ir::Function: calls inlined, vectors taken apart, memory as byte offsets
//! ```
//!
//! SPIR-V is the boundary because it is what other compilers read too: the very same words can be given to a Vulkan
//! driver and compared. Only what naga writes for compute shaders is understood; anything else is refused with the name
//! of the instruction.

mod defects;
mod lower;
mod module;
mod tree;
mod wgsl;

use std::collections::BTreeMap;

use crate::error::Error;
use crate::error::offset_of;
use crate::ir;

/// Values of `override` constants by name (or by number, for those with `@id`).
pub type Overrides = BTreeMap<String, f64>;

pub use wgsl::spirv;

/// Lowers every entry point of a module that [`spirv`] has written for `source`.
///
/// # Errors
/// What the compiler does not support, at the line of the statement that asks for it.
pub fn functions(words: &[u32], source: &str, file: &str) -> Result<Vec<ir::Function>, Error> {
    let refuse = |offset, message: String| Error::at(file, source, offset, message);
    let loaded = rspirv::dr::load_words(words)
        .map_err(|e| refuse(0, format!("SPIR-V cannot be read: {e:?}")))?;
    let module = module::Module::new(&loaded).map_err(|e| refuse(0, e))?;
    let offset = |line, column| offset_of(source, line, column);
    let mut functions = Vec::new();
    for entry in &module.entries {
        functions.push(
            lower::function(&module, entry, &offset).map_err(|(at, message)| refuse(at, message))?,
        );
    }
    Ok(functions)
}
