//! The archive of the firmware partition, and the sums of what is in it.

#[allow(dead_code, reason = "each file of tests uses a part")]
#[path = "support/synthetic.rs"]
mod synthetic;

use firmware_loader::archive::{
    Archive, ArchiveError, ENTRY_BYTES, Entry, HEADER_BYTES, Header, entry,
};
use firmware_loader::sums::{self, Sum, Trust};
use firmware_loader::{Fault, NAVI31};
use synthetic::archive;

const FILES: [Entry<'_>; 3] = [
    Entry {
        name: "gc_11_0_0_mec.bin",
        bytes: b"some bytes",
    },
    Entry {
        name: "empty",
        bytes: b"",
    },
    Entry {
        name: "psp_13_0_0_sos.bin",
        bytes: &[7; 1000],
    },
];

#[test]
fn what_was_written_is_read() {
    let bytes = archive(&FILES);
    let header = Header::new(&bytes[..HEADER_BYTES]).expect("good");
    assert_eq!((header.files, header.bytes), (3, bytes.len()));
    let padded = [&bytes[..], &[0; 300]].concat();
    for bytes in [&bytes, &padded] {
        let archive = Archive::new(bytes).expect("good");
        assert!(archive.entries().eq(FILES));
        assert_eq!(archive.get("gc_11_0_0_mec.bin"), Some(&b"some bytes"[..]));
        assert_eq!(archive.get("gc_11_0_0_me.bin"), None);
    }
}

#[test]
fn names_that_do_not_fit_are_not_written() {
    let long = "x".repeat(48);
    for name in ["", &long, "a b", "caf\u{e9}", "a\0b"] {
        assert!(entry(Entry { name, bytes: b"" }, 0).is_none(), "{name}");
    }
    assert!(
        entry(
            Entry {
                name: &long[1..],
                bytes: b""
            },
            0
        )
        .is_some()
    );
}

#[test]
fn what_is_wrong_is_named() {
    let good = archive(&FILES);
    let table = HEADER_BYTES + 3 * ENTRY_BYTES;
    let second = HEADER_BYTES + ENTRY_BYTES;
    let changed: &[(usize, &[u8], &str)] = &[
        (0, b"GGUF", "it begins with `GGUFRNFW`, expected `INFERNFW`"),
        (8, &[2], "the version is 2, expected 1 to 1"),
        (12, &[0], "the number of files is 0, expected 1 to 64"),
        (12, &[65], "the number of files is 65"),
        (16, &[0; 8], "the size is 0, expected 320 to 16777216"),
        (19, &[2], "the size is"),
        (24, &[1], "what should be zero is 1"),
        (second, &[0], "the name of entry 1 is not 1 to 47"),
        (
            second,
            b"gc_11_0_0_mec.bin",
            "entry 1 has the name of one before it",
        ),
        (
            second + 48,
            &[0xff; 8],
            "the file of entry 1 has 0 bytes at 18446744073709551615, expected it to begin at 330",
        ),
        (
            second + 56,
            &[0xff; 8],
            "the file of entry 1 has 18446744073709551615 bytes at 330",
        ),
        (table, b"S", "the file of entry 0 has the SHA-256 "),
        (
            16,
            &(good.len() as u64 - 1).to_le_bytes(),
            "the file of entry 2 has 1000 bytes",
        ),
    ];
    for (at, change, words) in changed {
        let mut bytes = good.clone();
        bytes[*at..*at + change.len()].copy_from_slice(change);
        let error = Archive::new(&bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{error}\nexpected: {words}");
    }
    let longer = [&good[..], &[0]].concat();
    let mut bytes = longer.clone();
    bytes[16..24].copy_from_slice(&(longer.len() as u64).to_le_bytes());
    assert!(matches!(
        Archive::new(&bytes),
        Err(ArchiveError::Rest { .. })
    ));
    for length in 0..good.len() {
        let result = Archive::new(&good[..length]);
        assert!(matches!(result, Err(ArchiveError::Ends { .. })), "{length}");
    }
}

#[test]
fn every_flipped_bit_is_noticed_but_in_names() {
    let good = archive(&FILES);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let Ok(archive) = Archive::new(&bytes) else {
                continue;
            };
            let in_table = (at - HEADER_BYTES) % ENTRY_BYTES;
            assert!(in_table < 48, "byte {at} bit {bit}");
            let names: Vec<_> = archive.entries().map(|entry| entry.name).collect();
            assert_ne!(names, FILES.map(|entry| entry.name), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn sums_are_those_of_the_standard() {
    // FIPS 180-4's example of one block.
    let sum = Sum::of(b"abc").to_string();
    assert_eq!(
        sum,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_file_that_nobody_published_is_refused_unless_any_is_trusted() {
    let get = |name: &str| (name == "smu_13_0_0.bin").then_some(&b"mine"[..]);
    let mut logged = Vec::new();
    let mut verify = |trust| {
        sums::verify(get, &NAVI31, trust, |name, verdict| {
            logged.push((name, verdict.sum, verdict.set))
        })
    };
    let error = verify(Trust::Known).expect_err("refused");
    assert_eq!(
        (error.file, error.fault),
        ("smu_13_0_0.bin", Fault::Unknown(Sum::of(b"mine")))
    );
    let text = error.to_string();
    assert!(text.contains(&Sum::of(b"mine").to_string()), "{text}");
    verify(Trust::Any).expect("accepted");
    assert_eq!(logged, [("smu_13_0_0.bin", Sum::of(b"mine"), None); 2]);
}
