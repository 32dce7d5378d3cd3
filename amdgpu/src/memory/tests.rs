//! Memory against a slow model: the tables that were written are walked whole, and compared with what was asked for.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::*;
use crate::BusAddr;
use crate::testing::{Random, Seen, device};

const ROOT: VramAddr = VramAddr(0x10_0000);
const TABLES: Range<VramAddr> = VramAddr(0x20_0000)..VramAddr(0x80_0000);
const VRAM_BYTES: usize = 0x80_0000;
const HEAP: Range<VramAddr> = VramAddr(0x800_0000)..VramAddr(24 << 30);
/// Everything of an entry but address and fragment, and whether it is a table's.
const FLAGS: u64 = 0xffbf_0000_0000_007f;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A page as the tables have it.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    va: u64,
    to: u64,
    bytes: u64,
    flags: u64,
    fragment: u64,
}

fn walk(seen: &Seen, table: u64, level: u32, va: u64, out: &mut Vec<Leaf>) {
    assert!(table == ROOT.0 || (TABLES.start.0..TABLES.end.0).contains(&table));
    for index in 0..512u64 {
        let at = (table + 8 * index) as usize;
        let entry = seen.vram[at..].first_chunk().expect("in video memory");
        let entry = u64::from_le_bytes(*entry);
        let (va, bytes) = (va + (index << (12 + 9 * level)), 1 << (12 + 9 * level));
        if entry & 1 == 0 {
            assert_eq!(entry, 0, "what is not valid is empty");
        } else if level == 0 || entry >> 54 & 1 == 1 {
            assert_eq!(level > 0, entry >> 54 & 1 == 1);
            out.push(Leaf {
                va,
                to: entry & ADDRESS,
                bytes,
                flags: entry & FLAGS,
                fragment: entry >> 7 & 0x1f,
            });
        } else {
            assert_eq!(entry & !ADDRESS, 1, "an entry of a table");
            walk(seen, entry & ADDRESS, level - 1, va, out);
        }
    }
}

/// Pages in one run each, as long as addresses go on and flags stay.
fn joined(pages: impl IntoIterator<Item = (u64, u64, u64, u64)>) -> Vec<(u64, u64, u64, u64)> {
    let mut out: Vec<(u64, u64, u64, u64)> = Vec::new();
    for (va, to, bytes, flags) in pages {
        match out.last_mut() {
            Some(last) if (last.0 + last.2, last.1 + last.2, last.3) == (va, to, flags) => {
                last.2 += bytes;
            }
            _ => out.push((va, to, bytes, flags)),
        }
    }
    out
}

/// What is mapped: runs by virtual address, as (to, bytes, flags).
type Model = BTreeMap<u64, Vec<(u64, u64, u64)>>;

fn compare(seen: &Seen, model: &Model) {
    let mut leaves = Vec::new();
    walk(seen, ROOT.0, 3, VA_START.0, &mut leaves);
    for leaf in &leaves {
        assert_eq!((leaf.va | leaf.to) % leaf.bytes, 0, "{leaf:x?}");
    }
    check_fragments(&leaves);
    let found = joined(
        leaves
            .iter()
            .map(|leaf| (leaf.va, leaf.to, leaf.bytes, leaf.flags)),
    );
    let mut expected = Vec::new();
    for (va, runs) in model {
        let mut va = *va;
        for (to, bytes, flags) in runs {
            expected.push((va, *to, *bytes, *flags));
            va += bytes;
        }
    }
    assert_eq!(found, joined(expected));
}

/// Wherever an entry has a fragment, all pages of it are there, contiguous, with the same flags and the same fragment.
fn check_fragments(leaves: &[Leaf]) {
    for (at, leaf) in leaves.iter().enumerate() {
        let bytes = 4096 << leaf.fragment;
        assert!(bytes >= leaf.bytes, "{leaf:x?}");
        let into = leaf.va % bytes;
        let first = at - (into / leaf.bytes) as usize;
        let last = first + (bytes / leaf.bytes) as usize - 1;
        for (neighbour, n) in [(first, into), (last, bytes - leaf.bytes)] {
            let other = leaves[neighbour];
            let offset = if neighbour == first { 0 } else { n };
            let wanted = (leaf.va - into + offset, leaf.to - into + offset);
            assert_eq!((other.va, other.to), wanted, "{leaf:x?}");
            assert_eq!((other.flags, other.fragment), (leaf.flags, leaf.fragment));
        }
        assert_eq!((leaf.to - into) % bytes, 0, "{leaf:x?}");
    }
}

const ACCESSES: [(Access, u64); 4] = [
    (Access::DATA, 0x61),
    (Access::CODE, 0x71),
    (Access::UNCACHED, 0x61 | 3 << 48),
    (
        Access {
            writeable: false,
            ..Access::DATA
        },
        0x21,
    ),
];
const HOST: u64 = 0x77 | 3 << 48;

