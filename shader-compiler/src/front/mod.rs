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

/// Compiles every entry point of a WGSL source as far as the compiler's own form, variables still in place.
///
/// # Errors
/// Invalid WGSL, and what the compiler does not support.
pub fn compile(source: &str, overrides: &[(String, f64)]) -> Result<Vec<ir::Function>, Fault> {
    functions(&spirv(source, overrides)?, source)
}

/// Parses and validates `source` and writes it as SPIR-V 1.6, with the values of `override` constants (by name, or by
/// number for those with `@id`) put in.
///
/// # Errors
/// What naga refuses, and what it would get wrong.
pub fn spirv(source: &str, overrides: &[(String, f64)]) -> Result<Vec<u32>, Fault> {
    wgsl::spirv(source, overrides).map_err(|fault| fault.or_at(place_of_entry(source, None)))
}

/// Where the name of an entry point stands (without a name: of the first), for what is wrong with it as a whole.
#[must_use]
pub fn place_of_entry(source: &str, name: Option<&str>) -> u32 {
    let tokens = defects::tokens(source);
    let stage = |word: &str| matches!(word, "compute" | "vertex" | "fragment");
    let first = tokens
        .windows(2)
        .position(|pair| pair[0].1 == "@" && stage(pair[1].1));
    let first = if name.is_none() { first } else { Some(0) };
    let named =
        |pair: &&[(usize, &str)]| pair[0].1 == "fn" && name.is_none_or(|name| pair[1].1 == name);
    let found = tokens[first.unwrap_or(tokens.len())..]
        .windows(2)
        .find(named);
    found.map_or(0, |pair| pair[1].0 as u32)
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
    let unplaced = |fault: Fault, name: Option<&str>| fault.or_at(place_of_entry(source, name));
    let module = module::Module::new(&loaded)
        .map_err(|message| unplaced(refuse((u32::MAX, message)), None))?;
    let offset = |line, column| offset_of(source, line, column);
    let function = |of: &module::Entry| {
        let lowered = lower::function(&module, of, &offset).map_err(refuse);
        lowered.map_err(|fault| unplaced(fault, Some(&of.name)))
    };
    module.entries.iter().map(function).collect()
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
