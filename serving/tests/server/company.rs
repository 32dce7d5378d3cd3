//! Many clients at once: one batch, the same texts, a bounded queue, and nobody suffers for another.

use serde_json::{Value, json};

use crate::harness::{Random, Reply, Rig, Setup, post, streamed_text};

fn request(number: usize, changes: &Value) -> Vec<u8> {
    let mut body = json!({
        "model": "tiny/model", "prompt": format!("prompt {number}"), "temperature": 0, "max_tokens": 10 + number * 3,
        "stream": number.is_multiple_of(2),
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    post("/v1/completions", &body)
}

/// The text of an answer, streamed or not.
fn text(bytes: &[u8]) -> String {
    let reply = Reply::parse_all(bytes).remove(0);
    assert_eq!(reply.status, 200, "{}", reply.text());
    if reply.header("Transfer-Encoding").is_some() {
        streamed_text(&reply.events(), 0)
    } else {
        reply.json()["choices"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn company_does_not_change_a_text() {
    const CLIENTS: usize = 20;
    let none = json!({});
    let alone: Vec<_> = (0..CLIENTS)
        .map(|n| text(&Rig::new().exchange(&request(n, &none))))
        .collect();
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..CLIENTS).map(|_| rig.open()).collect();
    for (number, &id) in ids.iter().enumerate() {
        rig.send(id, &request(number, &none));
    }
    rig.settle();
    assert_eq!(rig.widest.get(), CLIENTS, "they were not stepped together");
    for (number, &id) in ids.iter().enumerate() {
        assert_eq!(text(&rig.read(id)), alone[number], "client {number}");
    }
}

#[test]
fn clients_that_come_and_go_at_random_change_nothing_for_the_others() {
    let none = json!({});
    let alone: Vec<_> = (0..12)
        .map(|n| text(&Rig::new().exchange(&request(n, &none))))
        .collect();
    for seed in 1..40 {
        let mut random = Random(seed);
        let mut rig = Rig::with(&Setup {
            max_running: Some(3),
            ..Setup::default()
        });
        let mut clients: Vec<Option<_>> = Vec::new();
        let mut answered = 0;
        while answered < 60 {
            let number = random.below(12);
            if clients.len() < 10 {
                let id = rig.open();
                rig.send(id, &request(number, &none));
                clients.push(Some((id, number, Vec::new())));
            }
            rig.step();
            let index = random.below(clients.len());
            let Some((id, number, mut read)) = clients[index].take() else {
                continue;
            };
            read.extend(rig.read(id));
            if random.below(8) == 0 {
                rig.server.peer_closed(id);
                assert!(rig.server.should_close(id));
                rig.server.close(id);
                clients.swap_remove(index);
            } else if read.ends_with(b"0\r\n\r\n") || read.ends_with(b"}}") {
                assert_eq!(text(&read), alone[number], "seed {seed}");
                rig.server.close(id);
                clients.swap_remove(index);
            } else {
                clients[index] = Some((id, number, read));
            }
            answered += 1;
        }
    }
}

#[test]
fn a_full_queue_is_said_so() {
    let mut rig = Rig::with(&Setup {
        max_running: Some(2),
        max_waiting: Some(3),
        ..Setup::default()
    });
    let none = json!({});
    let ids: Vec<_> = (0..5).map(|_| rig.open()).collect();
    for &id in &ids {
        rig.send(id, &request(1, &none));
    }
    rig.step();
    for (changes, why) in [(json!({}), "the sixth"), (json!({"n": 3}), "copies")] {
        let id = rig.open();
        rig.send(id, &request(1, &changes));
        let reply = Reply::parse_all(&rig.read(id)).remove(0);
        assert_eq!(
            (reply.status, reply.header("Retry-After")),
            (429, Some("1")),
            "{why}"
        );
        assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
        assert!(
            !rig.server.should_close(id),
            "it may try again on the same connection"
        );
        rig.server.close(id);
    }
    // A client that leaves makes room at once.
    rig.server.peer_closed(ids[4]);
    let id = rig.open();
    rig.send(id, &request(1, &none));
    assert!(rig.server.pending(id).is_empty());
    rig.settle();
    for id in ids[..4].iter().chain([&id]) {
        assert_eq!(Reply::parse_all(&rig.read(*id))[0].status, 200);
    }
    // Copies of which only some fit are refused wholly: nothing of them stays behind.
    let id = rig.open();
    let ahead = rig.open();
    rig.send(ahead, &request(1, &none));
    rig.send(id, &request(1, &json!({"n": 5})));
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 429);
    rig.settle();
    assert_eq!(Reply::parse_all(&rig.read(ahead))[0].status, 200);
    // More than there is ever room for need not be tried again.
    rig.send(id, &request(1, &json!({"n": 6})));
    let reply = Reply::parse_all(&rig.read(id)).remove(0);
    assert_eq!((reply.status, reply.header("Retry-After")), (400, None));
    assert_eq!(reply.json()["error"]["param"], "n");
    assert!(!rig.step(), "a sequence was left in the engine");
}

#[test]
fn connections_are_bounded() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..40).map(|_| rig.open()).collect();
    assert!(rig.server.open(rig.now).is_err());
    rig.server.close(ids[7]);
    let id = rig.open();
    rig.send(id, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
    // An id that was closed is not somebody else's.
    assert!(rig.server.should_close(ids[7]) && rig.server.pending(ids[7]).is_empty());
    assert_eq!(rig.server.receive(ids[7], b"x", rig.now), 1);
}
