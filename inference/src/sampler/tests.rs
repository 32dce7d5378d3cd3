//! The sampler against the same definition written slowly, in `f64`, with a sort for everything.

use alloc::vec;
use alloc::vec::Vec;
use std::println;

use super::*;
use crate::random::split_mix_64;
use crate::test_random::Random;

const NOTHING: History<'static> = History {
    prompt: &[],
    answer: &[],
};

fn params(temperature: f32) -> SamplingParams {
    SamplingParams {
        temperature,
        ..SamplingParams::default()
    }
}

/// Probability of each token, zero where the parameters rule it out.
fn reference(logits: &[f32], params: &SamplingParams) -> Vec<f64> {
    let scaled = |t: usize| f64::from(logits[t]) / f64::from(params.temperature);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if params.top_k > 0 {
        order.truncate(params.top_k as usize);
    }
    let best = scaled(order[0]);
    let weight = |t: usize| (scaled(t) - best).exp();
    let sum: f64 = order.iter().map(|&t| weight(t)).sum();
    let mut reached = 0.0;
    let mut kept = Vec::new();
    for &token in &order {
        if reached / sum < f64::from(params.top_p) || kept.is_empty() {
            kept.push(token);
        }
        reached += weight(token);
    }
    kept.retain(|&t| weight(t) >= f64::from(params.min_p));
    let sum: f64 = kept.iter().map(|&t| weight(t)).sum();
    let mut probabilities = vec![0.0; logits.len()];
    kept.iter()
        .for_each(|&t| probabilities[t] = weight(t) / sum);
    probabilities
}

#[test]
fn the_distribution_is_the_reference_s() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut sampler = Sampler::new();
    for _ in 0..2000 {
        let count = 1 + random.below(60);
        let logits: Vec<f32> = (0..count)
            .map(|_| random.below(4000) as f32 / 500.0)
            .collect();
        let params = SamplingParams {
            temperature: 0.1 + random.below(19) as f32 / 10.0,
            top_k: random.below(count + 2) as u32,
            // Odd numbers, so that no sum of probabilities meets the border but for rounding.
            top_p: [1.0, 0.9137, 0.5019, 0.0][random.below(4)],
            min_p: [0.0, 0.0513, 0.2907, 1.0][random.below(4)],
            ..SamplingParams::default()
        };
        let expected = reference(&logits, &params);
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        sampler.gather(&logits, largest, &params);
        let sum = total(&sampler.candidates);
        let mut found = vec![0.0; count];
        for candidate in &sampler.candidates {
            found[candidate.token as usize] = f64::from(candidate.weight) / sum;
        }
        for token in 0..count {
            let (found, expected) = (found[token], expected[token]);
            assert!(
                (found - expected).abs() < 1e-5,
                "{token}: {found} {expected} {params:?}"
            );
        }
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = [0.0, 1.0, 2.0, f32::NEG_INFINITY, 0.5];
    let expected = reference(&logits, &params(0.8));
    let draws = 20_000;
    let mut found = [0u32; 5];
    for seed in 0..draws {
        let params = SamplingParams {
            seed: split_mix_64(seed, 3),
            ..params(0.8)
        };
        let token = Sampler::new().sample(&logits, &params, NOTHING).unwrap();
        found[token.0 as usize] += 1;
    }
    for (found, expected) in found.into_iter().zip(expected) {
        // Four standard deviations of a binomial are at most 0.0142.
        assert!((f64::from(found) / draws as f64 - expected).abs() < 0.0142);
    }
    assert_eq!(found[3], 0);
}

#[test]
fn a_seed_repeats_its_draws_and_each_position_draws_anew() {
    let logits = [0.0; 1000];
    let answer = [TokenId(1); 50];
    let draw = |seed, length| {
        let params = SamplingParams {
            seed,
            ..params(1.0)
        };
        let history = History {
            prompt: &[],
            answer: &answer[..length],
        };
        Sampler::new().sample(&logits, &params, history).unwrap()
    };
    let tokens = |seed| (0..50).map(|length| draw(seed, length)).collect::<Vec<_>>();
    assert_eq!(tokens(1), tokens(1));
    assert_ne!(tokens(1), tokens(2));
    assert!(tokens(1).iter().any(|t| *t != tokens(1)[0]));
}

