//! A small HTTP/1.1 client for tests: every byte that goes out is the test's own, and malformed requests can be sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Longest silence of a server before a test gives up. Emulated steps are slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server under test, by the base that its `ready` line named: `http://127.0.0.1:PORT/v1`.
#[derive(Clone, Debug)]
pub struct Api {
    address: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines as they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("status {}: no JSON: {}", self.status, self.body))
    }

    /// The events of a stream, without the closing `[DONE]`.
    ///
    /// # Errors
    /// If a line is no event or the stream is not closed properly.
    pub fn events(&self) -> Result<Vec<Value>> {
        let data: Vec<&str> = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        let (last, events) = data.split_last().context("the stream holds no event")?;
        ensure!(
            *last == "[DONE]",
            "the stream ends with {last:?}, not with [DONE]"
        );
        events
            .iter()
            .map(|text| serde_json::from_str(text).with_context(|| format!("no JSON: {text}")))
            .collect()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|row| row.0 == name)
            .map(|row| row.1.as_str())
    }
}

impl Api {
    /// From a base URL.
    ///
    /// # Errors
    /// If it is not of the form that a `ready` line has.
    pub fn new(url: &str) -> Result<Self> {
        let address = url
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/v1"));
        Ok(Self {
            address: address
                .with_context(|| format!("{url:?} is no base URL"))?
                .to_owned(),
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)
            .with_context(|| format!("cannot reach {}", self.address))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends `request` as it stands and reads one answer.
    ///
    /// # Errors
    /// If the connection fails or the answer is malformed.
    pub fn raw(&self, request: &[u8]) -> Result<Response> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        read_response(&mut BufReader::new(stream))
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn get(&self, path: &str) -> Result<Response> {
        self.raw(
            format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    /// Sends a POST with a JSON body.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Response> {
        self.raw(&post_bytes(path, body))
    }

    /// Text of a completion of `prompt` at temperature 0.
    ///
    /// # Errors
    /// As [`Self::raw`], or if the answer is not a completion.
    pub fn complete(&self, prompt: &str, max_tokens: usize) -> Result<String> {
        let model = self.model()?;
        let body = serde_json::json!({"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0});
        let answer = self.post("/v1/completions", &body)?;
        let text = answer.json()?["choices"][0]["text"]
            .as_str()
            .map(str::to_owned);
        text.with_context(|| format!("status {}: {}", answer.status, answer.body))
    }

    /// The name of the model that is served.
    ///
    /// # Errors
    /// As [`Self::raw`], or if there is none.
    pub fn model(&self) -> Result<String> {
        let answer = self.get("/v1/models")?.json()?;
        answer["data"][0]["id"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no model in {answer}"))
    }
}

/// The bytes of a POST request with a JSON body.
#[must_use]
pub fn post_bytes(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Reads one answer: by length, by chunks, or to the end of the connection.
///
/// # Errors
/// If it is malformed or the connection fails.
pub fn read_response(reader: &mut impl BufRead) -> Result<Response> {
    let status_line = read_line(reader)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("no status line: {status_line:?}"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("no header: {line:?}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: String::new(),
    };
    let mut body = Vec::new();
    if response.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).context("no chunk size")?;
            let start = body.len();
            body.resize(start + size, 0);
            reader.read_exact(&mut body[start..])?;
            ensure!(
                read_line(reader)?.is_empty(),
                "a chunk does not end with a line end"
            );
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = response.header("content-length") {
        body.resize(length.parse().context("no content length")?, 0);
        reader.read_exact(&mut body)?;
    } else {
        reader.read_to_end(&mut body)?;
    }
    response.body = String::from_utf8(body).context("the body is no UTF-8")?;
    Ok(response)
}

fn read_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    reader.take(1 << 16).read_until(b'\n', &mut line)?;
    let line = line
        .strip_suffix(b"\r\n")
        .with_context(|| format!("a line ends badly: {line:?}"))?;
    Ok(String::from_utf8(line.to_vec())?)
}
