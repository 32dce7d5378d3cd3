//! From a row of logits to a token.
//!
//! The steps and their order: logit bias; repetition penalty (over prompt and answer); frequency and presence penalty
//! (over the answer); then, at temperature 0, the token with the largest logit, the lowest id among equals; otherwise
//! division by the temperature, softmax, top-k, top-p, min-p, and a draw among what is left. Equal logits rank by id, so
//! nothing is left to chance but the draw, and the draw for the n-th token is a function of the seed and n.
//!
//! A [`Sampler`] holds only scratch memory, grown once: one serves all sequences.

mod params;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

pub use params::{ParameterError, SamplingParams};

use crate::ids::TokenId;
use crate::random::uniform;

/// Set in a token's count where it occurs in the prompt.
const IN_PROMPT: u32 = 1 << 31;

/// A token that may be drawn; weights are probabilities up to a common factor, the largest being 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    token: u32,
    weight: f32,
}

/// What a sequence consists of so far.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Tokens that the client gave.
    pub prompt: &'a [TokenId],
    /// Tokens that were sampled.
    pub answer: &'a [TokenId],
}

/// Log-probabilities (natural) under the model's own distribution: before bias, penalties and temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct LogProbabilities {
    /// Of the sampled token.
    pub chosen: f32,
    /// The most probable tokens, best first.
    pub top: Vec<(TokenId, f32)>,
}

/// Why no token could be sampled; the request's fault or the model's, never the client's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerError {
    /// A logit is NaN or positive infinity.
    NotFinite {
        /// The token whose logit it is.
        token: TokenId,
    },
    /// Every logit is minus infinity.
    NoCandidate,
}

impl fmt::Display for SamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { token } => write!(
                f,
                "the model's logit for token {} is not a finite number",
                token.0
            ),
            Self::NoCandidate => write!(f, "no token has a logit above minus infinity"),
        }
    }
}

impl core::error::Error for SamplerError {}

