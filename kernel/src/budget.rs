//! How much the model may use of the memory that is left: KV blocks for many sequences if they fit, for one at least.

use core::fmt;

use cpu_fallback::{CpuConfig, CpuError, KernelSet};
use inference::ids::TokenId;
use inference::limits::{KV_BLOCK_TOKENS, MAX_BATCH_SEQUENCES};
use inference::model::Hyperparameters;
use serving::limits::worst_case_bytes;

use crate::net::stack::{SLOTS, SOCKET_BYTES};

/// Sequences that run at once where `max_batch=` says nothing: twice the connections that the API must carry.
const DEFAULT_SEQUENCES: usize = 32;
/// Sequences that may have the whole context at the same time, memory permitting. Sequences are shorter as a rule, and a
/// cache for all of them would be cleared at every boot for nothing.
const FULL_SEQUENCES: usize = 16;
/// Tokens of one step. While a step runs nothing else does, so this bounds how long the network waits.
const BATCH_TOKENS: usize = 64;
/// Kept free for connections, requests and answers, at the worst that clients can do, and for the sockets' buffers.
const RESERVE_BYTES: u64 = 52 << 20;
const _: () = {
    let requests = worst_case_bytes(SLOTS + 1, 2 * MAX_BATCH_SEQUENCES);
    assert!((requests + SLOTS * SOCKET_BYTES) as u64 <= RESERVE_BYTES);
};
/// A context shorter than this is of no use, unless the model or the operator wants it so.
const LEAST_CONTEXT: usize = 256;

/// What the operator and the machine say.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Bytes that are free.
    pub free: u64,
    /// Cores that compute.
    pub workers: usize,
    /// `ctx=`.
    pub context: Option<usize>,
    /// `max_batch=`.
    pub sequences: Option<usize>,
    /// Code path.
    pub kernels: KernelSet,
}

/// Too little memory for a single sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that the shortest useful context needs.
    pub needed: u64,
    /// Bytes there are.
    pub free: u64,
    /// The context that was wanted.
    pub context: usize,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.needed.saturating_sub(self.free).div_ceil(1 << 20);
        write!(
            f,
            "a context of {} tokens needs {} MiB besides the weights, but {} MiB are free; give the machine {missing} MiB \
             more memory or set a smaller ctx=",
            self.context,
            self.needed.div_ceil(1 << 20),
            self.free >> 20,
        )
    }
}

/// Why there is no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetError {
    /// Too little memory.
    Shortage(Shortage),
    /// The sizes are no sizes of this world.
    Cpu(CpuError),
}

/// What the backend may hold. The context is the wanted one, or what fits where the operator named none.
///
/// # Errors
/// [`BudgetError`] if not even one sequence fits.
pub fn budget(shape: &Hyperparameters, wishes: &Wishes) -> Result<CpuConfig, BudgetError> {
    let context = wishes
        .context
        .unwrap_or(usize::MAX)
        .min(shape.context_length);
    let sequences = wishes
        .sequences
        .unwrap_or(DEFAULT_SEQUENCES)
        .clamp(1, MAX_BATCH_SEQUENCES);
    let blocks_per_sequence = context.div_ceil(KV_BLOCK_TOKENS);
    let mut config = CpuConfig {
        kernels: wishes.kernels,
        kv_blocks: 1,
        batch_tokens: BATCH_TOKENS.max(sequences),
        batch_sequences: sequences,
        context,
    };
    let block = config.kv_bytes(shape).map_err(BudgetError::Cpu)? as u64;
    let fixed = |config: &CpuConfig| -> Result<u64, BudgetError> {
        let step = config
            .step_bytes(shape, wishes.workers)
            .map_err(BudgetError::Cpu)? as u64;
        let logits = (sequences * size_of::<f32>()) as u64 * shape.vocabulary as u64;
        // The tokens of the sequences that run and of as many that wait; each takes all it will ever need at once.
        let tokens = (2 * sequences * size_of::<TokenId>()) as u64 * config.context as u64;
        Ok([logits, tokens, RESERVE_BYTES]
            .into_iter()
            .fold(step, u64::saturating_add))
    };
    let blocks_that_fit = |config: &CpuConfig| -> Result<u64, BudgetError> {
        Ok(wishes.free.saturating_sub(fixed(config)?) / block)
    };
    if blocks_that_fit(&config)? < blocks_per_sequence as u64 {
        let least = wishes
            .context
            .map_or(LEAST_CONTEXT, |_| context)
            .min(context);
        // With a shorter context the buffers of a step shrink as well: what fits at the least context is a lower bound.
        config.context = least;
        let fit = blocks_that_fit(&config)?;
        let least_blocks = least.div_ceil(KV_BLOCK_TOKENS) as u64;
        if fit < least_blocks {
            return Err(BudgetError::Shortage(Shortage {
                needed: fixed(&config)?.saturating_add(least_blocks.saturating_mul(block)),
                free: wishes.free,
                context: least,
            }));
        }
        config.context = largest_context(least, context, |context| {
            config.context = context;
            Ok(blocks_that_fit(&config)? >= context.div_ceil(KV_BLOCK_TOKENS) as u64)
        })?;
    }
    let wanted =
        config.context.div_ceil(KV_BLOCK_TOKENS) as u64 * sequences.min(FULL_SEQUENCES) as u64;
    config.kv_blocks = blocks_that_fit(&config)?.min(wanted) as usize;
    Ok(config)
}

