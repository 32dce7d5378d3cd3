//! The table, and the rule by which loops are compared.
//!
//! Of our loops that hold no other loop, the one with the most instructions is compared (one with matrix products before all
//! others), with that loop of the other compiler which does the same work in a pass: as many matrix products, or where there
//! are none, as many bytes per lane loaded by vector instructions (scalar ones also fetch descriptors and indices). A loop
//! that does a whole multiple or fraction of it, at most [`MOST_PASSES`], is scaled, unless it does the work of another one of
//! our loops. If there is none, nothing is compared.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use shaders::{VARIANTS, Variant};

use crate::figures::{Figures, aco, llvm, ours};
use crate::listing::Loop;

/// Largest ratio of work between loops that are compared.
const MOST_PASSES: u32 = 16;
/// What the table stands between in a file.
const BEGIN: &str = "<!-- compilers: begin -->\n";
const END: &str = "<!-- compilers: end -->\n";
/// Heading of the table.
pub(crate) const HEAD: &str = "\
| kernel | inner loop: ours / LLVM / ACO | of the best | VGPRs: ours / LLVM / ACO | bytes: ours / LLVM / ACO |
| --- | --- | --- | --- | --- |
";
/// Between what belongs to different compilers.
const BETWEEN: &str = " / ";

/// A loop of another compiler beside one of ours.
#[derive(Clone, Copy)]
struct Partner {
    instructions: u32,
    /// Passes of it in `of` passes of ours.
    passes: u32,
    of: u32,
}

impl Partner {
    fn new(ours: &Loop, theirs: &Loop) -> Option<Self> {
        let work = |l: &Loop| if ours.wmma > 0 { l.wmma } else { l.bytes };
        let (ours, theirs_work) = (work(ours), work(theirs));
        let (passes, of) = match (ours, theirs_work) {
            (0, 0) => (1, 1),
            (0, _) | (_, 0) => return None,
            (a, b) if a % b == 0 => (a / b, 1),
            (a, b) if b % a == 0 => (1, b / a),
            _ => return None,
        };
        (passes.max(of) <= MOST_PASSES).then_some(Self {
            instructions: theirs.instructions,
            passes,
            of,
        })
    }

    /// Instructions for the work of one pass of ours.
    fn scaled(self) -> f64 {
        f64::from(self.instructions * self.passes) / f64::from(self.of)
    }

    fn text(self) -> String {
        let Self {
            instructions,
            passes,
            of,
        } = self;
        match (passes, of) {
            (1, 1) => instructions.to_string(),
            (_, 1) => format!("{passes} x {instructions}"),
            _ => format!("{instructions} : {of}"),
        }
    }
}

/// Our loop that is compared.
fn main_loop(loops: &[Loop]) -> Option<&Loop> {
    loops.iter().max_by_key(|l| (l.wmma, l.instructions))
}

/// Their loop that does the same work as our main one; of several the one that is nearest in work, then the longest.
fn partner(ours: &[Loop], theirs: &[Loop]) -> Option<Partner> {
    let main = main_loop(ours)?;
    let work = |l: &Loop| (l.wmma, l.bytes);
    // A loop that does exactly the work of another one of ours is that one's partner.
    let taken = |l: &Loop| work(l) != work(main) && ours.iter().any(|o| work(o) == work(l));
    let free = theirs.iter().filter(|l| !taken(l));
    let partners = free.filter_map(|theirs| Partner::new(main, theirs));
    partners.max_by_key(|p| (-i64::from(p.passes.max(p.of)), p.instructions))
}

fn join<T>(cells: &[Option<T>; 3], text: impl Fn(&T) -> String) -> String {
    let cells = cells
        .iter()
        .map(|cell| cell.as_ref().map_or("-".into(), &text));
    cells.collect::<Vec<_>>().join(BETWEEN)
}

