//! A virtio network card: packets are read and written in the very buffers that the card uses.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use pci_types::PciAddress;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::pci::{PciTransport, VirtioPciError};

use super::ecam::Ecam;
use super::virtio::{self, KernelHal};
use crate::pci::scan::Function;

/// Packets that wait in either direction.
const QUEUE: usize = 64;
/// Bytes of a buffer: the packet, the card's header (10 or 12 bytes), and what the crate demands at least (1526).
const BUFFER_BYTES: usize = 1536;

type Driver = VirtIONetRaw<KernelHal, PciTransport, QUEUE>;
type Buffer = [u8; BUFFER_BYTES];

/// Why a card cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The virtio structures in its BARs.
    Transport(VirtioPciError),
    /// The driver could not start the device.
    Driver(virtio_drivers::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Driver(error) => write!(f, "virtio network card: {error}"),
        }
    }
}

/// Buffers of one direction: each is free, or the card has it under a token.
struct Buffers {
    memory: Box<[Buffer]>,
    /// Which buffer the card has under each token, and how many bytes of it.
    lent: [Option<(usize, usize)>; QUEUE],
    free: Vec<usize>,
}

impl Buffers {
    fn new() -> Self {
        Self {
            memory: vec![[0; BUFFER_BYTES]; QUEUE].into(),
            lent: [None; QUEUE],
            free: (0..QUEUE).collect(),
        }
    }

    /// The buffer that comes back under `token`, which the card said and which may be wrong.
    fn returned(&mut self, token: u16) -> Result<(usize, usize), Misbehaviour> {
        let lent = self.lent.get_mut(usize::from(token)).and_then(Option::take);
        lent.ok_or(Misbehaviour::UnknownToken(token))
    }
}

/// What a card does that the specification forbids.
#[derive(Clone, Copy, Debug)]
enum Misbehaviour {
    /// It returned a buffer that it did not have.
    UnknownToken(u16),
    /// It claims a packet that is longer than the buffer.
    PacketLength(usize),
    /// What the crate noticed.
    Queue(virtio_drivers::Error),
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken(token) => {
                write!(f, "it returned buffer {token}, which it did not have")
            }
            Self::PacketLength(bytes) => {
                write!(
                    f,
                    "it claims a packet of {bytes} bytes in a buffer of {BUFFER_BYTES}"
                )
            }
            Self::Queue(error) => error.fmt(f),
        }
    }
}

/// The card itself and what is on its way out.
pub struct Port {
    address: PciAddress,
    driver: Box<Driver>,
    transmit: Buffers,
    /// The card misbehaved; nothing is received or sent any more.
    broken: bool,
}

impl Port {
    /// Notes a misbehaviour: the value, or nothing and never anything again.
    fn check<T>(&mut self, result: Result<T, Misbehaviour>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                log::error!(
                    "network card {}: {error}; it is not used any more",
                    self.address
                );
                self.broken = true;
                None
            }
        }
    }

    /// Takes back the buffers of packets that were sent; whether there is one to send another.
    fn can_send(&mut self) -> bool {
        while let Some(token) = self.driver.poll_transmit() {
            let returned = self.complete(token);
            if self.check(returned).is_none() {
                break;
            }
        }
        !self.broken && !self.transmit.free.is_empty() && self.driver.can_send()
    }

    fn complete(&mut self, token: u16) -> Result<(), Misbehaviour> {
        let (index, length) = self.transmit.returned(token)?;
        let buffer = &self.transmit.memory[index][..length];
        // SAFETY: these are the bytes that were lent under this token.
        unsafe { self.driver.transmit_complete(token, buffer) }.map_err(Misbehaviour::Queue)?;
        self.transmit.free.push(index);
        Ok(())
    }

    /// Sends the packet of `length` bytes that `write` makes.
    pub fn send<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        // PANIC: a port is lent only after `can_send`, for one packet; smoltcp sends no frame that is longer than
        // the capabilities say.
        let index = self.transmit.free.pop().expect("a free buffer");
        let buffer = &mut self.transmit.memory[index];
        let header = self
            .driver
            .fill_buffer_header(&mut buffer[..])
            .expect("room for a header");
        let end = header + length;
        let result = write(&mut buffer[header..end]);
        // SAFETY: the buffer is the card's, and not touched, until `transmit_complete` gives it back.
        let sent = unsafe { self.driver.transmit_begin(&buffer[..end]) };
        if let Some(token) = self.check(sent.map_err(Misbehaviour::Queue)) {
            self.transmit.lent[usize::from(token)] = Some((index, end));
        }
        result
    }
}

/// A network card.
pub struct Card {
    port: Port,
    receive: Buffers,
}

impl Card {
    /// Starts the card and gives it all receive buffers.
    ///
    /// # Errors
    /// [`StartError`] if it is no usable virtio network card.
    pub fn start(ecam: &Ecam, function: &Function) -> Result<Self, StartError> {
        let transport = virtio::transport(ecam, function).map_err(StartError::Transport)?;
        let mut driver = Box::new(Driver::new(transport).map_err(StartError::Driver)?);
        driver.disable_interrupts();
        let port = Port {
            address: function.address,
            driver,
            transmit: Buffers::new(),
            broken: false,
        };
        let mut card = Self {
            port,
            receive: Buffers::new(),
        };
        card.refill();
        Ok(card)
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.port.address
    }

    /// Its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.port.driver.mac_address()
    }

    /// Gives every free receive buffer to the card.
    fn refill(&mut self) {
        while let Some(index) = self.receive.free.pop() {
            let buffer = &mut self.receive.memory[index][..];
            // SAFETY: the buffer is the card's, and not touched, until `receive_complete` gives it back.
            let lent = unsafe { self.port.driver.receive_begin(buffer) };
            let Some(token) = self.port.check(lent.map_err(Misbehaviour::Queue)) else {
                return;
            };
            self.receive.lent[usize::from(token)] = Some((index, BUFFER_BYTES));
        }
    }

    /// Takes the packet under `token` from the card: the buffer, and where in it the packet lies.
    fn complete(&mut self, token: u16) -> Result<(usize, Range<usize>), Misbehaviour> {
        let (index, _) = self.receive.returned(token)?;
        let buffer = &mut self.receive.memory[index][..];
        // SAFETY: this is the buffer that was lent under this token.
        let completed = unsafe { self.port.driver.receive_complete(token, buffer) };
        let (header, length) = completed.map_err(Misbehaviour::Queue)?;
        if length > BUFFER_BYTES - header {
            return Err(Misbehaviour::PacketLength(length));
        }
        Ok((index, header..header + length))
    }

    /// The next packet that came, if there is room to send one, and the half that sends.
    pub fn receive(&mut self) -> Option<(&[u8], &mut Port)> {
        if !self.port.can_send() {
            return None;
        }
        self.refill();
        let token = self.port.driver.poll_receive()?;
        let completed = self.complete(token);
        let (index, packet) = self.port.check(completed)?;
        // The buffer goes back to the card with the next call, which cannot come before the packet was let go.
        self.receive.free.push(index);
        Some((&self.receive.memory[index][packet], &mut self.port))
    }

    /// The half that sends, if there is room for a packet.
    pub fn transmit(&mut self) -> Option<&mut Port> {
        self.port.can_send().then_some(&mut self.port)
    }
}
