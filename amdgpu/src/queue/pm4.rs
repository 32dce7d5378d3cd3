//! Packets of compute queues (PM4, type 3): a writer whose methods are named after them.
//!
//! Sources: `nvd.h` and `gfx_v11_0.c` in Linux, `AMDComputeQueue` in tinygrad's `ops_amd.py`; GCR_CNTL also Mesa's
//! `radv_cs.c` (`gfx10_cs_emit_cache_flush`).

use amdgpu_registers::Register;

use crate::GpuVa;

/// First dword that SET_SH_REG reaches (PACKET3_SET_SH_REG_START), counted from base address 0 of GC, which is dword 0x1260 on
/// every card whose packets are these: Mesa's `sid.h` has COMPUTE_PGM_LO at byte 0xb830 for all of them.
const SH_START: u32 = 0x2c00 - 0x1260;
/// The count of a NOP that is its header alone.
const NOP_ALONE: u32 = 0x3fff;

/// Opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Opcode {
    Nop = 0x10,
    DispatchDirect = 0x15,
    DispatchIndirect = 0x16,
    WriteData = 0x37,
    WaitRegMem = 0x3c,
    IndirectBuffer = 0x3f,
    CopyData = 0x40,
    EventWrite = 0x46,
    ReleaseMem = 0x49,
    AcquireMem = 0x58,
    SetShReg = 0x76,
}

const NAMES: &[(Opcode, &str)] = &[
    (Opcode::Nop, "NOP"),
    (Opcode::DispatchDirect, "DISPATCH_DIRECT"),
    (Opcode::DispatchIndirect, "DISPATCH_INDIRECT"),
    (Opcode::WriteData, "WRITE_DATA"),
    (Opcode::WaitRegMem, "WAIT_REG_MEM"),
    (Opcode::IndirectBuffer, "INDIRECT_BUFFER"),
    (Opcode::CopyData, "COPY_DATA"),
    (Opcode::EventWrite, "EVENT_WRITE"),
    (Opcode::ReleaseMem, "RELEASE_MEM"),
    (Opcode::AcquireMem, "ACQUIRE_MEM"),
    (Opcode::SetShReg, "SET_SH_REG"),
];

/// What a header says: the packet's name, if this driver writes such packets, and its dwords with the header.
#[must_use]
pub fn decode(header: u32) -> (Option<&'static str>, usize) {
    let (kind, opcode, count) = (header >> 30, (header >> 8) as u8, header >> 16 & 0x3fff);
    if kind != 3 {
        return (None, 1);
    }
    let found = NAMES.iter().find(|(known, _)| *known as u8 == opcode);
    let alone = opcode == Opcode::Nop as u8 && count == NOP_ALONE;
    let dwords = if alone { 1 } else { count as usize + 2 };
    (found.map(|(_, name)| *name), dwords)
}

/// What ACQUIRE_MEM and RELEASE_MEM do to caches, as bits of GCR_CNTL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches(u32);

impl Caches {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Instruction caches.
    pub const GLI_INV: Self = Self(1);
    /// Metadata of compressed surfaces. Must come with its invalidation.
    pub const GLM_WB: Self = Self(1 << 4);
    /// The same.
    pub const GLM_INV: Self = Self(1 << 5);
    /// Scalar caches.
    pub const GLK_WB: Self = Self(1 << 6);
    /// The same.
    pub const GLK_INV: Self = Self(1 << 7);
    /// Vector caches of the compute units (L0).
    pub const GLV_INV: Self = Self(1 << 8);
    /// Caches of the shader arrays.
    pub const GL1_INV: Self = Self(1 << 9);
    /// The cache of the card.
    pub const GL2_INV: Self = Self(1 << 14);
    /// The same.
    pub const GL2_WB: Self = Self(1 << 15);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same as bits of RELEASE_MEM's first dword, which has no instruction and scalar caches.
    const fn of_release(self) -> u32 {
        const PLACES: [(Caches, u32); 6] = [
            (Caches::GLM_WB, 12),
            (Caches::GLM_INV, 13),
            (Caches::GLV_INV, 14),
            (Caches::GL1_INV, 15),
            (Caches::GL2_INV, 20),
            (Caches::GL2_WB, 21),
        ];
        let (mut bits, mut at) = (0, 0);
        while at < PLACES.len() {
            let (action, place) = PLACES[at];
            if self.0 & action.0 != 0 {
                bits |= 1 << place;
            }
            at += 1;
        }
        bits
    }
}

/// What RELEASE_MEM writes when all before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// 32 bits, to a multiple of 4.
    Low(GpuVa, u32),
    /// 64 bits, to a multiple of 8.
    Wide(GpuVa, u64),
    /// The counter of 100 MHz, 64 bits, to a multiple of 8.
    Clock(GpuVa),
}

