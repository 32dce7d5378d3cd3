//! Which path leads where, and what is checked before a body is read.

use alloc::string::String;
use core::hint::black_box;

use crate::api::problem::Problem;
use crate::http::head::{Framing, Head, Method};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The chat page.
    Page,
    Health,
    Metrics,
    Models,
    /// One model, by its name.
    Model(String),
    Chat,
    Completions,
    /// `OPTIONS`: the methods of a path.
    Preflight {
        allow: &'static str,
    },
}

impl Endpoint {
    /// Whether the body of a request means anything.
    pub(crate) fn reads_body(&self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }
}

struct Route {
    /// A path that ends with a slash stands for all below it, the rest being a parameter.
    path: &'static str,
    method: Method,
    needs_key: bool,
    endpoint: fn(String) -> Endpoint,
}

#[rustfmt::skip]
const ROUTES: &[Route] = &[
    Route { path: "/",                    method: Method::Get,  needs_key: false, endpoint: |_| Endpoint::Page },
    Route { path: "/health",              method: Method::Get,  needs_key: false, endpoint: |_| Endpoint::Health },
    Route { path: "/metrics",             method: Method::Get,  needs_key: true,  endpoint: |_| Endpoint::Metrics },
    Route { path: "/v1/models",           method: Method::Get,  needs_key: true,  endpoint: |_| Endpoint::Models },
    Route { path: "/v1/models/",          method: Method::Get,  needs_key: true,  endpoint: Endpoint::Model },
    Route { path: "/v1/chat/completions", method: Method::Post, needs_key: true,  endpoint: |_| Endpoint::Chat },
    Route { path: "/v1/completions",      method: Method::Post, needs_key: true,  endpoint: |_| Endpoint::Completions },
];

impl Route {
    /// The parameter, if the path is this route's.
    fn parameter<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.path)?;
        let parameterised = self.path.ends_with('/') && self.path != "/";
        (rest.is_empty() != parameterised).then_some(rest)
    }

    fn allow(&self) -> &'static str {
        match self.method {
            Method::Post => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

/// Finds the endpoint of a request, or why it has none. A request that is refused here is refused whatever its body says.
pub(crate) fn route(head: &Head, api_key: Option<&str>) -> Result<Endpoint, Problem> {
    let (method, path) = (|| head.method_name.clone(), || head.path.clone());
    let found = ROUTES
        .iter()
        .find_map(|route| Some((route, route.parameter(&head.path)?)));
    let Some((route, parameter)) = found else {
        return Err(Problem::NotFound {
            method: method(),
            path: path(),
        });
    };
    let allow = route.allow();
    match (head.method, route.method) {
        // A browser asks before it sends the key, so this needs none.
        (Method::Options, _) => return Ok(Endpoint::Preflight { allow }),
        (Method::Head, Method::Get) => {}
        (sent, known) if sent == known => {}
        _ => {
            return Err(Problem::MethodNotAllowed {
                method: method(),
                path: path(),
                allow,
            });
        }
    }
    match api_key {
        Some(key) if route.needs_key => check_key(head.authorization.as_deref(), key)?,
        Some(_) => {}
        None => check_origin(head)?,
    }
    if route.method == Method::Post {
        check_body_headers(head)?;
    }
    Ok((route.endpoint)(percent_decoded(parameter)))
}

fn check_key(authorization: Option<&str>, key: &str) -> Result<(), Problem> {
    let (scheme, sent) = authorization
        .and_then(|text| text.split_once(' '))
        .ok_or(Problem::NoApiKey)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::NoApiKey);
    }
    if equal_in_constant_time(sent.trim().as_bytes(), key.as_bytes()) {
        Ok(())
    } else {
        Err(Problem::WrongApiKey)
    }
}

/// Compares without telling by the time it takes how much of `sent` was right; the length of the key is no secret.
fn equal_in_constant_time(sent: &[u8], key: &[u8]) -> bool {
    let differences = sent
        .iter()
        .zip(key)
        .fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    sent.len() == key.len() && differences == 0
}

/// Without a key, refuses what a page from elsewhere sends: the browser hides the answer from it, but the work would be
/// done. A page that this server gave out has its `Host` as origin.
fn check_origin(head: &Head) -> Result<(), Problem> {
    let Some(origin) = &head.origin else {
        return Ok(());
    };
    let authority = authority(origin);
    let own = head
        .host
        .as_deref()
        .is_some_and(|host| !authority.is_empty() && host.eq_ignore_ascii_case(authority));
    if own || is_local(authority) {
        return Ok(());
    }
    Err(Problem::ForeignOrigin(origin.clone()))
}

fn authority(origin: &str) -> &str {
    origin
        .split_once("://")
        .map_or("", |(_, authority)| authority)
}

fn is_local(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn check_body_headers(head: &Head) -> Result<(), Problem> {
    if head.framing == Framing::None {
        return Err(Problem::LengthRequired);
    }
    if let Some(coding) = &head.content_encoding
        && !coding.eq_ignore_ascii_case("identity")
    {
        return Err(Problem::ContentEncoding(coding.clone()));
    }
    if let Some(media_type) = &head.content_type {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::ContentType(media_type.clone()));
        }
    }
    Ok(())
}

