//! The values of the interpreter: Python's, as far as templates see them. All but namespaces are immutable.
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::cmp::Ordering;

use super::ast::Macro;
use super::budget::Budget;
use super::error::ErrorKind;
use super::json::Json;
use super::text::{Origin, Text};

/// How deep values may contain one another.
const MAX_DEPTH: u32 = 64;

/// What one element of a container is charged for.
const ELEMENT_BYTES: usize = 64;

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The name that is not defined.
    Undefined(Arc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<Text>),
    Sequence(Rc<Sequence>),
    Map(Rc<Map>),
    Namespace(Rc<Namespace>),
    Macro(Rc<Closure>),
    /// A method, not yet called.
    Method(Rc<(Value, Arc<str>)>),
    Function(Function),
    Loop(Rc<LoopState>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceKind {
    List,
    Tuple,
    Range,
    /// What `dict.items()` and its siblings give: it has a length but no index.
    View,
    /// What lazy filters give: it can only be walked.
    Generator,
}

#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) kind: SequenceKind,
    pub(super) items: Vec<Value>,
    depth: u32,
}

#[derive(Debug)]
pub(super) struct Map {
    pub(super) members: Vec<(Value, Value)>,
    depth: u32,
}

/// The only mutable value. It may not contain another namespace, so that no value contains itself.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    pub(super) members: RefCell<Vec<(Arc<str>, Value)>>,
}

/// A macro with the variables of the scopes around its definition, but for the outermost.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) definition: Arc<Macro>,
    pub(super) scopes: Vec<Scope>,
    depth: u32,
}

pub(super) type Scope = Vec<(Arc<str>, Value)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Range,
    Namespace,
    Dict,
    RaiseException,
    StrftimeNow,
}

#[derive(Debug)]
pub(super) struct LoopState {
    pub(super) items: Rc<Sequence>,
    pub(super) index: usize,
}

impl Value {
    pub(super) fn undefined(name: &str) -> Value {
        Value::Undefined(name.into())
    }

    pub(super) fn text(text: impl Into<String>, origin: Origin) -> Value {
        Value::Str(Arc::new(Text::new(text, origin)))
    }

    pub(super) fn template(text: impl Into<String>) -> Value {
        Value::text(text, Origin::Template)
    }

    pub(super) fn list(items: Vec<Value>, budget: &mut Budget) -> Result<Value, ErrorKind> {
        Value::sequence(SequenceKind::List, items, budget)
    }

    pub(super) fn sequence(
        kind: SequenceKind,
        items: Vec<Value>,
        budget: &mut Budget,
    ) -> Result<Value, ErrorKind> {
        budget.memory(items.len().saturating_mul(ELEMENT_BYTES))?;
        let depth = contained_depth(items.iter())?;
        Ok(Value::Sequence(Rc::new(Sequence { kind, items, depth })))
    }

    /// Keys must differ.
    pub(super) fn map(
        members: Vec<(Value, Value)>,
        budget: &mut Budget,
    ) -> Result<Value, ErrorKind> {
        budget.memory(members.len().saturating_mul(2 * ELEMENT_BYTES))?;
        let depth = contained_depth(members.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Value::Map(Rc::new(Map { members, depth })))
    }

    pub(super) fn closure(
        definition: Arc<Macro>,
        scopes: Vec<Scope>,
        budget: &mut Budget,
    ) -> Result<Value, ErrorKind> {
        let variables = scopes.iter().map(Vec::len).sum::<usize>();
        budget.memory(variables.saturating_mul(ELEMENT_BYTES))?;
        let depth = depth_around(scopes.iter().flatten().map(|(_, value)| value))?;
        Ok(Value::Macro(Rc::new(Closure {
            definition,
            scopes,
            depth,
        })))
    }

