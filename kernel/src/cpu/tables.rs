//! Each core's descriptor tables: segments, the task state with its interrupt stacks, and the interrupt gates.
//!
//! Every gate has an interrupt stack (IST): compiled code uses the 128 bytes below its stack pointer (the red zone), which an
//! interrupt on the same stack would overwrite. Faults that can strike inside the handling of others have stacks of their own.

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use spin::Once;
use x86_64::{
    PrivilegeLevel, VirtAddr,
    instructions::{
        segmentation::{CS, DS, ES, FS, GS, SS, Segment},
        tables::{lgdt, lidt, load_tss},
    },
    structures::{DescriptorTablePointer, gdt::SegmentSelector, tss::TaskStateSegment},
};

use super::exceptions::{exception_stubs, interrupt_spurious, interrupt_wake};
use crate::memory::{MapError, space};

/// The interrupt that ends an idle core's `hlt`.
pub const WAKE_VECTOR: u8 = 0xf0;
/// The local APIC's spurious interrupt.
pub const SPURIOUS_VECTOR: u8 = 0xff;

const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);
const TASK_STATE: SegmentSelector = SegmentSelector::new(3, PrivilegeLevel::Ring0);

/// The interrupt stacks of a core, by index into the task state's table (gates count from 1).
const STACK_FAULT: usize = 0;
const STACK_DOUBLE_FAULT: usize = 1;
const STACK_NMI: usize = 2;
const STACK_MACHINE_CHECK: usize = 3;
const STACK_INTERRUPT: usize = 4;
const STACKS: usize = 5;

/// Enough for the crash report, which formats without large buffers.
const STACK_BYTES: u64 = 32 * 1024;

/// A core's own tables. Loaded ones must never move or go away.
struct CoreTables {
    gdt: [u64; 5],
    task_state: TaskStateSegment,
}

impl CoreTables {
    const fn new() -> CoreTables {
        CoreTables {
            gdt: [0; 5],
            task_state: TaskStateSegment::new(),
        }
    }
}

/// A 64-bit interrupt gate.
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

const INTERRUPT_GATE_PRESENT: u8 = 0x8e;

impl Gate {
    const ABSENT: Gate = Gate {
        offset_low: 0,
        selector: 0,
        stack: 0,
        kind: 0,
        offset_middle: 0,
        offset_high: 0,
        reserved: 0,
    };

    fn new(handler: u64, stack: usize) -> Gate {
        Gate {
            offset_low: handler as u16,
            selector: KERNEL_CODE.0,
            stack: stack as u8 + 1,
            kind: INTERRUPT_GATE_PRESENT,
            offset_middle: (handler >> 16) as u16,
            offset_high: (handler >> 32) as u32,
            reserved: 0,
        }
    }
}

/// The same for all cores.
static GATES: Once<[Gate; 256]> = Once::new();

fn gates() -> &'static [Gate; 256] {
    GATES.call_once(|| {
        let mut gates = [Gate::ABSENT; 256];
        for (vector, gate) in gates.iter_mut().enumerate().take(32) {
            let stack = match vector {
                2 => STACK_NMI,
                8 => STACK_DOUBLE_FAULT,
                18 => STACK_MACHINE_CHECK,
                _ => STACK_FAULT,
            };
            // SAFETY: `exceptions.s` defines the table, which nothing writes.
            *gate = Gate::new(unsafe { exception_stubs[vector] }, stack);
        }
        // All others, and not only `WAKE_VECTOR`: an interrupt that the firmware left in the local APIC comes at the first
        // `sti`. It is ended like a wake-up, which may come for nothing.
        gates[32..].fill(Gate::new(
            interrupt_wake as *const () as u64,
            STACK_INTERRUPT,
        ));
        gates[usize::from(SPURIOUS_VECTOR)] =
            Gate::new(interrupt_spurious as *const () as u64, STACK_INTERRUPT);
        gates
    })
}

/// Memory that the processor writes behind the compiler's back; Rust makes no reference into it.
struct Raw<T>(UnsafeCell<T>);

// SAFETY: only raw pointers to the content exist, and who uses them answers for it.
unsafe impl<T> Sync for Raw<T> {}

