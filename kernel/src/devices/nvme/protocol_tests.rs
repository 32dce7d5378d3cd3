//! The tables of the specification read back, and pages and completions with bytes broken.

use super::*;

/// CAP as QEMU has it: 2048 entries, contiguous queues, 7.5 s, the NVM command set, pages of 4 to 64 KiB.
const QEMU_CAP: u64 = 0x7ff | 1 << 16 | 0xf << 24 | 1 << 37 | 4 << 52;

#[test]
fn capabilities() {
    let good = Capabilities::parse(QEMU_CAP, 16).expect("QEMU's");
    assert_eq!(good.entries, 64);
    assert_eq!(good.timeout, Duration::from_millis(7500));
    assert_eq!(good.stride, 4);
    let small = |mqes: u64| Capabilities::parse(QEMU_CAP & !0xffff | mqes, 16);
    assert_eq!(small(16).map(|it| it.entries), Ok(17));
    let refused = NvmeError::QueueEntries {
        entries: 16,
        needed: 17,
    };
    assert_eq!(small(15), Err(refused));
    let wide = Capabilities::parse(QEMU_CAP | 0xf << 32, 16).expect("wide");
    assert_eq!(wide.stride, 4 << 15);
    let at_once = Capabilities::parse(QEMU_CAP & !(0xff << 24), 16).expect("TO 0");
    assert_eq!(at_once.timeout, Duration::from_millis(500));
    for (register, error) in [
        (u64::MAX, NvmeError::Absent),
        (QEMU_CAP | 1 << 48, NvmeError::PageSize(8192)),
        (QEMU_CAP & !(1 << 37), NvmeError::CommandSet),
    ] {
        assert_eq!(Capabilities::parse(register, 16), Err(error));
    }
}

/// Each command against its table in the specification, dword by dword.
#[test]
fn commands() {
    let page = 0x12_3456_7000;
    let (low, high) = (0x3456_7000, 0x12);
    let dwords = |set: &[(usize, u32)]| {
        let mut dwords = [0; 16];
        set.iter().for_each(|&(at, value)| dwords[at] = value);
        dwords
    };
    for (command, set) in [
        (
            identify_controller(page),
            &[(0, 6), (6, low), (7, high), (10, 1)][..],
        ),
        (
            identify_namespace(page),
            &[(0, 6), (1, 1), (6, low), (7, high)],
        ),
        (set_one_queue(), &[(0, 9), (10, 7)]),
        (
            create_completion_queue(1, 64, page),
            &[(0, 5), (6, low), (7, high), (10, 63 << 16 | 1), (11, 1)],
        ),
        (
            create_submission_queue(1, 64, page),
            &[
                (0, 1),
                (6, low),
                (7, high),
                (10, 63 << 16 | 1),
                (11, 1 << 16 | 1),
            ],
        ),
        (
            read(0x9_8765_4321, 512, [page, 0x45_0000_8000]),
            &[
                (0, 2),
                (1, 1),
                (6, low),
                (7, high),
                (8, 0x8000),
                (9, 0x45),
                (10, 0x8765_4321),
                (11, 9),
                (12, 511),
            ],
        ),
    ] {
        assert_eq!(command, dwords(set));
    }
}

/// Walking the pointer as a controller does gives back exactly the bytes that were asked for.
#[test]
fn data_pointers_cover_the_buffer() {
    const LIST: u64 = 0x7000_0000;
    for offset in [0, 4, 512, 4092] {
        for bytes in [512, 4096, 4608, 8192, 8704, 12_288, 200_704, 262_144] {
            let start = 0x10_0000_3000 + offset;
            let mut list = Vec::new();
            let [first, second] = data_pointer(start, bytes, LIST, |index, entry| {
                assert_eq!(index, list.len());
                list.push(entry);
            });
            let rest = match second {
                0 => vec![],
                LIST => list.clone(),
                page => vec![page],
            };
            assert_eq!(second == LIST, !list.is_empty());
            assert!(list.len() != 1 && list.len() <= PAGE / 8);
            let mut left = bytes as u64;
            let mut expected = start;
            for entry in [first].into_iter().chain(rest) {
                assert_eq!(entry, expected, "{offset} {bytes}");
                assert!(left > 0 && (entry == start || entry.is_multiple_of(4096)));
                let here = left.min(4096 - entry % 4096);
                (left, expected) = (left - here, expected + here);
            }
            assert_eq!(left, 0, "{offset} {bytes}");
        }
    }
}

#[test]
fn completions() {
    // Head 5 of queue 1, command 0x123, phase tag 1, success.
    let good = [1 << 16 | 5, 1 << 16 | 0x123];
    assert!(Completion::is_new(good[1], true) && !Completion::is_new(good[1], false));
    let parsed = Completion::parse(good, 1, 64).expect("good");
    assert_eq!((parsed.id, parsed.status.check()), (0x123, Ok(())));
    assert_eq!(
        Completion::parse([2 << 16, 0], 1, 64),
        Err(NvmeError::WrongQueue { queue: 1, named: 2 })
    );
    assert_eq!(
        Completion::parse([1 << 16 | 64, 0], 1, 64),
        Err(NvmeError::HeadOutside {
            head: 64,
            entries: 64
        })
    );
    // Unrecovered read error with "do not retry" and "more", in either phase.
    for phase in [0, 1] {
        let bad = Completion::parse([1 << 16, 0xc502 << 16 | phase << 16], 1, 64).expect("known");
        let error = bad.status.check().expect_err("an error");
        assert_eq!(
            error.to_string(),
            "unrecovered read error (status type 2, code 0x81)"
        );
    }
    assert_eq!(
        Status(0x0ff).to_string(),
        "an error (status type 0, code 0xff)"
    );
}

