//! A card is found and identified on the model, through a large aperture and a small one, and damaged tables are refused.

use amdgpu::asic::{self, Support};
use amdgpu::discovery::{self, Discovery, FixedBases, Version};
use amdgpu::{Bar, Bus, Device, Error};
use amdgpu_host::InProcess;
use amdgpu_registers::{Bases, Ip, nbif};
use gpu_model::{Level, NAVI31};

const VRAM: u64 = 24_560 << 20;

fn found(resize: bool) -> Discovery {
    let mut bus = InProcess::new(Level::Strict).expect("address space");
    let card = bus.card();
    if resize {
        bus.resize_vram_aperture(VRAM);
    }
    let mut device = Device::new(Box::new(bus), Box::new(FixedBases));
    let vram = discovery::wait_for_flash(&mut device).expect("a posted card");
    assert_eq!(vram, VRAM);
    let visible = device.bus().aperture_bytes(Bar::Vram);
    let found = discovery::discover(&mut device, vram, visible).expect("a table");
    device.read(nbif::RCC_DEV0_EPF2_STRAP2).expect("a segment");
    assert_eq!(card.lock().expect("a card").stopped(), None);
    found
}

#[test]
fn the_table_is_the_same_through_both_apertures() {
    let table = found(false);
    assert_eq!(table, found(true));
    for (ip, version, bases) in NAVI31.blocks {
        let [major, minor, revision] = *version;
        assert_eq!(
            table.version(*ip as u16),
            Some(Version(major, minor, revision))
        );
        for (segment, base) in (0..).zip(*bases) {
            assert_eq!(table.base(*ip, segment), Some(*base));
        }
        assert_eq!(table.base(*ip, bases.len() as u8), None);
    }
    let shape = table.shape;
    assert_eq!((shape.engines, shape.arrays, shape.wgps), (6, 2, 4));
    assert_eq!((shape.waves, shape.scratch_slots, shape.lds), (16, 32, 64));
}

#[test]
fn a_card_is_known_by_its_blocks_and_others_need_force() {
    let table = found(false);
    let asic = asic::identify(&table, false).expect("Navi 31");
    assert_eq!((asic.name, asic.support), ("Navi 31", Support::Checked));
    assert_eq!(asic::by_device(0x744c), Some(asic));
    let with = |id: u16, version| {
        let mut table = table.clone();
        for block in table.blocks.iter_mut().filter(|block| block.id == id) {
            block.version = version;
        }
        table
    };
    let says = |table: &Discovery, force| match asic::identify(table, force) {
        Err(error) => error.to_string(),
        Ok(asic) => asic.name.to_owned(),
    };
    let other_sdma = says(&with(asic::SDMA0, Version(7, 0, 0)), true);
    assert!(other_sdma.contains("SDMA 7.0.0"), "{other_sdma}");
    let other_hub = says(&with(Ip::Mmhub as u16, Version(3, 3, 0)), true);
    assert!(other_hub.contains("Mmhub 3.3.0"), "{other_hub}");
    let apu = says(&with(Ip::Gc as u16, Version(11, 5, 1)), true);
    assert!(apu.contains("gfx1151"), "{apu}");
    let unknown = says(&with(Ip::Gc as u16, Version(12, 0, 0)), true);
    assert!(unknown.contains("GC 12.0.0"), "{unknown}");
    let mut navi32 = with(Ip::Gc as u16, Version(11, 0, 3));
    for block in &mut navi32.blocks {
        match block.id {
            1 | 255 => block.version = Version(13, 0, 10),
            asic::SDMA0 => block.version = Version(6, 0, 3),
            _ => {}
        }
    }
    assert!(says(&navi32, false).contains("force"));
    assert_eq!(says(&navi32, true), "Navi 32");
}

/// The table of the model as bytes.
fn binary() -> Vec<u8> {
    let mut bus = InProcess::new(Level::Strict).expect("address space");
    bus.resize_vram_aperture(VRAM);
    let mut bytes = vec![0; 0x1000];
    bus.vram_read(VRAM - (64 << 10), &mut bytes);
    bytes
}

#[test]
fn any_damaged_byte_is_noticed() {
    let good = binary();
    let table = Discovery::parse(&good).expect("a table");
    let size = usize::from(u16::from_le_bytes([good[10], good[11]]));
    for at in 0..size {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        // The header's version is not looked at; everything else counts in a sum.
        match Discovery::parse(&bytes) {
            Ok(other) => assert!((4..8).contains(&at) && other == table, "byte {at:#x}"),
            Err(Error::Different { .. } | Error::Unexpected { .. }) => {}
            Err(other) => panic!("byte {at:#x}: {other}"),
        }
    }
    for end in 0..size {
        assert!(Discovery::parse(&good[..end]).is_err(), "cut at {end:#x}");
    }
}
