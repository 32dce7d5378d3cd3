//! What a client may choose about sampling, and the ranges in which it makes sense.

use alloc::vec::Vec;
use core::fmt;

use crate::ids::TokenId;

/// How to sample; the default is plain sampling from the model's distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// Divides logits; 0 takes the largest. 0 to 2 in the OpenAI API.
    pub temperature: f32,
    /// Candidates to keep; 0 keeps all.
    pub top_k: u32,
    /// Keeps the fewest best candidates whose probabilities reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Drops candidates less probable than this share of the best one's probability; 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens that occurred; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Subtracted from a token's logit for each of its occurrences in the answer.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of each token that occurs in the answer.
    pub presence_penalty: f32,
    /// Decides all draws.
    pub seed: u64,
    /// Added to the logits of these tokens; minus infinity bans one.
    pub logit_bias: Vec<(TokenId, f32)>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: 0,
            logit_bias: Vec::new(),
        }
    }
}

/// A parameter outside its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterError {
    /// Name in the API.
    pub name: &'static str,
    /// Its value.
    pub found: f32,
    /// Least value allowed.
    pub least: f32,
    /// Largest value allowed.
    pub most: f32,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            found,
            least,
            most,
        } = self;
        write!(f, "{name} is {found}, which is not in {least} to {most}")
    }
}

impl core::error::Error for ParameterError {}

impl SamplingParams {
    /// Checks every range; NaN is in none.
    ///
    /// # Errors
    /// [`ParameterError`] names the first parameter that is out of range.
    pub fn check(&self) -> Result<(), ParameterError> {
        let ranges = [
            ("temperature", self.temperature, 0.0, 2.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0),
        ];
        let biases = self.logit_bias.iter();
        let biases = biases.map(|(_, bias)| ("logit_bias", *bias, f32::NEG_INFINITY, 100.0));
        for (name, found, least, most) in ranges.into_iter().chain(biases) {
            if !(least..=most).contains(&found) {
                return Err(ParameterError {
                    name,
                    found,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }

    /// Whether logits change before temperature and draw.
    pub(super) fn adjusts_logits(&self) -> bool {
        let penalties = [
            self.repetition_penalty != 1.0,
            self.frequency_penalty != 0.0,
            self.presence_penalty != 0.0,
        ];
        !self.logit_bias.is_empty() || penalties.contains(&true)
    }
}
