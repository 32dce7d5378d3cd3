//! The whole front of a file, checked.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{GgufError, KeyError};
use super::reader::Reader;
use super::tensor::TensorInfo;
use super::value::{Array, Strings, Value};
use super::{DEFAULT_ALIGNMENT, MAGIC};
use crate::limits::{MAX_GGUF_KEY_BYTES, MAX_GGUF_KEYS, MAX_GGUF_TENSORS};
use crate::source::BlockSource;

/// Largest `general.alignment`: no file format or disk asks for more, and data may begin that far behind the header.
const MAX_ALIGNMENT: u64 = 65536;

/// Smallest `general.alignment`, by the format's own rule.
const MIN_ALIGNMENT: u64 = 8;

/// Key/value pairs and tensors of a file.
#[derive(Clone, Debug)]
pub struct Header {
    version: u32,
    values: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
    data_offset: u64,
    data_length: u64,
}

impl Header {
    /// Reads and checks the front of `source`: format, counts, types, alignment, and that every tensor lies inside the
    /// source and overlaps no other.
    ///
    /// # Errors
    /// [`GgufError`] that names the key or tensor, what was found and what was expected.
    pub fn read(source: &mut dyn BlockSource) -> Result<Self, GgufError> {
        let source_length = source.len();
        let mut reader = Reader::new(source);
        let version = read_version(&mut reader)?;
        let tensor_count = reader.count("tensors", MAX_GGUF_TENSORS)?;
        let key_count = reader.count("keys", MAX_GGUF_KEYS)?;
        let mut values = BTreeMap::new();
        for index in 0..key_count {
            let mut key = String::new();
            let name = reader.string(MAX_GGUF_KEY_BYTES, "a key", &mut key);
            name.map_err(|error| error.at(|| format!("key number {index}")))?;
            let value = Value::read(&mut reader, &key);
            let value = value.map_err(|error| error.at(|| format!("key {key}")))?;
            if values.contains_key(&key) {
                return Err(GgufError::DuplicateKey { key });
            }
            values.insert(key, value);
        }
        let alignment = alignment(&values)?;
        let mut tensors = BTreeMap::new();
        for index in 0..tensor_count {
            let tensor = TensorInfo::read(&mut reader);
            let (name, info) =
                tensor.map_err(|error| error.at(|| format!("tensor number {index}")))?;
            if tensors.contains_key(&name) {
                return Err(GgufError::DuplicateTensor { name });
            }
            tensors.insert(name, info);
        }
        let data_offset = reader.position().next_multiple_of(alignment);
        let available = source_length.saturating_sub(data_offset);
        let data_length = check_ranges(&tensors, alignment, available)?;
        Ok(Self {
            version,
            values,
            tensors,
            data_offset,
            data_length,
        })
    }

    /// Version of the format, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// First byte of the tensor data in the file.
    #[must_use]
    pub fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// Bytes from [`Header::data_offset`] to the end of the last tensor.
    #[must_use]
    pub fn data_length(&self) -> u64 {
        self.data_length
    }

