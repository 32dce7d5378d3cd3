//! The memory queue descriptor (MQD) of a compute queue: what its registers are to hold.
//!
//! An MQD has 512 dwords (`struct v11_compute_mqd` in Linux `v11_structs.h`). The first is a header; those after it are the
//! registers of compute in their order, from COMPUTE_DISPATCH_INITIATOR on; those from 0x80 on are the registers of the queue,
//! from CP_MQD_BASE_ADDR on. What is not said here is 0.
//!
//! Values are those of both `gfx_v11_0_compute_mqd_init` in Linux and `AM_GFX.setup_ring` in tinygrad; where they differ, the
//! row says whose it is.

use amdgpu_registers::{Register, gc};

use super::ring::Ring;
use crate::{GpuVa, McAddr};

/// Bytes of an MQD.
pub(super) const BYTES: usize = 2048;
/// The dword of CP_MQD_BASE_ADDR.
const HQD: usize = 0x80;
/// Registers from there on, the last of which is CP_HQD_PQ_WPTR_HI.
const HQD_REGISTERS: u32 = gc::CP_HQD_PQ_WPTR_HI.offset - gc::CP_MQD_BASE_ADDR.offset + 1;
const HEADER: u32 = 0xc031_0800;

/// Where a register of compute or of the queue is.
const fn dword(register: Register) -> usize {
    if register.offset >= gc::CP_MQD_BASE_ADDR.offset {
        HQD + (register.offset - gc::CP_MQD_BASE_ADDR.offset) as usize
    } else {
        1 + (register.offset - gc::COMPUTE_DISPATCH_INITIATOR.offset) as usize
    }
}

/// An MQD.
pub(super) struct Mqd([u32; BYTES / 4]);

impl Mqd {
    /// That of a queue with this ring and this buffer for end-of-pipe events, of `4 << log_eop` bytes.
    pub(super) fn new(place: McAddr, ring: &Ring, eop: GpuVa, log_eop: u32) -> Self {
        let mut mqd = Self([0; BYTES / 4]);
        mqd.0[0] = HEADER;
        for (register, value) in fixed() {
            mqd.0[dword(register)] = value;
        }
        let base = ring.base().0 >> 8;
        let eop = eop.0 >> 8;
        let pairs = [
            (gc::CP_MQD_BASE_ADDR, place.0),
            (gc::CP_HQD_PQ_BASE, base),
            (gc::CP_HQD_PQ_RPTR_REPORT_ADDR, ring.read_pointer_place().0),
            (gc::CP_HQD_PQ_WPTR_POLL_ADDR, ring.write_pointer_place().0),
            (gc::CP_HQD_EOP_BASE_ADDR, eop),
        ];
        for (low, value) in pairs {
            mqd.0[dword(low)] = value as u32;
            mqd.0[dword(low) + 1] = (value >> 32) as u32;
        }
        {
            use gc::CP_HQD_EOP_CONTROL::EOP_SIZE;
            use gc::CP_HQD_PQ_CONTROL::{QUEUE_SIZE, RPTR_BLOCK_SIZE};
            use gc::CP_HQD_PQ_DOORBELL_CONTROL::{DOORBELL_EN, DOORBELL_OFFSET};
            // Sizes are the logarithm of dwords, less one. The read pointer is told every 2^(5+1) dwords (tinygrad).
            let ring_control = QUEUE_SIZE.is(ring.log_dwords() - 1) | RPTR_BLOCK_SIZE.is(5);
            // In dwords; a doorbell has two.
            let doorbell = DOORBELL_OFFSET.is(ring.doorbell() / 4) | DOORBELL_EN.is(1);
            mqd.0[dword(gc::CP_HQD_PQ_CONTROL)] = ring_control;
            mqd.0[dword(gc::CP_HQD_PQ_DOORBELL_CONTROL)] = doorbell;
            mqd.0[dword(gc::CP_HQD_EOP_CONTROL)] = EOP_SIZE.is(log_eop - 1);
        }
        mqd
    }

    /// The registers of the queue and what they are to hold, in order.
    pub(super) fn registers(&self) -> impl Iterator<Item = (Register, u32)> {
        let values = self.0[HQD..].iter().copied();
        (0..HQD_REGISTERS)
            .map(|at| gc::CP_MQD_BASE_ADDR.plus(at))
            .zip(values)
    }

