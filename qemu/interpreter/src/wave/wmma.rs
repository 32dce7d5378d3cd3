//! Matrix products of a wave: D = A x B + C, 16 by 16 by 16 (RDNA3 manual, "Wave Matrix Multiply Accumulate").
//!
//! Lane l holds row l mod 16 of A and column l mod 16 of B, each twice, in lanes l and l + 16; element r of C and D in lane l
//! is at row 2 r + l / 16, column l mod 16. How hardware rounds inside is not documented. Here the f32 sum of products runs
//! over k in order, each step fused, starting with C; 16-bit results are rounded once at the end. Compare with tolerances, or
//! with data for which every sum is exact.

use gfx1100_isa::Op;
use half::{bf16, f16};

use super::{Context, Flow, Wave};
use crate::alu::Lanes;
use crate::program::{HIGH_HALF, LOW_HALF, Source, WmmaStep};
use crate::rule::Rule;

/// Rows, columns and depth.
const N: usize = 16;

/// A square of numbers.
type Matrix<T> = [[T; N]; N];

impl Wave {
    pub(crate) fn wmma<const STRICT: bool>(
        &mut self,
        context: &Context<'_>,
        step: &WmmaStep,
    ) -> Flow {
        if STRICT {
            self.check_operands(context, step)?;
        }
        let c: [Lanes; 8] = std::array::from_fn(|r| self.accumulator(context, step.c, r));
        let mut d: [Lanes; 8] = std::array::from_fn(|r| self.v[index(step.d, r)]);
        match step.op {
            Op::V_WMMA_F32_16X16X16_F16 | Op::V_WMMA_F32_16X16X16_BF16 => {
                let sums = self.float_sums(step, |r, lane| f32::from_bits(c[r][lane]));
                each(|r, lane| d[r][lane] = sums[r][lane].to_bits());
            }
            Op::V_WMMA_F16_16X16X16_F16 | Op::V_WMMA_BF16_16X16X16_BF16 => {
                let brain = step.op == Op::V_WMMA_BF16_16X16X16_BF16;
                let shift = if step.high { 16 } else { 0 };
                // An inline constant stands in the low half.
                let from = if matches!(step.c, Source::V(_)) {
                    shift
                } else {
                    0
                };
                let element = |r: usize, lane: usize| widen((c[r][lane] >> from) as u16, brain);
                let sums = self.float_sums(step, element);
                each(|r, lane| {
                    let bits = u32::from(narrow(sums[r][lane], brain));
                    d[r][lane] = d[r][lane] & !(0xffff << shift) | bits << shift;
                });
            }
            _ => self.integer_sums(step, &c, &mut d),
        }
        for (r, lanes) in d.into_iter().enumerate() {
            let register = index(step.d, r);
            self.v[register] = lanes;
            self.v_defined[register] |= written_halves(step);
        }
        Ok(())
    }

    fn accumulator(&self, context: &Context<'_>, c: Source, r: usize) -> Lanes {
        match c {
            Source::V(register) => self.v[index(register, r)],
            Source::K(constant) => *context.program.constants.get(constant),
            Source::S(code) => [self.s[usize::from(code & 127)]; 32],
            Source::None | Source::Special(_) => [0; 32],
        }
    }

    fn check_operands(&self, context: &Context<'_>, step: &WmmaStep) -> Flow {
        let exec = self.exec();
        if exec != u32::MAX {
            context.violate(Rule::WmmaExec, Some((!exec).trailing_zeros()), || {
                format!("EXEC is {exec:#x}; a matrix product needs all lanes")
            })?;
        }
        for first in [step.a, step.b] {
            for r in 0..usize::from(step.registers) {
                let register = index(first, r);
                self.require(context, register as u8, u64::MAX)?;
                let lanes = &self.v[register];
                if let Some(lane) = (0..N).find(|lane| lanes[*lane] != lanes[lane + N]) {
                    context.violate(Rule::WmmaHalves, Some(lane as u32), || {
                        format!(
                            "v{register} is {:#x} in lane {lane} and {:#x} in lane {}; A and B must be \
                             the same in both",
                            lanes[lane],
                            lanes[lane + N],
                            lane + N
                        )
                    })?;
                }
            }
        }
        if let Source::V(c) = step.c {
            for r in 0..8 {
                self.require(context, index(c, r) as u8, written_halves(step))?;
            }
        }
        Ok(())
    }

    /// A or B as floats, by row or column, then by k.
    fn float_matrix(&self, step: &WmmaStep, first: u8, operand: u32) -> Matrix<f32> {
        let brain = matches!(
            step.op,
            Op::V_WMMA_F32_16X16X16_BF16 | Op::V_WMMA_BF16_16X16X16_BF16
        );
        let sign = |bits: u8| if bits >> operand & 1 == 1 { -1.0 } else { 1.0 };
        let [low, high] = [sign(step.neg), sign(step.abs)];
        std::array::from_fn(|lane| {
            std::array::from_fn(|k| {
                let dword = self.v[index(first, k / 2)][lane];
                if k % 2 == 0 {
                    low * widen(dword as u16, brain)
                } else {
                    high * widen((dword >> 16) as u16, brain)
                }
            })
        })
    }

