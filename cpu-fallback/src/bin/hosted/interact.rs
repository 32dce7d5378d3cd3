//! `generate` and `chat`: text in, text out.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use cpu_fallback::CpuBackend;
use inference::engine::{Engine, EngineConfig, Event, FinishReason, Request};
use inference::generation::{
    TextStream, conversation, conversation_tokens, message, prompt_tokens,
};
use inference::ids::TokenId;
use inference::sampler::SamplingParams;
use inference::tokenizer::{Special, Tokenizer};

use crate::inspect::template;
use crate::loading::{ModelFile, backend, context};
use crate::options::{Failure, Options};
use crate::pool::Pool;

/// A model that answers one request at a time.
struct Speaker {
    engine: Engine<CpuBackend<Pool>>,
    tokenizer: Tokenizer,
    sampling: SamplingParams,
    max_tokens: usize,
}

impl Speaker {
    fn new(options: &Options, file: &mut ModelFile) -> Result<Self, Failure> {
        let model = file.model()?;
        let tokenizer = file.tokenizer()?;
        let context = context(options, model.hyperparameters())?;
        let config = EngineConfig {
            context,
            max_running: 1,
            max_waiting: 0,
        };
        Ok(Self {
            engine: Engine::new(backend(options, model, 1)?, config)?,
            tokenizer,
            sampling: sampling(options)?,
            max_tokens: options.count("n")?.unwrap_or(usize::MAX),
        })
    }

    /// Writes the answer to a prompt on standard output as it comes, and returns it.
    fn answer(&mut self, prompt: Vec<TokenId>) -> anyhow::Result<String> {
        self.engine.submit(Request {
            prompt,
            max_tokens: self.max_tokens,
            sampling: self.sampling.clone(),
            stop_tokens: self.tokenizer.end_of_generation().to_vec(),
            log_probabilities: None,
        })?;
        let (mut out, mut answer) = (std::io::stdout().lock(), String::new());
        let mut stream = TextStream::new(Vec::new());
        let mut events = Vec::new();
        let (start, mut tokens) = (Instant::now(), 0);
        while self.engine.step(&mut events)? {
            for event in events.drain(..) {
                let text = match event {
                    Event::Token { token, .. } => {
                        tokens += 1;
                        stream.push(&self.tokenizer, token).text
                    }
                    Event::Finished {
                        reason: FinishReason::Sampler(error),
                        ..
                    } => bail!(error),
                    Event::Finished { .. } => stream.finish(),
                };
                out.write_all(text.as_bytes())?;
                out.flush()?;
                answer += &text;
            }
        }
        writeln!(out)?;
        let seconds = start.elapsed().as_secs_f64();
        if std::io::stderr().is_terminal() {
            eprintln!("[{tokens} tokens in {seconds:.2} s]");
        }
        Ok(answer)
    }
}

fn sampling(options: &Options) -> Result<SamplingParams, Failure> {
    let default = SamplingParams::default();
    let params = SamplingParams {
        temperature: options.number("temperature")?.unwrap_or(0.0),
        top_k: options.number("top-k")?.unwrap_or(default.top_k),
        top_p: options.number("top-p")?.unwrap_or(default.top_p),
        min_p: options.number("min-p")?.unwrap_or(default.min_p),
        seed: options.number("seed")?.unwrap_or(default.seed),
        ..default
    };
    params
        .check()
        .map_err(|error| Failure::Usage(format!("--{error}")))?;
    Ok(params)
}

/// Continues a text.
pub(crate) fn generate(options: &Options) -> Result<(), Failure> {
    let prompt = options.required("prompt", options.text("prompt")?)?;
    let mut speaker = Speaker::new(options, &mut ModelFile::open(options)?)?;
    let tokens = prompt_tokens(&speaker.tokenizer, prompt, Special::Parse);
    speaker.answer(tokens)?;
    Ok(())
}

/// Talks, until the input ends.
pub(crate) fn chat(options: &Options) -> Result<(), Failure> {
    let mut file = ModelFile::open(options)?;
    let mut speaker = Speaker::new(options, &mut file)?;
    let template = template(&file.header, &speaker.tokenizer)?;
    let template = template.context("the model has no chat template; use `generate`")?;
    let system = options.text("system")?.map(|text| message("system", text));
    let mut messages: Vec<_> = system.clone().into_iter().collect();
    eprintln!("An empty line begins a new conversation; Ctrl-D ends.");
    let mut lines = std::io::stdin().lock().lines();
    loop {
        eprint!("> ");
        let Some(line) = lines.next() else {
            eprintln!();
            return Ok(());
        };
        let line = line.context("cannot read standard input")?;
        if line.trim().is_empty() {
            messages = system.clone().into_iter().collect();
            continue;
        }
        messages.push(message("user", &line));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = now.as_secs().try_into().unwrap_or(u32::MAX);
        let prompt = conversation(&speaker.tokenizer, messages.clone(), now);
        let tokens = conversation_tokens(&speaker.tokenizer, &template, &prompt);
        match tokens.map_err(|error| anyhow!("the chat template refuses this: {error}")) {
            Ok(tokens) => match speaker.answer(tokens) {
                Ok(answer) => messages.push(message("assistant", &answer)),
                Err(error) => {
                    eprintln!("{error:#}");
                    messages.pop();
                }
            },
            Err(error) => {
                eprintln!("{error:#}");
                messages.pop();
            }
        }
    }
}
