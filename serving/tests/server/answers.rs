//! What the answers say: the right text, the right objects, streamed and whole alike.

use serde_json::{Value, json};

use crate::harness::{
    BEGIN, CONTEXT, CONTROL, END, Reply, Rig, VOCABULARY, continuation, post, prompt_tokens,
    streamed_text,
};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";

fn completion(changes: Value) -> Value {
    merged(
        json!({"model": "tiny/model", "prompt": "hello", "temperature": 0}),
        changes,
    )
}

fn chat(changes: Value) -> Value {
    let messages = json!([{"role": "user", "content": "hello"}]);
    merged(
        json!({"model": "tiny/model", "messages": messages, "temperature": 0}),
        changes,
    )
}

fn merged(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The tokens of a conversation of one user's message, as the template writes it.
fn chat_tokens(content: &str) -> Vec<u32> {
    let control = |name: &str| 256 + CONTROL.iter().position(|c| *c == name).unwrap() as u32;
    let mut tokens = vec![BEGIN, control("<|user|>")];
    tokens.extend(content.bytes().map(u32::from));
    tokens.extend([END, control("<|assistant|>")]);
    tokens
}

/// Asks for the same whole and streamed, checks that both say the same, and returns the whole answer.
fn both(path: &str, body: Value) -> Value {
    let mut rig = Rig::new();
    let whole = rig.post(path, &body).json();
    let stream = json!({"stream": true, "stream_options": {"include_usage": true}});
    let mut events = rig.post(path, &merged(body, stream)).events();
    let usage = events.pop().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    assert!(
        events
            .iter()
            .all(|event| event["usage"].is_null() && event["id"] == usage["id"])
    );
    for choice in whole["choices"].as_array().unwrap() {
        let index = choice["index"].as_u64().unwrap() as usize;
        let text = choice["text"]
            .as_str()
            .or(choice["message"]["content"].as_str());
        assert_eq!(Some(streamed_text(&events, index).as_str()), text);
        let of_choice = |event: &&Value| event["choices"][0]["index"] == index;
        let reasons: Vec<_> = events
            .iter()
            .filter(of_choice)
            .map(|event| event["choices"][0]["finish_reason"].clone())
            .collect();
        let (last, before) = reasons.split_last().unwrap();
        assert_eq!(*last, choice["finish_reason"]);
        assert!(before.iter().all(Value::is_null));
    }
    whole
}

#[test]
fn completions_follow_the_model() {
    for (prompt, max_tokens) in [
        ("hello", 16),
        ("a", 100),
        ("\u{e9}\n\"", 40),
        ("", 12),
        ("b", CONTEXT),
    ] {
        let body = completion(json!({"prompt": prompt, "max_tokens": max_tokens}));
        let answer = both(COMPLETIONS, body);
        let (text, reason) = continuation(&prompt_tokens(prompt), max_tokens);
        assert_eq!(answer["choices"][0]["text"], text, "{prompt}");
        assert_eq!(answer["choices"][0]["finish_reason"], reason);
        assert_eq!(
            answer["usage"]["prompt_tokens"],
            prompt_tokens(prompt).len()
        );
    }
}

#[test]
fn the_object_of_a_completion() {
    let mut rig = Rig::new();
    let answer = rig
        .post(COMPLETIONS, &completion(json!({"max_tokens": 3})))
        .json();
    let (text, reason) = continuation(&prompt_tokens("hello"), 3);
    let expected = json!({
        "id": answer["id"], "object": "text_completion", "created": 1_700_000_000, "model": "tiny/model",
        "system_fingerprint": null,
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": reason}],
        "usage": {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9},
    });
    assert_eq!(answer, expected);
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
}

#[test]
fn the_objects_of_a_chat() {
    let mut rig = Rig::new();
    let answer = rig.post(CHAT, &chat(json!({"max_tokens": 2}))).json();
    let (text, reason) = continuation(&chat_tokens("hello"), 2);
    let message = json!({"role": "assistant", "content": text, "refusal": null});
    let expected = json!({
        "id": answer["id"], "object": "chat.completion", "created": 1_700_000_000, "model": "tiny/model",
        "system_fingerprint": null,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    });
    assert_eq!(answer, expected);

    let events = rig
        .post(CHAT, &chat(json!({"max_tokens": 2, "stream": true})))
        .events();
    let event = |delta: Value, reason: Value| {
        json!({
            "id": events[0]["id"], "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "tiny/model", "system_fingerprint": null,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
        })
    };
    let deltas: Vec<_> = events
        .iter()
        .map(|event| event["choices"][0]["delta"].clone())
        .collect();
    // The role, an event for each of two tokens, the end.
    assert_eq!(deltas.len(), 4);
    assert_eq!(
        events[0],
        event(
            json!({"role": "assistant", "content": "", "refusal": null}),
            Value::Null
        )
    );
    assert_eq!(events[1], event(json!({"content": text[..1]}), Value::Null));
    assert_eq!(events[3], event(json!({}), reason.into()));
    assert_ne!(events[0]["id"], answer["id"]);
}

#[test]
fn control_tokens_in_a_users_text_stay_text() {
    for content in ["<|end|>", "<|assistant|>a<|begin|>", "<|user|>"] {
        let body = json!({"messages": [{"role": "user", "content": content}], "max_tokens": 20});
        let answer = both(CHAT, chat(body));
        assert_eq!(answer["usage"]["prompt_tokens"], content.len() + 4);
        let (text, _) = continuation(&chat_tokens(content), 20);
        assert_eq!(answer["choices"][0]["message"]["content"], text);
        let answer = both(COMPLETIONS, completion(json!({"prompt": content})));
        assert_eq!(answer["usage"]["prompt_tokens"], content.len() + 1);
    }
}

#[test]
fn parts_of_a_message_are_lines() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let content = json!([part("one"), part("two")]);
    let answer = both(
        CHAT,
        chat(json!({"messages": [{"role": "user", "content": content}]})),
    );
    let (text, _) = continuation(&chat_tokens("one\ntwo"), CONTEXT);
    assert_eq!(answer["choices"][0]["message"]["content"], text);
}

