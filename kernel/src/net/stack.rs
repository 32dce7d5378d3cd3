//! One network interface, its address, and the TCP sockets of the API.
//!
//! Every socket is a slot that listens, carries one connection, and listens again: the slots that are free are the
//! backlog. A slot moves bytes between the socket's buffers and the [`Service`] without a buffer of its own.
//!
//! A connection ends in one of three ways, and each frees the slot in bounded time: the service is done (close, then the
//! handshake or [`CLOSE_DEADLINE`]), the peer resets or stays silent for [`PEER_DEADLINE`], or the service has no room
//! (a refusal, then as when it is done).

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::{Duration as NetDuration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use super::service::Service;
use crate::options::{AddressMode, is_unicast};

/// Sockets: connections and backlog together. Past them a client's SYN is answered with a reset.
pub const SLOTS: usize = 64;
/// Bytes of a socket's receive buffer, which is also its window.
const RECEIVE_BYTES: usize = 16 * 1024;
/// Bytes of a socket's transmit buffer.
const TRANSMIT_BYTES: usize = 16 * 1024;
/// Bytes of the buffers of a socket.
pub const SOCKET_BYTES: usize = RECEIVE_BYTES + TRANSMIT_BYTES;
/// Packets that one [`Stack::poll`] takes from the card before it does anything else.
const PACKETS_PER_POLL: usize = 64;
/// A peer that answers nothing for this long, keep-alives included, is gone.
const PEER_DEADLINE: NetDuration = NetDuration::from_secs(45);
/// Silence after which a peer is asked whether it is still there.
const KEEP_ALIVE: NetDuration = NetDuration::from_secs(15);
/// The most that the stack's own clock advances from one poll to the next. A step of a large model may take minutes, in
/// which no peer can be heard: none may time out because of it.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// From our close to the end of the handshake; then the connection is reset.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// The interface with its sockets. `C` names a connection to the service.
pub struct Stack<D: Device, C> {
    device: D,
    interface: Interface,
    sockets: SocketSet<'static>,
    slots: Vec<Slot<C>>,
    dhcp: Option<SocketHandle>,
    address: Option<Address>,
    port: u16,
    counters: Counters,
    last_poll: Duration,
    /// smoltcp's time: like that of the caller, without what [`LONGEST_GAP`] cuts off.
    clock: Duration,
}

/// The interface's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Own address with the length of the network prefix.
    pub cidr: Ipv4Cidr,
    /// Where packets for other networks go.
    pub gateway: Option<Ipv4Address>,
}

/// What happened so far, for the `net` command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Connections that clients opened.
    pub opened: u64,
    /// Connections for which the service had no room.
    pub refused: u64,
    /// Connections that a peer reset or that timed out.
    pub broken: u64,
}

/// What one call of [`Stack::poll`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// A packet or a byte moved: it is worth polling again at once.
    pub active: bool,
    /// The address changed; see [`Stack::address`].
    pub address_changed: bool,
}

struct Slot<C> {
    handle: SocketHandle,
    state: SlotState<C>,
}

enum SlotState<C> {
    /// Waiting for a client.
    Listening,
    /// Carrying a connection; `half_closed` once the service knows that the peer sends no more.
    Open { connection: C, half_closed: bool },
    /// We closed or reset; the handshake is going on.
    Closing { since: Duration },
    /// The handshake is over; its last packet leaves before the slot listens again.
    Closed,
}

impl<D: Device, C: Copy> Stack<D, C> {
    /// An interface on `device`, with an address as `mode` says, whose sockets listen on `port`. `seed` makes sequence
    /// numbers hard to guess.
    pub fn new(
        mut device: D,
        mac: [u8; 6],
        mode: AddressMode,
        port: u16,
        seed: u64,
        now: Duration,
    ) -> Self {
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        config.random_seed = seed;
        let interface = Interface::new(config, &mut device, instant(now));
        let mut sockets = SocketSet::new(Vec::new());
        let slots = (0..SLOTS)
            .map(|_| Slot {
                handle: sockets.add(listening_socket(port)),
                state: SlotState::Listening,
            })
            .collect();
        let dhcp = (mode == AddressMode::Dhcp).then(|| sockets.add(dhcpv4::Socket::new()));
        let mut stack = Self {
            device,
            interface,
            sockets,
            slots,
            dhcp,
            address: None,
            port,
            counters: Counters::default(),
            last_poll: now,
            clock: now,
        };
        if let AddressMode::Static { address, gateway } = mode {
            stack.set_address(Some(Address {
                cidr: address,
                gateway,
            }));
        }
        stack
    }

    /// The address, if there is one yet.
    pub fn address(&self) -> Option<Address> {
        self.address
    }

