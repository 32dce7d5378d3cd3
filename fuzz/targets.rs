//! What the fuzzers call, and `cargo test` on the kept corpora: each function takes bytes that nobody checked, and must come
//! back. A panic, an endless loop or memory without bound is the bug, and so is a broken promise that a function asserts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cpu_fallback::fork_join::SingleCore;
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use firmware_loader::archive::{Archive, Entry};
use firmware_loader::{File, Firmware, PART_MAX, SETS, Set};
use inference::backend::BackendError;
use inference::chat::{ChatTemplate, Conversation, Origin};
use inference::engine::{Engine, EngineConfig, Request};
use inference::gguf::Header;
use inference::ids::TokenId;
use inference::model::{Model, ModelError, Plan};
use inference::sampler::SamplingParams;
use inference::source::BlockSource;
use inference::tokenizer::{ControlTokens, Metadata, Special, TokenKind, Tokenizer};
use serde_json::json;
use serving::{Server, ServerConfig};

#[allow(dead_code, reason = "the loader's tests use the rest")]
#[path = "../firmware-loader/tests/support/synthetic.rs"]
mod synthetic;

#[path = "driver.rs"]
pub(crate) mod driver;

/// What a fuzzer calls.
pub(crate) type Target = fn(&[u8]);

/// A parser's name and its entry: one row for each target in `fuzz/fuzz_targets` and folder in `fuzz/corpus`.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("gguf", gguf),
    ("http", http),
    ("api", api),
    ("template", template),
    ("tokenizer", tokenizer),
    ("firmware", firmware),
    ("discovery", driver::discovery),
    ("interrupts", driver::interrupts),
    ("card", driver::card),
];

/// A whole model small enough to be evaluated thousands of times a second: one layer, width 32, four tokens.
const TINY: &[u8] = include_bytes!("corpus/gguf/tiny-q8_0.gguf");

/// Bytes of the largest weights that are evaluated.
const MOST_BYTES: usize = 64 << 10;

/// The demo model, for its vocabulary: 4096 tokens of byte-level BPE.
const DEMO: &[u8] = include_bytes!("../tests/data/demo.gguf");

/// Everything that is read from a model file, and each part put to use: text through the tokenizer, a conversation through
/// the template, two tokens through the weights.
pub(crate) fn gguf(mut data: &[u8]) {
    let Ok(header) = Header::read(&mut data) else {
        return;
    };
    if let Ok(tokenizer) = Tokenizer::from_gguf(&header) {
        spell(
            &tokenizer,
            "ab<e>a  b\n\u{1f600}</s> \u{2581}<|im_end|>\u{0}",
        );
    }
    if let Ok(source) = header.string("tokenizer.chat_template")
        && let Ok(template) = ChatTemplate::compile(source)
    {
        let _ = template.render(&conversation("hello"));
    }
    if let Ok(plan) = Plan::new(&header) {
        let is_small = plan.data_length() <= MOST_BYTES;
        match load(data, &header, plan) {
            Ok(model) if is_small => generate(model),
            _ => {}
        }
    }
}

fn load(mut data: &[u8], header: &Header, plan: Plan) -> Result<Model, ModelError> {
    let mut tensors = vec![0; plan.data_length()];
    let read = data.read_at(header.data_offset(), &mut tensors);
    read.expect("the header checked that the data is there");
    plan.with_data(Arc::new(tensors))
}

fn engine(model: Model, kv_blocks: usize) -> Result<Engine<CpuBackend<SingleCore>>, BackendError> {
    let config = CpuConfig {
        kernels: KernelSet::Scalar,
        kv_blocks,
        batch_tokens: 32,
        batch_sequences: 4,
        context: 32,
    };
    let backend = CpuBackend::new(Arc::new(model), config, SingleCore)
        .map_err(|error| BackendError::Invalid(error.to_string()))?;
    let config = EngineConfig {
        context: 32,
        max_running: 4,
        max_waiting: 4,
    };
    Engine::new(backend, config)
}

/// Whatever numbers the weights are, a step ends, and the request with it.
fn generate(model: Model) {
    let Ok(mut engine) = engine(model, 2) else {
        return;
    };
    let request = Request {
        prompt: vec![TokenId(0)],
        max_tokens: 2,
        sampling: SamplingParams::default(),
        stop_tokens: Vec::new(),
        log_probabilities: Some(1),
    };
    engine.submit(request).expect("token 0 always exists");
    let mut events = Vec::new();
    while engine.step(&mut events).expect("the CPU does not fail") {}
    let end = events.last();
    assert!(
        matches!(end, Some(inference::engine::Event::Finished { .. })),
        "{events:?}"
    );
}

/// Bytes of one connection. The first byte decides how they are cut into segments.
pub(crate) fn http(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let answers = converse(bytes.chunks(usize::from(cut).max(1)));
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1.1 "));
}