/// When RELEASE_MEM writes (INT_SEL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum After {
    /// When the dispatches and cache actions are done.
    Event = 0,
    /// When, besides, all that they wrote is confirmed (EOP_INT_SEL_SEND_DATA_AFTER_WR_CONFIRM in RADV's
    /// `radv_cs_emit_write_event_eop`, which uses it for all its fences).
    Confirmation = 3,
}

/// How WAIT_REG_MEM compares, unsigned, what it reads with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Compare {
    /// Equal.
    Equal = 3,
    /// Not equal.
    NotEqual = 4,
    /// Greater or equal.
    AtLeast = 5,
}

/// What WAIT_REG_MEM looks at. Registers are dwords of the aperture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// A register.
    Register(u32),
    /// Memory at a multiple of 4.
    Memory(GpuVa),
    /// A register after the reference was written to another, once.
    AfterWrite {
        /// The one that is written.
        write: u32,
        /// The one that is read.
        read: u32,
    },
}

/// A side of COPY_DATA, or where WRITE_DATA writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register, by its dword in the aperture.
    Register(u32),
    /// Memory at a multiple of 4.
    Memory(GpuVa),
}

impl Place {
    const fn address(self) -> [u32; 2] {
        match self {
            Self::Register(dword) => [dword, 0],
            Self::Memory(va) => [va.low(), va.high()],
        }
    }

    const fn as_destination(self) -> u32 {
        match self {
            Self::Register(_) => 0,
            Self::Memory(_) => 5 << 8,
        }
    }
}

/// Tells WRITE_DATA and COPY_DATA to be done only when what they wrote has arrived.
const WR_CONFIRM: u32 = 1 << 20;

/// A writer of packets. What does not fit is counted, not written: [`Pm4::fits`] tells in the end.
#[derive(Debug)]
pub struct Pm4<'a> {
    space: &'a mut [u32],
    used: &'a mut usize,
}

impl<'a> Pm4<'a> {
    /// Goes on after the first `used` dwords of `space`.
    pub const fn new(space: &'a mut [u32], used: &'a mut usize) -> Self {
        Self { space, used }
    }

    /// Whether all that was written fitted.
    #[must_use]
    pub const fn fits(&self) -> bool {
        *self.used <= self.space.len()
    }

    fn put(&mut self, dwords: &[u32]) {
        let end = *self.used + dwords.len();
        if let Some(place) = self.space.get_mut(*self.used..end) {
            place.copy_from_slice(dwords);
        }
        *self.used = end;
    }

    fn packet(&mut self, opcode: Opcode, parts: [&[u32]; 2]) {
        let payload = (parts[0].len() + parts[1].len()) as u32;
        self.put(&[3 << 30 | (payload - 1) << 16 | (opcode as u32) << 8]);
        self.put(parts[0]);
        self.put(parts[1]);
    }

    /// NOP, of one dword.
    pub fn nop(&mut self) {
        self.put(&[3 << 30 | NOP_ALONE << 16 | (Opcode::Nop as u32) << 8]);
    }

    /// SET_SH_REG: consecutive registers of GC from `first` on, which are COMPUTE_*.
    pub fn set_sh_reg(&mut self, first: Register, values: &[u32]) {
        self.packet(Opcode::SetShReg, [&[first.offset - SH_START], values]);
    }

    /// DISPATCH_DIRECT: so many workgroups, COMPUTE_DISPATCH_INITIATOR.
    pub fn dispatch_direct(&mut self, groups: [u32; 3], initiator: u32) {
        self.packet(Opcode::DispatchDirect, [&groups, &[initiator]]);
    }

    /// DISPATCH_INDIRECT in the form of the MEC: as many workgroups as the three dwords there say.
    pub fn dispatch_indirect(&mut self, groups: GpuVa, initiator: u32) {
        let place = [groups.low(), groups.high(), initiator];
        self.packet(Opcode::DispatchIndirect, [&place, &[]]);
    }

    /// EVENT_WRITE of CS_PARTIAL_FLUSH: goes on when all dispatches before it are done.
    pub fn cs_partial_flush(&mut self) {
        self.packet(Opcode::EventWrite, [&[7 | 4 << 8], &[]]);
    }

    /// ACQUIRE_MEM: does this to caches, for all addresses, before it goes on.
    pub fn acquire_mem(&mut self, caches: Caches) {
        let everywhere = [0, u32::MAX, u32::MAX, 0, 0, 0];
        self.packet(Opcode::AcquireMem, [&everywhere, &[caches.0]]);
    }

