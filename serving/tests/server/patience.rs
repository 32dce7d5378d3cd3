//! Clients that hang, leave, or do not read: what they are waited for, and what happens then.

use std::time::Duration;

use serde_json::json;
use serving::limits;

use crate::harness::{Random, Reply, Rig, Setup, post};

fn endless(stream: bool) -> Vec<u8> {
    // Without the end token the answer goes on to the end of the context.
    let bias = json!({"257": -100});
    let body = json!({"model": "tiny/model", "prompt": "x", "temperature": 0, "max_tokens": 200, "stream": stream,
                      "logit_bias": bias});
    post("/v1/completions", &body)
}

/// Nothing is left in the engine, and somebody else is served.
fn assert_free(rig: &mut Rig) {
    assert!(!rig.step(), "a sequence was left in the engine");
    assert_eq!(
        rig.ask(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").status,
        200
    );
}

#[test]
fn deadlines_of_a_request() {
    for (sent, deadline, expected) in [
        ("", limits::IDLE_DEADLINE, None),
        ("GET / HT", limits::HEAD_DEADLINE, Some(408)),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n",
            limits::HEAD_DEADLINE,
            Some(408),
        ),
        (
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
            limits::BODY_DEADLINE,
            Some(408),
        ),
        (
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{",
            limits::BODY_DEADLINE,
            Some(408),
        ),
    ] {
        let mut rig = Rig::new();
        let id = rig.open();
        rig.send(id, sent.as_bytes());
        rig.now += deadline;
        rig.step();
        assert!(
            rig.server.pending(id).is_empty() && !rig.server.should_close(id),
            "too early: {sent}"
        );
        rig.now += Duration::from_millis(1);
        rig.step();
        let replies = Reply::parse_all(&rig.read(id));
        assert_eq!(
            replies.first().map(|reply| reply.status),
            expected,
            "{sent}"
        );
        rig.now += limits::LINGER + Duration::from_millis(1);
        rig.step();
        assert!(rig.server.should_close(id), "{sent}");
    }
}

#[test]
fn a_byte_now_and_then_does_not_buy_time() {
    let mut rig = Rig::new();
    let id = rig.open();
    for byte in b"GET /health HTTP/1.1\r\nHost: a" {
        rig.send(id, &[*byte]);
        rig.now += Duration::from_secs(1);
        rig.step();
    }
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 408);
}

