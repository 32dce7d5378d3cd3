//! From one lane to all: loops that the compiler turns into vector code, and the tables that name their functions.
//!
//! A function of one lane is a closure; a lift applies it to the 32 lanes of its operands. Lifts are always inlined into
//! the function that a [`table`] line makes, so that each line is one loop over arrays of known length. A `hot` table makes
//! two functions per line, one of them for CPUs with AVX2, FMA and F16C.

use super::{Inputs, Lanes, Outputs};

/// Lanes of a wave.
const LANES: usize = 32;

/// What a lane's value is made of: one dword, the low half of one, or two.
pub(super) trait Lane: Copy {
    /// The value of a lane.
    fn read(low: &Lanes, high: &Lanes, lane: usize) -> Self;
    /// Stores the value of a lane.
    fn write(self, low: &mut Lanes, high: &mut Lanes, lane: usize);
    /// Whether there is a high dword.
    const WIDE: bool;
}

macro_rules! one_dword {
    ($($ty:ty: $read:expr, $write:expr;)*) => {
        $(impl Lane for $ty {
            #[inline(always)]
            fn read(low: &Lanes, _: &Lanes, lane: usize) -> Self {
                $read(low[lane])
            }
            #[inline(always)]
            fn write(self, low: &mut Lanes, _: &mut Lanes, lane: usize) {
                low[lane] = $write(self);
            }
            const WIDE: bool = false;
        })*
    };
}

one_dword! {
    u32: |bits| bits, |value| value;
    i32: |bits| bits as i32, |value| value as u32;
    f32: f32::from_bits, f32::to_bits;
    u16: |bits| bits as u16, u32::from;
    i16: |bits| bits as i16, |value| u32::from(value as u16);
    [u16; 2]: |bits| [bits as u16, (bits >> 16) as u16], |[low, high]: [u16; 2]| u32::from(low) | u32::from(high) << 16;
}

macro_rules! two_dwords {
    ($($ty:ty: $read:expr, $write:expr;)*) => {
        $(impl Lane for $ty {
            #[inline(always)]
            fn read(low: &Lanes, high: &Lanes, lane: usize) -> Self {
                $read(u64::from(low[lane]) | u64::from(high[lane]) << 32)
            }
            #[inline(always)]
            fn write(self, low: &mut Lanes, high: &mut Lanes, lane: usize) {
                let bits: u64 = $write(self);
                low[lane] = bits as u32;
                high[lane] = (bits >> 32) as u32;
            }
            const WIDE: bool = true;
        })*
    };
}

two_dwords! {
    u64: |bits| bits, |value| value;
    i64: |bits| bits as i64, |value| value as u64;
    f64: f64::from_bits, f64::to_bits;
}

/// The value of source `index` in a lane.
#[inline(always)]
pub(super) fn source<T: Lane>(i: &Inputs<'_>, index: usize, lane: usize) -> T {
    T::read(i.low[index], i.high[index], lane)
}

/// A function of the lane's number. Results are gathered in arrays of their own, which cannot be the ones that are read:
/// otherwise the compiler would have to allow for that, lane by lane.
#[inline(always)]
fn each<R: Lane>(o: &mut Outputs, f: impl Fn(usize) -> R) {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        f(lane).write(&mut low, &mut high, lane);
    }
    o.low = low;
    if R::WIDE {
        o.high = high;
    }
}

/// As [`each`], with a bit of the mask.
#[inline(always)]
fn each_flagged<R: Lane>(o: &mut Outputs, f: impl Fn(usize) -> (R, bool)) {
    let (mut low, mut high, mut flags) = ([0; LANES], [0; LANES], [0; LANES]);
    for (lane, bit) in flags.iter_mut().enumerate() {
        let (result, flag) = f(lane);
        result.write(&mut low, &mut high, lane);
        *bit = u32::from(flag);
    }
    o.low = low;
    if R::WIDE {
        o.high = high;
    }
    o.mask = gathered(&flags);
}

/// Flags as a mask. They are gathered in a loop of their own, which leaves the one before to vector instructions.
#[inline(always)]
fn gathered(flags: &Lanes) -> u32 {
    (0..LANES).fold(0, |mask, lane| mask | flags[lane] << lane)
}

/// A function of source 0.
#[inline(always)]
pub(super) fn one<A: Lane, R: Lane>(i: &Inputs<'_>, o: &mut Outputs, f: impl Fn(A) -> R) {
    each(o, |lane| f(source(i, 0, lane)));
}

/// A function of sources 0 and 1.
#[inline(always)]
pub(super) fn two<A: Lane, B: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(A, B) -> R,
) {
    each(o, |lane| f(source(i, 0, lane), source(i, 1, lane)));
}

/// A function of sources 0, 1 and 2.
#[inline(always)]
pub(super) fn three<A: Lane, B: Lane, C: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(A, B, C) -> R,
) {
    each(o, |lane| {
        f(source(i, 0, lane), source(i, 1, lane), source(i, 2, lane))
    });
}

/// As [`one`], with the operands at hand for MODE.
#[inline(always)]
pub(super) fn one_in<A: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(&Inputs<'_>, A) -> R,
) {
    one(i, o, |a| f(i, a));
}

/// As [`two`], with the operands at hand for MODE and clamp.
#[inline(always)]
pub(super) fn two_in<A: Lane, B: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(&Inputs<'_>, A, B) -> R,
) {
    two(i, o, |a, b| f(i, a, b));
}

