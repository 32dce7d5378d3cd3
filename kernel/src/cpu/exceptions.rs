//! What the processor reports: every exception ends in the crash report with all registers.

use core::{arch::global_asm, fmt};

use x86_64::registers::control::Cr2;

use crate::panic;

global_asm!(include_str!("exceptions.s"));

unsafe extern "C" {
    /// The addresses of the 32 entries of `exceptions.s`.
    pub(super) static exception_stubs: [u64; 32];
    /// Ends the `hlt` of an idle core.
    pub(super) fn interrupt_wake();
    /// What the local APIC raises when an interrupt went away before it was taken.
    pub(super) fn interrupt_spurious();
}

/// The registers of interrupted code, as `exceptions.s` and the processor push them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the processor's")]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const NMI: u64 = 2;
const PAGE_FAULT: u64 = 14;

/// By vector; empty where the vector is reserved.
const NAMES: [&str; 32] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualization",
    "control protection",
    "",
    "",
    "",
    "",
    "",
    "",
    "hypervisor injection",
    "VMM communication",
    "security",
    "",
];

impl Frame {
    /// The exception's name.
    pub fn name(&self) -> &'static str {
        NAMES.get(self.vector as usize).copied().unwrap_or("")
    }

    /// Whether the processor pushed an error code, or CR2 tells an address.
    pub fn is_page_fault(&self) -> bool {
        self.vector == PAGE_FAULT
    }
}

impl fmt::Display for Frame {
    /// The whole report: name, cause, and all registers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exception {} ({}), error code {:#x}",
            self.vector,
            self.name(),
            self.error_code
        )?;
        if self.is_page_fault() {
            write!(
                f,
                "\n  {} at {:#018x}",
                PageFault(self.error_code),
                Cr2::read_raw()
            )?;
        }
        write!(
            f,
            "\n  rip {:016x}  cs {:04x}  rflags {:08x}  ss {:04x}",
            self.rip, self.cs, self.rflags, self.ss
        )?;
        let registers = [
            [
                ("rax", self.rax),
                ("rbx", self.rbx),
                ("rcx", self.rcx),
                ("rdx", self.rdx),
            ],
            [
                ("rsi", self.rsi),
                ("rdi", self.rdi),
                ("rbp", self.rbp),
                ("rsp", self.rsp),
            ],
            [
                ("r8 ", self.r8),
                ("r9 ", self.r9),
                ("r10", self.r10),
                ("r11", self.r11),
            ],
            [
                ("r12", self.r12),
                ("r13", self.r13),
                ("r14", self.r14),
                ("r15", self.r15),
            ],
        ];
        for row in registers {
            f.write_str("\n ")?;
            for (name, value) in row {
                write!(f, " {name} {value:016x}")?;
            }
        }
        Ok(())
    }
}

/// A page fault's error code in words.
struct PageFault(u64);

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |index: u32| self.0 & (1 << index) != 0;
        let what = match (bit(4), bit(1)) {
            (true, _) => "execution",
            (false, true) => "write",
            (false, false) => "read",
        };
        let why = match (bit(3), bit(0)) {
            (true, _) => "of a page with a reserved bit set",
            (false, true) => "not allowed by the page's permissions",
            (false, false) => "of an address where nothing is mapped",
        };
        write!(f, "{what} {why}")
    }
}

/// Where `exceptions.s` goes.
#[unsafe(no_mangle)]
extern "C" fn exception_entry(frame: &Frame) -> ! {
    if frame.vector == NMI {
        panic::stop_if_another_core_panics();
    }
    panic::exception(frame)
}
