//! The card at work: starting it, and one packet in either direction.

use core::fmt;
use core::time::Duration;

use pci_types::{ConfigRegionAccess, PciAddress};

use super::descriptors::{BUFFER_BYTES, RING, ReceiveRing, TransmitRing, sending};
use super::memory::Shared;
use super::registers::{self as reg, Registers, RingRegisters, ctrl};
use crate::devices::ecam::Ecam;
use crate::memory::MapError;
use crate::pci::Config;
use crate::pci::bars::BarKind;
use crate::pci::scan::Function;
use crate::time::{self, TimedOut};

/// The datasheet gives no time; Linux sleeps 10 to 20 ms and finds the reset done.
const RESET_DEADLINE: Duration = Duration::from_millis(100);
/// No register is touched for so long after the reset bit was written.
const RESET_QUIET: Duration = Duration::from_millis(1);
/// Two ends that negotiate 1 Gb/s take 2 to 3 s. After it the boot goes on: the link may come at any time.
const LINK_DEADLINE: Duration = Duration::from_secs(5);

/// Why the card cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// BAR 0 is no memory window of the size that the registers take.
    Window {
        /// Its size; 0 if there is none.
        bytes: u64,
    },
    /// The registers cannot be mapped.
    Map(MapError),
    /// There is no run of memory for a ring and its buffers.
    Memory,
    /// Every register reads as all ones: nothing answers.
    Absent,
    /// The card did not come back from its reset.
    Reset(TimedOut),
    /// The card has no Ethernet address of its own.
    Address {
        /// The receive address registers, high and low.
        found: (u32, u32),
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window { bytes } => {
                let wanted = reg::BYTES;
                write!(f, "BAR 0 has {bytes:#x} bytes of memory, not {wanted:#x}")
            }
            Self::Map(error) => write!(f, "its registers: {error}"),
            Self::Memory => f.write_str("not enough memory in one piece for its buffers"),
            Self::Absent => f.write_str("its registers read as all ones"),
            Self::Reset(error) => error.fmt(f),
            Self::Address { found: (high, low) } => write!(
                f,
                "it has no Ethernet address (RAH {high:#010x}, RAL {low:#010x})"
            ),
        }
    }
}

/// The half that sends.
pub struct TransmitSide {
    registers: Registers,
    shared: Shared,
    ring: TransmitRing,
}

/// A card.
pub struct Card {
    address: PciAddress,
    mac: [u8; 6],
    registers: Registers,
    shared: Shared,
    ring: ReceiveRing,
    dropped: u64,
    transmit: TransmitSide,
}

impl Card {
    /// Resets the card, sets it up, and waits a while for the link.
    ///
    /// # Errors
    /// [`StartError`]; the card then has no DMA.
    pub fn start(ecam: &Ecam, function: &Function) -> Result<Self, StartError> {
        let config = Config::new(ecam, function.address);
        let started = start(&config, function);
        if started.is_err() {
            config.disable_dma();
        }
        started
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.address
    }

    /// Its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Frames that came and were no whole, sound packet.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next packet that came, if there is room to send one, and the half that sends.
    pub fn receive(&mut self) -> Option<(&[u8], &mut TransmitSide)> {
        if !self.transmit.can_send() {
            return None;
        }
        // Bounded: a card that claims descriptors without end must not keep the kernel from all else.
        for _ in 0..RING {
            let index = self.ring.next();
            let state = self.shared.done(index)?;
            let taken = self.ring.take(state);
            // The descriptor is the new tail, which the card does not have: it gets it back with the next one.
            self.shared.fill(index, 0);
            self.shared.publish();
            RingRegisters::RECEIVE.set_tail(self.registers, index);
            match taken {
                Ok(length) => {
                    return Some((self.shared.buffer(index, length), &mut self.transmit));
                }
                Err(refusal) => {
                    self.dropped += 1;
                    log::debug!("net {}: dropped {refusal}", self.address);
                }
            }
        }
        None
    }

    /// The half that sends, if there is room for a packet.
    pub fn transmit(&mut self) -> Option<&mut TransmitSide> {
        self.transmit.can_send().then_some(&mut self.transmit)
    }
}

impl TransmitSide {
    /// Takes back the descriptors of packets that were sent; whether there is one to send another.
    fn can_send(&mut self) -> bool {
        while let Some(oldest) = self.ring.oldest()
            && self.shared.done(oldest).is_some()
        {
            self.ring.take_oldest();
        }
        self.ring.has_room()
    }

    /// Sends the packet of `length` bytes that `write` makes; only after [`Self::can_send`], which every way to this value
    /// goes through.
    pub fn send<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let index = self.ring.next();
        // PANIC: smoltcp sends no frame that is longer than the capabilities say, which is less than a buffer.
        let result = write(self.shared.buffer(index, length));
        self.shared.fill(index, sending(length));
        self.shared.publish();
        RingRegisters::TRANSMIT.set_tail(self.registers, self.ring.push());
        result
    }
}

