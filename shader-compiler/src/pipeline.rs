//! The whole way from WGSL to code objects, as a flat list of calls: each stage is a module that can be read alone.

use std::fmt;

use rspirv::binary::Disassemble;

use crate::error::{Error, Fault, Reason};
use crate::machine::code::{self, Code};
use crate::machine::{self, allocate, emit, statistics};
use crate::object::{Arguments, CodeObject};
use crate::{front, ir, launch::Launch, opt, select};

/// VGPRs that a wave can name.
const VGPRS: u32 = 256;
/// Bytes of workgroup memory that a workgroup can have.
const LDS_BYTES: u32 = 65536;
/// Invocations of a workgroup, at most.
const INVOCATIONS: u32 = 1024;

/// A pass on allocated code.
type CodePass = fn(&mut Code);

/// Passes on allocated code, in order. What follows dual issue must not change which instructions stand beside which.
const CODE_PASSES: &[(&str, CodePass)] = &[
    ("shrink", machine::shrink::run),
    ("branches", machine::branches::run),
    ("dual", machine::dual::run),
    ("release", machine::release::run),
    ("waits", machine::waits::run),
    ("hazards", machine::hazards::run),
    ("delay", machine::delay::run),
    ("clauses", machine::clauses::run),
];

/// Is told of what each stage made: its name and its text.
pub type Trace<'a> = dyn FnMut(&str, &dyn fmt::Display) + 'a;

/// What a caller may ask of the compiler.
#[derive(Default)]
pub struct Options<'a> {
    /// Values of `override` constants, by name.
    pub overrides: Vec<(String, f64)>,
    /// Compile only the entry point of this name.
    pub entry_point: Option<&'a str>,
    /// Passes to leave out, by name ([`pass_names`]): to find the one that broke something.
    pub off: Vec<String>,
    /// Called with the name of each stage that has changed the kernel, and its text.
    pub trace: Option<&'a mut Trace<'a>>,
}

/// Names of the stages that [`Options::trace`] sees beside the passes.
pub const STAGES: &[&str] = &["spirv", "front", "opt", "select", "allocate"];

/// Names of all passes that [`Options::off`] takes.
pub fn pass_names() -> impl Iterator<Item = &'static str> {
    let codes = CODE_PASSES.iter().map(|(name, _)| *name);
    opt::names().chain(["repeats", "schedule"]).chain(codes)
}

/// Compiles the entry points of a WGSL module. `file` is its name in messages.
///
/// # Errors
/// Invalid WGSL, something that this compiler does not support, or a kernel that needs more of a resource than the machine
/// has; with file, line and reason.
pub fn compile(
    source: &str,
    file: &str,
    options: &mut Options<'_>,
) -> Result<Vec<CodeObject>, Error> {
    let locate = |fault: Fault| fault.locate(file, source);
    let words = front::spirv(source, &options.overrides).map_err(locate)?;
    if let Some(trace) = &mut options.trace {
        trace("spirv", &Spirv(&words));
    }
    let functions = front::functions(&words, source).map_err(locate)?;
    let wanted = |function: &ir::Function| {
        let name = options.entry_point;
        name.is_none_or(|name| name == function.name)
    };
    let functions: Vec<ir::Function> = functions.into_iter().filter(wanted).collect();
    if functions.is_empty() {
        let wanted = options.entry_point.map(|name| format!(" `{name}`"));
        let what = format!("a module without entry point{}", wanted.unwrap_or_default());
        return Err(locate(Fault::nowhere(Reason::Unsupported(what)).or_at(0)));
    }
    let mut objects = Vec::new();
    for function in functions {
        let entry = front::place_of_entry(source, Some(&function.name));
        let object = kernel(function, options);
        objects.push(object.map_err(|fault| locate(fault.or_at(entry)))?);
    }
    Ok(objects)
}

/// SPIR-V that is disassembled when it is shown.
struct Spirv<'a>(&'a [u32]);

impl fmt::Display for Spirv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match rspirv::dr::load_words(self.0) {
            Ok(module) => f.write_str(&module.disassemble()),
            Err(error) => write!(f, "; not readable: {error}"),
        }
    }
}

/// Compiles one function of the front end.
///
/// # Errors
/// As [`compile`].
fn kernel(mut function: ir::Function, options: &mut Options<'_>) -> Result<CodeObject, Fault> {
    let off = std::mem::take(&mut options.off);
    let result = stages(&mut function, &off, &mut |stage, text| {
        if let Some(trace) = &mut options.trace {
            trace(stage, text);
        }
    });
    options.off = off;
    result
}

