//! Cases one after the other, and what is said of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use shader_cases::{Device, Error, Size, recipes};

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What the numbers depend on.
    pub seed: u64,
    /// How many cases.
    pub size: Size,
    /// Only cases whose names, which begin with the kernels', begin with this.
    pub only: &'a str,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All results are right.
    Passed,
    /// The first thing that is wrong.
    Failed(Error),
    /// The device says that it lacks something that the kernel needs.
    LeftOut,
    /// The device was lost before.
    NotRun,
}

/// A case that was looked at.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// Its place, from 1, and how many cases there are.
    pub place: (usize, usize),
    /// The kernel.
    pub kernel: &'static str,
    /// Kernel and shape.
    pub name: &'a str,
    /// How it went.
    pub judgement: Judgement,
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, total) = self.place;
        let width = if total < 100 { 2 } else { 3 };
        write!(out, "[{number:width$}/{total}] {}: ", self.name)?;
        match &self.judgement {
            Judgement::Passed => out.write_str("passed"),
            Judgement::Failed(error) => write!(out, "FAILED: {error}"),
            Judgement::LeftOut => out.write_str("left out, the device lacks something"),
            Judgement::NotRun => out.write_str("not run, the device is lost"),
        }
    }
}

/// How all went. Its last line is `selftest: N passed, N failed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that are right.
    pub passed: usize,
    /// Cases that are wrong, or were not run as the device was lost.
    pub failed: usize,
    /// Of these, the ones that were not run.
    pub not_run: usize,
    /// Cases that the device cannot run, and says so.
    pub left_out: usize,
    /// For each kernel of which a case is wrong, in what case, and the first thing that is wrong there.
    pub wrong: Vec<(&'static str, String, Error)>,
}

impl Summary {
    /// Something was run, and nothing is wrong.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    fn note(&mut self, outcome: &Outcome<'_>) {
        match &outcome.judgement {
            Judgement::Passed => self.passed += 1,
            Judgement::LeftOut => self.left_out += 1,
            Judgement::NotRun => (self.failed, self.not_run) = (self.failed + 1, self.not_run + 1),
            Judgement::Failed(error) => {
                self.failed += 1;
                let known = |(kernel, ..): &(&str, _, _)| *kernel == outcome.kernel;
                if !self.wrong.iter().any(known) {
                    let found = (outcome.kernel, outcome.name.into(), error.clone());
                    self.wrong.push(found);
                }
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kernel, case, error) in &self.wrong {
            writeln!(out, "kernel {kernel} is wrong, in the case {case}: {error}")?;
        }
        if self.not_run > 0 {
            let count = self.not_run;
            writeln!(
                out,
                "{count} of the failed were not run: the device is lost"
            )?;
        }
        if self.left_out > 0 {
            let count = self.left_out;
            writeln!(out, "{count} were left out: the device lacks something")?;
        }
        let Self { passed, failed, .. } = self;
        write!(out, "selftest: {passed} passed, {failed} failed")
    }
}

