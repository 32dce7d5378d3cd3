//! The reader against files that [`Builder`] wrote, and then against damaged ones.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::println;

use super::*;
use crate::limits::GGUF_READ_AHEAD_BYTES;
use crate::model::WeightType;
use crate::source::{BlockSource, ReadError};
use crate::test_random::Random;

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    Header::read(&mut &*bytes)
}

fn error(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn sample() -> Builder {
    let mut file = Builder::new();
    file.value("general.architecture", "llama")
        .value("u8", 200u8)
        .value("i8", -3i8)
        .value("u16", 60000u16)
        .value("i16", -5i16)
        .value("u32", u32::MAX)
        .value("i32", -7i32)
        .value("f32", 0.5f32)
        .value("bool", true)
        .value("u64", u64::MAX)
        .value("i64", i64::MIN)
        .value("f64", 0.25f64)
        .value("scores", vec![1.0f32, -2.0])
        .value("types", vec![1i32, 6])
        .value("flags", Value::Array(Array::Bool(vec![true, false])))
        .value(
            "tokens",
            ["a", "", "\u{2581}the"].into_iter().collect::<Value>(),
        )
        .tensor("norm", &[3], WeightType::F32, vec![1; 12])
        .tensor("matrix", &[32, 2], WeightType::Q8_0, vec![2; 68]);
    file
}

#[test]
fn reading_is_the_inverse_of_writing() {
    let bytes = sample().bytes();
    let header = read(&bytes).unwrap();
    assert_eq!(header.version(), 3);
    assert_eq!(header.values().count(), 16);
    assert_eq!(header.string("general.architecture").unwrap(), "llama");
    assert_eq!(header.u32("u8").unwrap(), 200);
    assert_eq!(header.u32("u32").unwrap(), u32::MAX);
    assert_eq!(header.get("i64"), Some(&Value::I64(i64::MIN)));
    assert_eq!(header.f32("f64").unwrap(), 0.25);
    assert!(header.bool("bool").unwrap());
    assert_eq!(header.f32s("scores").unwrap(), [1.0, -2.0]);
    assert_eq!(header.i32s("types").unwrap(), [1, 6]);
    let tokens = header.strings("tokens").unwrap();
    assert_eq!(tokens.iter().collect::<Vec<_>>(), ["a", "", "\u{2581}the"]);
    assert_eq!((tokens.get(2), tokens.get(3)), (Some("\u{2581}the"), None));
    let matrix = header.tensor("matrix").unwrap();
    assert_eq!(matrix.dimensions, [32, 2, 1, 1]);
    assert_eq!((matrix.offset, matrix.length), (32, 68));
    assert_eq!(header.data_length(), 32 + 68);
    assert_eq!(
        header.data_offset() + header.data_length(),
        bytes.len() as u64
    );
}

#[test]
fn accessors_name_the_key() {
    let header = read(&sample().bytes()).unwrap();
    let check = |error: KeyError, text: &str| assert_eq!(error.to_string(), text);
    check(header.u32("none").unwrap_err(), "key none is missing");
    check(
        header.u32("f32").unwrap_err(),
        "key f32: float32 instead of uint32",
    );
    check(
        header.u32("i8").unwrap_err(),
        "key i8: -3 does not fit into an unsigned 32-bit number",
    );
    check(
        header.strings("scores").unwrap_err(),
        "key scores: array of float32 instead of array of string",
    );
    assert_eq!(optional(header.u32("none")), Ok(None));
    assert!(optional(header.u32("f32")).is_err());
}

/// Replaces the one place where `from` stands.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = sample().bytes();
    let at = bytes.windows(from.len()).position(|window| window == from);
    bytes[at.unwrap()..][..to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn what_is_wrong_is_named() {
    let tensor = |name: &str, dimensions: &[u64], weight_type, bytes: usize| {
        let mut file = Builder::new();
        file.tensor(name, dimensions, weight_type, vec![0; bytes]);
        error(&file.bytes())
    };
    let key_type = |id: u8| patched(b"bool\x07", &[b'b', b'o', b'o', b'l', id]);
    // The type of `matrix` follows its dimensions, 32 and 2.
    let type_of_matrix = |id: u8| {
        let dimensions = [32u64.to_le_bytes(), 2u64.to_le_bytes()].concat();
        patched(
            &[&dimensions[..], &[8]].concat(),
            &[&dimensions[..], &[id]].concat(),
        )
    };
    let alignment = |value: Value| error(&sample().value("general.alignment", value).bytes());
    #[rustfmt::skip]
    let cases = [
        (error(b""), "the file ends too early: 4 bytes expected at offset 0, 0 there"),
        (error(b"GGML\x03\0\0\0"), "not a GGUF file: it begins with \"GGML\" instead of \"GGUF\""),
        (error(b"GGUF\0\0\0\x03"), "big-endian GGUF file: only little-endian ones are supported"),
        (error(b"GGUF\x01\0\0\0"), "GGUF version 1: only versions 2 and 3 are supported"),
        (error(b"GGUF\0\0\0\0"), "GGUF version 0: only versions 2 and 3 are supported"),
        (error(b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615 tensors at offset 8: at most 16384 are supported"),
        (error(&key_type(13)), "key bool: unknown value type 13"),
        (error(&patched(b"bool\x07\0\0\0\x01", b"bool\x07\0\0\0\x02")), "key bool: a bool with value 2 instead of 0 or 1"),
        (error(&patched(b"flags\x09\0\0\0\x07", b"flags\x09\0\0\0\x09")), "key flags: an array of arrays, which is not supported"),
        (error(&patched(b"scores\x09\0\0\0\x06\0\0\0\x02\0\0", b"scores\x09\0\0\0\x06\0\0\0\x02\0\x0f")), "key scores: the file ends too early: 3932168 bytes expected at offset 306, 338 there"),
        (error(&patched(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\x01\0\0")), "key general.architecture: 1099511627781 string bytes at offset 56: at most 1048576 are supported"),
        (error(&patched(b"f32", b"u32")), "key u32 stands in the file twice"),
        (error(&patched(b"llama", b"l\xffama")), "general.architecture: the string at offset 64 is not UTF-8"),
        (alignment(Value::U32(0)), "key general.alignment: 0 is not a power of two from 8 to 65536"),
        (alignment(Value::U32(48)), "key general.alignment: 48 is not a power of two from 8 to 65536"),
        (alignment(Value::U64(32)), "key general.alignment: uint64 instead of uint32"),
        (alignment(Value::U32(64)), "tensor matrix: offset 32 is not a multiple of the alignment 64"),
        (error(&type_of_matrix(12)), "tensor matrix: type Q4_K (id 12) is not supported; use a file in F32, F16, Q8_0 or Q4_0"),
        (error(&type_of_matrix(99)), "tensor matrix: unknown type id 99"),
        (tensor("t", &[], WeightType::F32, 4), "tensor t: 0 dimensions instead of 1 to 4"),
        (tensor("t", &[1; 5], WeightType::F32, 4), "tensor t: 5 dimensions instead of 1 to 4"),
        (tensor("t", &[4, 0], WeightType::F32, 4), "tensor t: a dimension is 0"),
        (tensor("t", &[33], WeightType::Q4_0, 18), "tensor t: rows of 33 elements are not whole blocks of 32"),
        (tensor("t", &[1 << 40, 1 << 40], WeightType::F32, 4), "tensor t: dimensions [1099511627776, 1099511627776, 1, 1] overflow"),
        (tensor("t", &[2], WeightType::F32, 4), "tensor t: 8 bytes at offset 0 of 4 bytes of tensor data; is the file truncated?"),
        (tensor("t", &[u64::MAX / 4 - 7], WeightType::F32, 4), "tensor t: 18446744073709551584 bytes at offset 0 of 4 bytes of tensor data; is the file truncated?"),
        (error(sample().tensor("norm", &[9], WeightType::F32, vec![1; 12]).tensor("z", &[1], WeightType::F32, vec![0; 4]).bytes().as_slice()), "tensor z overlaps tensor norm"),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_file_without_tensors_may_end_at_its_last_key() {
    let bytes = Builder::new().value("k", 1u32).bytes();
    assert_eq!(read(&bytes).unwrap().data_length(), 0);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample().bytes();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "first {length} bytes");
    }
}

#[test]
fn damaged_files_are_refused_or_consistent() {
    let seed = 0x6775_6766;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let original = sample().bytes();
    for _ in 0..50_000 {
        let mut bytes = original.clone();
        for _ in 0..random.below(4) + 1 {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        let Ok(header) = read(&bytes) else { continue };
        for (name, info) in header.tensors() {
            let end = header.data_offset() + info.offset + info.length;
            assert!(end <= bytes.len() as u64, "{name}");
        }
    }
}

/// Counts reads, as each is a trip to a disk.
struct Counting<'a> {
    bytes: &'a [u8],
    reads: usize,
}

impl BlockSource for Counting<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.reads += 1;
        self.bytes.read_at(offset, buffer)
    }
}

#[test]
fn a_vocabulary_is_read_in_few_large_pieces() {
    let words: Vec<_> = (0..150_000).map(|n| std::format!("token{n}")).collect();
    let value: Value = words.iter().map(String::as_str).collect();
    let bytes = Builder::new().value("tokens", value).bytes();
    let mut source = Counting {
        bytes: &bytes,
        reads: 0,
    };
    let header = Header::read(&mut source).unwrap();
    assert!(source.reads <= bytes.len().div_ceil(GGUF_READ_AHEAD_BYTES));
    assert!(header.strings("tokens").unwrap().iter().eq(&words));
}
