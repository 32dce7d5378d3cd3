//! The forward pass, from top to bottom in the order of the computation.
//!
//! Shapes stand beside the arrays, with `T` tokens of a step, `E` the embedding length, `H` query heads and `K` key and
//! value heads of `D` elements, `F` the feed-forward length, `V` the vocabulary. A token is a row; the tokens of all
//! sequences of a batch stand one after the other.

use alloc::vec::Vec;

use inference::backend::{LogitsWanted, SequenceSlice};
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::{Hyperparameters, Model, Tensor, WeightType};

use crate::attention::{Past, attend};
use crate::cache::KvCache;
use crate::elementwise::{rms_norm, round_to_f16, swiglu};
use crate::fork_join::ForkJoin;
use crate::kernels::{Kernels, Panel, dequantise, quantise};
use crate::memory::{CpuError, product, zeroed};
use crate::parallel::{Columns, columns, parts};
use crate::rope::Rope;

/// Rows of weights that a range of a product's columns begins at a multiple of: the tallest tile of any kernel.
const ROW_GRANULE: usize = 8;

/// What products multiply with, `[T][columns]`: for each weight type in the precision that llama.cpp uses with it, so that
/// two right answers stay as near to each other as f32 sums allow.
struct Activations {
    columns: usize,
    values: Vec<f32>,
    /// For F16 weights: rounded to F16.
    halves: Vec<f32>,
    /// For block weights: integers, and the scale of each block.
    quants: Vec<i8>,
    scales: Vec<f32>,
}

impl Activations {
    /// Bytes of each token.
    fn token_bytes(columns: usize) -> usize {
        columns * (4 + 4 + 1) + columns / 32 * 4
    }

    fn new(buffer: &'static str, tokens: usize, columns: usize) -> Result<Self, CpuError> {
        Ok(Self {
            columns,
            values: zeroed(buffer, product(&[tokens, columns])?)?,
            halves: zeroed(buffer, tokens * columns)?,
            quants: zeroed(buffer, tokens * columns)?,
            scales: zeroed(buffer, tokens * (columns / 32))?,
        })
    }

    fn token(&mut self, token: usize) -> &mut [f32] {
        &mut self.values[token * self.columns..][..self.columns]
    }

    /// Converts the values of the first `tokens` to what `operands` asks for.
    fn convert(&mut self, tokens: usize, operands: Operands) {
        let scales = self.columns / 32;
        for t in 0..tokens {
            let elements = t * self.columns..(t + 1) * self.columns;
            let values = &self.values[elements.clone()];
            if operands.halves {
                for (half, value) in self.halves[elements.clone()].iter_mut().zip(values) {
                    *half = round_to_f16(*value);
                }
            }
            if operands.quants {
                let scales = &mut self.scales[t * scales..][..scales];
                quantise(values, &mut self.quants[elements], scales);
            }
        }
    }

    /// What weights of this type are multiplied with.
    fn panel(&self, weight_type: WeightType) -> Panel<'_> {
        Panel {
            columns: self.columns,
            values: match weight_type {
                WeightType::F16 => &self.halves,
                _ => &self.values,
            },
            quants: &self.quants,
            scales: &self.scales,
        }
    }
}

/// Which forms of activations a model's matrices want beside f32.
#[derive(Clone, Copy)]
struct Operands {
    halves: bool,
    quants: bool,
}

impl Operands {
    fn of(model: &Model) -> Self {
        let has = |kind| matrices(model).any(|tensor| tensor.weight_type == kind);
        Self {
            halves: has(WeightType::F16),
            quants: has(WeightType::Q8_0) || has(WeightType::Q4_0),
        }
    }
}

/// One token of a step.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// Index of its sequence in the batch.
    sequence: usize,
    position: usize,
}

/// What a step writes on its way; made once, for the largest step.
pub(crate) struct RunState {
    places: Vec<Place>,
    /// Residual stream, `[T][E]`.
    x: Vec<f32>,
    /// Normalised input of a product, `[T][E]`.
    normed: Activations,
    /// Queries, keys and values, `[T][(H + 2 K) D]`.
    qkv: Vec<f32>,
    /// What the heads give, `[T][H D]`.
    heads: Activations,
    /// `[T][F]`.
    gate: Activations,
    /// `[T][F]`.
    up: Vec<f32>,
    /// Scores of one worker's group of heads, `[workers][H / K][context]`.
    scores: Vec<f32>,
    scores_length: usize,
    rope: Rope,
    /// Norm weights as f32: `[layer]`, each of attention and feed-forward, `[E]`; last the output's.
    norms: Vec<f32>,
    operands: Operands,
}

