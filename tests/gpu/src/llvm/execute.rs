//! LLVM's code in the interpreter: the launch that the kernel descriptor asks for (LLVM's "User Guide for AMDGPU Backend",
//! "Kernel Descriptor" and "Initial Kernel Execution State").
//!
//! The rules of the interpreter are enforced as for our own code, but for those that [`LIBERTIES`] names: LLVM inserts waits
//! and avoids hazards for itself, so what it writes is also a test of the rules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};
use gfx1100_interpreter::{Launch as Dispatch, Mode, Report, Rule, Strictness};
use shader_cases::{Buffer, Device, Error, Launch, Outputs};

use super::{Argument, Compiled, compile_variant};
use crate::machine::{ARGUMENTS, address, dispatch};

/// Bytes of a kernel descriptor.
const DESCRIPTOR_BYTES: usize = 64;
/// Bit of `kernel_code_properties` that asks for the address of the arguments.
const KERNARG_SEGMENT_PTR: u32 = 1 << 3;
/// Bits of `kernel_code_properties` that ask for other user SGPRs.
const OTHER_USER_SGPRS: u32 = 0b111_0111;

/// What LLVM does on purpose, and why it is harmless.
const LIBERTIES: &[(Rule, &str)] = &[
    (
        Rule::UndefinedVgpr,
        "a * b + c in 32 bits as v_mad_u64_u32 with any register as upper half of c, which reaches only the upper half of the \
         result, and that nobody reads",
    ),
    (
        Rule::MadOverlap,
        "the same: such an upper half may be a register that the instruction writes",
    ),
];

fn enforced() -> Strictness {
    let all = Strictness::strict();
    LIBERTIES
        .iter()
        .fold(all, |set, (rule, _)| set.without(*rule))
}

/// LLVM and the interpreter.
#[derive(Default)]
pub struct Llvm {
    compiled: Mutex<BTreeMap<&'static str, Arc<Compiled>>>,
}

impl Llvm {
    fn code(&self, launch: &Launch) -> Result<Arc<Compiled>> {
        let variant = launch.variant()?;
        let compiled = self.compiled.lock();
        let mut compiled = compiled.map_err(|_| anyhow!("a test failed"))?;
        if let Some(known) = compiled.get(variant.name) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(compile_variant(variant)?);
        compiled.insert(variant.name, Arc::clone(&made));
        Ok(made)
    }

    /// Runs a launch, and also says what was executed.
    ///
    /// # Errors
    /// If LLVM does not compile the kernel, or its code breaks a rule of the machine.
    pub fn execute(&self, launch: &Launch) -> Result<(Outputs, Report)> {
        self.code(launch)?.execute(launch)
    }
}

impl Device for Llvm {
    fn name(&self) -> String {
        "LLVM's machine code, interpreted".to_string()
    }

    fn run(&mut self, launch: &Launch) -> shader_cases::Result<Outputs> {
        let ran = self.execute(launch);
        ran.map(|(outputs, _)| outputs).map_err(Error::new)
    }
}

impl Compiled {
    /// The machine code.
    ///
    /// # Errors
    /// If the object is not what `llc-19` writes for a kernel.
    pub fn code(&self) -> Result<&[u8]> {
        self.section(".text")?.context("no .text")
    }

    fn section(&self, name: &str) -> Result<Option<&[u8]>> {
        let sections = sections(&self.object).context("llc-19's object is cut short")?;
        let found = sections.into_iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, bytes)| bytes))
    }

    fn execute(&self, launch: &Launch) -> Result<(Outputs, Report)> {
        let relocations = self.section(".rela.text")?;
        ensure!(relocations.is_none(), "the code has relocations");
        let code = self.code()?;
        let descriptor = self.section(".rodata")?.context("no .rodata")?;
        ensure!(
            descriptor.len() == DESCRIPTOR_BYTES,
            ".rodata holds more than the kernel descriptor"
        );
        let field = |at: usize| word(descriptor, at).context("no kernel descriptor");
        let (rsrc1, rsrc2, properties) = (field(48)?, field(52)?, field(56)?);
        ensure!(
            properties & OTHER_USER_SGPRS == 0,
            "user SGPRs other than the arguments: {properties:#x}"
        );
        let launched = Dispatch {
            workgroups: launch.groups,
            workgroup_size: self.workgroup_size,
            arguments: ARGUMENTS,
            user_sgprs: rsrc2 >> 1 & 31,
            workgroup_ids: [7, 8, 9].map(|bit| rsrc2 >> bit & 1 == 1),
            local_id_components: rsrc2 >> 11 & 3,
            lds_bytes: field(0)?,
            lds_zeroed: false,
            scratch_bytes: field(4)?,
            // FLOAT_MODE, DX10_CLAMP, IEEE.
            mode: Mode(rsrc1 >> 12 & 0xff | (rsrc1 >> 21 & 1) << 8 | (rsrc1 >> 23 & 1) << 9),
        };
        let vgprs = 8 * ((rsrc1 & 63) + 1);
        let arguments = match properties & KERNARG_SEGMENT_PTR {
            0 => Vec::new(),
            _ => self.segment(launch),
        };
        dispatch(
            code,
            vgprs,
            &launched,
            &launch.buffers,
            &arguments,
            enforced(),
        )
    }

    /// The argument segment; what the launch has no buffer for is a null pointer.
    fn segment(&self, launch: &Launch) -> Vec<u8> {
        let buffer = |index: u32| {
            let binding = self.bindings[index as usize];
            let has = |buffer: &Buffer| buffer.binding == binding;
            launch.buffers.iter().position(has)
        };
        let mut bytes = Vec::new();
        for argument in &self.arguments {
            let number = match *argument {
                Argument::Buffer(index) => {
                    bytes.extend(buffer(index).map_or(0, address).to_le_bytes());
                    continue;
                }
                Argument::Size(index) => {
                    buffer(index).map_or(0, |at| launch.buffers[at].bytes.len() as u32)
                }
                Argument::Immediate(at) => word(&launch.immediates, at as usize).unwrap_or(0),
                Argument::Workgroups(axis) => launch.groups[usize::from(axis)],
            };
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Names and bytes of the sections of an ELF file of 64 bits, nothing if it is cut short.
fn sections(file: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let long = |at: usize| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let short = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            *file.get(at..)?.first_chunk()?,
        )))
    };
    let (table, size) = (long(0x28)?, short(0x3a)?);
    let (count, names) = (short(0x3c)?, short(0x3e)?);
    let bytes = |index: usize| {
        let header = table + index * size;
        file.get(long(header + 0x18)?..)?
            .get(..long(header + 0x20)?)
    };
    let names = bytes(names)?;
    let section = |index: usize| {
        let name = names.get(word(file, table + index * size)? as usize..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        Some((std::str::from_utf8(name).ok()?, bytes(index)?))
    };
    (0..count).map(section).collect()
}
