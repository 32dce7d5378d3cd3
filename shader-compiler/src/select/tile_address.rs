//! Where the elements of a matrix tile are: the parts of the addresses of its pieces.

use super::address::{Kind, Parts, Splitter, Term, Terms, TileKey, TileParts};
use super::bank::Bank;
use crate::ir::{Binary, Builtin, Elem, Inst, Op, Role, Value};

impl Splitter<'_> {
    pub(super) fn lane(&mut self) -> Value {
        if let Some(lane) = self.lane {
            return lane;
        }
        let op = Op::Builtin(Builtin::SubgroupInvocationId);
        let lane = self.insert((0, 0, 0), op, Bank::Vector);
        self.lane = Some(lane);
        lane
    }

    /// The parts of a tile access (RDNA3 manual, "Wave Matrix Multiply Accumulate").
    pub(super) fn tile(&mut self, inst: &Inst) -> Option<(TileKey, TileParts)> {
        let key = TileKey::of(self.function, &inst.op, inst.result)?;
        let TileKey {
            offset,
            constant,
            stride,
            row_major,
            role,
            elem,
            shared,
        } = key;
        let kind = if shared { Kind::Shared } else { Kind::Buffer };
        let size: u32 = if elem == Elem::F32 { 4 } else { 2 };
        let lane = self.lane();
        let fifteen = self.number(15);
        let column = self.binary(Binary::And, lane, fifteen);
        // Of the two indices, `outer` steps by the stride, `inner` by the element.
        let mut base = self.terms(offset, 1);
        base.constant += i64::from(constant);
        let mut found = TileParts::default();
        match role {
            Role::A | Role::B => {
                // Lane c holds row c of A or column c of B, elements k = 0..16 of it.
                found.contiguous = row_major == (role == Role::A);
                if found.contiguous {
                    self.add_product(&mut base, column, stride, size);
                    for half in 0..2 {
                        found.pieces.push(self.piece(&base, None, 16 * half, kind));
                    }
                } else {
                    base.divergent.push(Term {
                        value: column,
                        factor: size,
                    });
                    for k in 0..16 {
                        found
                            .pieces
                            .push(self.piece(&base, Some((stride, k * size)), 0, kind));
                    }
                }
            }
            Role::C => {
                // Lane l holds column l mod 16, rows 2r + l / 16.
                let four = self.number(4);
                let half = self.binary(Binary::ShrU, lane, four);
                if row_major {
                    self.add_product(&mut base, half, stride, size);
                    base.divergent.push(Term {
                        value: column,
                        factor: size,
                    });
                    for r in 0..8 {
                        found
                            .pieces
                            .push(self.piece(&base, Some((stride, 2 * r * size)), 0, kind));
                    }
                } else {
                    self.add_product(&mut base, column, stride, size);
                    base.divergent.push(Term {
                        value: half,
                        factor: size,
                    });
                    for r in 0..8 {
                        found
                            .pieces
                            .push(self.piece(&base, None, 2 * r * size, kind));
                    }
                }
            }
        }
        Some((key, found))
    }

    /// Adds lane part * stride * size.
    pub(super) fn add_product(&mut self, base: &mut Terms, lane: Value, stride: Value, size: u32) {
        let value = match self.constant_of(stride) {
            Some(bits) => {
                base.divergent.push(Term {
                    value: lane,
                    factor: bits.wrapping_mul(size),
                });
                return;
            }
            None => self.binary(Binary::IMul, lane, stride),
        };
        base.divergent.push(Term {
            value,
            factor: size,
        });
    }

    pub(super) fn piece(
        &mut self,
        base: &Terms,
        step: Option<(Value, u32)>,
        constant: u32,
        kind: Kind,
    ) -> Parts {
        let mut terms = base.clone();
        terms.constant += i64::from(constant);
        if let Some((stride, factor)) = step.filter(|(_, factor)| *factor != 0) {
            match self.constant_of(stride) {
                Some(bits) => terms.constant += i64::from(bits) * i64::from(factor),
                None => terms.uniform.push(Term {
                    value: stride,
                    factor,
                }),
            }
        }
        self.join(terms, kind)
    }
}
