//! Cuts a template's source into tokens, with Jinja's rules for white space around tags.
//!
//! The settings are those of Hugging Face's `apply_chat_template`: `trim_blocks` (a newline right after a block tag or a
//! comment goes away), `lstrip_blocks` (so does white space between the start of a line and such a tag), and no newline
//! at the very end.
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{ErrorKind, Position, TemplateError};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// Text outside of tags.
    Data(String),
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Str(String),
    Int(i64),
    Float(f64),
    Op(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) at: Position,
    pub(super) kind: TokenKind,
}

/// Longer operators come before their beginnings.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", "<=", ">=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

pub(super) fn lex(source: &str) -> Result<Vec<Token>, TemplateError> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let start = Position { line: 1, column: 1 };
    let mut lexer = Lexer {
        rest: source,
        at: start,
        line_starting: true,
        tokens: Vec::new(),
    };
    while !lexer.rest.is_empty() {
        lexer.data()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    rest: &'s str,
    at: Position,
    /// The tag before ate the newline behind it, so that what follows begins a line.
    line_starting: bool,
    tokens: Vec<Token>,
}

impl<'s> Lexer<'s> {
    /// Text up to the next tag, and that tag.
    fn data(&mut self) -> Result<(), TemplateError> {
        let tag = self
            .rest
            .match_indices('{')
            .map(|(start, _)| start)
            .find(|start| {
                matches!(
                    self.rest.as_bytes().get(start + 1),
                    Some(b'{' | b'%' | b'#')
                )
            });
        let (text, after) = self.rest.split_at(tag.unwrap_or(self.rest.len()));
        let kind = after.as_bytes().get(1).copied();
        let sign = after
            .as_bytes()
            .get(2)
            .copied()
            .filter(|sign| matches!(sign, b'-' | b'+'));
        let kept = match (sign, kind) {
            (Some(b'-'), _) => text.trim_end_matches(is_space),
            (None, Some(b'%' | b'#')) => self.without_indentation(text),
            _ => text,
        };
        self.push(TokenKind::Data(kept.into()));
        self.advance(text.len());
        let at = self.at;
        let Some(kind) = kind else { return Ok(()) };
        self.advance(2 + usize::from(sign.is_some()));
        match kind {
            b'#' => self.comment(at),
            b'%' => self.block(at),
            _ => self.tag(at, TokenKind::PrintBegin, TokenKind::PrintEnd, "}}"),
        }
    }

