//! The registers, the memory that both sides share, and the waiting.

use core::array;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use core::time::Duration;

use x86_64::PhysAddr;

use super::protocol::{
    self, Capabilities, Command, Completion, ENTRY_SHIFTS, Namespace, NvmeError, PAGE, Position,
};
use crate::devices::block::{Controller, DEPTH, DiskError, REQUEST_BYTES, Shape, Status};
use crate::devices::dma_address;
use crate::devices::ecam::Ecam;
use crate::memory::{self, Caching, frames};
use crate::pci::Config;
use crate::pci::bars::{Bar, BarKind};
use crate::pci::scan::Function;
use crate::time;

/// Base class, subclass and programming interface of an NVMe controller.
pub const CLASS: (u8, u8, u8) = (0x01, 0x08, 0x02);

/// Offsets of the registers (section 3.1).
mod register {
    pub(super) const CAP: usize = 0x00;
    pub(super) const INTMS: usize = 0x0c;
    pub(super) const CC: usize = 0x14;
    pub(super) const CSTS: usize = 0x1c;
    pub(super) const AQA: usize = 0x24;
    pub(super) const ASQ: usize = 0x28;
    pub(super) const ACQ: usize = 0x30;
    pub(super) const DOORBELLS: usize = 0x1000;
}

/// CC (section 3.1.5): the controller runs; with pages of 4 KiB, the NVM command set, and queue entries of our sizes.
const RUN: u32 = 1 << 0;
const ENABLED: u32 = RUN | (ENTRY_SHIFTS.0 as u32) << 16 | (ENTRY_SHIFTS.1 as u32) << 20;
/// CSTS (section 3.1.6): the controller is ready for commands; it failed.
const READY: u32 = 1 << 0;
const FATAL: u32 = 1 << 1;

/// The largest window of registers that is mapped: the doorbells of two queue pairs at the widest stride lie inside.
const REGISTER_BYTES: u64 = 1 << 20;
/// Longest wait for the answer to a command that reads no blocks.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// The queue pair for reads; 0 is the one for administration.
const IO_QUEUE: u16 = 1;

/// Words that the device may read, write or act on at any time: registers, or memory that it was told of. Every access
/// is volatile.
#[derive(Clone, Copy)]
struct Words {
    base: NonNull<u32>,
    count: usize,
}

impl Words {
    /// # Safety
    /// The `bytes` bytes from `base` on, which is a multiple of 4, stay mapped for good, and no Rust reference to them
    /// exists or will.
    unsafe fn new(base: NonNull<u8>, bytes: usize) -> Self {
        Self {
            base: base.cast(),
            count: bytes / 4,
        }
    }

    /// The word at byte `at`.
    fn word(self, at: usize) -> *mut u32 {
        // PANIC: offsets are constants, or come from queue positions and slots, all of which lie inside.
        assert!(at.is_multiple_of(4) && at / 4 < self.count, "word {at:#x}");
        // SAFETY: it was just seen to lie inside.
        unsafe { self.base.as_ptr().add(at / 4) }
    }

    fn read(self, at: usize) -> u32 {
        // SAFETY: `new`'s caller promised that the word is mapped and that nobody holds a reference to it.
        unsafe { self.word(at).read_volatile() }
    }

    fn write(self, at: usize, value: u32) {
        // SAFETY: as in `read`. What the device does about it reaches only memory that it was told of: frames of
        // `dma_pages`, which are never freed, and chunks lent by `Controller::submit`.
        unsafe { self.word(at).write_volatile(value) }
    }

    /// Two words, the lower half first, as section 3.1 allows for registers of 64 bits.
    fn read64(self, at: usize) -> u64 {
        u64::from(self.read(at)) | u64::from(self.read(at + 4)) << 32
    }

    fn write64(self, at: usize, value: u64) {
        self.write(at, value as u32);
        self.write(at + 4, (value >> 32) as u32);
    }
}

/// A page that the device has access to.
#[derive(Clone, Copy)]
struct Page {
    words: Words,
    physical: u64,
}

/// Zeroed pages for the device. They are never freed: what the device was told once it may remember.
fn dma_pages<const N: usize>() -> Result<[Page; N], NvmeError> {
    let range = frames::allocate_zeroed((N * PAGE) as u64, PAGE as u64);
    let range = range.ok_or(NvmeError::NoMemory)?;
    Ok(array::from_fn(|index| {
        let physical = range.start() + (index * PAGE) as u64;
        // PANIC: the direct map does not start at 0.
        let base = NonNull::new(memory::direct_map(physical)).expect("the direct map");
        Page {
            // SAFETY: the frames were just allocated and are never freed, and the direct map holds them for good.
            words: unsafe { Words::new(base, PAGE) },
            physical: physical.as_u64(),
        }
    }))
}

