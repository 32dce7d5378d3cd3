//! The evaluated arguments of a filter, test, function or method.
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::ErrorKind;
use super::text::Text;
use super::value::Value;

/// Arguments and the name of what they are for.
pub(super) struct Args<'n> {
    pub(super) of: &'n str,
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Arc<str>, Value)>,
}

impl Args<'_> {
    pub(super) fn none(of: &str) -> Args<'_> {
        Args {
            of,
            positional: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Gives each named parameter its argument, if there is one.
    pub(super) fn bind<const N: usize>(
        self,
        parameters: [&str; N],
    ) -> Result<[Option<Value>; N], ErrorKind> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return Err(ErrorKind::arguments(self.of, "too many arguments"));
        }
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let place = parameters.iter().position(|parameter| *parameter == &*name);
            let slot = place
                .and_then(|place| bound.get_mut(place))
                .filter(|slot| slot.is_none());
            *slot.ok_or_else(|| {
                ErrorKind::arguments(self.of, "unknown or repeated named argument")
            })? = Some(value);
        }
        Ok(bound)
    }

    pub(super) fn error(&self, reason: &'static str) -> ErrorKind {
        ErrorKind::arguments(self.of, reason)
    }
}

/// An optional argument that must be a string; none counts as absent.
pub(super) fn string_or_none(
    of: &str,
    value: Option<Value>,
) -> Result<Option<Arc<Text>>, ErrorKind> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Str(text)) => Ok(Some(text)),
        Some(_) => Err(ErrorKind::arguments(of, "expected a string")),
    }
}

/// An argument that must be a string.
pub(super) fn string(of: &str, value: Option<Value>) -> Result<Arc<Text>, ErrorKind> {
    string_or_none(of, value)?.ok_or_else(|| ErrorKind::arguments(of, "expected a string"))
}

/// An optional argument that must be an integer; none counts as absent.
pub(super) fn int_or_none(of: &str, value: Option<Value>) -> Result<Option<i64>, ErrorKind> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => value
            .as_int()
            .map(Some)
            .ok_or_else(|| ErrorKind::arguments(of, "expected an integer")),
    }
}
