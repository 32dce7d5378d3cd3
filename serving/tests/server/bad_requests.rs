//! Every way to be wrong that the API knows, with the status and the error object that answer it.

use serde_json::{Value, json};

use crate::harness::{CONTEXT, Reply, Rig, Setup, VOCABULARY, post, post_text};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";

/// `status code param`, after checking that the object has OpenAI's shape.
fn outcome(reply: &Reply) -> String {
    let value = reply.json();
    let error = value["error"]
        .as_object()
        .unwrap_or_else(|| panic!("no error: {value}"));
    let keys: Vec<_> = error.keys().map(String::as_str).collect();
    assert_eq!(keys, ["code", "message", "param", "type"]);
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()) && error["type"].is_string());
    let show = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
    format!("{} {} {}", reply.status, show("code"), show("param"))
}

/// A valid request with some fields replaced; one that is replaced by `"absent"` is removed.
fn with(path: &str, changes: &Value) -> Value {
    let mut body = if path == CHAT {
        json!({"model": "tiny/model", "messages": [{"role": "user", "content": "hi"}]})
    } else {
        json!({"model": "tiny/model", "prompt": "hi"})
    };
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

fn check(path: &str, rows: &[(Value, &str)]) {
    let mut rig = Rig::new();
    for (changes, expected) in rows {
        let reply = rig.ask(&post(path, &with(path, changes)));
        if *expected == "200" {
            assert_eq!(reply.status, 200, "{changes}: {}", reply.text());
        } else {
            assert_eq!(outcome(&reply), *expected, "{changes}: {}", reply.text());
        }
    }
}

/// What both endpoints share.
#[rustfmt::skip]
fn shared_rows() -> Vec<(Value, &'static str)> {
    let five = Value::from(vec!["x"; 5]);
    vec![
        (json!({}), "200"),
        (json!({"model": "absent"}), "400 missing_required_parameter model"),
        (json!({"model": null}), "400 missing_required_parameter model"),
        (json!({"model": 1}), "400 invalid_type model"),
        (json!({"model": "gpt-4"}), "404 model_not_found model"),
        (json!({"temperature": -0.1}), "400 decimal_below_min_value temperature"),
        (json!({"temperature": 2.1}), "400 decimal_above_max_value temperature"),
        (json!({"temperature": "1"}), "400 invalid_type temperature"),
        (json!({"temperature": [1]}), "400 invalid_type temperature"),
        (json!({"temperature": null}), "200"),
        (json!({"temperature": 2}), "200"),
        (json!({"top_p": 1.5}), "400 decimal_above_max_value top_p"),
        (json!({"top_p": -1}), "400 decimal_below_min_value top_p"),
        (json!({"top_k": -1}), "200"),
        (json!({"top_k": 0}), "200"),
        (json!({"top_k": -2}), "400 integer_below_min_value top_k"),
        (json!({"top_k": 1.5}), "400 invalid_type top_k"),
        (json!({"top_k": 5_000_000_000_u64}), "400 integer_above_max_value top_k"),
        (json!({"min_p": 2}), "400 decimal_above_max_value min_p"),
        (json!({"repetition_penalty": 0}), "400 decimal_below_min_value repetition_penalty"),
        (json!({"presence_penalty": -2.5}), "400 decimal_below_min_value presence_penalty"),
        (json!({"frequency_penalty": 3}), "400 decimal_above_max_value frequency_penalty"),
        (json!({"seed": 1.0}), "400 invalid_type seed"),
        (json!({"seed": -1}), "200"),
        (json!({"seed": u64::MAX}), "400 integer_above_max_value seed"),
        (json!({"n": 0}), "400 integer_below_min_value n"),
        (json!({"n": 17}), "400 integer_above_max_value n"),
        (json!({"max_tokens": 0}), "400 integer_below_min_value max_tokens"),
        (json!({"max_tokens": -5}), "400 integer_below_min_value max_tokens"),
        (json!({"max_tokens": CONTEXT + 1}), "200"),
        (json!({"max_tokens": u64::MAX}), "200"),
        (json!({"max_tokens": "5"}), "400 invalid_type max_tokens"),
        (json!({"max_tokens": 1e3}), "400 invalid_type max_tokens"),
        (json!({"max_tokens": CONTEXT}), "200"),
        (json!({"stop": []}), "200"),
        (json!({"stop": [1]}), "400 invalid_type stop[0]"),
        (json!({"stop": {}}), "400 invalid_type stop"),
        (json!({"stop": ""}), "200"),
        (json!({"stop": ["a", ""]}), "400 invalid_value stop"),
        (json!({"stop": five}), "400 invalid_value stop"),
        (json!({"stop": "x".repeat(1025)}), "400 invalid_value stop"),
        (json!({"stream": "true"}), "400 invalid_type stream"),
        (json!({"stream": 1}), "400 invalid_type stream"),
        (json!({"stream_options": {"include_usage": true}}), "400 invalid_value stream_options"),
        (json!({"stream": true, "stream_options": []}), "400 invalid_type stream_options"),
        (
            json!({"stream": true, "stream_options": {"include_usage": 1}}),
            "400 invalid_type stream_options.include_usage",
        ),
        (json!({"stream": true, "stream_options": {"x": 1}}), "400 unknown_parameter stream_options.x"),
        (
            json!({"stream": true, "stream_options": {"include_obfuscation": 1}}),
            "400 invalid_type stream_options.include_obfuscation",
        ),
        (json!({"stream": true, "stream_options": {"include_obfuscation": true}}), "200"),
        (json!({"stream": true, "stream_options": {"include_obfuscation": false, "x": null}}), "200"),
        (json!({"logit_bias": []}), "400 invalid_type logit_bias"),
        (json!({"logit_bias": {"a": 1}}), "400 invalid_value logit_bias"),
        (json!({"logit_bias": {"+1": 1}}), "400 invalid_value logit_bias"),
        (json!({"logit_bias": {VOCABULARY.to_string(): 1}}), "400 invalid_value logit_bias"),
        (json!({"logit_bias": {"1": 101}}), "400 decimal_above_max_value logit_bias.1"),
        (json!({"logit_bias": {"1": "1"}}), "400 invalid_type logit_bias.1"),
        (json!({"logit_bias": {"1": -100}}), "200"),
        (json!({"user": 1}), "400 invalid_type user"),
        (json!({"metadata": "x"}), "400 invalid_type metadata"),
        (json!({"store": "x"}), "400 invalid_type store"),
        (json!({"user": "me", "metadata": {"a": "b"}, "store": true}), "200"),
        (json!({"nonsense": null, "audio": null, "echo": null}), "200"),
        (json!({"nonsense": 1}), "400 unknown_parameter nonsense"),
        (json!({"Temperature": 1}), "400 unknown_parameter Temperature"),
        (json!({"max_new_tokens": 1}), "400 unknown_parameter max_new_tokens"),
    ]
}

#[test]
#[rustfmt::skip]
fn chat() {
    check(CHAT, &shared_rows());
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}});
    let mut rows = vec![
        (json!({"messages": "absent"}), "400 missing_required_parameter messages"),
        (json!({"messages": "hi"}), "400 invalid_type messages"),
        (json!({"messages": []}), "400 invalid_value messages"),
        (json!({"prompt": "hi"}), "400 unknown_parameter prompt"),
        (json!({"max_completion_tokens": 0}), "400 integer_below_min_value max_completion_tokens"),
        (json!({"max_completion_tokens": 5, "max_tokens": 6}), "400 invalid_value max_tokens"),
        (json!({"max_completion_tokens": 5, "max_tokens": 5}), "200"),
        (json!({"logprobs": 5}), "400 invalid_type logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "400 integer_above_max_value top_logprobs"),
        (json!({"top_logprobs": 2}), "400 invalid_value top_logprobs"),
        (json!({"logprobs": false, "top_logprobs": 2}), "400 invalid_value top_logprobs"),
        (json!({"logprobs": false, "top_logprobs": 0}), "200"),
        (json!({"top_logprobs": 0}), "200"),
        (json!({"max_completion_tokens": 100 * CONTEXT}), "200"),
        (json!({"tools": tools}), "400 unsupported_parameter tools"),
        (json!({"tools": []}), "200"),
        (json!({"tools": null, "tool_choice": "auto"}), "200"),
        (json!({"tools": [], "tool_choice": "auto"}), "200"),
        (json!({"tools": tools, "tool_choice": "auto"}), "400 unsupported_parameter tools"),
        (json!({"tool_choice": "required"}), "400 unsupported_parameter tool_choice"),
        (json!({"tool_choice": "none"}), "200"),
        (json!({"functions": [{"name": "f"}]}), "400 unsupported_parameter functions"),
        (json!({"function_call": "auto"}), "400 unsupported_parameter function_call"),
        (json!({"parallel_tool_calls": true}), "200"),
        (json!({"parallel_tool_calls": false}), "200"),
        (json!({"parallel_tool_calls": 1}), "400 unsupported_parameter parallel_tool_calls"),
        (json!({"response_format": schema}), "400 unsupported_parameter response_format"),
        (json!({"response_format": {"type": "json_object"}}), "400 unsupported_parameter response_format"),
        (json!({"response_format": "text"}), "400 unsupported_parameter response_format"),
        (json!({"response_format": {"type": "text"}}), "200"),
        (json!({"modalities": ["text", "audio"]}), "400 unsupported_parameter modalities"),
        (json!({"modalities": ["text"]}), "200"),
        (json!({"audio": {}}), "400 unsupported_parameter audio"),
        (json!({"prediction": {}}), "400 unsupported_parameter prediction"),
        (json!({"reasoning_effort": "high"}), "400 unsupported_parameter reasoning_effort"),
        (json!({"service_tier": "flex"}), "400 unsupported_parameter service_tier"),
        (json!({"service_tier": "auto"}), "200"),
        (json!({"verbosity": "medium"}), "200"),
        (json!({"verbosity": "low"}), "400 unsupported_parameter verbosity"),
        (json!({"web_search_options": {}}), "400 unsupported_parameter web_search_options"),
        (json!({"echo": true}), "400 unknown_parameter echo"),
    ];
    rows.extend(
        message_rows()
            .into_iter()
            .map(|(message, expected)| (json!({"messages": [message]}), expected)),
    );
    check(CHAT, &rows);
}

