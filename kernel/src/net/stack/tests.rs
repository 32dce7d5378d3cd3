//! The stack against smoltcp's own client, over two queues of packets.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use smoltcp::phy::{DeviceCapabilities, Medium, RxToken, TxToken};

use super::*;

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a cable.
struct Cable {
    inbound: Queue,
    outbound: Queue,
}

struct Received(Vec<u8>);
struct Sending(Queue);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.borrow_mut().push_back(packet);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending)> {
        let packet = self.inbound.borrow_mut().pop_front()?;
        Some((Received(packet), Sending(self.outbound.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending> {
        Some(Sending(self.outbound.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// Sends back what it gets; closes after a `.`.
#[derive(Default)]
struct Echo {
    connections: BTreeMap<u64, Line>,
    opened: u64,
    room: usize,
    half_closed: usize,
}

#[derive(Default)]
struct Line {
    out: Vec<u8>,
    done: bool,
}

impl Service for Echo {
    type Connection = u64;
    const REFUSAL: &'static [u8] = b"full";

    fn open(&mut self, _: Duration) -> Option<u64> {
        if self.connections.len() == self.room {
            return None;
        }
        self.opened += 1;
        self.connections.insert(self.opened, Line::default());
        Some(self.opened)
    }

    fn receive(&mut self, connection: u64, bytes: &[u8], _: Duration) -> usize {
        let line = self.connections.get_mut(&connection).expect("open");
        // Bounded, so that the window has to close and open again.
        let count = bytes.len().min(5000 - line.out.len().min(5000));
        line.out.extend_from_slice(&bytes[..count]);
        line.done |= bytes[..count].contains(&b'.');
        count
    }

    fn peer_closed(&mut self, connection: u64) {
        self.half_closed += 1;
        self.connections.get_mut(&connection).expect("open").done = true;
    }

    fn pending(&self, connection: u64) -> &[u8] {
        &self.connections[&connection].out
    }

    fn sent(&mut self, connection: u64, count: usize, _: Duration) {
        self.connections
            .get_mut(&connection)
            .expect("open")
            .out
            .drain(..count);
    }

    fn should_close(&self, connection: u64) -> bool {
        self.connections[&connection].done
    }

    fn release(&mut self, connection: u64) {
        self.connections.remove(&connection).expect("released once");
    }

    fn step(&mut self, _: Duration) -> bool {
        false
    }
}

struct World {
    stack: Stack<Cable, u64>,
    echo: Echo,
    client: Interface,
    cable: Cable,
    sockets: SocketSet<'static>,
    now: Duration,
}

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const PORT: u16 = 8000;

impl World {
    fn new(room: usize) -> Self {
        let (a, b) = (Queue::default(), Queue::default());
        let mut cable = Cable {
            inbound: a.clone(),
            outbound: b.clone(),
        };
        let mode = AddressMode::Static {
            address: Ipv4Cidr::new(SERVER, 24),
            gateway: None,
        };
        let server = Cable {
            inbound: b,
            outbound: a,
        };
        let mac = HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, 2]));
        let mut client = Interface::new(Config::new(mac), &mut cable, Instant::ZERO);
        client.update_ip_addrs(|list| {
            let address = IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 2), 24));
            list.push(address).expect("room");
        });
        Self {
            stack: Stack::new(server, [2, 0, 0, 0, 0, 1], mode, PORT, 1, Duration::ZERO),
            echo: Echo {
                room,
                ..Echo::default()
            },
            client,
            cable,
            sockets: SocketSet::new(Vec::new()),
            now: Duration::ZERO,
        }
    }

    fn connect(&mut self, local: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 4000]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket
            .connect(self.client.context(), (SERVER, PORT), local)
            .expect("a free port");
        self.sockets.add(socket)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Lets a millisecond pass.
    fn turn(&mut self) {
        self.now += Duration::from_millis(1);
        self.client
            .poll(instant(self.now), &mut self.cable, &mut self.sockets);
        self.stack.poll(self.now, &mut self.echo);
    }

    /// Turns until `done`, or fails after ten seconds of simulated time.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..10_000 {
            self.turn();
            if done(self) {
                return;
            }
        }
        panic!("{what}: not within the deadline");
    }
}

#[test]
fn forty_connections_at_once_get_their_own_bytes_back() {
    let mut world = World::new(SLOTS);
    let handles: Vec<_> = (0..40).map(|index| world.connect(50_000 + index)).collect();
    let message = |client: usize| -> Vec<u8> {
        (0..20_000)
            .map(|i| b'a' + ((i * 7 + client) % 26) as u8)
            .collect()
    };
    let mut sent = [0; 40];
    let mut got = vec![Vec::new(); 40];
    world.until("echo", |world| {
        for (client, &handle) in handles.iter().enumerate() {
            let socket = world.socket(handle);
            sent[client] += socket
                .send_slice(&message(client)[sent[client]..])
                .unwrap_or(0);
            let mut bytes = [0; 3000];
            let count = socket.recv_slice(&mut bytes).unwrap_or(0);
            got[client].extend_from_slice(&bytes[..count]);
        }
        got.iter().all(|bytes| bytes.len() == 20_000)
    });
    for (client, bytes) in got.iter().enumerate() {
        assert!(*bytes == message(client), "client {client}");
    }
    assert_eq!(world.stack.connections(), 40);
}

