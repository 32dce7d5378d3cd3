//! The table, the encoder, the decoder, the assembler and the disassembler against `llvm-mc-19`.

mod cases;
mod llvm;
mod quirks;
mod stricter;

use std::collections::BTreeMap;

use anyhow::Result;
use gfx1100_isa::{
    DecodeError, Encoding, Inst, Op, Operand, Rigor, Rule, assemble_words, decode, encode,
};
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
        if examples.len() < 8 {
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

/// What our encoder refuses, LLVM refuses too, or it is known why not.
#[test]
fn refusals() -> Result<()> {
    let mut illegal: Vec<Inst> = forms()
        .into_iter()
        .flat_map(|(op, encoding)| cases::of(op, encoding).illegal)
        .collect();
    illegal.extend(
        cases::duals()
            .into_iter()
            .filter(|inst| encode(inst).is_err()),
    );
    // Some are illegal in a way that the text has no words for.
    let mut texts = BTreeMap::new();
    for inst in &illegal {
        let text = inst.to_string();
        // LLVM takes what is no operand for a symbol.
        let nameless = text.contains("none") || text.contains("code");
        if !nameless && assemble_words(&text).is_err() {
            texts.insert(text, *inst);
        }
    }
    let (texts, insts): (Vec<String>, Vec<Inst>) = texts.into_iter().unzip();
    println!("{} refusals", texts.len());
    let mut complaints = Complaints::default();
    let mut seen = vec![0; stricter::TEXTS.len()];
    for ((text, inst), answer) in texts
        .iter()
        .zip(&insts)
        .zip(llvm::assemble(&texts, Halves::Whole)?)
    {
        let Ok(bytes) = answer else {
            continue;
        };
        let rule = encode(inst).expect_err("it was refused before").rule;
        match stricter::TEXTS
            .iter()
            .position(|known| (known.applies)(inst, rule))
        {
            Some(known) => seen[known] += 1,
            None => complaints.add(
                format!("LLVM takes what breaks {}", kind(&rule)),
                format!("{text}: {bytes:x?}"),
            ),
        }
    }
    for (known, count) in stricter::TEXTS.iter().zip(seen) {
        println!("{count} times: {}", known.reason);
        if count == 0 {
            complaints.add("LLVM takes this no more".into(), known.reason.into());
        }
    }
    complaints.settle();
    Ok(())
}

/// The variant of a rule.
fn kind(rule: &Rule) -> String {
    let text = format!("{rule:?}");
    if let Rule::Field(place, field, operand) = rule {
        let operand = match operand {
            Operand::Inline(128..=208) => "integer".to_string(),
            Operand::Inline(240..=248) => "float".to_string(),
            Operand::Inline(_) => "special".to_string(),
            Operand::S(0..=107) => "SGPR".to_string(),
            Operand::Literal(_) => "literal".to_string(),
            operand => format!("{operand:?}"),
        };
        return format!("Field: {operand} as {field:?} of {place:?}");
    }
    let end = if text.starts_with("Modifier") {
        text.len()
    } else {
        text.find(['(', ' ']).unwrap_or(text.len())
    };
    text[..end].to_string()
}

/// xorshift64*, by Vigna.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Every opcode of every format, with operands at random: what we decode, LLVM decodes; what LLVM decodes and we do not is
/// known by name or rule.
#[test]
fn opcode_space() -> Result<()> {
    // Prefix, place and width of the opcode, dwords.
    const FORMATS: &[(u32, u32, u32, usize)] = &[
        (0x8000_0000, 23, 7, 1),
        (0xb000_0000, 23, 5, 1),
        (0xbe80_0000, 8, 8, 1),
        (0xbf00_0000, 16, 7, 1),
        (0xbf80_0000, 16, 7, 1),
        (0xf400_0000, 18, 8, 2),
        (0x7e00_0000, 9, 8, 1),
        (0x7c00_0000, 17, 8, 1),
        (0x0000_0000, 25, 6, 1),
        (0xd400_0000, 16, 10, 2),
        (0xcc00_0000, 16, 7, 2),
        (0xc800_0000, 17, 9, 2),
        (0xd800_0000, 18, 8, 2),
        (0xdc00_0000, 16, 9, 2),
        (0xe000_0000, 18, 8, 2),
    ];
    let mut seed = 0x1234_5678_9abc_def1;
    println!("seed {seed:#x}");
    let mut questions = Vec::new();
    for &(prefix, low, width, dwords) in FORMATS {
        for opcode in 0..1_u32 << width {
            for round in 0..48 {
                questions.push(stricter::random_instruction(
                    prefix | opcode << low,
                    ((1 << width) - 1) << low,
                    prefix,
                    dwords,
                    round,
                    || random(&mut seed) as u32,
                ));
            }
        }
    }
    println!("{} questions", questions.len());
    let mut complaints = Complaints::default();
    let mut seen = vec![0; stricter::LEFT_OUT.len()];
    let mut refused = Vec::new();
    for (question, text) in questions
        .iter()
        .zip(llvm::disassemble(&questions, Halves::Whole)?)
    {
        match (decode(question, Rigor::Strict), text) {
            (Ok((inst, used)), None)
                if used == question.len()
                    && !quirks::has_named_halves(&inst)
                    && !quirks::QUIRKS.iter().any(|quirk| (quirk.applies)(&inst)) =>
            {
                complaints.add("we decode alone".into(), format!("{inst}: {question:x?}"));
            }
            (Err(error @ (DecodeError::Opcode(..) | DecodeError::Format(_))), Some(text)) => {
                let name = text.split(' ').next().unwrap_or_default();
                let known = stricter::LEFT_OUT
                    .iter()
                    .position(|known| (known.names)(name));
                match known {
                    Some(known) => seen[known] += 1,
                    None => complaints.add(
                        format!("LLVM decodes alone: {error}"),
                        format!("{text}: {question:x?}"),
                    ),
                }
            }
            (Err(error), Some(text)) => refused.push((error, question, text)),
            _ => {}
        }
    }
    // LLVM rounds tuples down and forgets fields that have no meaning: what it assembles is then something else.
    let texts: Vec<String> = refused.iter().map(|refused| refused.2.clone()).collect();
    let mut lost = 0;
    for ((error, question, text), answer) in refused
        .into_iter()
        .zip(llvm::assemble(&texts, Halves::Whole)?)
    {
        if answer.as_ref() != Ok(question) {
            lost += 1;
        } else if !stricter::decodes_otherwise(&error, &text) {
            complaints.add(
                "LLVM decodes alone".into(),
                format!("{error}: {text}: {question:x?}"),
            );
        }
    }
    println!("{lost} times LLVM does not assemble what it prints to what it read");
    for (known, count) in stricter::LEFT_OUT.iter().zip(seen) {
        println!("{count} times left out: {}", known.reason);
        if count == 0 {
            complaints.add("LLVM decodes none of these".into(), known.reason.into());
        }
    }
    complaints.settle();
    Ok(())
}