/// A submission queue and its completion queue, each in a page.
struct QueuePair {
    id: u16,
    registers: Words,
    /// Offsets of the doorbells.
    doorbells: [usize; 2],
    submissions: Page,
    completions: Page,
    tail: Position,
    head: Position,
    generation: u16,
}

impl QueuePair {
    /// The pair with number `id`, empty. The doorbells of all pairs follow one another (end of section 3.1).
    fn new(id: u16, capabilities: &Capabilities, registers: Words, pages: [Page; 2]) -> Self {
        let doorbell =
            |kind| register::DOORBELLS + (2 * usize::from(id) + kind) * capabilities.stride;
        let [submissions, completions] = pages;
        Self {
            id,
            registers,
            doorbells: [doorbell(0), doorbell(1)],
            submissions,
            completions,
            tail: Position::start(capabilities.entries),
            head: Position::start(capabilities.entries),
            generation: 0,
        }
    }

    /// Gives the device a command and returns its id: the slot, and a count, so that one that is completed twice is
    /// noticed. There is room: a queue has more entries than there are slots.
    fn submit(&mut self, slot: usize, command: Command) -> u16 {
        self.generation = (self.generation + 1) % (u16::MAX / DEPTH as u16);
        let id = self.generation * DEPTH as u16 + slot as u16;
        let at = usize::from(self.tail.index) << ENTRY_SHIFTS.0;
        for (index, word) in command.into_iter().enumerate() {
            let id = if index == 0 { u32::from(id) << 16 } else { 0 };
            self.submissions.words.write(at + 4 * index, word | id);
        }
        self.tail.advance();
        // The entry, and the PRP list that it points to, are in memory before the device hears of them.
        fence(Ordering::Release);
        self.registers
            .write(self.doorbells[0], u32::from(self.tail.index));
        id
    }

    /// Takes the next completion from the queue.
    fn finished(&mut self) -> Option<Result<Completion, NvmeError>> {
        let at = usize::from(self.head.index) << ENTRY_SHIFTS.1;
        let last = self.completions.words.read(at + 12);
        if !Completion::is_new(last, self.head.phase) {
            return None;
        }
        // The rest of the entry, and the data that it is about, are read after the tag that says that they are there.
        fence(Ordering::Acquire);
        let dwords = [self.completions.words.read(at + 8), last];
        self.head.advance();
        // The entry has been read before the device may write over it.
        fence(Ordering::Release);
        self.registers
            .write(self.doorbells[1], u32::from(self.head.index));
        Some(Completion::parse(dwords, self.id, self.tail.entries))
    }

    /// Gives a command and waits for its end; nothing else is in flight.
    fn execute(&mut self, name: &'static str, command: Command) -> Result<(), NvmeError> {
        let id = self.submit(0, command);
        let mut finished = None;
        let answered = time::wait_until(name, COMMAND_LIMIT, || {
            finished = self.finished();
            finished.is_some()
        });
        let (Ok(()), Some(completion)) = (answered, finished) else {
            return Err(NvmeError::Silent(name));
        };
        let completion = completion?;
        if completion.id != id {
            return Err(NvmeError::UnknownCommand(completion.id));
        }
        let result = completion.status.check();
        result.map_err(|status| NvmeError::Command(name, status))
    }
}

/// A started NVMe disk.
pub struct Nvme {
    queue: QueuePair,
    lists: [Page; DEPTH],
    namespace: Namespace,
    request_bytes: usize,
    /// Of the command that `finished` named last.
    status: protocol::Status,
}

impl Nvme {
    /// Starts the controller.
    ///
    /// # Errors
    /// [`NvmeError`] if it cannot be used; it is off the bus then.
    pub fn start(ecam: &Ecam, function: &Function) -> Result<Self, NvmeError> {
        let config = Config::new(ecam, function.address);
        config.enable();
        Self::bring_up(function).inspect_err(|_| config.disable_dma())
    }

