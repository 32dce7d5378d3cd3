//! Loops of machine code, whoever made it.

use anyhow::{Result, anyhow};
use gfx1100_isa::{Class, Inst, Rigor, decode};

/// What a loop does in one pass through all of its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loop {
    /// Instructions.
    pub(crate) instructions: u32,
    /// Matrix products.
    pub(crate) wmma: u32,
    /// Bytes per lane that its vector instructions load from memory.
    pub(crate) bytes: u32,
}

/// An instruction by its place in dwords, and what it is if our table has it.
type Placed = (usize, Option<Inst>);

/// The instructions of machine code.
///
/// # Errors
/// If a dword is no instruction of our table.
pub(crate) fn instructions(code: &[u32]) -> Result<Vec<Placed>> {
    let mut insts = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let (inst, length) = decode(&code[at..], Rigor::Lenient)
            .map_err(|error| anyhow!("dword {at}, {:#010x}: {error}", code[at]))?;
        insts.push((at, Some(inst)));
        at += length;
    }
    Ok(insts)
}

/// The instructions of a listing that has each on a line, and behind a semicolon its dwords in hexadecimal, as RADV's has.
pub(crate) fn listed(text: &str) -> Vec<Placed> {
    let mut insts = Vec::new();
    let mut at = 0;
    for line in text.lines() {
        let Some((_, words)) = line.rsplit_once(';') else {
            continue;
        };
        let words = words.split_whitespace();
        let words: Result<Vec<u32>, _> = words.map(|word| u32::from_str_radix(word, 16)).collect();
        if let Ok(words) = words {
            insts.push((
                at,
                decode(&words, Rigor::Lenient).ok().map(|(inst, _)| inst),
            ));
            at += words.len();
        }
    }
    insts
}

/// Loops of some code that hold no other loop.
pub(crate) fn leaves(insts: &[Placed]) -> Vec<Loop> {
    let mut loops: Vec<(usize, usize)> = Vec::new();
    for (index, (at, inst)) in insts.iter().enumerate() {
        let Some(inst) = inst.as_ref().filter(|i| i.op.row().class == Class::Branch) else {
            continue;
        };
        let target = *at as i64 + 1 + i64::from(inst.imm as i16);
        let Some(start) = insts[..=index].iter().position(|i| i.0 as i64 == target) else {
            continue;
        };
        // Several branches to one place are one loop.
        match loops.iter_mut().find(|(first, _)| *first == start) {
            Some((_, last)) => *last = index,
            None => loops.push((start, index)),
        }
    }
    let holds = |outer: &(usize, usize), inner: &(usize, usize)| {
        outer != inner && outer.0 <= inner.0 && inner.1 <= outer.1
    };
    let leaves = loops.iter().filter(|l| !loops.iter().any(|o| holds(l, o)));
    leaves
        .map(|(first, last)| sum(&insts[*first..=*last]))
        .collect()
}

fn sum(insts: &[Placed]) -> Loop {
    let mut sum = Loop::default();
    for (_, inst) in insts {
        sum.instructions += 1;
        let Some(row) = inst.as_ref().map(|inst| inst.op.row()) else {
            continue;
        };
        match row.class {
            Class::Wmma => sum.wmma += 1,
            Class::VmemLoad => sum.bytes += u32::from(row.bytes),
            _ => {}
        }
    }
    sum
}

/// The number behind `name` in LLVM's comments: `; NumVgprs: 12` or `; codeLenInByte = 364`.
pub(crate) fn comment(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.contains(name))?;
    let (_, rest) = line.split_once(name)?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gfx1100_isa::assemble_words;

    #[test]
    fn loops_that_hold_no_other_are_found() {
        let text = "s_mov_b32 s0, 0\nv_nop\nglobal_load_b128 v[0:3], v4, s[2:3]\nv_nop\ns_cbranch_scc1 65532\n\
                    s_cbranch_scc0 65529\ns_endpgm";
        let code = assemble_words(text).expect("it is valid");
        let found = leaves(&instructions(&code).expect("it decodes"));
        let expected = Loop {
            instructions: 3,
            wmma: 0,
            bytes: 16,
        };
        assert_eq!(found, [expected]);
        let end = instructions(&code[code.len() - 1..]);
        assert_eq!(leaves(&end.expect("it decodes")), []);
    }

    #[test]
    fn comments_and_listings_are_read() {
        let text = "; codeLenInByte = 364\n; NumVgprs: 12\n";
        assert_eq!(comment(text, "NumVgprs"), Some(12));
        assert_eq!(comment(text, "codeLenInByte"), Some(364));
        assert_eq!(comment(text, "Occupancy"), None);
        let text = "BB0:\n\ts_mov_b32 s0, 0x10 ; be8000ff 00000010\n\ts_endpgm ; bfb00000\n";
        let found: Vec<usize> = listed(text).iter().map(|(at, _)| *at).collect();
        assert_eq!(found, [0, 2]);
    }
}
