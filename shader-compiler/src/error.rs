//! What can be wrong with a kernel, and where.

use std::fmt;

/// Why a kernel was refused. One variant per party to blame, so that a caller can tell the author's mistake from ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The source is not valid WGSL; naga's message.
    Wgsl(String),
    /// Valid WGSL that this compiler does not take: what it met, and what it would take.
    Unsupported(String),
    /// The kernel needs more of a resource than the machine has.
    TooMuch {
        /// Of what: "VGPRs", "SGPRs", "bytes of workgroup memory".
        what: &'static str,
        /// How much it needs.
        needed: u32,
        /// How much there is.
        available: u32,
    },
    /// A pass broke a rule of the form it works on: our mistake, found by the validator after it.
    Broken {
        /// The pass.
        pass: &'static str,
        /// The rule and where.
        what: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wgsl(message) => f.write_str(message),
            Self::Unsupported(what) => write!(f, "not supported: {what}"),
            Self::TooMuch {
                what,
                needed,
                available,
            } => write!(f, "needs {needed} {what}, the machine has {available}"),
            Self::Broken { pass, what } => write!(f, "compiler defect in {pass}: {what}"),
        }
    }
}

/// A reason and the place in the source, as a stage of the pipeline reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// Byte offset in the WGSL source; `u32::MAX` where unknown.
    pub source: u32,
}

impl Fault {
    /// A fault whose place is not known.
    #[must_use]
    pub fn nowhere(reason: Reason) -> Self {
        Self {
            reason,
            source: u32::MAX,
        }
    }

    /// The validator after `pass` found `what`.
    #[must_use]
    pub fn broken(pass: &'static str, what: String) -> Self {
        Self::nowhere(Reason::Broken { pass, what })
    }

    /// The same, at `source` if its own place is not known.
    #[must_use]
    pub fn or_at(self, source: u32) -> Self {
        match self.source {
            u32::MAX => Self { source, ..self },
            _ => self,
        }
    }

    /// Turns the offset into a line and column of `source`.
    #[must_use]
    pub fn locate(self, file: &str, source: &str) -> Error {
        let (line, column) = position(source, self.source);
        Error {
            file: file.to_owned(),
            line,
            column,
            reason: self.reason,
        }
    }
}

/// Line and column of a byte offset, counted from 1; both 0 if the offset is not in the text.
#[must_use]
pub fn position(source: &str, offset: u32) -> (u32, u32) {
    let Some(before) = source.as_bytes().get(..offset as usize) else {
        return (0, 0);
    };
    let newline = |byte: &&u8| **byte == b'\n';
    let line = before.iter().filter(newline).count() as u32 + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count() as u32
        + 1;
    (line, column)
}

/// Why a source file was refused, with its place: `file:line:column: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Name of the source, as given.
    pub file: String,
    /// From 1; 0 if the place is not known.
    pub line: u32,
    /// From 1; 0 if the place is not known.
    pub column: u32,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            _ => write!(
                f,
                "{}:{}:{}: {}",
                self.file, self.line, self.column, self.reason
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = "ab\ncd\n";
        assert_eq!(position(source, 0), (1, 1));
        assert_eq!(position(source, 2), (1, 3));
        assert_eq!(position(source, 4), (2, 2));
        assert_eq!(position(source, u32::MAX), (0, 0));
    }

    #[test]
    fn an_error_reads_as_compilers_print_them() {
        let fault = Fault {
            reason: Reason::TooMuch {
                what: "VGPRs",
                needed: 300,
                available: 256,
            },
            source: 3,
        };
        assert_eq!(
            fault.locate("a.wgsl", "x\nyz").to_string(),
            "a.wgsl:2:2: needs 300 VGPRs, the machine has 256"
        );
    }
}
