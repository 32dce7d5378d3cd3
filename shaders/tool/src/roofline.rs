//! `roofline`: what bounds the product kernels on the card, from counts of the interpreter and the card's data sheet.
//!
//! A matrix-vector product is run in the interpreter at full size, its rows as workgroups, over a memory that holds zeros and
//! notes which cache lines are touched. With
//!
//! - moved = 128 bytes for each line touched: weights and results go through memory once, activations stay in a cache;
//! - least = bits of the weight format times the matrix + 36 bytes per 32 activations (f32 ones for F16: 4 bytes each) + 4
//!   bytes per result;
//! - memory limit = moved / 960 GB/s;
//! - issue limit = clocks of all instructions, one each and more for the slow ones (see the interpreter's `cycles`), over
//!   192 SIMDs at 2.5 GHz, as if a SIMD issued one instruction a clock in all. It can issue one of each kind, so this is
//!   pessimistic;
//!
//! the kernel is bound by memory if issue limit < memory limit; the last column says by how much. Latency is not in it:
//! waves per SIMD say whether there is enough to wait with.
//!
//! For matrix products by WMMA: the share of the inner loop's issue clocks that are WMMA's, 32 each, in one pass through all
//! of its blocks. The kernels `_32` leave out parts of a tile that has less than 128 tokens, and then their share is less: with
//! 32 tokens 75 % for F16 and 61 to 65 % for the other types. Nothing brings these to 80 %: for 8 weights of a lane two WMMA
//! are 64 clocks, and 14 (Q8_0) to 19 (Q6_K) instructions make them f16, and 3 bring them to the lanes that multiply.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use gfx1100_interpreter as interpreter;
use interpreter::{Fault, Memory};
use lexopt::{Arg, ValueExt};
use shader_compiler::CodeObject;
use shaders::Variant;

use crate::compile;

pub(crate) const HELP: &str = "\
cargo shaders -- roofline [--rows N] [--columns N]

For each product kernel, at 4096 x 4096 unless said otherwise: bytes moved over the least possible, time that memory and
that issuing instructions take at least (960 GB/s; 192 SIMDs, 2.5 GHz, one instruction a clock), and their ratio; for
matrix kernels the share of WMMA in the issue clocks of the inner loop. Ends with status 1 where a goal is missed: 1.03 for
bytes, 1.5 for the ratio of Q4_0 and Q8_0 with one token, 80 % for WMMA.
";

/// Bytes per second of the card's memory.
const BANDWIDTH: f64 = 960e9;
/// Issue slots per second: SIMDs times clock.
const ISSUES: f64 = 192.0 * 2.5e9;
/// Bytes of a cache line.
const LINE: u64 = 128;
/// Clocks of a WMMA.
const WMMA_CLOCKS: u32 = 32;

/// Each buffer starts at a multiple of this, which is more than any of them has.
const BUFFER_STRIDE: u64 = 1 << 32;
/// Bytes of a buffer that can be touched.
const BUFFER_BYTES: u64 = 1 << 28;
/// Where the arguments stand.
const ARGUMENTS: u64 = 1 << 48;

/// A weight format: name as in kernel names, elements of a block, bytes of a block in GGUF, elements that the kernel's shape
/// counts in, bytes of an activation times 32.
struct Format(&'static str, u64, u64, u64, u64);

const FORMATS: &[Format] = &[
    Format("f16", 1, 2, 8, 128),
    Format("q8_0", 32, 34, 32, 36),
    Format("q4_0", 32, 18, 32, 36),
    Format("q4_k", 256, 144, 32, 36),
    Format("q6_k", 256, 210, 32, 36),
];

/// Zeros everywhere but in the arguments; notes lines of the buffers.
struct Touched {
    arguments: Vec<u8>,
    lines: Vec<Vec<AtomicU64>>,
}

impl Touched {
    fn new(arguments: Vec<u8>, buffers: usize) -> Self {
        let words = BUFFER_BYTES / LINE / 64;
        let empty = || (0..words).map(|_| AtomicU64::new(0)).collect();
        Self {
            arguments,
            lines: (0..buffers).map(|_| empty()).collect(),
        }
    }

    fn touch(&self, address: u64, bytes: usize) -> Result<(), Fault> {
        let fault = |reason| Fault {
            address,
            bytes: bytes as u32,
            reason,
        };
        let buffer = usize::try_from(address / BUFFER_STRIDE).unwrap_or(usize::MAX);
        let lines = buffer.checked_sub(1).and_then(|n| self.lines.get(n));
        let lines = lines.ok_or_else(|| fault("no buffer"))?;
        let first = address % BUFFER_STRIDE;
        for line in first / LINE..=(first + bytes as u64 - 1) / LINE {
            let word = lines.get((line / 64) as usize);
            let word = word.ok_or_else(|| fault("past what a buffer may have"))?;
            word.fetch_or(1 << (line % 64), Ordering::Relaxed);
        }
        Ok(())
    }

    fn moved(&self) -> u64 {
        let words = self.lines.iter().flatten();
        let lines = words.map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()));
        LINE * lines.sum::<u64>()
    }
}

impl Memory for Touched {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        out.fill(0);
        if let Some(start) = address.checked_sub(ARGUMENTS) {
            let from = self.arguments.iter().skip(start as usize);
            out.iter_mut()
                .zip(from)
                .for_each(|(out, byte)| *out = *byte);
            return Ok(());
        }
        self.touch(address, out.len())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        self.touch(address, data.len())
    }

    fn atomic(
        &self,
        address: u64,
        bytes: usize,
        _: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Fault> {
        Err(Fault {
            address,
            bytes: bytes as u32,
            reason: "product kernels have no atomics",
        })
    }
}