fn start<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    function: &Function,
) -> Result<Card, StartError> {
    let window = function.bars.iter().find(|bar| bar.slot == 0);
    let window = window.filter(|bar| bar.kind != BarKind::Io);
    let start = match window {
        Some(bar) if bar.size >= reg::BYTES => bar.address,
        _ => {
            let bytes = window.map_or(0, |bar| bar.size);
            return Err(StartError::Window { bytes });
        }
    };
    let (receive, transmit) = (Shared::allocate(), Shared::allocate());
    let (mut shared, transmit_shared) = receive.zip(transmit).ok_or(StartError::Memory)?;
    let registers = Registers::map(start).map_err(StartError::Map)?;

    // Whoever had the card before may have left it receiving: it reaches no memory until it was reset.
    config.enable_registers();
    reset(registers)?;
    let mac = own_address(registers)?;
    config.enable();
    set_up(registers, &mut shared, &transmit_shared);
    let card = Card {
        address: function.address,
        mac,
        registers,
        shared,
        ring: ReceiveRing::default(),
        dropped: 0,
        transmit: TransmitSide {
            registers,
            shared: transmit_shared,
            ring: TransmitRing::default(),
        },
    };
    let up = || registers.read(reg::STATUS) & reg::STATUS_LU != 0;
    if let Err(error) = time::wait_until("the link", LINK_DEADLINE, up) {
        log::warn!(
            "net {}: {error}; going on without (is the cable in?)",
            function.address
        );
    }
    Ok(card)
}

/// Stops everything and resets the card (4.6.3).
fn reset(registers: Registers) -> Result<(), StartError> {
    if registers.read(reg::STATUS) == u32::MAX {
        return Err(StartError::Absent);
    }
    registers.write(reg::IMC, u32::MAX);
    registers.write(reg::RCTL, 0);
    registers.write(reg::TCTL, 0);
    let control = registers.read(reg::CTRL);
    registers.write(reg::CTRL, control | ctrl::RST);
    time::delay(RESET_QUIET);
    let done = || {
        registers.read(reg::CTRL) & ctrl::RST == 0
            && registers.read(reg::EEC) & reg::EEC_AUTO_RD != 0
    };
    time::wait_until("the network card's reset", RESET_DEADLINE, done)
        .map_err(StartError::Reset)?;
    // The reset may have unmasked interrupts again.
    registers.write(reg::IMC, u32::MAX);
    Ok(())
}

/// The address that the card read from its EEPROM (10.2.5.23): one that is valid, and one card's.
fn own_address(registers: Registers) -> Result<[u8; 6], StartError> {
    let (high, low) = (registers.read(reg::RAH0), registers.read(reg::RAL0));
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, _, _] = high.to_le_bytes();
    let mac = [a, b, c, d, e, f];
    let group = a & 1 != 0;
    if high & reg::RAH_AV == 0 || group || mac == [0; 6] {
        let found = (high, low);
        return Err(StartError::Address { found });
    }
    Ok(mac)
}

/// Link, filters, and both rings (4.6).
fn set_up(registers: Registers, receive: &mut Shared, transmit: &Shared) {
    // The PHY on the same die tells the MAC speed and duplex: neither is forced nor detected. No flow control, no VLANs.
    let off = ctrl::ASDE | ctrl::FRCSPD | ctrl::FRCDPLX | ctrl::RFCE | ctrl::TFCE | ctrl::VME;
    let control = registers.read(reg::CTRL);
    registers.write(reg::CTRL, control & !off | ctrl::SLU);

    // The own address and broadcasts are all that DHCP, ARP and IPv4 need.
    for index in 1..reg::RECEIVE_ADDRESSES {
        registers.write(reg::RAL0 + 8 * index, 0);
        registers.write(reg::RAH0 + 8 * index, 0);
    }
    for index in 0..reg::MTA_WORDS {
        registers.write(reg::MTA + 4 * index, 0);
    }

    // Legacy descriptors are RFCTL.EXSTEN = 0. The tail moves once the receiver is on.
    registers.write(reg::RFCTL, 0);
    registers.write(reg::RXDCTL, reg::RXDCTL_VALUE);
    (0..RING).for_each(|index| receive.fill(index, 0));
    receive.publish();
    RingRegisters::RECEIVE.set_up(registers, receive.physical(), Shared::RING_BYTES);
    registers.write(reg::RCTL, reg::RCTL_VALUE);
    RingRegisters::RECEIVE.set_tail(registers, ReceiveRing::FIRST_TAIL);

    registers.write(reg::TXDCTL, reg::TXDCTL_VALUE);
    registers.write(reg::TIPG, reg::TIPG_VALUE);
    RingRegisters::TRANSMIT.set_up(registers, transmit.physical(), Shared::RING_BYTES);
    let control = registers.read(reg::TCTL) & !reg::TCTL_REPLACED;
    registers.write(reg::TCTL, control | reg::TCTL_VALUE);
}

/// No packet is longer than a buffer.
const _: () = assert!(crate::devices::nic::FRAME_BYTES <= BUFFER_BYTES);
