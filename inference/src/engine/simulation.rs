//! Random requests come, generate and are cancelled over a cache that is far too small for all; every answer must be
//! the one that the request gets alone, computed here without an engine.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use std::println;

use super::test_backend::{TestBackend, logits_after};
use super::*;
use crate::sampler::History;
use crate::test_random::Random;

const CAPACITY: Capacity = Capacity {
    kv_blocks: 12,
    batch_tokens: 24,
    batch_sequences: 5,
    vocabulary: 40,
};

const CONFIG: EngineConfig = EngineConfig {
    context: 150,
    max_running: 8,
    max_waiting: 6,
};

fn random_request(random: &mut Random) -> Request {
    let mut tokens = |count: usize| -> Vec<TokenId> {
        (0..count)
            .map(|_| TokenId(random.below(CAPACITY.vocabulary) as u32))
            .collect()
    };
    let (prompt, stop_tokens) = (tokens(1), tokens(1));
    let length = random.below(120);
    let mut request = Request {
        prompt,
        max_tokens: 1 + random.below(100),
        sampling: SamplingParams {
            temperature: random.below(2) as f32 * 0.9,
            top_k: random.below(2) as u32 * 7,
            repetition_penalty: [1.0, 1.3][random.below(2)],
            frequency_penalty: [0.0, 0.2][random.below(2)],
            seed: random.next(),
            ..SamplingParams::default()
        },
        stop_tokens: if random.below(2) == 0 {
            stop_tokens
        } else {
            Vec::new()
        },
        log_probabilities: (random.below(4) == 0).then_some(3),
    };
    for _ in 0..length {
        request
            .prompt
            .push(TokenId(random.below(CAPACITY.vocabulary) as u32));
    }
    request
}

/// What a request must give: its tokens and why it ends.
fn alone(request: &Request) -> (Vec<TokenId>, FinishReason) {
    let mut logits = vec![0.0; CAPACITY.vocabulary];
    let mut answer = Vec::new();
    loop {
        let length = request.prompt.len() + answer.len();
        if answer.len() == request.max_tokens || length == CONFIG.context {
            return (answer, FinishReason::Length);
        }
        logits_after(request.prompt.iter().chain(&answer).copied(), &mut logits);
        let history = History {
            prompt: &request.prompt,
            answer: &answer,
        };
        let token = Sampler::new().sample(&logits, &request.sampling, history);
        let token = token.unwrap();
        if request.stop_tokens.contains(&token) {
            return (answer, FinishReason::Stop);
        }
        answer.push(token);
    }
}

struct Expected {
    answer: Vec<TokenId>,
    reason: FinishReason,
    usage: Usage,
    seen: usize,
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    finished: u32,
    failed: u32,
    cancelled: u32,
    refused: u32,
    preempted: u64,
}

fn check_events(events: &[Event], open: &mut BTreeMap<u64, Expected>, tally: &mut Tally) {
    for event in events {
        match event {
            Event::Token { request, token, .. } => {
                let expected = open.get_mut(&request.0).expect("a request that is open");
                assert_eq!(expected.answer[expected.seen], *token, "{request:?}");
                expected.seen += 1;
            }
            Event::Finished {
                request,
                reason,
                usage,
            } => {
                let expected = open.remove(&request.0).expect("a request ends once");
                if matches!(reason, FinishReason::Backend(_)) {
                    tally.failed += 1;
                    continue;
                }
                assert_eq!(expected.seen, expected.answer.len());
                assert_eq!((reason, *usage), (&expected.reason, expected.usage));
                tally.finished += 1;
            }
        }
    }
}

fn check_books(engine: &Engine<TestBackend>) {
    let held = engine.running.iter().flat_map(|s| &s.blocks);
    let mut held: Vec<_> = held.collect();
    let count = held.len();
    held.sort();
    held.dedup();
    assert_eq!(held.len(), count, "a block has two owners");
    assert_eq!(
        count + engine.pool.free(),
        engine.pool.total(),
        "a block leaked"
    );
    assert!(engine.waiting.iter().all(|s| s.blocks.is_empty()));
    assert!(engine.running.is_sorted_by_key(|s| s.id));
}

fn simulate(seed: u64, fail_every: Option<u64>) -> Tally {
    println!("seed {seed}, fail_every {fail_every:?}");
    let mut random = Random::new(seed);
    let mut backend = TestBackend::new(CAPACITY);
    backend.fail_every = fail_every;
    let mut engine = Engine::new(backend, CONFIG).unwrap();
    let mut open: BTreeMap<u64, Expected> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut events = Vec::new();
    let mut arrivals = 60;
    // Generous: 60 requests of at most 150 positions, each evaluated a few times, at least one position a step.
    for _ in 0..100_000 {
        if arrivals > 0 && random.below(6) == 0 {
            arrivals -= 1;
            let request = random_request(&mut random);
            match engine.submit(request.clone()) {
                Ok(id) => {
                    let (answer, reason) = alone(&request);
                    let usage = Usage {
                        prompt_tokens: request.prompt.len(),
                        completion_tokens: answer.len(),
                    };
                    let expected = Expected {
                        answer,
                        reason,
                        usage,
                        seen: 0,
                    };
                    assert!(open.insert(id.0, expected).is_none(), "an id came twice");
                }
                Err(SubmitError::QueueFull { .. }) => tally.refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        if random.below(60) == 0 && !open.is_empty() {
            let index = random.below(open.len());
            let id = *open.keys().nth(index).unwrap();
            open.remove(&id);
            assert!(engine.cancel(RequestId(id)));
            assert!(!engine.cancel(RequestId(id)), "it ended already");
            tally.cancelled += 1;
        }
        events.clear();
        let outcome = engine.step(&mut events);
        check_events(&events, &mut open, &mut tally);
        check_books(&engine);
        if outcome == Ok(false) && arrivals == 0 {
            assert!(
                open.is_empty(),
                "requests that never ended: {:?}",
                open.keys()
            );
            assert_eq!(engine.pool.free(), CAPACITY.kv_blocks);
            tally.preempted = engine.status().preemptions;
            return tally;
        }
    }
    panic!(
        "deadlock: {:?} still open, {:?}",
        open.keys(),
        engine.status()
    );
}

#[test]
fn every_request_gets_what_it_would_get_alone() {
    let mut sum = Tally::default();
    for seed in 0..30 {
        let tally = simulate(seed, None);
        assert_eq!(tally.failed, 0);
        sum.finished += tally.finished;
        sum.cancelled += tally.cancelled;
        sum.refused += tally.refused;
        sum.preempted += tally.preempted;
    }
    println!("{sum:?}");
    // The simulation is worth nothing if what it is about did not happen.
    assert!(sum.finished > 500 && sum.cancelled > 50 && sum.refused > 10 && sum.preempted > 50);
}

#[test]
fn failing_steps_end_their_requests_and_no_others() {
    let failed: u32 = (100..110).map(|seed| simulate(seed, Some(40)).failed).sum();
    println!("failed {failed}");
    assert!(failed > 20);
}
