//! Copies: any size, from and to anywhere, through pages of all sizes.

use amdgpu::memory::Access;
use amdgpu::{BusAddr, Gpu, HostRange};

use crate::LIMIT;
use crate::rig::{Random, Rig};

#[test]
fn sdma_moves_bytes_of_any_size_from_and_to_anywhere() {
    const BYTES: u64 = 5 << 20;
    let mut rig = Rig::new();
    let (one, two) = (rig.host(BYTES), rig.host(BYTES));
    let vram = rig.vram(BYTES, Access::DATA);
    let mut random = Random(11);
    let data: Vec<u8> = (0..BYTES).map(|_| random.next() as u8).collect();
    rig.put(&one, 0, &data);
    let mut expected = vec![0; BYTES as usize];
    let Gpu { device, sdma, .. } = &mut rig.gpu;
    let sdma = &mut sdma[0];
    for round in 0..300 {
        let limit = if round % 50 == 0 { BYTES } else { 9000 };
        let bytes = 1 + random.below(limit);
        let from = random.below(BYTES - bytes + 1);
        let to = random.below(BYTES - bytes + 1);
        let middle = vram.va().plus(random.below(BYTES - bytes + 1));
        let there = sdma.copy(device, one.va().plus(from), middle, bytes);
        let back = sdma.copy(device, middle, two.va().plus(to), bytes);
        assert!(there.is_ok() && back.is_ok());
        let (from, to, bytes) = (from as usize, to as usize, bytes as usize);
        expected[to..to + bytes].copy_from_slice(&data[from..from + bytes]);
        if random.below(3) == 0 {
            let fence = sdma.submit(device).expect("there is room");
            sdma.wait(device, fence, LIMIT).expect("it is done");
        }
    }
    rig.copied(|_, _| {});
    let mut found = vec![0; BYTES as usize];
    two.read(rig.device(), 0, &mut found).expect("inside");
    assert!(found == expected);
    rig.ends_well();
}

/// Pages of 1 GiB, 2 MiB and 4 KiB, and the ends of each.
#[test]
fn a_large_buffer_is_reached_everywhere() {
    const GIB: u64 = 1 << 30;
    const BYTES: u64 = 3 * GIB + 12345;
    let mut rig = Rig::new();
    let buffer = rig.vram(BYTES, Access::DATA);
    let mut random = Random(17);
    let mut places = vec![0, BYTES - 64];
    let first = GIB - buffer.vram().0 % GIB;
    for edge in [
        first,
        first + GIB,
        first + 2 * GIB,
        first + 2 * GIB + (2 << 20),
    ] {
        places.push(edge - 32);
    }
    places.extend((0..40).map(|_| random.below(BYTES - 64) & !63));
    places.sort_unstable();
    places.dedup();
    for place in &places {
        let data = place.to_le_bytes().repeat(8);
        rig.upload(buffer.va().plus(*place), &data);
    }
    for place in &places {
        let found = rig.download(buffer.va().plus(*place), 32);
        assert_eq!(found, place.to_le_bytes().repeat(4), "at {place:#x}");
    }
    rig.free(buffer);
    rig.ends_well();
}

#[test]
fn scattered_host_memory_is_one_run_of_addresses() {
    const PAGES: u64 = 40;
    let mut rig = Rig::new();
    let buffers = [(); 2].map(|()| rig.device().bus().allocate(PAGES * 4096));
    let buffers = buffers.map(|buffer| buffer.expect("host memory"));
    // Runs of 1 to 8 pages, from one and the other, some of them backwards.
    let mut ranges = Vec::new();
    let mut pages = Vec::new();
    let mut random = Random(23);
    let (mut low, mut high) = (0, PAGES);
    while low < high {
        let count = (1 + random.below(8)).min(high - low);
        let from = random.below(2) as usize;
        let first = if random.below(2) == 0 {
            low
        } else {
            high - count
        };
        let address = BusAddr(buffers[from].ranges[0].address.0 + first * 4096);
        let bytes = count * 4096;
        ranges.push(HostRange { address, bytes });
        pages.extend((first..first + count).map(|page| (from, page)));
        (low, high) = if first == low {
            (low + count, high)
        } else {
            (low, first)
        };
    }
    let Gpu { device, memory, .. } = &mut rig.gpu;
    let mapping = memory.map_host(device, &ranges).expect("there is room");
    let data: Vec<u8> = (0..pages.len() * 4096)
        .map(|_| random.next() as u8)
        .collect();
    let vram = rig.vram(data.len() as u64, Access::DATA);
    rig.upload(vram.va(), &data);
    rig.copied(|sdma, device| {
        let copied = sdma.copy(device, vram.va(), mapping.va(), vram.bytes());
        copied.expect("there is room");
    });
    for ((from, page), expected) in pages.iter().zip(data.chunks(4096)) {
        let mut found = [0; 4096];
        let bus = rig.device().bus();
        bus.host_read(&buffers[*from], page * 4096, &mut found);
        assert!(found == *expected, "page {page} of buffer {from}");
    }
    let Gpu { device, memory, .. } = &mut rig.gpu;
    memory.unmap(device, mapping).expect("it was mapped");
    for buffer in buffers {
        device.bus().free(buffer);
    }
    rig.ends_well();
}

#[test]
fn all_engines_copy() {
    let mut rig = Rig::new();
    let data = rig.host(4096);
    let Gpu { device, sdma, .. } = &mut rig.gpu;
    for (sdma, value) in sdma.iter_mut().zip([5, 6]) {
        let place = data.va().plus(u64::from(4 * value));
        let filled = sdma.fill(device, place, value, 4);
        let fence = filled.and_then(|()| sdma.submit(device));
        let done = sdma.wait(device, fence.expect("there is room"), LIMIT);
        done.expect("it is done");
        assert!(sdma.fill(device, place, 0, 3).is_err());
    }
    assert_eq!((rig.get(&data, 20), rig.get(&data, 24)), (5, 6));
    rig.ends_well();
}
