//! Values of a GGUF file's key/value pairs, and how they are read.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::GgufError;
use super::reader::{Reader, reserve};
use crate::limits::{MAX_GGUF_ARRAY_LENGTH, MAX_GGUF_STRING_BYTES};

const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// One row per number type: its name here, in Rust, in GGUF's documents, and its id in the file.
macro_rules! number_types {
    ($($variant:ident, $rust:ty, $name:literal, $id:literal;)*) => {
        /// A value, of the type that the file gave it.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value {
            $(#[doc = concat!("`", $name, "`.")] $variant($rust),)*
            /// `bool`, stored as a byte 0 or 1.
            Bool(bool),
            /// `string`, UTF-8.
            String(String),
            /// `array` of one of the other types.
            Array(Array),
        }

        /// An array whose elements have one type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Array {
            $(#[doc = concat!("`", $name, "`.")] $variant(Vec<$rust>),)*
            /// `bool`.
            Bool(Vec<bool>),
            /// `string`.
            String(Strings),
        }

        impl Value {
            /// The type's name in GGUF's documents.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::Bool(_) => "bool",
                    Self::String(_) => "string",
                    Self::Array(array) => array.type_name(),
                }
            }

            /// The type's id in the file.
            pub(super) const fn type_id(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $id,)*
                    Self::Bool(_) => BOOL,
                    Self::String(_) => STRING,
                    Self::Array(_) => ARRAY,
                }
            }

            /// Appends the value as the file stores it.
            pub(super) fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(value) => out.extend(value.to_le_bytes()),)*
                    Self::Bool(value) => out.push(u8::from(*value)),
                    Self::String(text) => write_string(text, out),
                    Self::Array(array) => array.write(out),
                }
            }

            /// Reads the value of `key`.
            pub(super) fn read(reader: &mut Reader<'_>, key: &str) -> Result<Self, GgufError> {
                Ok(match reader.u32()? {
                    $($id => Self::$variant(<$rust>::from_le_bytes(reader.array()?)),)*
                    BOOL => Self::Bool(read_bool(reader, key)?),
                    STRING => {
                        let mut text = String::new();
                        reader.string(MAX_GGUF_STRING_BYTES, key, &mut text)?;
                        Self::String(text)
                    }
                    ARRAY => Self::Array(Array::read(reader, key)?),
                    found => return Err(GgufError::UnknownValueType { key: key.into(), found }),
                })
            }
        }

        impl Array {
            /// The type's name, with the element's in GGUF's documents.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => concat!("array of ", $name),)*
                    Self::Bool(_) => "array of bool",
                    Self::String(_) => "array of string",
                }
            }

            /// Elements there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(values) => values.len(),)*
                    Self::Bool(values) => values.len(),
                    Self::String(strings) => strings.len(),
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                let id: u32 = match self {
                    $(Self::$variant(_) => $id,)*
                    Self::Bool(_) => BOOL,
                    Self::String(_) => STRING,
                };
                out.extend(id.to_le_bytes());
                out.extend((self.len() as u64).to_le_bytes());
                match self {
                    $(Self::$variant(values) => values.iter().for_each(|v| out.extend(v.to_le_bytes())),)*
                    Self::Bool(values) => out.extend(values.iter().map(|v| u8::from(*v))),
                    Self::String(strings) => strings.iter().for_each(|text| write_string(text, out)),
                }
            }

            fn read(reader: &mut Reader<'_>, key: &str) -> Result<Self, GgufError> {
                let element = reader.u32()?;
                let length = reader.count("array elements", MAX_GGUF_ARRAY_LENGTH)?;
                Ok(match element {
                    $($id => {
                        let mut values = Vec::new();
                        reader.expect(length as u64 * size_of::<$rust>() as u64)?;
                        reserve(&mut values, length)?;
                        for _ in 0..length {
                            values.push(<$rust>::from_le_bytes(reader.array()?));
                        }
                        Self::$variant(values)
                    })*
                    BOOL => {
                        let mut values = Vec::new();
                        reader.expect(length as u64)?;
                        reserve(&mut values, length)?;
                        for _ in 0..length {
                            values.push(read_bool(reader, key)?);
                        }
                        Self::Bool(values)
                    }
                    STRING => Self::String(Strings::read(reader, length, key)?),
                    ARRAY => return Err(GgufError::NestedArray { key: key.into() }),
                    found => return Err(GgufError::UnknownValueType { key: key.into(), found }),
                })
            }
        }

        $(
            impl From<$rust> for Value {
                fn from(value: $rust) -> Self {
                    Self::$variant(value)
                }
            }

            impl From<Vec<$rust>> for Value {
                fn from(values: Vec<$rust>) -> Self {
                    Self::Array(Array::$variant(values))
                }
            }
        )*
    };
}

number_types! {
    U8, u8, "uint8", 0;
    I8, i8, "int8", 1;
    U16, u16, "uint16", 2;
    I16, i16, "int16", 3;
    U32, u32, "uint32", 4;
    I32, i32, "int32", 5;
    F32, f32, "float32", 6;
    U64, u64, "uint64", 10;
    I64, i64, "int64", 11;
    F64, f64, "float64", 12;
}

impl Array {
    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl<'a> FromIterator<&'a str> for Value {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut strings = Strings::default();
        for text in texts {
            strings.text.push_str(text);
            strings.ends.push(strings.text.len());
        }
        Self::Array(Array::String(strings))
    }
}

fn read_bool(reader: &mut Reader<'_>, key: &str) -> Result<bool, GgufError> {
    match reader.array::<1>()? {
        [0] => Ok(false),
        [1] => Ok(true),
        [found] => Err(GgufError::BadBool {
            key: key.into(),
            found,
        }),
    }
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Many strings in one piece of memory: a vocabulary is 150 thousand of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    /// End of each string in `text`; it starts where the one before it ends.
    ends: Vec<usize>,
}

impl Strings {
    /// Strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..end)
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let text = &self.text[start..end];
            start = end;
            text
        })
    }

    fn read(reader: &mut Reader<'_>, length: usize, key: &str) -> Result<Self, GgufError> {
        let mut strings = Self::default();
        // Each string takes at least its length field, so the file must be that long before memory is taken.
        reader.expect(length as u64 * 8)?;
        reserve(&mut strings.ends, length)?;
        for _ in 0..length {
            reader.string(MAX_GGUF_STRING_BYTES, key, &mut strings.text)?;
            strings.ends.push(strings.text.len());
        }
        Ok(strings)
    }
}
