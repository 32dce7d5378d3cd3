//! Kernels as our own machine code, in the strict interpreter of gfx1100.

use std::collections::BTreeMap;
use std::sync::Mutex;

use anyhow::{Context, Result};
use gfx1100_interpreter::{self as interpreter, Mode, Program, Regions, Report, Strictness};
use shader_cases::{Buffer, Device, Error, Launch, Outputs};
use shader_compiler::{CodeObject, Options};

/// Where the argument segment lies.
pub(crate) const ARGUMENTS: u64 = 1 << 32;
/// From one buffer to the next: so far apart that no access reaches another one by mistake.
const BUFFERS: u64 = 1 << 36;
/// Where the code lies.
const CODE: u64 = 1 << 20;
/// Steps after which a workgroup counts as caught in a loop.
const MAX_STEPS: u64 = 1 << 22;

/// The compiler and the interpreter.
#[derive(Default)]
pub struct Machine {
    compiled: Mutex<BTreeMap<&'static str, CodeObject>>,
}

impl Machine {
    /// The machine code of a kernel, compiled at its first use.
    ///
    /// # Errors
    /// If it cannot be compiled.
    pub fn code(&self, launch: &Launch) -> Result<CodeObject> {
        let variant = launch.variant()?;
        let mut compiled = self
            .compiled
            .lock()
            .map_err(|_| anyhow::anyhow!("a test failed"))?;
        if let Some(object) = compiled.get(variant.name) {
            return Ok(object.clone());
        }
        let overrides = variant.overrides.iter();
        let mut options = Options {
            overrides: overrides
                .map(|(name, value)| ((*name).to_string(), *value))
                .collect(),
            entry_point: Some(variant.entry),
            ..Options::default()
        };
        let objects = shader_compiler::compile(launch.source()?, variant.file, &mut options)?;
        let object = objects
            .into_iter()
            .next()
            .context("compiling gave no kernel")?;
        compiled.insert(variant.name, object.clone());
        Ok(object)
    }

    /// Runs a launch, and also says what was executed.
    ///
    /// # Errors
    /// If the kernel cannot be compiled, or breaks a rule of the machine.
    pub fn execute(&self, launch: &Launch) -> Result<(Outputs, Report)> {
        let object = self.code(launch)?;
        self.execute_object(&object, &launch.buffers, &launch.immediates, launch.groups)
    }

    /// Runs machine code over buffers to its end.
    ///
    /// # Errors
    /// If it breaks a rule of the machine.
    pub fn execute_object(
        &self,
        object: &CodeObject,
        buffers: &[Buffer],
        immediates: &[u8],
        groups: [u32; 3],
    ) -> Result<(Outputs, Report)> {
        let arguments = arguments(object, buffers, immediates, groups)?;
        let launch = interpreter::Launch {
            workgroups: groups,
            workgroup_size: object.workgroup_size,
            arguments: ARGUMENTS,
            user_sgprs: object.user_sgprs,
            workgroup_ids: object.workgroup_ids,
            local_id_components: object.local_id_components,
            lds_bytes: object.lds_bytes,
            lds_zeroed: false,
            scratch_bytes: 0,
            mode: Mode::DEFAULT,
        };
        let all = Strictness::strict();
        dispatch(
            &object.code,
            object.vgprs,
            &launch,
            buffers,
            &arguments,
            all,
        )
    }
}

/// Where buffer `index` of a launch lies.
pub(crate) fn address(index: usize) -> u64 {
    BUFFERS * (index as u64 + 1)
}

/// Runs machine code over buffers and an argument segment to its end.
pub(crate) fn dispatch(
    code: &[u8],
    vgprs: u32,
    launch: &interpreter::Launch,
    buffers: &[Buffer],
    arguments: &[u8],
    strictness: Strictness,
) -> Result<(Outputs, Report)> {
    let mut memory = Regions::new();
    for (index, buffer) in buffers.iter().enumerate() {
        memory.add(address(index), &buffer.bytes).map_err(outside)?;
    }
    if !arguments.is_empty() {
        memory.add(ARGUMENTS, arguments).map_err(outside)?;
    }
    let program = Program::new(code, CODE, vgprs)?;
    let options = interpreter::Options {
        max_steps: MAX_STEPS,
        strictness,
        ..interpreter::Options::default()
    };
    let report = interpreter::dispatch(&program, launch, &memory, &options)?;
    let mut outputs = Vec::new();
    for (index, buffer) in buffers.iter().enumerate() {
        if buffer.written {
            let bytes = memory.bytes(address(index), buffer.bytes.len());
            outputs.push((buffer.binding, bytes.map_err(outside)?));
        }
    }
    Ok((Outputs(outputs), report))
}

fn outside(fault: interpreter::Fault) -> anyhow::Error {
    anyhow::anyhow!("{fault:?}")
}

impl Device for Machine {
    fn name(&self) -> String {
        "our machine code, interpreted".to_string()
    }

    fn run(&mut self, launch: &Launch) -> shader_cases::Result<Outputs> {
        let ran = self.execute(launch);
        ran.map(|(outputs, _)| outputs).map_err(Error::new)
    }
}

/// The argument segment.
fn arguments(
    object: &CodeObject,
    buffers: &[Buffer],
    immediates: &[u8],
    groups: [u32; 3],
) -> Result<Vec<u8>> {
    let arguments = &object.arguments;
    let bindings = arguments.bindings.iter().map(|binding| shaders::Binding {
        name: &binding.name,
        binding: binding.binding,
        written: binding.written,
    });
    let bindings: Vec<_> = bindings.collect();
    let layout = shaders::Arguments {
        bindings: &bindings,
        immediates: arguments.immediates,
        workgroups: arguments.workgroups,
        bytes: arguments.bytes,
    };
    let place = |number| {
        let index = buffers.iter().position(|given| given.binding == number)?;
        Some((address(index), buffers[index].bytes.len() as u64))
    };
    let mut bytes = vec![0; arguments.bytes as usize];
    let written = layout.write(&mut bytes, place, immediates, groups);
    written.map_err(|error| anyhow::anyhow!("{}: {error}", object.name))?;
    Ok(bytes)
}