#[test]
fn a_client_that_resets_is_noticed_at_once() {
    let mut world = World::new(SLOTS);
    let handle = world.connect(50_000);
    world.until("open", |world| world.stack.connections() == 1);
    world.socket(handle).abort();
    let before = world.now;
    world.until("released", |world| world.echo.connections.is_empty());
    assert!(world.now - before < Duration::from_millis(20));
    assert_eq!(world.stack.counters().broken, 1);
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let mut world = World::new(SLOTS);
    let handle = world.connect(50_000);
    world.until("open", |world| world.socket(handle).can_send());
    world.socket(handle).send_slice(b"question").expect("open");
    world.socket(handle).close();
    let mut answer = Vec::new();
    world.until("closed", |world| {
        let socket = world.socket(handle);
        let mut bytes = [0; 100];
        let count = socket.recv_slice(&mut bytes).unwrap_or(0);
        answer.extend_from_slice(&bytes[..count]);
        !socket.may_recv()
    });
    assert_eq!(answer, b"question");
    assert_eq!(world.echo.half_closed, 1);
}

#[test]
fn slots_serve_many_clients_one_after_the_other() {
    let mut world = World::new(SLOTS);
    for round in 0..300 {
        let handle = world.connect(50_000 + round);
        world.until("open", |world| world.socket(handle).can_send());
        world.socket(handle).send_slice(b"x.").expect("open");
        // The service closes after the dot, so every socket of the server goes through TIME-WAIT.
        world.until("answer and close", |world| {
            let socket = world.socket(handle);
            let _ = socket.recv(|bytes| (bytes.len(), ()));
            !socket.may_recv()
        });
        world.socket(handle).close();
        world.turn();
        world.sockets.remove(handle);
    }
    assert_eq!(world.stack.counters().opened, 300);
    assert!(world.echo.connections.is_empty());
}

#[test]
fn clients_past_the_room_are_told_so() {
    let mut world = World::new(2);
    let handles: Vec<_> = (0..3).map(|index| world.connect(50_000 + index)).collect();
    let mut told = Vec::new();
    world.until("refusal", |world| {
        for &handle in &handles {
            let socket = world.socket(handle);
            let _ = socket.recv(|bytes| {
                told.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
        }
        world.stack.counters().refused == 1 && told == b"full"
    });
    world.until("two are left", |world| {
        handles
            .iter()
            .filter(|&&handle| world.socket(handle).may_recv())
            .count()
            == 2
    });
}

#[test]
fn a_client_that_vanishes_is_released() {
    let mut world = World::new(SLOTS);
    world.connect(50_000);
    world.until("open", |world| world.stack.connections() == 1);
    // The client's machine is gone: nothing answers any more.
    for _ in 0..70 {
        world.now += Duration::from_secs(1);
        world.stack.poll(world.now, &mut world.echo);
    }
    assert!(world.echo.connections.is_empty());
}

#[test]
fn a_long_step_of_the_model_breaks_no_connection() {
    let mut world = World::new(SLOTS);
    let handle = world.connect(50_000);
    world.until("open", |world| world.stack.connections() == 1);
    world.now += Duration::from_secs(600);
    // The first poll after the step finds nothing from the client yet.
    world.stack.poll(world.now, &mut world.echo);
    world.socket(handle).send_slice(b"hello").expect("open");
    let mut answer = Vec::new();
    world.until("answer", |world| {
        let _ = world.socket(handle).recv(|bytes| {
            answer.extend_from_slice(bytes);
            (bytes.len(), ())
        });
        answer == b"hello"
    });
    assert_eq!(world.stack.counters().broken, 0);
}

#[test]
fn noise_on_the_cable_is_survived() {
    let mut world = World::new(SLOTS);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let handle = world.connect(50_000);
    for round in 0..20_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Damage every third packet of a live connection.
        if round % 3 == 0
            && let Some(packet) = world.cable.outbound.borrow_mut().front_mut()
        {
            let at = state as usize % packet.len();
            packet[at] ^= (state >> 32) as u8;
        }
        world
            .client
            .poll(instant(world.now), &mut world.cable, &mut world.sockets);
        let _ = world.socket(handle).send_slice(b"abc");
        let _ = world.socket(handle).recv(|bytes| (bytes.len(), ()));
        world.now += Duration::from_millis(1);
        world.stack.poll(world.now, &mut world.echo);
    }
}

#[test]
fn a_gateway_that_no_machine_can_have_is_left_out() {
    let mut world = World::new(SLOTS);
    let cidr = Ipv4Cidr::new(SERVER, 24);
    let gateways = [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1]].map(Ipv4Address::from);
    for gateway in gateways {
        let gateway = Some(gateway);
        world.stack.set_address(Some(Address { cidr, gateway }));
        assert_eq!(
            world.stack.address(),
            Some(Address {
                cidr,
                gateway: None
            })
        );
    }
    let gateway = Some(Ipv4Address::new(10, 0, 0, 254));
    world.stack.set_address(Some(Address { cidr, gateway }));
    assert_eq!(world.stack.address(), Some(Address { cidr, gateway }));
}
