//! The head of a request: its request line and the few headers that this server acts on.

use alloc::string::String;

use super::HttpError;
use crate::limits::{MAX_HEAD_BYTES, MAX_HEADERS};

/// The methods that some path knows; every other one is answered with 405.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Options,
    Other,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body was announced.
    None,
    /// As many bytes.
    Length(u64),
    /// By chunks.
    Chunked,
}

/// A checked head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// The method as sent, for messages.
    pub(crate) method_name: String,
    /// The target without its query; for the absolute form without scheme and authority.
    pub(crate) path: String,
    /// The client speaks HTTP/1.0: it knows no chunks.
    pub(crate) http_1_0: bool,
    /// The client wants the connection kept.
    pub(crate) keep_alive: bool,
    pub(crate) framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) origin: Option<String>,
    /// `Access-Control-Request-Headers` of a preflight.
    pub(crate) cors_headers: Option<String>,
}

impl Head {
    /// Parses the head that `input` begins with, and says how long it is; `None` if its end is not there yet.
    pub(crate) fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(input) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD_BYTES => {
                Ok(Some((Self::check(&request)?, length)))
            }
            Ok(httparse::Status::Partial) if input.len() <= MAX_HEAD_BYTES => Ok(None),
            Ok(_) if !input[..MAX_HEAD_BYTES].contains(&b'\n') => Err(HttpError::TargetTooLong),
            Ok(_) => Err(HttpError::HeadTooLarge),
            Err(httparse::Error::TooManyHeaders) => Err(HttpError::TooManyHeaders),
            Err(error) => Err(HttpError::Malformed(error)),
        }
    }

    fn check(request: &httparse::Request<'_, '_>) -> Result<Self, HttpError> {
        // PANIC: none; a complete request has all three, and the defaults are harmless.
        let method_name = request.method.unwrap_or_default();
        let http_1_0 = request.version == Some(0);
        let mut head = Self {
            method: match method_name {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "POST" => Method::Post,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            method_name: method_name.into(),
            path: path_of(request.path.unwrap_or_default()).into(),
            http_1_0,
            keep_alive: !http_1_0,
            framing: Framing::None,
            expects_continue: false,
            content_type: None,
            content_encoding: None,
            authorization: None,
            host: None,
            origin: None,
            cors_headers: None,
        };
        let mut hosts = 0;
        for header in &*request.headers {
            head.take_header(header.name, header.value.trim_ascii(), &mut hosts)?;
        }
        if hosts > 1 || (hosts == 0 && !http_1_0) {
            return Err(HttpError::Host);
        }
        Ok(head)
    }

    fn take_header(
        &mut self,
        name: &str,
        value: &[u8],
        hosts: &mut usize,
    ) -> Result<(), HttpError> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let text = || Some(String::from_utf8_lossy(value).into_owned());
        if is("host") {
            *hosts += 1;
            self.host = text();
        } else if is("connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.keep_alive = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") && self.http_1_0 {
                    self.keep_alive = true;
                }
            }
        } else if is("content-length") {
            let length = decimal(value).ok_or(HttpError::ContentLength)?;
            self.framing = match self.framing {
                Framing::None => Framing::Length(length),
                Framing::Length(same) if same == length => Framing::Length(length),
                Framing::Length(_) => return Err(HttpError::ContentLength),
                Framing::Chunked => return Err(HttpError::LengthAndEncoding),
            };
        } else if is("transfer-encoding") {
            if self.framing != Framing::None {
                return Err(match self.framing {
                    Framing::Length(_) => HttpError::LengthAndEncoding,
                    _ => HttpError::TransferEncoding,
                });
            }
            if self.http_1_0 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HttpError::TransferEncoding);
            }
            self.framing = Framing::Chunked;
        } else if is("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(HttpError::Expectation);
            }
            // RFC 9110, 10.1.1: a server ignores it in HTTP/1.0.
            self.expects_continue = !self.http_1_0;
        } else if is("content-type") {
            self.content_type = text();
        } else if is("content-encoding") {
            self.content_encoding = text();
        } else if is("authorization") {
            self.authorization = text();
        } else if is("origin") {
            self.origin = text();
        } else if is("access-control-request-headers") {
            self.cors_headers = text();
        }
        Ok(())
    }
}

/// Digits only: `usize::from_str` would take a sign.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

