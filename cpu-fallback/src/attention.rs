//! Attention of one token's heads that share a key and value head, over the paged cache.

use inference::ids::BlockId;
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::WeightType;

use crate::cache::KvCache;
use crate::elementwise::softmax;
use crate::kernels::{Kernels, Panel};

/// The cached positions that a token attends to.
pub(crate) struct Past<'a> {
    pub(crate) cache: &'a KvCache,
    pub(crate) layer: usize,
    pub(crate) kv_head: usize,
    /// The sequence's block table.
    pub(crate) blocks: &'a [BlockId],
    /// Positions from 0 on, the token's own included.
    pub(crate) positions: usize,
}

/// `out[g] = sum_p softmax_p(queries[g] . key[p] / sqrt(head_length)) value[p]`, with `p` ascending, for the query heads `g`
/// of a group; `queries` and `out` are `[g][head_length]`, `scores` is room for `[g][positions]`.
pub(crate) fn attend(
    kernels: &Kernels,
    past: &Past<'_>,
    head_length: usize,
    queries: &[f32],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let group = queries.len() / head_length;
    let row_bytes = head_length * 2;
    let positions = past.positions;
    let queries = Panel {
        columns: head_length,
        values: queries,
        quants: &[],
        scales: &[],
    };
    let keys = kernels.rows_of(WeightType::F16);
    let scores = &mut scores[..group * positions];

    for (b, &block) in past.blocks.iter().enumerate() {
        let first = b * KV_BLOCK_TOKENS;
        if first >= positions {
            break;
        }
        let rows = KV_BLOCK_TOKENS.min(positions - first);
        let bytes = &past.cache.keys(past.layer, block, past.kv_head)[..rows * row_bytes];
        keys.multiply(bytes, row_bytes, &queries, group, |g, row, score| {
            scores[g * positions + first + row] = score;
        });
    }

    let scale = 1.0 / libm::sqrtf(head_length as f32);
    for scores in scores.chunks_exact_mut(positions) {
        softmax(scores, scale);
    }

    out.fill(0.0);
    for (b, &block) in past.blocks.iter().enumerate() {
        let first = b * KV_BLOCK_TOKENS;
        if first >= positions {
            break;
        }
        let rows = KV_BLOCK_TOKENS.min(positions - first);
        let bytes = past.cache.values(past.layer, block, past.kv_head);
        let heads = scores
            .chunks_exact(positions)
            .zip(out.chunks_exact_mut(head_length));
        for (scores, out) in heads {
            kernels.weighted_sum(bytes, &scores[first..first + rows], out);
        }
    }
}
