//! What is wrong with a result, or why there is none, in words.

use alloc::string::String;
use core::fmt;

/// What is wrong with a result, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

/// A result, or what is wrong with it.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// From the words.
    #[must_use]
    pub fn new(words: impl fmt::Display) -> Self {
        // Where the words are a chain of causes, `#` gives all of them.
        Self(alloc::format!("{words:#}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl core::error::Error for Error {}

/// Returns an error with these words if something does not hold.
macro_rules! ensure {
    ($holds:expr, $($words:tt)*) => {
        let holds: bool = $holds;
        if !holds {
            return Err($crate::Error::new(format_args!($($words)*)));
        }
    };
}

pub(crate) use ensure;