/// The first core's tables from entry until there is memory for the real ones: all exceptions share one stack.
pub fn init_first_core_early() {
    const BYTES: usize = 16 * 1024;
    #[repr(align(16))]
    struct Stack(#[expect(dead_code, reason = "only the processor uses it")] [u8; BYTES]);
    static STACK: Raw<Stack> = Raw(UnsafeCell::new(Stack([0; BYTES])));
    static TABLES: Raw<CoreTables> = Raw(UnsafeCell::new(CoreTables::new()));
    let top = VirtAddr::new(STACK.0.get() as u64 + BYTES as u64);
    // SAFETY: both are statics that only this function uses, at the start of the first core, so before any other user.
    unsafe { load(TABLES.0.get(), [top; STACKS]) };
}

/// What a core needs to take exceptions and interrupts: memory that one core loads. Made apart from that, so that the first
/// core can see that memory is too short before it starts another.
pub struct Reserved {
    tables: Raw<CoreTables>,
    stacks: [VirtAddr; STACKS],
}

impl Reserved {
    /// Tables and guarded stacks for one core.
    pub fn allocate() -> Result<Reserved, MapError> {
        let mut stacks = [VirtAddr::zero(); STACKS];
        for stack in &mut stacks {
            *stack = VirtAddr::new(space::allocate_stack(STACK_BYTES)?);
        }
        let tables = Raw(UnsafeCell::new(CoreTables::new()));
        Ok(Reserved { tables, stacks })
    }

    /// Gives the core that runs this these tables.
    ///
    /// # Safety
    /// No other core that runs has loaded them.
    pub unsafe fn load(&'static self) {
        // SAFETY: 1: they are borrowed forever, and private. 2: the stacks are theirs, and never freed.
        unsafe { load(self.tables.0.get(), self.stacks) }
    }
}

/// Gives the first core its own tables, with guarded stacks.
pub fn init_first_core() -> Result<(), MapError> {
    let reserved = Box::leak(Box::new(Reserved::allocate()?));
    // SAFETY: they were made just now.
    unsafe { reserved.load() };
    Ok(())
}

/// Fills in a core's tables and switches the core that runs this to them.
///
/// # Safety
/// 1. `tables` is valid forever, and nothing but the processor uses it from now on.
/// 2. `stacks` are the tops of writable stacks that nothing else uses.
unsafe fn load(tables: *mut CoreTables, stacks: [VirtAddr; STACKS]) {
    // SAFETY: 1.
    let gdt = unsafe {
        (&raw mut (*tables).task_state.interrupt_stack_table)
            .cast::<[VirtAddr; STACKS]>()
            .write_unaligned(stacks);
        (*tables).gdt = segments(&raw const (*tables).task_state as u64);
        &raw const (*tables).gdt
    };
    let pointer = |base: u64, bytes: usize| DescriptorTablePointer {
        limit: bytes as u16 - 1,
        base: VirtAddr::new(base),
    };
    let gates = gates();
    // SAFETY: the tables live forever (1), and their code and data segments are the flat ones that long mode needs. The task
    // state is marked available, not busy, as its load demands, and its stacks exist (2).
    unsafe {
        lgdt(&pointer(gdt as u64, size_of::<[u64; 5]>()));
        CS::set_reg(KERNEL_CODE);
        SS::set_reg(KERNEL_DATA);
        DS::set_reg(SegmentSelector::NULL);
        ES::set_reg(SegmentSelector::NULL);
        FS::set_reg(SegmentSelector::NULL);
        GS::set_reg(SegmentSelector::NULL);
        load_tss(TASK_STATE);
        lidt(&pointer(gates.as_ptr() as u64, size_of::<[Gate; 256]>()));
    }
}

/// The segment descriptors; the one of the task state at `base` is the last two words.
fn segments(base: u64) -> [u64; 5] {
    const CODE_64: u64 = 0x00af_9b00_0000_ffff;
    const DATA: u64 = 0x00cf_9300_0000_ffff;
    const TASK_STATE_PRESENT: u64 = 0x89 << 40;
    let limit = size_of::<TaskStateSegment>() as u64 - 1;
    let low = limit | (base & 0xff_ffff) << 16 | TASK_STATE_PRESENT | (base >> 24 & 0xff) << 56;
    [0, CODE_64, DATA, low, base >> 32]
}