    /// As it lies in memory.
    pub(super) fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(&self.0) {
            *place = word.to_le_bytes();
        }
        bytes
    }
}

/// What is the same for every queue.
fn fixed() -> [(Register, u32); 16] {
    use gc::CP_HQD_IB_CONTROL::MIN_IB_AVAIL_SIZE;
    use gc::CP_HQD_QUANTUM::{QUANTUM_DURATION, QUANTUM_EN, QUANTUM_SCALE};
    use gc::CP_MQD_CONTROL::PRIV_STATE;
    const ALL_UNITS: u32 = u32::MAX;
    [
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE0, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE1, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE2, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE3, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE4, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE5, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE6, ALL_UNITS),
        (gc::COMPUTE_STATIC_THREAD_MGMT_SE7, ALL_UNITS),
        // The value after reset with PRELOAD_SIZE 0x55 (Linux); tinygrad clears the bits of quality of service.
        (gc::CP_HQD_PERSISTENT_STATE, 0x0be0_5501),
        (gc::CP_HQD_PIPE_PRIORITY, 2),
        (gc::CP_HQD_QUEUE_PRIORITY, 0xf),
        (
            gc::CP_HQD_QUANTUM,
            QUANTUM_EN.is(1) | QUANTUM_SCALE.is(1) | QUANTUM_DURATION.is(1),
        ),
        (gc::CP_HQD_IB_CONTROL, MIN_IB_AVAIL_SIZE.is(3)),
        // Bit 14 as `init_mqd` in Linux's kfd_mqd_manager_v11.c; bit 29 there, and always in tinygrad, says that PCIe atomics
        // work on the way to host memory, which nobody has asked the bus, and no packet of ours needs.
        (gc::CP_HQD_HQ_STATUS0, 1 << 14),
        (gc::CP_MQD_CONTROL, PRIV_STATE.is(1)),
        (gc::CP_HQD_ACTIVE, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::compute::KIND;
    use super::*;
    use crate::testing::memory;

    /// The values of the reference for a ring of 16 MiB and doorbell 3 (rdna3-bringup.md, 6.1), but for those rows that the
    /// reference marks as different between its sources.
    #[test]
    fn an_mqd_has_the_values_of_the_reference() {
        let (mut device, mut memory, _) = memory();
        let ring = Ring::new(&mut device, &mut memory, KIND, 16 << 20, 3);
        let ring = ring.expect("there is memory");
        let mqd = Mqd::new(McAddr(0x80_0020_0000), &ring, GpuVa(0x2000_1234_5000), 10);
        let va = ring.base().0 - 4096;
        let expected = [
            (0, 0xc031_0800),
            (0x17, u32::MAX),
            (0x18, u32::MAX),
            (0x1a, u32::MAX),
            (0x1b, u32::MAX),
            (0x2c, u32::MAX),
            (0x2d, u32::MAX),
            (0x2e, u32::MAX),
            (0x2f, u32::MAX),
            (0x80, 0x20_0000),
            (0x81, 0x80),
            (0x84, 0x0be0_5501),
            (0x85, 2),
            (0x86, 0xf),
            (0x87, 0x111),
            (0x88, (ring.base().0 >> 8) as u32),
            (0x89, 0x20),
            (0x8b, va as u32),
            (0x8c, (va >> 32) as u32),
            (0x8d, va as u32 + 0x80),
            (0x8e, (va >> 32) as u32),
            (0x8f, 0x4000_0018),
            (0x91, 0x515),
            (0x95, 0x30_0000),
            (0xa0, 0x4000),
            (0xa2, 0x100),
            (0xa5, 0x0012_3450),
            (0xa6, 0x20),
            (0xa7, 9),
        ];
        for (at, found) in mqd.0.iter().enumerate() {
            let row = expected.iter().find(|(dword, _)| *dword == at);
            let wanted = row.map_or(0, |(_, value)| *value);
            assert_eq!(*found, wanted, "dword {at:#x}");
        }
        assert_eq!(mqd.registers().count(), 56);
        let last = mqd.registers().last().expect("56");
        assert_eq!(last.0, gc::CP_HQD_PQ_WPTR_HI);
        assert_eq!(mqd.bytes()[..4], 0xc031_0800_u32.to_le_bytes());
    }
}
