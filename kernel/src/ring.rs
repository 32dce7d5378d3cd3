//! The last lines of the log, kept in fixed memory: what the `log` command and a crash report show.

/// A text ring that forgets whole lines, oldest first.
pub struct LineRing<const BYTES: usize> {
    bytes: [u8; BYTES],
    /// Where the oldest line starts.
    start: usize,
    length: usize,
}

impl<const BYTES: usize> LineRing<BYTES> {
    /// An empty ring.
    pub const fn new() -> Self {
        LineRing {
            bytes: [0; BYTES],
            start: 0,
            length: 0,
        }
    }

    /// Appends one line, given without its line feed. Of a line longer than the ring only the start is kept.
    pub fn push_line(&mut self, line: &str) {
        let mut keep = line.len().min(BYTES - 1);
        while !line.is_char_boundary(keep) {
            keep -= 1;
        }
        while self.length + keep + 1 > BYTES {
            self.forget_oldest();
        }
        for &byte in line.as_bytes()[..keep].iter().chain(b"\n") {
            self.bytes[(self.start + self.length) % BYTES] = byte;
            self.length += 1;
        }
    }

    /// The kept text, oldest first, as two pieces to be read one after the other.
    pub fn pieces(&self) -> (&[u8], &[u8]) {
        let first = self.length.min(BYTES - self.start);
        (
            &self.bytes[self.start..self.start + first],
            &self.bytes[..self.length - first],
        )
    }

    fn forget_oldest(&mut self) {
        let (first, second) = self.pieces();
        let line = first
            .iter()
            .chain(second)
            .position(|&byte| byte == b'\n')
            .map_or(self.length, |at| at + 1);
        self.start = (self.start + line) % BYTES;
        self.length -= line;
    }
}

impl<const BYTES: usize> Default for LineRing<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::LineRing;

    fn text<const N: usize>(ring: &LineRing<N>) -> String {
        let (first, second) = ring.pieces();
        String::from_utf8([first, second].concat()).unwrap()
    }

    #[test]
    fn keeps_the_newest_whole_lines() {
        let mut ring = LineRing::<16>::new();
        assert_eq!(text(&ring), "");
        for line in ["one", "two", "three", "four"] {
            ring.push_line(line);
        }
        assert_eq!(text(&ring), "two\nthree\nfour\n");
        ring.push_line("");
        ring.push_line("abcd");
        assert_eq!(text(&ring), "four\n\nabcd\n");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut ring = LineRing::<8>::new();
        ring.push_line("x");
        ring.push_line("abcdef\u{e9}gh");
        assert_eq!(text(&ring), "abcdef\n");
        ring.push_line("0123456789");
        assert_eq!(text(&ring), "0123456\n");
    }

    #[test]
    fn equals_a_list_of_lines_for_many_lengths() {
        let mut ring = LineRing::<97>::new();
        let mut model: Vec<String> = Vec::new();
        for i in 0..1000usize {
            let line = "z".repeat((i * i) % 41);
            ring.push_line(&line);
            model.push(line + "\n");
            while model.iter().map(String::len).sum::<usize>() > 97 {
                model.remove(0);
            }
            assert_eq!(text(&ring), model.concat());
        }
    }
}
