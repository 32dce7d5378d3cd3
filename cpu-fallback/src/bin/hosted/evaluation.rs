//! `eval` and `perplexity`: what the model thinks, in numbers.

use std::io::Write;

use anyhow::{Context, anyhow};
use inference::generation::prompt_tokens;
use inference::ids::TokenId;
use inference::sampler::{Sampler, greedy, log_sum_exp};
use inference::tokenizer::Special;
use serde_json::json;

use crate::loading::{ModelFile, backend, context};
use crate::options::{Failure, Options};
use crate::progress::Progress;
use crate::session::Session;
use crate::text::parse_ids;

/// Tokens evaluated at once where all their logits are wanted: bounds the memory for these.
const PERPLEXITY_PIECE: usize = 64;

/// The best tokens after a prompt, and the tokens that follow it greedily.
pub(crate) fn eval(options: &Options) -> Result<(), Failure> {
    let ids = options.required("ids", options.text("ids")?)?;
    let top = options.number("top")?.unwrap_or(10);
    let predict: usize = options.number("predict")?.unwrap_or(0);
    let model = ModelFile::open(options)?.model()?;
    let prompt = parse_ids(ids, model.hyperparameters().vocabulary)?;
    if prompt.is_empty() {
        return Err(anyhow!("--ids has no token, at least 1 expected").into());
    }
    let context = context(options, model.hyperparameters())?;
    let mut session = Session::new(backend(options, model, 1)?, context);
    let mut sampler = Sampler::new();
    let mut logits = session.append(&prompt)?;
    let first = greedy(logits).context("every logit is minus infinity or NaN")?;
    let pair = |(token, log_probability): &(TokenId, f32)| json!([token.0, log_probability]);
    let best = sampler.log_probabilities(logits, first, top).top;
    let best: Vec<_> = best.iter().map(pair).collect();
    let mut continuation = Vec::new();
    for index in 0..predict {
        let token = greedy(logits).context("every logit is minus infinity or NaN")?;
        let chosen = sampler.log_probabilities(logits, token, 0).chosen;
        continuation.push(pair(&(token, chosen)));
        if index + 1 < predict {
            logits = session.append(&[token])?;
        }
    }
    writeln!(
        std::io::stdout(),
        "{}",
        json!({ "top": best, "greedy": continuation })
    )?;
    Ok(())
}

/// How well the model predicts a file: each token but the first of each window of the context's length.
pub(crate) fn perplexity(options: &Options) -> Result<(), Failure> {
    let path = options.path("file")?;
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut file = ModelFile::open(options)?;
    let model = file.model()?;
    let tokenizer = file.tokenizer()?;
    let tokens = prompt_tokens(&tokenizer, &text, Special::AsText);
    let context = context(options, model.hyperparameters())?;
    let mut session = Session::new(backend(options, model, 1)?, context);
    let vocabulary = session.vocabulary();
    let mut progress = Progress::new("perplexity", tokens.len() as u64);
    let (mut sum, mut count, mut done) = (0.0, 0usize, 0);
    for window in tokens.chunks(session.context()) {
        session.restart();
        for (piece, start) in window
            .chunks(PERPLEXITY_PIECE)
            .zip((0..).step_by(PERPLEXITY_PIECE))
        {
            let logits = session.append_all(piece)?;
            let followers = window.iter().skip(start + 1);
            for (row, next) in logits.chunks_exact(vocabulary).zip(followers) {
                sum += log_sum_exp(row) - f64::from(row[next.0 as usize]);
                count += 1;
            }
            done += piece.len();
            progress.at(done as u64);
        }
    }
    drop(progress);
    if count == 0 {
        return Err(anyhow!(
            "{} is too short: no token has one before it",
            path.display()
        )
        .into());
    }
    let mean = sum / count as f64;
    let perplexity = mean.exp();
    if options.switch("json") {
        writeln!(
            std::io::stdout(),
            "{}",
            json!({ "tokens": count, "mean_nll": mean, "perplexity": perplexity })
        )?;
    } else {
        writeln!(
            std::io::stdout(),
            "perplexity {perplexity:.4} over {count} tokens"
        )?;
    }
    Ok(())
}
