//! The expression half of the parser: Jinja's precedences, each level a function.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ast::{Apply, Arguments, BinaryOp, CompareOp, Expr, ExprKind};
use super::error::{ErrorKind, Position, TemplateError};
use super::lexer::TokenKind;
use super::parser::{Parser, Result};
use super::text::Text;

/// The levels of left-associative arithmetic, loosest first.
const ARITHMETIC: [&[(&str, BinaryOp)]; 3] = [
    &[("+", BinaryOp::Add), ("-", BinaryOp::Subtract)],
    &[("~", BinaryOp::Concatenate)],
    &[
        ("*", BinaryOp::Multiply),
        ("/", BinaryOp::Divide),
        ("//", BinaryOp::FloorDivide),
        ("%", BinaryOp::Modulo),
    ],
];

const COMPARISONS: [(&str, CompareOp); 6] = [
    ("==", CompareOp::Equal),
    ("!=", CompareOp::NotEqual),
    ("<", CompareOp::Less),
    ("<=", CompareOp::LessEqual),
    (">", CompareOp::Greater),
    (">=", CompareOp::GreaterEqual),
];

fn boxed(at: Position, kind: ExprKind) -> Box<Expr> {
    Box::new(Expr { at, kind })
}

impl Parser {
    /// `value if condition else otherwise`
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.nested(Parser::conditional)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let at = self.at();
        let mut value = self.or()?;
        while self.skip_name("if") {
            let condition = Box::new(self.or()?);
            let otherwise = if self.skip_name("else") {
                Some(Box::new(self.expression()?))
            } else {
                None
            };
            value = Expr {
                at,
                kind: ExprKind::If {
                    condition,
                    value: Box::new(value),
                    otherwise,
                },
            };
        }
        Ok(value)
    }

    /// An expression without inline `if`, as the condition of a loop and the operand of one.
    pub(super) fn or(&mut self) -> Result<Expr> {
        self.logic("or", ExprKind::Or, |parser| {
            parser.logic("and", ExprKind::And, Parser::not)
        })
    }

    fn logic(
        &mut self,
        word: &str,
        node: fn(Box<Expr>, Box<Expr>) -> ExprKind,
        operand: fn(&mut Parser) -> Result<Expr>,
    ) -> Result<Expr> {
        let (at, depth) = (self.at(), self.depth);
        let mut left = operand(self)?;
        while self.skip_name(word) {
            self.chain()?;
            let right = operand(self)?;
            left = Expr {
                at,
                kind: node(Box::new(left), Box::new(right)),
            };
        }
        self.depth = depth;
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        let at = self.at();
        if self.skip_name("not") {
            let operand = self.nested(Parser::not)?;
            return Ok(Expr {
                at,
                kind: ExprKind::Not(Box::new(operand)),
            });
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr> {
        let at = self.at();
        let left = self.arithmetic(0)?;
        let mut rest = Vec::new();
        while let Some(op) = self.comparison_operator() {
            rest.push((op, self.arithmetic(0)?));
        }
        Ok(if rest.is_empty() {
            left
        } else {
            Expr {
                at,
                kind: ExprKind::Compare(Box::new(left), rest),
            }
        })
    }

    fn comparison_operator(&mut self) -> Option<CompareOp> {
        if let Some((_, op)) = COMPARISONS.iter().find(|(symbol, _)| self.is_op(symbol)) {
            self.next();
            return Some(*op);
        }
        if self.skip_name("in") {
            return Some(CompareOp::In);
        }
        if self.is_name("not") && self.peek_second() == Some(&TokenKind::Name("in".into())) {
            self.next();
            self.next();
            return Some(CompareOp::NotIn);
        }
        None
    }

    fn arithmetic(&mut self, level: usize) -> Result<Expr> {
        let Some(operators) = ARITHMETIC.get(level) else {
            return self.power();
        };
        let (at, depth) = (self.at(), self.depth);
        let mut left = self.arithmetic(level + 1)?;
        while let Some((_, op)) = operators.iter().find(|(symbol, _)| self.is_op(symbol)) {
            self.next();
            self.chain()?;
            let right = self.arithmetic(level + 1)?;
            left = Expr {
                at,
                kind: ExprKind::Binary(*op, Box::new(left), Box::new(right)),
            };
        }
        self.depth = depth;
        Ok(left)
    }

    fn power(&mut self) -> Result<Expr> {
        let (at, depth) = (self.at(), self.depth);
        let mut left = self.unary(true)?;
        while self.skip_op("**") {
            self.chain()?;
            let right = self.unary(true)?;
            left = Expr {
                at,
                kind: ExprKind::Binary(BinaryOp::Power, Box::new(left), Box::new(right)),
            };
        }
        self.depth = depth;
        Ok(left)
    }

    /// A sign binds tighter than a filter: `-x|abs` is `(-x)|abs`.
    fn unary(&mut self, with_filters: bool) -> Result<Expr> {
        let at = self.at();
        let sign: Option<fn(Box<Expr>) -> ExprKind> = match () {
            () if self.skip_op("-") => Some(ExprKind::Negate),
            () if self.skip_op("+") => Some(ExprKind::Plus),
            () => None,
        };
        let operand = match sign {
            Some(sign) => Expr {
                at,
                kind: sign(Box::new(self.nested(|parser| parser.unary(false))?)),
            },
            None => self.primary()?,
        };
        let operand = self.postfix(operand)?;
        if with_filters {
            self.filters_and_tests(operand)
        } else {
            Ok(operand)
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        let at = self.at();
        let kind = match self.next() {
            Some(TokenKind::Name(name)) => match name.as_str() {
                "true" | "True" => ExprKind::Bool(true),
                "false" | "False" => ExprKind::Bool(false),
                "none" | "None" => ExprKind::None,
                _ => ExprKind::Name(name.into()),
            },
            Some(TokenKind::Str(mut text)) => {
                while let Some(TokenKind::Str(more)) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                ExprKind::Str(Arc::new(Text::template(text)))
            }
            Some(TokenKind::Int(value)) => ExprKind::Int(value),
            Some(TokenKind::Float(value)) => ExprKind::Float(value),
            Some(TokenKind::Op("(")) => return self.parenthesised(at),
            Some(TokenKind::Op("[")) => ExprKind::List(self.listed("]")?),
            Some(TokenKind::Op("{")) => ExprKind::Dict(self.dict()?),
            other => return Err(self.unexpected(other, at, "an expression")),
        };
        Ok(Expr { at, kind })
    }

    fn parenthesised(&mut self, at: Position) -> Result<Expr> {
        if self.skip_op(")") {
            return Ok(Expr {
                at,
                kind: ExprKind::Tuple(Vec::new()),
            });
        }
        let first = self.expression()?;
        if self.skip_op(")") {
            return Ok(first);
        }
        self.expect_op(",")?;
        let mut items = self.listed(")")?;
        items.insert(0, first);
        Ok(Expr {
            at,
            kind: ExprKind::Tuple(items),
        })
    }

    /// Expressions with commas between them, a comma after the last allowed, up to a closing bracket.
    fn listed(&mut self, close: &'static str) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        while !self.skip_op(close) {
            items.push(self.expression()?);
            if !self.is_op(close) {
                self.expect_op(",")?;
            }
        }
        Ok(items)
    }

    fn dict(&mut self) -> Result<Vec<(Expr, Expr)>> {
        let mut members = Vec::new();
        while !self.skip_op("}") {
            let key = self.expression()?;
            self.expect_op(":")?;
            members.push((key, self.expression()?));
            if !self.is_op("}") {
                self.expect_op(",")?;
            }
        }
        Ok(members)
    }

    fn postfix(&mut self, mut value: Expr) -> Result<Expr> {
        let depth = self.depth;
        loop {
            let at = self.at();
            let kind = if self.skip_op(".") {
                match self.next() {
                    Some(TokenKind::Name(name)) => {
                        ExprKind::Attribute(Box::new(value), name.into())
                    }
                    Some(TokenKind::Int(index)) => {
                        ExprKind::Item(Box::new(value), boxed(at, ExprKind::Int(index)))
                    }
                    other => return Err(self.unexpected(other, at, "the name of an attribute")),
                }
            } else if self.skip_op("[") {
                self.subscript(value)?
            } else if self.skip_op("(") {
                ExprKind::Call(Box::new(value), self.arguments()?)
            } else {
                self.depth = depth;
                return Ok(value);
            };
            self.chain()?;
            value = Expr { at, kind };
        }
    }

    fn subscript(&mut self, value: Expr) -> Result<ExprKind> {
        let mut bounds = [None, None, None];
        let mut colons = 0;
        loop {
            if self.skip_op("]") {
                break;
            }
            if self.is_op(":") && colons < 2 {
                self.next();
                colons += 1;
            } else if bounds[colons].is_none() {
                bounds[colons] = Some(self.expression()?);
            } else {
                let at = self.at();
                let found = self.next();
                return Err(self.unexpected(found, at, "`]`"));
            }
        }
        match (colons, bounds) {
            (0, [Some(index), ..]) => Ok(ExprKind::Item(Box::new(value), Box::new(index))),
            (0, _) => Err(ErrorKind::Unexpected {
                found: "]".into(),
                expected: "an index",
            }
            .at(self.at())),
            (_, bounds) => Ok(ExprKind::Slice(Box::new(value), Box::new(bounds))),
        }
    }

    /// The arguments of a call, behind the opening parenthesis.
    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        while !self.skip_op(")") {
            let at = self.at();
            if self.is_op("*") || self.is_op("**") {
                return Err(
                    ErrorKind::Unsupported("`*` and `**` in the arguments of a call").at(at),
                );
            }
            match (self.peek().cloned(), self.peek_second()) {
                (Some(TokenKind::Name(name)), Some(TokenKind::Op("="))) => {
                    self.next();
                    self.next();
                    arguments.named.push((name.into(), self.expression()?));
                }
                _ if arguments.named.is_empty() => arguments.positional.push(self.expression()?),
                (found, _) => return Err(self.unexpected(found, at, "a named argument")),
            }
            if !self.is_op(")") {
                self.expect_op(",")?;
            }
        }
        Ok(arguments)
    }

    fn filters_and_tests(&mut self, mut value: Expr) -> Result<Expr> {
        let depth = self.depth;
        loop {
            let at = self.at();
            let kind = if self.skip_op("|") {
                ExprKind::Filter(Box::new(value), Box::new(self.filter(at)?))
            } else if self.skip_name("is") {
                let negated = self.skip_name("not");
                let test = Box::new(self.test(at)?);
                ExprKind::Test {
                    value: Box::new(value),
                    test,
                    negated,
                }
            } else if self.skip_op("(") {
                ExprKind::Call(Box::new(value), self.arguments()?)
            } else {
                self.depth = depth;
                return Ok(value);
            };
            self.chain()?;
            value = Expr { at, kind };
        }
    }

    /// A filter's name and arguments.
    pub(super) fn filter(&mut self, at: Position) -> Result<Apply> {
        let name = self.dotted_name("the name of a filter")?;
        let arguments = if self.skip_op("(") {
            self.arguments()?
        } else {
            Arguments::default()
        };
        Ok(Apply {
            at,
            name,
            arguments,
        })
    }

    /// A test's name and arguments; a single argument needs no parentheses.
    fn test(&mut self, at: Position) -> Result<Apply> {
        let name = self.dotted_name("the name of a test")?;
        let mut arguments = Arguments::default();
        if self.skip_op("(") {
            arguments = self.arguments()?;
        } else if self.starts_test_argument() {
            let argument = self.primary()?;
            arguments.positional.push(self.postfix(argument)?);
        }
        Ok(Apply {
            at,
            name,
            arguments,
        })
    }

    fn starts_test_argument(&self) -> bool {
        match self.peek() {
            Some(TokenKind::Name(name)) => {
                !matches!(name.as_str(), "else" | "or" | "and" | "is" | "if")
            }
            Some(
                TokenKind::Str(_)
                | TokenKind::Int(_)
                | TokenKind::Float(_)
                | TokenKind::Op("[" | "{"),
            ) => true,
            _ => false,
        }
    }

    fn dotted_name(&mut self, expected: &'static str) -> Result<String> {
        let mut name = self.expect_name(expected)?;
        while self.skip_op(".") {
            name.push('.');
            name.push_str(&self.expect_name(expected)?);
        }
        Ok(name)
    }
}

/// An expression or, where commas follow, a tuple; `item` says what stands between the commas.
pub(super) fn tuple(
    parser: &mut Parser,
    item: fn(&mut Parser) -> Result<Expr>,
) -> core::result::Result<Expr, TemplateError> {
    let at = parser.at();
    let first = item(parser)?;
    if !parser.is_op(",") {
        return Ok(first);
    }
    let mut items = Vec::from([first]);
    while parser.skip_op(",") {
        if matches!(
            parser.peek(),
            Some(TokenKind::PrintEnd | TokenKind::BlockEnd)
        ) {
            break;
        }
        items.push(item(parser)?);
    }
    Ok(Expr {
        at,
        kind: ExprKind::Tuple(items),
    })
}