#[test]
fn an_answer_takes_the_time_it_takes() {
    let mut rig = Rig::new();
    let id = rig.open();
    rig.send(id, &endless(false));
    rig.step();
    rig.now += Duration::from_secs(100_000);
    rig.settle();
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
    rig.send(id, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
}

#[test]
fn a_client_that_leaves_is_noticed_at_once() {
    for stream in [false, true] {
        for steps in [0, 1, 5] {
            let mut rig = Rig::new();
            let id = rig.open();
            rig.send(id, &endless(stream));
            for _ in 0..steps {
                rig.step();
            }
            rig.server.peer_closed(id);
            assert!(rig.server.should_close(id) && rig.server.pending(id).is_empty());
            assert_free(&mut rig);
            rig.server.close(id);
            // Without a word before: the same.
            let id = rig.open();
            rig.send(id, &endless(stream));
            rig.step();
            rig.server.close(id);
            assert_free(&mut rig);
        }
    }
}

#[test]
fn what_was_answered_before_a_client_closed_its_side_is_still_sent() {
    let mut rig = Rig::new();
    let id = rig.open();
    rig.send(id, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.server.peer_closed(id);
    assert!(!rig.server.should_close(id));
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
    assert!(rig.server.should_close(id));
}

#[test]
fn what_a_client_asked_for_ahead_is_not_begun_once_it_has_left() {
    let mut rig = Rig::new();
    let id = rig.open();
    let pages = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20);
    rig.send(id, &pages);
    rig.send(id, &endless(true));
    rig.server.peer_closed(id);
    assert_eq!(Reply::parse_all(&rig.read(id)).len(), 20);
    assert!(rig.server.should_close(id));
    assert_free(&mut rig);
}

#[test]
fn a_stream_that_is_not_read_ends_and_the_others_do_not() {
    let mut rig = Rig::new();
    let [deaf, other] = [rig.open(), rig.open()];
    rig.send(deaf, &endless(true));
    rig.send(other, &endless(true));
    let mut read = Vec::new();
    for _ in 0..100 {
        rig.step();
        rig.now += limits::STALL_DEADLINE / 90;
        read.extend(rig.read(other));
    }
    assert!(rig.server.should_close(deaf) && rig.server.pending(deaf).is_empty());
    assert!(!rig.server.should_close(other));
    rig.server.close(deaf);
    rig.settle();
    read.extend(rig.read(other));
    assert_eq!(Reply::parse_all(&read)[0].events().len(), 201);
}

#[test]
fn a_backlog_that_grows_too_long_ends_its_stream() {
    // Many copies with long events: the limit is reached before any deadline.
    let mut rig = Rig::new();
    let body = json!({"model": "tiny/model", "messages": [{"role": "user", "content": "x"}], "n": 16,
                      "temperature": 0, "stream": true, "logprobs": true, "top_logprobs": 20,
                      "logit_bias": {"257": -100}});
    let id = rig.open();
    rig.send(id, &post("/v1/chat/completions", &body));
    while rig.step() {
        assert!(rig.server.pending(id).len() <= limits::MAX_STREAM_BACKLOG_BYTES + 64 * 1024);
    }
    assert!(rig.server.should_close(id) && rig.server.pending(id).is_empty());
}

#[test]
fn a_client_that_sends_without_reading_is_held_back() {
    let mut rig = Rig::new();
    let id = rig.open();
    let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100_000);
    let (mut taken, mut rest) = (0, &requests[..]);
    loop {
        let count = rig.server.receive(id, rest, rig.now);
        if count == 0 {
            break;
        }
        (taken, rest) = (taken + count, &rest[count..]);
    }
    assert!(taken < 100_000 && rig.server.pending(id).len() < 100_000);
    assert_eq!(rig.server.room(id), 0);
    rig.now += limits::STALL_DEADLINE + Duration::from_secs(1);
    rig.step();
    assert!(rig.server.should_close(id));
}

#[test]
fn sequences_of_random_clients_all_end() {
    // Clients do anything at any time; in the end the engine is empty and no connection is left hanging.
    for seed in 1..60 {
        let mut random = Random(seed);
        let mut rig = Rig::with(&Setup {
            max_running: Some(4),
            max_waiting: Some(4),
            ..Setup::default()
        });
        let mut ids = Vec::new();
        for _ in 0..300 {
            if ids.len() < 12 {
                ids.push(rig.open());
            }
            let id = ids[random.below(ids.len())];
            match random.below(7) {
                0 | 1 => drop(
                    rig.server
                        .receive(id, &endless(random.below(2) == 0), rig.now),
                ),
                2 => drop(rig.server.receive(id, b"GET /health HT", rig.now)),
                3 => rig.server.peer_closed(id),
                4 => {
                    let count = rig.server.pending(id).len() / 2;
                    rig.server.sent(id, count, rig.now);
                }
                5 => rig.now += Duration::from_millis(random.below(20_000) as u64),
                _ => drop(rig.step()),
            }
            ids.retain(|&id| {
                let keep = !rig.server.should_close(id);
                if !keep {
                    rig.server.close(id);
                }
                keep
            });
        }
        rig.settle();
        for _ in 0..4 {
            rig.now += limits::BODY_DEADLINE + limits::IDLE_DEADLINE + Duration::from_secs(1);
            rig.settle();
        }
        assert!(
            ids.iter().all(|&id| rig.server.should_close(id)),
            "seed {seed}"
        );
        ids.iter().for_each(|&id| rig.server.close(id));
        assert_free(&mut rig);
    }
}