#[rustfmt::skip]
fn message_rows() -> Vec<(Value, &'static str)> {
    let part = |part: Value| json!({"role": "user", "content": [part]});
    vec![
        (json!("hi"), "400 invalid_type messages[0]"),
        (json!(null), "400 invalid_type messages[0]"),
        (json!({"content": "x"}), "400 missing_required_parameter messages[0].role"),
        (json!({"role": 1, "content": "x"}), "400 invalid_type messages[0].role"),
        (json!({"role": "king", "content": "x"}), "400 invalid_value messages[0].role"),
        (json!({"role": "tool", "content": "x", "tool_call_id": "1"}), "400 invalid_value messages[0].role"),
        (json!({"role": "user"}), "400 missing_required_parameter messages[0].content"),
        (json!({"role": "user", "content": null}), "400 missing_required_parameter messages[0].content"),
        (json!({"role": "user", "content": 1}), "400 invalid_type messages[0].content"),
        (json!({"role": "user", "content": []}), "400 invalid_value messages[0].content"),
        (json!({"role": "user", "content": "x", "x": 1}), "400 unknown_parameter messages[0].x"),
        (json!({"role": "user", "content": "x", "name": 1}), "400 invalid_type messages[0].name"),
        (
            json!({"role": "assistant", "content": "x", "tool_calls": [{}]}),
            "400 unsupported_parameter messages[0].tool_calls",
        ),
        (
            json!({"role": "assistant", "content": "x", "refusal": null, "tool_calls": null,
                   "function_call": null, "audio": null, "annotations": []}),
            "200",
        ),
        (json!({"role": "assistant", "content": null}), "200"),
        (json!({"role": "assistant", "tool_calls": []}), "200"),
        (
            json!({"role": "assistant", "content": null, "tool_calls": [{}]}),
            "400 unsupported_parameter messages[0].tool_calls",
        ),
        (json!({"role": "user", "content": "x", "y": null}), "200"),
        (json!({"role": "developer", "content": "x"}), "200"),
        (part(json!("x")), "400 invalid_type messages[0].content[0]"),
        (part(json!({"text": "x"})), "400 missing_required_parameter messages[0].content[0].type"),
        (part(json!({"type": "text"})), "400 missing_required_parameter messages[0].content[0].text"),
        (part(json!({"type": "text", "text": 1})), "400 invalid_type messages[0].content[0].text"),
        (part(json!({"type": "text", "text": "x", "y": 1})), "400 unknown_parameter messages[0].content[0].y"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:"}})),
            "400 invalid_value messages[0].content[0].type",
        ),
        (part(json!({"type": "poem", "text": "x"})), "400 invalid_value messages[0].content[0].type"),
        (part(json!({"type": "text", "text": "x"})), "200"),
        (part(json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}})), "200"),
    ]
}