/// As [`three`], with the operands at hand for MODE, clamp and signedness.
#[inline(always)]
pub(super) fn three_in<A: Lane, B: Lane, C: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(&Inputs<'_>, A, B, C) -> R,
) {
    three(i, o, |a, b, c| f(i, a, b, c));
}

/// A function of the lane's number and sources 0 and 1.
#[inline(always)]
pub(super) fn two_at<A: Lane, B: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(usize, A, B) -> R,
) {
    each(o, |lane| f(lane, source(i, 0, lane), source(i, 1, lane)));
}

/// A function of sources 0 and 1 and the lane's bit of the mask.
#[inline(always)]
pub(super) fn two_if<A: Lane, B: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(bool, A, B) -> R,
) {
    two_at(i, o, |lane, a, b| f(i.mask >> lane & 1 == 1, a, b));
}

/// A function of MODE, the lane's bit of the mask and three sources.
#[inline(always)]
pub(super) fn three_if<A: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(&Inputs<'_>, bool, [A; 3]) -> R,
) {
    each(o, |lane| {
        let sources = [source(i, 0, lane), source(i, 1, lane), source(i, 2, lane)];
        f(i, i.mask >> lane & 1 == 1, sources)
    });
}

/// Sources 0 and 1, wrapping around or, with clamp, saturated.
#[inline(always)]
pub(super) fn either<A: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    wrapping: impl Fn(A, A) -> R,
    saturating: impl Fn(A, A) -> R,
) {
    if i.clamp {
        two(i, o, saturating);
    } else {
        two(i, o, wrapping);
    }
}

/// A condition on sources 0 and 1: a bit of the mask.
#[inline(always)]
pub(super) fn compare<A: Lane, B: Lane>(i: &Inputs<'_>, o: &mut Outputs, f: impl Fn(A, B) -> bool) {
    let mut flags = [0; LANES];
    for (lane, flag) in flags.iter_mut().enumerate() {
        *flag = u32::from(f(source(i, 0, lane), source(i, 1, lane)));
    }
    o.mask = gathered(&flags);
}

/// The opposite of a condition, which for NaN is not the opposite comparison.
#[inline(always)]
pub(super) fn compare_not<A: Lane, B: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(A, B) -> bool,
) {
    compare(i, o, f);
    o.mask = !o.mask;
}

/// A result and a bit of the mask, from sources 0 and 1, the lane's bit of the mask read and the clamp.
#[inline(always)]
pub(super) fn carry(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(u32, u32, bool) -> (u32, bool),
    clamped: u32,
) {
    let (mut low, mut mask) = ([0; LANES], 0);
    for (lane, result) in low.iter_mut().enumerate() {
        let (a, b) = (source(i, 0, lane), source(i, 1, lane));
        let (sum, out) = f(a, b, i.mask >> lane & 1 == 1);
        *result = if out && i.clamp { clamped } else { sum };
        mask |= u32::from(out) << lane;
    }
    (o.low, o.mask) = (low, mask);
}

/// A result and a bit of the mask, from MODE or clamp and three sources.
#[inline(always)]
pub(super) fn flagged<A: Lane, B: Lane, C: Lane, R: Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    f: impl Fn(&Inputs<'_>, A, B, C) -> (R, bool),
) {
    each_flagged(o, |lane| {
        f(
            i,
            source(i, 0, lane),
            source(i, 1, lane),
            source(i, 2, lane),
        )
    });
}

/// Makes `vector(op)` of lines `OP | OP => lift(arguments);`.
macro_rules! table {
    ($($($op:ident)|+ => $lift:ident $(::<$parameter:literal>)? ($($argument:tt)*);)*) => {
        /// The function of an instruction of this family.
        pub(super) fn vector(op: Op) -> Option<Vector> {
            Some(match op {
                $($(Op::$op)|+ => {
                    fn lanes(i: &Inputs<'_>, o: &mut Outputs) {
                        $lift $(::<$parameter>)? (i, o, $($argument)*);
                    }
                    lanes
                })*
                _ => return None,
            })
        }
    };
}

/// As [`table`], `hot(op, avx2)`, for instructions that kernels spend their time on.
macro_rules! hot {
    ($($($op:ident)|+ => $lift:ident $(::<$parameter:literal>)? ($($argument:tt)*);)*) => {
        /// The function of a common instruction of this family; `avx2` says what the CPU has.
        pub(super) fn hot(op: Op, avx2: bool) -> Option<Vector> {
            Some(match op {
                $($(Op::$op)|+ => {
                    #[cfg(target_arch = "x86_64")]
                    if avx2 {
                        #[target_feature(enable = "avx2,fma,f16c")]
                        fn lanes(i: &Inputs<'_>, o: &mut Outputs) {
                            $lift $(::<$parameter>)? (i, o, $($argument)*);
                        }
                        return Some(lanes);
                    }
                    fn lanes(i: &Inputs<'_>, o: &mut Outputs) {
                        $lift $(::<$parameter>)? (i, o, $($argument)*);
                    }
                    lanes
                })*
                _ => return None,
            })
        }
    };
}

pub(super) use {hot, table};

/// Whether this CPU has what the fast functions of a `hot` table are compiled for.
pub(crate) fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        has!("avx2") && has!("fma") && has!("f16c")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}
