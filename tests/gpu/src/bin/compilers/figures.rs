//! What each compiler makes of a kernel.

use anyhow::{Context, Result};
use gpu_tests::llvm;
use serde_json::Value;
use shader_compiler::{Options, compile, front};
use shaders::Variant;

use crate::listing::{Loop, comment, instructions, leaves, listed};
use crate::{mesa, words};

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Loops that hold no other.
    pub(crate) loops: Vec<Loop>,
    /// Of code.
    pub(crate) bytes: u32,
    /// Used; ACO's are rounded up to what the hardware allocates.
    pub(crate) vgprs: u32,
}

fn overrides(variant: &Variant) -> Vec<(String, f64)> {
    let overrides = variant.overrides.iter();
    overrides
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn source(variant: &Variant) -> Result<&'static str> {
    shaders::source(variant.file).with_context(|| format!("no file {}", variant.file))
}

/// By our compiler.
pub(crate) fn ours(variant: &Variant) -> Result<Figures> {
    let mut options = Options {
        overrides: overrides(variant),
        entry_point: Some(variant.entry),
        ..Options::default()
    };
    let objects = compile(source(variant)?, variant.file, &mut options)?;
    let object = objects.first().context("compiling gave no kernel")?;
    let code = words(&object.code[..object.code_bytes as usize]);
    Ok(Figures {
        loops: leaves(&instructions(&code)?),
        bytes: object.code_bytes,
        vgprs: object.vgprs,
    })
}

/// By LLVM.
pub(crate) fn llvm(variant: &Variant) -> Result<Figures> {
    let compiled = llvm::compile_variant(variant)?;
    let number = |name: &str| comment(&compiled.assembly, name);
    Ok(Figures {
        loops: leaves(&instructions(&words(compiled.code()?))?),
        bytes: number("codeLenInByte").context("llc-19 tells no code size")?,
        vgprs: number("NumVgprs").context("llc-19 tells no VGPRs")?,
    })
}

/// What RADV answers about a kernel.
pub(crate) fn aco_answer(variant: &Variant) -> Result<Value> {
    let source = source(variant)?;
    let words = front::spirv(source, &overrides(variant))
        .map_err(|fault| fault.locate(variant.file, source))?;
    mesa::compile(&words, variant.entry)
}

/// By ACO.
pub(crate) fn aco(variant: &Variant) -> Result<Figures> {
    let answer = aco_answer(variant)?;
    let number = |name: &str| {
        let number = answer["statistics"][name].as_u64();
        let number = number.with_context(|| format!("RADV tells no {name:?}"))?;
        Ok::<u32, anyhow::Error>(u32::try_from(number)?)
    };
    let assembly = answer["assembly"].as_str();
    Ok(Figures {
        loops: leaves(&listed(assembly.context("RADV gave no assembly")?)),
        bytes: number("Code size")?,
        vgprs: number("VGPRs")?,
    })
}
