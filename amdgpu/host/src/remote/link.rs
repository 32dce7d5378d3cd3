//! The wire of the remote PCI protocol: requests, answers, and what a server that is not to be trusted can do.
//!
//! A request is 33 bytes, little-endian and packed: command (1), device (4), aperture (4), three arguments (8 each). An
//! answer is 17 bytes: status (0 is good), two values; data may follow. With status 1 the first value is the length of a
//! text. Writes have no answer. Sources: tinygrad 0.14.0, `runtime/support/system.py`, class `RemotePCIDevice`; its server,
//! `extra/remote/serve.py`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Command {
    Probe = 0,
    MapBar = 1,
    ConfigRead = 3,
    ConfigWrite = 4,
    MmioRead = 6,
    MmioWrite = 7,
    MapSysmem = 8,
    SysmemRead = 9,
    SysmemWrite = 10,
    ResizeBar = 11,
}

/// Bytes of a request, and of an answer's head.
pub(crate) const REQUEST: usize = 33;
pub(crate) const ANSWER: usize = 17;

/// Writes without an answer are held back until there are so many bytes of them.
const HELD: usize = 64 << 10;
/// Longest data of one request. A read of video memory over PCIe brings some MiB a second, so that an answer has to come
/// well within its limit.
const LONGEST: usize = 256 << 10;
/// Longest text of an error that is read.
const LONGEST_TEXT: u64 = 4096;

/// Why a request was in vain.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server says no; the connection goes on.
    Refused(String),
    /// The connection is of no use any more.
    Broken(String),
}

impl Failure {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Refused(text) | Self::Broken(text) => text,
        }
    }
}

/// A connection.
pub(crate) struct Link {
    stream: TcpStream,
    peer: SocketAddr,
    /// Which of the server's devices.
    pub(crate) device: u32,
    /// What is to be sent.
    held: Vec<u8>,
    /// How long the server may take to receive or to answer.
    limit: Duration,
}

impl Link {
    pub(crate) fn connect(peer: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&peer, limit)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            peer,
            device: 0,
            held: Vec::with_capacity(HELD + REQUEST),
            limit,
        })
    }

    fn broken(&self, what: &str, error: &io::Error) -> Failure {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("nothing for {:?}", self.limit)
            }
            io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => error.to_string(),
        };
        Failure::Broken(format!("remote PCI server {}, {what}: {why}", self.peer))
    }

    fn garbage(&self, what: &str, found: &str, expected: &str) -> Failure {
        Failure::Broken(format!(
            "remote PCI server {}, {what}: it answered {found}, expected {expected}",
            self.peer
        ))
    }

    /// Sends what is held back.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let held = std::mem::take(&mut self.held);
        let sent = self.send(&held);
        self.held = held;
        self.held.clear();
        sent.map_err(|error| self.broken("sending", &error))
    }

    fn send(&mut self, mut data: &[u8]) -> io::Result<()> {
        let start = Instant::now();
        while !data.is_empty() {
            let left = self.limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left))?;
            match self.stream.write(data) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => data = &data[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fills `out`, all of it by `deadline`, however the server cuts it.
    fn receive(&mut self, mut out: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !out.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(out) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => out = &mut out[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn put(&mut self, command: Command, bar: u32, arguments: [u64; 3]) {
        self.held.push(command as u8);
        self.held.extend(self.device.to_le_bytes());
        self.held.extend(bar.to_le_bytes());
        for argument in arguments {
            self.held.extend(argument.to_le_bytes());
        }
    }

    /// Writes, which nobody answers: held back until the next request with an answer, or [`Link::flush`].
    pub(crate) fn write(
        &mut self,
        command: Command,
        bar: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Failure> {
        let offsets = (offset..).step_by(LONGEST);
        for (at, part) in offsets.zip(data.chunks(LONGEST)) {
            self.put(command, bar, [at, part.len() as u64, 0]);
            self.held.extend(part);
            if self.held.len() >= HELD {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Asks, and reads the head of the answer: its two values. The data that follows is to be there by the deadline.
    pub(crate) fn ask(
        &mut self,
        command: Command,
        bar: u32,
        arguments: [u64; 3],
        payload: &[u8],
    ) -> Result<([u64; 2], Instant), Failure> {
        self.put(command, bar, arguments);
        self.held.extend(payload);
        self.flush()?;
        let deadline = Instant::now() + self.limit;
        let what = format!("{command:?}");
        let mut head = [0; ANSWER];
        self.receive(&mut head, deadline)
            .map_err(|error| self.broken(&what, &error))?;
        let [status, ref values @ ..] = head;
        let [first, second] = [0, 8].map(|at| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&values[at..at + 8]);
            u64::from_le_bytes(bytes)
        });
        match status {
            0 => Ok(([first, second], deadline)),
            1 if first <= LONGEST_TEXT => {
                let text = self.data(&what, first, deadline)?;
                let text = String::from_utf8_lossy(&text);
                let text = text.trim().escape_debug();
                let peer = self.peer;
                Err(Failure::Refused(format!(
                    "remote PCI server {peer}, {what}: refused, saying {text:?}",
                    text = text.to_string()
                )))
            }
            1 => Err(self.garbage(
                &what,
                &format!("an error of {first} bytes"),
                "at most 4096 bytes of text",
            )),
            other => Err(self.garbage(
                &what,
                &format!("status {other:#x}"),
                "0 (good) or 1 (an error); is this the port of a remote PCI server?",
            )),
        }
    }

    /// Reads the data of an answer. The caller has bounded `bytes`.
    pub(crate) fn data(
        &mut self,
        what: &str,
        bytes: u64,
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let mut data = vec![0; bytes as usize];
        self.receive(&mut data, deadline)
            .map_err(|error| self.broken(what, &error))?;
        Ok(data)
    }

    /// Asks for an answer without data.
    pub(crate) fn values(
        &mut self,
        command: Command,
        bar: u32,
        arguments: [u64; 3],
    ) -> Result<[u64; 2], Failure> {
        Ok(self.ask(command, bar, arguments, &[])?.0)
    }

    /// Asks for a list, whose bytes the answer's first value counts: the list, and the second value.
    pub(crate) fn list(
        &mut self,
        command: Command,
        arguments: [u64; 3],
        payload: &[u8],
        most: u64,
    ) -> Result<(Vec<u8>, u64), Failure> {
        let ([bytes, second], deadline) = self.ask(command, 0, arguments, payload)?;
        let what = format!("{command:?}");
        if bytes > most {
            return Err(self.garbage(&what, &format!("{bytes} bytes"), &format!("at most {most}")));
        }
        Ok((self.data(&what, bytes, deadline)?, second))
    }

    /// Reads an aperture or lent memory.
    pub(crate) fn read(
        &mut self,
        command: Command,
        bar: u32,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        let offsets = (offset..).step_by(LONGEST);
        for (at, part) in offsets.zip(out.chunks_mut(LONGEST)) {
            let wanted = part.len() as u64;
            let ([bytes, _], deadline) = self.ask(command, bar, [at, wanted, 0], &[])?;
            let what = format!("{command:?}");
            if bytes != wanted {
                return Err(self.garbage(&what, &format!("{bytes} bytes"), &wanted.to_string()));
            }
            self.receive(part, deadline)
                .map_err(|error| self.broken(&what, &error))?;
        }
        Ok(())
    }
}
