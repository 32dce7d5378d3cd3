//! A driver's part of PSP's bring-up, step by step, for tests that leave out, exchange or damage steps; and firmware that has
//! the form of AMD's, but no content, so that tests need no download.

use amdgpu_registers::{Bases, Register, mp, nbif};
use gpu_model::{Card, NAVI31};

/// Offset in video memory of the buffer that images are handed over in.
pub const IMAGE: u64 = 0x10_0000;
/// The same of PSP's ring.
pub const RING: u64 = 0x20_0000;
/// The same of the command buffer.
pub const BUFFER: u64 = 0x21_0000;
/// The same of the fence.
pub const FENCE: u64 = 0x21_1000;
/// The same of the trusted memory region.
pub const TMR: u64 = 0x5_c000_0000;
/// MC address of video memory.
pub const MC: u64 = 0x80_0000_0000;

const RING_BYTES: u32 = 0x1_0000;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Hands a component to the bootloader, by its command.
    Boot(u32),
    /// Makes the ring.
    Ring,
    /// Hands over the table of contents.
    Toc,
    /// Sets the trusted memory region up.
    Tmr,
    /// Loads firmware, by GFX_FW_TYPE.
    Ip(u32),
    /// Starts autoload.
    Autoload,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the image is called.
    pub name: &'static str,
    /// What is done.
    pub what: What,
    /// The image.
    pub bytes: Vec<u8>,
}

impl Step {
    /// A step without an image.
    pub fn bare(name: &'static str, what: What) -> Self {
        let bytes = Vec::new();
        Self { name, what, bytes }
    }
}

/// What a driver did, so that something else can do it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A register was written: byte of BAR5, value.
    Write(u64, u32),
    /// It was read until it held this.
    Read(u64, u32),
    /// Video memory was written.
    Memory(u64, Vec<u8>),
    /// A dword of it was read until it was this.
    Dword(u64, u32),
}

/// Accesses a card as a driver does.
pub struct Driver<'a> {
    /// The card.
    pub card: &'a mut Card,
    /// What was done so far; reads of one place in a row are one row.
    pub rows: Vec<Row>,
    fence: u32,
    /// Bytes of the image buffer that hold something.
    used: usize,
}

impl<'a> Driver<'a> {
    /// A driver that has done nothing yet.
    pub fn new(card: &'a mut Card) -> Self {
        Self {
            card,
            rows: Vec::new(),
            fence: 0,
            used: 0,
        }
    }

    fn byte(register: Register) -> u64 {
        u64::from(NAVI31.address(register).expect("a segment of Navi 31")) * 4
    }

    /// Reads a register.
    pub fn read(&mut self, register: Register) -> u32 {
        let mut value = [0; 4];
        let byte = Self::byte(register);
        self.card.bar_read(5, byte, &mut value);
        let value = u32::from_le_bytes(value);
        match self.rows.last_mut() {
            Some(Row::Read(last, seen)) if *last == byte => *seen = value,
            _ => self.rows.push(Row::Read(byte, value)),
        }
        value
    }

    /// Writes a register.
    pub fn write(&mut self, register: Register, value: u32) {
        let byte = Self::byte(register);
        self.card.bar_write(5, byte, &value.to_le_bytes());
        self.rows.push(Row::Write(byte, value));
    }

    /// Makes what was written to video memory visible to the card.
    pub fn flush(&mut self) {
        self.write(nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL, 0);
    }

    /// Writes to video memory.
    pub fn memory(&mut self, offset: u64, data: &[u8]) {
        self.card.bar_write(0, offset, data);
        self.rows.push(Row::Memory(offset, data.to_vec()));
    }

    /// Reads a dword of video memory.
    pub fn dword(&mut self, offset: u64) -> u32 {
        let mut value = [0; 4];
        self.card.bar_read(0, offset, &mut value);
        let value = u32::from_le_bytes(value);
        self.rows.push(Row::Dword(offset, value));
        value
    }

    /// Polls until `mask` of a register reads as `value`; whether it did within 20 reads.
    pub fn poll(&mut self, register: Register, mask: u32, value: u32) -> bool {
        (0..20).any(|_| self.read(register) & mask == value)
    }

    /// Hands over an image in its buffer, the rest of which is cleared.
    pub fn image(&mut self, bytes: &[u8]) {
        let mut buffer = bytes.to_vec();
        buffer.resize(self.used.max(bytes.len()), 0);
        self.used = bytes.len();
        self.memory(IMAGE, &buffer);
        self.flush();
    }

