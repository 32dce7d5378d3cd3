//! What each machine register holds: the state of the proof in [`super::check`].

use super::{File, Function, Operand, Register};
use gfx1100_isa as isa;
use std::collections::{BTreeMap, BTreeSet};

/// What a machine register may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// The current value of a dword of a virtual register.
    Dword(Register, u8),
    /// A constant, by source field and bits.
    Constant(u8, u32),
    /// What the register named so held when the value was made: instructions that name machine registers themselves.
    Machine(Place),
}

/// A machine register: file (0 scalar, 1 vector) and number.
pub(super) type Place = (u8, u8);

/// Values of one register file, or of what flows along one kind of edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) holds: BTreeMap<Place, BTreeSet<Value>>,
    /// Dwords whose value is arbitrary: every register holds it.
    pub(super) arbitrary: BTreeSet<Value>,
}

impl State {
    pub(super) fn has(&self, place: Place, value: Value) -> bool {
        self.arbitrary.contains(&value)
            || self
                .holds
                .get(&place)
                .is_some_and(|set| set.contains(&value))
    }

    /// `value` is new: no register holds it any more.
    pub(super) fn forget(&mut self, value: Value) {
        self.arbitrary.remove(&value);
        self.holds.retain(|_, set| {
            set.remove(&value);
            !set.is_empty()
        });
    }

    /// What holds here and there.
    pub(super) fn meet(&mut self, other: &Self) {
        let places: BTreeSet<Place> = self
            .holds
            .keys()
            .chain(other.holds.keys())
            .copied()
            .collect();
        for place in places {
            let mut both = BTreeSet::new();
            for side in [&*self, other] {
                let held = side.holds.get(&place).into_iter().flatten();
                both.extend(held.filter(|v| self.has(place, **v) && other.has(place, **v)));
            }
            self.holds.insert(place, both);
        }
        self.arbitrary
            .retain(|value| other.arbitrary.contains(value));
        self.holds.retain(|_, set| !set.is_empty());
    }

    /// The half that belongs to a register file.
    pub(super) fn half(&self, function: &Function, vector: bool) -> Self {
        let is_vector = |value: &Value| match value {
            Value::Dword(register, _) => {
                function.registers[register.0 as usize].file == File::Vector
            }
            Value::Constant(..) => vector,
            Value::Machine(place) => place.0 == 1,
        };
        // A scalar value that was copied to a vector register is forgotten: it may change where this lane is off.
        let own = |set: &BTreeSet<Value>| -> BTreeSet<Value> {
            let constant = |v: &Value| matches!(v, Value::Constant(..));
            set.iter()
                .copied()
                .filter(|v| constant(v) || is_vector(v) == vector)
                .collect()
        };
        let places = self
            .holds
            .iter()
            .filter(|(place, _)| (place.0 == 1) == vector);
        Self {
            holds: places.map(|(place, set)| (*place, own(set))).collect(),
            arbitrary: self
                .arbitrary
                .iter()
                .copied()
                .filter(|v| is_vector(v) == vector)
                .collect(),
        }
    }

    pub(super) fn unite(mut self, other: Self) -> Self {
        self.holds.extend(other.holds);
        self.arbitrary.extend(other.arbitrary);
        self
    }
}

/// The register that an operand of the result names, `dword` dwords on.
pub(super) fn place(operand: Operand, dword: u8) -> Option<Place> {
    match operand {
        Operand::Fixed(isa::Operand::S(first)) if first < 124 => Some((0, first + dword)),
        Operand::Fixed(isa::Operand::S(125)) => Some((0, 125)),
        Operand::Fixed(isa::Operand::V(first)) => Some((1, first.checked_add(dword)?)),
        _ => None,
    }
}

/// The value that an operand of the original names, `dword` dwords on.
pub(super) fn value(operand: Operand, dword: u8) -> Option<Value> {
    match operand {
        Operand::Virtual(register, first) => Some(Value::Dword(register, first + dword)),
        Operand::Fixed(isa::Operand::Inline(code)) => Some(Value::Constant(code, 0)),
        Operand::Fixed(isa::Operand::Literal(bits)) => Some(Value::Constant(255, bits)),
        _ => place(operand, dword).map(Value::Machine),
    }
}