/// A body that arrives whole, at the chat endpoint if its first byte is even, else at the other: always answered.
pub(crate) fn api(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let path = if choice % 2 == 0 {
        "chat/completions"
    } else {
        "completions"
    };
    let head = format!(
        "POST /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answers = converse([head.as_bytes(), body].into_iter());
    assert!(answers.starts_with(b"HTTP/1.1 "), "no answer");
}

thread_local! {
    /// The server under test: made once, because a fuzzer asks it thousands of times a second, and a server that survives
    /// one client must survive the next.
    static SERVER: RefCell<Server<CpuBackend<SingleCore>>> = RefCell::new(server());
}

fn server() -> Server<CpuBackend<SingleCore>> {
    let mut bytes = TINY;
    let header = Header::read(&mut bytes).expect("the tiny model is good");
    let plan = Plan::new(&header).expect("the tiny model is good");
    let model = load(TINY, &header, plan).expect("the tiny model is good");
    // Blocks for fewer sequences than may run, so that some are preempted.
    let engine = engine(model, 6).expect("it fits");
    let template = header
        .string("tokenizer.chat_template")
        .expect("the tiny model has one");
    let config = ServerConfig {
        model_name: "tiny".into(),
        api_key: None,
        max_connections: 4,
        unix_base: Duration::ZERO,
        seed: 0,
    };
    let tokenizer = Tokenizer::from_gguf(&header).expect("the tiny model has one");
    Server::new(
        engine,
        tokenizer,
        ChatTemplate::compile(template).ok(),
        config,
    )
}

/// Plays a client: sends the segments, reads every answer, and leaves. No answer may blame the server.
fn converse<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    SERVER.with_borrow_mut(|server| {
        let now = Duration::ZERO;
        let id = server.open(now).expect("there is room for a connection");
        let mut answers = Vec::new();
        for mut segment in segments {
            // Each turn takes bytes, evaluates or answers; a turn that does nothing means that the server wants no more.
            loop {
                let taken = server.receive(id, segment, now);
                segment = &segment[taken..];
                let stepped = server.step(now).expect("the CPU does not fail");
                let said = server.pending(id).len();
                answers.extend_from_slice(server.pending(id));
                server.sent(id, said, now);
                if taken == 0 && !stepped && said == 0 {
                    break;
                }
            }
        }
        server.peer_closed(id);
        server.close(id);
        while server.step(now).expect("the CPU does not fail") {}
        let blames = answers.windows(10).any(|window| window == b"HTTP/1.1 5");
        assert!(
            !blames,
            "a client's mistake became the server's: {}",
            String::from_utf8_lossy(&answers)
        );
        answers
    })
}

/// A template and, after a zero byte, what a user says to it: rendering ends, and no text of the user's is ever passed off
/// as the template's.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (source, said) = text.split_once('\0').unwrap_or((text, "hello"));
    let Ok(template) = ChatTemplate::compile(source) else {
        return;
    };
    // No template that writes this character itself gets as far as this.
    const MARK: &str = "\u{e000}";
    let marked = !source.contains(MARK) && !source.contains('\\');
    let Ok(segments) = template.render(&conversation(&[MARK, said, MARK].concat())) else {
        return;
    };
    let templates = segments
        .iter()
        .find(|segment| segment.origin == Origin::Template && segment.text.contains(MARK));
    assert!(!marked || templates.is_none(), "{templates:?}");
}

/// A conversation of which `said` is the only part that is not the same for all, in every place where a client can say it.
fn conversation(said: &str) -> Conversation {
    let call = json!({"id": "1", "type": "function", "function": {"name": said, "arguments": {"n": 1, "s": said}}});
    Conversation {
        messages: vec![
            json!({"role": "system", "content": "Be brief."}).into(),
            json!({"role": "user", "content": said, "name": said}).into(),
            json!({"role": "assistant", "content": "Yes.", "tool_calls": [call]}).into(),
            json!({"role": "tool", "content": [{"type": "text", "text": said}], "tool_call_id": "1"}).into(),
            json!({"role": said, "content": null}).into(),
        ],
        tools: Some(json!([{"type": "function", "function": {"name": "f", "description": said}}]).into()),
        add_generation_prompt: true,
        bos_token: "<s>".into(),
        eos_token: "</s>".into(),
        unix_time: 1_700_000_000,
        extra: vec![("enable_thinking".into(), json!(said).into())],
    }
}

