//! What each instruction does to the lanes of a wave.

use super::super::*;
use super::memory::Memory;
use super::tile::{self, Layout};
use super::wave::{Mask, Row, Wave, lanes};
use super::{LANES, Program, UNDEFINED, scalar};

/// 1 in each of four dwords.
pub(super) const EACH_DWORD: u128 = 0x0000_0001_0000_0001_0000_0001_0000_0001;

/// Bytes that an access moves.
fn bytes(access: Access) -> usize {
    match access {
        Access::Words(n) => 4 * usize::from(n),
        Access::Half => 2,
    }
}

impl Wave {
    /// The value of an operation that looks at its own lane only.
    pub(super) fn one_lane(
        &self,
        program: &Program<'_>,
        memory: &Memory<'_>,
        op: &Op,
        ty: Type,
        lane: usize,
    ) -> Result<u128, String> {
        let function = program.function;
        let get = |v: Value| Ok::<u128, String>(self.row(v)?[lane]);
        let bits = |v: Value| Ok::<u64, String>(self.row(v)?[lane] as u64);
        Ok(match op {
            Op::Const(bits) => u128::from(*bits),
            Op::Undef => (u128::from(UNDEFINED) * EACH_DWORD) & mask_of(ty),
            Op::Builtin(builtin) => u128::from(self.builtin(program, *builtin, lane)),
            Op::BufferSize(n) => u128::from(memory.size(*n)),
            Op::Unary(Unary::Bitcast, a) => get(*a)?,
            Op::Unary(op, a) => u128::from(scalar::unary(*op, function.ty(*a), ty, bits(*a)?)),
            Op::Binary(op, [a, b]) => u128::from(scalar::binary(*op, ty, bits(*a)?, bits(*b)?)),
            Op::Ternary(op, [a, b, c]) => {
                u128::from(scalar::ternary(*op, ty, [bits(*a)?, bits(*b)?, bits(*c)?]))
            }
            Op::Compare(pred, [a, b]) => u128::from(scalar::compare(
                *pred,
                function.ty(*a),
                bits(*a)?,
                bits(*b)?,
            )),
            Op::Select([condition, yes, no]) => {
                get(if get(*condition)? != 0 { *yes } else { *no })?
            }
            Op::Pack([low, high]) => get(*low)? | get(*high)? << 16,
            Op::PackFromF32([low, high]) => {
                let half = |v| {
                    Ok::<u64, String>(scalar::unary(
                        Unary::F16FromF32,
                        Type::F32,
                        Type::F16,
                        bits(v)?,
                    ))
                };
                u128::from(half(*low)? | half(*high)? << 16)
            }
            Op::Join(values) => {
                let mut joined = 0;
                for (k, v) in values.iter().enumerate() {
                    joined |= get(*v)? << (32 * k);
                }
                joined
            }
            Op::Word(a, k) => get(*a)? >> (32 * u32::from(*k)) & 0xffff_ffff,
            _ => return Err("it is not an operation of one lane".into()),
        })
    }

    fn builtin(&self, program: &Program<'_>, builtin: Builtin, lane: usize) -> u32 {
        let [x, y, _] = program.function.workgroup_size;
        let index = (self.index * LANES + lane) as u32;
        match builtin {
            Builtin::LocalInvocationId(0) => index % x,
            Builtin::LocalInvocationId(1) => index / x % y,
            Builtin::LocalInvocationId(_) => index / (x * y),
            Builtin::WorkgroupId(k) => self.group[usize::from(k)],
            Builtin::NumWorkgroups(k) => program.groups[usize::from(k)],
            Builtin::SubgroupInvocationId => lane as u32,
            Builtin::SubgroupId => self.index as u32,
        }
    }

    /// Where an access goes in each lane.
    fn addresses(&self, offset: Value, constant: u32) -> Result<[u64; LANES], String> {
        Ok(self.row(offset)?.map(|at| at as u64 + u64::from(constant)))
    }

