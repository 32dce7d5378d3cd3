//! The same answers however the bytes are cut; connections that are kept, closed, pipelined.

use serde_json::{Value, json};

use crate::harness::{Random, Reply, Rig, Setup, post};

fn completion(prompt: &str, stream: bool) -> Vec<u8> {
    let body = json!({"model": "tiny/model", "prompt": prompt, "temperature": 0, "max_tokens": 8, "stream": stream});
    post("/v1/completions", &body)
}

fn chunked(prompt: &str) -> Vec<u8> {
    let body = json!({"model": "tiny/model", "prompt": prompt, "temperature": 0, "max_tokens": 8})
        .to_string();
    let (a, b) = body.split_at(body.len() / 2);
    format!(
        "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x};name=\"value\"\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\nTrailer: x\r\n\r\n",
        a.len(),
        b.len()
    )
    .into_bytes()
}

/// Requests of every kind that this server answers, good and bad.
fn requests() -> Vec<Vec<u8>> {
    vec![
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        completion("one", false),
        completion("two", true),
        chunked("three"),
        post("/v1/completions", &json!({"model": "other", "prompt": "x"})),
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
        b"\r\nOPTIONS /v1/models HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        post(
            "/v1/chat/completions",
            &json!({"model": "tiny/model", "messages": [{"role": "user", "content": "x"}]}),
        ),
    ]
}

#[test]
fn cut_at_every_byte() {
    for request in requests() {
        let expected = Rig::new().exchange(&request);
        for cut in 1..request.len() {
            let mut rig = Rig::new();
            let id = rig.open();
            let mut answer = rig.send(id, &request[..cut]);
            rig.settle();
            assert!(
                answer.is_empty() && rig.server.pending(id).is_empty(),
                "answered half a request"
            );
            answer.extend(rig.send(id, &request[cut..]));
            rig.settle();
            answer.extend(rig.read(id));
            assert_eq!(answer, expected, "cut at {cut}");
        }
    }
}

#[test]
fn pipelined_in_random_pieces() {
    let requests = requests();
    let all = requests.concat();
    // As one after the other on one connection: ids count up alike.
    let mut rig = Rig::new();
    let id = rig.open();
    let mut expected = Vec::new();
    for request in &requests {
        expected.extend(rig.send(id, request));
        rig.settle();
        expected.extend(rig.read(id));
    }
    assert_eq!(Reply::parse_all(&expected).len(), requests.len());
    for seed in 1..200 {
        let mut random = Random(seed);
        let mut rig = Rig::new();
        let id = rig.open();
        let (mut rest, mut answers) = (&all[..], Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + random.below(400)).min(rest.len()));
            rest = after;
            answers.extend(rig.send(id, piece));
            if random.below(3) == 0 {
                rig.step();
            }
            if random.below(3) == 0 {
                let count = random.below(rig.server.pending(id).len() + 1);
                answers.extend(&rig.server.pending(id)[..count]);
                rig.server.sent(id, count, rig.now);
            }
        }
        rig.settle();
        answers.extend(rig.read(id));
        rig.settle();
        answers.extend(rig.read(id));
        assert_eq!(
            String::from_utf8_lossy(&answers),
            String::from_utf8_lossy(&expected),
            "seed {seed}"
        );
    }
}

#[test]
fn connections_are_kept_or_closed_as_asked() {
    for (request, connection, closes) in [
        ("GET /health HTTP/1.1\r\nHost: a\r\n\r\n", None, false),
        (
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Some("close"),
            true,
        ),
        ("GET /health HTTP/1.0\r\n\r\n", Some("close"), true),
        (
            "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            Some("keep-alive"),
            false,
        ),
        ("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", None, false),
    ] {
        let mut rig = Rig::new();
        let id = rig.open();
        rig.send(id, request.as_bytes());
        assert!(!rig.server.should_close(id), "before the answer was sent");
        let reply = Reply::parse_all(&rig.read(id)).remove(0);
        assert_eq!(reply.header("Connection"), connection, "{request}");
        assert_eq!(rig.server.should_close(id), closes, "{request}");
    }
}

