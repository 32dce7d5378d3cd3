//! One wave: 32 lanes with their places and values.

use super::super::*;
use super::lanes::EACH_DWORD;
use super::memory::Memory;
use super::tile::{self, Tile};
use super::{LANES, MAX_BLOCKS, Program, UNDEFINED};

/// A value in every lane; up to four dwords each.
pub(super) type Row = [u128; LANES];

/// Why a wave stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// All lanes returned.
    Done,
    /// At a workgroup barrier: block and instruction after it.
    Barrier(BlockId, usize),
}

pub(super) struct Wave {
    pub(super) group: [u32; 3],
    pub(super) index: usize,
    /// The block that each lane stands before; none if it returned or was never there.
    places: [Option<BlockId>; LANES],
    /// Where a barrier interrupted a block.
    resume: Option<(BlockId, usize)>,
    values: Vec<Option<Box<Row>>>,
    pub(super) tiles: Vec<Option<Tile>>,
    /// Elements of each local, by element and lane.
    pub(super) locals: Vec<Vec<Row>>,
    /// Tiles of locals, by element.
    pub(super) local_tiles: Vec<Vec<Option<Tile>>>,
    blocks: u64,
}

/// The lanes that evaluate together.
pub(super) type Mask = [bool; LANES];

pub(super) fn lanes(mask: &Mask) -> impl Iterator<Item = usize> {
    (0..LANES).filter(|lane| mask[*lane])
}

impl Wave {
    /// Wave `index` of a workgroup of `lanes` invocations.
    pub(super) fn new(program: &Program<'_>, group: [u32; 3], index: usize, lanes: usize) -> Self {
        let function = program.function;
        let mut places = [None; LANES];
        let present = (lanes - index * LANES).min(LANES);
        places[..present].fill(Some(BlockId(0)));
        let undefined = u128::from(UNDEFINED) * EACH_DWORD;
        Self {
            group,
            index,
            places,
            resume: None,
            values: vec![None; function.values.len()],
            tiles: vec![None; function.values.len()],
            locals: function
                .locals
                .iter()
                .map(|l| vec![[undefined; LANES]; l.len as usize])
                .collect(),
            local_tiles: function
                .locals
                .iter()
                .map(|l| vec![None; l.len as usize])
                .collect(),
            blocks: 0,
        }
    }

    /// Evaluates up to the next workgroup barrier or the end.
    pub(super) fn run(
        &mut self,
        program: &Program<'_>,
        memory: &mut Memory<'_>,
    ) -> Result<Pause, String> {
        loop {
            let standing = self.places.iter().flatten().copied();
            let Some(block) = standing.min_by_key(|b| program.position[b.index()]) else {
                return Ok(Pause::Done);
            };
            let mask: Mask = self.places.map(|place| place == Some(block));
            let first = match self.resume.take() {
                Some((b, at)) if b == block => at,
                _ => 0,
            };
            self.blocks += 1;
            if self.blocks > MAX_BLOCKS {
                return Err("the kernel does not end".into());
            }
            let insts = &program.function.blocks[block.index()].insts;
            for (at, inst) in insts.iter().enumerate().skip(first) {
                if let Op::Barrier {
                    workgroup: true, ..
                } = inst.op
                {
                    if self.places.iter().flatten().any(|b| *b != block) {
                        return Err(format!("{block}: a barrier is not reached by all lanes"));
                    }
                    self.resume = Some((block, at + 1));
                    return Ok(Pause::Barrier(block, at + 1));
                }
                self.inst(program, memory, inst, &mask)
                    .map_err(|e| format!("{block}: {}: {e}", inst.op))?;
            }
            self.terminate(program, block, &mask)
                .map_err(|e| format!("end of {block}: {e}"))?;
        }
    }

