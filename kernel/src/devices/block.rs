//! Disks: large reads, many at once, straight to where the bytes are wanted.
//!
//! [`Disk`] cuts a read into requests, keeps up to [`DEPTH`] of them in flight, and watches what comes back; how a request
//! is put to the device is the [`Controller`]'s.

use alloc::boxed::Box;
use core::fmt;
use core::mem;
use core::time::Duration;

use inference::source::{BlockSource, ReadError};
use pci_types::PciAddress;
use virtio_drivers::device::blk::RespStatus;
use virtio_drivers::transport::pci::VirtioPciError;

use super::ecam::Ecam;
use super::nvme::protocol::{self, NvmeError};
use super::nvme::{self, Nvme};
use super::virtio;
use super::virtio_blk::VirtioBlk;
use crate::pci::Config;
use crate::pci::scan::Function;
use crate::time;

/// Bytes of a sector, the unit of all addresses here, whatever the disk's own blocks are.
const SECTOR_SIZE: usize = 512;
/// Requests in flight: what the virtio crate's queue holds, and what one NVMe queue holds easily.
pub(super) const DEPTH: usize = 16;
/// Bytes of one request, unless the disk takes less.
pub(super) const REQUEST_BYTES: usize = 256 * 1024;
/// From one completion to the next. A disk that is silent for so long is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a disk is like; it never changes.
pub(super) struct Shape {
    /// For people.
    pub kind: &'static str,
    /// Sectors that it holds.
    pub sectors: u64,
    /// Reads start and end at multiples of this.
    pub block_bytes: usize,
    /// Bytes of the longest request, a multiple of `block_bytes`.
    pub request_bytes: usize,
}

/// How requests are put to one kind of device. A request has one of [`DEPTH`] slots and, while in flight, a token.
pub(super) trait Controller {
    /// What the disk is like.
    fn shape(&self) -> Shape;

    /// Asks for the blocks from `sector` on that fill `chunk`, and returns the token. The chunk lies in the direct map.
    ///
    /// # Safety
    /// Nothing is in flight in `slot`, and `chunk` is not touched until [`Self::complete`] or until the device has lost
    /// its DMA.
    unsafe fn submit(
        &mut self,
        slot: usize,
        sector: u64,
        chunk: &mut [u8],
    ) -> Result<u16, DiskError>;

    /// The token of the next request that the device says it has finished. [`Self::complete`] comes before the next call.
    fn finished(&mut self) -> Option<Result<u16, DiskError>>;

    /// Takes back the request that [`Self::finished`] has just named; what the device reports about it.
    ///
    /// # Safety
    /// Slot and chunk are those that the token was given for.
    unsafe fn complete(&mut self, slot: usize, token: u16, chunk: &mut [u8]) -> Result<(), Status>;
}

/// What a device reports about a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A virtio disk.
    Virtio(RespStatus),
    /// An NVMe disk.
    Nvme(protocol::Status),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Virtio(RespStatus::IO_ERR) => f.write_str("an I/O error"),
            Self::Virtio(RespStatus::UNSUPPORTED) => f.write_str("an unsupported request"),
            Self::Virtio(_) => f.write_str("an unknown status"),
            Self::Nvme(status) => status.fmt(f),
        }
    }
}

/// Why a disk cannot be used, or a read failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The virtio structures in its BARs.
    Transport(VirtioPciError),
    /// The virtio driver could not start the device or submit a request.
    Driver(virtio_drivers::Error),
    /// The NVMe controller cannot be started, or broke the protocol. It was taken off the bus.
    Nvme(NvmeError),
    /// The device reported an error for a request.
    Status {
        /// First sector of the request.
        sector: u64,
        /// What it reported.
        status: Status,
    },
    /// The device was silent for [`DEADLINE`]. It was taken off the bus.
    Silent {
        /// First sector of the oldest request.
        sector: u64,
    },
    /// The device completed a request that was not in flight. It was taken off the bus.
    WrongCompletion(u16),
    /// The disk failed before and is not used any more.
    Gone,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Driver(error) => write!(f, "virtio disk: {error}"),
            Self::Nvme(error) => write!(f, "NVMe: {error}"),
            Self::Status { sector, status } => {
                write!(
                    f,
                    "the disk reports {status} reading from sector {sector} on"
                )
            }
            Self::Silent { sector } => write!(
                f,
                "the disk did not answer within {} s a read from sector {sector} on",
                DEADLINE.as_secs()
            ),
            Self::WrongCompletion(token) => {
                write!(f, "the disk completed request {token}, which was not made")
            }
            Self::Gone => f.write_str("the disk failed before and was taken off the bus"),
        }
    }
}

/// A disk.
pub struct Disk {
    address: PciAddress,
    ecam: &'static Ecam,
    /// `None` once the device broke the protocol.
    controller: Option<Box<dyn Controller>>,
    shape: Shape,
}

/// A request that the device works on.
struct InFlight<'a> {
    token: u16,
    sector: u64,
    chunk: &'a mut [u8],
}

impl Disk {
    /// Starts the disk; `None` if the function is none that this kernel drives.
    ///
    /// # Errors
    /// [`DiskError`] if it is one, but not usable.
    pub fn start(ecam: &'static Ecam, function: &Function) -> Option<Result<Self, DiskError>> {
        let is_virtio =
            function.vendor == virtio::VENDOR && virtio::BLOCK_IDS.contains(&function.device);
        let controller = if is_virtio {
            VirtioBlk::start(ecam, function).map(|disk| disk as Box<dyn Controller>)
        } else if function.class == nvme::CLASS {
            Nvme::start(ecam, function)
                .map(|disk| Box::new(disk) as Box<dyn Controller>)
                .map_err(DiskError::Nvme)
        } else {
            return None;
        };
        Some(controller.map(|controller| {
            let mut shape = controller.shape();
            // A capacity of more bytes than 64 bits count cannot be addressed in bytes; what is left are whole blocks.
            let block = (shape.block_bytes / SECTOR_SIZE) as u64;
            let sectors = shape.sectors.min(u64::MAX / SECTOR_SIZE as u64);
            shape.sectors = sectors - sectors % block;
            Self {
                address: function.address,
                ecam,
                controller: Some(controller),
                shape,
            }
        }))
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.address
    }

