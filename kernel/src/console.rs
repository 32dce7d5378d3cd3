//! Where log lines go: to the serial port, with the time since kernel entry, and into a ring for the `log` command.

use alloc::string::String;
use core::fmt::{self, Write};

use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Mutex;

use crate::{ring::LineRing, serial, time};

const RING_BYTES: usize = 64 * 1024;
const LINE_BYTES: usize = 512;

static RING: Mutex<LineRing<RING_BYTES>> = Mutex::new(LineRing::new());

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The virtio crate calls "info" what helps only its developers.
        let chatty = metadata.level() == Level::Info && metadata.target().starts_with("virtio");
        let level = if chatty {
            Level::Debug
        } else {
            metadata.level()
        };
        level <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Line::new();
        let now = time::now();
        let tag = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
            Level::Trace => "trace: ",
        };
        // `Line` cuts what does not fit and so never fails.
        let _ = write!(
            line,
            "[{:4}.{:03}] {tag}{}",
            now.as_secs(),
            now.subsec_millis(),
            record.args()
        );
        let mut ring = RING.lock();
        for text in line.as_str().lines() {
            ring.push_line(text);
        }
        line.end();
        serial::write(line.as_str().as_bytes());
    }

    fn flush(&self) {}
}

/// Makes this the backend of the `log` crate. Until [`set_level`], everything up to `info` is shown.
pub fn init() {
    // An error means that a logger is set already, which is then this one: nothing else in the kernel sets one.
    let _ = log::set_logger(&Console);
    log::set_max_level(LevelFilter::Info);
}

/// Shows messages up to this level from now on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// A copy of the kept log lines, oldest first.
pub fn history() -> String {
    let ring = RING.lock();
    let (first, second) = ring.pieces();
    // A line may wrap around inside a character, so the pieces are joined before they are read as UTF-8.
    String::from_utf8_lossy(&[first, second].concat()).into_owned()
}

/// One log message being formatted, without the heap: logging must work before there is one and when it is full.
struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    fn new() -> Line {
        Line {
            bytes: [0; LINE_BYTES],
            length: 0,
        }
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("(a log line that is not UTF-8)")
    }

    /// Ends the line; the last byte is kept free for this.
    fn end(&mut self) {
        self.bytes[self.length] = b'\n';
        self.length += 1;
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut keep = text.len().min(LINE_BYTES - 1 - self.length);
        while !text.is_char_boundary(keep) {
            keep -= 1;
        }
        self.bytes[self.length..self.length + keep].copy_from_slice(&text.as_bytes()[..keep]);
        self.length += keep;
        Ok(())
    }
}
