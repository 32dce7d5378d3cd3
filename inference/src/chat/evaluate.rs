//! Evaluates expressions.
use alloc::vec::Vec;

use super::ast::{Expr, ExprKind};
use super::error::ErrorKind;
use super::evaluator::{Evaluator, Result};
use super::operators::{attribute, binary, compare, item, negate, slice};
use super::predicates;
use super::value::{SequenceKind, Value};

impl Evaluator {
    pub(super) fn expression(&mut self, expr: &Expr) -> Result<Value> {
        self.budget.enter().map_err(|kind| kind.at(expr.at))?;
        let value = match &expr.kind {
            ExprKind::None => Value::None,
            ExprKind::Bool(value) => Value::Bool(*value),
            ExprKind::Int(value) => Value::Int(*value),
            ExprKind::Float(value) => Value::Float(*value),
            ExprKind::Str(text) => Value::Str(text.clone()),
            ExprKind::Name(name) => self.lookup(name),
            ExprKind::List(_) | ExprKind::Tuple(_) | ExprKind::Dict(_) => self.container(expr)?,
            ExprKind::Call(callee, arguments) => self.call(callee, arguments, None, expr.at)?,
            ExprKind::Filter(value, filter) => {
                let value = self.expression(value)?;
                self.filter(&value, filter)?
            }
            _ => self.operation(expr)?,
        };
        self.budget.leave();
        Ok(value)
    }

    fn expressions(&mut self, exprs: &[Expr]) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.expression(expr)).collect()
    }

    fn container(&mut self, expr: &Expr) -> Result<Value> {
        let value = match &expr.kind {
            ExprKind::List(items) => Value::list(self.expressions(items)?, &mut self.budget),
            ExprKind::Tuple(items) => Value::sequence(
                SequenceKind::Tuple,
                self.expressions(items)?,
                &mut self.budget,
            ),
            ExprKind::Dict(members) => self.dict(members, expr)?,
            _ => Err(ErrorKind::Unsupported("this container")),
        };
        value.map_err(|kind| kind.at(expr.at))
    }

    /// The last value of a repeated key wins, at the place of the first.
    fn dict(
        &mut self,
        members: &[(Expr, Expr)],
        expr: &Expr,
    ) -> Result<core::result::Result<Value, ErrorKind>> {
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(members.len());
        'members: for (key, value) in members {
            let (key, value) = (self.expression(key)?, self.expression(value)?);
            for entry in &mut entries {
                if entry
                    .0
                    .equals(&key, &mut self.budget)
                    .map_err(|kind| kind.at(expr.at))?
                {
                    entry.1 = value;
                    continue 'members;
                }
            }
            entries.push((key, value));
        }
        Ok(Value::map(entries, &mut self.budget))
    }

    fn operation(&mut self, expr: &Expr) -> Result<Value> {
        let at = expr.at;
        match &expr.kind {
            ExprKind::Attribute(value, name) => {
                let value = self.expression(value)?;
                attribute(&value, name, &mut self.budget).map_err(|kind| kind.at(at))
            }
            ExprKind::Item(value, key) => {
                let (value, key) = (self.expression(value)?, self.expression(key)?);
                item(&value, &key, &mut self.budget).map_err(|kind| kind.at(at))
            }
            ExprKind::Slice(value, bounds) => self.slice(value, bounds),
            ExprKind::Test {
                value,
                test,
                negated,
            } => {
                let value = self.expression(value)?;
                let args = self.arguments(&test.name, &test.arguments)?;
                let holds = predicates::holds(&value, args, &mut self.budget)
                    .map_err(|kind| kind.at(test.at))?;
                Ok(Value::Bool(holds != *negated))
            }
            ExprKind::Not(operand) => Ok(Value::Bool(!self.expression(operand)?.is_true())),
            ExprKind::Negate(operand) => {
                negate(&self.expression(operand)?).map_err(|kind| kind.at(at))
            }
            ExprKind::Plus(operand) => {
                let value = self.expression(operand)?;
                match value.as_float() {
                    Some(_) => Ok(value),
                    None => Err(ErrorKind::of_type("+", value.type_name()).at(at)),
                }
            }
            ExprKind::Binary(op, left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                binary(*op, &left, &right, &mut self.budget).map_err(|kind| kind.at(at))
            }
            ExprKind::And(left, right) => {
                let left = self.expression(left)?;
                if left.is_true() {
                    self.expression(right)
                } else {
                    Ok(left)
                }
            }
            ExprKind::Or(left, right) => {
                let left = self.expression(left)?;
                if left.is_true() {
                    Ok(left)
                } else {
                    self.expression(right)
                }
            }
            ExprKind::Compare(first, rest) => self.comparison(first, rest, expr),
            ExprKind::If {
                condition,
                value,
                otherwise,
            } => match (self.expression(condition)?.is_true(), otherwise) {
                (true, _) => self.expression(value),
                (false, Some(otherwise)) => self.expression(otherwise),
                (false, None) => Ok(Value::undefined("an inline `if` without `else`")),
            },
            _ => Err(ErrorKind::Unsupported("this expression").at(at)),
        }
    }

    fn comparison(
        &mut self,
        first: &Expr,
        rest: &[(super::ast::CompareOp, Expr)],
        expr: &Expr,
    ) -> Result<Value> {
        let mut left = self.expression(first)?;
        for (op, right) in rest {
            let right = self.expression(right)?;
            if !compare(*op, &left, &right, &mut self.budget).map_err(|kind| kind.at(expr.at))? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn slice(&mut self, value: &Expr, bounds: &[Option<Expr>; 3]) -> Result<Value> {
        let at = value.at;
        let value = self.expression(value)?;
        let mut numbers = [None; 3];
        for (number, bound) in numbers.iter_mut().zip(bounds) {
            let Some(bound) = bound else { continue };
            *number = match self.expression(bound)? {
                Value::None => None,
                other => {
                    let not_a_number = ErrorKind::of_type("slice", other.type_name()).at(bound.at);
                    Some(other.as_int().ok_or(not_a_number)?)
                }
            };
        }
        slice(&value, numbers, &mut self.budget).map_err(|kind| kind.at(at))
    }
}
