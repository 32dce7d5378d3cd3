//! The CPU backend's promise: what a sequence's logits are depends on its tokens alone, bit for bit. And what it refuses.

use std::sync::Arc;

use cpu_fallback::{CpuBackend, CpuConfig, CpuError, KernelSet};
use inference::backend::{Backend, BackendError, LogitsWanted, SequenceSlice};
use inference::ids::{BlockId, TokenId};
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::{Model, WeightType};
use tests::evaluation::{Threads, logits, model};
use tests::random::Random;
use tests::random_model::RandomModel;

const SEED: u64 = 0x5eed_0002;

fn random_model(weight_type: WeightType) -> Arc<Model> {
    let random = RandomModel {
        weight_type,
        embedding: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_length: 24,
        feed_forward: 96,
        vocabulary: 300,
        ..RandomModel::default()
    };
    model(&random.gguf()).expect("a random model is a model")
}

const CONFIG: CpuConfig = CpuConfig {
    kernels: KernelSet::Scalar,
    kv_blocks: 24,
    batch_tokens: 48,
    batch_sequences: 6,
    context: 64,
};

/// A sequence on its way through a backend.
struct Running {
    tokens: Vec<TokenId>,
    blocks: Vec<BlockId>,
    done: usize,
    logits: Vec<f32>,
}

/// Block tables of random length and order, no block twice.
fn running(random: &mut Random, sequences: &[Vec<u32>]) -> Vec<Running> {
    let mut free: Vec<u32> = (0..CONFIG.kv_blocks as u32).collect();
    let mut start = |tokens: &Vec<u32>| {
        let needed = tokens.len().div_ceil(KV_BLOCK_TOKENS);
        let mut take = |_| BlockId(free.swap_remove(random.below(free.len())));
        Running {
            tokens: tokens.iter().copied().map(TokenId).collect(),
            blocks: (0..needed).map(&mut take).collect(),
            done: 0,
            logits: Vec::new(),
        }
    };
    sequences.iter().map(&mut start).collect()
}

/// Evaluates all sequences in batches of random make-up.
fn in_batches(random: &mut Random, backend: &mut impl Backend, all: &mut [Running]) {
    let vocabulary = backend.capacity().vocabulary;
    while all.iter().any(|one| one.done < one.tokens.len()) {
        let mut room = CONFIG.batch_tokens;
        let mut chosen = Vec::new();
        for (i, one) in all.iter().enumerate() {
            let left = (one.tokens.len() - one.done).min(room);
            if left > 0 && random.below(3) > 0 {
                let count = 1 + random.below(left);
                room -= count;
                chosen.push((i, count));
            }
        }
        let slice = |&(i, count): &(usize, usize)| {
            let one = &all[i];
            SequenceSlice {
                tokens: &one.tokens[one.done..one.done + count],
                first_position: one.done,
                blocks: &one.blocks,
                logits: LogitsWanted::All,
            }
        };
        let batch: Vec<SequenceSlice<'_>> = chosen.iter().map(slice).collect();
        let rows: usize = chosen.iter().map(|(_, count)| count).sum();
        let mut logits = vec![f32::NAN; rows * vocabulary];
        backend
            .step(&batch, &mut logits)
            .expect("the batch keeps the contract");
        let mut rest = logits.as_slice();
        for (i, count) in chosen {
            let (own, others) = rest.split_at(count * vocabulary);
            all[i].logits.extend(own);
            all[i].done += count;
            rest = others;
        }
    }
}

#[test]
fn logits_depend_on_the_sequence_alone() {
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    for weight_type in [
        WeightType::F32,
        WeightType::F16,
        WeightType::Q8_0,
        WeightType::Q4_0,
    ] {
        let model = random_model(weight_type);
        let sequences: Vec<Vec<u32>> = (0..CONFIG.batch_sequences)
            .map(|_| {
                let length = 1 + random.below(CONFIG.context);
                (0..length).map(|_| random.below(300) as u32).collect()
            })
            .collect();
        let expected = logits(model.clone(), KernelSet::Scalar, &sequences).expect("alone");
        for kernels in KernelSet::ALL.into_iter().filter(|set| set.is_supported()) {
            for workers in [1, 2, 3, 5] {
                let config = CpuConfig { kernels, ..CONFIG };
                let mut backend = CpuBackend::new(model.clone(), config, Threads(workers))
                    .expect("there is memory");
                let mut all = running(&mut random, &sequences);
                in_batches(&mut random, &mut backend, &mut all);
                let found = all.iter().flat_map(|one| &one.logits);
                let same = found
                    .zip(&expected)
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{weight_type:?}, {kernels}, {workers} workers");
            }
        }
    }
}

#[test]
fn the_last_row_is_the_last_of_all_rows() {
    let model = random_model(WeightType::Q8_0);
    let all = logits(model.clone(), KernelSet::detect(), &[vec![5, 6, 7]]).expect("evaluated");
    let mut backend = CpuBackend::new(model, CONFIG, Threads(2)).expect("there is memory");
    let tokens = [TokenId(5), TokenId(6), TokenId(7)];
    let blocks = [BlockId(3), BlockId(4)];
    let slice = |tokens, first_position, logits, blocks| SequenceSlice {
        tokens,
        first_position,
        blocks,
        logits,
    };
    let mut last = vec![0.0; 300];
    let batch = [
        slice(&tokens[..2], 0, LogitsWanted::Nothing, &blocks[1..]),
        slice(&tokens, 0, LogitsWanted::Last, &blocks[..1]),
    ];
    backend
        .step(&batch, &mut last)
        .expect("the batch keeps the contract");
    assert_eq!(last, all[600..]);
}

