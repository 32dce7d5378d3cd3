//! `tokenize` and `detokenize`.

use std::io::{BufRead, Read, Write};

use anyhow::{Context, anyhow};
use inference::ids::TokenId;
use inference::tokenizer::{ControlTokens, Special};

use crate::loading::ModelFile;
use crate::options::{Failure, Options};

/// Standard input to ids.
pub(crate) fn tokenize(options: &Options) -> Result<(), Failure> {
    let tokenizer = ModelFile::open(options)?.tokenizer()?;
    let special = match options.switch("special") {
        true => Special::Parse,
        false => Special::AsText,
    };
    let mut out = std::io::stdout().lock();
    let mut ids = Vec::new();
    if !options.switch("lines") {
        let text = std::io::read_to_string(std::io::stdin());
        let text = text.context("cannot read text from standard input")?;
        tokenizer.encode(&text, special, &mut ids);
        writeln!(out, "{}", joined(&ids, " "))?;
        return Ok(());
    }
    let mut blank = None;
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let place = || format!("line {} of standard input", index + 1);
        let line = line.with_context(place)?;
        if let Some(number) = blank {
            let problem = anyhow!("line {number} of standard input is blank; only the last may be");
            return Err(problem.into());
        }
        if line.trim().is_empty() {
            blank = Some(index + 1);
            continue;
        }
        let text: String = serde_json::from_str(&line)
            .with_context(|| format!("{} is not a JSON string", place()))?;
        ids.clear();
        tokenizer.encode(&text, special, &mut ids);
        writeln!(out, "[{}]", joined(&ids, ", "))?;
    }
    Ok(())
}

/// Ids, separated by spaces, line ends or commas, to text on standard output.
pub(crate) fn detokenize(options: &Options) -> Result<(), Failure> {
    let tokenizer = ModelFile::open(options)?.tokenizer()?;
    let control = match options.switch("special") {
        true => ControlTokens::Show,
        false => ControlTokens::Hide,
    };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let ids = parse_ids(&text, tokenizer.vocabulary())?;
    let text = tokenizer.detokenize(&ids, control);
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Ids in a text, each checked against the vocabulary.
pub(crate) fn parse_ids(text: &str, vocabulary: usize) -> Result<Vec<TokenId>, Failure> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let ids = words.filter(|word| !word.is_empty()).map(|word| {
        let id: u32 = word
            .parse()
            .map_err(|_| anyhow!("{word:?} is not a token id"))?;
        if id as usize >= vocabulary {
            return Err(anyhow!(
                "token id {id} is not below the vocabulary's {vocabulary}"
            ));
        }
        Ok(TokenId(id))
    });
    Ok(ids.collect::<Result<_, _>>()?)
}

fn joined(ids: &[TokenId], separator: &str) -> String {
    let ids: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
    ids.join(separator)
}
