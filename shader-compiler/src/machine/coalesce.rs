//! Joins virtual registers that should have the same place into groups, where their ranges do not clash.
//!
//! A group is a run of dwords with fixed distances between its members; [`super::place`] then places whole groups. Joined
//! are, heaviest first (ten times per loop around): the two sides of a copied dword, which builds and takes apart tuples
//! and makes block parameters free; the accumulator of a WMMA and its result; the addend of a multiply-add and its result,
//! which then takes the shorter accumulating form.
//!
//! Invariant: in each dword of a group at most one member is live at a time, so a group has the union of its members'
//! ranges and placing it never needs to look into it.

use super::liveness::{Liveness, Ranges, intersect, union};
use super::{File, Function, Inst, Kind, Operand, Register};
use gfx1100_isa as isa;
use isa::{Class, Op};

/// More dwords than this no group has: longer runs are hard to place.
const MAX_DWORDS: usize = 16;

/// Ranges of one dword of a group, as in [`Liveness`].
#[derive(Clone, Debug, Default)]
pub(super) struct Dword {
    pub(super) own: Ranges,
    pub(super) parked: Ranges,
}

/// Registers that are placed together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) file: File,
    pub(super) dwords: Vec<Dword>,
    /// The first dword's register is `align.1` modulo `align.0`.
    pub(super) align: (u8, u8),
    /// Where it must start.
    pub(super) pinned: Option<u8>,
    /// Written or read in lanes that are off.
    pub(super) whole_wave: bool,
    /// A lane mask: instructions are shorter if it is in `vcc_lo`.
    pub(super) mask: bool,
    members: Vec<(Register, u8)>,
}

/// All groups of a function.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Groups that were joined into another are empty.
    pub(super) all: Vec<Group>,
    /// By virtual register: its group and its first dword there.
    pub(super) of: Vec<(usize, u8)>,
}

/// A dword of a virtual register.
type At = (Register, u8);

/// Registers that want the same place, and how much that is worth.
struct Wish {
    worth: f64,
    a: At,
    b: At,
}

impl Groups {
    pub(super) fn new(function: &Function, liveness: &Liveness) -> Self {
        let mut groups = Self::single(function, liveness);
        let mut wishes = wishes(function);
        wishes.sort_by(|a, b| b.worth.total_cmp(&a.worth));
        for wish in &wishes {
            groups.join(wish.a, wish.b);
        }
        groups.separate_accumulators(function, liveness);
        groups
    }

    /// Each register for itself.
    fn single(function: &Function, liveness: &Liveness) -> Self {
        let mut all = Vec::with_capacity(function.registers.len());
        for (index, data) in function.registers.iter().enumerate() {
            let register = Register(index as u32);
            let first = liveness.units.first(register);
            let dwords = (first..first + usize::from(data.dwords)).map(|unit| Dword {
                own: liveness.own[unit].clone(),
                parked: liveness.parked[unit].clone(),
            });
            let align = match (data.file, data.dwords) {
                (File::Vector, _) | (File::Scalar, 0 | 1) => 1,
                (File::Scalar, 2) => 2,
                (File::Scalar, _) => 4,
            };
            all.push(Group {
                file: data.file,
                dwords: dwords.collect(),
                align: (align, 0),
                pinned: None,
                whole_wave: liveness.whole_wave[index],
                mask: data.mask && data.dwords == 1,
                members: vec![(register, 0)],
            });
        }
        for (register, place) in &function.live_in {
            if let isa::Operand::S(code) | isa::Operand::V(code) = place {
                all[register.0 as usize].pinned = Some(*code);
            }
        }
        let of = (0..all.len()).map(|index| (index, 0)).collect();
        Self { all, of }
    }

    /// The dword of its group where dword `at` stands.
    fn position(&self, at: At) -> (usize, isize) {
        let (group, offset) = self.of[at.0.0 as usize];
        (group, isize::from(offset) + isize::from(at.1))
    }

    /// Whether both dwords have the same place.
    pub(super) fn together(&self, a: At, b: At) -> bool {
        self.position(a) == self.position(b)
    }

    /// Gives both dwords the same place if nothing clashes.
    fn join(&mut self, a: At, b: At) {
        let ((ga, pa), (gb, pb)) = (self.position(a), self.position(b));
        // The group that begins first takes in the other, `shift` dwords from its start.
        let (host, guest, shift) = if pa >= pb {
            (ga, gb, (pa - pb) as usize)
        } else {
            (gb, ga, (pb - pa) as usize)
        };
        if host == guest {
            return;
        }
        let Some(joined) = joined(&self.all[host], &self.all[guest], shift) else {
            return;
        };
        for (register, offset) in &self.all[guest].members {
            self.of[register.0 as usize] = (host, offset + shift as u8);
        }
        self.all[host] = joined;
        self.all[guest].members.clear();
        self.all[guest].dwords.clear();
    }