    /// All key/value pairs, sorted by key.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// All tensors, sorted by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, info)| (name.as_str(), info))
    }

    /// The tensor called `name`.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The value of `key`, which must be a string.
    ///
    /// # Errors
    /// [`KeyError`] if it is absent or of another type; the same holds for the accessors below.
    pub fn string(&self, key: &str) -> Result<&str, KeyError> {
        match self.present(key)? {
            Value::String(text) => Ok(text),
            other => Err(wrong_type(key, "string", other)),
        }
    }

    /// The value of `key`, which must be an integer of any width that fits.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn u32(&self, key: &str) -> Result<u32, KeyError> {
        let value = self.present(key)?;
        let wide = match *value {
            Value::U8(n) => i128::from(n),
            Value::I8(n) => i128::from(n),
            Value::U16(n) => i128::from(n),
            Value::I16(n) => i128::from(n),
            Value::U32(n) => i128::from(n),
            Value::I32(n) => i128::from(n),
            Value::U64(n) => i128::from(n),
            Value::I64(n) => i128::from(n),
            _ => return Err(wrong_type(key, "uint32", value)),
        };
        u32::try_from(wide).map_err(|_| KeyError::OutOfRange {
            key: key.into(),
            found: wide,
        })
    }

    /// The value of `key`, which must be a float.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn f32(&self, key: &str) -> Result<f32, KeyError> {
        match *self.present(key)? {
            Value::F32(number) => Ok(number),
            Value::F64(number) => Ok(number as f32),
            ref other => Err(wrong_type(key, "float32", other)),
        }
    }

    /// The value of `key`, which must be a bool.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn bool(&self, key: &str) -> Result<bool, KeyError> {
        match *self.present(key)? {
            Value::Bool(value) => Ok(value),
            ref other => Err(wrong_type(key, "bool", other)),
        }
    }

    /// The value of `key`, which must be an array of strings.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn strings(&self, key: &str) -> Result<&Strings, KeyError> {
        match self.present(key)? {
            Value::Array(Array::String(strings)) => Ok(strings),
            other => Err(wrong_type(key, "array of string", other)),
        }
    }

    /// The value of `key`, which must be an array of `float32`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn f32s(&self, key: &str) -> Result<&[f32], KeyError> {
        match self.present(key)? {
            Value::Array(Array::F32(numbers)) => Ok(numbers),
            other => Err(wrong_type(key, "array of float32", other)),
        }
    }

    /// The value of `key`, which must be an array of `int32`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn i32s(&self, key: &str) -> Result<&[i32], KeyError> {
        match self.present(key)? {
            Value::Array(Array::I32(numbers)) => Ok(numbers),
            other => Err(wrong_type(key, "array of int32", other)),
        }
    }

    fn present(&self, key: &str) -> Result<&Value, KeyError> {
        self.values
            .get(key)
            .ok_or_else(|| KeyError::Missing { key: key.into() })
    }
}

fn wrong_type(key: &str, expected: &'static str, found: &Value) -> KeyError {
    KeyError::WrongType {
        key: key.into(),
        expected,
        found: found.type_name(),
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<u32, GgufError> {
    let found = reader.array()?;
    if found != MAGIC {
        return Err(GgufError::NotGguf { found });
    }
    match reader.u32()? {
        version @ (2 | 3) => Ok(version),
        // A small number whose bytes stand the other way round.
        swapped if swapped != 0 && swapped.swap_bytes() <= 0xffff => Err(GgufError::BigEndian),
        found => Err(GgufError::Version { found }),
    }
}

fn alignment(values: &BTreeMap<String, Value>) -> Result<u64, GgufError> {
    let found = match values.get("general.alignment") {
        None => return Ok(DEFAULT_ALIGNMENT),
        Some(Value::U32(found)) => u64::from(*found),
        Some(other) => {
            return Err(GgufError::AlignmentType {
                found: other.type_name(),
            });
        }
    };
    if found.is_power_of_two() && (MIN_ALIGNMENT..=MAX_ALIGNMENT).contains(&found) {
        Ok(found)
    } else {
        Err(GgufError::Alignment { found })
    }
}

/// Checks that the tensors lie aligned and apart in `available` bytes, and returns where the last one ends.
fn check_ranges(
    tensors: &BTreeMap<String, TensorInfo>,
    alignment: u64,
    available: u64,
) -> Result<u64, GgufError> {
    let mut by_offset: Vec<_> = tensors.iter().collect();
    by_offset.sort_unstable_by_key(|(_, info)| info.offset);
    let mut previous: Option<(&String, u64)> = None;
    for (name, info) in by_offset {
        if !info.offset.is_multiple_of(alignment) {
            return Err(GgufError::TensorMisaligned {
                name: name.clone(),
                offset: info.offset,
                alignment,
            });
        }
        let end = info.offset.checked_add(info.length);
        let Some(end) = end.filter(|&end| end <= available) else {
            return Err(GgufError::TensorOutOfBounds {
                name: name.clone(),
                offset: info.offset,
                length: info.length,
                available,
            });
        };
        if let Some((other, previous_end)) = previous
            && info.offset < previous_end
        {
            return Err(GgufError::TensorsOverlap {
                name: name.clone(),
                other: other.clone(),
            });
        }
        previous = Some((name, end));
    }
    Ok(previous.map_or(0, |(_, end)| end))
}
