//! Parallel copies as a sequence of moves.
//!
//! All sources are read before any destination is written. As a graph with an edge from source to destination each place
//! has at most one edge in: the components are trees, and cycles with trees that grow from them. A destination that nobody
//! reads any more can be written; when none is left, only cycles are, and each is turned by exchanges of two places, or
//! through a spare one where the file has no exchange that leaves SCC alone (scalar registers).

use gfx1100_isa::Operand;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Destination, source.
    Copy(Operand, Operand),
    /// Exchange of two vector registers.
    Swap(Operand, Operand),
}

/// A scalar cycle needs a spare register and there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSpare;

/// Steps that do what `pairs` (destination, source) say at once. `spare` is a scalar register without a value.
pub(super) fn sequence(
    pairs: &[(Operand, Operand)],
    spare: Option<Operand>,
) -> Result<Vec<Move>, NoSpare> {
    let mut steps = Vec::with_capacity(pairs.len());
    // Vector destinations first: they may read scalar registers that the rest overwrites, and never the reverse.
    for vector in [true, false] {
        let mut open: Vec<_> = pairs
            .iter()
            .copied()
            .filter(|(d, s)| d != s && matches!(d, Operand::V(_)) == vector)
            .collect();
        while !open.is_empty() {
            let ready = (0..open.len()).find(|&i| open.iter().all(|(_, s)| *s != open[i].0));
            if let Some(index) = ready {
                let (destination, source) = open.remove(index);
                steps.push(Move::Copy(destination, source));
                continue;
            }
            // Only cycles are left.
            let (destination, source) = open.remove(0);
            if vector {
                // The old value of `destination` is in `source` afterwards.
                steps.push(Move::Swap(destination, source));
                for (_, other) in &mut open {
                    if *other == destination {
                        *other = source;
                    }
                }
                open.retain(|(d, s)| d != s);
            } else {
                let spare = spare.ok_or(NoSpare)?;
                steps.push(Move::Copy(spare, destination));
                steps.push(Move::Copy(destination, source));
                for (_, other) in &mut open {
                    if *other == destination {
                        *other = spare;
                    }
                }
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;
    use std::collections::HashMap;

    const SPARE: Operand = Operand::S(99);

    fn run(steps: &[Move]) -> HashMap<Operand, Operand> {
        let mut state = HashMap::new();
        for step in steps {
            match *step {
                Move::Copy(d, s) => {
                    let value = *state.get(&s).unwrap_or(&s);
                    state.insert(d, value);
                }
                Move::Swap(a, b) => {
                    let (x, y) = (*state.get(&a).unwrap_or(&a), *state.get(&b).unwrap_or(&b));
                    state.insert(a, y);
                    state.insert(b, x);
                }
            }
        }
        state
    }

    #[test]
    fn any_set_of_copies_does_what_it_says() {
        let mut rng = Random::new("copies", 0x5eed_c091);
        for _ in 0..20_000 {
            let places = 1 + rng.below(8);
            let place = |n: u32| match n % 2 {
                0 => Operand::V(n as u8),
                _ => Operand::S(n as u8),
            };
            let mut pairs = Vec::new();
            for destination in 0..2 * places {
                let source = place(rng.below(2 * places));
                let destination = place(destination);
                let vector_to_scalar =
                    matches!((destination, source), (Operand::S(_), Operand::V(_)));
                if rng.below(3) != 0 && !vector_to_scalar {
                    pairs.push((destination, source));
                }
            }
            let steps = sequence(&pairs, Some(SPARE)).expect("a spare register is there");
            let after = run(&steps);
            for (destination, source) in &pairs {
                assert_eq!(
                    after.get(destination).unwrap_or(destination),
                    source,
                    "{pairs:?}"
                );
            }
            for (place, value) in &after {
                let written = pairs.iter().any(|(d, _)| d == place);
                assert!(written || place == value || *place == SPARE, "{pairs:?}");
            }
        }
    }

    #[test]
    fn steps_are_as_few_as_can_be() {
        let v = Operand::V;
        let s = Operand::S;
        // (pairs, steps)
        let cases: [(&[_], &[_]); 4] = [
            // Nothing to do.
            (&[(v(1), v(1))], &[]),
            // A chain is copied from its end.
            (
                &[(v(1), v(0)), (v(2), v(1))],
                &[Move::Copy(v(2), v(1)), Move::Copy(v(1), v(0))],
            ),
            // A cycle of three needs two exchanges.
            (
                &[(v(0), v(1)), (v(1), v(2)), (v(2), v(0))],
                &[Move::Swap(v(0), v(1)), Move::Swap(v(1), v(2))],
            ),
            // Scalar registers turn through the spare one.
            (
                &[(s(0), s(1)), (s(1), s(0))],
                &[
                    Move::Copy(SPARE, s(0)),
                    Move::Copy(s(0), s(1)),
                    Move::Copy(s(1), SPARE),
                ],
            ),
        ];
        for (pairs, steps) in cases {
            assert_eq!(sequence(pairs, Some(SPARE)).as_deref(), Ok(steps));
        }
        assert_eq!(sequence(&[(s(0), s(1)), (s(1), s(0))], None), Err(NoSpare));
    }
}