    /// The port that is listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        let open = |slot: &&Slot<C>| matches!(slot.state, SlotState::Open { .. });
        self.slots.iter().filter(open).count()
    }

    /// The card.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Takes at most [`PACKETS_PER_POLL`] packets, moves bytes between every connection and the service, and sends what
    /// is due.
    pub fn poll<S: Service<Connection = C>>(&mut self, now: Duration, service: &mut S) -> Polled {
        self.clock += now.saturating_sub(self.last_poll).min(LONGEST_GAP);
        self.last_poll = now;
        let at = instant(self.clock);
        let mut polled = Polled::default();
        for _ in 0..PACKETS_PER_POLL {
            let device = &mut self.device;
            match self
                .interface
                .poll_ingress_single(at, device, &mut self.sockets)
            {
                PollIngressSingleResult::None => break,
                _ => polled.active = true,
            }
        }
        polled.address_changed = self.poll_dhcp();
        for slot in &mut self.slots {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(slot.handle);
            polled.active |= slot.pump(socket, self.port, now, service, &mut self.counters);
        }
        self.interface
            .poll_egress(at, &mut self.device, &mut self.sockets);
        polled
    }

    /// How long after the last poll nothing is due, if no packet comes; `None` if only a packet can make something happen.
    pub fn idle_for(&mut self) -> Option<Duration> {
        let delay = self
            .interface
            .poll_delay(instant(self.clock), &self.sockets);
        delay.map(|delay| Duration::from_micros(delay.total_micros()))
    }

    fn poll_dhcp(&mut self) -> bool {
        let Some(handle) = self.dhcp else {
            return false;
        };
        match self.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll() {
            None => false,
            Some(dhcpv4::Event::Configured(config)) => {
                let address = Address {
                    cidr: config.address,
                    gateway: config.router,
                };
                self.set_address(Some(address));
                true
            }
            Some(dhcpv4::Event::Deconfigured) => {
                // The socket starts with this event, before there was an address to lose.
                let had = self.address.is_some();
                self.set_address(None);
                had
            }
        }
    }

    /// Takes an address. A gateway that no machine can have, which a DHCP server may name, is left out.
    fn set_address(&mut self, mut address: Option<Address>) {
        if let Some(address) = &mut address {
            address.gateway = address.gateway.filter(|&gateway| is_unicast(gateway));
        }
        self.interface.update_ip_addrs(|list| {
            list.clear();
            if let Some(address) = address {
                // PANIC: the list has room for two and was just emptied.
                list.push(IpCidr::Ipv4(address.cidr))
                    .expect("room for one address");
            }
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(gateway) = address.and_then(|address| address.gateway) {
            // PANIC: the table has room for two routes and this is the only one that is ever added.
            routes
                .add_default_ipv4_route(gateway)
                .expect("room for one route");
        }
        self.address = address;
    }
}

impl<C: Copy> Slot<C> {
    /// Moves this slot as far as it goes without waiting. Returns whether a byte moved.
    fn pump<S: Service<Connection = C>>(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        port: u16,
        now: Duration,
        service: &mut S,
        counters: &mut Counters,
    ) -> bool {
        match self.state {
            SlotState::Listening => {
                if !socket.may_send() {
                    if !socket.is_open() {
                        // The handshake of a client that reset it.
                        self.state = SlotState::Closed;
                    }
                    return false;
                }
                counters.opened += 1;
                match service.open(now) {
                    Some(connection) => {
                        self.state = SlotState::Open {
                            connection,
                            half_closed: false,
                        };
                        self.pump(socket, port, now, service, counters)
                    }
                    None => {
                        counters.refused += 1;
                        // A new connection's buffer has room for a few hundred bytes.
                        let _ = socket.send_slice(S::REFUSAL);
                        socket.close();
                        self.state = SlotState::Closing { since: now };
                        true
                    }
                }
            }
            SlotState::Open {
                connection,
                half_closed,
            } => {
                let moved = exchange(socket, connection, now, service);
                if !socket.is_open() {
                    counters.broken += 1;
                    service.release(connection);
                    self.state = SlotState::Closed;
                } else if !half_closed && !socket.may_recv() {
                    service.peer_closed(connection);
                    self.state = SlotState::Open {
                        connection,
                        half_closed: true,
                    };
                } else if service.should_close(connection) && service.pending(connection).is_empty()
                {
                    socket.close();
                    service.release(connection);
                    self.state = SlotState::Closing { since: now };
                }
                moved
            }
            SlotState::Closing { since } => {
                if socket.can_recv() {
                    // What still comes is not wanted, but must not fill the window that the peer's FIN waits behind.
                    let _ = socket.recv(|bytes| (bytes.len(), ()));
                }
                if !socket.is_open() {
                    self.state = SlotState::Closed;
                } else if now.saturating_sub(since) > CLOSE_DEADLINE {
                    socket.abort();
                    self.state = SlotState::Closed;
                }
                false
            }
            SlotState::Closed => {
                // Since the socket closed, one `poll` has sent its last packet.
                listen(socket, port);
                self.state = SlotState::Listening;
                true
            }
        }
    }
}

/// Moves bytes both ways until one side has no room. Returns whether any moved.
fn exchange<S: Service>(
    socket: &mut tcp::Socket<'_>,
    connection: S::Connection,
    now: Duration,
    service: &mut S,
) -> bool {
    let mut moved = false;
    // A ring buffer gives its content in two pieces at most.
    for _ in 0..2 {
        if socket.can_recv() {
            let take = |bytes: &mut [u8]| {
                let count = service.receive(connection, bytes, now);
                (count, count)
            };
            moved |= socket.recv(take).unwrap_or(0) > 0;
        }
    }
    for _ in 0..2 {
        if socket.can_send() {
            let pending = service.pending(connection);
            let count = socket.send_slice(pending).unwrap_or(0);
            if count > 0 {
                service.sent(connection, count, now);
                moved = true;
            }
        }
    }
    moved
}

fn listening_socket(port: u16) -> tcp::Socket<'static> {
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(vec![0; RECEIVE_BYTES]),
        tcp::SocketBuffer::new(vec![0; TRANSMIT_BYTES]),
    );
    listen(&mut socket, port);
    socket
}

fn listen(socket: &mut tcp::Socket<'_>, port: u16) {
    // PANIC: listening fails for port 0, which the options refuse, and for an open socket, which no caller has.
    socket.listen(port).expect("a closed socket and a port");
    // One token is one small packet: it must not wait for the acknowledgement of the one before.
    socket.set_nagle_enabled(false);
    socket.set_timeout(Some(PEER_DEADLINE));
    socket.set_keep_alive(Some(KEEP_ALIVE));
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
