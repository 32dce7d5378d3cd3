//! The kernel in QEMU, emulated: it boots, serves, answers as the hosted program does, and ends cleanly.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};

use serde_json::json;
use tests::guest::{self, Kernel};
use tests::hosted::Server;
use tests::http::{post_bytes, read_response};

const PROMPTS: [&str; 3] = ["Once upon a time", "The sky is", "Hello"];
const TOKENS: usize = 24;

fn completions(api: &tests::http::Api) -> Vec<String> {
    PROMPTS
        .iter()
        .map(|prompt| api.complete(prompt, TOKENS).unwrap())
        .collect()
}

/// The same tokens everywhere: 1, 2 and 4 cores, the widest kernels and the scalar ones, in the kernel and under Linux.
#[test]
fn tokens_do_not_depend_on_the_machine() {
    let hosted = completions(&Server::start(&["--kernels", "scalar"]).unwrap().api);
    assert!(hosted.iter().all(|text| !text.is_empty()));
    for (smp, command_line) in [(1, ""), (2, "kernels=avx2"), (4, ""), (2, "kernels=scalar")] {
        let mut configuration = guest::with_command_line(command_line);
        configuration.options.smp = smp;
        let (kernel, _, api) = Kernel::serving(&configuration).unwrap();
        assert_eq!(
            completions(&api),
            hosted,
            "{smp} cores, {command_line:?}\n{}",
            kernel.console()
        );
        kernel.shut_down().unwrap();
    }
}

/// One boot with 256 MiB carries a whole conversation: streamed and whole, one client and two, bad requests between.
#[test]
fn the_api_answers() {
    let (mut kernel, ready, api) = Kernel::serving(&guest::small()).unwrap();
    assert_eq!(ready.backend, "cpu");
    assert_eq!(api.model().unwrap(), ready.model);
    let chat = |stream: bool| {
        json!({"model": ready.model, "temperature": 0, "max_tokens": TOKENS, "stream": stream,
               "messages": [{"role": "user", "content": "Hello! Who are you?"}]})
    };
    let whole = api.post("/v1/chat/completions", &chat(false)).unwrap();
    assert_eq!(whole.status, 200, "{}", whole.body);
    let text = whole.json().unwrap()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let stream = api.post("/v1/chat/completions", &chat(true)).unwrap();
    let deltas = stream.events().unwrap();
    let joined: String = deltas
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(joined, text);
    assert!(deltas.len() > 3, "one event a token: {}", stream.body);

    // Sixteen clients at once get what each gets alone.
    let alone = completions(&api);
    let together: Vec<String> = std::thread::scope(|scope| {
        let ask = |client: usize| {
            let (api, prompt) = (&api, PROMPTS[client % PROMPTS.len()]);
            scope.spawn(move || api.complete(prompt, TOKENS).unwrap())
        };
        let clients: Vec<_> = (0..16).map(ask).collect();
        clients
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (client, text) in together.iter().enumerate() {
        assert_eq!(*text, alone[client % PROMPTS.len()], "client {client}");
    }

    bad_requests(&api);
    // A client that leaves in the middle of a stream ends its sequence, and nobody else notices.
    let mut stream = api.connect().unwrap();
    let long = json!({"model": ready.model, "prompt": "Once", "max_tokens": 400, "stream": true});
    stream
        .write_all(&post_bytes("/v1/completions", &long))
        .unwrap();
    let mut reader = BufReader::new(stream);
    while !{
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    }
    .starts_with("data: ")
    {}
    drop(reader);
    assert_eq!(completions(&api), alone);

    kernel.command("info", "infernel").unwrap();
    kernel.command("generate Once upon", " a time").unwrap();
    kernel.shut_down().unwrap();
}

/// Each is the client's mistake: a clear error of the 400s, and the connection after it works.
fn bad_requests(api: &tests::http::Api) {
    for (bytes, status) in [
        (&b"NONSENSE\r\n\r\n"[..], 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (
            b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
            413,
        ),
        (
            b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            404,
        ),
        (
            b"DELETE /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            405,
        ),
    ] {
        let answer = api.raw(bytes).unwrap();
        assert_eq!(
            answer.status,
            status,
            "{}: {}",
            String::from_utf8_lossy(bytes),
            answer.body
        );
    }
    let model = api.model().unwrap();
    let prompt = "word ".repeat(4000);
    let answer = api
        .post(
            "/v1/completions",
            &json!({"model": model, "prompt": prompt}),
        )
        .unwrap();
    assert_eq!(answer.status, 400, "{}", answer.body);
    let error = &answer.json().unwrap()["error"];
    assert_eq!(error["code"], "context_length_exceeded", "{error}");
    // Half a request, and then silence while others are served.
    let mut hanging = api.connect().unwrap();
    hanging
        .write_all(b"POST /v1/completions HTTP/1.1\r\nContent-Le")
        .unwrap();
    assert_eq!(api.get("/health").unwrap().status, 200);
    hanging
        .write_all(b"ngth: 2\r\nHost: x\r\nContent-Type: application/json\r\n\r\n[]")
        .unwrap();
    assert_eq!(
        read_response(&mut BufReader::new(hanging)).unwrap().status,
        400
    );
}