#[test]
fn random_mappings_are_what_was_asked_for() {
    for seed in 1..12 {
        let mut random = Random(seed);
        let (mut device, seen) = device(VRAM_BYTES);
        let mut memory = Memory::new(&mut device, HEAP, TABLES, ROOT).expect("it fits");
        let all = memory.free_vram();
        let mut model = Model::new();
        let (mut buffers, mut hosts) = (Vec::new(), Vec::new());
        for step in 0..150 {
            match random.below(6) {
                0..2 => {
                    let bytes = 1 + random.of_any_size(32);
                    let align = 1 << random.below(24);
                    let (access, flags) = ACCESSES[random.below(4) as usize];
                    let buffer = memory.allocate_vram(&mut device, bytes, align, access);
                    let buffer = buffer.expect("there is room");
                    assert_eq!(buffer.vram().0 % align, 0);
                    let pages = bytes.next_multiple_of(4096);
                    model.insert(buffer.va().0, [(buffer.vram().0, pages, flags)].into());
                    buffers.push(buffer);
                }
                2..4 => {
                    let mut ranges = Vec::new();
                    for _ in 0..1 + random.below(20) {
                        let address = BusAddr(random.below(1 << 20) << random.below(24) & !0xfff);
                        let bytes = (1 + random.of_any_size(12)) * 4096;
                        ranges.push(HostRange { address, bytes });
                    }
                    let mapping = memory
                        .map_host(&mut device, &ranges)
                        .expect("there is room");
                    let runs = ranges.iter().map(|run| (run.address.0, run.bytes, HOST));
                    model.insert(mapping.va().0, runs.collect());
                    hosts.push(mapping);
                }
                4 if !buffers.is_empty() => {
                    let at = random.below(buffers.len() as u64) as usize;
                    let buffer = buffers.swap_remove(at);
                    model.remove(&buffer.va().0);
                    memory.free(&mut device, buffer).expect("it was mapped");
                }
                _ if !hosts.is_empty() => {
                    let at = random.below(hosts.len() as u64) as usize;
                    let mapping = hosts.swap_remove(at);
                    model.remove(&mapping.va().0);
                    memory.unmap(&mut device, mapping).expect("it was mapped");
                }
                _ => {}
            }
            if step % 10 == 0 {
                compare(&seen.lock().expect("no test panics with it"), &model);
            }
        }
        for buffer in buffers {
            memory.free(&mut device, buffer).expect("it was mapped");
        }
        for mapping in hosts {
            memory.unmap(&mut device, mapping).expect("it was mapped");
        }
        compare(&seen.lock().expect("no test panics with it"), &Model::new());
        assert_eq!(memory.free_vram(), all);
    }
}

#[test]
fn a_large_buffer_has_large_pages_and_few_writes() {
    let (mut device, seen) = device(VRAM_BYTES);
    let mut memory = Memory::new(&mut device, HEAP, TABLES, ROOT).expect("it fits");
    seen.lock().expect("seen").vram_writes.clear();
    let buffer = memory.allocate_vram(&mut device, 3 * GIB + 5 * MIB2 + 4096, 1, Access::DATA);
    let buffer = buffer.expect("there is room");
    let seen = seen.lock().expect("seen");
    let mut leaves = Vec::new();
    walk(&seen, ROOT.0, 3, VA_START.0, &mut leaves);
    let count = |bytes| leaves.iter().filter(|leaf| leaf.bytes == bytes).count();
    // It begins at 128 MiB: up to the next GiB, and after the last whole one, 2 MiB each.
    assert_eq!(count(GIB), 2);
    assert_eq!(count(MIB2), 512 + 5);
    assert_eq!(count(4096), 1);
    assert_eq!(buffer.va().0 % GIB, buffer.vram().0 % GIB);
    // Two tables of 2 MiB pages, one of 4 KiB pages, one of 1 GiB pages, the root.
    assert_eq!(seen.vram_writes.len(), 5, "{:x?}", seen.vram_writes);
}

#[test]
fn a_mapping_without_room_for_tables_leaves_nothing() {
    let (mut device, seen) = device(VRAM_BYTES);
    let tables = TABLES.start..TABLES.start.plus(3 * 4096);
    let mut memory = Memory::new(&mut device, HEAP, tables, ROOT).expect("it fits");
    let free = memory.free_vram();
    let ranges = [HostRange {
        address: BusAddr(0x1000),
        bytes: 8 << 20,
    }];
    let error = memory.map_host(&mut device, &ranges).expect_err("no room");
    assert_eq!(
        std::format!("{error}"),
        "no room for 4096 bytes: page tables"
    );
    compare(&seen.lock().expect("seen"), &Model::new());
    let buffer = memory.allocate_vram(&mut device, 4096, 1, Access::DATA);
    let buffer = buffer.expect("three tables are enough");
    memory.free(&mut device, buffer).expect("it was mapped");
    assert_eq!(memory.free_vram(), free);
}

#[test]
fn what_cannot_be_mapped_is_named() {
    let (mut device, _) = device(VRAM_BYTES);
    let beyond = TABLES.start..VramAddr(VRAM_BYTES as u64 + 1);
    assert!(Memory::new(&mut device, HEAP, beyond, ROOT).is_err());
    let mut memory = Memory::new(&mut device, HEAP, TABLES, ROOT).expect("it fits");
    for (address, bytes) in [
        (1 << 44, 4096),
        (0x1800, 4096),
        (0, 1),
        (u64::MAX - 4095, 8192),
    ] {
        let address = BusAddr(address);
        let error = memory.map_host(&mut device, &[HostRange { address, bytes }]);
        assert!(
            matches!(error, Err(Error::Unexpected { .. })),
            "{address:?}"
        );
    }
    for (bytes, align) in [(0, 1), (1, 3), (25 << 30, 1)] {
        let buffer = memory.allocate_vram(&mut device, bytes, align, Access::DATA);
        assert!(buffer.is_err(), "{bytes} {align}");
    }
}
