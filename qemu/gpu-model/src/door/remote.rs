//! tinygrad's remote PCI protocol: its AM driver, or anything else that speaks it, reaches the card over TCP.
//!
//! A request is 33 bytes, little-endian and packed: command (1), device (4), aperture (4), three arguments (8 each). An
//! answer is 17 bytes: status (0 is good), two values; data may follow. With status 1 the first value is the length of a
//! text. Writes have no answer. Source: tinygrad 0.14.0, `tinygrad/runtime/support/system.py`, class `RemotePCIDevice`.
//!
//! What the other end of that protocol does on a real machine is done here too: memory for DMA is lent by [`LentMemory`],
//! apertures are resized, the function is enabled.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{MESSAGE_LIMIT, SLICE, SharedCard, Stop, TICK, lock, refused, timed_out};
use crate::host::{BusError, HostMemory, Regions};
use crate::shared_bytes::SharedBytes;

/// Longest data of one request: what tinygrad copies at once is far below.
const LONGEST: u64 = 256 << 20;

/// Most memory lent at a time, to all drivers together.
const LENT: u64 = 16 << 30;

/// Drivers connected at a time.
const CONNECTIONS: usize = 8;

/// Pages, as a driver's page tables have them.
const PAGE: u64 = 4096;

/// Bus address of the first lent page.
const FIRST: u64 = 0x1_0000_0000;

/// Memory for DMA, lent to drivers.
#[derive(Default)]
pub struct LentMemory {
    regions: Regions,
    lent: Mutex<HashMap<u32, Loan>>,
    next_handle: AtomicU32,
    next_address: AtomicU64,
}

#[derive(Clone)]
struct Loan {
    address: u64,
    bytes: Arc<SharedBytes>,
}

impl HostMemory for LentMemory {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        self.regions.read(address, out)
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        self.regions.write(address, data)
    }
}

impl LentMemory {
    fn loans(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Loan>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends whole pages: handle and bus address.
    fn lend(&self, bytes: u64) -> Result<(u32, u64), String> {
        let pages = bytes.div_ceil(PAGE);
        let mut loans = self.loans();
        let out: u64 = loans.values().map(|loan| loan.bytes.len()).sum();
        if pages == 0 || pages > (LENT - out.min(LENT)) / PAGE {
            return Err(format!(
                "{bytes} bytes of memory: {out} of {LENT} are lent already"
            ));
        }
        let memory = SharedBytes::sparse((pages * PAGE) as usize)
            .map_err(|error| format!("{bytes} bytes of memory: {error}"))?;
        // A page between loans belongs to nobody, so that running past an end is seen.
        let address = FIRST + self.next_address.fetch_add((pages + 1) * PAGE, Relaxed);
        let handle = self.next_handle.fetch_add(1, Relaxed);
        let bytes = Arc::new(memory);
        self.regions.add(address, Arc::clone(&bytes));
        loans.insert(handle, Loan { address, bytes });
        Ok((handle, address))
    }

    fn give_back(&self, handles: &[u32]) {
        let mut loans = self.loans();
        for handle in handles {
            loans.remove(handle);
        }
        let left = loans.values().cloned();
        self.regions
            .replace(left.map(|loan| (loan.address, loan.bytes)).collect());
    }

    fn loan(&self, handle: u32, offset: u64, bytes: u64) -> Result<Arc<SharedBytes>, String> {
        let loans = self.loans();
        let loan = loans
            .get(&handle)
            .ok_or_else(|| format!("no memory has handle {handle}"))?;
        let end = offset.checked_add(bytes);
        if end.is_none_or(|end| end > loan.bytes.len()) {
            return Err(format!(
                "{bytes} bytes at {offset:#x} of {:#x} lent",
                loan.bytes.len()
            ));
        }
        Ok(Arc::clone(&loan.bytes))
    }
}

/// Commands, by number.
const COMMANDS: [&str; 13] = [
    "PROBE",
    "MAP_BAR",
    "MAP_SYSMEM_FD",
    "CFG_READ",
    "CFG_WRITE",
    "RESET",
    "MMIO_READ",
    "MMIO_WRITE",
    "MAP_SYSMEM",
    "SYSMEM_READ",
    "SYSMEM_WRITE",
    "RESIZE_BAR",
    "PING",
];

struct Request {
    command: u8,
    bar: u32,
    arguments: [u64; 3],
}

impl Request {
    const BYTES: usize = 33;

