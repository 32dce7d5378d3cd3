//! The network card for smoltcp, of whichever model it is.

use alloc::boxed::Box;
use core::fmt;

use pci_types::PciAddress;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::ecam::Ecam;
use super::{e1000e, virtio, virtio_net};
use crate::pci::scan::Function;

/// Bytes of a packet: 1500 and the Ethernet header.
pub const FRAME_BYTES: usize = 1514;

/// The models that there is a driver for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A virtio network card.
    Virtio,
    /// Intel's 82574L.
    E1000e,
}

impl Model {
    /// The model of `function`, if it is a card with a driver.
    #[must_use]
    pub fn of(function: &Function) -> Option<Self> {
        let id = (function.vendor, function.device);
        if id == e1000e::ID {
            Some(Self::E1000e)
        } else if id.0 == virtio::VENDOR && virtio::NET_IDS.contains(&id.1) {
            Some(Self::Virtio)
        } else {
            None
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtio => "virtio",
            Self::E1000e => "Intel 82574L",
        })
    }
}

/// Why a card cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NicError {
    /// A virtio network card.
    Virtio(virtio_net::StartError),
    /// An 82574L.
    E1000e(e1000e::StartError),
}

impl fmt::Display for NicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtio(error) => error.fmt(f),
            Self::E1000e(error) => error.fmt(f),
        }
    }
}

/// What went through a card so far, for the `net` command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Packets that came.
    pub received: u64,
    /// Packets handed to the card.
    pub sent: u64,
    /// Frames that came damaged or in parts.
    pub dropped: u64,
}

/// A network card.
pub struct Nic {
    card: Card,
    received: u64,
    sent: u64,
}

enum Card {
    Virtio(Box<virtio_net::Card>),
    E1000e(e1000e::Card),
}

impl Nic {
    /// Starts the card.
    ///
    /// # Errors
    /// [`NicError`] if it is not usable.
    pub fn start(model: Model, ecam: &Ecam, function: &Function) -> Result<Self, NicError> {
        let card = match model {
            Model::Virtio => {
                let card = virtio_net::Card::start(ecam, function);
                Card::Virtio(Box::new(card.map_err(NicError::Virtio)?))
            }
            Model::E1000e => {
                let card = e1000e::Card::start(ecam, function);
                Card::E1000e(card.map_err(NicError::E1000e)?)
            }
        };
        let (received, sent) = (0, 0);
        Ok(Self {
            card,
            received,
            sent,
        })
    }

    /// Which model it is.
    #[must_use]
    pub fn model(&self) -> Model {
        match &self.card {
            Card::Virtio(_) => Model::Virtio,
            Card::E1000e(_) => Model::E1000e,
        }
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        match &self.card {
            Card::Virtio(card) => card.address(),
            Card::E1000e(card) => card.address(),
        }
    }

    /// Its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        match &self.card {
            Card::Virtio(card) => card.mac(),
            Card::E1000e(card) => card.mac(),
        }
    }

    /// What went through so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            received: self.received,
            sent: self.sent,
            dropped: match &self.card {
                // virtio has no word for it: the device drops such frames itself.
                Card::Virtio(_) => 0,
                Card::E1000e(card) => card.dropped(),
            },
        }
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let (packet, port) = match &mut self.card {
            Card::Virtio(card) => {
                let (packet, port) = card.receive()?;
                (packet, Port::Virtio(port))
            }
            Card::E1000e(card) => {
                let (packet, port) = card.receive()?;
                (packet, Port::E1000e(port))
            }
        };
        self.received += 1;
        let sent = &mut self.sent;
        Some((Received { packet }, Sending { port, sent }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let port = match &mut self.card {
            Card::Virtio(card) => Port::Virtio(card.transmit()?),
            Card::E1000e(card) => Port::E1000e(card.transmit()?),
        };
        let sent = &mut self.sent;
        Some(Sending { port, sent })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }
}

/// A packet that came.
pub struct Received<'a> {
    packet: &'a [u8],
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.packet)
    }
}

/// Leave to send one packet.
pub struct Sending<'a> {
    port: Port<'a>,
    sent: &'a mut u64,
}

enum Port<'a> {
    Virtio(&'a mut virtio_net::Port),
    E1000e(&'a mut e1000e::TransmitSide),
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        *self.sent += 1;
        match self.port {
            Port::Virtio(port) => port.send(length, f),
            Port::E1000e(port) => port.send(length, f),
        }
    }
}