#[test]
#[rustfmt::skip]
fn completions() {
    check(COMPLETIONS, &shared_rows());
    check(
        COMPLETIONS,
        &[
            (json!({"prompt": "absent"}), "400 missing_required_parameter prompt"),
            (json!({"prompt": 1}), "400 invalid_type prompt"),
            (json!({"prompt": []}), "400 invalid_value prompt"),
            (json!({"prompt": [[]]}), "400 invalid_value prompt[0]"),
            (json!({"prompt": ["a", 1]}), "400 invalid_type prompt[1]"),
            (json!({"prompt": [1, "a"]}), "400 invalid_type prompt[1]"),
            (json!({"prompt": [1.5]}), "400 invalid_type prompt[0]"),
            (json!({"prompt": [-1]}), "400 integer_below_min_value prompt[0]"),
            (json!({"prompt": [1, VOCABULARY]}), "400 integer_above_max_value prompt[1]"),
            (json!({"prompt": [[1], [VOCABULARY]]}), "400 integer_above_max_value prompt[1][0]"),
            (json!({"prompt": [[1, 2], [3]]}), "200"),
            (json!({"prompt": [[1, 2], "a"]}), "200"),
            (json!({"prompt": ["a", "b"], "n": 9}), "400 invalid_value n"),
            (json!({"prompt": ""}), "200"),
            (json!({"messages": []}), "400 unknown_parameter messages"),
            (json!({"max_completion_tokens": 5}), "400 unknown_parameter max_completion_tokens"),
            (json!({"logprobs": true}), "400 invalid_type logprobs"),
            (json!({"logprobs": 6}), "400 integer_above_max_value logprobs"),
            (json!({"logprobs": 0}), "200"),
            (json!({"echo": true}), "400 unsupported_parameter echo"),
            (json!({"echo": false}), "200"),
            (json!({"best_of": 2}), "400 unsupported_parameter best_of"),
            (json!({"best_of": 1}), "200"),
            (json!({"suffix": "x"}), "400 unsupported_parameter suffix"),
            (json!({"tools": []}), "400 unknown_parameter tools"),
        ],
    );
}