#[test]
fn temperature_zero_takes_the_lowest_id_of_the_largest() {
    let sample = |logits: &[f32]| Sampler::new().sample(logits, &params(0.0), NOTHING);
    assert_eq!(sample(&[1.0, 3.0, 3.0, 2.0]), Ok(TokenId(1)));
    assert_eq!(sample(&[f32::NEG_INFINITY, -5.0]), Ok(TokenId(1)));
    assert_eq!(
        sample(&[f32::NEG_INFINITY; 2]),
        Err(SamplerError::NoCandidate)
    );
    let bad = Err(SamplerError::NotFinite { token: TokenId(1) });
    assert_eq!(sample(&[9.0, f32::NAN]), bad);
    assert_eq!(sample(&[9.0, f32::INFINITY]), bad);
}

#[test]
fn a_tiny_temperature_is_greedy() {
    let tiny = params(f32::MIN_POSITIVE);
    let token = Sampler::new().sample(&[1.0, 3.0, 2.9], &tiny, NOTHING);
    assert_eq!(token, Ok(TokenId(1)));
}

#[test]
fn penalties_and_bias_move_logits_as_documented() {
    let mut sampler = Sampler::new();
    let history = History {
        prompt: &[TokenId(0), TokenId(0), TokenId(1)],
        answer: &[TokenId(1), TokenId(2), TokenId(2)],
    };
    let params = SamplingParams {
        repetition_penalty: 2.0,
        frequency_penalty: 0.25,
        presence_penalty: 1.0,
        ..params(0.0)
    };
    let mut logits = [8.0, 4.0, -1.0, 5.0];
    sampler.penalise(&mut logits, &params, history);
    assert_eq!(logits, [4.0, 2.0 - 1.25, -2.0 - 1.5, 5.0]);
    assert!(sampler.counts.iter().all(|count| *count == 0));

    let biased = SamplingParams {
        logit_bias: vec![(TokenId(3), f32::NEG_INFINITY), (TokenId(0), 0.5)],
        ..params.clone()
    };
    let token = sampler.sample(&[8.0, 4.0, -1.0, 5.0], &biased, history);
    assert_eq!(token, Ok(TokenId(0)));
}

#[test]
fn log_probabilities_are_the_model_s_own() {
    let logits = [1.0f32, 2.0, 2.0, -1.0];
    let found = Sampler::new().log_probabilities(&logits, TokenId(3), 3);
    let sum: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
    let expected = |token: usize| (f64::from(logits[token]) - sum.ln()) as f32;
    assert!((found.chosen - expected(3)).abs() < 1e-6);
    let ids: Vec<_> = found.top.iter().map(|(token, _)| token.0).collect();
    assert_eq!(ids, [1, 2, 0]);
    for (token, log_probability) in found.top {
        assert!((log_probability - expected(token.0 as usize)).abs() < 1e-6);
    }
    let all = Sampler::new().log_probabilities(&logits, TokenId(0), 100);
    assert_eq!(all.top.len(), 4);
}

#[test]
fn parameters_out_of_range_are_named() {
    let check = |params: SamplingParams| params.check().unwrap_err().name;
    let default = SamplingParams::default;
    assert_eq!(default().check(), Ok(()));
    for bad in [-0.1, 2.1, f32::NAN, f32::INFINITY] {
        assert_eq!(check(params(bad)), "temperature");
        assert_eq!(
            check(SamplingParams {
                top_p: bad,
                ..default()
            }),
            "top_p"
        );
        assert_eq!(
            check(SamplingParams {
                min_p: bad,
                ..default()
            }),
            "min_p"
        );
    }
    let bias = vec![(TokenId(0), f32::NAN)];
    assert_eq!(
        check(SamplingParams {
            logit_bias: bias,
            ..default()
        }),
        "logit_bias"
    );
}