    /// RELEASE_MEM of CACHE_FLUSH_AND_INV_TS: when all dispatches before it are done, does this to caches and then writes. No
    /// interrupt is raised. Cache actions go forward, from the caches of waves to memory (SEQ 1).
    pub fn release_mem(&mut self, caches: Caches, write: Write, after: After) {
        const EVENT: u32 = 0x14 | 5 << 8;
        let sequence = if caches == Caches::NONE { 0 } else { 1 << 22 };
        let (select, va, data) = match write {
            Write::Low(va, value) => (1, va, u64::from(value)),
            Write::Wide(va, value) => (2, va, value),
            Write::Clock(va) => (3, va, 0),
        };
        let select = select << 29 | (after as u32) << 24;
        let first = [EVENT | caches.of_release() | sequence, select];
        let rest = [va.low(), va.high(), data as u32, (data >> 32) as u32, 0];
        self.packet(Opcode::ReleaseMem, [&first, &rest]);
    }

    /// WAIT_REG_MEM: goes on when what is there, masked, compares with `reference`. Polls every 64 clocks.
    pub fn wait_reg_mem(&mut self, poll: Poll, compare: Compare, reference: u32, mask: u32) {
        let (space, place) = match poll {
            Poll::Register(dword) => (0, [dword, 0]),
            Poll::Memory(va) => (1 << 4, [va.low(), va.high()]),
            Poll::AfterWrite { write, read } => (1 << 6, [write, read]),
        };
        let first = [compare as u32 | space, place[0], place[1]];
        self.packet(Opcode::WaitRegMem, [&first, &[reference, mask, 4]]);
    }

    /// WRITE_DATA, confirmed.
    pub fn write_data(&mut self, to: Place, data: &[u32]) {
        let [low, high] = to.address();
        let first = [to.as_destination() | WR_CONFIRM, low, high];
        self.packet(Opcode::WriteData, [&first, data]);
    }

    /// COPY_DATA of 32 bits, confirmed.
    pub fn copy_data(&mut self, from: Place, to: Place) {
        let source = u32::from(matches!(from, Place::Memory(_)));
        let first = [source | to.as_destination() | WR_CONFIRM];
        let ([from_low, from_high], [to_low, to_high]) = (from.address(), to.address());
        let rest = [from_low, from_high, to_low, to_high];
        self.packet(Opcode::CopyData, [&first, &rest]);
    }