impl RunState {
    /// Bytes of the buffers.
    pub(crate) fn bytes(
        shape: &Hyperparameters,
        batch_tokens: usize,
        context: usize,
        workers: usize,
    ) -> Result<usize, CpuError> {
        let heads = shape.head_count * shape.head_length;
        let kv = shape.head_count_kv * shape.head_length;
        let floats = shape.embedding_length + heads + 2 * kv + shape.feed_forward_length;
        let token = size_of::<Place>()
            + 4 * floats
            + 8 * (shape.rope_dimensions / 2)
            + Activations::token_bytes(shape.embedding_length)
            + Activations::token_bytes(heads)
            + Activations::token_bytes(shape.feed_forward_length);
        let scores = product(&[workers, shape.head_count / shape.head_count_kv, context, 4])?;
        let constants = 4 * shape.embedding_length * (2 * shape.block_count + 1)
            + 8 * (shape.rope_dimensions / 2);
        product(&[batch_tokens, token])?
            .checked_add(scores)
            .and_then(|bytes| bytes.checked_add(constants))
            .ok_or(CpuError::TooLarge)
    }

    pub(crate) fn new(
        model: &Model,
        batch_tokens: usize,
        context: usize,
        workers: usize,
    ) -> Result<Self, CpuError> {
        let shape = model.hyperparameters();
        // Checks that no size below overflows.
        Self::bytes(shape, batch_tokens, context, workers)?;
        let heads = shape.head_count * shape.head_length;
        let kv = shape.head_count_kv * shape.head_length;
        let scores_length = shape.head_count / shape.head_count_kv * context;
        let mut factors = Vec::new();
        if let Some(tensor) = model.rope_factors() {
            factors = zeroed("rotation factors", tensor.columns)?;
            dequantise(tensor.weight_type, model.bytes(tensor), &mut factors);
        }
        let factors = model.rope_factors().map(|_| factors.as_slice());
        Ok(Self {
            places: zeroed("token places", batch_tokens)?,
            x: zeroed("the residual stream", batch_tokens * shape.embedding_length)?,
            normed: Activations::new("activations", batch_tokens, shape.embedding_length)?,
            qkv: zeroed("queries, keys and values", batch_tokens * (heads + 2 * kv))?,
            heads: Activations::new("attention heads", batch_tokens, heads)?,
            gate: Activations::new("gates", batch_tokens, shape.feed_forward_length)?,
            up: zeroed("feed-forward", batch_tokens * shape.feed_forward_length)?,
            scores: zeroed("attention scores", workers * scores_length)?,
            scores_length,
            rope: Rope::new(shape, factors, batch_tokens)?,
            norms: norms(model)?,
            operands: Operands::of(model),
        })
    }
}

/// Every matrix that a step multiplies with.
fn matrices(model: &Model) -> impl Iterator<Item = &Tensor> {
    let layers = model.layers().iter().flat_map(|layer| {
        [
            &layer.query,
            &layer.key,
            &layer.value,
            &layer.attention_output,
            &layer.gate,
            &layer.up,
            &layer.down,
        ]
    });
    layers.chain([model.output()])
}

/// The norm weights of all layers and of the output.
fn norms(model: &Model) -> Result<Vec<f32>, CpuError> {
    let length = model.hyperparameters().embedding_length;
    let mut norms = zeroed("norm weights", length * (2 * model.layers().len() + 1))?;
    let tensors = model
        .layers()
        .iter()
        .flat_map(|layer| [&layer.attention_norm, &layer.feed_forward_norm])
        .chain([model.output_norm()]);
    for (tensor, out) in tensors.zip(norms.chunks_exact_mut(length)) {
        dequantise(tensor.weight_type, model.bytes(tensor), out);
    }
    Ok(norms)
}

/// `store(t, r, row[r] . x[t])` for these rows of a matrix and the first `tokens` of `x`.
fn multiply(
    kernels: &Kernels,
    model: &Model,
    matrix: &Tensor,
    rows: core::ops::Range<usize>,
    x: &Activations,
    tokens: usize,
    store: impl FnMut(usize, usize, f32),
) {
    let row_bytes = matrix.row_bytes();
    let weights = &model.bytes(matrix)[rows.start * row_bytes..rows.end * row_bytes];
    let kernel = kernels.rows_of(matrix.weight_type);
    let panel = x.panel(matrix.weight_type);
    kernel.multiply(weights, row_bytes, &panel, tokens, store);
}

