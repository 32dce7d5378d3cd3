//! The driver and a card that may answer anything: discovery tables, interrupts, and whole starts of a card some of whose
//! answers are wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use amdgpu::discovery::{Discovery, FixedBases};
use amdgpu::ih::InterruptRing;
use amdgpu::{Bar, Bus, BusAddr, Configuration, Device, Gpu, HostBuffer, HostRange, asic, layout};
use amdgpu_registers::{Bases, Ip, Register, gc, mmhub, mp, nbif};
use firmware_loader::{Firmware, NAVI31};

/// The discovery table of the device model.
const TABLE: &[u8] = include_bytes!("corpus/discovery/navi31");

/// Bytes of video memory.
const VRAM: u64 = 24_560 << 20;
const PAGE: u64 = 4096;

/// What an access takes, and the longest that all of a start may take: every wait in it has a limit of some seconds at most.
const ACCESS: Duration = Duration::from_micros(1);
const LONGEST: Duration = Duration::from_secs(600);

/// A discovery table, once as it is and once with its sums made right, since nothing goes on otherwise.
pub(crate) fn discovery(data: &[u8]) {
    let mut fixed = data.to_vec();
    sum(&mut fixed);
    for table in [data, &fixed] {
        let Ok(found) = Discovery::parse(table) else {
            continue;
        };
        // No more than the bytes can say, however tables share them.
        let bases: usize = found.blocks.iter().map(|block| block.bases.len()).sum();
        assert!(found.blocks.len() <= 16 * 512 && bases <= 16 * table.len());
        for block in &found.blocks {
            assert!(found.version(block.id).is_some());
        }
        for ip in [Ip::Gc, Ip::Mp0, Ip::Nbif] {
            let segments = (0..=u8::MAX).take_while(|segment| found.base(ip, *segment).is_some());
            assert!(segments.count() <= 256);
        }
        match asic::identify(&found, true) {
            Ok(asic) => assert!(!asic.to_string().is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Makes the sums of a table right, as far as its offsets and lengths lie within it.
fn sum(bytes: &mut [u8]) {
    let half = |bytes: &[u8], at: usize| {
        let half = bytes
            .get(at..at + 2)
            .map(|half| u16::from_le_bytes([half[0], half[1]]));
        usize::from(half.unwrap_or(0))
    };
    let sum_of = |bytes: &[u8], from: usize, length: usize| {
        let part = bytes.get(from..).and_then(|part| part.get(..length));
        let part = part.unwrap_or_default().iter();
        part.fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)))
    };
    let put = |bytes: &mut [u8], at: usize, sum: u16| {
        if let Some(place) = bytes.get_mut(at..at + 2) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    };
    for table in 0..3 {
        let start = half(bytes, 12 + 8 * table);
        let length = match table {
            0 => half(bytes, start + 6),
            1 => half(bytes, start + 8) | half(bytes, start + 10) << 16,
            _ => 136,
        };
        let sum = sum_of(bytes, start, length);
        put(bytes, 14 + 8 * table, sum);
    }
    let length = half(bytes, 10).saturating_sub(10);
    let sum = sum_of(bytes, 10, length);
    put(bytes, 8, sum);
}

/// A ring of interrupts with any content: pointers of four bytes, each with the entry of 32 bytes that is put at it.
pub(crate) fn interrupts(data: &[u8]) {
    let table = Discovery::parse(TABLE).expect("the model's table is good");
    let bus = Obliging::new(&[]);
    let mut device = Device::new(Box::new(bus), Box::new(table));
    let mut ring = InterruptRing::create(&mut device).expect("there is memory");
    // The bus numbers its memory: entries first, then the page of the pointer.
    let [entries, pointer] = [0, 1].map(|id| HostBuffer {
        id,
        bytes: 256 << 10,
        ranges: Vec::new(),
    });
    for part in data.chunks(36) {
        let Some((at, entry)) = part.split_first_chunk::<4>() else {
            break;
        };
        let offset = u64::from(u32::from_le_bytes(*at) & 0x3_ffe0);
        let entry = &entry[..entry.len().min(32)];
        device.bus().host_write(&entries, offset, entry);
        device.bus().host_write(&pointer, 0, at);
        let mut count = 0;
        let polled = ring.poll(&mut device, &mut |interrupt| {
            assert!(!interrupt.to_string().is_empty());
            count += 1;
        });
        assert!(count < (256 << 10) / 32 && polled == Ok(count));
    }
}

/// A start of a card that does all that it is told, but for some reads that bring something else: after so many good ones
/// (two bytes), for so many reads (a byte), these bits are wrong (four bytes).
pub(crate) fn card(data: &[u8]) {
    thread_local! {
        static FILES: BTreeMap<&'static str, Vec<u8>> = super::synthetic::files(&NAVI31);
    }
    FILES.with(|files| {
        let firmware = Firmware::new(|name| files.get(name).map(Vec::as_slice), &NAVI31);
        let firmware = firmware.expect("synthetic files are whole");
        let bus = Box::new(Obliging::new(data));
        let configuration = Configuration::default();
        let mut steps = 0_u32;
        let started = Gpu::start(bus, &firmware, &configuration, &mut |_| steps += 1);
        assert!(steps < 1000);
        let bus = match started {
            Ok(mut gpu) => {
                let _ = gpu.health();
                let _ = gpu.smu.metrics(&mut gpu.device);
                assert!(!gpu.report().to_string().is_empty());
                gpu.stop().0
            }
            Err(failure) => {
                assert!(
                    data.len() >= 7,
                    "a card without a mistake starts: {failure}"
                );
                assert!(!failure.to_string().is_empty() && !failure.step.is_empty());
                failure.bus
            }
        };
        assert!(bus.now() < LONGEST, "{:?}", bus.now());
    });
}

/// Reads that go wrong.
#[derive(Clone, Copy)]
struct Wrong {
    good: u32,
    reads: u8,
    bits: u32,
}

/// Registers that read so whatever was written.
const CONSTANT: &[(Register, u32)] = &[
    (mp::PSP_BOOTLOADER, 1 << 31),
    (mp::PSP_RING_COMMAND, 1 << 31),
    (mp::SMU_RESPONSE, 1),
    (mp::SMU_ARGUMENT, 3),
    (gc::CP_STAT, 0),
    (gc::RLC_SAFE_MODE, 0),
    (gc::GRBM_STATUS, 0),
];

/// Of each of the 18 engines: the answer to an invalidation, and its semaphore.
const ENGINES: [Register; 3] = [
    gc::GCVM_INVALIDATE_ENG_ACK,
    mmhub::MMVM_INVALIDATE_ENG_ACK,
    mmhub::MMVM_INVALIDATE_ENG_SEM,
];

/// A card that does what it is told, as far as a driver sees by registers.
struct Obliging {
    registers: BTreeMap<u32, u32>,
    constant: BTreeMap<u32, u32>,
    vram: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
    host: Vec<Vec<u8>>,
    table: Discovery,
    now: Duration,
    wrong: Vec<Wrong>,
}

impl Obliging {
    fn new(mistakes: &[u8]) -> Self {
        let mut wrong: Vec<_> = mistakes
            .as_chunks::<7>()
            .0
            .iter()
            .map(|[a, b, reads, bits @ ..]| Wrong {
                good: u16::from_le_bytes([*a, *b]).into(),
                reads: *reads,
                bits: u32::from_le_bytes(*bits),
            })
            .collect();
        wrong.reverse();
        let mut card = Self {
            registers: BTreeMap::new(),
            constant: BTreeMap::new(),
            vram: BTreeMap::new(),
            host: Vec::new(),
            table: Discovery::parse(TABLE).expect("the model's table is good"),
            now: Duration::ZERO,
            wrong,
        };
        card.store(VRAM - (64 << 10), TABLE);
        for (register, value) in [
            (mp::PSP_IFWI, 1 << 31),
            (nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE, (VRAM >> 20) as u32),
            (mmhub::MMMC_VM_FB_LOCATION_BASE, 0x8000),
            (gc::RLC_RLCS_BOOTLOAD_STATUS, 1 << 31),
        ] {
            card.set(register, value);
        }
        let engines = ENGINES.iter();
        let engines = engines.flat_map(|first| (0..18).map(|n| (first.plus(n), 1)));
        for (register, value) in engines.chain(CONSTANT.iter().copied()) {
            card.constant.insert(card.dword(register), value);
        }
        card
    }

    fn dword(&self, register: Register) -> u32 {
        let fixed = FixedBases.address(register);
        fixed
            .or(self.table.address(register))
            .unwrap_or(u32::MAX >> 2)
    }

    fn set(&mut self, register: Register, value: u32) {
        self.registers.insert(self.dword(register), value);
    }

    /// What is wrong about the next read.
    fn mistake(&mut self) -> u32 {
        self.now += ACCESS;
        let Some(next) = self.wrong.last_mut() else {
            return 0;
        };
        if next.good > 0 {
            next.good -= 1;
            return 0;
        }
        let bits = next.bits;
        next.reads = next.reads.saturating_sub(1);
        if next.reads == 0 {
            self.wrong.pop();
        }
        bits
    }

    fn spoil(&mut self, out: &mut [u8]) {
        let bits = self.mistake().to_le_bytes();
        for (byte, bits) in out.iter_mut().zip(bits) {
            *byte ^= bits;
        }
    }

    fn store(&mut self, mut at: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let (page, start) = (at / PAGE, (at % PAGE) as usize);
            let (part, rest) = data.split_at(data.len().min(PAGE as usize - start));
            if self.vram.contains_key(&page) || part.iter().any(|byte| *byte != 0) {
                let page = self.vram.entry(page);
                let page = page.or_insert_with(|| Box::new([0; PAGE as usize]));
                page[start..][..part.len()].copy_from_slice(part);
            }
            (at, data) = (at + part.len() as u64, rest);
        }
    }

    fn load(&self, mut at: u64, mut out: &mut [u8]) {
        while !out.is_empty() {
            let start = (at % PAGE) as usize;
            let (part, rest) = out.split_at_mut(out.len().min(PAGE as usize - start));
            match self.vram.get(&(at / PAGE)) {
                Some(page) => part.copy_from_slice(&page[start..][..part.len()]),
                None => part.fill(0),
            }
            (at, out) = (at + part.len() as u64, rest);
        }
    }

    /// A frame in PSP's ring: its command is done.
    fn frame(&mut self, wptr: u32) {
        let frame = layout::PSP_RING.start.0 + u64::from(wptr.wrapping_sub(16) % 1024) * 4;
        let mut value = [0; 4];
        self.load(frame + 20, &mut value);
        self.store(layout::PSP_FENCE.start.0, &value);
        let response = layout::PSP_COMMAND.start.0 + 864;
        self.store(response, &[0; 4]);
        self.store(response + 16, &0x130_0000_u32.to_le_bytes());
    }
}

