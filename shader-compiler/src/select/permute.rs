//! Bytes put together from one or two words: one `v_perm_b32` instead of shifts, masks and ors.

use gfx1100_isa::Op as Isa;

use super::Selector;
use super::operand::Src;
use crate::ir::{Binary, Op, Ternary, Value};

/// How far definitions are followed.
const DEPTH: u32 = 6;
/// Operations that it must stand for: fewer than these take one instruction too.
const LEAST: u32 = 3;

/// What a byte of a word is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Constant(u8),
    /// Byte k of a value.
    Of(Value, u8),
}

use Byte::{Constant, Of};

/// The bytes of a word, lowest first, and how many operations nobody else needs make it from others.
#[derive(Clone, Copy)]
struct Word {
    bytes: [Byte; 4],
    operations: u32,
}

impl Selector<'_> {
    /// `a | b` as a permutation of the bytes of two words.
    pub(super) fn permute(&self, a: Value, b: Value) -> Option<(Isa, Vec<Src>)> {
        let word = either(self.bytes(a, DEPTH), self.bytes(b, DEPTH))?;
        if word.operations + 1 < LEAST {
            return None;
        }
        let mut sources: Vec<Src> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut constant = None;
        for byte in word.bytes {
            match byte {
                Of(value, _) if !values.contains(&value) => values.push(value),
                Constant(bits @ 1..=0xfe) if *constant.get_or_insert(bits) != bits => return None,
                _ => {}
            }
        }
        sources.extend(values.iter().map(|value| Src::from(*value)));
        sources.extend(constant.map(|bits| Src::from(u32::from_ne_bytes([bits; 4]))));
        let (first, second) = match sources[..] {
            [one] => (one, one),
            [first, second] => (first, second),
            _ => return None,
        };
        // Bytes 0 to 3 are those of the second source, 4 to 7 those of the first, 12 is 0, and what is above it 0xff.
        let selector = word.bytes.map(|byte| match byte {
            Of(value, k) => k + if values[0] == value { 4 } else { 0 },
            Constant(0) => 12,
            Constant(0xff) => 13,
            Constant(_) => 0,
        });
        let selector = u32::from_le_bytes(selector);
        Some((Isa::V_PERM_B32, vec![first, second, selector.into()]))
    }

    fn bytes(&self, value: Value, depth: u32) -> Word {
        let value = self.resolve(value);
        if let Some(bits) = self.constant_u32(value) {
            let bytes = bits.to_le_bytes().map(Constant);
            return Word {
                bytes,
                operations: 0,
            };
        }
        let whole = Word {
            bytes: [0, 1, 2, 3].map(|k| Of(value, k)),
            operations: 0,
        };
        let parts = depth
            .checked_sub(1)
            .and_then(|depth| self.parts(value, depth));
        let Some(mut word) = parts else { return whole };
        word.operations += u32::from(self.absorbed_vector(value).is_some());
        word
    }

    /// The bytes of what an operation makes, if it moves or keeps whole bytes.
    fn parts(&self, value: Value, depth: u32) -> Option<Word> {
        let whole_bytes = |value: Value| {
            let bits = self.constant_u32(value)?;
            (bits < 32 && bits.is_multiple_of(8)).then_some(bits as usize / 8)
        };
        let moved = |from: Word, by: isize| Word {
            bytes: std::array::from_fn(|k| {
                let from_byte = k.checked_add_signed(by).and_then(|k| from.bytes.get(k));
                from_byte.copied().unwrap_or(Constant(0))
            }),
            ..from
        };
        match self.op(value)? {
            Op::Binary(Binary::Or, [a, b]) => either(self.bytes(*a, depth), self.bytes(*b, depth)),
            Op::Binary(Binary::And, [a, mask]) => {
                let masks = self.constant_u32(*mask)?.to_le_bytes();
                let mut word = self.bytes(*a, depth);
                for (k, (byte, mask)) in word.bytes.iter_mut().zip(masks).enumerate() {
                    *byte = match (*byte, mask) {
                        (_, 0) => Constant(0),
                        (byte, 0xff) => byte,
                        (Constant(bits), mask) => Constant(bits & mask),
                        (Of(..), mask) => Of(self.wider(value, *a, k, mask)?, k as u8),
                    };
                }
                Some(word)
            }
            Op::Binary(Binary::Shl, [a, count]) => {
                let by = whole_bytes(*count)?;
                Some(moved(self.bytes(*a, depth), -(by as isize)))
            }
            Op::Binary(Binary::ShrU, [a, count]) => {
                let by = whole_bytes(*count)?;
                Some(moved(self.bytes(*a, depth), by as isize))
            }
            Op::Ternary(Ternary::ExtractU, [a, offset, width]) => {
                let (by, kept) = (whole_bytes(*offset)?, whole_bytes(*width)?);
                let mut word = moved(self.bytes(*a, depth), by as isize);
                word.bytes[kept..].fill(Constant(0));
                Some(word)
            }
            _ => None,
        }
    }

    /// An earlier `a & mask` in the block of `value` whose byte `k` is masked so: simplification has merged the masks of
    /// its single bytes with its own.
    fn wider(&self, value: Value, a: Value, k: usize, mask: u8) -> Option<Value> {
        let (home, place) = self.homes[value.0 as usize]?;
        let earlier = &self.function.blocks[home.index()].insts[..place];
        let found = earlier.iter().find(|inst| match inst.op {
            Op::Binary(Binary::And, [of, bits]) if self.resolve(of) == self.resolve(a) => {
                let bits = self.constant_u32(bits).unwrap_or(0).to_le_bytes();
                bits[k] == mask && bits.iter().all(|byte| *byte != 0)
            }
            _ => false,
        });
        found?.result
    }
}

/// The or of two words that have no byte in common.
fn either(a: Word, b: Word) -> Option<Word> {
    let mut bytes = a.bytes;
    for (a, b) in bytes.iter_mut().zip(b.bytes) {
        *a = match (*a, b) {
            (a, Constant(0)) => a,
            (Constant(0), b) => b,
            (Constant(a), Constant(b)) => Constant(a | b),
            _ => return None,
        };
    }
    Some(Word {
        bytes,
        operations: a.operations + b.operations,
    })
}
