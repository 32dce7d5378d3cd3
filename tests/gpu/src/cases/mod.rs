//! Random inputs for every kernel, the right results, and how far from them a device may be.
//!
//! Each case derives its bound beside it, from the roundings that its kernel's formula makes, whatever the order in which a
//! device adds. `EPS` is what one rounding to f32 changes at most, relative to the result.

mod attention;
mod elementwise;
mod matvec;
mod memory;
mod prefill;
mod rope;
mod sampling;

use std::fmt;

use anyhow::{Result, ensure};
use half::f16;
use tests::random::Random;

use crate::device::{Device, Launch, Outputs};

/// Largest relative change of one rounding to f32: 2^-24.
const EPS: f64 = 1.0 / (1u64 << 24) as f64;
/// Largest relative change of one rounding to f16: 2^-11.
const EPS_F16: f64 = 1.0 / 2048.0;
/// Half the distance of f16s near zero.
const TINY_F16: f64 = 1.0 / (1u64 << 25) as f64;
/// The smallest normal f32, below which a device may flush to zero.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Judges what a launch wrote.
type Check = Box<dyn Fn(&Outputs) -> Result<()>>;

/// A launch and what must come out.
pub struct Case {
    /// Kernel and shape.
    pub name: String,
    /// What to run.
    pub launch: Launch,
    /// Fails with the first element that is wrong.
    pub check: Check,
}

impl Case {
    fn new(
        shape: impl fmt::Display,
        launch: Launch,
        check: impl Fn(&Outputs) -> Result<()> + 'static,
    ) -> Self {
        Self {
            name: format!("{} {shape}", launch.kernel),
            launch,
            check: Box::new(check),
        }
    }
}

/// Every case, from the seed.
#[must_use]
pub fn all(seed: u64) -> Vec<Case> {
    let mut inputs = Inputs(Random::new(seed));
    let mut cases = Vec::new();
    elementwise::add(&mut inputs, &mut cases);
    matvec::add(&mut inputs, &mut cases);
    rope::add(&mut inputs, &mut cases);
    attention::add(&mut inputs, &mut cases);
    prefill::add(&mut inputs, &mut cases);
    memory::add(&mut inputs, &mut cases);
    sampling::add(&mut inputs, &mut cases);
    cases
}

/// Runs every case whose name contains the value of `INFERNEL_CASES`, if that is set, on a device, and prints what is wrong.
///
/// # Errors
/// If a result is wrong or a kernel does not run.
pub fn run_all(device: &dyn Device, seed: u64) -> Result<()> {
    let wanted = std::env::var("INFERNEL_CASES").unwrap_or_default();
    let cases: Vec<_> = all(seed)
        .into_iter()
        .filter(|case| case.name.contains(&wanted))
        .collect();
    ensure!(!cases.is_empty(), "no case is called {wanted}");
    println!("{}, seed {seed}, {} cases", device.name(), cases.len());
    let (mut wrong, mut left_out) = (0, 0);
    for case in &cases {
        if !device.runs(&case.launch)? {
            left_out += 1;
            continue;
        }
        let outputs = device.run(&case.launch);
        if let Err(error) = outputs.and_then(|outputs| (case.check)(&outputs)) {
            println!("{}: {error:#}", case.name);
            wrong += 1;
        }
    }
    println!("{left_out} of them need cooperative matrices, which this device lacks");
    ensure!(wrong == 0, "{wrong} of {} cases are wrong", cases.len());
    Ok(())
}

/// A number that is right, and how far from it another may be.
#[derive(Clone, Copy, Debug)]
struct Near {
    value: f64,
    bound: f64,
}

/// Compares a buffer with what it should hold.
fn compare<T: Copy + Into<f64>>(what: &str, found: &[T], expected: &[Near]) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{what}: {} elements instead of {}",
        found.len(),
        expected.len()
    );
    for (i, (found, near)) in found.iter().zip(expected).enumerate() {
        let found: f64 = (*found).into();
        // Written so that NaN fails.
        let right = (found - near.value).abs() <= near.bound;
        ensure!(
            right,
            "{what}[{i}] is {found:e}, {:e} away from {:e}; the bound is {:e}",
            (found - near.value).abs(),
            near.value,
            near.bound
        );
    }
    Ok(())
}

/// Random inputs.
struct Inputs(Random);

impl Inputs {
    /// A number from -1 to 1, in steps of 2^-23.
    fn unit(&mut self) -> f32 {
        (self.0.number() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    /// Numbers from `-largest` to `largest`, some of them much smaller, as activations are.
    fn floats(&mut self, count: usize, largest: f32) -> Vec<f32> {
        (0..count)
            .map(|_| {
                let small = if self.0.below(4) == 0 { 0.05 } else { 1.0 };
                self.unit() * small * largest
            })
            .collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.0.number() as u8).collect()
    }

    /// Two bytes: a binary16 from `-largest` to `largest`.
    fn half(&mut self, largest: f32) -> [u8; 2] {
        f16::from_f32(self.unit() * largest).to_le_bytes()
    }
}

fn exact(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
