//! OpenAI's own client, unchanged, is content with what `hosted serve` answers, and with what the kernel answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tests::guest::{self, Kernel};
use tests::hosted::Server;
use tests::oracles::openai_client;

#[test]
fn the_client_gets_the_same_text_from_hosted_however_it_asks() {
    the_same_text_however_it_asks(&Server::start(&[]).unwrap().url);
}

#[test]
fn the_client_gets_the_same_text_from_the_kernel_however_it_asks() {
    let (kernel, ready, _) = Kernel::serving(&guest::small()).unwrap();
    the_same_text_however_it_asks(&ready.url);
    kernel.shut_down().unwrap();
}

fn the_same_text_however_it_asks(url: &str) {
    let seen = openai_client(url).unwrap();
    assert_eq!(seen["retrieved"], seen["model"]);

    let alone = seen["alone"].as_array().unwrap();
    for answer in alone {
        assert!(
            answer["text"].as_str().is_some_and(|text| !text.is_empty()),
            "{answer}"
        );
        assert!(
            ["stop", "length"]
                .map(Value::from)
                .contains(&answer["reason"]),
            "{answer}"
        );
    }
    for way in ["streamed", "together", "together_streamed"] {
        assert_eq!(seen[way], seen["alone"], "{way}");
    }
    assert_eq!(seen["left"], alone[0]["text"], "after a client left");

    let completion = &seen["completion"];
    assert!(
        completion["text"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{completion}"
    );
    assert_eq!(completion["streamed"], completion["text"]);
    assert_eq!(completion["logprobs"], completion["completion_tokens"]);

    let expected = json!({
        "model": ["NotFoundError", 404, "model_not_found", "model"],
        "temperature": ["BadRequestError", 400, "decimal_above_max_value", "temperature"],
        "tools": ["BadRequestError", 400, "unsupported_parameter", "tools"],
        "context": ["BadRequestError", 400, "context_length_exceeded", "messages"],
        "missing model": ["NotFoundError", 404, "model_not_found", "model"],
    });
    assert_eq!(seen["errors"], expected);
}

#[test]
fn a_key_is_asked_for() {
    let server = Server::start(&["--api-key", "secret"]).unwrap();
    let answer = server.api.get("/v1/models").unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json().unwrap()["error"]["code"], "invalid_api_key");
    assert_eq!(server.api.get("/health").unwrap().status, 200);
    let request = "GET /v1/models HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n";
    assert_eq!(server.api.raw(request.as_bytes()).unwrap().status, 200);
}
