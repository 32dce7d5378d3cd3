//! LLVM 19 as a second compiler for our kernels: our SSA form, before any optimisation, written as LLVM IR.
//!
//! That makes the IR equivalent by construction: the same operations on the same memory, for `opt-19 -O3` and `llc-19` to
//! do their best with. It serves two ends: a measure of code quality, and a second opinion on kernels that no other Vulkan
//! here can run (cooperative matrices), by executing LLVM's code in the interpreter.
//!
//! Not equal, on purpose: buffers are global pointers (what LLVM's own front ends use), not descriptors with a size.

mod arithmetic;
mod cross_lane;
mod emit;
mod execute;
mod memory;
mod tiles;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use shader_compiler::{front, ir, opt};
use shaders::Variant;
use tests::oracles;

pub use emit::{Argument, Module};
pub use execute::Llvm;

/// What LLVM made of a kernel.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Assembly with LLVM's comments.
    pub assembly: String,
    /// ELF object: `.text` and the kernel descriptor.
    pub object: Vec<u8>,
    /// What the kernel's argument segment holds, in order.
    pub arguments: Vec<Argument>,
    /// `@binding` of each buffer.
    pub bindings: Vec<u32>,
    /// Invocations per workgroup.
    pub workgroup_size: [u32; 3],
}

/// Passes that a variable needs to become values; LLVM has its own for the rest.
const FOR_VALUES: &[&str] = &[
    "locals",
    "expand",
    "unroll",
    "simplify",
    "blocks",
    "parameters",
    "unused",
];

/// Compiles a kernel of the table.
///
/// # Errors
/// As [`compile`].
pub fn compile_variant(variant: &Variant) -> Result<Compiled> {
    let source =
        shaders::source(variant.file).with_context(|| format!("no file {}", variant.file))?;
    let overrides = variant.overrides.iter();
    let overrides: Vec<_> = overrides
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    let located = |fault: shader_compiler::Fault| fault.locate(variant.file, source);
    let words = front::spirv(source, &overrides).map_err(located)?;
    let functions = front::functions(&words, source).map_err(located)?;
    let mut functions = functions.into_iter().filter(|f| f.name == variant.entry);
    let mut function = functions.next().context("no such entry point")?;
    let off = |pass: &str| !FOR_VALUES.contains(&pass);
    opt::run(&mut function, &off, &mut |_, _| {}).map_err(located)?;
    compile(&function)
}

/// Compiles a function of the front end (variables already values, nothing else done) at `-O3`.
///
/// # Errors
/// If an operation has no LLVM form here, or LLVM cannot be run or refuses the module.
pub fn compile(function: &ir::Function) -> Result<Compiled> {
    if Command::new("llc-19").arg("--version").output().is_err() {
        qemu::setup::install(&["llvm-19"]).context("install LLVM 19: apt-get install llvm-19")?;
    }
    let module = Module::of(function)?;
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("kernel.ll"), &module.text)?;
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path());
        oracles::run(&mut command, "apt-get install llvm-19")
    };
    run(
        "opt-19",
        &[
            "-O3",
            "-mtriple=amdgcn-amd-amdhsa",
            "-mcpu=gfx1100",
            "kernel.ll",
            "-o",
            "kernel.bc",
        ],
    )?;
    let target = [
        "-O3",
        "-mtriple=amdgcn-amd-amdhsa",
        "-mcpu=gfx1100",
        "kernel.bc",
    ];
    run("llc-19", &[&target[..], &["-o", "kernel.s"]].concat())?;
    run(
        "llc-19",
        &[&target[..], &["-filetype=obj", "-o", "kernel.o"]].concat(),
    )?;
    let assembly = std::fs::read_to_string(place("kernel.s"))?;
    ensure!(
        assembly.contains("s_endpgm"),
        "llc-19 wrote no kernel for {}",
        function.name
    );
    Ok(Compiled {
        assembly,
        object: std::fs::read(place("kernel.o"))?,
        arguments: module.arguments,
        bindings: function.bindings.iter().map(|b| b.binding).collect(),
        workgroup_size: function.workgroup_size,
    })
}
