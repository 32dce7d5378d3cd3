//! What this processor can do, and the control registers that switch on what the kernel relies on.

use core::{
    arch::x86_64::{__cpuid, __cpuid_count},
    fmt,
};

use x86_64::registers::{
    control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags},
    model_specific::Msr,
    xcontrol::XCr0,
};

use crate::memory::paging;

/// The features that the kernel asks about.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the processor's")]
pub struct Features {
    pub no_execute: bool,
    pub gib_pages: bool,
    pub smep: bool,
    pub smap: bool,
    pub umip: bool,
    pub x2apic: bool,
    pub hypervisor: bool,
    /// AVX2 and FMA, and the state for them is on.
    pub avx2: bool,
    /// AVX-512 F, BW, DQ and VL, and the state for them is on.
    pub avx512: bool,
}

impl Features {
    /// Asks the processor. The vector units must be on already (`entry.s`).
    pub fn detect() -> Features {
        let basic = __cpuid(1);
        let (leaf_7_ebx, leaf_7_ecx) = match __cpuid(0).eax {
            0..7 => (0, 0),
            _ => (__cpuid_count(7, 0).ebx, __cpuid_count(7, 0).ecx),
        };
        let amd = if __cpuid(0x8000_0000).eax >= 0x8000_0001 {
            __cpuid(0x8000_0001).edx
        } else {
            0
        };
        let bit = |register: u32, bit: u32| register & (1 << bit) != 0;
        let enabled_state = if bit(basic.ecx, 27) {
            XCr0::read_raw()
        } else {
            0
        };
        let avx_state = enabled_state & 0x06 == 0x06;
        let avx512_state = enabled_state & 0xe6 == 0xe6;
        Features {
            no_execute: bit(amd, 20),
            gib_pages: bit(amd, 26),
            smep: bit(leaf_7_ebx, 7),
            smap: bit(leaf_7_ebx, 20),
            umip: bit(leaf_7_ecx, 2),
            x2apic: bit(basic.ecx, 21),
            hypervisor: bit(basic.ecx, 31),
            avx2: avx_state && bit(basic.ecx, 12) && bit(leaf_7_ebx, 5),
            avx512: avx512_state
                && [16, 17, 30, 31]
                    .iter()
                    .all(|&number| bit(leaf_7_ebx, number)),
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            ("nx", self.no_execute),
            ("1gib-pages", self.gib_pages),
            ("smep", self.smep),
            ("smap", self.smap),
            ("umip", self.umip),
            ("x2apic", self.x2apic),
            ("avx2", self.avx2),
            ("avx512", self.avx512),
            ("hypervisor", self.hypervisor),
        ];
        let mut present = names
            .into_iter()
            .filter_map(|(name, present)| present.then_some(name));
        f.write_str(present.next().unwrap_or("none"))?;
        present.try_for_each(|name| write!(f, " {name}"))
    }
}

/// How many bits a physical address has on this processor, at most the 52 that a page table entry has room for.
pub fn physical_address_bits() -> u32 {
    const WHERE_NOTHING_TELLS: u32 = 36;
    if __cpuid(0x8000_0000).eax < 0x8000_0008 {
        return WHERE_NOTHING_TELLS;
    }
    (__cpuid(0x8000_0008).eax & 0xff).min(52)
}

/// The processor's name for itself.
pub fn brand() -> ([u8; 48], usize) {
    let mut name = [0; 48];
    if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
        for (leaf, chunk) in (0x8000_0002..).zip(name.chunks_exact_mut(16)) {
            let part = __cpuid(leaf);
            for (register, bytes) in [part.eax, part.ebx, part.ecx, part.edx]
                .into_iter()
                .zip(chunk.chunks_exact_mut(4))
            {
                bytes.copy_from_slice(&register.to_le_bytes());
            }
        }
    }
    let length = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    (name, length)
}

/// Sets the protection bits on the core that runs this: no-execute, write protection in ring 0, no execution and no access of
/// user pages, no descriptor reads from user code, machine checks as exceptions.
///
/// # Safety
/// The page tables in use are valid with no-execute on, and what is written is mapped writable.
pub unsafe fn enable_protection(features: &Features) {
    let mut cr4 = Cr4Flags::MACHINE_CHECK_EXCEPTION;
    cr4.set(
        Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION,
        features.smep,
    );
    cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    // SAFETY: each bit is set only where CPUID tells it exists, and the kernel has no user pages; no-execute and write
    // protection are the caller's promise. All other bits stay as they are: they hold the paging mode and the vector state.
    unsafe {
        if features.no_execute {
            Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE));
        }
        Cr0::update(|cr0| {
            cr0.insert(Cr0Flags::WRITE_PROTECT);
            cr0.remove(Cr0Flags::CACHE_DISABLE | Cr0Flags::NOT_WRITE_THROUGH);
        });
        Cr4::update(|flags| flags.insert(cr4));
    }
}

/// Gives the core that runs this the page attribute table that the kernel's page tables rely on.
///
/// # Safety
/// No page that this core uses selects an entry which changes its meaning.
pub unsafe fn set_page_attribute_table() {
    // SAFETY: every x86-64 processor has this register, and the value holds only valid memory types.
    unsafe { Msr::new(0x277).write(paging::PAT) };
}