/// Two positions that are advanced alike: what one side marks as new in a round the other sees as new once.
#[test]
fn positions_wrap_and_turn_the_phase() {
    for entries in [2, 17, 64] {
        let mut position = Position::start(entries);
        for step in 0..1000_u32 {
            let round = step / u32::from(entries);
            assert_eq!(u32::from(position.index), step % u32::from(entries));
            assert_eq!(position.phase, round.is_multiple_of(2));
            position.advance();
        }
    }
}

fn controller_page() -> [u8; PAGE] {
    let mut page = [0; PAGE];
    (page[77], page[111], page[512], page[513]) = (7, 1, 0x66, 0x44);
    page
}

fn namespace_page(blocks: u64, shift: u8) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[..8].copy_from_slice(&blocks.to_le_bytes());
    page[8..16].copy_from_slice(&blocks.to_le_bytes());
    (page[25], page[26]) = (1, 1);
    page[132 + 2] = shift;
    page
}

#[test]
fn controllers() {
    let with = |changes: &[(usize, u8)]| {
        let mut page = controller_page();
        changes.iter().for_each(|&(at, value)| page[at] = value);
        parse_controller(&page, 256 << 10)
    };
    for (mdts, bytes) in [
        (0, 262_144),
        (1, 8192),
        (5, 131_072),
        (7, 262_144),
        (255, 262_144),
    ] {
        assert_eq!(with(&[(77, mdts)]), Ok(bytes), "MDTS {mdts}");
    }
    assert_eq!(with(&[(111, 0)]), Ok(262_144));
    assert_eq!(with(&[(111, 2)]), Err(NvmeError::ControllerType(2)));
    for (submission, completion) in [
        (0x77, 0x44),
        (0x55, 0x44),
        (0x66, 0x33),
        (0, 0),
        (0x5a, 0x52),
    ] {
        let refused = NvmeError::EntrySizes {
            submission,
            completion,
        };
        assert_eq!(with(&[(512, submission), (513, completion)]), Err(refused));
    }
    assert_eq!(with(&[(512, 0xa5), (513, 0x52)]), Ok(262_144));
}

#[test]
fn namespaces() {
    for (blocks, shift) in [(1_000_000, 9), (125_000, 12), (u64::MAX, 12)] {
        let parsed = parse_namespace(&namespace_page(blocks, shift));
        assert_eq!(parsed, Ok(Namespace { blocks, shift }));
    }
    let with = |changes: &[(usize, u8)]| {
        let mut page = namespace_page(77, 9);
        changes.iter().for_each(|&(at, value)| page[at] = value);
        parse_namespace(&page)
    };
    assert_eq!(with(&[(0, 0)]), Err(NvmeError::NoNamespace));
    assert_eq!(with(&[(8, 0)]), Err(NvmeError::NoNamespace));
    let format = |index, formats| Err(NvmeError::Format { index, formats });
    assert_eq!(with(&[(26, 2)]), format(2, 2));
    assert_eq!(with(&[(25, 40), (26, 0x6f)]), format(63, 41));
    assert_eq!(
        with(&[(25, 40), (26, 0x21), (128 + 17 * 4 + 2, 12)]).map(|it| it.shift),
        Ok(12)
    );
    // With 16 formats or fewer the upper bits mean nothing.
    assert!(with(&[(26, 0x61)]).is_ok());
    assert_eq!(with(&[(132, 8)]), Err(NvmeError::Metadata(8)));
    assert_eq!(with(&[(134, 10)]), Err(NvmeError::BlockShift(10)));
}

/// Identify pages with random bytes in the places that are looked at: refused, or understood within bounds.
#[test]
fn mutated_pages_are_survived() {
    let seed = 0x5eed_1234_u64;
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut understood = 0;
    for round in 0..50_000 {
        let mut controller = controller_page();
        let mut namespace = namespace_page(1 << 20, 9);
        for _ in 0..1 + next() % 3 {
            controller[[77, 111, 512, 513][(next() % 4) as usize]] = next() as u8;
            let place = [next() % 16, 25, 26, 128 + next() % 256][(next() % 4) as usize];
            namespace[place as usize] = next() as u8;
        }
        if let Ok(bytes) = parse_controller(&controller, 256 << 10) {
            assert!(bytes.is_multiple_of(PAGE) && (PAGE..=256 << 10).contains(&bytes));
            understood += 1;
        }
        if let Ok(it) = parse_namespace(&namespace) {
            assert!(
                it.blocks > 0 && (it.shift == 9 || it.shift == 12),
                "seed {seed:#x} round {round}"
            );
            understood += 1;
        }
        let dwords = [next() as u32, next() as u32];
        if let Ok(it) = Completion::parse(dwords, 1, 64) {
            assert_eq!((it.id, dwords[0] >> 16), (dwords[1] as u16, 1));
        }
        if let Ok(it) = Capabilities::parse(next(), 16) {
            assert!((17..=64).contains(&it.entries) && it.stride <= 4 << 15);
        }
    }
    assert!(understood > 1000, "seed {seed:#x}: {understood}");
}