    /// Moves the lanes of a block on.
    fn terminate(
        &mut self,
        program: &Program<'_>,
        block: BlockId,
        mask: &Mask,
    ) -> Result<(), String> {
        let function = program.function;
        let mut sides: Vec<(&Target, Mask)> = Vec::new();
        match &function.blocks[block.index()].terminator {
            Terminator::Jump(target) => sides.push((target, *mask)),
            Terminator::Branch {
                condition,
                then,
                otherwise,
                ..
            } => {
                let condition = *self.row(*condition)?;
                let side =
                    |yes: bool| std::array::from_fn(|l| mask[l] && (condition[l] != 0) == yes);
                sides.push((then, side(true)));
                sides.push((otherwise, side(false)));
            }
            Terminator::Return => {
                lanes(mask).for_each(|lane| self.places[lane] = None);
            }
            Terminator::Unreachable => return Err("it is said never to be reached".into()),
        }
        // Both sides take their arguments before either gets its parameters: a value may be both.
        let mut moves = Vec::new();
        for (target, mask) in sides.into_iter().filter(|(_, mask)| mask.contains(&true)) {
            let parameters = &function.blocks[target.block.index()].parameters;
            for (parameter, argument) in parameters.iter().zip(&target.arguments) {
                if let Type::Tile(..) = function.ty(*argument) {
                    let tile = self.tile(*argument, &mask)?.clone();
                    self.tiles[parameter.0 as usize] = Some(tile);
                } else {
                    moves.push((*parameter, mask, *self.row(*argument)?));
                }
            }
            lanes(&mask).for_each(|lane| self.places[lane] = Some(target.block));
        }
        for (parameter, mask, row) in moves {
            self.define(parameter, &mask, |lane| row[lane]);
        }
        Ok(())
    }

    /// The value in all lanes.
    pub(super) fn row(&self, value: Value) -> Result<&Row, String> {
        self.values[value.0 as usize]
            .as_deref()
            .ok_or_else(|| format!("{value} is not defined yet"))
    }

    /// A tile; all lanes that are left must be there to use it.
    pub(super) fn tile(&self, value: Value, mask: &Mask) -> Result<&Tile, String> {
        self.whole(mask)?;
        self.tiles[value.0 as usize]
            .as_ref()
            .ok_or_else(|| format!("{value} is not defined yet"))
    }

    pub(super) fn whole(&self, mask: &Mask) -> Result<(), String> {
        if mask.contains(&false) {
            Err("not all 32 lanes reach a matrix operation".into())
        } else {
            Ok(())
        }
    }

    /// Sets a value in the lanes of `mask`.
    pub(super) fn define(&mut self, value: Value, mask: &Mask, f: impl Fn(usize) -> u128) {
        let row = self.values[value.0 as usize].get_or_insert_with(|| Box::new([0; LANES]));
        for lane in lanes(mask) {
            row[lane] = f(lane);
        }
    }

    fn inst(
        &mut self,
        program: &Program<'_>,
        memory: &mut Memory<'_>,
        inst: &Inst,
        mask: &Mask,
    ) -> Result<(), String> {
        let function = program.function;
        match (&inst.op, inst.result) {
            (
                Op::Load { .. } | Op::Store { .. } | Op::Atomic { .. } | Op::AtomicCompare { .. },
                result,
            ) => self.access(function, memory, &inst.op, result, mask),
            (Op::LocalLoad(..) | Op::LocalStore(..), result) => {
                self.local(function, &inst.op, result, mask)
            }
            (
                Op::TileSplat(_)
                | Op::TileLoad { .. }
                | Op::TileStore { .. }
                | Op::TileMulAdd(_)
                | Op::TileBinary(..)
                | Op::TileScale(..),
                result,
            ) => self.matrix(function, memory, &inst.op, result, mask),
            (Op::Undef, Some(result)) if matches!(function.ty(result), Type::Tile(..)) => {
                self.tiles[result.0 as usize] = Some(tile::splat(Elem::F32, u128::from(UNDEFINED)));
                Ok(())
            }
            (
                Op::Subgroup(..)
                | Op::Shuffle(..)
                | Op::BroadcastFirst(_)
                | Op::Ballot(_)
                | Op::Any(_)
                | Op::All(_),
                Some(result),
            ) => self.together(function, &inst.op, result, mask),
            (op, Some(result)) => {
                let mut row = [0; LANES];
                for lane in lanes(mask) {
                    row[lane] = self.one_lane(program, memory, op, function.ty(result), lane)?;
                }
                self.define(result, mask, |lane| row[lane]);
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }
}
