//! What the build script leaves in its output folder: `NAME.bin` for each kernel, `kernels.rs` (how each is launched, as
//! the rows of a Rust array) and `statistics.txt` (what each came to, for reviewers).

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gfx1100_isa::Class;
use shader_compiler::{CodeObject, Options};

#[expect(unreachable_pub, reason = "the crate exports what this script reads")]
#[path = "../src/table.rs"]
mod table;

use table::{SOURCES, VARIANTS, Variant};

pub(crate) fn all() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=wgsl");
    println!("cargo::rerun-if-changed=src/table.rs");
    let folder = env::var("OUT_DIR")?;
    let folder = Path::new(&folder);
    let mut kernels = String::from("&[\n");
    let mut statistics = heading()?;
    for (index, variant) in VARIANTS.iter().enumerate() {
        let object = compile(variant)?;
        fs::write(folder.join(format!("{}.bin", variant.name)), &object.code)?;
        launch(&mut kernels, index, variant, &object)?;
        row(&mut statistics, variant, &object)?;
    }
    kernels.push_str("]\n");
    fs::write(folder.join("kernels.rs"), kernels)?;
    fs::write(folder.join("statistics.txt"), statistics)?;
    Ok(())
}

fn compile(variant: &Variant) -> Result<CodeObject, Box<dyn Error>> {
    let name = variant.name;
    let source = SOURCES.iter().find(|(file, _)| *file == variant.file);
    let (file, source) =
        source.ok_or_else(|| format!("kernel {name}: no file {}", variant.file))?;
    let overrides = variant.overrides.iter();
    let mut options = Options {
        overrides: overrides
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        entry_point: Some(variant.entry),
        ..Options::default()
    };
    let objects = shader_compiler::compile(source, file, &mut options);
    let objects = objects.map_err(|error| format!("kernel {name}: {error}"))?;
    let object = objects.into_iter().next();
    Ok(object
        .ok_or_else(|| format!("kernel {name}: {file} has no entry point {}", variant.entry))?)
}

/// A `Kernel` in Rust's syntax; the type that it names checks it.
fn launch(
    out: &mut String,
    index: usize,
    variant: &Variant,
    object: &CodeObject,
) -> std::fmt::Result {
    let name = variant.name;
    let bindings = object.arguments.bindings.iter().map(|binding| {
        let (name, number, written) = (&binding.name, binding.binding, binding.written);
        format!("Binding {{ name: {name:?}, binding: {number}, written: {written} }}")
    });
    let bindings = bindings.collect::<Vec<_>>().join(", ");
    write!(out, "    Kernel {{ variant: &crate::VARIANTS[{index}], ")?;
    write!(
        out,
        "code: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.bin\")), "
    )?;
    write!(out, "arguments: Arguments {{ bindings: &[{bindings}], ")?;
    write!(out, "immediates: {:?}, ", object.arguments.immediates)?;
    write!(out, "workgroups: {:?}, ", object.arguments.workgroups)?;
    write!(out, "bytes: {} }}, ", object.arguments.bytes)?;
    write!(out, "workgroup_ids: {:?}, ", object.workgroup_ids)?;
    write!(out, "workgroup_size: {:?}, ", object.workgroup_size)?;
    let counts = [
        ("code_bytes", object.code_bytes),
        ("vgprs", object.vgprs),
        ("sgprs", object.sgprs),
        ("user_sgprs", object.user_sgprs),
        ("local_id_components", object.local_id_components),
        ("lds_bytes", object.lds_bytes),
        ("waves_per_simd", object.statistics.waves_per_simd),
    ];
    for (field, value) in counts {
        write!(out, "{field}: {value}, ")?;
    }
    out.push_str("},\n");
    Ok(())
}

/// The column of a class, a place in [`COLUMNS`].
fn column(class: Class) -> usize {
    match class {
        Class::Valu | Class::ValuSlow => 0,
        Class::Trans => 1,
        Class::Dot => 2,
        Class::Wmma => 3,
        Class::Salu | Class::Branch => 4,
        Class::Smem => 5,
        Class::VmemLoad => 6,
        Class::VmemStore | Class::VmemAtomic => 7,
        Class::LdsLoad | Class::LdsStore | Class::LdsAtomic | Class::LdsCross => 8,
        Class::Control | Class::Barrier | Class::End => 9,
    }
}

const COLUMNS: [&str; 10] = [
    "valu", "trans", "dot", "wmma", "salu", "smem", "load", "store", "lds", "ctrl",
];

fn heading() -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "# What the kernels compile to. Instructions: all, by class, VOPD (each two operations in one), of the inner loop, WMMA\n\
         # in it. Registers and bytes of workgroup memory; waves that they leave to a SIMD; bytes of code; bytes that a\n\
         # workgroup loads and stores by its vector instructions, each counted once.\n\
         # Written by INFERNEL_WRITE_STATISTICS=1 cargo test -p shaders\n",
    );
    write!(text, "{:<26}{:>5}", "kernel", "all")?;
    for name in COLUMNS {
        write!(text, "{name:>6}")?;
    }
    text.push_str("  vopd  loop  wmma  vgpr  sgpr    lds  waves   code   loads  stores\n");
    Ok(text)
}

fn row(out: &mut String, variant: &Variant, object: &CodeObject) -> std::fmt::Result {
    let statistics = &object.statistics;
    let mut counts = [0; COLUMNS.len()];
    for &(class, count) in &statistics.by_class {
        counts[column(class)] += count;
    }
    write!(out, "{:<26}{:>5}", variant.name, statistics.instructions)?;
    for count in counts {
        write!(out, "{count:>6}")?;
    }
    let lanes: u32 = object.workgroup_size.iter().product();
    writeln!(
        out,
        "{:>6}{:>6}{:>6}{:>6}{:>6}{:>7}{:>7}{:>7}{:>8}{:>8}",
        statistics.dual,
        statistics.inner_loop,
        statistics.inner_loop_wmma,
        object.vgprs,
        object.sgprs,
        object.lds_bytes,
        statistics.waves_per_simd,
        object.code_bytes,
        lanes * statistics.bytes_loaded,
        lanes * statistics.bytes_stored,
    )
}
