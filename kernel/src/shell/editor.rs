//! Edits one line of a serial terminal: bytes from the terminal in, bytes for the terminal out.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that a line may have; more are refused with the terminal's bell.
pub const MAX_LINE: usize = 4096;
/// Lines that the up arrow can bring back.
const HISTORY: usize = 16;

const BELL: &[u8] = b"\x07";
const ERASE: &[u8] = b"\x08 \x08";

/// What a byte led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing that concerns the shell.
    Nothing,
    /// A whole line, without its end.
    Line(String),
    /// Control-C: whatever runs should stop.
    Interrupt,
}

/// Where the editor stands in an escape sequence of the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Started,
    Csi,
}

/// The line that is being typed. The cursor is always at its end.
pub struct LineEditor {
    line: Vec<u8>,
    history: VecDeque<String>,
    /// Lines back from the newest that the arrows have gone; 0 is the line being typed.
    back: usize,
    escape: Escape,
    /// Whether the last byte was a carriage return, whose line feed is not a second line.
    after_return: bool,
}

impl Default for LineEditor {
    fn default() -> Self {
        Self::new()
    }
}

impl LineEditor {
    /// An empty line and no history.
    #[must_use]
    pub fn new() -> Self {
        Self {
            line: Vec::new(),
            history: VecDeque::new(),
            back: 0,
            escape: Escape::None,
            after_return: false,
        }
    }

    /// Takes one byte from the terminal; `echo` receives what to show.
    pub fn byte(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) -> Input {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match (self.escape, byte) {
            (Escape::Started, b'[') => self.escape = Escape::Csi,
            (Escape::Started, _) => self.escape = Escape::None,
            // Parameters of a sequence; its last byte is from 0x40 on.
            (Escape::Csi, 0x20..=0x3f) => {}
            (Escape::Csi, last) => {
                self.escape = Escape::None;
                match last {
                    b'A' => self.recall(self.back + 1, echo),
                    b'B' => self.recall(self.back.saturating_sub(1), echo),
                    _ => {}
                }
            }
            (Escape::None, 0x1b) => self.escape = Escape::Started,
            (Escape::None, b'\n') if after_return => {}
            (Escape::None, b'\r' | b'\n') => return Input::Line(self.finish(echo)),
            (Escape::None, 0x08 | 0x7f) => self.erase(echo),
            (Escape::None, 0x03) => {
                echo(b"^C\r\n");
                self.line.clear();
                self.back = 0;
                return Input::Interrupt;
            }
            // Control-U: kill the line.
            (Escape::None, 0x15) => self.clear(echo),
            (Escape::None, 0x00..=0x1f) => {}
            (Escape::None, _) if self.line.len() == MAX_LINE => echo(BELL),
            (Escape::None, _) => {
                self.line.push(byte);
                echo(&[byte]);
            }
        }
        Input::Nothing
    }

    /// Shows the line again, after something else was printed over it.
    pub fn redraw(&self, echo: &mut dyn FnMut(&[u8])) {
        echo(&self.line);
    }

    fn finish(&mut self, echo: &mut dyn FnMut(&[u8])) -> String {
        echo(b"\r\n");
        let line = String::from_utf8_lossy(&core::mem::take(&mut self.line)).into_owned();
        self.back = 0;
        if !line.is_empty() && self.history.front() != Some(&line) {
            self.history.truncate(HISTORY - 1);
            self.history.push_front(line.clone());
        }
        line
    }

    /// Erases one character: its continuation bytes show nothing on the terminal.
    fn erase(&mut self, echo: &mut dyn FnMut(&[u8])) {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                echo(ERASE);
                return;
            }
        }
    }

    fn clear(&mut self, echo: &mut dyn FnMut(&[u8])) {
        while !self.line.is_empty() {
            self.erase(echo);
        }
    }

    fn recall(&mut self, back: usize, echo: &mut dyn FnMut(&[u8])) {
        if back > self.history.len() {
            echo(BELL);
            return;
        }
        self.clear(echo);
        self.back = back;
        if let Some(line) = back
            .checked_sub(1)
            .and_then(|index| self.history.get(index))
        {
            self.line.extend_from_slice(line.as_bytes());
            echo(&self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types the bytes; returns the lines, and what the terminal got.
    fn typed(editor: &mut LineEditor, bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
        let (mut lines, mut shown) = (Vec::new(), Vec::new());
        for &byte in bytes {
            if let Input::Line(line) =
                editor.byte(byte, &mut |bytes| shown.extend_from_slice(bytes))
            {
                lines.push(line);
            }
        }
        (lines, shown)
    }

    fn lines(bytes: &[u8]) -> Vec<String> {
        typed(&mut LineEditor::new(), bytes).0
    }

    #[test]
    fn ends_lines_once() {
        assert_eq!(lines(b"info\rmem\r\npci\n\n"), ["info", "mem", "pci", ""]);
    }

    #[test]
    fn erases_whole_characters() {
        assert_eq!(lines("aé\x7f\x7f\x7fb\x08日c\r".as_bytes()), ["日c"]);
        let (_, shown) = typed(&mut LineEditor::new(), "é\x7f\x7f".as_bytes());
        assert_eq!(
            shown,
            ["é".as_bytes(), ERASE].concat(),
            "nothing is erased past the start"
        );
        assert_eq!(lines(b"wrong\x15right\r"), ["right"]);
    }

    #[test]
    fn recalls_earlier_lines() {
        let mut editor = LineEditor::new();
        typed(&mut editor, b"one\rtwo\rtwo\r");
        assert_eq!(typed(&mut editor, b"\x1b[A\x1b[A\r").0, ["one"]);
        assert_eq!(typed(&mut editor, b"\x1b[A\x1b[A\x1b[B\r").0, ["one"]);
        assert_eq!(typed(&mut editor, b"x\x1b[A\x1b[B\r").0, [""]);
        for index in 0..100 {
            typed(&mut editor, std::format!("{index}\r").as_bytes());
        }
        assert_eq!(editor.history.len(), HISTORY);
    }

    #[test]
    fn unknown_sequences_and_controls_leave_no_trace() {
        assert_eq!(lines(b"a\x1b[3~\x1b[1;5C\x1bOP\x01b\x00\r"), ["aPb"]);
        assert_eq!(lines(b"\xff\xfe\r"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn interrupts_and_bounds() {
        let mut editor = LineEditor::new();
        typed(&mut editor, b"abc");
        assert_eq!(editor.byte(3, &mut |_| {}), Input::Interrupt);
        assert_eq!(typed(&mut editor, b"d\r").0, ["d"]);
        let long = [&[b'x'; MAX_LINE + 10][..], b"\r"].concat();
        assert_eq!(lines(&long)[0].len(), MAX_LINE);
    }
}
