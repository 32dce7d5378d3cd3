//! What the engine refuses, and how a batch is put together.

use alloc::string::ToString;
use alloc::vec;

use super::test_backend::TestBackend;
use super::*;

const CAPACITY: Capacity = Capacity {
    kv_blocks: 8,
    batch_tokens: 16,
    batch_sequences: 4,
    vocabulary: 10,
};

fn engine() -> Engine<TestBackend> {
    let config = EngineConfig {
        context: 1000,
        max_running: 99,
        max_waiting: 1,
    };
    Engine::new(TestBackend::new(CAPACITY), config).unwrap()
}

fn request(prompt: usize, max_tokens: usize) -> Request {
    Request {
        prompt: vec![TokenId(1); prompt],
        max_tokens,
        sampling: SamplingParams {
            temperature: 0.0,
            ..SamplingParams::default()
        },
        stop_tokens: vec![],
        log_probabilities: None,
    }
}

#[test]
fn the_configuration_is_cut_to_the_backend() {
    let engine = engine();
    let config = engine.config();
    assert_eq!((config.context, config.max_running), (8 * 16, 4));
    let none = Capacity {
        kv_blocks: 0,
        ..CAPACITY
    };
    assert!(Engine::new(TestBackend::new(none), *config).is_err());
}

#[test]
fn requests_that_cannot_run_are_refused_by_name() {
    let mut engine = engine();
    let mut refuse = |request: Request| engine.submit(request).unwrap_err().to_string();
    assert_eq!(refuse(request(0, 5)), "the prompt has no token");
    assert_eq!(
        refuse(request(128, 5)),
        "the prompt has 128 tokens; with room for an answer, at most 127 fit into the context of 128"
    );
    assert_eq!(
        refuse(request(1, 0)),
        "max_tokens is 0, which is not at least 1"
    );
    let mut bad = request(1, 1);
    bad.prompt[0] = TokenId(10);
    assert_eq!(refuse(bad), "token 10 is not in the vocabulary of 10");
    let mut bad = request(1, 1);
    bad.sampling.logit_bias = vec![(TokenId(11), 1.0)];
    assert_eq!(refuse(bad), "token 11 is not in the vocabulary of 10");
    let mut bad = request(1, 1);
    bad.sampling.temperature = f32::NAN;
    assert_eq!(refuse(bad), "temperature is NaN, which is not in 0 to 2");
    for _ in 0..5 {
        engine.submit(request(1, 1)).unwrap();
    }
    let full = engine.submit(request(1, 1)).unwrap_err();
    assert_eq!(full, SubmitError::QueueFull { requests: 5 });
}

#[test]
fn prompts_are_cut_into_pieces_while_others_decode() {
    let mut engine = engine();
    let mut events = vec![];
    engine.submit(request(1, 20)).unwrap();
    engine.submit(request(40, 5)).unwrap();
    // 40 positions in pieces of 15, because one position of each step belongs to the sequence that decodes.
    for cached in [15, 30] {
        engine.step(&mut events).unwrap();
        assert_eq!(engine.running[1].cached, cached);
    }
    assert_eq!(events.len(), 2);
    engine.step(&mut events).unwrap();
    assert_eq!(events.len(), 4);
}

#[test]
fn an_answer_ends_with_the_context() {
    let mut engine = engine();
    let mut events = vec![];
    engine.submit(request(127, usize::MAX)).unwrap();
    while engine.step(&mut events).unwrap() {}
    let Some(Event::Finished { reason, usage, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (reason, usage.completion_tokens),
        (&FinishReason::Length, 1)
    );
}

#[test]
fn nan_ends_one_request_and_leaves_the_other() {
    let mut engine = engine();
    engine.backend.nan_row = Some(0);
    let bad = engine.submit(request(1, 3)).unwrap();
    let good = engine.submit(request(2, 3)).unwrap();
    let mut events = vec![];
    while engine.step(&mut events).unwrap() {}
    let reasons: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Finished {
                request, reason, ..
            } => Some((*request, reason.clone())),
            Event::Token { .. } => None,
        })
        .collect();
    let token = TokenId(0);
    let nan = FinishReason::Sampler(SamplerError::NotFinite { token });
    assert_eq!(reasons, [(bad, nan), (good, FinishReason::Length)]);
}

#[test]
fn log_probabilities_come_only_when_wanted() {
    let mut engine = engine();
    let mut events = vec![];
    let mut wanted = request(2, 1);
    wanted.log_probabilities = Some(4);
    engine.submit(wanted).unwrap();
    engine.submit(request(2, 1)).unwrap();
    engine.step(&mut events).unwrap();
    let found: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Token {
                token,
                log_probabilities,
                ..
            } => Some((*token, log_probabilities)),
            Event::Finished { .. } => None,
        })
        .collect();
    let (token, Some(with)) = &found[0] else {
        panic!("{found:?}");
    };
    assert_eq!((with.top.len(), with.top[0]), (4, (*token, with.chosen)));
    assert_eq!(found[1].1, &None);
}