    /// What drives it, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.shape.kind
    }

    /// Sectors of 512 bytes.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.shape.sectors
    }

    /// Reads whole blocks from `sector` on into `buffer`, which lies in the direct map. `progress` is told now and then
    /// how many bytes have come.
    ///
    /// # Errors
    /// [`DiskError`]; the content of `buffer` is then undefined, and the device writes to it no more.
    pub fn read(
        &mut self,
        sector: u64,
        buffer: &mut [u8],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), DiskError> {
        let block = self.shape.block_bytes;
        // PANIC: every caller reads from a multiple of 4096 bytes to another or to the disk's end.
        assert!(
            buffer.len().is_multiple_of(block)
                && sector.is_multiple_of((block / SECTOR_SIZE) as u64),
            "whole blocks"
        );
        let controller = self.controller.as_mut().ok_or(DiskError::Gone)?;
        let chunks = buffer.chunks_mut(self.shape.request_bytes);
        let result = read(controller.as_mut(), sector, chunks, progress);
        if let Err(DiskError::Silent { .. } | DiskError::WrongCompletion(_) | DiskError::Nvme(_)) =
            result
        {
            self.take_off_bus();
        }
        result
    }

    /// Ends all DMA of the device, for good.
    fn take_off_bus(&mut self) {
        Config::new(self.ecam, self.address).disable_dma();
        // Dropping the driver would wait for the device to confirm a reset, and free what it knows the addresses of.
        mem::forget(self.controller.take());
    }
}

fn read<'a>(
    controller: &mut dyn Controller,
    first: u64,
    mut chunks: impl Iterator<Item = &'a mut [u8]>,
    progress: &mut dyn FnMut(usize),
) -> Result<(), DiskError> {
    let mut next = first;
    // A chunk that the device had no room for; it goes first when a request has come home.
    let mut held = None;
    let mut in_flight: [Option<InFlight<'_>>; DEPTH] = [const { None }; DEPTH];
    let mut done = 0;
    let mut result = Ok(());
    loop {
        let mut count = in_flight.iter().flatten().count();
        for (index, slot) in in_flight.iter_mut().enumerate() {
            // After an error nothing new is asked; what is in flight must still come home.
            if slot.is_some() || result.is_err() {
                continue;
            }
            let Some(chunk) = held.take().or_else(|| chunks.next()) else {
                break;
            };
            // SAFETY: the slot is free and the chunk is lent to it; it is not touched until `complete` below, and where
            // that never comes the device has lost its DMA before this borrow ends.
            match unsafe { controller.submit(index, next, chunk) } {
                Ok(token) => {
                    let sectors = (chunk.len() / SECTOR_SIZE) as u64;
                    *slot = Some(InFlight {
                        token,
                        sector: next,
                        chunk,
                    });
                    next += sectors;
                    count += 1;
                }
                // Without indirect descriptors a virtio request takes three places of the queue.
                Err(DiskError::Driver(virtio_drivers::Error::QueueFull)) if count > 0 => {
                    held = Some(chunk);
                    break;
                }
                Err(error) => result = Err(error),
            }
        }
        let Some(oldest) = in_flight
            .iter()
            .flatten()
            .map(|request| request.sector)
            .min()
        else {
            return result;
        };
        let mut finished = None;
        let answered = time::wait_until("a disk read", DEADLINE, || {
            finished = controller.finished();
            finished.is_some()
        });
        let (Ok(()), Some(token)) = (answered, finished) else {
            return Err(DiskError::Silent { sector: oldest });
        };
        let token = token?;
        let is_this = |slot: &Option<InFlight<'_>>| slot.as_ref().is_some_and(|s| s.token == token);
        let Some(index) = in_flight.iter().position(is_this) else {
            return Err(DiskError::WrongCompletion(token));
        };
        // PANIC: `position` matched only slots that are taken.
        let InFlight { sector, chunk, .. } = in_flight[index].take().expect("a taken slot");
        // SAFETY: the token was given for this slot and chunk.
        match unsafe { controller.complete(index, token, chunk) } {
            Ok(()) => {
                done += chunk.len();
                progress(done);
            }
            Err(status) => result = result.and(Err(DiskError::Status { sector, status })),
        }
    }
}

impl BlockSource for Disk {
    fn len(&self) -> u64 {
        self.sectors() * SECTOR_SIZE as u64
    }

    /// For whole blocks only: [`crate::disk::buffered::Buffered`] stands in front.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let length = buffer.len() as u64;
        let available = self.len();
        if offset.checked_add(length).is_none_or(|end| end > available) {
            return Err(ReadError::OutOfRange {
                offset,
                length,
                available,
            });
        }
        assert!(offset.is_multiple_of(SECTOR_SIZE as u64), "whole sectors");
        self.read(offset / SECTOR_SIZE as u64, buffer, &mut |_| {})
            .map_err(|error| {
                log::error!("disk {}: {error}", self.address);
                let sector = match error {
                    DiskError::Status { sector, .. } | DiskError::Silent { sector } => sector,
                    _ => offset / SECTOR_SIZE as u64,
                };
                ReadError::Device {
                    offset: sector * SECTOR_SIZE as u64,
                }
            })
    }
}