/// What the parts of a step share.
pub(crate) struct Context<'a, P> {
    pub(crate) model: &'a Model,
    pub(crate) kernels: &'static Kernels,
    pub(crate) pool: &'a P,
}

impl<P: ForkJoin> Context<'_, P> {
    /// `out[t] += matrix x[t]`, with `out` `[T][rows]`.
    fn add_product(&self, matrix: &Tensor, x: &Activations, tokens: usize, out: &mut [f32]) {
        let out = &mut out[..tokens * matrix.rows];
        let job = |[mut out]: [Columns<'_>; 1]| {
            let rows = out.range();
            let add = |t: usize, r: usize, value: f32| out.row(t)[r] += value;
            multiply(self.kernels, self.model, matrix, rows, x, tokens, add);
        };
        columns(self.pool, [out], matrix.rows, ROW_GRANULE, job);
    }

    /// `out[t] = [matrices[0] x[t], matrices[1] x[t], ..]`: matrices with the same input stand one on the other.
    fn products(&self, matrices: &[&Tensor], x: &Activations, tokens: usize, out: &mut [f32]) {
        let width = matrices.iter().map(|matrix| matrix.rows).sum();
        let job = |[mut out]: [Columns<'_>; 1]| {
            let range = out.range();
            let mut top = 0;
            for matrix in matrices {
                let first = range.start.max(top);
                let end = range.end.min(top + matrix.rows);
                if first < end {
                    let offset = first - range.start;
                    let rows = first - top..end - top;
                    let set = |t: usize, r: usize, value: f32| out.row(t)[offset + r] = value;
                    multiply(self.kernels, self.model, matrix, rows, x, tokens, set);
                }
                top += matrix.rows;
            }
        };
        columns(
            self.pool,
            [&mut out[..tokens * width]],
            width,
            ROW_GRANULE,
            job,
        );
    }

    /// Evaluates the batch, which was checked, and writes the wanted rows of logits.
    pub(crate) fn forward(
        &self,
        state: &mut RunState,
        cache: &mut KvCache,
        batch: &[SequenceSlice<'_>],
        logits: &mut [f32],
    ) {
        let shape = self.model.hyperparameters();
        let length = shape.embedding_length;

        // x[t] = embedding[token]
        let tokens = self.embed(state, batch);

        for (l, layer) in self.model.layers().iter().enumerate() {
            // x += W_o attention(rope(W_q n), rope(W_k n), W_v n), with n = norm(x)
            self.normalise(state, 2 * l, tokens);
            let qkv = [&layer.query, &layer.key, &layer.value];
            self.products(&qkv, &state.normed, tokens, &mut state.qkv);
            self.rotate_and_store(state, cache, batch, l, tokens);
            self.attention(state, cache, batch, l, tokens);
            self.add_product(&layer.attention_output, &state.heads, tokens, &mut state.x);

            // x += W_down (silu(W_gate n) * W_up n), with n = norm(x)
            self.normalise(state, 2 * l + 1, tokens);
            self.gated(state, &layer.gate, &layer.up, tokens);
            self.add_product(&layer.down, &state.gate, tokens, &mut state.x);
        }

        // logits = W_out norm(x), for the tokens that want them: they move to the front of x.
        let mut wanted = 0;
        let mut first = 0;
        for slice in batch {
            let end = first + slice.tokens.len();
            let rows = match slice.logits {
                LogitsWanted::Nothing => end..end,
                LogitsWanted::Last => end - 1..end,
                LogitsWanted::All => first..end,
            };
            for t in rows {
                state
                    .x
                    .copy_within(t * length..(t + 1) * length, wanted * length);
                wanted += 1;
            }
            first = end;
        }
        if wanted > 0 {
            self.normalise(state, 2 * self.model.layers().len(), wanted);
            self.products(&[self.model.output()], &state.normed, wanted, logits);
        }
    }

    /// Looks the embeddings up and notes where each token stands; returns how many there are.
    fn embed(&self, state: &mut RunState, batch: &[SequenceSlice<'_>]) -> usize {
        let embedding = self.model.token_embedding();
        let bytes = self.model.bytes(embedding);
        let row_bytes = embedding.row_bytes();
        let mut t = 0;
        for (sequence, slice) in batch.iter().enumerate() {
            for (i, token) in slice.tokens.iter().enumerate() {
                state.places[t] = Place {
                    sequence,
                    position: slice.first_position + i,
                };
                let row = &bytes[token.0 as usize * row_bytes..][..row_bytes];
                let out = &mut state.x[t * embedding.columns..][..embedding.columns];
                dequantise(embedding.weight_type, row, out);
                t += 1;
            }
        }
        let positions = state.places[..t].iter().map(|place| place.position);
        state.rope.prepare(positions);
        t
    }

    /// `normed[t] = norm(x[t])`, with the `n`th norm weights.
    fn normalise(&self, state: &mut RunState, n: usize, tokens: usize) {
        let shape = self.model.hyperparameters();
        let length = shape.embedding_length;
        let weight = &state.norms[n * length..][..length];
        for (t, x) in state.x.chunks_exact(length).take(tokens).enumerate() {
            rms_norm(x, weight, shape.rms_epsilon, state.normed.token(t));
        }
        state.normed.convert(tokens, state.operands);
    }

    /// Rotates queries and keys, and stores keys and values in the cache.
    fn rotate_and_store(
        &self,
        state: &mut RunState,
        cache: &mut KvCache,
        batch: &[SequenceSlice<'_>],
        layer: usize,
        tokens: usize,
    ) {
        let shape = self.model.hyperparameters();
        let heads = shape.head_count * shape.head_length;
        let kv = shape.head_count_kv * shape.head_length;
        let rows = state.qkv.chunks_exact_mut(heads + 2 * kv).take(tokens);
        for (t, row) in rows.enumerate() {
            let (rotated, values) = row.split_at_mut(heads + kv);
            for head in rotated.chunks_exact_mut(shape.head_length) {
                state.rope.rotate(t, head);
            }
            for query in &mut rotated[..heads] {
                *query = round_to_f16(*query);
            }
            let Place { sequence, position } = state.places[t];
            let block = batch[sequence].blocks[position / KV_BLOCK_TOKENS];
            let slot = position % KV_BLOCK_TOKENS;
            cache.store(layer, block, slot, &rotated[heads..], values);
        }
    }

    /// `heads[t] = attention(queries[t])` over the positions up to the token's own.
    fn attention(
        &self,
        state: &mut RunState,
        cache: &KvCache,
        batch: &[SequenceSlice<'_>],
        layer: usize,
        tokens: usize,
    ) {
        let shape = self.model.hyperparameters();
        let heads = shape.head_count * shape.head_length;
        let group = heads / shape.head_count_kv;
        let width = heads + 2 * shape.head_count_kv * shape.head_length;
        let (qkv, places) = (&state.qkv, &state.places);
        let job = |i: usize, out: &mut [f32], scores: &mut [f32]| {
            let (t, kv_head) = (i / shape.head_count_kv, i % shape.head_count_kv);
            let past = Past {
                cache,
                layer,
                kv_head,
                blocks: batch[places[t].sequence].blocks,
                positions: places[t].position + 1,
            };
            let queries = &qkv[t * width + kv_head * group..][..group];
            attend(self.kernels, &past, shape.head_length, queries, scores, out);
        };
        let out = &mut state.heads.values[..tokens * heads];
        parts(
            self.pool,
            out,
            group,
            &mut state.scores,
            state.scores_length,
            job,
        );
        state.heads.convert(tokens, state.operands);
    }

    /// `gate[t] = silu(W_gate normed[t]) * W_up normed[t]`.
    fn gated(&self, state: &mut RunState, gate: &Tensor, up: &Tensor, tokens: usize) {
        let width = gate.rows;
        let x = &state.normed;
        let matrices = [
            &mut state.gate.values[..tokens * width],
            &mut state.up[..tokens * width],
        ];
        let job = |mut both: [Columns<'_>; 2]| {
            for (out, matrix) in both.iter_mut().zip([gate, up]) {
                let rows = out.range();
                let set = |t: usize, r: usize, value: f32| out.row(t)[r] = value;
                multiply(self.kernels, self.model, matrix, rows, x, tokens, set);
            }
            let [gate, up] = &mut both;
            for t in 0..tokens {
                swiglu(gate.row(t), up.row(t));
            }
        };
        columns(self.pool, matrices, width, ROW_GRANULE, job);
        state.gate.convert(tokens, state.operands);
    }
}
