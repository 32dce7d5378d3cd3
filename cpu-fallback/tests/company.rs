//! What a request generates does not depend on its company, nor on having been preempted and computed again.

mod demo;

use std::collections::BTreeMap;

use inference::engine::{Event, Request};
use inference::ids::{RequestId, TokenId};

/// Runs requests, one joining every third step, and returns their answers and how often one was preempted.
fn answers(requests: &[Request], sequences: usize, blocks: usize) -> (Vec<Vec<TokenId>>, u64) {
    let mut engine = demo::engine(sequences, blocks);
    let mut waiting = requests.iter();
    let mut answers: BTreeMap<RequestId, Vec<TokenId>> = BTreeMap::new();
    let mut events = vec![];
    for step in 0.. {
        if step % 3 == 0
            && let Some(request) = waiting.next()
        {
            let id = engine.submit(request.clone()).expect("the queue has room");
            answers.insert(id, vec![]);
        }
        let busy = engine.step(&mut events).expect("the CPU does not fail");
        for event in events.drain(..) {
            if let Event::Token { request, token, .. } = event {
                answers.entry(request).or_default().push(token);
            }
        }
        if !busy && waiting.len() == 0 {
            break;
        }
    }
    (answers.into_values().collect(), engine.status().preemptions)
}

#[test]
fn answers_do_not_depend_on_company() {
    let requests: Vec<_> = (0..10)
        .map(|n| demo::request(100 * n, 1 + 17 * (n % 5), 60, [0.0, 0.9][n as usize % 2]))
        .collect();
    let (alone, none) = answers(&requests, 1, 16);
    assert_eq!(none, 0);
    assert!(alone.iter().all(|answer| answer.len() == 60));
    // Blocks for 256 positions, where the sequences want up to 10 times 129.
    let (together, preemptions) = answers(&requests, 8, 16);
    assert!(preemptions > 0, "the cache was too large for this test");
    assert_eq!(together, alone);
}
