//! Mailboxes of the security processor (PSP, MP0 13.0.0) and of the system management unit (SMU, MP1 13.0.0)
//! (`mp/mp_13_0_0_offset.h`; what each is used for: `psp_v13_0.c`, `smu_v13_0_0_ppt.c`).

use crate::register::registers;
use crate::{Info, Ip, Register};

/// Message register `n` (32 to 127) of the PSP.
#[must_use]
pub const fn psp(n: u32) -> Register {
    assert!(n >= 32 && n < 128);
    PSP_C2PMSG.plus(n - 32)
}

/// Message register `n` (32 to 127) of the SMU.
#[must_use]
pub const fn smu(n: u32) -> Register {
    assert!(n >= 32 && n < 128);
    SMU_C2PMSG.plus(n - 32)
}

registers! {
    /// Message registers of the PSP.
    PSP of Mp0:
    "Message registers 32 to 127 of the PSP; see [`psp`]." PSP_C2PMSG, 0, 0x60, repeats 96 by 1 {}
}

registers! {
    /// Message registers of the SMU.
    SMU of Mp1:
    "Message registers 32 to 127 of the SMU; see [`smu`]." SMU_C2PMSG, 0, 0x260, repeats 96 by 1 {}
}

/// PSP: bit 31 is set when the firmware in the card's flash has initialised it.
pub const PSP_IFWI: Register = psp(33);
/// PSP bootloader: command; bit 31 when ready.
pub const PSP_BOOTLOADER: Register = psp(35);
/// PSP bootloader: MC address of the component, in MiB.
pub const PSP_BOOTLOADER_ADDRESS: Register = psp(36);
/// PSP: version of the running sOS.
pub const PSP_SOS_VERSION: Register = psp(58);
/// PSP: ring command and its status.
pub const PSP_RING_COMMAND: Register = psp(64);
/// PSP: write pointer of the ring, in dwords.
pub const PSP_RING_WPTR: Register = psp(67);
/// PSP: MC address of the ring, low bits.
pub const PSP_RING_LOW: Register = psp(69);
/// PSP: MC address of the ring, high bits.
pub const PSP_RING_HIGH: Register = psp(70);
/// PSP: bytes of the ring.
pub const PSP_RING_BYTES: Register = psp(71);
/// PSP: not 0 when sOS runs.
pub const PSP_SOS_ALIVE: Register = psp(81);
/// SMU: message.
pub const SMU_MESSAGE: Register = smu(66);
/// SMU: argument, and result.
pub const SMU_ARGUMENT: Register = smu(82);
/// SMU: response.
pub const SMU_RESPONSE: Register = smu(90);
/// SMU debug mailbox: message.
pub const SMU_DEBUG_MESSAGE: Register = smu(75);
/// SMU debug mailbox: argument, and result.
pub const SMU_DEBUG_ARGUMENT: Register = smu(53);
/// SMU debug mailbox: response.
pub const SMU_DEBUG_RESPONSE: Register = smu(54);

/// Both mailboxes.
pub const TABLE: &[Info] = &[PSP[0], SMU[0]];

const _: () = assert!(matches!(
    PSP_IFWI,
    Register {
        ip: Ip::Mp0,
        segment: 0,
        offset: 0x61
    }
));