    fn parse(bytes: &[u8; Self::BYTES]) -> Self {
        let quad = |at: usize| {
            let mut value = [0; 8];
            value.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(value)
        };
        Self {
            command: bytes[0],
            bar: u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]),
            arguments: [quad(9), quad(17), quad(25)],
        }
    }

    fn name(&self) -> &'static str {
        COMMANDS
            .get(usize::from(self.command))
            .copied()
            .unwrap_or("unknown command")
    }

    /// Bytes that follow the request.
    fn payload(&self) -> io::Result<usize> {
        if !matches!(self.name(), "PROBE" | "MMIO_WRITE" | "SYSMEM_WRITE") {
            return Ok(0);
        }
        let bytes = self.arguments[1];
        if bytes > LONGEST {
            return Err(refused(format!("{} of {bytes} bytes", self.name())));
        }
        Ok(bytes as usize)
    }

    /// Whether a driver waits for an answer.
    fn is_answered(&self) -> bool {
        !matches!(self.name(), "MMIO_WRITE" | "SYSMEM_WRITE")
    }
}

/// An answer that is good.
#[derive(Default)]
struct Answer {
    values: [u64; 2],
    data: Vec<u8>,
}

impl Answer {
    fn of(first: u64, second: u64) -> Self {
        Self {
            values: [first, second],
            data: Vec::new(),
        }
    }

    fn data(data: Vec<u8>) -> Self {
        Self {
            values: [data.len() as u64, 0],
            data,
        }
    }
}

/// The listening door.
pub struct Remote {
    listener: TcpListener,
    card: SharedCard,
    memory: Arc<LentMemory>,
    /// RESIZE_BAR is granted.
    resizes: bool,
}

impl Remote {
    /// Listens on a port of this machine's loopback; port 0 takes a free one. The card must have `memory` as its host.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub fn listen(port: u16, card: SharedCard, memory: Arc<LentMemory>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            card,
            memory,
            resizes: true,
        })
    }

    /// The same on a machine that cannot resize apertures: video memory is seen through 256 MiB, as many boards do it.
    #[must_use]
    pub fn without_resizing(self) -> Self {
        Self {
            resizes: false,
            ..self
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves drivers until `stop` is asked for. `said` hears why a connection ended early.
    ///
    /// # Errors
    /// If no connection can be accepted any more.
    pub fn serve(&self, stop: &Stop, said: &(dyn Fn(&str) + Sync)) -> io::Result<()> {
        let open = AtomicUsize::new(0);
        let open = &open;
        std::thread::scope(|scope| {
            while !stop.is_asked() {
                match self.listener.accept() {
                    // Dropped, which closes it.
                    Ok(_) if open.load(Relaxed) >= CONNECTIONS => said("too many connections"),
                    Ok((stream, peer)) => {
                        open.fetch_add(1, Relaxed);
                        scope.spawn(move || {
                            if let Err(error) = self.connection(&stream, stop) {
                                said(&format!("{peer}: {error}"));
                            }
                            open.fetch_sub(1, Relaxed);
                        });
                    }
                    Err(error) if timed_out(&error) => {
                        std::thread::sleep(TICK);
                        lock(&self.card).poll();
                    }
                    Err(error) => {
                        stop.now();
                        return Err(error);
                    }
                }
            }
            Ok(())
        })
    }

    fn connection(&self, stream: &TcpStream, stop: &Stop) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(MESSAGE_LIMIT))?;
        let mut driver = Driver {
            door: self,
            input: io::BufReader::with_capacity(64 << 10, stream),
            output: stream,
            loans: Vec::new(),
        };
        let ended = driver.serve(stop);
        self.memory.give_back(&driver.loans);
        ended
    }
}

