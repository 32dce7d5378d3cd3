//! `info` and `load`: what a file says, and whether all of it is sound.

use std::io::Write;

use anyhow::{Context, Result};
use inference::chat::ChatTemplate;
use inference::generation::chat_template;
use inference::gguf::{Header, Value, optional};
use inference::ids::TokenId;
use inference::model::{Plan, name};
use inference::tokenizer::Tokenizer;

use crate::loading::{ModelFile, backend, context};
use crate::options::{Failure, Options};
use crate::session::Session;

/// The key of the chat template.
const TEMPLATE: &str = "tokenizer.chat_template";

/// Characters of a value that `info` shows.
const SHOWN: usize = 100;

/// Prints keys, tensors, and whether the model can be run.
pub(crate) fn info(options: &Options) -> Result<(), Failure> {
    let header = ModelFile::open(options)?.header;
    let mut out = std::io::stdout().lock();
    writeln!(out, "name: {}", name(&header))?;
    writeln!(out, "GGUF version: {}", header.version())?;
    for (key, value) in header.values() {
        writeln!(out, "{key}: {}", shown(value))?;
    }
    let mut elements = 0u64;
    for (name, info) in header.tensors() {
        writeln!(
            out,
            "tensor {name}: {:?} {:?}, {} bytes",
            info.weight_type, info.dimensions, info.length
        )?;
        elements += info.dimensions.iter().product::<u64>();
    }
    writeln!(
        out,
        "parameters: {elements} in {} bytes",
        header.data_length()
    )?;
    match Plan::new(&header) {
        Ok(_) => writeln!(out, "can be run: yes")?,
        Err(error) => writeln!(out, "can be run: no, {error}")?,
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(array) => return format!("{} elements, {}", array.len(), value.type_name()),
        Value::String(text) => format!("{text:?}"),
        other => {
            // `Debug` prints `U32(5)`; the number alone is enough.
            let text = format!("{other:?}");
            let number = text
                .split_once('(')
                .and_then(|(_, rest)| rest.strip_suffix(')'));
            number.map_or(text.clone(), str::to_owned)
        }
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Reads and checks everything.
pub(crate) fn load(options: &Options) -> Result<(), Failure> {
    let mut file = ModelFile::open(options)?;
    let model = file.model()?;
    let tokenizer = file.tokenizer()?;
    model.check_weights(&file.header)?;
    let template = match template(&file.header, &tokenizer)? {
        Some(_) => "renders",
        None => "none",
    };
    let (tensors, bytes) = (file.header.tensors().count(), file.header.data_length());
    let context = context(options, model.hyperparameters())?;
    let mut session = Session::new(backend(options, model, 1)?, context);
    let token = tokenizer.bos().unwrap_or(TokenId(0));
    session.append(&[token])?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "tensors: {tensors}, {bytes} bytes")?;
    writeln!(out, "tokenizer: {} tokens", tokenizer.vocabulary())?;
    writeln!(out, "chat template: {template}")?;
    writeln!(out, "ok {}", name(&file.header))?;
    Ok(())
}

/// The file's chat template, if it has one; it was tried.
pub(crate) fn template(header: &Header, tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>> {
    let Some(source) = optional(header.string(TEMPLATE))? else {
        return Ok(None);
    };
    let template = chat_template(source, tokenizer);
    Ok(Some(template.with_context(|| format!("key {TEMPLATE}"))?))
}