/// Model names contain slashes, which clients encode. What is not an encoding stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = alloc::vec::Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let value = hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0);
                bytes.push(value as u8);
                after
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The origin to which a browser may show the answer: a page from this computer, or, where a key protects the server,
/// any page. Without this rule every web page that someone visits could use (and probe) an open server on localhost.
pub(crate) fn allowed_origin(head: &Head, has_key: bool) -> Option<String> {
    let origin = head.origin.as_deref()?;
    (has_key || is_local(authority(origin))).then(|| origin.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn head(request: &str) -> Head {
        let request = format!("{}\r\nHost: a\r\n\r\n", request.replace('\n', "\r\n"));
        Head::parse(request.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn routes() {
        for (request, expected) in [
            ("GET / HTTP/1.1", "Ok(Page)"),
            ("GET /?x HTTP/1.1", "Ok(Page)"),
            ("HEAD /health HTTP/1.1", "Ok(Health)"),
            ("GET /health/ HTTP/1.1", "404"),
            ("GET /v1/models HTTP/1.1", "Ok(Models)"),
            ("GET /v1/models/ HTTP/1.1", "404"),
            (
                "GET /v1/models/a%2Fb%c3%a9%zz%4 HTTP/1.1",
                r#"Ok(Model("a/bé%zz%4"))"#,
            ),
            ("GET /v1/models/a/b HTTP/1.1", r#"Ok(Model("a/b"))"#),
            ("GET /v2 HTTP/1.1", "404"),
            ("GET /v1/completions HTTP/1.1", "405"),
            ("POST / HTTP/1.1\nContent-Length: 0", "405"),
            ("BREW /health HTTP/1.1", "405"),
            (
                "OPTIONS /v1/completions HTTP/1.1",
                r#"Ok(Preflight { allow: "POST, OPTIONS" })"#,
            ),
            ("POST /v1/completions HTTP/1.1", "411"),
            (
                "POST /v1/completions HTTP/1.1\nContent-Length: 1",
                "Ok(Completions)",
            ),
            (
                "POST /v1/completions HTTP/1.1\nTransfer-Encoding: chunked",
                "Ok(Completions)",
            ),
            (
                "POST /v1/completions HTTP/1.1\nContent-Length: 1\nContent-Type: text/plain",
                "415",
            ),
            (
                "POST /v1/completions HTTP/1.1\nContent-Length: 1\nContent-Type: application/JSON; charset=utf-8",
                "Ok(Completions)",
            ),
            (
                "POST /v1/completions HTTP/1.1\nContent-Length: 1\nContent-Encoding: gzip",
                "415",
            ),
        ] {
            let found = match route(&head(request), None) {
                Ok(endpoint) => format!("Ok({endpoint:?})"),
                Err(problem) => format!("{}", problem.status()),
            };
            assert_eq!(found, expected, "{request}");
        }
    }

    #[test]
    fn keys() {
        for (authorization, expected) in [
            ("", Err(Problem::NoApiKey)),
            ("\nAuthorization: Basic key", Err(Problem::NoApiKey)),
            ("\nAuthorization: key", Err(Problem::NoApiKey)),
            ("\nAuthorization: Bearer ke", Err(Problem::WrongApiKey)),
            ("\nAuthorization: Bearer kez", Err(Problem::WrongApiKey)),
            ("\nAuthorization: Bearer key2", Err(Problem::WrongApiKey)),
            ("\nAuthorization: bearer  key", Ok(Endpoint::Models)),
        ] {
            let head = head(&format!("GET /v1/models HTTP/1.1{authorization}"));
            assert_eq!(route(&head, Some("key")), expected, "{authorization}");
        }
        assert_eq!(
            route(&head("GET /health HTTP/1.1"), Some("key")),
            Ok(Endpoint::Health)
        );
    }

    #[test]
    fn origins() {
        for (origin, open, with_key) in [
            ("http://localhost", true, true),
            ("http://localhost:3000", true, true),
            ("https://127.0.0.1:8", true, true),
            ("http://[::1]:8080", true, true),
            ("http://[::1]", true, true),
            ("https://example.com", false, true),
            ("https://localhost.example.com", false, true),
            ("null", false, true),
        ] {
            let head = head(&format!("GET / HTTP/1.1\nOrigin: {origin}"));
            assert_eq!(allowed_origin(&head, false).is_some(), open, "{origin}");
            assert_eq!(allowed_origin(&head, true).is_some(), with_key, "{origin}");
        }
    }

    #[test]
    fn pages_from_elsewhere_need_a_key() {
        for (host, origin, may) in [
            ("10.0.2.15:8080", "http://10.0.2.15:8080", true),
            ("BOX.lan", "http://box.lan", true),
            ("10.0.2.15:8080", "http://localhost:3000", true),
            ("10.0.2.15:8080", "http://[::1]", true),
            ("10.0.2.15:8080", "http://10.0.2.15", false),
            ("localhost:8080", "https://example.com", false),
            ("localhost:8080", "http://localhost.example.com", false),
            ("localhost:8080", "null", false),
            ("", "null", false),
        ] {
            let request = format!(
                "POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: 2\r\n\r\n"
            );
            let head = Head::parse(request.as_bytes()).unwrap().unwrap().0;
            let expected = if may {
                Ok(Endpoint::Completions)
            } else {
                Err(Problem::ForeignOrigin(origin.into()))
            };
            assert_eq!(route(&head, None), expected, "{origin} at {host}");
            assert_eq!(route(&head, Some("key")), Err(Problem::NoApiKey));
        }
    }
}
