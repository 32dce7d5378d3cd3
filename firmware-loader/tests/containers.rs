//! Containers of every kind and version: what is read from good ones, and what is said of bad ones.

#[allow(dead_code, reason = "each file of tests uses a part")]
#[path = "support/synthetic.rs"]
mod synthetic;

use std::collections::BTreeMap;

use firmware_loader::{Error, File, Firmware, NAVI31, PART_MAX, PHOENIX, SETS, Set};
use synthetic::{container, files, put, versions};

type Files = BTreeMap<&'static str, Vec<u8>>;

fn load<'a>(files: &'a Files, set: &Set) -> Result<Firmware<'a>, Error> {
    Firmware::new(|name| files.get(name).map(Vec::as_slice), set)
}

fn name(set: &Set, file: File) -> &'static str {
    set.files[file as usize].expect("the set has it")
}

#[test]
fn psp_gets_what_linux_gives_it() {
    let files = files(&NAVI31);
    let firmware = load(&files, &NAVI31).expect("good");
    let boot = firmware.bootloader();
    let boot: Vec<_> = boot.map(|part| (part.name, part.command)).collect();
    // Linux amdgpu_psp.c, psp_hw_start; psp_gfx_if.h, enum psp_bootloader_cmd.
    let expected = [
        ("KDB", 0x8_0000),
        ("SPL", 0x1000_0000),
        ("SYS_DRV", 0x1_0000),
        ("SOC_DRV", 0xb_0000),
        ("INTF_DRV", 0xd_0000),
        ("DBG_DRV", 0xc_0000),
        ("RAS_DRV", 0xe_0000),
        ("IPKEYMGR_DRV", 0xf_0000),
        ("SOS", 0x2_0000),
    ];
    assert_eq!(boot, expected);
    let images: Vec<_> = firmware
        .bootloader()
        .map(|part| part.image.as_ptr())
        .collect();
    assert_eq!(images[0], images[1], "the key database comes twice");

    assert_eq!(firmware.toc()[0x58..0x5a], [0x0e, 0x20]);
    assert_eq!(firmware.smu().map(|load| load.kind), Some(18));
    let loads: Vec<u32> = firmware.loads().map(|load| load.kind).collect();
    // Linux amdgpu_ucode.h, enum AMDGPU_UCODE_ID. Number 22 has no bytes.
    let expected = [
        71, 72, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 33, 34, 81, 82, 68, 69, 20, 21, 26, 48,
        25, 7, 8,
    ];
    assert_eq!(loads, expected);
    for engine in [File::Pfp, File::Me, File::Mec] {
        assert_eq!(firmware.start_address(engine), Some(0x7_0000_3000));
    }
    assert_eq!(firmware.start_address(File::Rlc), None);
    assert_eq!(firmware.versions().count(), 11);
    assert!(
        firmware
            .parts()
            .all(|part| part.file.starts_with("psp_13_0_0_ta")
                || part.version() == Some(0x0102_0304))
    );
}

