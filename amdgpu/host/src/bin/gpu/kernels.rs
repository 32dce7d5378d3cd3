//! Runs shipped kernels on the card: one that is named, or each on random data beside the CPU's scalar reference.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::time::Instant;

use amdgpu::{Bus, Gpu};
use amdgpu_selftest::{Header, OnCard, Plan};
use anyhow::{Context, Result, bail, ensure};
use shader_cases::{Device, Size, recipes};

use crate::bring_up;
use crate::options::Options;

/// `dispatch`: the cheapest case of a kernel, with what it took.
pub(crate) fn dispatch(
    bus: Box<dyn Bus + Send>,
    kernel: &str,
    options: &Options,
    out: &mut dyn Write,
) -> Result<()> {
    let recipes = recipes(Size::Small);
    let Some(recipe) = recipes.iter().find(|recipe| recipe.kernel == kernel) else {
        let names: Vec<_> = recipes.iter().map(|recipe| recipe.kernel).collect();
        bail!(
            "there is no kernel {kernel:?}; there are {}",
            names.join(", ")
        );
    };
    let case = recipe.case(options.seed);
    bring_up::with_gpu(bus, options, out, |gpu, out| {
        let [x, y, z] = case.launch.groups;
        let bytes: usize = case
            .launch
            .buffers
            .iter()
            .map(|buffer| buffer.bytes.len())
            .sum();
        writeln!(
            out,
            "{}: {x} x {y} x {z} workgroups, {bytes} bytes of buffers",
            case.name
        )?;
        out.flush()?;
        let start = Instant::now();
        let mut card = OnCard::new(gpu, shaders::KERNELS)?;
        let outputs = card.run(&case.launch);
        let checked = outputs.and_then(|outputs| case.check(&outputs).map(|()| outputs));
        let finished = card.finish();
        let outputs = checked.with_context(|| case.name.clone())?;
        finished?;
        for (binding, bytes) in &outputs.0 {
            let first: Vec<_> = bytes
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            writeln!(
                out,
                "  binding {binding}: {} bytes, {} ...",
                bytes.len(),
                first.join(" ")
            )?;
        }
        let took = start.elapsed();
        writeln!(
            out,
            "right, as the scalar reference has it; {took:.1?} with all copies, compared"
        )?;
        Ok(())
    })
}

/// `selftest`: writes the report, and fails if anything is wrong.
pub(crate) fn selftest(
    bus: Box<dyn Bus + Send>,
    only: &str,
    options: &Options,
    out: &mut dyn Write,
) -> Result<()> {
    let plan = Plan {
        seed: options.seed,
        size: options.size,
        only,
    };
    let mut report = String::new();
    let result = bring_up::with_gpu(bus, options, out, |gpu, out| {
        run(gpu, &plan, &mut report, out)
    });
    if let Err(error) = &result {
        let _ = writeln!(report, "{error:#}");
    }
    let path = &options.report;
    fs::write(path, &report).with_context(|| path.display().to_string())?;
    writeln!(out, "the report is in {}", path.display())?;
    result
}

fn run(gpu: &mut Gpu, plan: &Plan<'_>, report: &mut String, out: &mut dyn Write) -> Result<()> {
    let identity = gpu.identity().clone();
    let header = Header {
        identity: &identity,
        plan,
    };
    writeln!(report, "{header}")?;
    writeln!(out, "{header}")?;
    let mut card = OnCard::new(gpu, shaders::KERNELS)?;
    let mut written = Ok(());
    let summary = amdgpu_selftest::run(&mut card, plan, &mut |outcome| {
        let _ = writeln!(report, "{outcome}");
        if written.is_ok() {
            written = writeln!(out, "{outcome}").and_then(|()| out.flush());
        }
    });
    let finished = card.finish();
    if !summary.is_good() {
        writeln!(report, "{}", gpu.report())?;
    }
    writeln!(report, "{summary}")?;
    writeln!(out, "{summary}")?;
    written?;
    ensure!(
        summary.is_good(),
        "the card does not compute right; attach the report to an issue"
    );
    Ok(finished?)
}