    /// `lstrip_blocks`: drops white space that is all there is before a tag on its line.
    fn without_indentation(&self, text: &'s str) -> &'s str {
        let line = text.rfind('\n').map(|newline| newline + 1);
        match line.or(self.line_starting.then_some(0)) {
            Some(start) if text[start..].chars().all(is_space) => &text[..start],
            _ => text,
        }
    }

    fn comment(&mut self, at: Position) -> Result<(), TemplateError> {
        let end = self
            .rest
            .find("#}")
            .ok_or(ErrorKind::UnexpectedEnd { expected: "`#}`" }.at(at))?;
        let sign = self.rest[..end]
            .chars()
            .next_back()
            .filter(|sign| matches!(sign, '-' | '+'));
        self.advance(end + 2);
        self.after_tag(sign, true);
        Ok(())
    }

    fn block(&mut self, at: Position) -> Result<(), TemplateError> {
        let raw = self
            .rest
            .trim_start_matches(is_space)
            .strip_prefix("raw")
            .map(|rest| rest.trim_start_matches(is_space));
        let Some(after) = raw else {
            return self.tag(at, TokenKind::BlockBegin, TokenKind::BlockEnd, "%}");
        };
        if !after.starts_with("%}") && !after.starts_with("-%}") {
            return self.tag(at, TokenKind::BlockBegin, TokenKind::BlockEnd, "%}");
        }
        self.advance(self.rest.len() - after.len());
        self.end_of_tag("%}");
        let missing = ErrorKind::UnexpectedEnd {
            expected: "`endraw`",
        };
        let mut from = 0;
        while let Some(start) = self.rest[from..].find("{%").map(|start| from + start) {
            let inside = self.rest[start + 2..].trim_start_matches(['-', '+']);
            let name = inside.trim_start_matches(is_space).strip_prefix("endraw");
            let end = name.map(|rest| rest.trim_start_matches(is_space));
            if let Some(end) = end.filter(|end| end.starts_with("%}") || end.starts_with("-%}")) {
                let strip = self.rest[start + 2..].starts_with('-');
                let text = &self.rest[..start];
                self.push(TokenKind::Data(
                    if strip {
                        text.trim_end_matches(is_space)
                    } else {
                        text
                    }
                    .into(),
                ));
                self.advance(self.rest.len() - end.len());
                self.end_of_tag("%}");
                return Ok(());
            }
            from = start + 2;
        }
        Err(missing.at(at))
    }

    /// The tokens of a tag up to and with its end.
    fn tag(
        &mut self,
        at: Position,
        begin: TokenKind,
        end: TokenKind,
        close: &'static str,
    ) -> Result<(), TemplateError> {
        self.tokens.push(Token { at, kind: begin });
        let mut open_brackets = 0_u32;
        loop {
            let spaces = self.rest.len() - self.rest.trim_start_matches(is_space).len();
            self.advance(spaces);
            if open_brackets == 0 {
                let at = self.at;
                if self.end_of_tag(close) {
                    self.tokens.push(Token { at, kind: end });
                    return Ok(());
                }
            }
            self.expression_token()?;
            match self.tokens.last().map(|token| &token.kind) {
                Some(TokenKind::Op("(" | "[" | "{")) => open_brackets += 1,
                Some(TokenKind::Op(op @ (")" | "]" | "}"))) => {
                    let unbalanced = ErrorKind::Unexpected {
                        found: (*op).into(),
                        expected: "an opening bracket before",
                    };
                    open_brackets = open_brackets.checked_sub(1).ok_or(unbalanced.at(self.at))?;
                }
                _ => {}
            }
        }
    }

    /// Consumes the end of a tag, if it stands here, with the white space that it eats.
    fn end_of_tag(&mut self, close: &str) -> bool {
        let sign = self
            .rest
            .chars()
            .next()
            .filter(|sign| *sign == '-' || (*sign == '+' && close == "%}"));
        let length = usize::from(sign.is_some());
        if !self.rest[length..].starts_with(close) {
            return false;
        }
        self.advance(length + close.len());
        self.after_tag(sign, close == "%}");
        true
    }

    fn after_tag(&mut self, sign: Option<char>, trim_newline: bool) {
        let eaten = match sign {
            Some('-') => self.rest.len() - self.rest.trim_start_matches(is_space).len(),
            None if trim_newline => usize::from(self.rest.starts_with('\n')),
            _ => 0,
        };
        self.line_starting = self.rest[..eaten].ends_with('\n');
        self.advance(eaten);
    }

    fn expression_token(&mut self) -> Result<(), TemplateError> {
        let first = self.rest.chars().next().ok_or(
            ErrorKind::UnexpectedEnd {
                expected: "the end of a tag",
            }
            .at(self.at),
        )?;
        if first == '\'' || first == '"' {
            return self.string(first);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '_' || first.is_alphabetic() {
            let end = self
                .rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(self.rest.len());
            self.push(TokenKind::Name(self.rest[..end].into()));
            self.advance(end);
            return Ok(());
        }
        let unexpected = ErrorKind::Unexpected {
            found: first.into(),
            expected: "an expression",
        };
        let op = OPERATORS
            .iter()
            .find(|op| self.rest.starts_with(**op))
            .ok_or(unexpected.at(self.at))?;
        self.push(TokenKind::Op(op));
        self.advance(op.len());
        Ok(())
    }

    fn number(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest;
        let digits = |from: usize| {
            rest[from..]
                .find(|c: char| c != '_' && !c.is_ascii_digit())
                .map_or(rest.len(), |n| from + n)
        };
        let starts_digit = |from: usize| rest.as_bytes().get(from).is_some_and(u8::is_ascii_digit);
        let mut end = digits(0);
        let integer_end = end;
        // `list.0.1` takes an item of an item.
        let may_have_fraction = !matches!(
            self.tokens.last(),
            Some(Token {
                kind: TokenKind::Op("."),
                ..
            })
        );
        if may_have_fraction && rest[end..].starts_with('.') && starts_digit(end + 1) {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let exponent = end + 1 + usize::from(rest[end + 1..].starts_with(['+', '-']));
            if starts_digit(exponent) {
                end = digits(exponent);
            }
        }
        let text = rest[..end].replace('_', "");
        let kind = if end == integer_end {
            text.parse().ok().map(TokenKind::Int)
        } else {
            text.parse().ok().map(TokenKind::Float)
        };
        self.push(kind.ok_or(ErrorKind::BadLiteral(text).at(self.at))?);
        self.advance(end);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), TemplateError> {
        let at = self.at;
        let mut text = String::new();
        let mut chars = self.rest[1..].chars();
        loop {
            match chars.next().ok_or(
                ErrorKind::UnexpectedEnd {
                    expected: "the end of a string",
                }
                .at(at),
            )? {
                '\\' => escape(&mut chars, &mut text).map_err(|kind| kind.at(at))?,
                c if c == quote => break,
                c => text.push(c),
            }
        }
        let length = self.rest.len() - chars.as_str().len();
        self.push(TokenKind::Str(text));
        self.advance(length);
        Ok(())
    }

    fn push(&mut self, kind: TokenKind) {
        if kind != TokenKind::Data(String::new()) {
            self.tokens.push(Token { at: self.at, kind });
        }
    }

    fn advance(&mut self, bytes: usize) {
        let (eaten, rest) = self.rest.split_at(bytes);
        for c in eaten.chars() {
            if c == '\n' {
                self.at = Position {
                    line: self.at.line.saturating_add(1),
                    column: 1,
                };
            } else {
                self.at.column = self.at.column.saturating_add(1);
            }
        }
        self.rest = rest;
    }
}

/// One escape sequence of a Python string literal, behind its backslash.
fn escape(chars: &mut core::str::Chars<'_>, out: &mut String) -> Result<(), ErrorKind> {
    let bad = |text: &str| ErrorKind::BadLiteral(text.into());
    let c = chars.next().ok_or(ErrorKind::UnexpectedEnd {
        expected: "an escape sequence",
    })?;
    let digits = match c {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'N' | '0'..='7' => {
            return Err(ErrorKind::Unsupported(
                "octal and named escapes in a string literal",
            ));
        }
        _ => 0,
    };
    if digits > 0 {
        let hex = chars.as_str().get(..digits).ok_or_else(|| bad("\\x"))?;
        let code = u32::from_str_radix(hex, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| bad(hex))?;
        out.push(code);
        chars.nth(digits - 1);
        return Ok(());
    }
    let plain = [
        ('n', '\n'),
        ('t', '\t'),
        ('r', '\r'),
        ('a', '\x07'),
        ('b', '\x08'),
        ('f', '\x0c'),
        ('v', '\x0b'),
    ];
    match (c, plain.iter().find(|(name, _)| *name == c)) {
        (_, Some((_, character))) => out.push(*character),
        ('\n', None) => {}
        ('\\' | '\'' | '"', None) => out.push(c),
        _ => out.extend(['\\', c]),
    }
    Ok(())
}

/// What Python's `str.isspace` and `\s` call white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