#[test]
fn http_1_0_streams_end_with_the_connection() {
    let mut rig = Rig::new();
    let request = String::from_utf8(completion("two", true))
        .unwrap()
        .replace("HTTP/1.1", "HTTP/1.0");
    let id = rig.open();
    rig.send(id, request.as_bytes());
    rig.settle();
    let reply = Reply::parse_all(&rig.read(id)).remove(0);
    assert_eq!(reply.header("Transfer-Encoding"), None);
    assert!(!reply.events().is_empty() && rig.server.should_close(id));
}

#[test]
fn continue_is_said_once_and_only_where_it_helps() {
    let request = String::from_utf8(completion("one", false)).unwrap();
    let request = request.replace("Host: a\r\n", "Host: a\r\nExpect: 100-continue\r\n");
    let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
    let mut rig = Rig::new();
    let id = rig.open();
    rig.send(id, head.as_bytes());
    assert_eq!(rig.read(id), b"HTTP/1.1 100 Continue\r\n\r\n");
    rig.send(id, body.as_bytes());
    rig.settle();
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
    // With the body at hand nobody waits.
    assert!(
        rig.exchange(request.as_bytes())
            .starts_with(b"HTTP/1.1 200")
    );
    // A request that will be refused is refused at once.
    let id = rig.open();
    rig.send(
        id,
        head.replace("/v1/completions", "/v1/nowhere").as_bytes(),
    );
    let reply = Reply::parse_all(&rig.read(id)).remove(0);
    assert_eq!(
        (reply.status, reply.header("Connection")),
        (404, Some("close"))
    );
    assert!(rig.server.should_close(id));
    // So is one whose body is too long.
    let id = rig.open();
    let head = head.replace("Content-Length: ", "Content-Length: 9999999");
    rig.send(id, head.as_bytes());
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 413);
}

#[test]
fn head_is_get_without_the_body() {
    let mut rig = Rig::new();
    for path in ["/", "/health", "/v1/models", "/nowhere"] {
        let get = rig.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let head = rig.exchange(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let head = String::from_utf8(head).unwrap();
        let without_length = |text: &str| -> String {
            text.lines()
                .filter(|line| !line.starts_with("Content-Length"))
                .collect()
        };
        assert!(head.ends_with("\r\n\r\n"));
        assert_eq!(without_length(&head), without_length(&get.head), "{path}");
    }
}

#[test]
fn methods_and_origins() {
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,x-y\r\n\r\n"
        )
    };
    let mut open = Rig::new();
    let reply = open.ask(preflight("http://localhost:3000").as_bytes());
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("Allow", "POST, OPTIONS"),
        ("Access-Control-Allow-Origin", "http://localhost:3000"),
        ("Access-Control-Allow-Methods", "POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "authorization,x-y"),
        ("Vary", "Origin"),
    ] {
        assert_eq!(reply.header(name), Some(value));
    }
    let reply = open.ask(preflight("https://example.com").as_bytes());
    assert_eq!(
        (reply.status, reply.header("Access-Control-Allow-Origin")),
        (204, None)
    );
    // A preflight carries no key, and errors can be read by the page too.
    let mut locked = Rig::with(&Setup {
        api_key: Some("key".into()),
        ..Setup::default()
    });
    let reply = locked.ask(preflight("https://example.com").as_bytes());
    assert_eq!(
        reply.header("Access-Control-Allow-Origin"),
        Some("https://example.com")
    );
    let reply =
        locked.ask(b"GET /v1/models HTTP/1.1\r\nHost: a\r\nOrigin: https://example.com\r\n\r\n");
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.header("Access-Control-Allow-Origin"),
        Some("https://example.com")
    );
    assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
    let request = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key\r\n\r\n";
    assert_eq!(locked.ask(request).status, 200);
    let reply = open.ask(b"PUT /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (reply.status, reply.header("Allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
}

#[test]
fn the_constant_refusal_is_a_proper_answer() {
    let reply = Reply::parse_all(serving::TOO_MANY_CONNECTIONS).remove(0);
    assert_eq!(
        (reply.status, reply.header("Retry-After")),
        (429, Some("1"))
    );
    let error: Value = reply.json();
    assert_eq!(error["error"]["code"], "rate_limit_exceeded");
}
