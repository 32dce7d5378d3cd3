//! Finds the `\_S5_` package in a definition block without interpreting AML.
//!
//! The package is a named constant in practice: NameOp, the name, PackageOp, a length, a count, then integers. Only this form
//! is accepted; the same four letters elsewhere (in a string or as a reference) do not match it.

/// What to write into the sleep type fields of PM1a_CNT and PM1b_CNT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleepType {
    /// For PM1a_CNT.
    pub first: u8,
    /// For PM1b_CNT.
    pub second: u8,
}

const NAME_OP: u8 = 0x08;
const ROOT: u8 = b'\\';
const PACKAGE_OP: u8 = 0x12;

/// The sleep type for S5 in the AML of `table`.
pub fn s5(table: &[u8]) -> Option<SleepType> {
    (0..table.len()).find_map(|at| {
        let named = table[at..].strip_prefix(&[NAME_OP])?;
        let named = named.strip_prefix(&[ROOT]).unwrap_or(named);
        package(named.strip_prefix(b"_S5_")?)
    })
}

fn package(aml: &[u8]) -> Option<SleepType> {
    let body = aml.strip_prefix(&[PACKAGE_OP])?;
    // The two high bits of the length's first byte count the bytes that follow it.
    let body = body.get(1 + usize::from(body.first()? >> 6)..)?;
    let (&count, elements) = body.split_first()?;
    let (first, rest) = integer(elements)?;
    let second = if count > 1 { integer(rest)?.0 } else { first };
    // The fields that these go to have three bits.
    (first < 8 && second < 8).then_some(SleepType { first, second })
}

/// A small integer and what follows it.
fn integer(aml: &[u8]) -> Option<(u8, &[u8])> {
    let (&op, rest) = aml.split_first()?;
    let width = match op {
        0x00 | 0x01 => return Some((op, rest)),
        0x0a => 1,
        0x0b => 2,
        0x0c => 4,
        0x0e => 8,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(width)?;
    value[1..]
        .iter()
        .all(|&byte| byte == 0)
        .then_some((value[0], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(aml: &[u8], expected: Option<(u8, u8)>) {
        let padded = [b"junk\x08_S4_\x12", aml, b"more"].concat();
        let found = s5(&padded).map(|found| (found.first, found.second));
        assert_eq!(found, expected, "{}", aml.escape_ascii());
    }

    #[test]
    fn the_forms_that_firmware_uses() {
        check(b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00", Some((0, 0))); // QEMU q35
        check(
            b"\x08_S5_\x12\x0a\x04\x0a\x05\x0a\x05\x00\x00",
            Some((5, 5)),
        );
        check(
            b"\x08\\_S5_\x12\x0a\x04\x0a\x07\x0a\x06\x00\x00",
            Some((7, 6)),
        );
        check(
            b"\x08_S5_\x12\x40\x01\x02\x0b\x05\x00\x0c\x01\x00\x00\x00",
            Some((5, 1)),
        );
        check(b"\x08_S5_\x12\x04\x01\x0a\x03", Some((3, 3)));
        check(
            b"\x08_S5_\x12\x05\x02\x01\x0e\x02\0\0\0\0\0\0\0",
            Some((1, 2)),
        );
    }

    #[test]
    fn anything_else_is_no_match() {
        check(b"_S5_\x12\x06\x04\x00\x00", None); // no NameOp
        check(b"\x08_S5_\x11\x06\x04\x00\x00", None); // not a package
        check(b"\x08_S5_\x12\x06\x04\x0a\x08\x00", None); // more than three bits
        check(b"\x08_S5_\x12\x06\x04\x0b\x05\x01\x00", None);
        check(b"\x08_S5_\x12\x06\x04\x68\x00", None); // an argument, not an integer
        check(b"\x08_S5_\x12\x06\x04\x5c_S5_", None);
        for cut in 0..8 {
            check(&b"\x08_S5_\x12\xc6\x04"[..cut], None);
        }
    }

    #[test]
    fn a_false_start_does_not_hide_the_real_one() {
        check(
            b"\x08_S5_\x11\x08_S5_\x12\x0a\x04\x0a\x05\x0a\x05",
            Some((5, 5)),
        );
    }
}