    /// INDIRECT_BUFFER: so many dwords of packets from there, of VMID 0.
    pub fn indirect_buffer(&mut self, va: GpuVa, dwords: u32) {
        const VALID: u32 = 1 << 23;
        let size = [va.low(), va.high(), (dwords & 0xf_ffff) | VALID];
        self.packet(Opcode::IndirectBuffer, [&size, &[]]);
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use amdgpu_registers::gc;

    use super::*;

    const PROGRAM: u64 = 0x2000_1234_5600 >> 8;
    const SCRATCH: u64 = 0x2000_2000_0000 >> 8;
    const ARGUMENTS: u64 = 0x2000_0000_2000;
    const SIGNAL: GpuVa = GpuVa(0x2000_0000_1040);

    fn written(act: impl FnOnce(&mut Pm4<'_>)) -> Vec<u32> {
        let (mut space, mut used) = ([0; 256], 0);
        let mut pm4 = Pm4::new(&mut space, &mut used);
        act(&mut pm4);
        assert!(pm4.fits());
        space[..used].to_vec()
    }

    fn check(act: impl FnOnce(&mut Pm4<'_>), expected: &str) {
        let hex = |text: &str| u32::from_str_radix(text, 16).expect("a number");
        let expected: Vec<u32> = expected.split_whitespace().map(hex).collect();
        let found = written(act);
        let text: String = found.iter().map(|word| std::format!("{word:X} ")).collect();
        assert_eq!(found, expected, "{text}");
    }

    /// The stream of one dispatch of tinygrad's driver, as the reference has it (rdna3-bringup.md, Appendix C).
    #[test]
    fn a_dispatch_is_the_stream_of_the_reference() {
        let halves = |value: u64| [value as u32, (value >> 32) as u32];
        let upper = Caches(0x3c0);
        let metadata = Caches::GLM_WB.and(Caches::GLM_INV);
        let gl2 = Caches::GL2_INV.and(Caches::GL2_WB);
        check(
            |pm4| {
                pm4.acquire_mem(upper.and(metadata));
                pm4.set_sh_reg(gc::COMPUTE_PGM_LO, &halves(PROGRAM));
                pm4.set_sh_reg(gc::COMPUTE_PGM_RSRC1, &[0x600c_0003, 0x184]);
                pm4.set_sh_reg(gc::COMPUTE_PGM_RSRC3, &[0x20]);
                pm4.set_sh_reg(gc::COMPUTE_TMPRING_SIZE, &[0x1200]);
                pm4.set_sh_reg(gc::COMPUTE_DISPATCH_SCRATCH_BASE_LO, &halves(SCRATCH));
                pm4.set_sh_reg(gc::COMPUTE_RESTART_X, &[0, 0, 0]);
                pm4.set_sh_reg(gc::COMPUTE_USER_DATA, &halves(ARGUMENTS));
                pm4.set_sh_reg(gc::COMPUTE_RESOURCE_LIMITS, &[0]);
                pm4.set_sh_reg(gc::COMPUTE_START_X, &[0, 0, 0, 64, 2, 1, 0, 0]);
                pm4.dispatch_direct([7, 8, 9], 0x8005);
                pm4.cs_partial_flush();
                let all = metadata.and(gl2).and(Caches::GLV_INV).and(Caches::GL1_INV);
                pm4.release_mem(all, Write::Low(SIGNAL, 77), After::Event);
            },
            "C0065800 0 FFFFFFFF FFFFFFFF 0 0 0 3F0  C0027600 20C 123456 20  C0027600 212 600C0003 184
             C0017600 228 20  C0017600 218 1200  C0027600 210 200000 20  C0037600 21B 0 0 0
             C0027600 240 2000 2000  C0017600 215 0  C0087600 204 0 0 0 40 2 1 0 0
             C0031500 7 8 9 8005  C0004600 407  C0064900 70F514 20000000 1040 2000 4D 0 0",
        );
    }

    #[test]
    fn barriers_waits_and_timestamps_are_those_of_the_reference() {
        let flush = Poll::AfterWrite {
            write: 0xe26,
            read: 0xe27,
        };
        let barrier = Caches(0xc3f1);
        check(
            |pm4| {
                pm4.wait_reg_mem(flush, Compare::AtLeast, u32::MAX, u32::MAX);
                pm4.acquire_mem(barrier);
                pm4.wait_reg_mem(Poll::Memory(SIGNAL), Compare::AtLeast, 5, u32::MAX);
                pm4.indirect_buffer(SIGNAL, 0x123);
                pm4.nop();
            },
            "C0053C00 45 E26 E27 FFFFFFFF FFFFFFFF 4  C0065800 0 FFFFFFFF FFFFFFFF 0 0 0 C3F1
             C0053C00 15 1040 2000 5 FFFFFFFF 4  C0023F00 1040 2000 800123  FFFF1000",
        );
        // The reference's first dword, 514, has no cache action.
        check(
            |pm4| pm4.release_mem(Caches::NONE, Write::Clock(SIGNAL), After::Event),
            "C0064900 514 60000000 1040 2000 0 0 0",
        );
        check(
            |pm4| {
                pm4.wait_reg_mem(Poll::Register(0x2004), Compare::Equal, 0, 1);
                pm4.write_data(Place::Memory(SIGNAL), &[1, 2]);
                pm4.write_data(Place::Register(0xc040), &[3]);
                pm4.copy_data(Place::Register(0xc040), Place::Memory(SIGNAL));
                pm4.copy_data(Place::Memory(SIGNAL), Place::Register(0xc040));
                let value = Write::Wide(SIGNAL, 1 << 32 | 2);
                pm4.release_mem(Caches::GL2_WB, value, After::Confirmation);
                pm4.dispatch_indirect(SIGNAL, 0x8005);
            },
            "C0053C00 3 2004 0 0 1 4  C0043700 100500 1040 2000 1 2  C0033700 100000 C040 0 3
             C0044000 100500 C040 0 1040 2000  C0044000 100001 1040 2000 C040 0
             C0064900 600514 43000000 1040 2000 2 1 0  C0021600 1040 2000 8005",
        );
    }

    #[test]
    fn packets_are_known_by_their_headers() {
        let words = written(|pm4| {
            pm4.acquire_mem(Caches::GLV_INV);
            pm4.nop();
            pm4.dispatch_direct([1; 3], 5);
        });
        let mut rest = words.as_slice();
        let mut names = Vec::new();
        while let Some(header) = rest.first() {
            let (name, dwords) = decode(*header);
            names.push(name.expect("it is known"));
            rest = &rest[dwords..];
        }
        assert_eq!(names, ["ACQUIRE_MEM", "NOP", "DISPATCH_DIRECT"]);
        assert_eq!(decode(0xc000_7f00), (None, 2));
        assert_eq!(decode(0x8000_0000), (None, 1));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (mut space, mut used) = ([0; 8], 0);
        let mut pm4 = Pm4::new(&mut space, &mut used);
        pm4.cs_partial_flush();
        assert!(pm4.fits());
        pm4.acquire_mem(Caches::NONE);
        assert!(!pm4.fits());
        assert_eq!(used, 10);
    }
}