    /// Section 7.6.1, step by step.
    fn bring_up(function: &Function) -> Result<Self, NvmeError> {
        let registers = map_registers(function)?;
        let capabilities = Capabilities::parse(registers.read64(register::CAP), DEPTH as u32)?;
        let needed = register::DOORBELLS + 4 * capabilities.stride;
        if registers.count < needed / 4 {
            return Err(NvmeError::Registers {
                bytes: registers.count as u64 * 4,
                needed: needed as u64,
            });
        }
        let limit = capabilities.timeout;
        // A firmware may have left it running.
        registers.write(register::CC, registers.read(register::CC) & !RUN);
        wait_ready(registers, false, limit)?;

        let [pages @ .., identity] = dma_pages::<5>()?;
        let lists = dma_pages::<DEPTH>()?;
        let [admin_sq, admin_cq, sq, cq] = pages;
        let size = u32::from(capabilities.entries - 1);
        registers.write(register::INTMS, u32::MAX);
        registers.write(register::AQA, size << 16 | size);
        registers.write64(register::ASQ, admin_sq.physical);
        registers.write64(register::ACQ, admin_cq.physical);
        // The queues are zero in memory before the device looks at them.
        fence(Ordering::Release);
        registers.write(register::CC, ENABLED);
        wait_ready(registers, true, limit)?;

        let mut admin = QueuePair::new(0, &capabilities, registers, [admin_sq, admin_cq]);
        let command = protocol::identify_controller(identity.physical);
        admin.execute("identify controller", command)?;
        let request_bytes = protocol::parse_controller(&bytes(identity), REQUEST_BYTES)?;
        let command = protocol::identify_namespace(identity.physical);
        admin.execute("identify namespace", command)?;
        let namespace = protocol::parse_namespace(&bytes(identity))?;
        admin.execute("set number of queues", protocol::set_one_queue())?;
        let entries = capabilities.entries;
        let command = protocol::create_completion_queue(IO_QUEUE, entries, cq.physical);
        admin.execute("create completion queue", command)?;
        let command = protocol::create_submission_queue(IO_QUEUE, entries, sq.physical);
        admin.execute("create submission queue", command)?;
        Ok(Self {
            queue: QueuePair::new(IO_QUEUE, &capabilities, registers, [sq, cq]),
            lists,
            namespace,
            request_bytes,
            status: protocol::Status::default(),
        })
    }
}

/// Maps BAR 0.
fn map_registers(function: &Function) -> Result<Words, NvmeError> {
    let is_first = |bar: &&Bar| bar.slot == 0 && bar.kind != BarKind::Io;
    let bar = function.bars.iter().find(is_first);
    let bytes = bar.map_or(0, |bar| bar.size.min(REGISTER_BYTES));
    let needed = register::DOORBELLS as u64;
    let Some(bar) = bar.filter(|_| bytes >= needed) else {
        return Err(NvmeError::Registers { bytes, needed });
    };
    let start = PhysAddr::new_truncate(bar.address);
    let base = memory::map_device(start, bytes, Caching::Uncached).map_err(NvmeError::Map)?;
    // SAFETY: the mapping is new, ours alone and never taken back; a BAR starts at a multiple of its size.
    Ok(unsafe { Words::new(base, bytes as usize) })
}

/// Waits until the controller says that it is ready, or that it has stopped.
fn wait_ready(registers: Words, start: bool, limit: Duration) -> Result<(), NvmeError> {
    let mut status = 0;
    let answered = time::wait_until("an NVMe controller", limit, || {
        status = registers.read(register::CSTS);
        (status & READY != 0) == start || start && status & FATAL != 0
    });
    if start && status & FATAL != 0 {
        return Err(NvmeError::Fatal(status));
    }
    answered.map_err(|_| NvmeError::NotReady {
        start,
        status,
        limit,
    })
}

/// A copy of a page that the device has written.
fn bytes(page: Page) -> [u8; PAGE] {
    let mut bytes = [0; PAGE];
    for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
        word.copy_from_slice(&page.words.read(4 * index).to_le_bytes());
    }
    bytes
}

impl Controller for Nvme {
    fn shape(&self) -> Shape {
        let sectors_per_block = 1 << (self.namespace.shift - 9);
        Shape {
            kind: "NVMe",
            sectors: self.namespace.blocks.saturating_mul(sectors_per_block),
            block_bytes: 1 << self.namespace.shift,
            request_bytes: self.request_bytes,
        }
    }

    unsafe fn submit(
        &mut self,
        slot: usize,
        sector: u64,
        chunk: &mut [u8],
    ) -> Result<u16, DiskError> {
        let start = dma_address(chunk.as_mut_ptr());
        // PANIC: memory from the heap or the frame allocator; section 4.3 allows no other addresses.
        assert!(start.is_multiple_of(4), "a DMA buffer of whole words");
        let list = self.lists[slot];
        let data = protocol::data_pointer(start, chunk.len(), list.physical, |index, entry| {
            list.words.write64(8 * index, entry);
        });
        let shift = self.namespace.shift;
        let blocks = (chunk.len() >> shift) as u32;
        let command = protocol::read(sector >> (shift - 9), blocks, data);
        Ok(self.queue.submit(slot, command))
    }

    fn finished(&mut self) -> Option<Result<u16, DiskError>> {
        let completion = self.queue.finished()?;
        let named = completion.map(|completion| {
            self.status = completion.status;
            completion.id
        });
        Some(named.map_err(DiskError::Nvme))
    }

    unsafe fn complete(&mut self, _: usize, _: u16, _: &mut [u8]) -> Result<(), Status> {
        self.status.check().map_err(Status::Nvme)
    }
}
