//! The registers that the driver uses: offsets and bits with the datasheet's names (10.2), and the window onto them.

use core::ptr::NonNull;

use x86_64::PhysAddr;

use crate::memory::{Caching, MapError, map_device};

/// Bytes of the window, BAR 0.
pub(super) const BYTES: u64 = 128 * 1024;

/// Device control (10.2.2.1).
pub(super) const CTRL: u32 = 0x0000;
/// Device status (10.2.2.2).
pub(super) const STATUS: u32 = 0x0008;
/// EEPROM control (10.2.2.3), Linux's `EECD`.
pub(super) const EEC: u32 = 0x0010;
/// Interrupt mask clear (10.2.4).
pub(super) const IMC: u32 = 0x00d8;
/// Receive control (10.2.5.1).
pub(super) const RCTL: u32 = 0x0100;
/// Transmit control (10.2.6.1).
pub(super) const TCTL: u32 = 0x0400;
/// Transmit inter-packet gap (10.2.6).
pub(super) const TIPG: u32 = 0x0410;
/// Receive descriptor control (10.2.5.11).
pub(super) const RXDCTL: u32 = 0x2828;
/// Transmit descriptor control (10.2.6.11).
pub(super) const TXDCTL: u32 = 0x3828;
/// Receive filter control (10.2.5).
pub(super) const RFCTL: u32 = 0x5008;
/// Multicast table, [`MTA_WORDS`] of them (10.2.5).
pub(super) const MTA: u32 = 0x5200;
/// Words of the multicast table.
pub(super) const MTA_WORDS: u32 = 128;
/// Receive addresses, [`RECEIVE_ADDRESSES`] pairs of low and high word (10.2.5.23).
pub(super) const RAL0: u32 = 0x5400;
/// The high word of the first pair.
pub(super) const RAH0: u32 = 0x5404;
/// Receive addresses.
pub(super) const RECEIVE_ADDRESSES: u32 = 16;

/// Where the registers of one ring lie: its base, length, head and tail.
#[derive(Clone, Copy)]
pub(super) struct RingRegisters(u32);

impl RingRegisters {
    /// RDBAL (10.2.5).
    pub(super) const RECEIVE: Self = Self(0x2800);
    /// TDBAL (10.2.6).
    pub(super) const TRANSMIT: Self = Self(0x3800);

    /// Tells the card about an empty ring.
    pub(super) fn set_up(self, registers: Registers, physical: u64, bytes: u32) {
        registers.write(self.0, physical as u32);
        registers.write(self.0 + 0x04, (physical >> 32) as u32);
        registers.write(self.0 + 0x08, bytes);
        registers.write(self.0 + 0x10, 0);
        registers.write(self.0 + 0x18, 0);
    }

    /// Gives the card the descriptors before `tail`.
    pub(super) fn set_tail(self, registers: Registers, tail: usize) {
        registers.write(self.0 + 0x18, tail as u32);
    }
}

/// Bits of [`CTRL`].
pub(super) mod ctrl {
    pub(in super::super) const ASDE: u32 = 1 << 5;
    pub(in super::super) const SLU: u32 = 1 << 6;
    pub(in super::super) const FRCSPD: u32 = 1 << 11;
    pub(in super::super) const FRCDPLX: u32 = 1 << 12;
    pub(in super::super) const RST: u32 = 1 << 26;
    pub(in super::super) const RFCE: u32 = 1 << 27;
    pub(in super::super) const TFCE: u32 = 1 << 28;
    pub(in super::super) const VME: u32 = 1 << 30;
}

/// [`STATUS`]: the link is up.
pub(super) const STATUS_LU: u32 = 1 << 1;
/// [`EEC`]: the card has read its EEPROM after the reset.
pub(super) const EEC_AUTO_RD: u32 = 1 << 9;
/// The high word of a receive address: it is used.
pub(super) const RAH_AV: u32 = 1 << 31;

/// EN, BAM (broadcasts) and SECRC (no CRC in the buffer). Buffers of 2048 bytes are a zero in BSIZE; no LPE, so that a
/// packet of more than 1522 bytes is not taken; no SBP, UPE or MPE: nothing damaged, nothing for others.
pub(super) const RCTL_VALUE: u32 = 1 << 1 | 1 << 15 | 1 << 26;
/// EN, PSP (pad to 64 bytes), 15 attempts after a collision, RTLC; the collision distance is Linux's 63.
pub(super) const TCTL_VALUE: u32 = 1 << 1 | 1 << 3 | 15 << 4 | 63 << 12 | 1 << 24;
/// CT and COLD, which [`TCTL_VALUE`] replaces; the bits besides are kept as the reset left them.
pub(super) const TCTL_REPLACED: u32 = 0xff << 4 | 0x3ff << 12;
/// The gaps for copper: IPGT 8, IPGR1 8, IPGR2 6 (Linux's `DEFAULT_82543_TIPG_*`).
pub(super) const TIPG_VALUE: u32 = 8 | 8 << 10 | 6 << 20;
/// GRAN (thresholds count descriptors) and a WTHRESH of 1: every descriptor is written back as soon as it is done.
pub(super) const RXDCTL_VALUE: u32 = 1 << 24 | 1 << 16;
/// The same, with bit 22, which must be 1 (datasheet since revision 3.1; Linux's `TXDCTL_COUNT_DESC`).
pub(super) const TXDCTL_VALUE: u32 = RXDCTL_VALUE | 1 << 22;

/// The card's registers.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    base: NonNull<u8>,
}

impl Registers {
    /// Maps the window that starts at `start`.
    ///
    /// # Errors
    /// [`MapError`] if it cannot be mapped.
    pub(super) fn map(start: u64) -> Result<Self, MapError> {
        let base = map_device(PhysAddr::new_truncate(start), BYTES, Caching::Uncached)?;
        Ok(Self { base })
    }

    fn register(self, offset: u32) -> *mut u32 {
        assert!(
            u64::from(offset) < BYTES && offset.is_multiple_of(4),
            "register {offset:#x}"
        );
        // SAFETY: the offset was just checked against what is mapped.
        unsafe { self.base.as_ptr().add(offset as usize).cast() }
    }

    pub(super) fn read(self, offset: u32) -> u32 {
        // SAFETY: an aligned register of the mapping, which is never taken back.
        unsafe { self.register(offset).read_volatile() }
    }

    /// Writes a register. The addresses of memory that are written must be of memory that the card may use.
    pub(super) fn write(self, offset: u32, value: u32) {
        // SAFETY: as in `read`; only `RingRegisters::set_up` passes addresses, of rings that are never freed.
        unsafe { self.register(offset).write_volatile(value) }
    }
}
