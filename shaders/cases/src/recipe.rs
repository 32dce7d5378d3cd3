//! The list of cases, and how one is made.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::inputs::Inputs;
use crate::random::Random;
use crate::{Launch, Outputs, Result};
use crate::{attention, elementwise, matvec, memory, prefill, rope, sampling};

/// How many cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The cheapest ones that run every kernel.
    Small,
    /// All.
    Every,
}

impl Size {
    /// The size of the `number`-th shape of a list whose first is the cheapest.
    pub(crate) const fn of_shape(number: usize) -> Self {
        if number == 0 {
            Self::Small
        } else {
            Self::Every
        }
    }
}

/// Judges what a launch wrote.
type Check = Box<dyn Fn(&Outputs) -> Result<()>>;

/// A launch and what must come out.
pub struct Case {
    /// Kernel and shape.
    pub name: String,
    /// What to run.
    pub launch: Launch,
    check: Check,
}

impl Case {
    pub(crate) fn new(
        shape: impl fmt::Display,
        launch: Launch,
        check: impl Fn(&Outputs) -> Result<()> + 'static,
    ) -> Self {
        Self {
            name: alloc::format!("{} {shape}", launch.kernel),
            launch,
            check: Box::new(check),
        }
    }

    /// Judges what the launch wrote.
    ///
    /// # Errors
    /// Names the first element that is wrong.
    pub fn check(&self, outputs: &Outputs) -> Result<()> {
        (self.check)(outputs)
    }
}

type Make = Box<dyn Fn(&mut Inputs) -> Case>;

/// What makes a case.
pub struct Recipe {
    /// Name in `shaders::VARIANTS`.
    pub kernel: &'static str,
    /// The smallest set that it belongs to.
    pub size: Size,
    /// Its place among all, so that its numbers do not depend on which others are made.
    number: u64,
    make: Make,
}

impl Recipe {
    /// The case, with numbers that depend on the seed alone.
    #[must_use]
    pub fn case(&self, seed: u64) -> Case {
        let own = Random::new(seed ^ self.number).number();
        (self.make)(&mut Inputs(Random::new(own)))
    }
}

/// A list of recipes that grows.
pub(crate) struct Recipes(Vec<Recipe>);

impl Recipes {
    pub(crate) fn push(
        &mut self,
        kernel: &'static str,
        size: Size,
        make: impl Fn(&mut Inputs) -> Case + 'static,
    ) {
        self.0.push(Recipe {
            kernel,
            size,
            number: self.0.len() as u64,
            make: Box::new(make),
        });
    }
}

/// The recipes of all cases of a size. None is made yet.
#[must_use]
pub fn recipes(size: Size) -> Vec<Recipe> {
    let mut all = Recipes(Vec::new());
    elementwise::add(&mut all);
    matvec::add(&mut all);
    rope::add(&mut all);
    attention::add(&mut all);
    prefill::add(&mut all);
    memory::add(&mut all);
    sampling::add(&mut all);
    let Recipes(mut recipes) = all;
    recipes.retain(|recipe| size == Size::Every || recipe.size == Size::Small);
    recipes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_small_cases_run_every_kernel() {
        let all: BTreeSet<_> = shaders::VARIANTS.iter().map(|v| v.name).collect();
        let small = recipes(Size::Small);
        let run: BTreeSet<_> = small.iter().map(|recipe| recipe.kernel).collect();
        assert_eq!(run, all);
        assert_eq!(small.len(), all.len(), "each of them once");
    }

    #[test]
    fn a_case_depends_on_its_seed_alone() {
        let every = recipes(Size::Every);
        for recipe in recipes(Size::Small) {
            let mut same = every.iter().filter(|other| other.number == recipe.number);
            let same = same.next().expect("every case is one of all");
            let (once, again) = (recipe.case(7), same.case(7));
            assert_eq!(once.launch, again.launch, "{}", once.name);
            assert_eq!(once.launch.kernel, recipe.kernel);
            assert_ne!(once.launch, recipe.case(8).launch, "{}", once.name);
        }
    }

    /// Else a kernel that does nothing would pass.
    #[test]
    fn what_was_there_before_is_wrong() {
        for recipe in recipes(Size::Every) {
            let case = recipe.case(20_261_120);
            let written = case.launch.buffers.iter().filter(|buffer| buffer.written);
            let before = written.map(|buffer| (buffer.binding, buffer.bytes.clone()));
            let found = case.check(&Outputs(before.collect()));
            assert!(found.is_err(), "{}", case.name);
        }
    }
}
