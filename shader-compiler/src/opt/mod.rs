//! The optimiser: passes on the SSA form, each a file that can be read alone, called from a flat list.
//!
//! Every pass takes a valid function and leaves one that computes the same; each can be switched off by name, to find the
//! one that broke something, except those that selection relies on (`locals`: no variables remain).

mod address;
mod alignment;
mod clean;
mod contract;
mod duplicate;
mod flatten;
mod hoist;
mod induction;
mod locals;
mod loops;
mod rotate;
mod rules;
mod simplify;
mod unroll;
mod vectorise;

use crate::error::{Fault, Reason};
use crate::ir::Function;

/// A pass: true if it changed something.
type Pass = fn(&mut Function) -> bool;

/// Names and functions, for switches and traces.
const SIMPLIFY: &[(&str, Pass)] = &[
    ("simplify", simplify::run),
    ("blocks", clean::blocks),
    ("parameters", clean::parameters),
    ("unused", clean::unused),
];

/// What happens in order, each followed by [`SIMPLIFY`] until nothing changes.
const PIPELINE: &[(&str, Pass)] = &[
    ("locals", locals::run),
    ("unroll", unroll_all),
    ("expand", locals::expand),
    ("locals", locals::run),
    ("join", clean::blocks_at_last),
    ("flatten", flatten::run),
    ("contract", contract::run),
    ("hoist", hoist::run),
    ("rotate", rotate::run),
    ("hoist", hoist::run),
    ("address", address::run),
    ("hoist", hoist::run),
    ("induction", induction::run),
    ("vectorise", vectorise::run),
    ("hoist", hoist::run),
];

/// Rounds of [`SIMPLIFY`] at most: each only ever shrinks or canonicalises, the bound is a guard.
const MOST_ROUNDS: usize = 20;

/// The names of all passes, in the order of their first use.
pub fn names() -> impl Iterator<Item = &'static str> {
    let all = || SIMPLIFY.iter().chain(PIPELINE).map(|(name, _)| *name);
    all()
        .enumerate()
        .filter(move |(place, name)| all().take(*place).all(|earlier| earlier != *name))
        .map(|(_, name)| name)
}

/// Runs all passes but those that `off` names. `trace` sees the function after each that changed it.
///
/// # Errors
/// If a variable cannot become values: an array with a varying index and too many elements to choose among.
pub fn run(
    function: &mut Function,
    off: &dyn Fn(&str) -> bool,
    trace: &mut dyn FnMut(&str, &Function),
) -> Result<(), Fault> {
    simplify_fully(function, off, trace);
    for (name, pass) in PIPELINE {
        if !off(name) && pass(function) {
            trace(name, function);
            simplify_fully(function, off, trace);
        }
    }
    if let Some(name) = locals::remaining(function) {
        return Err(Fault::nowhere(Reason::Unsupported(format!(
            "the variable `{name}` is an array of matrices or of more than {} elements with an index that is not \
             constant; write the loop so that it can be unrolled, or use workgroup memory",
            locals::MOST_CHOICES
        ))));
    }
    function.locals.clear();
    Ok(())
}

fn simplify_fully(
    function: &mut Function,
    off: &dyn Fn(&str) -> bool,
    trace: &mut dyn FnMut(&str, &Function),
) {
    for _ in 0..MOST_ROUNDS {
        let mut changed = false;
        for (name, pass) in SIMPLIFY {
            if !off(name) && pass(function) {
                trace(name, function);
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Writes out loops, inner ones first, each simplified before the next is looked at.
fn unroll_all(function: &mut Function) -> bool {
    let mut changed = false;
    while unroll::run(function) {
        changed = true;
        locals::run(function);
        simplify_fully(function, &|_| false, &mut |_, _| {});
    }
    changed
}