/// Runs the cases of a plan. `hear` is told of each when it is done.
pub fn run(
    device: &mut dyn Device,
    plan: &Plan<'_>,
    hear: &mut dyn FnMut(&Outcome<'_>),
) -> Summary {
    let recipes = recipes(plan.size);
    let total = recipes.len();
    let mut summary = Summary::default();
    for (number, recipe) in (1..).zip(recipes) {
        let (kernel, only) = (recipe.kernel, plan.only);
        if !(kernel.starts_with(only) || only.starts_with(kernel)) {
            continue;
        }
        let case = recipe.case(plan.seed);
        if !case.name.starts_with(only) {
            continue;
        }
        let judgement = if device.is_lost() {
            Judgement::NotRun
        } else {
            judge(device, &case)
        };
        let outcome = Outcome {
            place: (number, total),
            kernel,
            name: &case.name,
            judgement,
        };
        summary.note(&outcome);
        hear(&outcome);
    }
    summary
}

fn judge(device: &mut dyn Device, case: &shader_cases::Case) -> Judgement {
    match device.runs(&case.launch) {
        Ok(true) => {}
        Ok(false) => return Judgement::LeftOut,
        Err(error) => return Judgement::Failed(error),
    }
    let outputs = device.run(&case.launch);
    match outputs.and_then(|outputs| case.check(&outputs)) {
        Ok(()) => Judgement::Passed,
        Err(error) => Judgement::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use shader_cases::{Launch, Outputs, Result};

    use super::*;

    /// Knows how to add, clear, and copy nothing; everything else it refuses. One element of a sum may be wrong.
    #[derive(Default)]
    struct Adder {
        wrong: Option<usize>,
        /// Is lost after so many launches.
        lives: usize,
        runs: usize,
    }

    impl Device for Adder {
        fn name(&self) -> String {
            "an adder".into()
        }

        fn runs(&self, launch: &Launch) -> Result<bool> {
            Ok(launch.kernel != "silu_f32")
        }

        fn run(&mut self, launch: &Launch) -> Result<Outputs> {
            self.runs += 1;
            if launch.kernel != "add" {
                return Err(Error::new("it cannot do that"));
            }
            let [x, delta] = &launch.buffers[..] else {
                return Err(Error::new("two buffers are expected"));
            };
            let count = u32::from_le_bytes(launch.immediates[..4].try_into().expect("a number"));
            let numbers = |bytes: &[u8]| {
                let (words, _) = bytes.as_chunks();
                words
                    .iter()
                    .map(|word| f32::from_le_bytes(*word))
                    .collect::<vec::Vec<_>>()
            };
            let (mut sum, delta) = (numbers(&x.bytes), numbers(&delta.bytes));
            for (sum, delta) in sum.iter_mut().zip(delta).take(4 * count as usize) {
                *sum += delta;
            }
            if let Some(at) = self.wrong {
                sum[at] = 1234.5;
            }
            let bytes = sum.iter().flat_map(|number| number.to_le_bytes());
            Ok(Outputs(vec![(0, bytes.collect())]))
        }

        fn is_lost(&self) -> bool {
            self.lives > 0 && self.runs >= self.lives
        }
    }

    fn report(device: &mut Adder, only: &str) -> (Summary, vec::Vec<String>) {
        let plan = Plan {
            seed: 5,
            size: Size::Every,
            only,
        };
        let mut lines = vec::Vec::new();
        let summary = run(device, &plan, &mut |outcome| {
            lines.push(outcome.to_string())
        });
        (summary, lines)
    }

    #[test]
    fn what_is_right_passes() {
        let (summary, lines) = report(&mut Adder::default(), "add ");
        assert!(summary.is_good());
        assert_eq!(summary.to_string(), "selftest: 4 passed, 0 failed");
        assert!(
            lines.iter().all(|line| line.ends_with(": passed")),
            "{lines:?}"
        );
        assert!(lines[0].contains("/300] add 255: "), "{lines:?}");
    }

    #[test]
    fn a_wrong_element_is_named_with_its_kernel() {
        let mut device = Adder {
            wrong: Some(7),
            ..Adder::default()
        };
        let (summary, lines) = report(&mut device, "add ");
        // A case of one vector has 4 elements, and 8 that must stay as they are.
        assert_eq!((summary.passed, summary.failed), (0, 4));
        assert_eq!(lines.len(), 4);
        for line in lines {
            assert!(line.contains("add "), "{line}");
            assert!(
                line.contains(": FAILED: x[7] is 1234.5 instead of "),
                "{line}"
            );
        }
        let text = summary.to_string();
        let mut lines = text.lines();
        let first = lines.next().expect("a line");
        assert!(
            first.starts_with("kernel add is wrong, in the case add 255: x[7] is 1234.5 "),
            "{first}"
        );
        assert_eq!(lines.next(), Some("selftest: 0 passed, 4 failed"));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn what_cannot_run_is_neither_right_nor_wrong() {
        let (summary, lines) = report(&mut Adder::default(), "silu_f32 ");
        assert_eq!((summary.left_out, summary.failed), (5, 0));
        assert!(!summary.is_good());
        assert!(lines[0].contains("left out"), "{lines:?}");
        let (summary, _) = report(&mut Adder::default(), "silu_f16 ");
        assert_eq!((summary.left_out, summary.failed), (0, 5));
        assert_eq!(summary.wrong.len(), 1);
    }

    #[test]
    fn a_lost_device_is_left_alone() {
        let mut device = Adder {
            lives: 2,
            ..Adder::default()
        };
        let (summary, lines) = report(&mut device, "add ");
        assert_eq!(device.runs, 2);
        assert_eq!((summary.passed, summary.failed, summary.not_run), (2, 2, 2));
        assert!(lines[3].ends_with("not run, the device is lost"));
        assert!(
            summary
                .to_string()
                .ends_with("the device is lost\nselftest: 2 passed, 2 failed")
        );
    }
}
