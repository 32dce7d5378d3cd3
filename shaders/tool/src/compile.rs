//! Finding kernels by name and compiling them.

use anyhow::{Context, Result, bail};
use shader_compiler::{CodeObject, Options};
use shaders::Variant;

/// The kernels that are named, all if none is.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Variant>> {
    if names.is_empty() {
        return Ok(shaders::VARIANTS.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

/// The kernel of that name.
pub(crate) fn find(name: &str) -> Result<&'static Variant> {
    if let Some(variant) = shaders::variant(name) {
        return Ok(variant);
    }
    let like = |variant: &&Variant| variant.name.contains(name) || name.contains(variant.name);
    let near: Vec<_> = shaders::VARIANTS
        .iter()
        .filter(like)
        .map(|v| v.name)
        .collect();
    match near.as_slice() {
        [] => bail!("there is no kernel \"{name}\"; cargo shaders -- list names them all"),
        near => bail!(
            "there is no kernel \"{name}\"; did you mean {}?",
            near.join(", ")
        ),
    }
}

/// How the kernel is compiled.
pub(crate) fn options(variant: &Variant) -> Options<'static> {
    let overrides = variant.overrides.iter();
    Options {
        overrides: overrides
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        entry_point: Some(variant.entry),
        ..Options::default()
    }
}

/// The source of a kernel.
pub(crate) fn source(variant: &Variant) -> Result<&'static str> {
    shaders::source(variant.file).with_context(|| format!("the kernels lack {}", variant.file))
}

/// Compiles a kernel.
pub(crate) fn compile(variant: &Variant) -> Result<CodeObject> {
    let source = source(variant)?;
    let objects = shader_compiler::compile(source, variant.file, &mut options(variant))?;
    let mut objects = objects.into_iter();
    objects
        .next()
        .with_context(|| format!("{} compiled to nothing", variant.name))
}