/// What a step says of one slice.
fn refused(change: impl Fn(&mut SequenceSlice<'_>), logits: usize) -> String {
    let model = random_model(WeightType::F32);
    let mut backend = CpuBackend::new(model, CONFIG, Threads(1)).expect("there is memory");
    let mut slice = SequenceSlice {
        tokens: &[TokenId(1), TokenId(2)],
        first_position: 0,
        blocks: &[BlockId(0)],
        logits: LogitsWanted::Last,
    };
    change(&mut slice);
    match backend.step(&[slice], &mut vec![0.0; logits]) {
        Err(BackendError::Invalid(why)) => why,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn a_batch_that_breaks_the_contract_is_refused_by_name() {
    let cases: [(String, &str); 7] = [
        (
            refused(|slice| slice.tokens = &[], 0),
            "sequence 0 of the batch has no tokens, at least 1 expected",
        ),
        (
            refused(|slice| slice.tokens = &[TokenId(300)], 300),
            "sequence 0 of the batch has token 300, under 300 expected",
        ),
        (
            refused(|slice| slice.first_position = 63, 300),
            "sequence 0 of the batch has 65 positions, at most 64 expected",
        ),
        (
            refused(|slice| slice.first_position = usize::MAX, 300),
            "sequence 0 of the batch has 18446744073709551615 positions, at most 64 expected",
        ),
        (
            refused(|slice| slice.first_position = 15, 300),
            "sequence 0 of the batch has 1 blocks, 2 expected for 17 positions",
        ),
        (
            refused(|slice| slice.blocks = &[BlockId(24)], 300),
            "sequence 0 of the batch has block 24, under 24 expected",
        ),
        (
            refused(|slice| slice.logits = LogitsWanted::All, 300),
            "logits hold 300 values, 2 rows of 300 expected",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn batches_have_limits_and_share_no_block_that_is_written() {
    let model = random_model(WeightType::F32);
    let mut backend = CpuBackend::new(model, CONFIG, Threads(1)).expect("there is memory");
    let tokens = [TokenId(1); 48];
    let slice = |count, first_position, blocks| SequenceSlice {
        tokens: &tokens[..count],
        first_position,
        blocks,
        logits: LogitsWanted::Nothing,
    };
    let (own, other) = ([BlockId(0), BlockId(1)], [BlockId(0), BlockId(2)]);
    let mut step = |batch: &[SequenceSlice<'_>]| match backend.step(batch, &mut []) {
        Err(BackendError::Invalid(why)) => why,
        Err(error) => panic!("{error}"),
        Ok(()) => String::from("fine"),
    };
    let written =
        "sequence 1 of the batch has block 0, which is written in another place of the batch";
    assert_eq!(step(&[slice(1, 0, &own), slice(1, 0, &other)]), written);
    assert_eq!(step(&[slice(1, 0, &own), slice(1, 16, &other)]), written);
    // Both only read block 0.
    assert_eq!(step(&[slice(1, 16, &own), slice(1, 16, &other)]), "fine");
    let twice = [BlockId(0), BlockId(0)];
    assert!(step(&[slice(20, 0, &twice)]).contains("block 0, which is written in another place"));
    let blocks: Vec<BlockId> = (0..24).map(BlockId).collect();
    let each: Vec<_> = blocks.chunks(1).map(|table| slice(1, 0, table)).collect();
    assert_eq!(step(&each[..6]), "fine");
    assert_eq!(
        step(&each[..7]),
        "batch has 7 sequences, at most 6 expected"
    );
    let many = [slice(48, 0, &blocks[..3]), slice(1, 0, &blocks[3..])];
    assert_eq!(step(&many), "batch has 49 tokens, at most 48 expected");
}

#[test]
fn a_configuration_that_cannot_be_is_an_error() {
    let model = random_model(WeightType::F32);
    let error = |config| CpuBackend::new(model.clone(), config, Threads(1)).err();
    let no_blocks = CpuConfig {
        kv_blocks: 0,
        ..CONFIG
    };
    assert_eq!(error(no_blocks), Some(CpuError::Zero("kv_blocks")));
    let endless = CpuConfig {
        kv_blocks: usize::MAX / 64,
        ..CONFIG
    };
    assert_eq!(error(endless), Some(CpuError::TooLarge));
    let large = CpuConfig {
        kv_blocks: 1 << 40,
        ..CONFIG
    };
    let bytes = large
        .kv_bytes(model.hyperparameters())
        .expect("it fits in a number")
        / 2;
    let buffer = "the keys of the KV cache";
    assert_eq!(error(large), Some(CpuError::OutOfMemory { buffer, bytes }));
    let many = CpuConfig {
        batch_tokens: usize::MAX / 64,
        ..CONFIG
    };
    assert_eq!(error(many), Some(CpuError::TooLarge));
}
