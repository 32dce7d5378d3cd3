//! HTTP/1.1 (RFC 9112) as far as a server of JSON and event streams needs it.
//!
//! Nothing here knows what a request is about: [`reader`] turns bytes into heads and bodies, [`response`] writes status
//! lines, headers and chunks. A request that has not wholly arrived is a value (`None`), not an error.

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod reader;
pub(crate) mod response;

use core::fmt;

/// What is wrong with the HTTP of a request. The position of the next request is unknown after most of these, so the
/// connection ends with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// The head is not HTTP; `httparse` says what it found.
    Malformed(httparse::Error),
    /// The request line alone fills the limit.
    TargetTooLong,
    /// The head is longer than the limit.
    HeadTooLarge,
    /// More header fields than the limit.
    TooManyHeaders,
    /// HTTP/1.1 without, or with more than one, `Host`.
    Host,
    /// `Content-Length` is not one decimal number.
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`: one of them lies.
    LengthAndEncoding,
    /// A transfer coding other than a single `chunked`, or any in HTTP/1.0.
    TransferEncoding,
    /// `Expect` asks for something other than `100-continue`.
    Expectation,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The chunk framing is broken.
    Chunk,
    /// The head did not come in time.
    HeadTimeout,
    /// The body did not come in time.
    BodyTimeout,
}

impl HttpError {
    /// The status that answers it.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::Expectation => 417,
            Self::BodyTooLarge => 413,
            Self::HeadTimeout | Self::BodyTimeout => 408,
            _ => 400,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::limits as l;
        match self {
            Self::Malformed(error) => write!(f, "The request is not HTTP/1.1: {error}."),
            Self::TargetTooLong => {
                write!(f, "The request line is over {} bytes.", l::MAX_HEAD_BYTES)
            }
            Self::HeadTooLarge => write!(f, "The headers are over {} bytes.", l::MAX_HEAD_BYTES),
            Self::TooManyHeaders => write!(f, "There are more than {} headers.", l::MAX_HEADERS),
            Self::Host => f.write_str("An HTTP/1.1 request needs exactly one 'Host' header."),
            Self::ContentLength => f.write_str("'Content-Length' must be one decimal number."),
            Self::LengthAndEncoding => {
                f.write_str("'Content-Length' and 'Transfer-Encoding' exclude each other.")
            }
            Self::TransferEncoding => {
                f.write_str("The only transfer coding is 'chunked', from HTTP/1.1 on.")
            }
            Self::Expectation => f.write_str("The only expectation is '100-continue'."),
            Self::BodyTooLarge => write!(f, "The body is over {} bytes.", l::MAX_BODY_BYTES),
            Self::Chunk => f.write_str("The chunked body is malformed."),
            Self::HeadTimeout => {
                write!(f, "The headers took over {} s.", l::HEAD_DEADLINE.as_secs())
            }
            Self::BodyTimeout => write!(f, "The body took over {} s.", l::BODY_DEADLINE.as_secs()),
        }
    }
}
