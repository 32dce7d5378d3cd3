//! What the machine is for: finds the devices, loads the model, and serves until it is told to stop.
//!
//! One loop on one core polls everything: the serial console, the network, the console's own job, and the model, one
//! step at a time. The other cores only take part in steps. Where nothing moved, the core halts for at most
//! [`IDLE_LIMIT`]. Start reading at [`run`].

pub mod gpu;
pub mod job;
pub mod load;
pub mod machine;
pub mod operator;

use core::time::Duration;

use inference::backend::Backend;
use serving::{ConnectionId, Server};
use smoltcp::wire::Ipv4Address;

use crate::devices::nic::Nic;
use crate::net::service::Service;
use crate::net::stack::Stack;
use crate::net::unready::Unready;
use crate::options::{BackendChoice, Options};
use crate::{boot, cpu, serial, time};
use machine::Machine;
use operator::Operator;

/// The longest halt. Cards and the serial port are polled, so this is also what a packet may have to wait.
const IDLE_LIMIT: Duration = Duration::from_millis(1);
/// How long the boot waits for an address; DHCP goes on in the background.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(10);

impl<B: Backend> Service for Server<B> {
    type Connection = ConnectionId;
    const REFUSAL: &'static [u8] = serving::TOO_MANY_CONNECTIONS;

    fn open(&mut self, now: Duration) -> Option<ConnectionId> {
        Server::open(self, now).ok()
    }

    fn receive(&mut self, connection: ConnectionId, bytes: &[u8], now: Duration) -> usize {
        Server::receive(self, connection, bytes, now)
    }

    fn peer_closed(&mut self, connection: ConnectionId) {
        Server::peer_closed(self, connection);
    }

    fn pending(&self, connection: ConnectionId) -> &[u8] {
        Server::pending(self, connection)
    }

    fn sent(&mut self, connection: ConnectionId, count: usize, now: Duration) {
        Server::sent(self, connection, count, now);
    }

    fn should_close(&self, connection: ConnectionId) -> bool {
        Server::should_close(self, connection)
    }

    fn release(&mut self, connection: ConnectionId) {
        Server::close(self, connection);
    }

    fn set_machine_metrics(&mut self, lines: &str) {
        Server::set_machine_metrics(self, lines);
    }

    fn step(&mut self, now: Duration) -> bool {
        match Server::step(self, now) {
            Ok(more) => more,
            Err(error) => {
                log::error!("model: {error}");
                true
            }
        }
    }
}

/// Everything after the processor, memory and the cores are set up. Returns never: it ends in power-off or reset.
pub fn run(options: Options) -> ! {
    if options.backend == BackendChoice::Gpu {
        log::error!("gpu: this kernel has no GPU backend; the CPU computes");
    }
    let mut machine = machine::find(&options);
    if options.selftest_gpu {
        match &mut machine.gpu {
            Some(gpu) => gpu.selftest(),
            None => gpu::selftest::report_none("there is no graphics card of AMD's"),
        }
    }
    match load::load(&mut machine.disks, &options) {
        Ok(loaded) => serve(loaded.server, machine, options, Some(loaded.summary)),
        Err(error) => {
            log::error!("no model: {error}");
            serve(
                Unready::new(&alloc::format!("{error}")),
                machine,
                options,
                None,
            )
        }
    }
}

fn serve<S: Service>(
    mut service: S,
    mut machine: Machine,
    options: Options,
    summary: Option<load::Summary>,
) -> ! {
    let mut net = machine.nic.take().map(|nic| {
        let mac = nic.mac();
        Stack::new(nic, mac, options.ip, options.port, entropy(), time::now())
    });
    if let Some(net) = &mut net {
        wait_for_address(net, &mut service);
    }
    let mut operator = Operator::new(machine, options, summary, time::now());
    operator.ready();
    loop {
        let now = time::now();
        let mut active = operator.poll(&mut service, net.as_ref(), now);
        if let Some(net) = &mut net {
            let polled = net.poll(now, &mut service);
            active |= polled.active;
            if polled.address_changed {
                report_address(net);
            }
        }
        active |= service.step(now);
        operator.watch(&mut service, now);
        if !active {
            let due = net.as_mut().and_then(|net| net.idle_for());
            cpu::idle(due.unwrap_or(IDLE_LIMIT).min(IDLE_LIMIT));
        }
    }
}

/// Polls the network until there is an address, or not any longer.
fn wait_for_address<S: Service>(net: &mut Stack<Nic, S::Connection>, service: &mut S) {
    let deadline = time::now() + ADDRESS_DEADLINE;
    while net.address().is_none() {
        let now = time::now();
        if now > deadline {
            log::warn!(
                "net: no DHCP server answered within {} s; still asking; ip=A.B.C.D/N,GATEWAY sets a fixed address",
                ADDRESS_DEADLINE.as_secs()
            );
            return;
        }
        if !net.poll(now, service).active {
            cpu::idle(IDLE_LIMIT);
        }
    }
    report_address(net);
}

fn report_address<C: Copy>(net: &Stack<Nic, C>) {
    let port = net.port();
    match net.address() {
        Some(address) => {
            let gateway = address.gateway.unwrap_or(Ipv4Address::UNSPECIFIED);
            log::info!(
                "net: address {}, gateway {gateway}, port {port}",
                address.cidr
            );
        }
        None => log::warn!("net: the address was lost; asking DHCP again"),
    }
}

/// A number that is hard to guess where the processor gives random numbers, and differs from boot to boot otherwise.
#[must_use]
pub fn entropy() -> u64 {
    let random = x86_64::instructions::random::RdRand::new().and_then(|random| random.get_u64());
    let clock = time::now().as_nanos() as u64 ^ time::unix_base() << 32;
    random.unwrap_or(0) ^ clock.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Bytes of memory that the machine lets the kernel use.
#[must_use]
pub fn total_bytes() -> u64 {
    boot::info().usable.bytes()
}

/// Writes text to the console, with the line ends that a terminal wants.
fn print(text: &str) {
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                serial::write(line.as_bytes());
                serial::write(b"\r\n");
            }
            None => serial::write(line.as_bytes()),
        }
    }
}