    /// D of the float forms, by register and lane.
    fn float_sums(&self, step: &WmmaStep, c: impl Fn(usize, usize) -> f32) -> [[f32; 32]; 8] {
        let a = self.float_matrix(step, step.a, 0);
        let columns = self.float_matrix(step, step.b, 1);
        let b: Matrix<f32> = std::array::from_fn(|k| std::array::from_fn(|n| columns[n][k]));
        let mut sums: Matrix<f32> = [[0.0; N]; N];
        each(|r, lane| {
            let [row, column] = place(r, lane);
            let c = c(r, lane);
            let c = if step.abs & 4 != 0 { c.abs() } else { c };
            sums[row][column] = if step.neg & 4 != 0 { -c } else { c };
        });
        add_product(&a, &b, &mut sums);
        std::array::from_fn(|r| {
            std::array::from_fn(|lane| {
                let [row, column] = place(r, lane);
                sums[row][column]
            })
        })
    }

    /// A or B as integers of 8 or 4 bits.
    fn integer_matrix(&self, step: &WmmaStep, first: u8, operand: u32) -> Matrix<i32> {
        let bits = if step.op == Op::V_WMMA_I32_16X16X16_IU8 {
            8
        } else {
            4
        };
        let per_dword = 32 / bits;
        let is_signed = step.neg >> operand & 1 == 1;
        std::array::from_fn(|lane| {
            std::array::from_fn(|k| {
                let dword = self.v[index(first, k / per_dword)][lane];
                let top = dword << (32 - bits - k % per_dword * bits);
                if is_signed {
                    top as i32 >> (32 - bits)
                } else {
                    (top >> (32 - bits)) as i32
                }
            })
        })
    }

    fn integer_sums(&self, step: &WmmaStep, c: &[Lanes; 8], d: &mut [Lanes; 8]) {
        let a = self.integer_matrix(step, step.a, 0);
        let b = self.integer_matrix(step, step.b, 1);
        each(|r, lane| {
            let [row, column] = place(r, lane);
            let product: i64 = (0..N).map(|k| i64::from(a[row][k] * b[column][k])).sum();
            let sum = i64::from(c[r][lane] as i32) + product;
            d[r][lane] = if step.clamp {
                sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as u32
            } else {
                sum as u32
            };
        });
    }
}

/// Adds to `sums` the product of `a`, by row and k, and `b`, by k and column.
fn add_product(a: &Matrix<f32>, b: &Matrix<f32>, sums: &mut Matrix<f32>) {
    #[cfg(target_arch = "x86_64")]
    if crate::alu::has_avx2() {
        // SAFETY: the CPU has the features that the function is compiled for.
        return unsafe { add_product_avx2(a, b, sums) };
    }
    add_product_anywhere(a, b, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_product_avx2(a: &Matrix<f32>, b: &Matrix<f32>, sums: &mut Matrix<f32>) {
    add_product_anywhere(a, b, sums);
}

/// Inlined, so that it is compiled for each set of CPU features; the order of the sums is the same in all.
#[inline(always)]
fn add_product_anywhere(a: &Matrix<f32>, b: &Matrix<f32>, sums: &mut Matrix<f32>) {
    for (row, sums) in a.iter().zip(sums) {
        for (a, b) in row.iter().zip(b) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = a.mul_add(*b, *sum);
            }
        }
    }
}

fn index(first: u8, offset: usize) -> usize {
    (usize::from(first) + offset) % 256
}

/// Row and column of an element of C and D.
fn place(r: usize, lane: usize) -> [usize; 2] {
    [2 * r + lane / N, lane % N]
}

/// Visits every register and lane of C and D.
fn each(mut visit: impl FnMut(usize, usize)) {
    for r in 0..8 {
        for lane in 0..32 {
            visit(r, lane);
        }
    }
}

/// What of C is read and of D is written.
fn written_halves(step: &WmmaStep) -> u64 {
    match step.op {
        Op::V_WMMA_F16_16X16X16_F16 | Op::V_WMMA_BF16_16X16X16_BF16 if step.high => HIGH_HALF,
        Op::V_WMMA_F16_16X16X16_F16 | Op::V_WMMA_BF16_16X16X16_BF16 => LOW_HALF,
        _ => u64::MAX,
    }
}

fn widen(bits: u16, brain: bool) -> f32 {
    if brain {
        bf16::from_bits(bits).to_f32()
    } else {
        f16::from_bits(bits).to_f32()
    }
}

fn narrow(value: f32, brain: bool) -> u16 {
    if brain {
        bf16::from_f32(value).to_bits()
    } else {
        f16::from_f32(value).to_bits()
    }
}
