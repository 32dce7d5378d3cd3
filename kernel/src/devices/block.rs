//! A virtio disk: large reads, many at once, straight to where the bytes are wanted.

use alloc::boxed::Box;
use core::fmt;
use core::mem;
use core::time::Duration;

use inference::source::{BlockSource, ReadError};
use pci_types::PciAddress;
use virtio_drivers::device::blk::{BlkReq, BlkResp, RespStatus, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::pci::{PciTransport, VirtioPciError};

use super::ecam::Ecam;
use super::virtio::{self, KernelHal};
use crate::pci::Config;
use crate::pci::scan::Function;
use crate::time;

/// Requests in flight: what the crate's queue holds.
const DEPTH: usize = 16;
/// Bytes of one request.
const REQUEST_BYTES: usize = 256 * 1024;
/// From one completion to the next. A disk that is silent for so long is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a disk cannot be used, or a read failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The virtio structures in its BARs.
    Transport(VirtioPciError),
    /// The driver could not start the device or submit a request.
    Driver(virtio_drivers::Error),
    /// The device reported an error for a request.
    Status {
        /// First sector of the request.
        sector: u64,
        /// What it reported.
        status: RespStatus,
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
            Self::Status { sector, status } => {
                let what = match *status {
                    RespStatus::IO_ERR => "an I/O error",
                    RespStatus::UNSUPPORTED => "that it does not support a request",
                    _ => "an unknown status",
                };
                write!(f, "the disk reports {what} reading from sector {sector} on")
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

type Driver = VirtIOBlk<KernelHal, PciTransport>;

/// A disk.
pub struct Disk {
    address: PciAddress,
    ecam: &'static Ecam,
    /// `None` once the device broke the protocol.
    driver: Option<Box<Driver>>,
    headers: Box<[Headers; DEPTH]>,
    sectors: u64,
}

/// The parts of a request besides the data, which must lie in the heap while the device has them.
#[derive(Default)]
struct Headers {
    request: BlkReq,
    response: BlkResp,
}

/// A request that the device works on.
struct InFlight<'a> {
    token: u16,
    sector: u64,
    chunk: &'a mut [u8],
}

impl Disk {
    /// Starts the disk.
    ///
    /// # Errors
    /// [`DiskError`] if it is no usable virtio disk.
    pub fn start(ecam: &'static Ecam, function: &Function) -> Result<Self, DiskError> {
        let transport = virtio::transport(ecam, function).map_err(DiskError::Transport)?;
        let driver = Box::new(Driver::new(transport).map_err(DiskError::Driver)?);
        // A capacity of more bytes than 64 bits count cannot be addressed in bytes.
        let sectors = driver.capacity().min(u64::MAX / SECTOR_SIZE as u64);
        Ok(Self {
            address: function.address,
            ecam,
            driver: Some(driver),
            headers: Box::default(),
            sectors,
        })
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.address
    }

    /// Sectors of 512 bytes.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Reads whole sectors from `sector` on into `buffer`, which lies in the direct map. `progress` is told now and then
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
        assert!(buffer.len().is_multiple_of(SECTOR_SIZE), "whole sectors");
        let driver = self.driver.as_mut().ok_or(DiskError::Gone)?;
        let result = read(driver, &mut self.headers, sector, buffer, progress);
        if matches!(
            result,
            Err(DiskError::Silent { .. } | DiskError::WrongCompletion(_))
        ) {
            self.take_off_bus();
        }
        result
    }

    /// Ends all DMA of the device, for good.
    fn take_off_bus(&mut self) {
        Config::new(self.ecam, self.address).disable_dma();
        // Dropping the driver would wait for the device to confirm a reset, and free what it knows the addresses of.
        mem::forget(self.driver.take());
    }
}

fn read(
    driver: &mut Driver,
    headers: &mut [Headers; DEPTH],
    first: u64,
    buffer: &mut [u8],
    progress: &mut dyn FnMut(usize),
) -> Result<(), DiskError> {
    let mut chunks = buffer.chunks_mut(REQUEST_BYTES);
    let mut next = first;
    let mut in_flight: [Option<InFlight<'_>>; DEPTH] = [const { None }; DEPTH];
    let mut done = 0;
    let mut result = Ok(());
    loop {
        for (slot, headers) in in_flight.iter_mut().zip(headers.iter_mut()) {
            // After an error nothing new is asked; what is in flight must still come home.
            if slot.is_some() || result.is_err() {
                continue;
            }
            let Some(chunk) = chunks.next() else { break };
            let Headers { request, response } = headers;
            // SAFETY: the headers are this slot's and the chunk is lent to it; neither is touched until `complete` below,
            // and where that never comes the device has lost its DMA before this borrow ends.
            let submitted =
                unsafe { driver.read_blocks_nb(next as usize, request, chunk, response) };
            match submitted {
                Ok(token) => {
                    let sectors = (chunk.len() / SECTOR_SIZE) as u64;
                    *slot = Some(InFlight {
                        token,
                        sector: next,
                        chunk,
                    });
                    next += sectors;
                }
                Err(error) => result = Err(DiskError::Driver(error)),
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
        let answered = time::wait_until("a disk read", DEADLINE, || driver.peek_used().is_some());
        let token = driver.peek_used();
        let (Ok(()), Some(token)) = (answered, token) else {
            return Err(DiskError::Silent { sector: oldest });
        };
        let is_this = |slot: &Option<InFlight<'_>>| slot.as_ref().is_some_and(|s| s.token == token);
        let Some(index) = in_flight.iter().position(is_this) else {
            return Err(DiskError::WrongCompletion(token));
        };
        // PANIC: `position` matched only slots that are taken.
        let InFlight { sector, chunk, .. } = in_flight[index].take().expect("a taken slot");
        let Headers { request, response } = &mut headers[index];
        // SAFETY: these are the buffers that this token was submitted with.
        let completed = unsafe { driver.complete_read_blocks(token, request, chunk, response) };
        match completed {
            Ok(()) => {
                done += chunk.len();
                progress(done);
            }
            Err(_) => {
                let status = response.status();
                result = result.and(Err(DiskError::Status { sector, status }));
            }
        }
    }
}

impl BlockSource for Disk {
    fn len(&self) -> u64 {
        self.sectors * SECTOR_SIZE as u64
    }

    /// For whole sectors only: [`crate::disk::buffered::Buffered`] stands in front.
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
