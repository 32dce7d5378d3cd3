//! Which headers make a model, and which are refused and why.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::gguf::{Builder, Value};

fn add(file: &mut Builder, name: &str, dimensions: &[u64], weight_type: WeightType) {
    let elements = dimensions.iter().product::<u64>() as usize;
    let bytes = elements / weight_type.block_elements() * weight_type.block_bytes();
    // 0x3f3f3f3f is 0.747 as F32, so every factor of a rotation is a positive number.
    file.tensor(name, dimensions, weight_type, vec![0x3f; bytes]);
}

/// Two layers, 64 wide, 4 query heads and 2 key heads of 16, 96 feed-forward, 40 tokens.
fn sample() -> Builder {
    let mut file = Builder::new();
    file.value("general.architecture", "llama")
        .value("llama.vocab_size", 40u32)
        .value("llama.context_length", 128u32)
        .value("llama.embedding_length", 64u32)
        .value("llama.block_count", 2u32)
        .value("llama.feed_forward_length", 96u32)
        .value("llama.attention.head_count", 4u32)
        .value("llama.attention.head_count_kv", 2u32)
        .value("llama.attention.layer_norm_rms_epsilon", 1e-5f32);
    add(&mut file, "token_embd.weight", &[64, 40], WeightType::Q8_0);
    add(&mut file, "output_norm.weight", &[64], WeightType::F32);
    for layer in 0..2 {
        let parts: [(&str, &[u64], WeightType); 9] = [
            ("attn_norm", &[64], WeightType::F32),
            ("attn_q", &[64, 64], WeightType::Q4_0),
            ("attn_k", &[64, 32], WeightType::Q8_0),
            ("attn_v", &[64, 32], WeightType::F16),
            ("attn_output", &[64, 64], WeightType::F32),
            ("ffn_norm", &[64], WeightType::F32),
            ("ffn_gate", &[64, 96], WeightType::Q4_0),
            ("ffn_up", &[64, 96], WeightType::Q4_0),
            ("ffn_down", &[96, 64], WeightType::Q4_0),
        ];
        for (part, dimensions, weight_type) in parts {
            let name = std::format!("blk.{layer}.{part}.weight");
            add(&mut file, &name, dimensions, weight_type);
        }
    }
    file
}

fn header(file: &Builder) -> Header {
    Header::read(&mut &file.bytes()[..]).unwrap()
}

fn error(file: &Builder) -> String {
    Plan::new(&header(file)).unwrap_err().to_string()
}

fn model(file: &Builder) -> Result<Model, ModelError> {
    let header = header(file);
    let data: Vec<u8> = file.bytes()[header.data_offset() as usize..].into();
    Plan::new(&header)?.with_data(Arc::new(data))
}

#[test]
fn a_sound_file_becomes_a_model() {
    let mut file = sample();
    let tied = model(&file).unwrap();
    let shape = tied.hyperparameters();
    assert_eq!((shape.head_length, shape.rope_dimensions), (16, 16));
    assert_eq!(
        (shape.rope_base, shape.rope_frequency_scale),
        (10_000.0, 1.0)
    );
    assert_eq!(tied.output(), tied.token_embedding());
    assert_eq!(tied.layers().len(), 2);
    let down = &tied.layers()[1].down;
    assert_eq!((down.rows, down.columns), (64, 96));
    assert_eq!(tied.bytes(down).len(), 64 * down.row_bytes());

    add(&mut file, "output.weight", &[64, 40], WeightType::F16);
    add(&mut file, "rope_freqs.weight", &[8], WeightType::F32);
    file.value("llama.rope.scaling.type", "linear")
        .value("llama.rope.scaling.factor", 4.0f32);
    let untied = model(&file).unwrap();
    assert_eq!(untied.output().weight_type, WeightType::F16);
    assert_eq!(untied.hyperparameters().rope_frequency_scale, 0.25);
    assert!(untied.rope_factors().is_some());
}

