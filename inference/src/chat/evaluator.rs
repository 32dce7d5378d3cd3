//! Runs the statements of a template: scopes, loops, macros, output.
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arguments::{Args, int_or_none, string};
use super::ast::{
    Apply, Arguments, Body, Expr, ExprKind, For, Macro, Statement, StatementKind, Target,
};
use super::budget::Budget;
use super::date::strftime;
use super::error::{ErrorKind, Position, TemplateError};
use super::filters;
use super::format::to_text;
use super::methods;
use super::text::{Origin, Text};
use super::value::{Closure, Function, LoopState, Namespace, Scope, Sequence, SequenceKind, Value};

pub(super) type Result<T> = core::result::Result<T, TemplateError>;

/// The largest range that Jinja's sandbox makes.
const MAX_RANGE: i64 = 100_000;

/// What a statement says about what to do next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The state of one rendering.
pub(super) struct Evaluator {
    /// The outermost scope comes first.
    scopes: Vec<Scope>,
    pub(super) budget: Budget,
    output: Text,
    unix_time: u32,
}

/// Renders a template with the given variables.
pub(super) fn render(
    body: &Body,
    variables: Scope,
    budget: Budget,
    unix_time: u32,
) -> Result<Text> {
    let functions = [
        ("range", Function::Range),
        ("namespace", Function::Namespace),
        ("dict", Function::Dict),
        ("raise_exception", Function::RaiseException),
        ("strftime_now", Function::StrftimeNow),
    ];
    let globals = functions.map(|(name, function)| (name.into(), Value::Function(function)));
    let scopes = Vec::from([Vec::from(globals), variables]);
    let mut evaluator = Evaluator {
        scopes,
        budget,
        output: Text::default(),
        unix_time,
    };
    evaluator.body(body)?;
    Ok(evaluator.output)
}

/// How many scopes every macro sees: the globals, and the template's own.
const OUTER_SCOPES: usize = 2;

