//! What the fuzzers call, and `cargo test` on the kept corpora: each function takes bytes that nobody checked, and must come
//! back. A panic, an endless loop or memory without bound is the bug; whether the bytes were accepted is not asked, unless
//! a function says so.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use cpu_fallback::fork_join::SingleCore;
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use inference::chat::{ChatTemplate, Conversation};
use inference::engine::{Engine, EngineConfig};
use inference::gguf::Header;
use inference::model::{Model, Plan};
use inference::source::BlockSource;
use inference::tokenizer::{ControlTokens, Special, Tokenizer};
use serde_json::json;
use serving::{Server, ServerConfig};

/// What a fuzzer calls.
pub(crate) type Target = fn(&[u8]);

/// A parser's name and its entry: one row for each target in `fuzz/fuzz_targets` and folder in `fuzz/corpus`.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("gguf", gguf),
    ("http", http),
    ("api", api),
    ("template", template),
    ("tokenizer", tokenizer),
];

/// A whole model small enough to be evaluated thousands of times a second: one layer, width 32, four tokens.
const TINY: &[u8] = include_bytes!("corpus/gguf/tiny-q8_0.gguf");

/// Everything that is read from a model file.
pub(crate) fn gguf(mut data: &[u8]) {
    let Ok(header) = Header::read(&mut data) else {
        return;
    };
    let _ = Tokenizer::from_gguf(&header);
    if let Ok(source) = header.string("tokenizer.chat_template") {
        let _ = ChatTemplate::compile(source);
    }
    if let Ok(plan) = Plan::new(&header) {
        load(data, &header, plan);
    }
}

fn load(mut data: &[u8], header: &Header, plan: Plan) -> Model {
    let mut tensors = vec![0; plan.data_length()];
    let read = data.read_at(header.data_offset(), &mut tensors);
    read.expect("the header checked that the data is there");
    plan.with_data(Arc::new(tensors))
        .expect("a plan is only made for data that fits it")
}

/// Bytes of one connection. The first byte decides how they are cut into segments.
pub(crate) fn http(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    converse(bytes.chunks(usize::from(cut).max(1)));
}

/// A body that arrives whole, at the chat endpoint if its first byte is even, else at the other.
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
    converse([head.as_bytes(), body].into_iter());
}

thread_local! {
    /// The server under test: made once, because a fuzzer asks it thousands of times a second, and a server that survives
    /// one client must survive the next.
    static SERVER: RefCell<Server<CpuBackend<SingleCore>>> = RefCell::new(server());
}

fn server() -> Server<CpuBackend<SingleCore>> {
    let mut bytes = TINY;
    let header = Header::read(&mut bytes).expect("the tiny model is good");
    let model = load(
        TINY,
        &header,
        Plan::new(&header).expect("the tiny model is good"),
    );
    let config = CpuConfig {
        kernels: KernelSet::Scalar,
        kv_blocks: 16,
        batch_tokens: 32,
        batch_sequences: 4,
        context: 32,
    };
    let backend = CpuBackend::new(Arc::new(model), config, SingleCore).expect("it fits");
    let config = EngineConfig {
        context: 32,
        max_running: 4,
        max_waiting: 4,
    };
    let engine = Engine::new(backend, config).expect("it fits");
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
fn converse<'a>(segments: impl Iterator<Item = &'a [u8]>) {
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
    });
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
    let conversation = Conversation {
        messages: vec![
            json!({"role": "system", "content": "Be brief."}).into(),
            json!({"role": "user", "content": said}).into(),
        ],
        add_generation_prompt: true,
        bos_token: "<s>".into(),
        eos_token: "</s>".into(),
        ..Conversation::default()
    };
    let _ = template.render(&conversation);
}

/// Text through the tiny model's tokenizer: every token exists, and the text comes back where the vocabulary can spell it.
pub(crate) fn tokenizer(data: &[u8]) {
    thread_local! {
        static TOKENIZER: Tokenizer = {
            let mut bytes = TINY;
            let header = Header::read(&mut bytes).expect("the tiny model is good");
            Tokenizer::from_gguf(&header).expect("the tiny model has one")
        };
    }
    let text = String::from_utf8_lossy(data);
    TOKENIZER.with(|tokenizer| {
        for special in [Special::AsText, Special::Parse] {
            let mut tokens = Vec::new();
            tokenizer.encode(&text, special, &mut tokens);
            assert!(
                tokens
                    .iter()
                    .all(|token| (token.0 as usize) < tokenizer.vocabulary())
            );
            let back = tokenizer.detokenize(&tokens, ControlTokens::Show);
            assert!(back.len() <= text.len(), "{text:?} became {back:?}");
        }
    });
}