#[test]
fn every_key_and_tensor_that_is_needed_is_named_when_it_is_absent() {
    for (key, _) in header(&sample()).values() {
        if key != "llama.attention.head_count_kv" {
            let found = error(sample().without(key));
            assert_eq!(found, std::format!("key {key} is missing"));
        }
    }
    for (name, _) in header(&sample()).tensors() {
        let found = error(sample().without_tensor(name));
        assert_eq!(found, std::format!("tensor {name} is missing"));
    }
}

#[test]
fn numbers_that_the_computation_cannot_stand_are_named() {
    let counts = [
        "llama.vocab_size",
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.head_count_kv",
        "llama.attention.key_length",
        "llama.attention.value_length",
        "llama.rope.dimension_count",
    ];
    for key in counts {
        let values = [Value::U32(0), Value::U32(u32::MAX), Value::I32(-1)];
        for value in values
            .into_iter()
            .chain([Value::U64(u64::MAX), Value::F32(2.0)])
        {
            let found = error(sample().value(key, value.clone()));
            assert!(
                found.starts_with(&std::format!("key {key}: ")),
                "{value:?}: {found}"
            );
        }
    }
    let floats = [
        ("llama.attention.layer_norm_rms_epsilon", 0.0),
        ("llama.rope.freq_base", 1.0),
        ("llama.rope.scaling.factor", 1e-3),
        ("llama.rope.scale_linear", 1e-3),
    ];
    for (key, above) in floats {
        for value in [
            above,
            0.0,
            -1.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
        ] {
            let found = error(sample().value(key, value));
            assert!(
                found.starts_with(&std::format!("key {key}: ")),
                "{value}: {found}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_together_is_named() {
    let with = |key: &str, value: Value| error(sample().value(key, value));
    let tensor = |name: &str, dimensions: &[u64], weight_type| {
        let mut file = sample();
        add(&mut file, name, dimensions, weight_type);
        error(&file)
    };
    #[rustfmt::skip]
    let cases = [
        (with("general.architecture", "mamba".into()), "key general.architecture: \"mamba\" is not supported; only \"llama\" is"),
        (with("llama.expert_count", 8u32.into()), "key llama.expert_count: 8 is not supported; only 0 (no mixture of experts) is"),
        (with("llama.attention.causal", false.into()), "key llama.attention.causal: false is not supported; only true is"),
        (with("llama.rope.scaling.type", "yarn".into()), "key llama.rope.scaling.type: \"yarn\" is not supported; only none or linear (Llama 3 scaling comes as tensor rope_freqs.weight) is"),
        (with("llama.rope.scaling.attn_factor", 2.0f32.into()), "key llama.rope.scaling.attn_factor: 2 is not supported; only 1 is"),
        (with("llama.attention.head_count_kv", 3u32.into()), "key llama.attention.head_count_kv: 3 does not divide the head count 4"),
        (error(sample().value("llama.attention.head_count", 6u32)), "key llama.attention.head_count: 6 does not divide the embedding length 64, and llama.attention.key_length is missing"),
        (with("llama.attention.value_length", 8u32.into()), "key llama.attention.value_length: 8 differs from the key length 16"),
        (with("llama.rope.dimension_count", 5u32.into()), "key llama.rope.dimension_count: 5 is odd"),
        (with("tokenizer.ggml.tokens", ["a", "b"].into_iter().collect()), "key llama.vocab_size: 40, but tokenizer.ggml.tokens has 2"),
        (with("llama.block_count", 1u32.into()), "tensor blk.1.attn_k.weight has no place in a llama model, so the model would be computed wrongly without it"),
        (with("llama.block_count", 3u32.into()), "tensor blk.2.attn_norm.weight is missing"),
        (tensor("blk.0.attn_q.bias", &[64], WeightType::F32), "tensor blk.0.attn_q.bias has no place in a llama model, so the model would be computed wrongly without it"),
        (tensor("blk.0.attn_k.weight", &[64, 64], WeightType::F32), "tensor blk.0.attn_k.weight: shape [64, 64, 1, 1] instead of [64, 32, 1, 1]"),
        (tensor("output_norm.weight", &[64], WeightType::F16), "tensor output_norm.weight: type F16 instead of F32"),
        (tensor("rope_freqs.weight", &[16], WeightType::F32), "tensor rope_freqs.weight: shape [16, 1, 1, 1] instead of [8, 1, 1, 1]"),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn data_that_does_not_fit_the_plan_is_refused() {
    let plan = Plan::new(&header(&sample())).unwrap();
    let expected = plan.data_length();
    let short = plan.with_data(Arc::new(vec![0u8; expected - 1])).err();
    let found = expected - 1;
    assert_eq!(short, Some(ModelError::DataLength { found, expected }));

    let mut file = sample();
    for bad in [0.0, 1e-7, 1e7, -1.0, f32::NAN, f32::INFINITY] {
        let factors = [1.0; 7].into_iter().chain([bad]).flat_map(f32::to_le_bytes);
        file.tensor(
            "rope_freqs.weight",
            &[8],
            WeightType::F32,
            factors.collect(),
        );
        assert!(matches!(
            model(&file).err(),
            Some(ModelError::RopeFactor { index: 7, .. })
        ));
    }
}

/// Writes `bits` over the scale or element of block `index` of a tensor of the sample.
fn damaged(name: &str, index: usize, bits: &[u8]) -> String {
    let mut file = sample();
    add(&mut file, "output.weight", &[64, 40], WeightType::F16);
    let header = header(&file);
    let info = header.tensor(name).unwrap();
    let mut data: Vec<u8> = file.bytes()[header.data_offset() as usize..].into();
    let at = info.offset as usize + index * info.weight_type.block_bytes();
    data[at..at + bits.len()].copy_from_slice(bits);
    let model = Plan::new(&header)
        .unwrap()
        .with_data(Arc::new(data))
        .unwrap();
    match model.check_weights(&header) {
        Ok(()) => "sound".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn weights_that_are_not_finite_are_named() {
    #[rustfmt::skip] // one row per element type, place and kind
    let cases: [(&str, usize, &[u8], &str); 9] = [
        ("output_norm.weight", 63, &f32::NAN.to_le_bytes(), "tensor output_norm.weight: element 63 is NaN"),
        ("output_norm.weight", 0, &[0xff; 4], "tensor output_norm.weight: element 0 is NaN"),
        ("blk.1.attn_output.weight", 4000, &f32::NEG_INFINITY.to_le_bytes(), "tensor blk.1.attn_output.weight: element 4000 is infinite"),
        ("blk.0.attn_v.weight", 2047, &[0x01, 0x7c], "tensor blk.0.attn_v.weight: element 2047 is NaN"),
        ("output.weight", 513, &[0x00, 0x7c], "tensor output.weight: element 513 is infinite"),
        ("token_embd.weight", 79, &[0x00, 0xfc], "tensor token_embd.weight: block 79 is infinite"),
        ("blk.1.ffn_up.weight", 191, &[0x00, 0x7e], "tensor blk.1.ffn_up.weight: block 191 is NaN"),
        ("token_embd.weight", 79, &[0xff, 0x7b, 0xff, 0xff], "sound"),
        ("output_norm.weight", 63, &f32::MAX.to_le_bytes(), "sound"),
    ];
    for (name, index, bits, expected) in cases {
        assert_eq!(damaged(name, index, bits), expected);
    }
}

#[test]
fn names_are_one_word() {
    let check = |given: &str, expected| {
        let file = header(sample().value("general.name", given));
        assert_eq!(name(&file), expected);
    };
    check("TinyLlama 1.1B  (chat)", "TinyLlama-1.1B-chat");
    check(" \n", "model");
    assert_eq!(name(&header(&sample())), "model");
}
