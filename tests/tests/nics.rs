//! The Intel 82574L network card: the kernel serves through it as it does through virtio.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use qemu::options::Nic;
use serde_json::json;
use tests::guest::{self, Kernel};
use tests::hosted::Server;
use tests::http::Api;

const PROMPTS: [&str; 4] = [
    "Once upon a time",
    "The sky is",
    "Hello",
    "One day, a little",
];
const TOKENS: usize = 16;
/// Clients at once, all of whom want an answer.
const CLIENTS: usize = 16;
/// Enough for a stream of many packets.
const LONG: usize = 200;
/// Health checks, each on a connection of its own.
const CONNECTIONS: usize = 64;

/// The text of a streamed completion, and in how many events it came.
fn stream(api: &Api, model: &str) -> (String, usize) {
    let body = json!({"model": model, "prompt": PROMPTS[0], "max_tokens": LONG, "temperature": 0, "stream": true});
    let answer = api.post("/v1/completions", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let events = answer.events().unwrap();
    let text = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str())
        .collect();
    (text, events.len())
}

#[test]
fn an_82574l_serves() {
    let hosted = Server::start(&[]).unwrap();
    let texts = PROMPTS.map(|prompt| hosted.api.complete(prompt, TOKENS).unwrap());
    let long = hosted.api.complete(PROMPTS[0], LONG).unwrap();
    assert!(texts.iter().all(|text| !text.is_empty()) && long.len() > texts[0].len());

    let mut configuration = guest::small();
    configuration.options.nic = Nic::E1000e;
    let (mut kernel, ready, api) = Kernel::serving(&configuration).unwrap();
    assert_eq!(api.complete(PROMPTS[0], TOKENS).unwrap(), texts[0]);

    let (streamed, events) = stream(&api, &ready.model);
    assert_eq!(streamed, long, "{}", kernel.console());
    assert!(events > 20, "{events} events");

    let together: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let api = &api;
                scope.spawn(move || api.complete(PROMPTS[client % PROMPTS.len()], TOKENS))
            })
            .collect();
        let answers = threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap());
        answers.collect()
    });
    for (client, text) in together.iter().enumerate() {
        assert_eq!(*text, texts[client % PROMPTS.len()], "client {client}");
    }

    // Short connections, so that both rings of 256 descriptors go round.
    for _ in 0..CONNECTIONS {
        assert_eq!(api.get("/health").unwrap().status, 200);
    }

    kernel.command("net", "Intel 82574L").unwrap();
    let packets = kernel.command("net", "packets received").unwrap();
    let count = |at: usize| -> u64 {
        let word = packets.split_whitespace().nth(at);
        word.and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no count in {packets:?}"))
    };
    // "N packets received, N sent, N dropped".
    let (received, sent, dropped) = (count(0), count(3), count(5));
    assert!(sent > 300 && received > 300, "{packets}");
    assert_eq!(dropped, 0, "{packets}");
    kernel.shut_down().unwrap();
}
