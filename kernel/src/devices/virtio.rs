//! What the `virtio-drivers` crate needs of this kernel: DMA memory, addresses, and configuration space.

use core::ptr::NonNull;

use pci_types::PciAddress;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VirtioPciError};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use super::dma_address;
use super::ecam::Ecam;
use crate::cpu::features;
use crate::memory::{self, Caching, PhysRange, frames};
use crate::pci::Config;
use crate::pci::scan::Function;
use crate::pci::virtio_structures::{Structures, structures};

/// Vendor of every virtio device.
pub const VENDOR: u16 = 0x1af4;
/// Device ids of a disk: transitional, modern.
pub const BLOCK_IDS: [u16; 2] = [0x1001, 0x1042];
/// Device ids of a network card: transitional, modern.
pub const NET_IDS: [u16; 2] = [0x1000, 0x1041];

/// Memory and addresses for virtio drivers: frames, seen through the direct map.
///
/// Buffers are shared where they lie and never copied, so each must be physically contiguous: memory of the frame
/// allocator, which the heap is made of as well, and never a stack or the image.
pub struct KernelHal;

// SAFETY: `dma_alloc` hands out frames that nobody else has, zeroed and page-aligned, through the direct map, and
// `mmio_phys_to_virt` a mapping of its own for each call.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let bytes = (pages * PAGE_SIZE) as u64;
        let Some(range) = frames::allocate_zeroed(bytes, PAGE_SIZE as u64) else {
            // The crate reads address 0 as "no memory".
            return (0, NonNull::dangling());
        };
        let pointer = memory::direct_map(range.start());
        // PANIC: the direct map does not start at 0.
        (
            range.start().as_u64(),
            NonNull::new(pointer).expect("the direct map"),
        )
    }

    unsafe fn dma_dealloc(start: PhysAddr, _: NonNull<u8>, pages: usize) -> i32 {
        let range = PhysRange::of_length(start, (pages * PAGE_SIZE) as u64);
        // SAFETY: the caller promises that this came from `dma_alloc` and that driver and device have let go of it.
        unsafe { frames::free(range) };
        0
    }

    unsafe fn mmio_phys_to_virt(start: PhysAddr, size: usize) -> NonNull<u8> {
        let start = x86_64::PhysAddr::new_truncate(start);
        // PANIC: `transport` checked that the window is a part of a BAR which can be mapped; there is no way to return an error.
        memory::map_device(start, size as u64, Caching::Uncached).expect("room to map a BAR")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        dma_address(buffer.cast::<u8>().as_ptr())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// The function's configuration space, as the crate wants to see it.
struct Access<'a> {
    ecam: &'a Ecam,
    address: PciAddress,
}

impl ConfigurationAccess for Access<'_> {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        Config::new(self.ecam, self.address).read(u16::from(offset & !3))
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, data: u32) {
        Config::new(self.ecam, self.address).write(u16::from(offset & !3), data);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self { ..*self }
    }
}

/// Queues of a device whose place for notifications is checked: no driver here uses more.
const QUEUES: u16 = 2;

/// Checks that each queue's register for notifications is one of those that the device has.
fn check_notifications(found: &Structures) -> Result<(), VirtioPciError> {
    // Registers of the common configuration that this needs, in units of 16 bits.
    const BYTES: u64 = 32;
    const NUM_QUEUES: usize = 9;
    const QUEUE_SELECT: usize = 11;
    const QUEUE_NOTIFY_OFF: usize = 15;
    let start = x86_64::PhysAddr::new_truncate(found.common);
    let registers = memory::map_device(start, BYTES, Caching::Uncached)
        .map_err(|_| VirtioPciError::BarOffsetOutOfRange)?
        .cast::<u16>();
    // SAFETY: the common configuration is longer than what was mapped, lies on its boundary, and is the driver's to use,
    // which does not run yet.
    let read = |index| unsafe { registers.add(index).read_volatile() };
    // SAFETY: as for `read`.
    let select = |queue| unsafe { registers.add(QUEUE_SELECT).write_volatile(queue) };
    for queue in 0..read(NUM_QUEUES).min(QUEUES) {
        select(queue);
        let at = read(QUEUE_NOTIFY_OFF);
        if !found.can_notify(at) {
            log::warn!(
                "virtio: queue {queue} is notified at {at} times {} of {} bytes",
                found.notify_multiplier,
                found.notify_bytes
            );
            return Err(VirtioPciError::BarOffsetOutOfRange);
        }
    }
    Ok(())
}

/// Switches the function on and finds the virtio structures in its BARs. The scan has checked its capability list, which
/// the crate follows without a bound.
///
/// # Errors
/// [`VirtioPciError`] if a structure is missing or lies outside its BAR.
pub fn transport(ecam: &Ecam, function: &Function) -> Result<PciTransport, VirtioPciError> {
    let address = function.address;
    let config = Config::new(ecam, address);
    let limit = 1 << features::physical_address_bits();
    let found = structures(&config, function, limit).map_err(|error| {
        log::warn!("pci {address}: {error}");
        VirtioPciError::BarOffsetOutOfRange
    })?;
    config.enable();
    check_notifications(&found)?;
    let mut root = PciRoot::new(Access { ecam, address });
    let place = DeviceFunction {
        bus: address.bus(),
        device: address.device(),
        function: address.function(),
    };
    PciTransport::new::<KernelHal, _>(&mut root, place)
}
