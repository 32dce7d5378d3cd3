//! Requests that were damaged at random: whatever they became, the server lives and blames itself for nothing.

use serde_json::json;

use crate::harness::{Random, Rig, post};

fn originals() -> Vec<Vec<u8>> {
    let chat = json!({
        "model": "tiny/model", "messages": [{"role": "system", "content": "be"}, {"role": "user", "content": [
            {"type": "text", "text": "a\u{e9}\n\"b"}]}],
        "temperature": 0.5, "top_p": 0.9, "n": 2, "max_tokens": 5, "stop": ["x", "y"], "seed": 3, "stream": true,
        "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 2, "logit_bias": {"97": 2},
        "presence_penalty": 0.1, "frequency_penalty": -0.1, "user": "u", "tools": [],
    });
    let completion = json!({"model": "tiny/model", "prompt": ["ab", [1, 2, 3]], "max_tokens": 4, "logprobs": 2,
                            "min_p": 0.1, "top_k": 3, "repetition_penalty": 1.1});
    let chunked = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         29;x=y\r\n{\"model\":\"tiny/model\",\"prompt\":\"b\",\"n\":1 \r\n4\r\n   }\r\n0\r\nA: b\r\n\r\n";
    vec![
        post("/v1/chat/completions", &chat),
        post("/v1/completions", &completion),
        chunked.into(),
        b"OPTIONS /v1/models/x%20y HTTP/1.1\r\nHost: a\r\nOrigin: http://localhost:1\r\nExpect: 100-continue\r\n\r\n".into(),
    ]
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const PIECES: [&[u8]; 14] = [
        b"\r\n",
        b"\"",
        b"{",
        b"[",
        b"]}",
        b"-",
        b"1e400",
        b"99999999999999999999",
        b"null",
        b"\0",
        b"\xff",
        b"\\ud800",
        b"Content-Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ];
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] = random.below(256) as u8,
        1 => drop(bytes.remove(at)),
        2 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
        3 => {
            let end = (at + random.below(30)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let piece = bytes[at..(at + random.below(30)).min(bytes.len())].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
    if bytes.is_empty() {
        bytes.push(b' ');
    }
}

/// Every status in the answers, which need not be whole.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    text.split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .collect()
}

#[test]
fn mutations_never_panic_nor_blame_the_server() {
    let mut seen = std::collections::BTreeSet::new();
    for (number, original) in originals().iter().enumerate() {
        assert_eq!(
            statuses(&Rig::new().exchange(original)).last(),
            Some(&if number == 3 { 204 } else { 200 })
        );
        let mut rig = Rig::new();
        for seed in 1..6000 {
            let mut random = Random(seed);
            let mut request = original.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut random, &mut request);
            }
            let id = rig.open();
            let mut answers = rig.send(id, &request);
            rig.settle();
            answers.extend(rig.read(id));
            rig.server.close(id);
            for status in statuses(&answers) {
                assert!(status < 500, "seed {seed} of request {number}: {status}");
                seen.insert(status);
            }
        }
    }
    // The mutations reach past the surface.
    assert!(
        [200, 204, 400, 404, 405, 411, 413]
            .iter()
            .all(|status| seen.contains(status)),
        "{seen:?}"
    );
}