impl Evaluator {
    fn body(&mut self, body: &Body) -> Result<Flow> {
        for statement in body {
            self.budget.enter().map_err(|kind| kind.at(statement.at))?;
            let flow = self.statement(statement)?;
            self.budget.leave();
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow> {
        let at = statement.at;
        match &statement.kind {
            StatementKind::Text(text) => self.write(text, at)?,
            StatementKind::Print(value) => {
                let value = self.expression(value)?;
                let text = to_text(&value, &mut self.budget).map_err(|kind| kind.at(at))?;
                self.write(&text, at)?;
            }
            StatementKind::If(branches, otherwise) => return self.branch(branches, otherwise),
            StatementKind::For(statement) => self.for_loop(statement, at)?,
            StatementKind::Set(target, value) => {
                let value = self.expression(value)?;
                self.assign(target, value, at)?;
            }
            StatementKind::SetBlock(target, filters, body) => {
                let value = self.filtered(filters, body)?;
                self.assign(target, value, at)?;
            }
            StatementKind::Macro(definition) => {
                let closure = self.closure(definition, at)?;
                self.define(&definition.name, closure);
            }
            StatementKind::Call(call, caller) => {
                let caller = self.closure(caller, at)?;
                let value = match &call.kind {
                    ExprKind::Call(callee, arguments) => {
                        self.call(callee, arguments, Some(caller), call.at)?
                    }
                    _ => return Err(ErrorKind::Unsupported("a call block without a call").at(at)),
                };
                let text = to_text(&value, &mut self.budget).map_err(|kind| kind.at(at))?;
                self.write(&text, at)?;
            }
            StatementKind::Filter(filters, body) => {
                let value = self.filtered(filters, body)?;
                let text = to_text(&value, &mut self.budget).map_err(|kind| kind.at(at))?;
                self.write(&text, at)?;
            }
            StatementKind::Scope(body) => {
                return self.in_scope(Scope::new(), |evaluator| evaluator.body(body));
            }
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, text: &Text, at: Position) -> Result<()> {
        let limit = self.budget.limits().output_bytes;
        self.budget.memory(text.len()).map_err(|kind| kind.at(at))?;
        if self.output.len() + text.len() > limit {
            return Err(ErrorKind::OutputLimit(limit).at(at));
        }
        text.parts(0..text.len())
            .for_each(|(part, origin)| self.output.push(part, origin));
        Ok(())
    }

    fn branch(&mut self, branches: &[(Expr, Body)], otherwise: &Body) -> Result<Flow> {
        for (condition, body) in branches {
            if self.expression(condition)?.is_true() {
                return self.body(body);
            }
        }
        self.body(otherwise)
    }

    fn in_scope<T>(
        &mut self,
        scope: Scope,
        run: impl FnOnce(&mut Evaluator) -> Result<T>,
    ) -> Result<T> {
        self.scopes.push(scope);
        let result = run(self);
        self.scopes.pop();
        result
    }

    fn for_loop(&mut self, statement: &For, at: Position) -> Result<()> {
        let items = self.expression(&statement.items)?;
        let mut items = items
            .iterate(&mut self.budget)
            .map_err(|kind| kind.at(at))?;
        if let Some(condition) = &statement.condition {
            let mut kept = Vec::new();
            for item in &items.items {
                let keep = self.in_scope(Scope::new(), |evaluator| {
                    evaluator.assign(&statement.target, item.clone(), at)?;
                    Ok(evaluator.expression(condition)?.is_true())
                })?;
                if keep {
                    kept.push(item.clone());
                }
            }
            let kept = Value::sequence(SequenceKind::Generator, kept, &mut self.budget);
            items = kept
                .and_then(|kept| kept.iterate(&mut self.budget))
                .map_err(|kind| kind.at(at))?;
        }
        if items.items.is_empty() {
            return self
                .in_scope(Scope::new(), |evaluator| {
                    evaluator.body(&statement.otherwise)
                })
                .map(|_| ());
        }
        for index in 0..items.items.len() {
            self.budget.steps(1).map_err(|kind| kind.at(at))?;
            let flow = self.in_scope(Scope::new(), |evaluator| {
                evaluator.iteration(statement, &items, index, at)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn iteration(
        &mut self,
        statement: &For,
        items: &Rc<Sequence>,
        index: usize,
        at: Position,
    ) -> Result<Flow> {
        let state = LoopState {
            items: Rc::clone(items),
            index,
        };
        self.define(&"loop".into(), Value::Loop(Rc::new(state)));
        self.assign(&statement.target, items.items[index].clone(), at)?;
        self.body(&statement.body)
    }

    /// The text of a body that is rendered aside, in a scope of its own.
    fn captured(&mut self, scope: Scope, body: &Body) -> Result<Text> {
        let outer = core::mem::take(&mut self.output);
        let flow = self.in_scope(scope, |evaluator| evaluator.body(body));
        let text = core::mem::replace(&mut self.output, outer);
        flow.map(|_| text)
    }

    fn filtered(&mut self, filters: &[Apply], body: &Body) -> Result<Value> {
        let mut value = Value::Str(Arc::new(self.captured(Scope::new(), body)?));
        for filter in filters {
            value = self.filter(&value, filter)?;
        }
        Ok(value)
    }

    pub(super) fn filter(&mut self, value: &Value, filter: &Apply) -> Result<Value> {
        let args = self.arguments(&filter.name, &filter.arguments)?;
        filters::apply(value, args, &mut self.budget).map_err(|kind| kind.at(filter.at))
    }

    pub(super) fn lookup(&self, name: &str) -> Value {
        let variables = self
            .scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.iter().rev());
        let found = variables
            .into_iter()
            .find(|(variable, _)| &**variable == name);
        found.map_or_else(|| Value::undefined(name), |(_, value)| value.clone())
    }

    fn define(&mut self, name: &Arc<str>, value: Value) {
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        match scope.iter_mut().find(|(variable, _)| variable == name) {
            Some(variable) => variable.1 = value,
            None => scope.push((Arc::clone(name), value)),
        }
    }

    fn assign(&mut self, target: &Target, value: Value, at: Position) -> Result<()> {
        match target {
            Target::Name(name) => self.define(name, value),
            Target::Attribute(name, attribute) => match self.lookup(name) {
                Value::Namespace(namespace) => namespace
                    .set(attribute, value)
                    .map_err(|kind| kind.at(at))?,
                other => {
                    return Err(ErrorKind::of_type(
                        "assignment to an attribute",
                        other.type_name(),
                    )
                    .at(at));
                }
            },
            Target::Tuple(targets) => {
                let items = value
                    .iterate(&mut self.budget)
                    .map_err(|kind| kind.at(at))?;
                if items.items.len() != targets.len() {
                    return Err(
                        ErrorKind::arguments("assignment", "not as many values as names").at(at),
                    );
                }
                for (target, item) in targets.iter().zip(&items.items) {
                    self.assign(target, item.clone(), at)?;
                }
            }
        }
        Ok(())
    }

    fn closure(&mut self, definition: &Arc<Macro>, at: Position) -> Result<Value> {
        let scopes = self.scopes[OUTER_SCOPES..].to_vec();
        Value::closure(Arc::clone(definition), scopes, &mut self.budget).map_err(|kind| kind.at(at))
    }

    pub(super) fn arguments<'n>(&mut self, of: &'n str, arguments: &Arguments) -> Result<Args<'n>> {
        let mut args = Args::none(of);
        for value in &arguments.positional {
            args.positional.push(self.expression(value)?);
        }
        for (name, value) in &arguments.named {
            args.named.push((Arc::clone(name), self.expression(value)?));
        }
        Ok(args)
    }

    pub(super) fn call(
        &mut self,
        callee: &Expr,
        arguments: &Arguments,
        caller: Option<Value>,
        at: Position,
    ) -> Result<Value> {
        match self.expression(callee)? {
            Value::Macro(closure) => {
                let mut args = self.arguments(&closure.definition.name, arguments)?;
                args.named
                    .extend(caller.map(|caller| ("caller".into(), caller)));
                self.call_macro(&closure, args, at)
            }
            Value::Method(method) => {
                let args = self.arguments(&method.1, arguments)?;
                methods::call(&method.0, args, &mut self.budget).map_err(|kind| kind.at(at))
            }
            Value::Function(function) => {
                let args = self.arguments("function", arguments)?;
                self.call_function(function, args)
                    .map_err(|kind| kind.at(at))
            }
            Value::Undefined(name) => Err(ErrorKind::Undefined((*name).into()).at(at)),
            other => Err(ErrorKind::of_type("a call", other.type_name()).at(at)),
        }
    }

    fn call_macro(&mut self, closure: &Closure, mut args: Args<'_>, at: Position) -> Result<Value> {
        let definition = &closure.definition;
        if args.positional.len() > definition.parameters.len() {
            return Err(args.error("too many arguments").at(at));
        }
        // The macro sees the outermost scopes as they are now, and those around its definition as they were then.
        let hidden = self.scopes.split_off(OUTER_SCOPES);
        self.scopes.extend(closure.scopes.iter().cloned());
        let result = self.in_scope(Scope::new(), |evaluator| {
            for (i, (name, default)) in definition.parameters.iter().enumerate() {
                let named = args.named.iter().position(|(argument, _)| argument == name);
                let value = match (args.positional.get_mut(i), named, default) {
                    (Some(_), Some(_), _) => {
                        return Err(args.error("an argument is given twice").at(at));
                    }
                    (Some(value), None, _) => core::mem::replace(value, Value::None),
                    (None, Some(named), _) => args.named.swap_remove(named).1,
                    (None, None, Some(default)) => evaluator.expression(default)?,
                    (None, None, None) => Value::undefined(name),
                };
                evaluator.define(name, value);
            }
            for (name, value) in core::mem::take(&mut args.named) {
                if &*name != "caller" {
                    return Err(args.error("unknown named argument").at(at));
                }
                evaluator.define(&name, value);
            }
            evaluator.captured(Scope::new(), &definition.body)
        });
        self.scopes.truncate(OUTER_SCOPES);
        self.scopes.extend(hidden);
        result.map(|text| Value::Str(Arc::new(text)))
    }

    fn call_function(
        &mut self,
        function: Function,
        args: Args<'_>,
    ) -> core::result::Result<Value, ErrorKind> {
        match function {
            Function::Range => self.range(args),
            Function::Namespace => {
                let namespace = Namespace::default();
                for (name, value) in self.members(args)? {
                    namespace.set(&name, value)?;
                }
                Ok(Value::Namespace(Rc::new(namespace)))
            }
            Function::Dict => {
                let members = self
                    .members(args)?
                    .into_iter()
                    .map(|(name, value)| (Value::template(&*name), value));
                Value::map(members.collect(), &mut self.budget)
            }
            Function::RaiseException => {
                let [message] = Args {
                    of: "raise_exception",
                    ..args
                }
                .bind(["message"])?;
                let message = to_text(&message.unwrap_or(Value::None), &mut self.budget)?;
                Err(ErrorKind::Raised(String::from(message.as_str())))
            }
            Function::StrftimeNow => {
                let [format] = Args {
                    of: "strftime_now",
                    ..args
                }
                .bind(["format"])?;
                let format = string("strftime_now", format)?;
                strftime(format.as_str(), self.unix_time)
                    .map(|date| Value::text(date, Origin::Template))
            }
        }
    }

    fn range(&mut self, args: Args<'_>) -> core::result::Result<Value, ErrorKind> {
        let [start, stop, step] = Args {
            of: "range",
            ..args
        }
        .bind(["", "", ""])?;
        let mut bounds = [None; 3];
        for (bound, value) in bounds.iter_mut().zip([start, stop, step]) {
            *bound = int_or_none("range", value)?;
        }
        let (start, stop, step) = match bounds {
            [Some(stop), None, None] => (0, stop, 1),
            [Some(start), Some(stop), step] => (start, stop, step.unwrap_or(1)),
            _ => {
                return Err(ErrorKind::arguments(
                    "range",
                    "expected one to three integers",
                ));
            }
        };
        if step == 0 {
            return Err(ErrorKind::arguments("range", "the step is zero"));
        }
        let mut items = Vec::new();
        let mut at = start;
        while if step > 0 { at < stop } else { at > stop } {
            if items.len() as i64 >= MAX_RANGE {
                return Err(ErrorKind::arguments("range", "more than 100000 items"));
            }
            items.push(Value::Int(at));
            at = at.saturating_add(step);
        }
        Value::sequence(SequenceKind::Range, items, &mut self.budget)
    }

    /// The members that `namespace` and `dict` are made of: a dict's, then the named arguments.
    fn members(
        &mut self,
        args: Args<'_>,
    ) -> core::result::Result<Vec<(Arc<str>, Value)>, ErrorKind> {
        let mut members: Vec<(Arc<str>, Value)> = Vec::new();
        for value in &args.positional {
            let Value::Map(map) = value else {
                return Err(ErrorKind::of_type("namespace", value.type_name()));
            };
            for (key, value) in &map.members {
                let key = key
                    .as_str()
                    .ok_or_else(|| ErrorKind::of_type("a name", key.type_name()))?;
                members.push((key.into(), value.clone()));
            }
        }
        members.extend(args.named);
        self.budget.memory(members.len().saturating_mul(64))?;
        Ok(members)
    }
}
