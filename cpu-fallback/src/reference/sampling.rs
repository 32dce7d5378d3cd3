//! From logits to the tokens that may be drawn.

use alloc::vec::Vec;

/// How a row is sampled; the meaning of each number is that of `inference::sampler::SamplingParams`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Divides logits; positive.
    pub temperature: f64,
    /// 0 keeps all.
    pub top_k: usize,
    /// 1 keeps all.
    pub top_p: f64,
    /// 0 keeps all.
    pub min_p: f64,
}

/// Tokens and their weights, the largest being 1, by weight and then by id.
#[must_use]
pub fn ranking(logits: &[f32], temperature: f64) -> Vec<(usize, f64)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut ranking: Vec<_> = logits
        .iter()
        .map(|logit| libm::exp((f64::from(*logit) - f64::from(largest)) / temperature))
        .enumerate()
        .collect();
    // Stable: equals stay in the order of their ids.
    ranking.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranking
}

/// How many of the first tokens of a ranking are kept.
#[must_use]
pub fn kept(ranking: &[(usize, f64)], choice: &Choice) -> usize {
    let mut kept = ranking.len();
    if choice.top_k > 0 {
        kept = kept.min(choice.top_k);
    }
    if choice.top_p < 1.0 {
        let all: f64 = ranking[..kept].iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let reaches = |(_, weight): &(usize, f64)| {
            sum += weight;
            sum >= choice.top_p * all
        };
        kept = ranking[..kept]
            .iter()
            .position(reaches)
            .map_or(kept, |last| last + 1);
    }
    ranking[..kept]
        .iter()
        .take_while(|(_, weight)| *weight >= choice.min_p)
        .count()
}

/// Penalties for a token that occurs in the prompt or answer, `in_answer` times in the latter.
#[must_use]
pub fn penalised(
    logit: f64,
    in_answer: u32,
    repetition: f64,
    frequency: f64,
    presence: f64,
) -> f64 {
    let scaled = if logit > 0.0 {
        logit / repetition
    } else {
        logit * repetition
    };
    if in_answer > 0 {
        scaled - frequency * f64::from(in_answer) - presence
    } else {
        scaled
    }
}
