//! A card whose answers are wrong now and then: whatever the driver reads of it, a start ends in a card or in a failure that
//! says why, within a bounded time, and nothing else.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amdgpu::{Bar, Bus, Configuration, Gpu, HostBuffer};
use amdgpu_host::InProcess;
use gpu_model::Level;
use support::firmware;

/// The time of a start that retries everything it may, with every wait to its end.
const MOST: Duration = Duration::from_secs(120);

/// What is wrong with a bus.
struct Noise {
    /// xorshift.
    state: u64,
    /// One of so many answers is wrong.
    rate: u64,
    wrong: u64,
    now: Duration,
}

impl Noise {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn spoil(&mut self, out: &mut [u8]) {
        if out.is_empty() || !(self.next() >> 11).is_multiple_of(self.rate) {
            return;
        }
        self.wrong += 1;
        let at = (self.next() >> 11) as usize % out.len();
        match self.next() >> 60 {
            0 | 1 => out.fill(0xff),
            2 | 3 => out.fill(0),
            4..8 => out[at] ^= 1 << (self.next() >> 61),
            8..12 => out[at] = (self.next() >> 56) as u8,
            _ => out.fill_with(|| (self.next() >> 56) as u8),
        }
    }
}

struct Noisy {
    bus: InProcess,
    noise: Arc<Mutex<Noise>>,
}

impl Noisy {
    fn spoil(&mut self, out: &mut [u8]) {
        let mut noise = self.noise.lock().expect("no test panics with it");
        noise.now = self.bus.now();
        noise.spoil(out);
    }

    fn spoilt(&mut self, value: u32) -> u32 {
        let mut bytes = value.to_le_bytes();
        self.spoil(&mut bytes);
        u32::from_le_bytes(bytes)
    }
}

impl Bus for Noisy {
    fn config_read(&mut self, offset: u16) -> u32 {
        let value = self.bus.config_read(offset);
        self.spoilt(value)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.bus.config_write(offset, value);
    }

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        self.bus.aperture_bytes(bar)
    }

    fn resize_vram_aperture(&mut self, bytes: u64) -> u64 {
        self.bus.resize_vram_aperture(bytes)
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        let value = self.bus.register_read(offset);
        self.spoilt(value)
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        self.bus.register_write(offset, value);
    }

    fn doorbell(&mut self, offset: u32, value: u64) {
        self.bus.doorbell(offset, value);
    }

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        self.bus.vram_read(offset, out);
        self.spoil(out);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        self.bus.vram_write(offset, data);
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        self.bus.allocate(bytes)
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.bus.free(buffer);
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        self.bus.host_read(buffer, offset, out);
        self.spoil(out);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        self.bus.host_write(buffer, offset, data);
    }

    fn now(&self) -> Duration {
        self.bus.now()
    }

    fn pause(&mut self, time: Duration) {
        self.bus.pause(time);
    }
}

#[test]
fn wrong_answers_end_in_a_card_or_in_a_reason() {
    let mut steps = std::collections::BTreeMap::<_, u32>::new();
    for seed in 1..=600_u64 {
        let noise = Arc::new(Mutex::new(Noise {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            rate: [50, 300, 2000][(seed % 3) as usize],
            wrong: 0,
            now: Duration::ZERO,
        }));
        let bus = Noisy {
            bus: InProcess::new(Level::Hardware).expect("address space"),
            noise: Arc::clone(&noise),
        };
        let configuration = Configuration {
            resize_bar: seed % 2 == 0,
            ..Configuration::default()
        };
        let result = Gpu::start(Box::new(bus), &firmware(), &configuration, &mut |_| {});
        let end = match result {
            Ok(mut gpu) => {
                // What is read of a card that came up may be wrong too.
                drop(gpu.health());
                drop(gpu.smu.metrics(&mut gpu.device));
                let (_, result) = gpu.stop();
                drop(result);
                "a card"
            }
            Err(failure) => {
                assert!(!failure.error.to_string().is_empty(), "seed {seed}");
                assert!(!failure.report.to_string().is_empty(), "seed {seed}");
                failure.step
            }
        };
        *steps.entry(end).or_default() += 1;
        let noise = noise.lock().expect("no test panics with it");
        assert!(noise.now < MOST, "seed {seed}: {:?}", noise.now);
    }
    println!("{steps:#?}");
    // Both ends are met, and failures in many steps.
    assert!(steps.contains_key("a card"), "{steps:?}");
    assert!(steps.len() > 5, "{steps:?}");
}