/// Scratch memory for sampling.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Logits after bias and penalties.
    adjusted: Vec<f32>,
    /// Occurrences of each token while penalties are applied; all zero otherwise.
    counts: Vec<u32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler; memory is taken at the first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Samples the next token. Tokens in `history` and in the logit bias must be smaller than `logits.len()`.
    ///
    /// # Errors
    /// [`SamplerError`] if the logits are unusable.
    pub fn sample(
        &mut self,
        logits: &[f32],
        params: &SamplingParams,
        history: History<'_>,
    ) -> Result<TokenId, SamplerError> {
        if let Some(token) = logits
            .iter()
            .position(|l| l.is_nan() || *l == f32::INFINITY)
        {
            let token = TokenId(token as u32);
            return Err(SamplerError::NotFinite { token });
        }
        if !params.adjusts_logits() {
            return self.choose(logits, params, history.answer.len());
        }
        let mut adjusted = core::mem::take(&mut self.adjusted);
        adjusted.clear();
        adjusted.extend_from_slice(logits);
        for &(token, bias) in &params.logit_bias {
            adjusted[token.0 as usize] += bias;
        }
        self.penalise(&mut adjusted, params, history);
        let chosen = self.choose(&adjusted, params, history.answer.len());
        self.adjusted = adjusted;
        chosen
    }

    fn penalise(&mut self, logits: &mut [f32], params: &SamplingParams, history: History<'_>) {
        self.counts.resize(logits.len(), 0);
        for token in history.prompt {
            self.counts[token.0 as usize] |= IN_PROMPT;
        }
        for token in history.answer {
            self.counts[token.0 as usize] += 1;
        }
        for token in history.prompt.iter().chain(history.answer) {
            // Taking the count lets each token pass once, and leaves zeros for the next call.
            let count = core::mem::take(&mut self.counts[token.0 as usize]);
            if count == 0 {
                continue;
            }
            let logit = &mut logits[token.0 as usize];
            if *logit > 0.0 {
                *logit /= params.repetition_penalty;
            } else {
                *logit *= params.repetition_penalty;
            }
            let in_answer = count & !IN_PROMPT;
            if in_answer > 0 {
                *logit -= params.frequency_penalty * in_answer as f32 + params.presence_penalty;
            }
        }
    }

    fn choose(
        &mut self,
        logits: &[f32],
        params: &SamplingParams,
        index: usize,
    ) -> Result<TokenId, SamplerError> {
        let best = greedy(logits).ok_or(SamplerError::NoCandidate)?;
        if params.temperature == 0.0 {
            return Ok(best);
        }
        self.gather(logits, logits[best.0 as usize], params);
        let mut left = uniform(params.seed, index as u64) * total(&self.candidates);
        for candidate in &self.candidates {
            left -= f64::from(candidate.weight);
            if left < 0.0 {
                return Ok(TokenId(candidate.token));
            }
        }
        // Rounding in the sums can leave a trace of `left` after the last candidate.
        Ok(self.candidates.last().map_or(best, |c| TokenId(c.token)))
    }

    /// Fills `candidates` with what temperature, top-k, top-p and min-p leave, of which the best is always one.
    fn gather(&mut self, logits: &[f32], largest: f32, params: &SamplingParams) {
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates.extend(logits.iter().zip(0..).map(|(logit, token)| Candidate {
            token,
            weight: libm::expf((logit - largest) / params.temperature),
        }));
        let top_k = params.top_k as usize;
        if (1..candidates.len()).contains(&top_k) {
            candidates.select_nth_unstable_by(top_k - 1, rank);
            candidates.truncate(top_k);
        }
        if params.top_p < 1.0 {
            let all = total(candidates);
            // All candidates below the mean of what may be left out sum up to less than that, so none of them can be
            // in the nucleus: few remain to be sorted.
            let least = (1.0 - f64::from(params.top_p)) * all / candidates.len() as f64;
            candidates.retain(|c| c.weight == 1.0 || f64::from(c.weight) >= least);
            candidates.sort_unstable_by(rank);
            let wanted = f64::from(params.top_p) * all;
            let mut sum = 0.0;
            let inside = candidates.iter().position(|candidate| {
                sum += f64::from(candidate.weight);
                sum >= wanted
            });
            candidates.truncate(inside.map_or(candidates.len(), |last| last + 1));
        }
        candidates.retain(|c| c.weight >= params.min_p && c.weight > 0.0);
    }

    /// Log-probabilities of `chosen` and of the `top` most probable tokens.
    #[must_use]
    pub fn log_probabilities(
        &mut self,
        logits: &[f32],
        chosen: TokenId,
        top: usize,
    ) -> LogProbabilities {
        let normaliser = log_sum_exp(logits);
        let log_probability = |logit: f32| (f64::from(logit) - normaliser) as f32;
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates.extend(
            logits
                .iter()
                .zip(0..)
                .map(|(&weight, token)| Candidate { token, weight }),
        );
        if (1..candidates.len()).contains(&top) {
            candidates.select_nth_unstable_by(top - 1, rank);
        }
        candidates.truncate(top);
        candidates.sort_unstable_by(rank);
        LogProbabilities {
            chosen: log_probability(logits[chosen.0 as usize]),
            top: candidates
                .iter()
                .map(|c| (TokenId(c.token), log_probability(c.weight)))
                .collect(),
        }
    }
}

/// The token with the largest logit, the lowest id among equals; `None` if none is above minus infinity.
#[must_use]
pub fn greedy(logits: &[f32]) -> Option<TokenId> {
    let mut best = None;
    let mut largest = f32::NEG_INFINITY;
    for (&logit, token) in logits.iter().zip(0..) {
        if logit > largest {
            largest = logit;
            best = Some(TokenId(token));
        }
    }
    best
}

/// The logarithm of the sum of the exponentials, without overflow: what turns a logit into a log-probability.
#[must_use]
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|l| libm::exp(f64::from(*l) - f64::from(largest)))
        .sum();
    f64::from(largest) + libm::log(sum)
}

/// Heavier first, then lower id first.
fn rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token))
}

fn total(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|c| f64::from(c.weight)).sum()
}
