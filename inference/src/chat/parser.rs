//! The statement half of the parser, and what both halves share: tokens, nesting and error messages.
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ast::{Apply, Body, Expr, For, Macro, Statement, StatementKind, Target};
use super::error::{ErrorKind, Position, TemplateError};
use super::expressions::tuple;
use super::lexer::{Token, TokenKind, lex};
use super::text::Text;

pub(super) type Result<T> = core::result::Result<T, TemplateError>;

/// How deep statements, brackets and chains of operators may nest. The evaluator recurses over them.
const MAX_NESTING: u32 = 160;

/// What a bracket or statement counts as, since parsing one takes more of the stack than an operator.
const BRACKET: u32 = 4;

pub(super) struct Parser {
    tokens: alloc::vec::IntoIter<Token>,
    /// Where the last token stood, for errors at the end.
    last: Position,
    pub(super) depth: u32,
}

/// Compiles a template's source.
pub(super) fn parse(source: &str) -> Result<Body> {
    let mut parser = Parser {
        tokens: lex(source)?.into_iter(),
        last: Position { line: 1, column: 1 },
        depth: 0,
    };
    let (body, end) = parser.body(&[])?;
    match end {
        None => Ok(body),
        Some(name) => Err(ErrorKind::UnknownStatement(name).at(parser.last)),
    }
}

impl Parser {
    pub(super) fn at(&self) -> Position {
        self.tokens
            .as_slice()
            .first()
            .map_or(self.last, |token| token.at)
    }

    pub(super) fn peek(&self) -> Option<&TokenKind> {
        self.tokens.as_slice().first().map(|token| &token.kind)
    }

    pub(super) fn peek_second(&self) -> Option<&TokenKind> {
        self.tokens.as_slice().get(1).map(|token| &token.kind)
    }

