//! The table, the encoder, the decoder, the assembler and the disassembler against `llvm-mc-19`.

mod cases;
mod llvm;
mod quirks;

use std::collections::BTreeMap;

use anyhow::Result;
use gfx1100_isa::{Encoding, Inst, Op, Rigor, assemble_words, decode, encode};
use llvm::Halves;

/// Every row in each of its encodings.
fn forms() -> Vec<(Op, Encoding)> {
    let mut forms = Vec::new();
    for &op in Op::ALL {
        if op != Op::V_DUAL {
            forms.push((op, Encoding::Native));
            if op.row().vop3 {
                forms.push((op, Encoding::Vop3));
            }
        }
    }
    forms
}

fn words(inst: &Inst) -> Vec<u32> {
    encode(inst)
        .unwrap_or_else(|error| panic!("{inst:?}: {error}"))
        .to_vec()
}

/// Complaints by kind, with a few examples each.
#[derive(Default)]
struct Complaints(BTreeMap<String, (usize, Vec<String>)>);

impl Complaints {
    fn add(&mut self, kind: String, example: String) {
        let (count, examples) = self.0.entry(kind).or_default();
        *count += 1;
        if examples.len() < 12 {
            examples.push(example);
        }
    }

    fn settle(self) {
        for (kind, (count, examples)) in &self.0 {
            println!("{count} times: {kind}\n    {}", examples.join("\n    "));
        }
        assert!(self.0.is_empty());
    }
}

#[test]
fn round_trip() -> Result<()> {
    let mut legal: Vec<Inst> = forms()
        .into_iter()
        .flat_map(|(op, encoding)| cases::of(op, encoding).legal)
        .collect();
    legal.extend(
        cases::duals()
            .into_iter()
            .filter(|inst| encode(inst).is_ok()),
    );
    println!("{} instructions", legal.len());
    let mut complaints = Complaints::default();
    for inst in &legal {
        by_itself(inst, &mut complaints);
    }
    let (named, whole): (Vec<Inst>, Vec<Inst>) = legal
        .iter()
        .partition(|inst| quirks::has_named_halves(inst));
    assert!(!named.is_empty());
    let mut seen = vec![0; quirks::QUIRKS.len()];
    for (insts, halves) in [(whole, Halves::Whole), (named, Halves::Named)] {
        let quarrels = with_llvm(&insts, halves)?;
        for (inst, quarrel) in insts.iter().zip(quarrels) {
            let Some((kind, example)) = quarrel else {
                continue;
            };
            match quirks::QUIRKS
                .iter()
                .position(|quirk| (quirk.applies)(inst))
            {
                Some(quirk) => seen[quirk] += 1,
                None => complaints.add(kind, example),
            }
        }
    }
    for (quirk, count) in quirks::QUIRKS.iter().zip(seen) {
        println!("{count} times: {}", quirk.reason);
        if count == 0 {
            complaints.add("LLVM has this quirk no more".into(), quirk.reason.into());
        }
    }
    complaints.settle();
    Ok(())
}

/// Our own text and decoder against our own encoder.
fn by_itself(inst: &Inst, complaints: &mut Complaints) {
    let bytes = words(inst);
    let text = inst.to_string();
    let back = decode(&bytes, Rigor::Strict);
    if back != Ok((*inst, bytes.len())) {
        complaints.add(
            "decoded otherwise".into(),
            format!("{inst:?} {bytes:x?} {back:?}"),
        );
    }
    let own = assemble_words(&text);
    if own.as_ref() != Ok(&bytes) {
        complaints.add(
            "own text assembles otherwise".into(),
            format!("{text}: {bytes:x?} {own:x?}"),
        );
    }
}

/// Where LLVM and we disagree about an instruction: the kind, and what was said.
type Quarrel = Option<(String, String)>;

/// Our bytes to LLVM's text to our bytes; our text to LLVM's bytes.
fn with_llvm(insts: &[Inst], halves: Halves) -> Result<Vec<Quarrel>> {
    let bytes: Vec<Vec<u32>> = insts.iter().map(words).collect();
    let texts: Vec<String> = insts.iter().map(Inst::to_string).collect();
    let disassembled = llvm::disassemble(&bytes, halves)?;
    let assembled = llvm::assemble(&texts, halves)?;
    let mut quarrels = Vec::new();
    for (((bytes, ours), text), answer) in bytes.iter().zip(&texts).zip(disassembled).zip(assembled)
    {
        let back = text.as_deref().map(assemble_words);
        quarrels.push(match (&text, &answer) {
            (None, _) => Some(("LLVM does not decode".into(), format!("{ours}: {bytes:x?}"))),
            (Some(text), _) if back.as_ref() != Some(&Ok(bytes.clone())) => {
                let kind = "we assemble LLVM's text to other bytes".into();
                Some((kind, format!("{ours} | {text}: {bytes:x?} {back:x?}")))
            }
            (_, Err(error)) => Some((format!("LLVM refuses: {error}"), ours.clone())),
            (_, Ok(theirs)) if theirs != bytes => {
                let kind = "LLVM assembles our text to other bytes".into();
                Some((kind, format!("{ours}: {bytes:x?} {theirs:x?}")))
            }
            _ => None,
        });
    }
    Ok(quarrels)
}