    /// Makes the ring.
    pub fn ring(&mut self) -> bool {
        let ready = self.poll(mp::PSP_RING_COMMAND, 1 << 31, 1 << 31);
        self.write(mp::PSP_RING_LOW, (MC + RING) as u32);
        self.write(mp::PSP_RING_HIGH, ((MC + RING) >> 32) as u32);
        self.write(mp::PSP_RING_BYTES, RING_BYTES);
        self.write(mp::PSP_RING_COMMAND, 2 << 16);
        ready && self.poll(mp::PSP_RING_COMMAND, 0x8000_ffff, 1 << 31)
    }

    /// The command buffer and the frame of a command, written and flushed, but not announced: the next write pointer.
    pub fn frame(&mut self, command: u32, payload: &[u32]) -> u32 {
        self.fence += 1;
        let mut buffer = [0; 1024];
        buffer[8..12].copy_from_slice(&command.to_le_bytes());
        for (n, dword) in payload.iter().enumerate() {
            buffer[28 + n * 4..][..4].copy_from_slice(&dword.to_le_bytes());
        }
        self.memory(BUFFER, &buffer);
        let wptr = self.read(mp::PSP_RING_WPTR);
        let [buffer, fence] = [MC + BUFFER, MC + FENCE];
        let (low, high) = (|value: u64| value as u32, |value: u64| (value >> 32) as u32);
        let frame = [
            low(buffer),
            high(buffer),
            0,
            low(fence),
            high(fence),
            self.fence,
        ];
        let mut bytes = [0; 64];
        for (n, dword) in frame.iter().enumerate() {
            bytes[n * 4..][..4].copy_from_slice(&dword.to_le_bytes());
        }
        self.memory(RING + u64::from(wptr) * 4, &bytes);
        self.flush();
        wptr.wrapping_add(16) % (RING_BYTES / 4)
    }

    /// Has a command executed: the status, if the fence came.
    pub fn command(&mut self, command: u32, payload: &[u32]) -> Option<u32> {
        let wptr = self.frame(command, payload);
        self.write(mp::PSP_RING_WPTR, wptr);
        let fence = self.fence;
        (self.dword(FENCE) == fence).then(|| self.dword(BUFFER + 864))
    }

    /// What LOAD_TOC answered last.
    pub fn tmr_bytes(&mut self) -> u32 {
        self.dword(BUFFER + 864 + 16)
    }

    /// Does a step; otherwise what went wrong, in words.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        let (low, high) = ((MC + IMAGE) as u32, ((MC + IMAGE) >> 32) as u32);
        let bytes = step.bytes.len() as u32;
        if !step.bytes.is_empty() {
            self.image(&step.bytes);
        }
        let done = match step.what {
            What::Boot(command) => {
                self.poll(mp::PSP_BOOTLOADER, u32::MAX, 1 << 31);
                self.write(mp::PSP_BOOTLOADER_ADDRESS, ((MC + IMAGE) >> 20) as u32);
                self.write(mp::PSP_BOOTLOADER, command);
                if command == 0x2_0000 {
                    (0..20).any(|_| self.read(mp::PSP_SOS_ALIVE) != 0)
                } else {
                    self.poll(mp::PSP_BOOTLOADER, u32::MAX, 1 << 31)
                }
            }
            What::Ring => self.ring(),
            What::Toc => self.command(0x20, &[low, high, bytes]) == Some(0),
            What::Tmr => {
                let size = 0x130_0000;
                let mc = MC + TMR;
                let place = [
                    mc as u32,
                    (mc >> 32) as u32,
                    size,
                    2,
                    TMR as u32,
                    (TMR >> 32) as u32,
                ];
                self.command(5, &place) == Some(0)
            }
            What::Ip(number) => self.command(6, &[low, high, bytes, number]) == Some(0),
            What::Autoload => self.command(0x21, &[]) == Some(0),
        };
        match self.card.stopped() {
            Some(violation) => Err(violation.to_string()),
            None if done => Ok(()),
            None => Err(format!(
                "{}: PSP did not answer, or with an error",
                step.name
            )),
        }
    }

    /// Does all steps.
    pub fn steps(&mut self, steps: &[Step]) -> Result<(), String> {
        steps.iter().try_for_each(|step| self.step(step))
    }
}

