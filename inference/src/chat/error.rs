//! Why a template could not be compiled or rendered.
use alloc::string::String;
use core::fmt;

/// A place in a template's source, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in that line.
    pub column: u32,
}

/// A template's failure and where it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The construct that it went wrong in.
    pub position: Position,
}

/// What can go wrong in a template.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source ends inside a construct.
    UnexpectedEnd {
        /// What is missing.
        expected: &'static str,
    },
    /// The source holds something else than the grammar allows here.
    Unexpected {
        /// What stands there.
        found: String,
        /// What could have stood there.
        expected: &'static str,
    },
    /// A number literal that does not fit, or a malformed escape in a string literal.
    BadLiteral(String),
    /// `{% name %}` is not a statement that this renderer knows.
    UnknownStatement(String),
    /// `| name` is not a filter that this renderer knows.
    UnknownFilter(String),
    /// `is name` is not a test that this renderer knows.
    UnknownTest(String),
    /// A method that this renderer does not offer.
    UnknownMethod {
        /// The type it was called on.
        of: &'static str,
        /// The method.
        name: String,
    },
    /// Something of Jinja or Python that this renderer does not do.
    Unsupported(&'static str),
    /// An undefined value was used where a value is needed.
    Undefined(String),
    /// An operation met a type that it is not defined for.
    Type {
        /// The operation.
        operation: String,
        /// The type that it met.
        found: &'static str,
    },
    /// A filter, test, function, method or macro was called with arguments that it does not take.
    Arguments {
        /// What was called.
        of: String,
        /// What is wrong with the arguments.
        reason: &'static str,
    },
    /// A number left the range of 64 bits, or was divided by zero.
    Arithmetic(&'static str),
    /// The template refused the conversation by `raise_exception`.
    Raised(String),
    /// More work than [`super::Limits::steps`].
    StepLimit(u64),
    /// More memory than [`super::Limits::memory_bytes`].
    MemoryLimit(usize),
    /// A longer prompt than [`super::Limits::output_bytes`].
    OutputLimit(usize),
    /// Nested deeper than allowed, in the source, in values or in calls.
    DepthLimit(u32),
}

impl ErrorKind {
    pub(super) fn at(self, position: Position) -> TemplateError {
        TemplateError {
            kind: self,
            position,
        }
    }

    pub(super) fn of_type(operation: &str, found: &'static str) -> ErrorKind {
        ErrorKind::Type {
            operation: operation.into(),
            found,
        }
    }

    pub(super) fn arguments(of: &str, reason: &'static str) -> ErrorKind {
        ErrorKind::Arguments {
            of: of.into(),
            reason,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "chat template, line {}, column {}: {}",
            self.position.line, self.position.column, self.kind
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::UnexpectedEnd { expected } => {
                write!(f, "the template ends, expected {expected}")
            }
            ErrorKind::Unexpected { found, expected } => {
                write!(f, "found `{found}`, expected {expected}")
            }
            ErrorKind::BadLiteral(literal) => write!(f, "malformed literal `{literal}`"),
            ErrorKind::UnknownStatement(name) => write!(f, "unknown statement `{name}`"),
            ErrorKind::UnknownFilter(name) => write!(f, "unknown filter `{name}`"),
            ErrorKind::UnknownTest(name) => write!(f, "unknown test `{name}`"),
            ErrorKind::UnknownMethod { of, name } => {
                write!(f, "unknown method `{name}` of a {of}")
            }
            ErrorKind::Unsupported(what) => write!(f, "not supported: {what}"),
            ErrorKind::Undefined(name) => write!(f, "`{name}` is undefined"),
            ErrorKind::Type { operation, found } => {
                write!(f, "`{operation}` is not defined for a {found}")
            }
            ErrorKind::Arguments { of, reason } => write!(f, "`{of}`: {reason}"),
            ErrorKind::Arithmetic(what) => f.write_str(what),
            ErrorKind::Raised(message) => {
                write!(f, "the template refuses the conversation: {message}")
            }
            ErrorKind::StepLimit(limit) => write!(f, "takes more than {limit} steps"),
            ErrorKind::MemoryLimit(limit) => write!(f, "takes more than {limit} bytes of memory"),
            ErrorKind::OutputLimit(limit) => write!(f, "renders to more than {limit} bytes"),
            ErrorKind::DepthLimit(limit) => write!(f, "nested deeper than {limit} levels"),
        }
    }
}

impl core::error::Error for TemplateError {}