/// The row of a kernel; what cannot be compiled is told on stderr and left out.
pub(crate) fn row(variant: &Variant) -> Result<String> {
    let found = |who: &str, result: Result<Figures>| match result {
        Ok(figures) => Some(figures),
        Err(error) => {
            eprintln!("{}: {who}: {error:#}", variant.name);
            None
        }
    };
    let figures = [
        Some(ours(variant)?),
        found("LLVM", llvm(variant)),
        found("ACO", aco(variant)),
    ];
    let [Some(own), theirs @ ..] = &figures else {
        bail!("ours is there")
    };
    let (loops, ratio) = match main_loop(&own.loops) {
        None => ("none".into(), "-".into()),
        Some(main) => {
            let partners = theirs
                .each_ref()
                .map(|f| partner(&own.loops, &f.as_ref()?.loops));
            let [a, b] = partners.map(|p| p.map(Partner::text));
            let best = partners
                .iter()
                .flatten()
                .map(|p| p.scaled())
                .reduce(f64::min);
            let ratio = best.map(|best| format!("{:.2}", f64::from(main.instructions) / best));
            let loops = join(&[Some(main.instructions.to_string()), a, b], String::clone);
            (loops, ratio.unwrap_or("-".into()))
        }
    };
    let vgprs = join(&figures, |f| f.vgprs.to_string());
    let bytes = join(&figures, |f| f.bytes.to_string());
    Ok(format!(
        "| {} | {loops} | {ratio} | {vgprs} | {bytes} |",
        variant.name
    ))
}

/// The lines between the marks of a file, and the text before and after them.
fn marked(text: &str) -> Result<(&str, &str, &str)> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (table, after) = rest.split_once(END)?;
        Some((before, table, after))
    });
    parts.with_context(|| format!("no table between {} and {}", BEGIN.trim(), END.trim()))
}

/// Writes the whole table between the marks of a file.
pub(crate) fn write(file: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let (before, _, after) = marked(&text)?;
    let rows: Vec<String> = VARIANTS.iter().map(row).collect::<Result<_>>()?;
    let table = format!("{HEAD}{}\n", rows.join("\n"));
    fs::write(file, [before, BEGIN, &table, END, after].concat())?;
    Ok(())
}

/// Compares a file's table with what the build gives now: our numbers in each row, all numbers in the rows of `names`.
pub(crate) fn check(file: &str, names: &[&str]) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let (_, table, _) = marked(&text)?;
    let lines = table
        .strip_prefix(HEAD)
        .context("the table has another head")?
        .lines();
    let lines: Vec<&str> = lines.collect();
    ensure!(
        lines.len() == VARIANTS.len(),
        "{} rows for {} kernels",
        lines.len(),
        VARIANTS.len()
    );
    let mut wrong = 0;
    for (line, variant) in lines.iter().zip(VARIANTS) {
        let now = if names.contains(&variant.name) {
            (row(variant)?, (*line).to_owned())
        } else {
            let figures = ours(variant)?;
            let main = main_loop(&figures.loops).map(|l| l.instructions.to_string());
            let now = [
                variant.name.to_owned(),
                main.unwrap_or("none".into()),
                figures.vgprs.to_string(),
                figures.bytes.to_string(),
            ];
            (now.join(" | "), own_cells(line))
        };
        if now.0 != now.1 {
            println!("now: {}\nin {file}: {}", now.0, now.1);
            wrong += 1;
        }
    }
    ensure!(
        wrong == 0,
        "{wrong} rows are not what the build gives: cargo compilers -- --write {file}"
    );
    Ok(())
}

/// What of a row is ours: name, inner loop, VGPRs, bytes.
fn own_cells(line: &str) -> String {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let first = |at: usize| cells.get(at).and_then(|cell| cell.split(BETWEEN).next());
    let cells = [1, 2, 4, 5].map(|at| first(at).unwrap_or_default());
    cells.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instructions: u32, bytes: u32) -> Loop {
        Loop {
            instructions,
            bytes,
            ..Loop::default()
        }
    }

    #[test]
    fn loops_of_equal_work_are_compared() {
        let ours = [of(100, 64), of(40, 8)];
        let found = |theirs: &[Loop]| partner(&ours, theirs).map(|p| (p.text(), p.scaled()));
        assert_eq!(found(&[of(30, 16), of(90, 64)]), Some(("90".into(), 90.0)));
        assert_eq!(found(&[of(30, 16)]), Some(("4 x 30".into(), 120.0)));
        assert_eq!(found(&[of(180, 128)]), Some(("180 : 2".into(), 90.0)));
        assert_eq!(found(&[of(30, 40), of(20, 0), of(30, 8)]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn own_cells_are_found() {
        let line = "| add | 12 / - / 3 x 4 | 1.00 | 8 / 9 / 24 | 100 / 90 / 80 |";
        assert_eq!(own_cells(line), "add | 12 | 8 | 100");
        assert_eq!(
            own_cells("| add | none | - | 8 / 9 / 24 | 100 / 90 / 80 |"),
            "add | none | 8 | 100"
        );
    }
}