/// An image with this type id and so many signed bytes.
pub fn signed(id: u32, body: &[u8]) -> Vec<u8> {
    let total = body.len() + 0x200;
    let mut image = vec![0; 0x100];
    let mut put = |at: usize, value: u32| image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(0x10, if id == 0x0100_004f { 0 } else { 0x3153_5024 });
    put(0x14, body.len() as u32);
    put(0x30, 1);
    put(0x58, id);
    put(0x60, 0x0031_0025);
    put(0x6c, total as u32);
    image.extend(body);
    image.resize(total, 0x5a);
    image
}

/// Entries of the table of contents: number, bytes.
const TOC: &[(u32, u32)] = &[
    (1, 0x6000),
    (4, 0xa000),
    (5, 0x2000),
    (6, 0x3000),
    (7, 0x1_0000),
    (9, 0x8000),
    (11, 0x4200),
    (12, 0x4000),
    (16, 0x8_0000),
    (17, 0x8_0000),
    (18, 0x8_0000),
    (19, 0x8_0000),
    (20, 0x9_5f00),
    (27, 0xc_0000),
];

/// Firmware by GFX_FW_TYPE, with the type id of its image, in the order of Linux.
pub const FIRMWARE: &[(u32, &str, u32)] = &[
    (71, "SDMA_UCODE_TH0", 0x8101_203e),
    (72, "SDMA_UCODE_TH1", 0x8101_203f),
    (87, "RS64_PFP", 0x8101_2044),
    (88, "RS64_ME", 0x8101_2046),
    (89, "RS64_MEC", 0x8101_2048),
    (90, "RS64_PFP_P0_STACK", 0x8101_2045),
    (91, "RS64_PFP_P1_STACK", 0x8101_2045),
    (92, "RS64_ME_P0_STACK", 0x8101_2047),
    (93, "RS64_ME_P1_STACK", 0x8101_2047),
    (94, "RS64_MEC_P0_STACK", 0x8101_2049),
    (95, "RS64_MEC_P1_STACK", 0x8101_2049),
    (96, "RS64_MEC_P2_STACK", 0x8101_2049),
    (97, "RS64_MEC_P3_STACK", 0x8101_2049),
    (33, "CP_MES", 0x8101_2007),
    (34, "MES_STACK", 0x8101_2008),
    (81, "CP_MES_KIQ", 0x8101_2042),
    (82, "MES_KIQ_STACK", 0x8101_2043),
    (68, "IMU_I", 0x8101_203b),
    (69, "IMU_D", 0x8101_203c),
    (20, "RLC_RESTORE_LIST_GPM_MEM", 0x8101_200b),
    (21, "RLC_RESTORE_LIST_SRM_MEM", 0x8101_200c),
    (26, "RLC_IRAM", 0x8101_2016),
    (48, "RLC_DRAM_BOOT", 0x8101_2017),
    (25, "RLC_P", 0x8101_200f),
    (7, "RLC_V", 0x8101_200a),
    (8, "RLC_G", 0x8101_2009),
];

/// All steps, with firmware that has AMD's form and no content.
pub fn synthetic() -> Vec<Step> {
    let body = [0xa5; 0x40];
    let step = |name, what, id| Step {
        name,
        what,
        bytes: signed(id, &body),
    };
    let mut toc = Vec::new();
    let mut offset = 0;
    for (id, bytes) in TOC {
        for dword in [(id << 25) | (offset / 4), (bytes / 4) << 14, 0, 0_u32] {
            toc.extend(dword.to_le_bytes());
        }
        offset += bytes;
    }
    toc.extend([0; 16]);
    let mut steps = vec![
        step("KDB", What::Boot(0x8_0000), 0x0100_004f),
        step("SPL", What::Boot(0x1000_0000), 0x0100_004f),
        step("SYS_DRV", What::Boot(0x1_0000), 0x8101_000a),
        step("SOS", What::Boot(0x2_0000), 0x0100_0009),
        Step::bare("ring", What::Ring),
        Step {
            name: "TOC",
            what: What::Toc,
            bytes: signed(0x8101_200e, &toc),
        },
        step("SMU", What::Ip(18), 0x0100_1001),
        Step::bare("TMR", What::Tmr),
    ];
    let loads = FIRMWARE
        .iter()
        .map(|(number, name, id)| step(name, What::Ip(*number), *id));
    steps.extend(loads);
    steps.push(Step::bare("autoload", What::Autoload));
    steps
}