#[test]
fn several_prompts_and_copies() {
    let answer = both(
        COMPLETIONS,
        completion(json!({"prompt": ["a", "b"], "n": 2, "max_tokens": 9})),
    );
    let texts: Vec<_> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["text"].as_str().unwrap())
        .collect();
    let [a, b] = ["a", "b"].map(|prompt| continuation(&prompt_tokens(prompt), 9).0);
    assert_eq!(texts, [&a, &a, &b, &b]);
    assert_eq!(answer["usage"]["prompt_tokens"], 4);

    let tokens = both(
        COMPLETIONS,
        completion(json!({"prompt": [[256, 97], "b"], "max_tokens": 9})),
    );
    assert_eq!(tokens["choices"][0]["text"], a);

    // At a temperature the copies differ, and a seed makes them come again.
    let body = completion(json!({"n": 4, "temperature": 2, "seed": 7, "max_tokens": 40}));
    let (first, again) = (both(COMPLETIONS, body.clone()), both(COMPLETIONS, body));
    assert_eq!(first["choices"], again["choices"]);
    assert_ne!(first["choices"][0]["text"], first["choices"][1]["text"]);
}

#[test]
fn without_a_seed_no_two_answers_are_alike() {
    let mut rig = Rig::new();
    let body = completion(json!({"temperature": 2, "max_tokens": 40}));
    let [a, b] = [(); 2].map(|()| {
        let answer = rig.post(COMPLETIONS, &body).json();
        answer["choices"][0]["text"].as_str().unwrap().to_owned()
    });
    assert_ne!(a, b);
    // Nor is one the other, shifted: with flat logits a draw alone decides, and draws must not be shared.
    let flat: Vec<_> = (0..VOCABULARY)
        .map(|id| (id.to_string(), json!(-100)))
        .collect();
    let flat = serde_json::Map::from_iter(
        flat.into_iter()
            .filter(|(id, _)| id.parse::<u32>().unwrap() >= 128),
    );
    let body = completion(json!({"temperature": 2, "max_tokens": 60, "logit_bias": flat}));
    let [a, b] = [(); 2].map(|()| {
        let answer = rig.post(COMPLETIONS, &body).json();
        answer["choices"][0]["text"].as_str().unwrap().to_owned()
    });
    let same = a
        .bytes()
        .skip(1)
        .zip(b.bytes())
        .filter(|(a, b)| a == b)
        .count();
    assert!(same < 20, "{same} draws are shared: {a:?} {b:?}");
}

#[test]
fn stop_strings_end_the_text_before_them() {
    let (text, _) = continuation(&prompt_tokens("hello"), 60);
    for (from, to) in [(0, 1), (5, 8), (7, 9), (20, 30)] {
        let characters: Vec<char> = text.chars().collect();
        let stop: String = characters[from..to].iter().collect();
        let answer = both(
            COMPLETIONS,
            completion(json!({"stop": ["never", stop], "max_tokens": 60})),
        );
        assert_eq!(
            answer["choices"][0]["text"],
            text[..text.find(&stop).unwrap()]
        );
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    }
    // The beginning of a stop string that never ends is text.
    let stop = format!("{text}never");
    let answer = both(
        COMPLETIONS,
        completion(json!({"stop": stop, "max_tokens": 60})),
    );
    assert_eq!(answer["choices"][0]["text"], text);
}