    pub(super) fn next(&mut self) -> Option<TokenKind> {
        let token = self.tokens.next()?;
        self.last = token.at;
        Some(token.kind)
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Op(found)) if *found == op)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Name(found)) if found == name)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn unexpected(
        &self,
        found: Option<TokenKind>,
        at: Position,
        expected: &'static str,
    ) -> TemplateError {
        let found = match found {
            None => return ErrorKind::UnexpectedEnd { expected }.at(at),
            Some(TokenKind::Name(name)) => name,
            Some(TokenKind::Op(op)) => op.into(),
            Some(TokenKind::Data(_)) => "text".into(),
            Some(TokenKind::PrintBegin) => "{{".into(),
            Some(TokenKind::PrintEnd) => "}}".into(),
            Some(TokenKind::BlockBegin) => "{%".into(),
            Some(TokenKind::BlockEnd) => "%}".into(),
            Some(TokenKind::Str(text)) => format!("{text:?}"),
            Some(TokenKind::Int(value)) => format!("{value}"),
            Some(TokenKind::Float(value)) => format!("{value}"),
        };
        ErrorKind::Unexpected { found, expected }.at(at)
    }

    pub(super) fn expect_op(&mut self, op: &'static str) -> Result<()> {
        self.expect(&TokenKind::Op(op), op)
    }

    fn expect(&mut self, kind: &TokenKind, expected: &'static str) -> Result<()> {
        let at = self.at();
        match self.next() {
            Some(found) if found == *kind => Ok(()),
            found => Err(self.unexpected(found, at, expected)),
        }
    }

    pub(super) fn expect_name(&mut self, expected: &'static str) -> Result<String> {
        let at = self.at();
        match self.next() {
            Some(TokenKind::Name(name)) => Ok(name),
            found => Err(self.unexpected(found, at, expected)),
        }
    }

    /// Parses something one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        let before = self.depth;
        self.depth += BRACKET - 1;
        self.chain()?;
        let parsed = parse(self);
        self.depth = before;
        parsed
    }

    /// A chain such as `a + b + c` nests to the left, one level for each operator. Whoever parses it restores `depth`.
    pub(super) fn chain(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            Err(ErrorKind::DepthLimit(MAX_NESTING).at(self.at()))
        } else {
            Ok(())
        }
    }

    /// Statements up to a block tag with one of the given names, which is consumed up to its name and returned.
    fn body(&mut self, ends: &[&str]) -> Result<(Body, Option<String>)> {
        let mut body = Vec::new();
        loop {
            let at = self.at();
            let kind = match self.next() {
                None if ends.is_empty() => return Ok((body, None)),
                Some(TokenKind::Data(text)) => StatementKind::Text(Text::template(text)),
                Some(TokenKind::PrintBegin) => {
                    let value = self.nested(|parser| tuple(parser, Parser::expression))?;
                    self.expect(&TokenKind::PrintEnd, "`}}`")?;
                    StatementKind::Print(value)
                }
                Some(TokenKind::BlockBegin) => {
                    let name = self.expect_name("the name of a statement")?;
                    if ends.contains(&name.as_str()) {
                        return Ok((body, Some(name)));
                    }
                    let kind = self.nested(|parser| parser.statement(&name, at))?;
                    self.end_of_block()?;
                    kind
                }
                found => return Err(self.unexpected(found, at, "the end of a block")),
            };
            body.push(Statement { at, kind });
        }
    }

    fn end_of_block(&mut self) -> Result<()> {
        self.expect(&TokenKind::BlockEnd, "`%}`")
    }

    /// The rest of a block's opening tag has been read: its body up to the one end that it can have.
    fn body_until(&mut self, end: &str) -> Result<Body> {
        self.end_of_block()?;
        Ok(self.body(&[end])?.0)
    }

    fn statement(&mut self, name: &str, at: Position) -> Result<StatementKind> {
        match name {
            "if" => self.if_statement(),
            "for" => self.for_statement(),
            "set" => self.set_statement(),
            "macro" => self.macro_statement(),
            "call" => self.call_statement(at),
            "filter" => {
                let filters = self.filters()?;
                Ok(StatementKind::Filter(
                    filters,
                    self.body_until("endfilter")?,
                ))
            }
            "generation" => Ok(StatementKind::Scope(self.body_until("endgeneration")?)),
            "break" => Ok(StatementKind::Break),
            "continue" => Ok(StatementKind::Continue),
            _ => Err(ErrorKind::UnknownStatement(name.into()).at(at)),
        }
    }

    fn if_statement(&mut self) -> Result<StatementKind> {
        let mut branches = Vec::new();
        loop {
            let condition = self.nested(|parser| tuple(parser, Parser::or))?;
            self.end_of_block()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            branches.push((condition, body));
            match end.as_deref() {
                Some("elif") => {}
                Some("else") => return Ok(StatementKind::If(branches, self.body_until("endif")?)),
                _ => return Ok(StatementKind::If(branches, Vec::new())),
            }
        }
    }

    fn for_statement(&mut self) -> Result<StatementKind> {
        let target = self.target()?;
        let at = self.at();
        if !self.skip_name("in") {
            let found = self.next();
            return Err(self.unexpected(found, at, "`in`"));
        }
        let items = self.nested(|parser| tuple(parser, Parser::or))?;
        let condition = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        if self.is_name("recursive") {
            return Err(ErrorKind::Unsupported("recursive loops").at(self.at()));
        }
        self.end_of_block()?;
        let (body, end) = self.body(&["else", "endfor"])?;
        let otherwise = if end.as_deref() == Some("else") {
            self.body_until("endfor")?
        } else {
            Vec::new()
        };
        Ok(StatementKind::For(alloc::boxed::Box::new(For {
            target,
            items,
            condition,
            body,
            otherwise,
        })))
    }

    fn set_statement(&mut self) -> Result<StatementKind> {
        let target = self.target()?;
        if self.skip_op("=") {
            let value = self.nested(|parser| tuple(parser, Parser::expression))?;
            return Ok(StatementKind::Set(target, value));
        }
        let filters = if self.skip_op("|") {
            self.filters()?
        } else {
            Vec::new()
        };
        Ok(StatementKind::SetBlock(
            target,
            filters,
            self.body_until("endset")?,
        ))
    }

    fn filters(&mut self) -> Result<Vec<Apply>> {
        let mut filters = Vec::new();
        loop {
            let at = self.at();
            filters.push(self.nested(|parser| parser.filter(at))?);
            if !self.skip_op("|") {
                return Ok(filters);
            }
        }
    }

    fn macro_statement(&mut self) -> Result<StatementKind> {
        let name = self.expect_name("the name of a macro")?.into();
        self.expect_op("(")?;
        let parameters = self.parameters()?;
        Ok(StatementKind::Macro(Arc::new(Macro {
            name,
            parameters,
            body: self.body_until("endmacro")?,
        })))
    }

    fn call_statement(&mut self, at: Position) -> Result<StatementKind> {
        let parameters = if self.skip_op("(") {
            self.parameters()?
        } else {
            Vec::new()
        };
        let call = self.expression()?;
        if !matches!(call.kind, super::ast::ExprKind::Call(..)) {
            return Err(ErrorKind::Unexpected {
                found: "an expression".into(),
                expected: "a call",
            }
            .at(at));
        }
        let body = self.body_until("endcall")?;
        Ok(StatementKind::Call(
            call,
            Arc::new(Macro {
                name: "caller".into(),
                parameters,
                body,
            }),
        ))
    }

    fn parameters(&mut self) -> Result<Vec<(Arc<str>, Option<Expr>)>> {
        let mut parameters = Vec::new();
        while !self.skip_op(")") {
            let name = self.expect_name("the name of a parameter")?;
            let default = if self.skip_op("=") {
                Some(self.expression()?)
            } else {
                None
            };
            parameters.push((name.into(), default));
            if !self.is_op(")") {
                self.expect_op(",")?;
            }
        }
        Ok(parameters)
    }

    fn target(&mut self) -> Result<Target> {
        let first = self.single_target()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut targets = Vec::from([first]);
        while self.skip_op(",") {
            targets.push(self.single_target()?);
        }
        Ok(Target::Tuple(targets))
    }

    fn single_target(&mut self) -> Result<Target> {
        if self.skip_op("(") {
            let target = self.nested(Parser::target)?;
            self.expect_op(")")?;
            return Ok(target);
        }
        let name: Arc<str> = self.expect_name("a name to assign to")?.into();
        if self.skip_op(".") {
            return Ok(Target::Attribute(
                name,
                self.expect_name("the name of an attribute")?.into(),
            ));
        }
        Ok(Target::Name(name))
    }
}
