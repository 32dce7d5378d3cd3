//! The serial console: a 16550 at COM1, polled in both directions. Every call is bounded, and without a UART all output is
//! dropped and nothing is ever received.

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use x86_64::instructions::port::Port;

const COM1: u16 = 0x3f8;

/// Register offsets from the base port, named as in the 16550 data sheet.
mod register {
    pub(super) const RBR_THR_DLL: u16 = 0;
    pub(super) const IER_DLM: u16 = 1;
    pub(super) const FCR: u16 = 2;
    pub(super) const LCR: u16 = 3;
    pub(super) const MCR: u16 = 4;
    pub(super) const LSR: u16 = 5;
}

const LSR_DATA_READY: u8 = 1 << 0;
const LSR_THR_EMPTY: u8 = 1 << 5;
const MCR_DTR_RTS_OUT2: u8 = 0x0b;
const MCR_LOOPBACK: u8 = 1 << 4;

/// Reads of LSR before a byte is given up: at 115200 baud a full FIFO drains in 1.4 ms, and a port read takes about 1 us.
const TRANSMIT_POLLS: u32 = 20_000;

static PRESENT: AtomicBool = AtomicBool::new(false);
/// The transmitter did not take its last byte in all the reads that a byte may have. Each byte has one until it does.
static STUCK: AtomicBool = AtomicBool::new(false);
static WRITER: Mutex<()> = Mutex::new(());

fn read(register: u16) -> u8 {
    // SAFETY: reading a UART register touches no memory. RBR and LSR reads change only UART state, which is this module's.
    unsafe { Port::new(COM1 + register).read() }
}

fn write_register(register: u16, value: u8) {
    // SAFETY: a 16550 does no DMA, so that a write to its registers cannot reach memory.
    unsafe { Port::new(COM1 + register).write(value) }
}

/// Sets the UART to 115200 baud, 8N1, FIFOs on, and finds out by its loopback mode whether there is one.
pub fn init() {
    use register::*;
    write_register(IER_DLM, 0);
    write_register(LCR, 0x80);
    write_register(RBR_THR_DLL, 1);
    write_register(IER_DLM, 0);
    write_register(LCR, 0x03);
    write_register(FCR, 0x07);
    write_register(MCR, MCR_DTR_RTS_OUT2 | MCR_LOOPBACK);
    write_register(RBR_THR_DLL, 0xae);
    let echoed =
        (0..TRANSMIT_POLLS).any(|_| read(LSR) & LSR_DATA_READY != 0) && read(RBR_THR_DLL) == 0xae;
    write_register(MCR, MCR_DTR_RTS_OUT2);
    PRESENT.store(echoed, Ordering::Relaxed);
}

/// The next received byte, if there is one.
pub fn read_byte() -> Option<u8> {
    if !PRESENT.load(Ordering::Relaxed) || read(register::LSR) & LSR_DATA_READY == 0 {
        return None;
    }
    Some(read(register::RBR_THR_DLL))
}

/// Writes `bytes`, each `\n` as `\r\n`, as one piece between other cores' output.
pub fn write(bytes: &[u8]) {
    let _whole = WRITER.lock();
    write_unlocked(bytes);
}

/// As [`write`], but may cut into another core's output: for a panic, whose core may itself hold the lock.
pub fn write_unlocked(bytes: &[u8]) {
    if !PRESENT.load(Ordering::Relaxed) {
        return;
    }
    for &byte in bytes {
        if byte == b'\n' {
            transmit(b'\r');
        }
        transmit(byte);
    }
}

fn transmit(byte: u8) {
    let polls = if STUCK.load(Ordering::Relaxed) {
        1
    } else {
        TRANSMIT_POLLS
    };
    let empty = (0..polls).any(|_| read(register::LSR) & LSR_THR_EMPTY != 0);
    STUCK.store(!empty, Ordering::Relaxed);
    if empty {
        write_register(register::RBR_THR_DLL, byte);
    }
}

/// Lets `write!` format straight to the console of a panic.
pub struct Unlocked;

impl core::fmt::Write for Unlocked {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        write_unlocked(text.as_bytes());
        Ok(())
    }
}