    /// A WMMA's result is its accumulator or shares nothing with it. Where they were not joined, the accumulator is taken
    /// to be read until after the write.
    fn separate_accumulators(&mut self, function: &Function, liveness: &Liveness) {
        for (block, &first) in function.blocks.iter().zip(&liveness.first) {
            for (offset, inst) in block.insts.iter().enumerate() {
                let Some((result, addend)) = accumulation(inst, Class::Wmma) else {
                    continue;
                };
                if self.together(result, addend) {
                    continue;
                }
                let at = 2 * (first + offset as u32);
                let (group, position) = self.position(addend);
                let dwords = self.all[group].dwords.iter_mut();
                for dword in dwords.skip(position as usize).take(8) {
                    dword.own = union(&dword.own, &vec![(at, at + 2)]);
                    dword.parked = union(&dword.parked, &vec![(at, at + 2)]);
                }
            }
        }
    }
}

/// `host` with `guest` in it, `shift` dwords from its start; `None` if that cannot be.
fn joined(host: &Group, guest: &Group, shift: usize) -> Option<Group> {
    let length = host.dwords.len().max(shift + guest.dwords.len());
    let longest = host.dwords.len().max(guest.dwords.len());
    if host.file != guest.file || length > longest.max(MAX_DWORDS) {
        return None;
    }
    // The one with the coarser alignment decides, if the other agrees.
    let guest_align = {
        let (modulus, rest) = (usize::from(guest.align.0), usize::from(guest.align.1));
        let rest = (rest + modulus * MAX_DWORDS * 2 - shift) % modulus;
        (guest.align.0, rest as u8)
    };
    let (fine, coarse) = if host.align.0 <= guest_align.0 {
        (host.align, guest_align)
    } else {
        (guest_align, host.align)
    };
    if coarse.1 % fine.0 != fine.1 {
        return None;
    }
    let guest_pin = match guest.pinned {
        Some(place) => Some(place.checked_sub(shift as u8)?),
        None => None,
    };
    if host.pinned.is_some() && guest_pin.is_some() && host.pinned != guest_pin {
        return None;
    }
    let pinned = host.pinned.or(guest_pin);
    if pinned.is_some_and(|place| place % coarse.0 != coarse.1) {
        return None;
    }
    let whole_wave = host.whole_wave || guest.whole_wave;
    let mut dwords = host.dwords.clone();
    dwords.resize(length, Dword::default());
    for (dword, guest) in dwords[shift..].iter_mut().zip(&guest.dwords) {
        let clash = match whole_wave {
            true => intersect(&dword.parked, &guest.parked),
            false => intersect(&dword.own, &guest.own),
        };
        if clash {
            return None;
        }
        dword.own = union(&dword.own, &guest.own);
        dword.parked = union(&dword.parked, &guest.parked);
    }
    let moved = guest.members.iter().map(|(r, o)| (*r, o + shift as u8));
    Some(Group {
        file: host.file,
        mask: (host.mask || guest.mask) && length == 1,
        dwords,
        align: coarse,
        pinned,
        whole_wave,
        members: host.members.iter().copied().chain(moved).collect(),
    })
}

/// Result and addend of a multiply-add of this class in three-address form, if the addend is a register.
pub(super) fn accumulation(inst: &Inst, class: Class) -> Option<(At, At)> {
    let Kind::Isa(op) = inst.kind else {
        return None;
    };
    let accumulates = op.row().class == Class::Wmma || accumulating(op).is_some();
    match (inst.dst[0], inst.src[2]) {
        (Operand::Virtual(result, d), Operand::Virtual(addend, s))
            if accumulates && op.row().class == class =>
        {
            Some(((result, d), (addend, s)))
        }
        _ => None,
    }
}

/// What a copy saved counts against an instruction made shorter, and against registers that WMMA results would take.
const WORTH_COPY: f64 = 4.0;
const WORTH_SHORTER: f64 = 1.0;
const WORTH_TILE: f64 = 8.0;

fn wishes(function: &Function) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for block in &function.blocks {
        let weight = 10f64.powi(block.depth.min(8) as i32);
        for inst in &block.insts {
            if let Kind::Copies(pairs) = &inst.kind {
                for (destination, source) in pairs {
                    if let (Operand::Virtual(a, d), Operand::Virtual(b, s)) = (destination, source)
                    {
                        wishes.push(Wish {
                            worth: weight * WORTH_COPY,
                            a: (*a, *d),
                            b: (*b, *s),
                        });
                    }
                }
            }
            for (class, worth) in [
                (Class::Wmma, WORTH_TILE),
                (Class::Valu, WORTH_SHORTER),
                (Class::Dot, WORTH_SHORTER),
            ] {
                if let Some((a, b)) = accumulation(inst, class) {
                    wishes.push(Wish {
                        worth: weight * worth,
                        a,
                        b,
                    });
                }
            }
        }
    }
    wishes
}

/// The form of a multiply-add whose addend is its destination.
pub(super) fn accumulating(op: Op) -> Option<Op> {
    match op {
        Op::V_FMA_F32 => Some(Op::V_FMAC_F32),
        Op::V_FMA_F16 => Some(Op::V_FMAC_F16),
        Op::V_PK_FMA_F16 => Some(Op::V_PK_FMAC_F16),
        Op::V_DOT2_F32_F16 => Some(Op::V_DOT2ACC_F32_F16),
        _ => None,
    }
}
