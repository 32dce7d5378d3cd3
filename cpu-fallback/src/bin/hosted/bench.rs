//! `bench`: tokens a second.

use std::io::Write;
use std::time::Instant;

use anyhow::anyhow;
use inference::backend::Backend;
use inference::ids::TokenId;
use inference::sampler::greedy;
use serde_json::json;

use crate::loading::{ModelFile, backend, context, threads};
use crate::options::{Failure, Options};
use crate::progress::Progress;
use crate::session::Session;

/// Measures a prompt of `-p` tokens, and the generation of `-n` tokens from an empty context.
pub(crate) fn bench(options: &Options) -> Result<(), Failure> {
    let prompt: usize = options.number("p")?.unwrap_or(128);
    let generated: usize = options.number("n")?.unwrap_or(64);
    let repetitions = options.count("repetitions")?.unwrap_or(5);
    let start = Instant::now();
    let mut file = ModelFile::open(options)?;
    let model = file.model()?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let context = context(options, model.hyperparameters())?;
    if prompt.max(generated) > context {
        let wanted = prompt.max(generated);
        return Err(anyhow!("{wanted} tokens do not fit into the context of {context}").into());
    }
    let backend = backend(options, model.clone(), 1)?;
    let (kernels, threads) = (backend.config().kernels, threads(options)?);
    let mut session = Session::new(backend, context);
    // Any tokens cost the same; these are spread over the embedding as a text's would be.
    let vocabulary = session.vocabulary();
    let tokens: Vec<_> = (0..prompt)
        .map(|i| TokenId((i * 7919 % vocabulary) as u32))
        .collect();
    let mut progress = Progress::new("bench", repetitions as u64 + 1);
    let (mut prompt_rates, mut generation_rates) = (Vec::new(), Vec::new());
    for round in 0..=repetitions {
        let prompt_rate = rate(prompt, || measure_prompt(&mut session, &tokens))?;
        let generation_rate = rate(generated, || measure_generation(&mut session, generated))?;
        // The first round warms caches up.
        if round > 0 {
            prompt_rates.push(prompt_rate);
            generation_rates.push(generation_rate);
        }
        progress.at(round as u64 + 1);
    }
    drop(progress);
    let (prompt_rate, generation_rate) = (median(prompt_rates), median(generation_rates));
    if options.switch("json") {
        let report = json!({
            "model": inference::model::name(&file.header),
            "backend": "cpu",
            "kernels": kernels.name(),
            "threads": threads,
            "repetitions": repetitions,
            "load_ms": load_ms,
            "prompt_tokens": prompt,
            "prompt_tokens_per_second": prompt_rate,
            "generated_tokens": generated,
            "generation_tokens_per_second": generation_rate,
        });
        writeln!(std::io::stdout(), "{report}")?;
    } else {
        writeln!(
            std::io::stdout(),
            "kernels {kernels}, {threads} threads, median of {repetitions}"
        )?;
        writeln!(
            std::io::stdout(),
            "prompt of {prompt} tokens: {prompt_rate:.1} tokens/s"
        )?;
        writeln!(
            std::io::stdout(),
            "generation of {generated} tokens: {generation_rate:.1} tokens/s"
        )?;
    }
    Ok(())
}

fn measure_prompt<B: Backend>(session: &mut Session<B>, tokens: &[TokenId]) -> anyhow::Result<()> {
    session.restart();
    session.append(tokens)?;
    Ok(())
}

fn measure_generation<B: Backend>(session: &mut Session<B>, count: usize) -> anyhow::Result<()> {
    session.restart();
    let mut token = TokenId(0);
    for _ in 0..count {
        token = greedy(session.append(&[token])?).unwrap_or(token);
    }
    Ok(())
}

/// Units a second of `work` that does `units`; 0 if there are none.
fn rate(units: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    if units == 0 {
        return Ok(0.0);
    }
    let start = Instant::now();
    work()?;
    Ok(units as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