/// Text through tokenizers of both families: it comes back as it was. The first byte says through which.
pub(crate) fn tokenizer(data: &[u8]) {
    thread_local! {
        static TOKENIZERS: Vec<Tokenizer> = tokenizers();
    }
    let Some((&choice, text)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    TOKENIZERS.with(|tokenizers| {
        let index = usize::from(choice) % tokenizers.len();
        let tokens = spell(&tokenizers[index], &text);
        let back = tokenizers[index].detokenize(&tokens, ControlTokens::Show);
        // The other family writes a space as this character.
        let expected = match index {
            0 => text.replace('\u{2581}', " "),
            _ => text.to_string(),
        };
        assert_eq!(back, expected, "tokenizer {index}");
    });
}

/// First a small one of the SentencePiece family, then the demo model's with each way to cut text into words.
fn tokenizers() -> Vec<Tokenizer> {
    let bytes: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let words = [
        "\u{2581}",
        "a",
        "b",
        "\u{2581}a",
        "ab",
        "\u{2581}ab",
        "\u{2581}\u{2581}",
        "<t>",
        "\u{e9}",
    ];
    let mut tokens = vec!["<unk>", "<s>", "</s>"];
    tokens.extend(bytes.iter().map(String::as_str));
    tokens.extend(words);
    let kinds = [(3, 3), (256, 6), (words.len(), 1)];
    let metadata = Metadata {
        model: "llama",
        scores: Some((0..tokens.len()).map(|token| -(token as f32)).collect()),
        token_types: Some(
            kinds
                .iter()
                .flat_map(|&(count, kind)| vec![kind; count])
                .collect(),
        ),
        tokens,
        ..Metadata::default()
    };
    let mut tokenizers = vec![Tokenizer::new(&metadata).expect("it is good")];
    let header = Header::read(&mut { DEMO }).expect("the demo model is good");
    let mut metadata = Metadata::from_gguf(&header).expect("the demo model has a tokenizer");
    for pre in ["gpt-2", "llama-bpe", "qwen2"] {
        metadata.pre = Some(pre);
        tokenizers.push(Tokenizer::new(&metadata).expect("the demo model has a tokenizer"));
    }
    tokenizers
}

/// The tokens of a user's text. They exist, none is a control token, and there are as many as the text's length demands;
/// so it is for a template's text, but for the control tokens.
fn spell(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let [_, tokens] = [Special::Parse, Special::AsText].map(|special| {
        let mut tokens = Vec::new();
        tokenizer.encode(text, special, &mut tokens);
        assert!(tokens.len() >= tokenizer.least_tokens(text.len()));
        for &token in &tokens {
            let kind = tokenizer.token_kind(token).expect("the token exists");
            assert!(
                special == Special::Parse || kind != TokenKind::Control,
                "{token:?}"
            );
        }
        let _ = tokenizer.detokenize(&tokens, ControlTokens::Show);
        tokens
    });
    tokens
}

/// A firmware file, or an archive. The first byte says of which set and which of its files: the other files are good ones.
/// Whatever is accepted lies within the bytes, and an archive is the only one with its content.
pub(crate) fn firmware(data: &[u8]) {
    thread_local! {
        static SET_FILES: Vec<(&'static Set, BTreeMap<&'static str, Vec<u8>>)> =
            SETS.iter().map(|set| (*set, synthetic::files(set))).collect();
    }
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let (set, file) = (usize::from(choice) / 16, usize::from(choice) % 16);
    let Some(file) = File::ALL.get(file) else {
        return firmware_archive(bytes);
    };
    SET_FILES.with(|sets| {
        let (set, files) = &sets[set % sets.len()];
        let Some(name) = set.files[*file as usize] else {
            return;
        };
        // The size in the header is made to fit in half of the runs, since nothing goes on otherwise.
        let mut fitting = bytes.to_vec();
        if let Some(size) = fitting.first_chunk_mut() {
            *size = (bytes.len() as u32).to_le_bytes();
        }
        for bytes in [bytes, &fitting] {
            let get = |wanted: &str| {
                let good = files.get(wanted).map(Vec::as_slice);
                if wanted == name { Some(bytes) } else { good }
            };
            match Firmware::new(get, set) {
                Ok(firmware) => inside(&firmware, get),
                Err(error) => assert!(error.file == name && !error.to_string().is_empty()),
            }
        }
    });
}

/// All parts of a firmware are where they say.
fn inside<'a>(firmware: &Firmware<'_>, get: impl Fn(&str) -> Option<&'a [u8]>) {
    for part in firmware.parts() {
        let file = get(part.file).expect("a part of a file");
        let end = part.offset + part.image.len();
        assert_eq!(file[part.offset..end], *part.image);
        assert!(part.image.len() <= PART_MAX as usize);
    }
    assert!(firmware.loads().all(|load| !load.image.is_empty()));
    let _ = firmware.start_address(File::Mec);
}

/// An archive, and what is in it.
fn firmware_archive(bytes: &[u8]) {
    let archive = match Archive::new(bytes) {
        Ok(archive) => archive,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let entries: Vec<Entry<'_>> = archive.entries().collect();
    assert!(bytes.starts_with(&synthetic::archive(&entries)));
    for set in SETS {
        if let Ok(firmware) = Firmware::new(|name| archive.get(name), set) {
            inside(&firmware, |name| archive.get(name));
        }
    }
}
