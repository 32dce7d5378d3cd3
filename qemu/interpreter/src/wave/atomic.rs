//! What read-modify-write operations store.

use crate::program::Atomic;

/// The new value at an address of `bytes` (4 or 8) bytes. `data` is the operand; `compare` the comparand, or the second
/// operand.
pub(crate) fn apply(atomic: Atomic, bytes: u8, old: u64, data: u64, compare: u64) -> u64 {
    let wide = bytes == 8;
    let trim = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let signed = |value: u64| {
        if wide {
            value as i64
        } else {
            i64::from(value as u32 as i32)
        }
    };
    let pick = |condition: bool| if condition { data } else { old };
    trim(match atomic {
        Atomic::Swap => data,
        Atomic::CompareSwap => pick(old == compare),
        Atomic::CompareSwapFloat => pick(float(old, wide) == float(compare, wide)),
        Atomic::Add => old.wrapping_add(data),
        Atomic::Sub => old.wrapping_sub(data),
        Atomic::ReverseSub => data.wrapping_sub(old),
        Atomic::ClampSub => old.saturating_sub(data),
        Atomic::MinSigned => pick(signed(data) < signed(old)),
        Atomic::MinUnsigned => data.min(old),
        Atomic::MaxSigned => pick(signed(data) > signed(old)),
        Atomic::MaxUnsigned => data.max(old),
        Atomic::And => old & data,
        Atomic::Or => old | data,
        Atomic::Xor => old ^ data,
        Atomic::MaskOr => old & !data | compare,
        Atomic::Increment if old >= data => 0,
        Atomic::Increment => old + 1,
        Atomic::Decrement if old == 0 || old > data => data,
        Atomic::Decrement => old - 1,
        Atomic::AddFloat => {
            let sum = f32::from_bits(old as u32) + f32::from_bits(data as u32);
            u64::from(sum.to_bits())
        }
        // A NaN loses against a number, as with v_min and v_max.
        Atomic::MinFloat => pick(float(data, wide) < float(old, wide) || float(old, wide).is_nan()),
        Atomic::MaxFloat => pick(float(data, wide) > float(old, wide) || float(old, wide).is_nan()),
    })
}

fn float(bits: u64, wide: bool) -> f64 {
    if wide {
        f64::from_bits(bits)
    } else {
        f64::from(f32::from_bits(bits as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        let minus_one = 0xffff_ffff;
        let word = |atomic, old, data| apply(atomic, 4, old, data, 7);
        assert_eq!(word(Atomic::Add, minus_one, 2), 1);
        assert_eq!(word(Atomic::Sub, 1, 2), minus_one);
        assert_eq!(word(Atomic::ReverseSub, 1, 2), 1);
        assert_eq!(word(Atomic::ClampSub, 1, 2), 0);
        assert_eq!(word(Atomic::MinSigned, 1, minus_one), minus_one);
        assert_eq!(word(Atomic::MinUnsigned, 1, minus_one), 1);
        assert_eq!(word(Atomic::MaxSigned, 1, minus_one), 1);
        assert_eq!(word(Atomic::MaxUnsigned, 1, minus_one), minus_one);
        assert_eq!(word(Atomic::CompareSwap, 7, 5), 5);
        assert_eq!(word(Atomic::CompareSwap, 8, 5), 8);
        assert_eq!(word(Atomic::MaskOr, 0xff, 0x0f), 0xf7);
        assert_eq!(word(Atomic::Increment, 5, 5), 0);
        assert_eq!(word(Atomic::Increment, 4, 5), 5);
        assert_eq!(word(Atomic::Decrement, 0, 5), 5);
        assert_eq!(word(Atomic::Decrement, 6, 5), 5);
        assert_eq!(word(Atomic::Decrement, 5, 5), 4);
        assert_eq!(apply(Atomic::Add, 8, minus_one, 2, 0), 0x1_0000_0001);
    }

    #[test]
    fn floats() {
        let bits = |value: f32| u64::from(value.to_bits());
        assert_eq!(
            apply(Atomic::AddFloat, 4, bits(1.5), bits(2.0), 0),
            bits(3.5)
        );
        assert_eq!(
            apply(Atomic::MinFloat, 4, bits(1.5), bits(-2.0), 0),
            bits(-2.0)
        );
        assert_eq!(
            apply(Atomic::MaxFloat, 4, bits(f32::NAN), bits(2.0), 0),
            bits(2.0)
        );
        assert_eq!(
            apply(
                Atomic::CompareSwapFloat,
                4,
                bits(-0.0),
                bits(2.0),
                bits(0.0)
            ),
            bits(2.0)
        );
    }
}
