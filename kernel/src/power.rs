//! The ways to end: power off, reset, and QEMU's debug exit.

use core::time::Duration;

use x86_64::{
    PhysAddr,
    instructions::{hlt, interrupts, port::Port},
    structures::DescriptorTablePointer,
};

use crate::{
    acpi::{
        self,
        tables::{PowerOff, Register},
    },
    memory::{self, Caching},
    time,
};

/// What QEMU's `isa-debug-exit` turns into exit status 99: a panic.
pub const QEMU_PANIC: u32 = 0x31;

/// How long a machine may take to end after it was told to.
const PATIENCE: Duration = Duration::from_millis(500);

/// Ends QEMU with status `code * 2 + 1` where it has an `isa-debug-exit` device at port 0xf4; elsewhere stops this core.
pub fn exit_qemu(code: u32) -> ! {
    // SAFETY: the port is either QEMU's exit device or unused; a write to it reaches no memory.
    unsafe { Port::new(0xf4).write(code) };
    stop()
}

/// Stops this core for good.
pub fn stop() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}

/// Powers the machine off by ACPI; where that fails, says so and stops.
pub fn shutdown() -> ! {
    log::info!("power: off");
    match acpi::info().power_off {
        None => {
            log::error!("power: ACPI tells no way to power off; switch the machine off by hand")
        }
        Some(how) => {
            enter_sleep(&how);
            time::delay(PATIENCE);
            log::error!(
                "power: still running {PATIENCE:?} after the sleep registers were written; switch off by hand"
            );
        }
    }
    stop()
}

/// Resets the machine: by ACPI's register, the chipset's, the keyboard controller, and at last by a triple fault.
pub fn reset() -> ! {
    log::info!("power: reset");
    let by_acpi = acpi::info().reset;
    let chipset = [(Register::Port(0xcf9), 0x02), (Register::Port(0xcf9), 0x06)];
    let keyboard_controller = (Register::Port(0x64), 0xfe);
    let ways = by_acpi
        .map(|reset| (reset.register, reset.value))
        .into_iter()
        .chain(chipset)
        .chain([keyboard_controller]);
    for (register, value) in ways {
        write_byte(register, value);
        time::delay(Duration::from_millis(50));
    }
    triple_fault()
}

fn enter_sleep(how: &PowerOff) {
    let (control, value) = how.first;
    if let (Some((port, command)), Register::Port(control)) = (how.enable, control) {
        const SCI_EN: u16 = 1;
        // SAFETY: the FADT says that this is PM1a_CNT; reading it changes nothing.
        let enabled = || unsafe { Port::<u16>::new(control).read() } & SCI_EN != 0;
        if !enabled() {
            write_byte(Register::Port(port), command);
            // A firmware that does not answer may still obey the registers below.
            if let Err(late) = time::wait_until(
                "the firmware's hand-over of the ACPI registers",
                PATIENCE,
                enabled,
            ) {
                log::warn!("power: {late}");
            }
        }
    }
    write_word(control, value);
    if let Some((register, value)) = how.second {
        write_word(register, value);
    }
}

fn write_byte(register: Register, value: u8) {
    match register {
        // SAFETY: one of the reset or command ports of the PC or of the FADT; nothing of the kernel's memory is behind them.
        Register::Port(port) => unsafe { Port::new(port).write(value) },
        Register::Memory(address) => {
            if let Ok(pointer) =
                memory::map_device(PhysAddr::new_truncate(address), 1, Caching::Uncached)
            {
                // SAFETY: mapped just now; the FADT says that this is a register that takes a byte.
                unsafe { pointer.write_volatile(value) };
            }
        }
        Register::Pci {
            device,
            function,
            offset,
        } => {
            let address = 1 << 31
                | u32::from(device) << 11
                | u32::from(function) << 8
                | u32::from(offset & 0xfc);
            // SAFETY: the configuration ports reach configuration space, and the FADT names this register of it.
            unsafe {
                Port::new(0xcf8).write(address);
                Port::new(0xcfc + (offset & 3)).write(value);
            }
        }
    }
}

fn write_word(register: Register, value: u16) {
    match register {
        // SAFETY: the FADT says that this is a power management register of 16 bits.
        Register::Port(port) => unsafe { Port::new(port).write(value) },
        // SLEEP_CONTROL, of 8 bits, is the only one that lies in memory in practice.
        other => write_byte(other, value as u8),
    }
}

/// An exception without a table of gates resets every PC.
fn triple_fault() -> ! {
    let none = DescriptorTablePointer {
        limit: 0,
        base: x86_64::VirtAddr::zero(),
    };
    // SAFETY: nothing is to run after this.
    unsafe {
        x86_64::instructions::tables::lidt(&none);
        core::arch::asm!("ud2", options(noreturn));
    }
}
