//! What the `virtio-drivers` crate needs of this kernel: DMA memory, addresses, and configuration space.

use core::ptr::NonNull;

use pci_types::PciAddress;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VirtioPciError};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use super::dma_address;
use super::ecam::Ecam;
use crate::memory::{self, Caching, PhysRange, frames};
use crate::pci::Config;
use crate::pci::scan::Function;

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
        // PANIC: the window is a part of a BAR, whose size the PCI scan checked; there is no way to return an error.
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

/// Switches the function on and finds the virtio structures in its BARs. The scan has checked its capability list, which
/// the crate follows without a bound.
///
/// # Errors
/// [`VirtioPciError`] if a structure is missing or lies outside its BAR.
pub fn transport(ecam: &Ecam, function: &Function) -> Result<PciTransport, VirtioPciError> {
    let address = function.address;
    Config::new(ecam, address).enable();
    let mut root = PciRoot::new(Access { ecam, address });
    let place = DeviceFunction {
        bus: address.bus(),
        device: address.device(),
        function: address.function(),
    };
    PciTransport::new::<KernelHal, _>(&mut root, place)
}