impl Bus for Obliging {
    fn config_read(&mut self, offset: u16) -> u32 {
        let value = match offset {
            0 => 0x744c_1002,
            _ => *self
                .registers
                .get(&(u32::MAX - u32::from(offset)))
                .unwrap_or(&0),
        };
        value ^ self.mistake()
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.registers.insert(u32::MAX - u32::from(offset), value);
    }

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        match bar {
            Bar::Vram => 32 << 30,
            Bar::Doorbells => 2 << 20,
            Bar::Registers => 1 << 20,
        }
    }

    fn resize_vram_aperture(&mut self, _: u64) -> u64 {
        32 << 30
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        let dword = offset / 4;
        let value = self.constant.get(&dword).or(self.registers.get(&dword));
        let value = *value.unwrap_or(&0);
        value ^ self.mistake()
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        let dword = offset / 4;
        self.registers.insert(dword, value);
        if dword == self.dword(mp::PSP_RING_WPTR) {
            self.frame(value);
        } else if dword == self.dword(mp::PSP_BOOTLOADER) {
            // Whichever component it was, it runs.
            self.set(mp::PSP_SOS_ALIVE, 1);
        } else if dword == self.dword(mp::PSP_RING_COMMAND) {
            self.set(mp::PSP_RING_WPTR, 0);
        }
    }

    fn doorbell(&mut self, _: u32, _: u64) {}

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        self.load(offset, out);
        self.spoil(out);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        assert!(offset + data.len() as u64 <= VRAM);
        self.store(offset, data);
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        let id = self.host.len() as u32;
        self.host.push(vec![0; bytes as usize]);
        let address = BusAddr((u64::from(id) + 1) << 32);
        let ranges = vec![HostRange { address, bytes }];
        Some(HostBuffer { id, bytes, ranges })
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.host[buffer.id as usize] = Vec::new();
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        out.copy_from_slice(&self.host[buffer.id as usize][offset as usize..][..out.len()]);
        self.spoil(out);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        self.host[buffer.id as usize][offset as usize..][..data.len()].copy_from_slice(data);
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
}
