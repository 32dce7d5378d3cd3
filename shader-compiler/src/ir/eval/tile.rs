//! Matrix tiles, which belong to a wave and not to its lanes.

use half::f16;

use super::super::*;
use super::memory::Memory;

/// Elements by row and column. Those of an f16 tile are numbers that f16 has.
pub(super) type Tile = Box<[[f32; 16]; 16]>;

fn rounded(elem: Elem, number: f64) -> f32 {
    match elem {
        Elem::F16 => scalar::f16_from_f64(number).to_f32(),
        Elem::F32 => number as f32,
    }
}

/// A tile with each element from its row and column.
fn filled(elem: Elem, mut f: impl FnMut(usize, usize) -> f64) -> Tile {
    let mut tile = Box::new([[0.0; 16]; 16]);
    for (r, row) in tile.iter_mut().enumerate() {
        for (c, element) in row.iter_mut().enumerate() {
            *element = rounded(elem, f(r, c));
        }
    }
    tile
}

/// The number that a scalar's bits mean.
fn number(elem: Elem, bits: u128) -> f64 {
    match elem {
        Elem::F16 => f64::from(f16::from_bits(bits as u16)),
        Elem::F32 => f64::from(f32::from_bits(bits as u32)),
    }
}

pub(super) fn splat(elem: Elem, scalar: u128) -> Tile {
    filled(elem, |_, _| number(elem, scalar))
}

/// Products summed in f64, rounded once: within the error of any order that the hardware may choose.
pub(super) fn multiply_add(elem: Elem, a: &Tile, b: &Tile, c: &Tile) -> Tile {
    filled(elem, |row, column| {
        let products = (0..16).map(|k| f64::from(a[row][k]) * f64::from(b[k][column]));
        f64::from(c[row][column]) + products.sum::<f64>()
    })
}

pub(super) fn binary(op: Binary, elem: Elem, a: &Tile, b: &Tile) -> Tile {
    filled(elem, |r, c| {
        let (a, b) = (f64::from(a[r][c]), f64::from(b[r][c]));
        match op {
            Binary::FAdd => a + b,
            Binary::FSub => a - b,
            _ => a * b,
        }
    })
}

pub(super) fn scale(elem: Elem, a: &Tile, scalar: u128) -> Tile {
    filled(elem, |r, c| f64::from(a[r][c]) * number(elem, scalar))
}

/// Where a tile lies.
pub(super) struct Layout {
    pub(super) space: Space,
    pub(super) at: u64,
    pub(super) stride: u64,
    pub(super) row_major: bool,
    pub(super) elem: Elem,
}

impl Layout {
    fn size(&self) -> usize {
        match self.elem {
            Elem::F16 => 2,
            Elem::F32 => 4,
        }
    }

    fn element(&self, row: usize, column: usize) -> u64 {
        let (outer, inner) = if self.row_major {
            (row, column)
        } else {
            (column, row)
        };
        self.at + (outer as u64 * self.stride + inner as u64) * self.size() as u64
    }

    pub(super) fn load(&self, memory: &Memory<'_>) -> Result<Tile, String> {
        let mut failed = None;
        let tile = filled(self.elem, |r, c| {
            match memory.load(self.space, self.element(r, c), self.size()) {
                Ok(bits) => number(self.elem, bits),
                Err(e) => {
                    failed = Some(e);
                    0.0
                }
            }
        });
        failed.map_or(Ok(tile), Err)
    }

    pub(super) fn store(&self, memory: &mut Memory<'_>, tile: &Tile) -> Result<(), String> {
        for (r, row) in tile.iter().enumerate() {
            for (c, element) in row.iter().enumerate() {
                let bits = match self.elem {
                    Elem::F16 => u128::from(f16::from_f32(*element).to_bits()),
                    Elem::F32 => u128::from(element.to_bits()),
                };
                memory.store(self.space, self.element(r, c), self.size(), bits)?;
            }
        }
        Ok(())
    }
}