    /// A request's value: all its text is the user's.
    pub(super) fn from_json(json: &Json, budget: &mut Budget) -> Result<Value, ErrorKind> {
        budget.enter()?;
        let value = match json {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(*value),
            Json::Int(value) => Value::Int(*value),
            Json::Float(value) => Value::Float(*value),
            Json::String(text) => {
                budget.memory(text.len())?;
                Value::text(text.as_str(), Origin::User)
            }
            Json::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| Value::from_json(item, budget))
                    .collect::<Result<_, _>>()?;
                Value::list(items, budget)?
            }
            Json::Object(members) => {
                let mut entries = Vec::with_capacity(members.len());
                for (key, value) in members {
                    budget.memory(key.len())?;
                    entries.push((
                        Value::text(key.as_str(), Origin::User),
                        Value::from_json(value, budget)?,
                    ));
                }
                Value::map(entries, budget)?
            }
        };
        budget.leave();
        Ok(value)
    }

    /// How deep the value contains others.
    fn depth(&self) -> u32 {
        match self {
            Value::Sequence(sequence) => sequence.depth,
            Value::Map(map) => map.depth,
            Value::Macro(closure) => closure.depth,
            Value::Method(method) => method.0.depth(),
            Value::Loop(state) => state.items.depth,
            _ => 0,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "undefined value",
            Value::None => "none",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "float",
            Value::Str(_) => "string",
            Value::Sequence(sequence) => match sequence.kind {
                SequenceKind::List => "list",
                SequenceKind::Tuple => "tuple",
                SequenceKind::Range => "range",
                SequenceKind::View => "dict view",
                SequenceKind::Generator => "generator",
            },
            Value::Map(_) => "dict",
            Value::Namespace(_) => "namespace",
            Value::Macro(_) => "macro",
            Value::Method(_) => "method",
            Value::Function(_) => "function",
            Value::Loop(_) => "loop",
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Str(text) => text.len() > 0,
            Value::Sequence(sequence) => {
                sequence.kind == SequenceKind::Generator || !sequence.items.is_empty()
            }
            Value::Map(map) => !map.members.is_empty(),
            _ => true,
        }
    }

    /// A number, where Python counts a boolean as one.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Bool(value) => Some(i64::from(*value)),
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(value) => Some(*value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// `len(value)`
    pub(super) fn length(&self) -> Result<usize, ErrorKind> {
        match self {
            Value::Undefined(_) => Ok(0),
            Value::Str(text) => Ok(text.as_str().chars().count()),
            Value::Sequence(sequence) if sequence.kind != SequenceKind::Generator => {
                Ok(sequence.items.len())
            }
            Value::Map(map) => Ok(map.members.len()),
            Value::Loop(state) => Ok(state.items.items.len()),
            other => Err(ErrorKind::of_type("length", other.type_name())),
        }
    }

    /// `iter(value)`
    pub(super) fn iterate(&self, budget: &mut Budget) -> Result<Rc<Sequence>, ErrorKind> {
        let items = match self {
            Value::Sequence(sequence) => return Ok(Rc::clone(sequence)),
            Value::Undefined(_) => Vec::new(),
            Value::Map(map) => map.members.iter().map(|(key, _)| key.clone()).collect(),
            Value::Str(text) => {
                budget.memory(text.len().saturating_mul(ELEMENT_BYTES))?;
                let chars = text.as_str().char_indices();
                chars
                    .map(|(at, c)| Value::Str(Arc::new(text.slice(at..at + c.len_utf8()))))
                    .collect()
            }
            other => return Err(ErrorKind::of_type("iteration", other.type_name())),
        };
        budget.memory(items.len().saturating_mul(ELEMENT_BYTES))?;
        let depth = contained_depth(items.iter())?;
        Ok(Rc::new(Sequence {
            kind: SequenceKind::Generator,
            items,
            depth,
        }))
    }

    /// `a == b`
    pub(super) fn equals(&self, other: &Value, budget: &mut Budget) -> Result<bool, ErrorKind> {
        budget.steps(1)?;
        Ok(match (self, other) {
            (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
            (Value::Str(a), Value::Str(b)) => a.as_str() == b.as_str(),
            (Value::Sequence(a), Value::Sequence(b)) => {
                Rc::ptr_eq(a, b)
                    || (a.kind == b.kind
                        && a.items.len() == b.items.len()
                        && all_equal(a, b, budget)?)
            }
            (Value::Map(a), Value::Map(b)) => {
                Rc::ptr_eq(a, b)
                    || (a.members.len() == b.members.len() && a.contained_in(b, budget)?)
            }
            (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
            (Value::Macro(a), Value::Macro(b)) => Rc::ptr_eq(a, b),
            (Value::Function(a), Value::Function(b)) => a == b,
            (Value::Loop(a), Value::Loop(b)) => Rc::ptr_eq(a, b),
            _ => match (self.as_int(), other.as_int()) {
                (Some(a), Some(b)) => a == b,
                _ => self.as_float().is_some_and(|a| Some(a) == other.as_float()),
            },
        })
    }

    /// `a < b` and its siblings; none where a number is not one.
    pub(super) fn compare(
        &self,
        other: &Value,
        budget: &mut Budget,
    ) -> Result<Option<Ordering>, ErrorKind> {
        budget.steps(1)?;
        match (self, other) {
            (Value::Undefined(name), _) | (_, Value::Undefined(name)) => {
                Err(ErrorKind::Undefined((**name).into()))
            }
            (Value::Str(a), Value::Str(b)) => Ok(Some(a.as_str().cmp(b.as_str()))),
            (Value::Sequence(a), Value::Sequence(b)) => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(b, budget)? {
                        return a.compare(b, budget);
                    }
                }
                Ok(Some(a.items.len().cmp(&b.items.len())))
            }
            _ => match (
                self.as_int(),
                other.as_int(),
                self.as_float(),
                other.as_float(),
            ) {
                (Some(a), Some(b), ..) => Ok(Some(a.cmp(&b))),
                (.., Some(a), Some(b)) => Ok(a.partial_cmp(&b)),
                (_, _, Some(_), None) => Err(ErrorKind::of_type(
                    "comparison with a number",
                    other.type_name(),
                )),
                _ => Err(ErrorKind::of_type("comparison", self.type_name())),
            },
        }
    }

    /// `needle in self`
    pub(super) fn contains(&self, needle: &Value, budget: &mut Budget) -> Result<bool, ErrorKind> {
        match (self, needle) {
            (Value::Str(text), Value::Str(part)) => {
                budget.steps(text.len() as u64 / 16)?;
                Ok(text.as_str().contains(part.as_str()))
            }
            (Value::Str(_), _) => Err(ErrorKind::of_type("in a string", needle.type_name())),
            (Value::Map(map), _) => Ok(map.get(needle, budget)?.is_some()),
            _ => {
                for item in &self.iterate(budget)?.items {
                    if item.equals(needle, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Map {
    pub(super) fn get(
        &self,
        key: &Value,
        budget: &mut Budget,
    ) -> Result<Option<&Value>, ErrorKind> {
        for (name, value) in &self.members {
            if name.equals(key, budget)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    pub(super) fn get_str(
        &self,
        key: &str,
        budget: &mut Budget,
    ) -> Result<Option<&Value>, ErrorKind> {
        budget.steps(self.members.len() as u64 / 8)?;
        Ok(self
            .members
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(_, value)| value))
    }

    fn contained_in(&self, other: &Map, budget: &mut Budget) -> Result<bool, ErrorKind> {
        for (key, value) in &self.members {
            match other.get(key, budget)? {
                Some(found) if value.equals(found, budget)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Namespace {
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.members
            .borrow()
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| value.clone())
    }

    pub(super) fn set(&self, name: &Arc<str>, value: Value) -> Result<(), ErrorKind> {
        contained_depth(core::iter::once(&value))?;
        let mut members = self.members.borrow_mut();
        match members.iter_mut().find(|(key, _)| key == name) {
            Some(member) => member.1 = value,
            None => members.push((Arc::clone(name), value)),
        }
        Ok(())
    }
}

fn all_equal(a: &Sequence, b: &Sequence, budget: &mut Budget) -> Result<bool, ErrorKind> {
    for (a, b) in a.items.iter().zip(&b.items) {
        if !a.equals(b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The depth of a container of the given values.
fn contained_depth<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> Result<u32, ErrorKind> {
    if values
        .clone()
        .any(|value| matches!(value, Value::Namespace(_) | Value::Macro(_)))
    {
        return Err(ErrorKind::Unsupported(
            "a namespace or macro inside of a namespace or container",
        ));
    }
    depth_around(values)
}

fn depth_around<'v>(values: impl Iterator<Item = &'v Value>) -> Result<u32, ErrorKind> {
    let deepest = values.map(Value::depth).max().unwrap_or(0);
    if deepest >= MAX_DEPTH {
        Err(ErrorKind::DepthLimit(MAX_DEPTH))
    } else {
        Ok(deepest + 1)
    }
}