    pub(super) fn access(
        &mut self,
        function: &Function,
        memory: &mut Memory<'_>,
        op: &Op,
        result: Option<Value>,
        mask: &Mask,
    ) -> Result<(), String> {
        let mut row: Row = [0; LANES];
        for lane in lanes(mask) {
            let lane_error = |e: String| format!("lane {lane}: {e}");
            match op {
                Op::Load {
                    space,
                    offset,
                    constant,
                    access,
                    ..
                } => {
                    let at = self.addresses(*offset, *constant)?[lane];
                    row[lane] = memory
                        .load(*space, at, bytes(*access))
                        .map_err(lane_error)?;
                }
                Op::Store {
                    space,
                    offset,
                    constant,
                    access,
                    value,
                } => {
                    let at = self.addresses(*offset, *constant)?[lane];
                    let value = self.row(*value)?[lane];
                    memory
                        .store(*space, at, bytes(*access), value)
                        .map_err(lane_error)?;
                }
                Op::Atomic {
                    space,
                    offset,
                    constant,
                    combine,
                    value,
                } => {
                    let at = self.addresses(*offset, *constant)?[lane];
                    let operand = self.row(*value)?[lane] as u64;
                    let before = memory.load(*space, at, 4).map_err(lane_error)?;
                    let after =
                        scalar::combine(*combine, function.ty(*value), before as u64, operand);
                    memory
                        .store(*space, at, 4, u128::from(after))
                        .map_err(lane_error)?;
                    row[lane] = before;
                }
                Op::AtomicCompare {
                    space,
                    offset,
                    constant,
                    new,
                    expected,
                } => {
                    let at = self.addresses(*offset, *constant)?[lane];
                    let before = memory.load(*space, at, 4).map_err(lane_error)?;
                    if before == self.row(*expected)?[lane] {
                        memory
                            .store(*space, at, 4, self.row(*new)?[lane])
                            .map_err(lane_error)?;
                    }
                    row[lane] = before;
                }
                _ => {}
            }
        }
        if let Some(result) = result {
            self.define(result, mask, |lane| row[lane]);
        }
        Ok(())
    }

    pub(super) fn local(
        &mut self,
        function: &Function,
        op: &Op,
        result: Option<Value>,
        mask: &Mask,
    ) -> Result<(), String> {
        let (Op::LocalLoad(local, index) | Op::LocalStore(local, index, _)) = *op else {
            return Ok(());
        };
        let n = local.0 as usize;
        let indices = *self.row(index)?;
        let len = function.locals[n].len as usize;
        let element = |lane: usize| {
            let at = indices[lane] as usize;
            if at < len {
                Ok(at)
            } else {
                Err(format!("lane {lane}: index {at} of {len} elements"))
            }
        };
        if let Type::Tile(..) = function.locals[n].ty {
            self.whole(mask)?;
            let at = element(0)?;
            if let Op::LocalStore(_, _, value) = op {
                self.local_tiles[n][at] = Some(self.tile(*value, mask)?.clone());
            } else if let Some(result) = result {
                self.tiles[result.0 as usize].clone_from(&self.local_tiles[n][at]);
            }
            return Ok(());
        }
        let mut row: Row = [0; LANES];
        for lane in lanes(mask) {
            let at = element(lane)?;
            match op {
                Op::LocalStore(_, _, value) => self.locals[n][at][lane] = self.row(*value)?[lane],
                _ => row[lane] = self.locals[n][at][lane],
            }
        }
        if let Some(result) = result {
            // An undefined element is four dwords of pattern: keep what the type has.
            let ty = function.ty(result);
            self.define(result, mask, |lane| row[lane] & mask_of(ty));
        }
        Ok(())
    }

    /// Operations among the active lanes.
    pub(super) fn together(
        &mut self,
        function: &Function,
        op: &Op,
        result: Value,
        mask: &Mask,
    ) -> Result<(), String> {
        let mut row: Row = [0; LANES];
        match op {
            Op::Subgroup(combine, scan, a) => {
                let (values, ty) = (self.row(*a)?, function.ty(result));
                let mut sum = scalar::identity(*combine, ty);
                for lane in lanes(mask) {
                    let before = sum;
                    sum = scalar::combine(*combine, ty, sum, values[lane] as u64);
                    row[lane] = u128::from(if *scan == Scan::Exclusive {
                        before
                    } else {
                        sum
                    });
                }
                if *scan == Scan::Reduce {
                    row = [u128::from(sum); LANES];
                }
            }
            Op::Shuffle(kind, a, b) => {
                let (values, operand) = (self.row(*a)?, self.row(*b)?);
                for lane in lanes(mask) {
                    let from = partner(*kind, lane, operand[lane] as usize);
                    let there = from.filter(|from| mask[*from]);
                    row[lane] = there
                        .map_or(u128::from(UNDEFINED) & mask_of(function.ty(result)), |l| {
                            values[l]
                        });
                }
            }
            Op::BroadcastFirst(a) => {
                let first = lanes(mask).next().unwrap_or(0);
                row = [self.row(*a)?[first]; LANES];
            }
            Op::Ballot(a) | Op::Any(a) | Op::All(a) => {
                let values = self.row(*a)?;
                let votes: u32 = lanes(mask)
                    .filter(|l| values[*l] != 0)
                    .map(|l| 1 << l)
                    .sum();
                let all: u32 = lanes(mask).map(|l| 1 << l).sum();
                let answer = match op {
                    Op::Ballot(_) => votes,
                    Op::Any(_) => u32::from(votes != 0),
                    _ => u32::from(votes == all),
                };
                row = [u128::from(answer); LANES];
            }
            _ => {}
        }
        self.define(result, mask, |lane| row[lane]);
        Ok(())
    }

