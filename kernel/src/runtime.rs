//! The functions that compiled code calls by name and that an ordinary program gets from libc.

use core::arch::global_asm;

#[cfg(not(test))]
global_asm!(
    ".macro entry name\n.global \\name\n\\name:\n.endm\n",
    include_str!("runtime.s"),
    ".purgem entry"
);

#[cfg(test)]
global_asm!(
    ".macro entry name\n.global kernel_\\name\nkernel_\\name:\n.endm\n",
    include_str!("runtime.s"),
    ".purgem entry"
);

#[cfg(test)]
mod tests {
    unsafe extern "C" {
        fn kernel_memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8;
        fn kernel_memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8;
        fn kernel_memset(to: *mut u8, byte: i32, n: usize) -> *mut u8;
        fn kernel_memcmp(a: *const u8, b: *const u8, n: usize) -> i32;
    }

    fn pattern(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn copies_equal_the_slice_methods_for_every_length_and_overlap() {
        for n in 0..130 {
            for (from, to) in [
                (0, 0),
                (3, 0),
                (0, 3),
                (0, 16),
                (16, 0),
                (1, 40),
                (200, 5),
                (5, 200),
            ] {
                let mut ours = pattern(400);
                let mut theirs = ours.clone();
                theirs.copy_within(from..from + n, to);
                // SAFETY: both ranges lie inside `ours`, which is 400 bytes long; memmove allows them to overlap.
                unsafe { kernel_memmove(ours.as_mut_ptr().add(to), ours.as_ptr().add(from), n) };
                assert_eq!(ours, theirs, "memmove {n} bytes from {from} to {to}");
                if from.abs_diff(to) >= n {
                    let mut ours = pattern(400);
                    // SAFETY: as above, and the ranges do not overlap.
                    unsafe { kernel_memcpy(ours.as_mut_ptr().add(to), ours.as_ptr().add(from), n) };
                    assert_eq!(ours, theirs, "memcpy {n} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn memset_writes_exactly_its_range() {
        for n in 0..130 {
            let mut ours = pattern(200);
            let mut theirs = ours.clone();
            theirs[9..9 + n].fill(0xa5);
            // SAFETY: 9 + n is at most 138, inside the 200 bytes.
            unsafe { kernel_memset(ours.as_mut_ptr().add(9), 0x7fa5, n) };
            assert_eq!(ours, theirs, "memset of {n} bytes");
        }
    }

    #[test]
    fn memcmp_orders_by_the_first_difference() {
        for n in 0..40 {
            let a = pattern(n);
            // SAFETY: both are n bytes long.
            assert_eq!(unsafe { kernel_memcmp(a.as_ptr(), a.as_ptr(), n) }, 0);
            for at in 0..n {
                let mut b = a.clone();
                b[at] ^= 0x80;
                if let Some(last) = b.last_mut().filter(|_| at + 1 < n) {
                    *last = last.wrapping_add(1);
                }
                // SAFETY: both are n bytes long.
                let order = unsafe { kernel_memcmp(a.as_ptr(), b.as_ptr(), n) };
                assert_eq!(order.cmp(&0), a.cmp(&b), "{n} bytes, difference at {at}");
            }
        }
    }
}