fn path_of(target: &str) -> &str {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    target.split(['?', '#']).next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use std::string::ToString;

    /// What [`Head::parse`] makes of a head, on one line.
    fn parse(head: &str) -> String {
        match Head::parse(head.replace('\n', "\r\n").as_bytes()) {
            Ok(None) => "incomplete".into(),
            Ok(Some((head, _))) => format!(
                "{:?} {} {}{:?}{}",
                head.method,
                head.path,
                if head.keep_alive { "keep " } else { "close " },
                head.framing,
                if head.expects_continue {
                    " expects"
                } else {
                    ""
                }
            ),
            Err(error) => format!("{} {error:?}", error.status()),
        }
    }

    #[test]
    fn heads() {
        for (head, expected) in [
            ("GET / HTTP/1.1\nHost: a\n", "incomplete"),
            ("GET / HTTP/1.1\nHost: a\n\n", "Get / keep None"),
            ("\n\nGET /x?y=1 HTTP/1.1\nhost:a\n\n", "Get /x keep None"),
            (
                "GET http://a:1/b?c HTTP/1.1\nHost: a\n\n",
                "Get /b keep None",
            ),
            ("GET http://a HTTP/1.1\nHost: a\n\n", "Get / keep None"),
            ("OPTIONS * HTTP/1.1\nHost: a\n\n", "Options * keep None"),
            ("BREW / HTTP/1.1\nHost: a\n\n", "Other / keep None"),
            ("GET / HTTP/1.0\n\n", "Get / close None"),
            (
                "GET / HTTP/1.0\nConnection: Keep-Alive\n\n",
                "Get / keep None",
            ),
            (
                "GET / HTTP/1.1\nHost: a\nConnection: x, Close\n\n",
                "Get / close None",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\n",
                "Post / keep Length(5)",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 5\n\n",
                "Post / keep Length(5)",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6\n\n",
                "400 ContentLength",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 5, 5\n\n",
                "400 ContentLength",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: +5\n\n",
                "400 ContentLength",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length:\n\n",
                "400 ContentLength",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 99999999999999999999\n\n",
                "400 ContentLength",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: Chunked\n\n",
                "Post / keep Chunked",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n",
                "400 TransferEncoding",
            ),
            (
                "POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n",
                "400 TransferEncoding",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 1\n\n",
                "400 LengthAndEncoding",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n",
                "400 LengthAndEncoding",
            ),
            (
                "POST / HTTP/1.1\nHost: a\nContent-Length: 1\nExpect: 100-Continue\n\n",
                "Post / keep Length(1) expects",
            ),
            (
                "GET / HTTP/1.1\nHost: a\nExpect: tea\n\n",
                "417 Expectation",
            ),
            ("GET / HTTP/1.1\n\n", "400 Host"),
            ("GET / HTTP/1.1\nHost: a\nHost: b\n\n", "400 Host"),
            ("GET / HTTP/2.0\nHost: a\n\n", "400 Malformed(Version)"),
            ("GET  / HTTP/1.1\nHost: a\n\n", "400 Malformed(Token)"),
            ("GET / HTTP/1.1\nHost : a\n\n", "400 Malformed(HeaderName)"),
            (
                "GET / HTTP/1.1\nHost: a\n b\n\n",
                "400 Malformed(HeaderName)",
            ),
            (
                "GET / HTTP/1.1\nHost: a\0b\n\n",
                "400 Malformed(HeaderValue)",
            ),
        ] {
            assert_eq!(parse(head), expected, "{head}");
        }
    }

    #[test]
    fn caps() {
        let long = "a".repeat(MAX_HEAD_BYTES);
        assert_eq!(parse(&format!("GET /{long}")), "414 TargetTooLong");
        assert_eq!(
            parse(&format!("GET /{long} HTTP/1.1\nHost: a\n\n")),
            "414 TargetTooLong"
        );
        assert_eq!(
            parse(&format!("GET / HTTP/1.1\nHost: a\nx: {long}")),
            "431 HeadTooLarge"
        );
        assert_eq!(
            parse(&format!("GET / HTTP/1.1\nHost: a\nx: {long}\n\n")),
            "431 HeadTooLarge"
        );
        let many = (0..MAX_HEADERS)
            .map(|n| format!("x{n}: y\n"))
            .collect::<String>();
        assert_eq!(
            parse(&format!("GET / HTTP/1.1\nHost: a\n{many}\n")),
            "431 TooManyHeaders"
        );
        assert_eq!(many.lines().count().to_string(), MAX_HEADERS.to_string());
    }
}