#[test]
fn bodies_that_are_no_request() {
    let deep = "[".repeat(17) + &"]".repeat(17);
    let mut rig = Rig::new();
    for (body, expected) in [
        ("", "400 invalid_json -"),
        ("{", "400 invalid_json -"),
        ("hello", "400 invalid_json -"),
        ("{}{}", "400 invalid_json -"),
        ("[]", "400 invalid_type -"),
        ("null", "400 invalid_type -"),
        ("\"x\"", "400 invalid_type -"),
        ("{}", "400 missing_required_parameter model"),
        (
            r#"{"model":"tiny/model","model":"tiny/model","prompt":"a"}"#,
            "400 invalid_json -",
        ),
        (r#"{"temperature":1e999}"#, "400 invalid_json -"),
        (deep.as_str(), "400 invalid_json -"),
    ] {
        for path in [CHAT, COMPLETIONS] {
            let reply = rig.ask(&post_text(path, body));
            assert_eq!(outcome(&reply), expected, "{body}: {}", reply.text());
        }
    }
}

#[test]
fn prompts_over_the_context() {
    let mut rig = Rig::new();
    // The BOS token and one of the answer need room too.
    let fits = json!({"prompt": "x".repeat(CONTEXT - 2)});
    let reply = rig.ask(&post(COMPLETIONS, &with(COMPLETIONS, &fits)));
    assert_eq!(reply.status, 200);
    // Tokenised only where a text of so many bytes might fit: the longest token, <|assistant|>, has 13 bytes.
    for (length, expected) in [
        (CONTEXT - 1, "resulted in 256 tokens"),
        (13 * (CONTEXT - 1), "resulted in 3316 tokens"),
        (13 * (CONTEXT - 1) + 1, "resulted in at least 256 tokens"),
        (CONTEXT * 50, "resulted in at least 985 tokens"),
    ] {
        let prompt = json!({"prompt": "x".repeat(length)});
        let reply = rig.ask(&post(COMPLETIONS, &with(COMPLETIONS, &prompt)));
        assert_eq!(outcome(&reply), "400 context_length_exceeded prompt");
        let text = reply.text();
        assert!(text.contains("length is 256 tokens"), "{text}");
        assert!(text.contains(expected), "{length}: {text}");
    }
    for (length, expected) in [(CONTEXT, "resulted in 2"), (CONTEXT * 50, "at least")] {
        let content = "x".repeat(length);
        let messages = json!({"messages": [{"role": "user", "content": content}]});
        let reply = rig.ask(&post(CHAT, &with(CHAT, &messages)));
        assert_eq!(outcome(&reply), "400 context_length_exceeded messages");
        assert!(reply.text().contains(expected), "{}", reply.text());
    }
}

#[test]
fn texts_over_what_is_set_aside() {
    let mut rig = Rig::new();
    // The tiny model's context is the better reason; it is found without rendering or tokenising.
    let text = "x".repeat(serving::limits::MAX_PROMPT_BYTES + 1);
    for (path, changes, param) in [
        (COMPLETIONS, json!({"prompt": text}), "prompt"),
        (
            CHAT,
            json!({"messages": [{"role": "user", "content": text}]}),
            "messages",
        ),
    ] {
        let reply = rig.ask(&post(path, &with(path, &changes)));
        assert_eq!(
            outcome(&reply),
            format!("400 context_length_exceeded {param}")
        );
    }
    // A template that would make more of a conversation than it may is the conversation's fault.
    let many = Value::from(vec![json!({"role": "user", "content": ""}); 4000]);
    let reply = rig.ask(&post(CHAT, &with(CHAT, &json!({"messages": many}))));
    assert_eq!(outcome(&reply), "400 invalid_json -");
}

#[test]
fn pages_from_elsewhere() {
    let body = with(COMPLETIONS, &json!({}));
    let from = |origin: &str| {
        let request = String::from_utf8(post(COMPLETIONS, &body)).unwrap();
        request.replacen(
            "Host: a",
            &format!("Host: 10.0.2.15:8080\r\nOrigin: {origin}"),
            1,
        )
    };
    let mut rig = Rig::new();
    for origin in ["http://10.0.2.15:8080", "http://localhost:5173"] {
        assert_eq!(rig.ask(from(origin).as_bytes()).status, 200, "{origin}");
    }
    let reply = rig.ask(from("https://example.com").as_bytes());
    assert_eq!(outcome(&reply), "403 foreign_origin -");
    assert!(reply.text().contains("API key"), "{}", reply.text());
    let text = from("http://localhost").replace("application/json", "text/plain");
    assert!(
        rig.ask(text.as_bytes())
            .text()
            .contains("with curl: -H 'Content-Type: application/json'")
    );
}

#[test]
fn conversations_that_the_template_refuses() {
    let mut rig = Rig::new();
    let message = |role: &str| json!({"role": role, "content": "x"});
    let body = with(
        CHAT,
        &json!({"messages": [message("user"), message("system")]}),
    );
    let reply = rig.ask(&post(CHAT, &body));
    assert_eq!(outcome(&reply), "400 invalid_value messages");
    assert!(
        reply.text().contains("system must come first"),
        "{}",
        reply.text()
    );

    let mut rig = Rig::with(&Setup {
        no_template: true,
        ..Setup::default()
    });
    let reply = rig.ask(&post(CHAT, &with(CHAT, &json!({}))));
    assert_eq!(outcome(&reply), "400 unsupported_parameter messages");
}

#[test]
#[rustfmt::skip]
fn http_errors_carry_the_same_object() {
    let setup = Setup {
        api_key: Some("key".into()),
        ..Setup::default()
    };
    let long = "x".repeat(20_000);
    for (key, request, expected) in [
        (false, "GET /v2/models HTTP/1.1\r\nHost: a\r\n\r\n", "404 unknown_url -"),
        (false, "DELETE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "405 method_not_supported -"),
        (false, "GET /v1/models/other HTTP/1.1\r\nHost: a\r\n\r\n", "404 model_not_found model"),
        (false, "POST /v1/completions HTTP/1.1\r\nHost: a\r\n\r\n", "411 - -"),
        (
            false,
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
            "415 unsupported_content_type -",
        ),
        (false, "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "413 - -"),
        (
            false,
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 - -",
        ),
        (false, "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 - -"),
        (false, "GET / HTTP/1.1\r\n\r\n", "400 - -"),
        (false, "\x16\x03\x01\x02\x00\x01\r\n", "400 - -"),
        (false, &format!("GET /{long}"), "414 - -"),
        (false, &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}"), "431 - -"),
        (true, "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "401 invalid_api_key -"),
        (true, "GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer kex\r\n\r\n", "401 invalid_api_key -"),
        (true, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "401 invalid_api_key -"),
    ] {
        let mut rig = if key { Rig::with(&setup) } else { Rig::new() };
        let reply = rig.ask(request.as_bytes());
        assert_eq!(
            outcome(&reply),
            expected,
            "{request:.100}: {}",
            reply.text()
        );
    }
}