    pub(super) fn matrix(
        &mut self,
        function: &Function,
        memory: &mut Memory<'_>,
        op: &Op,
        result: Option<Value>,
        mask: &Mask,
    ) -> Result<(), String> {
        self.whole(mask)?;
        let subject = match (op, result) {
            (Op::TileStore { value, .. }, _) => *value,
            (_, Some(result)) => result,
            _ => return Err("it defines nothing".into()),
        };
        let Type::Tile(_, elem) = function.ty(subject) else {
            return Err("it is no tile".into());
        };
        let uniform = |v: Value| {
            let row = self.row(v)?;
            if row.iter().all(|x| *x == row[0]) {
                Ok(row[0])
            } else {
                Err(format!("{v} differs between lanes"))
            }
        };
        let tile = match op {
            Op::TileSplat(a) => tile::splat(elem, uniform(*a)?),
            Op::TileMulAdd([a, b, c]) => tile::multiply_add(
                elem,
                self.tile(*a, mask)?,
                self.tile(*b, mask)?,
                self.tile(*c, mask)?,
            ),
            Op::TileBinary(op, [a, b]) => {
                tile::binary(*op, elem, self.tile(*a, mask)?, self.tile(*b, mask)?)
            }
            Op::TileScale(a, b) => tile::scale(elem, self.tile(*a, mask)?, uniform(*b)?),
            Op::TileLoad {
                space,
                offset,
                constant,
                stride,
                row_major,
            }
            | Op::TileStore {
                space,
                offset,
                constant,
                stride,
                row_major,
                ..
            } => {
                let at = uniform(*offset)? as u64 + u64::from(*constant);
                let stride = uniform(*stride)? as u64;
                let layout = Layout {
                    space: *space,
                    at,
                    stride,
                    row_major: *row_major,
                    elem,
                };
                if let Op::TileStore { value, .. } = op {
                    return layout.store(memory, self.tile(*value, mask)?);
                }
                layout.load(memory)?
            }
            _ => return Err("it is no operation on tiles".into()),
        };
        self.tiles[subject.0 as usize] = Some(tile);
        Ok(())
    }
}

/// The bits that a value of this type has.
fn mask_of(ty: Type) -> u128 {
    match ty {
        Type::Bool => 1,
        Type::I16 | Type::F16 => 0xffff,
        Type::I64 | Type::Words(2) => u128::from(u64::MAX),
        Type::Words(3) => u128::MAX >> 32,
        Type::Words(_) | Type::Tile(..) => u128::MAX,
        Type::I32 | Type::F32 | Type::F16x2 => 0xffff_ffff,
    }
}

/// The lane that `lane` reads from.
fn partner(kind: Shuffle, lane: usize, operand: usize) -> Option<usize> {
    let from = match kind {
        Shuffle::Index => Some(operand),
        Shuffle::Xor => Some(lane ^ operand),
        Shuffle::Up => lane.checked_sub(operand),
        Shuffle::Down => lane.checked_add(operand),
        Shuffle::QuadBroadcast => Some(lane & !3 | operand & 3),
        Shuffle::QuadSwapX => Some(lane ^ 1),
        Shuffle::QuadSwapY => Some(lane ^ 2),
        Shuffle::QuadSwapDiagonal => Some(lane ^ 3),
    };
    from.filter(|from| *from < LANES)
}