fn stages(
    function: &mut ir::Function,
    off: &[String],
    trace: &mut dyn FnMut(&str, &dyn fmt::Display),
) -> Result<CodeObject, Fault> {
    let off = |name: &str| off.iter().any(|other| other == name);
    check_size(function)?;
    verify(function, "front")?;
    trace("front", function);
    let mut broken = Ok(());
    opt::run(function, &off, &mut |pass, function| {
        trace(pass, function);
        if cfg!(debug_assertions) && broken.is_ok() {
            broken = ir::verify(function).map_err(|what| format!("{pass}: {what}"));
        }
    })?;
    broken.map_err(|what| Fault::broken("opt", what))?;
    verify(function, "opt")?;
    trace("opt", function);

    let mut selected = select::select(function)?;
    trace("select", &selected);
    if !off("repeats") {
        machine::repeats::run(&mut selected);
        trace("repeats", &selected);
    }
    if !off("schedule") {
        machine::schedule::run(&mut selected);
        trace("schedule", &selected);
    }
    let allocated = allocate::allocate(selected)?;
    let mut code = Code::from_allocated(&allocated)?;
    trace("allocate", &code);
    for (name, pass) in CODE_PASSES {
        if !off(name) {
            pass(&mut code);
            code::validate(&code, name)?;
            trace(name, &code);
        }
    }
    finish(function, &code)
}

fn verify(function: &ir::Function, pass: &'static str) -> Result<(), Fault> {
    ir::verify(function).map_err(|what| Fault::broken(pass, what))
}

fn limit(what: &'static str, needed: u32, available: u32) -> Result<(), Fault> {
    if needed <= available {
        return Ok(());
    }
    Err(Fault::nowhere(Reason::TooMuch {
        what,
        needed,
        available,
    }))
}

fn check_size(function: &ir::Function) -> Result<(), Fault> {
    let invocations = function.workgroup_size.iter().product();
    limit("invocations in a workgroup", invocations, INVOCATIONS)?;
    limit(
        "bytes of workgroup memory",
        function.shared_bytes,
        LDS_BYTES,
    )
}

fn finish(function: &ir::Function, code: &Code) -> Result<CodeObject, Fault> {
    let launch = Launch::of(function);
    let emitted = emit::run(code)?;
    let (vgprs, sgprs) = emit::registers(code);
    limit("VGPRs", vgprs, VGPRS)?;
    let threads = function.workgroup_size.iter().product();
    Ok(CodeObject {
        name: function.name.clone(),
        statistics: statistics::count(code, vgprs, function.shared_bytes, threads),
        code: emitted.code,
        code_bytes: emitted.code_bytes,
        sources: emitted.sources,
        vgprs,
        sgprs,
        user_sgprs: launch.user_sgprs,
        workgroup_ids: launch.workgroup_ids,
        local_id_components: launch.local_id_components,
        lds_bytes: function.shared_bytes,
        workgroup_size: function.workgroup_size,
        arguments: Arguments::of(function),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str, entry_point: Option<&str>) -> String {
        let mut options = Options {
            entry_point,
            ..Options::default()
        };
        let error = compile(source, "k.wgsl", &mut options).expect_err("it is refused");
        error.to_string()
    }

    #[test]
    fn what_a_kernel_as_a_whole_is_refused_for_has_a_place() {
        assert_eq!(
            refused("", None),
            "k.wgsl:1:1: not supported: a module without entry point"
        );
        let source = "var<workgroup> w: array<u32, 20000>;
@compute @workgroup_size(1) fn other() {}
@compute @workgroup_size(1)
fn main() { w[0] = 1u; }";
        assert_eq!(
            refused(source, Some("none")),
            "k.wgsl:1:1: not supported: a module without entry point `none`"
        );
        assert_eq!(
            refused(source, None),
            "k.wgsl:4:4: needs 80000 bytes of workgroup memory, the machine has 65536"
        );
    }

    #[test]
    fn matrices_are_not_chosen_when_the_kernel_runs() {
        let source = "enable f16; enable wgpu_cooperative_matrix; alias T = coop_mat16x16<f32, C>;
@group(0) @binding(0) var<storage, read_write> o: array<f32>;
@compute @workgroup_size(32) fn main() {
    var t: array<T, 4>; var n = u32(o[1]);
    t[n] = T(); coopStore(t[1], &o[0], 16u);
}";
        let message = refused(source, None);
        let expected = "not supported: the variable `t` is an array of matrices";
        assert!(message.contains(expected), "{message}");
    }
}