/// The largest multiple of a block, from `least` (which fits) to `most`, that fits.
fn largest_context(
    least: usize,
    most: usize,
    mut fits: impl FnMut(usize) -> Result<bool, BudgetError>,
) -> Result<usize, BudgetError> {
    let (mut good, mut bad) = (least, most);
    while bad - good > KV_BLOCK_TOKENS {
        let middle = (good + (bad - good) / 2)
            .next_multiple_of(KV_BLOCK_TOKENS)
            .min(bad - 1);
        if fits(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Hyperparameters = Hyperparameters {
        context_length: 2048,
        embedding_length: 2048,
        block_count: 22,
        feed_forward_length: 5632,
        head_count: 32,
        head_count_kv: 4,
        head_length: 64,
        rms_epsilon: 1e-5,
        rope_dimensions: 64,
        rope_base: 10_000.0,
        rope_frequency_scale: 1.0,
        vocabulary: 32_000,
    };

    fn of(mib: u64, context: Option<usize>) -> Result<CpuConfig, BudgetError> {
        let wishes = Wishes {
            free: mib << 20,
            workers: 2,
            context,
            sequences: None,
            kernels: KernelSet::Scalar,
        };
        let result = budget(&SHAPE, &wishes);
        if let Ok(config) = &result {
            let bytes = config.kv_bytes(&SHAPE).expect("small")
                + config.step_bytes(&SHAPE, 2).expect("small");
            assert!(
                bytes as u64 + RESERVE_BYTES <= mib << 20,
                "{mib} MiB: {config:?}"
            );
            assert!(
                config.kv_blocks * KV_BLOCK_TOKENS >= config.context,
                "{mib} MiB: {config:?}"
            );
        }
        result
    }

    #[test]
    fn uses_what_is_there_and_no_more() {
        let plenty = of(1 << 20, None).expect("plenty");
        assert_eq!(
            (plenty.context, plenty.kv_blocks),
            (2048, 128 * FULL_SEQUENCES)
        );
        let mut last = 0;
        for mib in (0..4096).step_by(32) {
            if let Ok(config) = of(mib, None) {
                assert!(
                    config.context >= last,
                    "more memory never shortens the context"
                );
                last = config.context;
            }
        }
        assert_eq!(last, 2048);
    }

    #[test]
    fn a_wanted_context_is_kept_or_refused() {
        assert_eq!(of(1 << 20, Some(100)).expect("small").context, 100);
        assert_eq!(
            of(1 << 20, Some(1 << 20))
                .expect("cut to the model's")
                .context,
            2048
        );
        let shortage = of(64, Some(2048));
        let Err(BudgetError::Shortage(shortage)) = shortage else {
            panic!("{shortage:?}");
        };
        assert_eq!(shortage.context, 2048);
        // With just what it says is needed, it fits.
        assert!(of(shortage.needed.div_ceil(1 << 20), Some(2048)).is_ok());
        assert!(matches!(of(0, None), Err(BudgetError::Shortage(_))));
    }
}
