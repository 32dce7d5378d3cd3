//! `random-programs FIRST COUNT`: the random programs of COUNT seeds from FIRST, on software Vulkan and by us, a line for each.
//! `random-programs source SEED`: the WGSL of one.

use std::io::Write;

use anyhow::{Context, Result};
use gpu_tests::campaign;
use gpu_tests::random_programs::Program;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse::<u64>().ok();
    match &words[..] {
        [first, count] if first == "source" => {
            let program = Program::of(number(count).context("a seed is a number")?);
            println!("// {} workgroups\n{}", program.groups, program.source);
            Ok(())
        }
        [first, count] => {
            let seeds = number(first).zip(number(count));
            let (first, count) = seeds.context("usage: random-programs FIRST COUNT")?;
            let end = first.checked_add(count).context("seeds are below 2^64")?;
            let mut out = std::io::stdout().lock();
            campaign::batch(first..end, &mut |line| {
                // Who reads it may have seen enough.
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            })
        }
        _ => anyhow::bail!("usage: random-programs FIRST COUNT, or random-programs source SEED"),
    }
}