#[test]
fn every_version_is_read_and_none_is_taken_for_another_kind() {
    for set in SETS {
        let good = files(set);
        load(&good, set).expect(set.name);
        for (file, name) in File::ALL.into_iter().zip(set.files) {
            let Some(name) = name else { continue };
            for version in versions(file) {
                let mut files = good.clone();
                files.insert(name, container(file, *version));
                let firmware = load(&files, set).expect(name);
                let found = firmware.versions().find(|(found, _)| *found == name);
                assert_eq!(found, Some((name, 0x0077_0000 | u32::from(version.1))));
                let file = files.get_mut(name).expect("just put there");
                put(file, 8, 3);
                let error = load(&files, set).expect_err(name).to_string();
                assert!(
                    error.starts_with(name) && error.contains("version 3.0"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn engines_of_the_older_kind_come_with_their_jump_table() {
    let mut files = files(&PHOENIX);
    for file in [File::Pfp, File::Me, File::Mec] {
        files.insert(name(&PHOENIX, file), container(file, (1, 0)));
    }
    let firmware = load(&files, &PHOENIX).expect("good");
    assert_eq!(firmware.bootloader().count(), 0);
    assert_eq!(firmware.smu(), None);
    assert_eq!(firmware.start_address(File::Mec), None);
    let loads: Vec<u32> = firmware.loads().map(|load| load.kind).take(6).collect();
    assert_eq!(loads, [71, 72, 2, 1, 4, 5]);
}

#[test]
fn versions_of_the_run_list_controller_differ_in_their_parts() {
    let mut files = files(&NAVI31);
    for (minor, expected) in [
        (0, &[8][..]),
        (1, &[20, 21, 8]),
        (2, &[20, 21, 26, 48, 8]),
        (3, &[20, 21, 26, 48, 25, 7, 8]),
        (4, &[27, 28, 66, 20, 21, 26, 48, 8]),
        (5, &[20, 21, 26, 48, 98, 99, 8]),
    ] {
        files.insert(name(&NAVI31, File::Rlc), container(File::Rlc, (2, minor)));
        let firmware = load(&files, &NAVI31).expect("good");
        let kinds = firmware.loads().map(|load| load.kind);
        let kinds: Vec<u32> = kinds.skip_while(|kind| *kind != 69).skip(1).collect();
        assert_eq!(kinds, expected, "2.{minor}");
    }
}

/// A file, where it is changed and to what, and words of the message.
const DAMAGE: &[(File, usize, u32, &str)] = &[
    (File::Sos, 0, 9, "header: byte 0x0: the file's size is"),
    (
        File::Sos,
        4,
        20,
        "header: byte 0x4: the header's size is 0x14, expected 0x24 to 0x100",
    ),
    (
        File::Sos,
        24,
        8,
        "header: byte 0x18: where content begins is 0x8",
    ),
    (
        File::Sos,
        24,
        u32::MAX,
        "header: byte 0x18: where content begins is 0xffffffff",
    ),
    (
        File::Sos,
        32,
        65,
        "KDB: byte 0x20: the length of the list is 0x41, expected 0x0 to 0x40",
    ),
    (
        File::Sos,
        36,
        99,
        "SOS: byte 0x24: the list that begins here lacks it",
    ),
    (File::Sos, 44, u32::MAX, "SOS: byte 0x30: it lies from"),
    (File::Sos, 48, 0, "SOS: byte 0x30: its size is 0"),
    (
        File::Sos,
        48,
        PART_MAX + 1,
        "SOS: byte 0x30: its size is 0x100001, expected 0x0 to 0x100000",
    ),
    (File::Smu, 20, 0, "SMU: byte 0x14: its size is 0"),
    (
        File::Smu,
        20,
        0x1000,
        "SMU: byte 0x14: it lies from 0x100 to 0x1100, expected within 0x100 to 0x340",
    ),
    (
        File::Smu,
        0x110,
        0,
        "SMU: byte 0x110: the image's magic number is 0x0, expected 0x31535024",
    ),
    (
        File::Smu,
        0x114,
        0,
        "SMU: byte 0x114: the image's signed size is 0x0, expected 0x40",
    ),
    (
        File::Smu,
        0x130,
        0,
        "SMU: byte 0x130: the image's constant is 0x0, expected 0x1",
    ),
    (
        File::Smu,
        0x158,
        0x8101_1002,
        "SMU: byte 0x158: the image's type is 0x1002, expected 0x1001",
    ),
    (
        File::Smu,
        0x16c,
        0x220,
        "SMU: byte 0x16c: the image's size is 0x220, expected 0x240",
    ),
    (
        File::Mec,
        48,
        0x80,
        "RS64_MEC_P0_STACK: byte 0x2c: it lies from 0x80 to",
    ),
    (
        File::Mec,
        0x3ac,
        0x500,
        "RS64_MEC_P0_STACK: byte 0x3ac: the image's size is 0x500, expected 0x200 to 0x400",
    ),
    (
        File::Imu,
        32,
        0xffff_fff0,
        "IMU_I: byte 0x20: its size is 0xfffffff0",
    ),
    (File::Rlc, 196, 0x10_0000, "RLC_V: byte 0xc4: it lies from"),
];

#[test]
fn damage_is_named_with_file_part_byte_and_what_was_expected() {
    let good = files(&NAVI31);
    for (file, at, value, words) in DAMAGE {
        let name = name(&NAVI31, *file);
        let mut files = good.clone();
        put(files.get_mut(name).expect("there"), *at, *value);
        let error = load(&files, &NAVI31).expect_err(words).to_string();
        assert!(
            error.starts_with(name) && error.contains(words),
            "{error}\nexpected: {words}"
        );
    }
}

#[test]
fn a_file_that_is_missing_is_named_if_the_card_needs_it() {
    let good = files(&NAVI31);
    for (file, name) in File::ALL.into_iter().zip(NAVI31.files) {
        let Some(name) = name else { continue };
        let mut files = good.clone();
        files.remove(name);
        match load(&files, &NAVI31) {
            Ok(_) => assert!(file.is_optional(), "{name}"),
            Err(error) => {
                assert!(!file.is_optional());
                assert_eq!(error.to_string(), format!("{name}: the file is missing"));
            }
        }
    }
}

#[test]
fn a_jump_table_larger_than_all_is_refused() {
    let mut files = files(&PHOENIX);
    let mut file = container(File::Mec, (1, 0));
    put(&mut file, 40, u32::MAX);
    files.insert(name(&PHOENIX, File::Mec), file);
    let error = load(&files, &PHOENIX).expect_err("refused").to_string();
    assert!(
        error.contains("CP_MEC: byte 0x28: the size of the jump table is 0xffffffff"),
        "{error}"
    );
}

#[test]
fn a_file_that_was_cut_off_is_refused_at_every_length() {
    for set in [&NAVI31, &PHOENIX] {
        let mut files = files(set);
        for name in set.files.into_iter().flatten() {
            let whole = files[name].clone();
            for length in 0..whole.len() {
                files.insert(name, whole[..length].to_vec());
                let error = load(&files, set).expect_err("refused");
                assert_eq!(error.file, name);
                // With a header that knows of the cut, a part is missing its end.
                let file = files.get_mut(name).expect("there");
                if length >= 32 {
                    put(file, 0, length as u32);
                    let error = load(&files, set).expect_err("refused");
                    assert!(
                        error.file == name && error.offset <= length.max(0x28),
                        "{error}"
                    );
                }
            }
            files.insert(name, whole);
        }
    }
}

/// Mutations of every kind of file: the answer is an error that names it, or parts that lie inside.
#[test]
fn mutations_never_lead_outside() {
    const SEED: u64 = 0x0b5e_55ed_1e77_e500;
    let mut state = SEED;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    let edges = [
        0,
        1,
        3,
        0x24,
        0xff,
        0x100,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ];
    let mut accepted = 0;
    for round in 0..60_000 {
        let set = SETS[next(SETS.len())];
        let present = File::ALL.into_iter().zip(set.files);
        let present: Vec<_> = present
            .filter_map(|(file, name)| Some((file, name?)))
            .collect();
        let (file, name) = present[next(present.len())];
        let version = versions(file)[next(versions(file).len())];
        let mut bytes = container(file, version);
        for _ in 0..=next(3) {
            // Mostly in headers, of file or image.
            let at = match next(4) {
                0 => next(bytes.len() - 4),
                1 => 0x100 + next(0x80),
                _ => next(0x100),
            };
            let value = match next(3) {
                0 => edges[next(edges.len())],
                1 => next(bytes.len() + 8) as u32,
                _ => next(usize::MAX) as u32,
            };
            put(&mut bytes, at, value);
        }
        let mut files = files(set);
        files.insert(name, bytes);
        let result = load(&files, set);
        if let Err(error) = result {
            assert_eq!(error.file, name, "round {round}");
        }
        if let Ok(firmware) = result {
            accepted += 1;
            for part in firmware.parts() {
                let file = &files[part.file];
                let end = part.offset + part.image.len();
                assert_eq!(part.image, &file[part.offset..end], "round {round}");
                assert!(part.image.len() <= PART_MAX as usize, "round {round}");
            }
        }
    }
    println!("seed {SEED:#x}: {accepted} of 60000 accepted");
    assert!(accepted > 1000, "the mutations reach nothing");
}
