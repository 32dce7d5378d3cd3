//! Strings as JSON, escaped while they are written.

use core::fmt::{self, Write};

/// Shows a text as the inside of a JSON string (without the quotes).
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
            f.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                byte @ (b'"' | b'\\') => {
                    f.write_char('\\')?;
                    f.write_char(char::from(byte))?;
                }
                control => write!(f, "\\u{control:04x}")?,
            }
            // What was found is one byte long: all of it is ASCII.
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// Shows the bytes of a token, which need not be whole characters, as the inside of a JSON string.
pub(crate) struct Lossy<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            Escaped(chunk.valid()).fmt(f)?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn every_character_comes_back() {
        let all = (0..0x3000)
            .chain(0x1f600..0x1f610)
            .filter_map(char::from_u32)
            .collect::<String>();
        let back: String = serde_json::from_str(&format!("\"{}\"", Escaped(&all))).unwrap();
        assert_eq!(back, all);
        assert_eq!(format!("{}", Escaped("a\"\\\n\u{1}é")), r#"a\"\\\n\u0001é"#);
        assert_eq!(format!("{}", Lossy(b"a\"\xf0\x9fb")), "a\\\"\u{fffd}b");
    }
}