#[test]
fn log_probabilities() {
    let whole = both(
        CHAT,
        chat(json!({"logprobs": true, "top_logprobs": 2, "max_tokens": 30})),
    );
    let content = whole["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap();
    assert_eq!(
        content.len(),
        whole["usage"]["completion_tokens"].as_u64().unwrap() as usize
    );
    let bytes: Vec<u8> = content
        .iter()
        .flat_map(|entry| entry["bytes"].as_array().unwrap())
        .map(|byte| byte.as_u64().unwrap() as u8)
        .collect();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    // The row of logits is 9 for the best, 2 for `z`, 0 for the others.
    let total = 9f64.exp() + 2f64.exp() + (crate::harness::VOCABULARY - 2) as f64;
    for entry in content {
        assert!(
            (entry["logprob"].as_f64().unwrap() - (9.0 - total.ln())).abs() < 1e-4,
            "{entry}"
        );
        let top = entry["top_logprobs"].as_array().unwrap();
        assert_eq!(
            (&top[0]["token"], &top[1]["token"]),
            (&entry["token"], &json!("z"))
        );
        assert!(
            (top[1]["logprob"].as_f64().unwrap() - (2.0 - total.ln())).abs() < 1e-4,
            "{entry}"
        );
    }

    let body = completion(json!({"logprobs": 1, "max_tokens": 30}));
    let whole = both(COMPLETIONS, body.clone());
    let logprobs = &whole["choices"][0]["logprobs"];
    let events = Rig::new()
        .post(COMPLETIONS, &merged(body, json!({"stream": true})))
        .events();
    for list in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        let streamed: Vec<_> = events
            .iter()
            .filter_map(|event| event["choices"][0]["logprobs"][list].as_array())
            .flatten()
            .collect();
        let whole: Vec<_> = logprobs[list].as_array().unwrap().iter().collect();
        assert_eq!(streamed, whole, "{list}");
    }
    assert_eq!(logprobs["text_offset"][0], 0);

    // Bytes that are no characters are spelled out, and no two alternatives share a name.
    let body = completion(json!({"logprobs": 5, "max_tokens": 30}));
    let reply = Rig::new().post(COMPLETIONS, &body).json();
    let logprobs = &reply["choices"][0]["logprobs"];
    let tokens = logprobs["tokens"].as_array().unwrap();
    assert!(tokens.contains(&json!("bytes:\\xc3")), "{tokens:?}");
    for top in logprobs["top_logprobs"].as_array().unwrap() {
        assert_eq!(top.as_object().unwrap().len(), 5, "{top}");
    }
}

#[test]
fn models_health_metrics_page() {
    let mut rig = Rig::new();
    let mut get =
        |path: &str| rig.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    let model = json!({"id": "tiny/model", "object": "model", "created": 1_700_000_000, "owned_by": "infernel"});
    assert_eq!(
        get("/v1/models").json(),
        json!({"object": "list", "data": [model]})
    );
    assert_eq!(get("/v1/models/tiny%2Fmodel").json(), model);
    assert_eq!(get("/v1/models/tiny/model").json(), model);
    assert_eq!(get("/health").json(), json!({"status": "ok"}));
    let page = get("/");
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().starts_with("<!doctype html>"));
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.text().contains(outside), "the page needs {outside}");
    }
    rig.post(COMPLETIONS, &completion(json!({"max_tokens": 3})));
    rig.server.set_machine_metrics("infernel_forgotten 1\n");
    rig.server.set_machine_metrics("infernel_machine 7\n");
    let metrics: Reply = rig.ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    for line in [
        "infernel_http_responses_total{status=\"200\"} 6",
        "infernel_prompt_tokens_total 6",
        "infernel_completion_tokens_total 3",
        "infernel_connections 1",
        "infernel_sequences_running 0",
        "infernel_kv_blocks 512",
        "infernel_kv_blocks_used 0",
        "infernel_machine 7",
    ] {
        assert!(
            metrics.text().lines().any(|l| l == line),
            "{line} not in {}",
            metrics.text()
        );
    }
    for line in metrics.text().lines() {
        assert!(line.starts_with("# ") || line.rsplit_once(' ').unwrap().1.parse::<u64>().is_ok());
    }
}

#[test]
fn a_backend_that_fails_is_our_fault_and_passes() {
    let mut rig = Rig::new();
    for stream in [false, true] {
        let id = rig.open();
        rig.send(
            id,
            &post(
                COMPLETIONS,
                &completion(json!({"stream": stream, "max_tokens": 9})),
            ),
        );
        rig.step();
        rig.fail.set(true);
        assert!(rig.server.step(rig.now).is_err());
        let replies = Reply::parse_all(&rig.read(id));
        let text = replies[0].text();
        assert_eq!(replies[0].status, if stream { 200 } else { 500 });
        assert!(
            text.contains("the fan stopped") && text.contains("server_error"),
            "{text}"
        );
        assert!(!text.contains("[DONE]"));
        assert_eq!(rig.server.should_close(id), stream);
        rig.server.close(id);
        rig.post(COMPLETIONS, &completion(json!({})));
    }
}