/// One connection.
struct Driver<'a> {
    door: &'a Remote,
    input: io::BufReader<&'a TcpStream>,
    output: &'a TcpStream,
    /// Handles of what was lent to it.
    loans: Vec<u32>,
}

impl Driver<'_> {
    fn serve(&mut self, stop: &Stop) -> io::Result<()> {
        let mut head = [0; Request::BYTES];
        while self.fill(&mut head, Some(stop))? {
            let request = Request::parse(&head);
            let mut payload = vec![0; request.payload()?];
            self.fill(&mut payload, None)?;
            let result = self.act(&request, &payload);
            if !request.is_answered() {
                result.map_err(refused)?;
                continue;
            }
            let (status, answer) = match result {
                Ok(answer) => (0, answer),
                Err(text) => (1, Answer::data(text.into_bytes())),
            };
            let mut bytes = Vec::with_capacity(17 + answer.data.len());
            bytes.push(status);
            bytes.extend(answer.values[0].to_le_bytes());
            bytes.extend(answer.values[1].to_le_bytes());
            bytes.extend(answer.data);
            self.output.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Fills a buffer. With `stop`, the message may be long in coming, and `false` says that it does not come at all.
    fn fill(&mut self, buffer: &mut [u8], stop: Option<&Stop>) -> io::Result<bool> {
        let mut filled = 0;
        let mut begun = Instant::now();
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 && stop.is_some() => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    if filled == 0 {
                        begun = Instant::now();
                    }
                    filled += count;
                }
                Err(error) if timed_out(&error) => match stop {
                    Some(stop) if filled == 0 => {
                        if stop.is_asked() {
                            return Ok(false);
                        }
                        begun = Instant::now();
                    }
                    _ if begun.elapsed() > MESSAGE_LIMIT => return Err(error),
                    _ => {}
                },
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn act(&mut self, request: &Request, payload: &[u8]) -> Result<Answer, String> {
        let [first, second, third] = request.arguments;
        let length = || {
            if second <= LONGEST {
                Ok(second as usize)
            } else {
                Err(format!("{} of {second} bytes", request.name()))
            }
        };
        let mut card = lock(&self.door.card);
        match request.name() {
            "PROBE" => Ok(Answer::data(probe(first, third, payload))),
            "MAP_BAR" => {
                let (address, bytes) = card.aperture(small(request.bar)?);
                Ok(Answer::of(address, bytes))
            }
            "CFG_READ" => {
                let (offset, bytes) = config(first, second)?;
                Ok(Answer::of(card.config_read(offset, bytes).into(), 0))
            }
            "CFG_WRITE" => {
                let (offset, bytes) = config(first, second)?;
                card.config_write(offset, bytes, third as u32);
                Ok(Answer::default())
            }
            "RESET" => {
                let resized = card.aperture(0).1 > 256 << 20;
                card.bus_reset();
                card.post(resized);
                Ok(Answer::default())
            }
            "MMIO_READ" => {
                let mut data = vec![0; length()?];
                let unit = unit(request.bar);
                let mut at = first;
                for part in data.chunks_mut(unit) {
                    card.bar_read(small(request.bar)?, at, part);
                    at = at.saturating_add(part.len() as u64);
                }
                Ok(Answer {
                    values: [second, 0],
                    data,
                })
            }
            "MMIO_WRITE" => {
                let mut at = first;
                for part in payload.chunks(unit(request.bar)) {
                    card.bar_write(small(request.bar)?, at, part);
                    at = at.saturating_add(part.len() as u64);
                }
                Ok(Answer::default())
            }
            "RESIZE_BAR" if request.bar == 0 && self.door.resizes => {
                card.post(true);
                Ok(Answer::default())
            }
            "MAP_SYSMEM" => self.lend(first),
            "SYSMEM_READ" => {
                let mut data = vec![0; length()?];
                let memory = self.door.memory.loan(request.bar, first, second)?;
                memory.read(first, &mut data);
                Ok(Answer {
                    values: [second, 0],
                    data,
                })
            }
            "SYSMEM_WRITE" => {
                let memory = self.door.memory.loan(request.bar, first, second)?;
                memory.write(first, payload);
                card.poll();
                Ok(Answer::default())
            }
            "PING" => Ok(Answer::default()),
            name => Err(format!("{name} ({}) is not served here", request.command)),
        }
    }

    fn lend(&mut self, bytes: u64) -> Result<Answer, String> {
        let (handle, address) = self.door.memory.lend(bytes)?;
        self.loans.push(handle);
        let pages = 0..bytes.div_ceil(PAGE);
        let data: Vec<u8> = pages
            .flat_map(|page| (address + page * PAGE).to_le_bytes())
            .collect();
        Ok(Answer {
            values: [data.len() as u64, handle.into()],
            data,
        })
    }
}

fn small(bar: u32) -> Result<u8, String> {
    u8::try_from(bar)
        .ok()
        .filter(|bar| *bar < 6)
        .ok_or_else(|| format!("there is no aperture {bar}"))
}

/// Bytes of one access, as a processor's stores to that aperture are wide: a request for more is several accesses.
fn unit(bar: u32) -> usize {
    match bar {
        2 => 8,
        5 => 4,
        _ => usize::MAX,
    }
}

fn config(offset: u64, bytes: u64) -> Result<(u32, u32), String> {
    if offset < 4096 && matches!(bytes, 1 | 2 | 4) && offset.is_multiple_of(bytes) {
        Ok((offset as u32, bytes as u32))
    } else {
        Err(format!(
            "{bytes} bytes at {offset:#x} of configuration space"
        ))
    }
}

/// The list of devices: the card, if vendor, class and one of the pairs of mask and id match.
fn probe(class: u64, vendor: u64, pairs: &[u8]) -> Vec<u8> {
    let wanted = pairs.as_chunks::<8>().0.iter().any(|pair| {
        let [a, b, c, d, e, f, g, h] = *pair;
        let (mask, id) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        0x744c & mask == id
    });
    if vendor == 0x1002 && (class == 0 || class == 3) && wanted {
        b"0000:03:00.0:0".to_vec()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Card, Level};

    struct Client(TcpStream);

    impl Client {
        fn send(&mut self, command: u8, bar: u32, arguments: [u64; 3], payload: &[u8]) {
            let mut bytes = vec![command];
            bytes.extend([0; 4]);
            bytes.extend(bar.to_le_bytes());
            bytes.extend(arguments.iter().flat_map(|value| value.to_le_bytes()));
            bytes.extend(payload);
            self.0.write_all(&bytes).expect("the door takes it");
        }

        fn answer(&mut self) -> (u8, u64, u64) {
            let mut bytes = [0; 17];
            self.0.read_exact(&mut bytes).expect("an answer");
            let quad = |at: usize| {
                let bytes = bytes[at..at + 8].try_into();
                u64::from_le_bytes(bytes.expect("8 bytes"))
            };
            (bytes[0], quad(1), quad(9))
        }

        fn data(&mut self, bytes: usize) -> Vec<u8> {
            let mut data = vec![0; bytes];
            self.0.read_exact(&mut data).expect("data");
            data
        }
    }

    fn with_door(act: impl FnOnce(&mut Client, &SharedCard, &LentMemory)) {
        let memory = Arc::new(LentMemory::default());
        let card = Card::new(Level::Hardware, memory.clone()).expect("address space");
        let card = Arc::new(Mutex::new(card));
        let door = Remote::listen(0, card.clone(), memory.clone()).expect("a free port");
        let stop = Stop::default();
        std::thread::scope(|scope| {
            scope.spawn(|| door.serve(&stop, &|_| ()));
            let stream = TcpStream::connect(door.address().expect("an address"));
            let mut client = Client(stream.expect("the door is open"));
            let limit = Some(std::time::Duration::from_secs(20));
            client.0.set_read_timeout(limit).expect("a limit");
            act(&mut client, &card, &memory);
            stop.now();
        });
    }

    #[test]
    fn a_driver_finds_the_card_and_reads_its_registers() {
        with_door(|client, card, _| {
            let pairs = [0xffff_u32.to_le_bytes(), 0x744c_u32.to_le_bytes()].concat();
            client.send(0, 0, [3, 8, 0x1002], &pairs);
            let (status, bytes, _) = client.answer();
            assert_eq!(
                (status, client.data(bytes as usize)),
                (0, b"0000:03:00.0:0".to_vec())
            );
            client.send(11, 0, [0; 3], &[]);
            assert_eq!(client.answer().0, 0);
            client.send(1, 0, [0; 3], &[]);
            assert_eq!(client.answer().2, 32 << 30);
            client.send(6, 5, [0xde3 * 4, 4, 0], &[]);
            assert_eq!(
                (client.answer().0, client.data(4)),
                (0, vec![0xf0, 0x5f, 0, 0])
            );
            client.send(7, 0, [crate::VRAM_BYTES - (1 << 20), 5, 0], b"hello");
            client.send(6, 0, [crate::VRAM_BYTES - (1 << 20), 5, 0], &[]);
            assert_eq!((client.answer().0, client.data(5)), (0, b"hello".to_vec()));
            client.send(3, 0, [0, 4, 0], &[]);
            assert_eq!(client.answer(), (0, 0x744c_1002, 0));
            assert_eq!(lock(card).stopped(), None);
        });
    }

    #[test]
    fn lent_memory_is_the_cards_too_until_the_driver_leaves() {
        with_door(|client, _, memory| {
            client.send(8, 0, [5000, 0, 0], &[]);
            let (status, bytes, handle) = client.answer();
            assert_eq!((status, bytes), (0, 16));
            let pages = client.data(16);
            let page = u64::from_le_bytes(pages[..8].try_into().expect("8 bytes"));
            client.send(10, handle as u32, [4096, 4, 0], &[1, 2, 3, 4]);
            client.send(9, handle as u32, [4094, 6, 0], &[]);
            assert_eq!(
                (client.answer().0, client.data(6)),
                (0, vec![0, 0, 1, 2, 3, 4])
            );
            let mut seen = [0; 4];
            memory.read(page + 4096, &mut seen).expect("lent");
            assert_eq!(seen, [1, 2, 3, 4]);
            assert!(memory.read(page + 8190, &mut seen).is_err());
        });
    }

    #[test]
    fn hostile_lengths_are_refused() {
        with_door(|client, _, memory| {
            for (command, arguments) in [
                (6, [0, u64::MAX, 0]),
                (9, [u64::MAX, 8, 0]),
                (9, [0, 8, 0]),
                (8, [u64::MAX, 0, 0]),
                (8, [0, 0, 0]),
                (3, [4095, 4, 0]),
                (2, [4096, 0, 0]),
                (99, [0; 3]),
            ] {
                client.send(command, 5, arguments, &[]);
                let (status, bytes, _) = client.answer();
                assert_eq!(status, 1, "{command} {arguments:x?}");
                assert!(!client.data(bytes as usize).is_empty());
            }
            assert!(memory.loans().is_empty());
            // A write has no answer: the connection ends.
            client.send(7, 0, [0, u64::MAX, 0], &[]);
            assert_eq!(client.0.read(&mut [0; 1]).expect("an end"), 0);
        });
    }
}
