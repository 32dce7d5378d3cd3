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
        rig.wait(deadline);
        assert!(
            rig.server.pending(id).is_empty() && !rig.server.should_close(id),
            "too early: {sent}"
        );
        rig.wait(Duration::from_millis(1));
        let replies = Reply::parse_all(&rig.read(id));
        assert_eq!(
            replies.first().map(|reply| reply.status),
            expected,
            "{sent}"
        );
        rig.wait(limits::LINGER + Duration::from_millis(1));
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
    rig.step();
    rig.wait(Duration::from_secs(100));
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
    rig.wait(limits::STALL_DEADLINE + Duration::from_secs(1));
    assert!(rig.server.should_close(id));
}

#[test]
fn a_long_step_is_nobodys_delay() {
    let mut rig = Rig::new();
    let [idle, head, body, reader] = [(); 4].map(|()| rig.open());
    rig.send(head, b"GET /health HT");
    let request = endless(false);
    let (first, rest) = request.split_at(request.len() - 1);
    rig.send(body, first);
    rig.send(reader, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    // Two steps that take hours, the second of which finds everybody as they were before it.
    for _ in 0..2 {
        rig.now += Duration::from_secs(10_000);
        rig.step();
    }
    for id in [idle, head, body, reader] {
        assert!(!rig.server.should_close(id));
    }
    rig.send(head, b"TP/1.1\r\nHost: a\r\n\r\n");
    rig.send(body, rest);
    rig.settle();
    for id in [head, body, reader] {
        assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 200);
    }
}

/// The head of a request with a body, of which nothing has come.
fn announced(length: usize) -> Vec<u8> {
    format!("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

#[test]
fn bodies_are_bounded_together_and_nobody_is_locked_out() {
    let mut rig = Rig::new();
    let chunked =
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let slow: Vec<_> = (0..limits::MAX_BODIES_BYTES / limits::MAX_BODY_BYTES)
        .map(|number| {
            let id = rig.open();
            let head = if number == 0 {
                chunked.clone()
            } else {
                announced(limits::MAX_BODY_BYTES)
            };
            rig.send(id, &head);
            id
        })
        .collect();
    // No room for another long one; it is read to its end, and the connection lives.
    let late = rig.open();
    let body = " ".repeat(limits::SMALL_BODY_BYTES + 1);
    rig.send(late, &[announced(body.len()), body.into_bytes()].concat());
    let reply = Reply::parse_all(&rig.read(late)).remove(0);
    assert_eq!(
        (reply.status, reply.header("Retry-After")),
        (429, Some("1"))
    );
    // Short ones, and long ones that are refused for another reason, need none.
    rig.send(late, &endless(false));
    rig.settle();
    assert_eq!(Reply::parse_all(&rig.read(late))[0].status, 200);
    rig.send(
        late,
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n",
    );
    rig.send(late, &[b' '; 9000]);
    assert_eq!(Reply::parse_all(&rig.read(late))[0].status, 404);
    // Those who stall are sent off, and there is room again.
    rig.wait(limits::BODY_DEADLINE + Duration::from_millis(1));
    for id in slow {
        assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 408);
    }
    let id = rig.open();
    let body = " ".repeat(limits::MAX_BODY_BYTES);
    rig.send(id, &[announced(body.len()), body.into_bytes()].concat());
    assert_eq!(Reply::parse_all(&rig.read(id))[0].status, 400);
}

/// A chat of 16 long answers with all their alternatives, a megabyte or two in all.
fn huge(stream: bool) -> Vec<u8> {
    let body = json!({"model": "tiny/model", "messages": [{"role": "user", "content": "x"}], "n": 16,
                      "temperature": 0, "logprobs": true, "top_logprobs": 20, "stream": stream,
                      "logit_bias": {"257": -100}});
    post("/v1/chat/completions", &body)
}

#[test]
fn an_answer_is_bounded_over_all_its_choices() {
    let mut rig = Rig::new();
    let reply = Reply::parse_all(&rig.exchange(&huge(false))).remove(0);
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() > limits::MAX_WHOLE_ANSWER_BYTES);
    assert!(reply.body.len() < limits::MAX_WHOLE_ANSWER_BYTES + 100_000);
    let answer = reply.json();
    for choice in answer["choices"].as_array().unwrap() {
        assert_eq!(choice["finish_reason"], "length");
    }
    let most = answer["usage"]["completion_tokens"].as_u64().unwrap();
    assert!(most < 16 * 200, "all {most} tokens: nothing was cut");
}

#[test]
fn answers_are_bounded_together() {
    let mut rig = Rig::with(&Setup {
        max_waiting: Some(400),
        ..Setup::default()
    });
    // Whole answers that nobody fetches, then one whose client reads as it should.
    let deaf: Vec<_> = (0..12).map(|_| rig.open()).collect();
    for &id in &deaf {
        rig.send(id, &huge(false));
    }
    rig.settle();
    let held: usize = deaf.iter().map(|&id| rig.server.pending(id).len()).sum();
    let fair = deaf.len() * (limits::FAIR_ANSWER_BYTES + 100_000);
    assert!(
        held < limits::MAX_ANSWERS_BYTES + limits::MAX_WHOLE_ANSWER_BYTES + fair,
        "{held}"
    );
    let reader = rig.open();
    rig.send(reader, &endless(false));
    rig.settle();
    assert_eq!(Reply::parse_all(&rig.read(reader))[0].status, 200);
    // Nothing was damaged: each is a whole answer, cut or not.
    for id in deaf {
        let reply = Reply::parse_all(&rig.read(id)).remove(0);
        assert_eq!(reply.json()["choices"].as_array().unwrap().len(), 16);
    }
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
            rig.wait(limits::BODY_DEADLINE + limits::IDLE_DEADLINE + Duration::from_secs(1));
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