/// What a product was seen to do.
struct Seen {
    moved: u64,
    least: u64,
    issue: u64,
}

/// Tokens that a kernel takes at once.
fn tokens(variant: &Variant) -> u64 {
    let mut overrides = variant.overrides.iter();
    overrides
        .find(|(name, _)| *name == "TOKENS")
        .map_or(1, |(_, value)| *value as u64)
}

fn arguments(object: &CodeObject, shape: [u64; 4]) -> Result<Vec<u8>> {
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
        let entry = bindings.iter().position(|known| known.binding == number)?;
        Some(((entry as u64 + 1) * BUFFER_STRIDE, BUFFER_BYTES))
    };
    let immediates = shape.map(|word| (word as u32).to_le_bytes()).concat();
    let mut bytes = vec![0; arguments.bytes as usize + 64];
    layout
        .write(&mut bytes, place, &immediates, [0; 3])
        .map_err(|error| anyhow!("{}: {error}", object.name))?;
    Ok(bytes)
}

fn run_product(
    object: &CodeObject,
    format: &Format,
    (rows, columns, tokens): (u64, u64, u64),
) -> Result<Seen> {
    let Format(_, block, block_bytes, unit, activation_bytes) = format;
    if columns % block.max(unit) != 0 {
        bail!(
            "{columns} columns are no whole number of blocks of {}",
            block.max(unit)
        );
    }
    // Shape { columns in units, tokens, stride of the result, add }, the same in all product kernels.
    let shape = [columns / unit, tokens, rows, 0];
    let memory = Touched::new(arguments(object, shape)?, object.arguments.bindings.len());
    let program = interpreter::Program::new(&object.code, 1 << 56, object.vgprs)
        .map_err(|error| anyhow!("{error}"))?;
    let launch = interpreter::Launch {
        workgroups: [rows as u32, 1, 1],
        workgroup_size: object.workgroup_size,
        arguments: ARGUMENTS,
        user_sgprs: object.user_sgprs,
        workgroup_ids: object.workgroup_ids,
        local_id_components: object.local_id_components,
        lds_bytes: object.lds_bytes,
        lds_zeroed: false,
        scratch_bytes: 0,
        mode: interpreter::Mode::DEFAULT,
    };
    let options = interpreter::Options::default();
    let report = interpreter::dispatch(&program, &launch, &memory, &options)
        .map_err(|error| anyhow!("{error}"))?;
    let vector: u64 = report
        .by_class
        .iter()
        .filter(|(class, _)| is_valu(**class))
        .map(|(_, count)| count)
        .sum();
    Ok(Seen {
        moved: memory.moved(),
        least: rows * columns * block_bytes / block
            + tokens * columns * activation_bytes / 32
            + tokens * rows * 4,
        issue: report.instructions - vector + report.clocks.vector,
    })
}

fn is_valu(class: gfx1100_isa::Class) -> bool {
    use gfx1100_isa::Class::{Dot, Trans, Valu, ValuSlow, Wmma};
    matches!(class, Valu | Trans | ValuSlow | Dot | Wmma)
}

/// `roofline`.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<ExitCode> {
    let (mut rows, mut columns) = (4096, 4096);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("rows") => rows = parser.value()?.parse()?,
            Arg::Long("columns") => columns = parser.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let mut missed = 0;
    println!(
        "{rows} x {columns}        bytes moved   over least  memory us  issue us  issue limit over memory limit"
    );
    for variant in shaders::VARIANTS {
        let Some(rest) = variant.name.strip_prefix("matvec_") else {
            continue;
        };
        let format = FORMATS.iter().find(|format| rest.starts_with(format.0));
        let format =
            format.with_context(|| format!("the format of {} is not known", variant.name))?;
        let tokens = tokens(variant);
        let seen = compile::compile(variant)
            .and_then(|object| run_product(&object, format, (rows, columns, tokens)));
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                missed += 1;
                println!("{:16} {error:#}", variant.name);
                continue;
            }
        };
        let over = seen.moved as f64 / seen.least as f64;
        let memory = seen.moved as f64 / BANDWIDTH * 1e6;
        let issue = seen.issue as f64 / ISSUES * 1e6;
        let headroom = memory / issue;
        let wanted = matches!(format.0, "q8_0" | "q4_0") && tokens == 1;
        let bad = !(0.99..=1.03).contains(&over) || (wanted && headroom < 1.5);
        missed += u32::from(bad);
        println!(
            "{:16} {:12}   {over:10.3}  {memory:9.2}  {issue:8.2}  {headroom:5.2}{}",
            variant.name,
            seen.moved,
            if bad { "  misses its goal" } else { "" },
        );
    }
    missed += matrix_products()?;
    Ok(match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Share of WMMA in the inner loops of the kernels that have it; how many miss their goal.
fn matrix_products() -> Result<u32> {
    let mut missed = 0;
    for variant in shaders::VARIANTS
        .iter()
        .filter(|v| v.name.starts_with("matmul"))
    {
        let object = match compile::compile(variant) {
            Ok(object) => object,
            Err(error) => {
                missed += 1;
                println!("{:16} {error:#}", variant.name);
                continue;
            }
        };
        let s = &object.statistics;
        let wmma = WMMA_CLOCKS * s.inner_loop_wmma;
        let all = wmma + s.inner_loop - s.inner_loop_wmma;
        let share = f64::from(wmma) / f64::from(all.max(1));
        let bad = share < 0.8;
        missed += u32::from(bad);
        println!(
            "{:16} {} WMMA of {} instructions in the inner loop: {:.1} % of its issue clocks{}",
            variant.name,
            s.inner_loop_wmma,
            s.inner_loop,
            100.0 * share,
            if bad { "  misses its goal" } else { "" },
        );
    }
    Ok(missed)
}
