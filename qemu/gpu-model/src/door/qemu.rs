//! QEMU's `x-pci-proxy-dev`: the card as a PCI device of an unmodified QEMU, in another process.
//!
//! QEMU holds one end of a stream socket and sends a message for every access of configuration space or of an aperture; it
//! waits for the answer. Guest memory comes as file descriptors, which the card maps: that is its DMA. A message is a header
//! of 16 bytes (command, padding, length) and a body. Source: QEMU 7.2, `hw/remote/proxy.c`, `hw/remote/mpqemu-link.c`,
//! `include/hw/remote/mpqemu-link.h`.
//!
//! The proxy is a conventional device: 256 bytes of configuration space and 32-bit apertures ([`Slot::Conventional`]).
//! Interrupts would need KVM's irqfd, so none are sent: drivers of this card can poll its interrupt ring.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, sockopt};

use super::beside::Beside;
use super::{MESSAGE_LIMIT, SharedCard, Stop, TICK, lock, refused, timed_out};
use crate::host::{BusError, HostMemory, Regions};
use crate::pci::Slot;
use crate::shared_bytes::SharedBytes;

/// Bytes of a message's header.
const HEADER: usize = 16;

/// Longest body: SYNC_SYSMEM, 8 regions of 3 quadwords.
const BODY: usize = 8 * 3 * 8;

/// Most file descriptors of a message.
const DESCRIPTORS: usize = 8;

/// Commands.
const SYNC_SYSMEM: i32 = 0;
const RET: i32 = 1;
const CONFIG_WRITE: i32 = 2;
const CONFIG_READ: i32 = 3;
const BAR_WRITE: i32 = 4;
const BAR_READ: i32 = 5;
const SET_IRQFD: i32 = 6;
const DEVICE_RESET: i32 = 7;

/// Guest memory, as QEMU told of it.
#[derive(Default)]
pub struct GuestMemory(Regions);

impl HostMemory for GuestMemory {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        self.0.read(address, out)
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        self.0.write(address, data)
    }
}

/// Lets every process that is started from now on inherit this end of a connection.
///
/// # Errors
/// If it cannot be inherited.
pub fn inherit(connection: &UnixStream) -> io::Result<()> {
    rustix::io::fcntl_setfd(connection, rustix::io::FdFlags::empty())?;
    Ok(())
}

/// What a QEMU that inherits this end of a connection is started with, besides everything else: memory that can be shared,
/// and the device.
#[must_use]
pub fn arguments(connection: &UnixStream, memory_mib: u32) -> Vec<String> {
    [
        "-machine".to_owned(),
        "memory-backend=shared".to_owned(),
        "-object".to_owned(),
        format!("memory-backend-memfd,id=shared,size={memory_mib}M,share=on"),
        "-device".to_owned(),
        format!("x-pci-proxy-dev,id=gpu,fd={}", connection.as_raw_fd()),
    ]
    .to_vec()
}

/// A card attached to a QEMU that the caller starts. Dropped, it is detached.
pub struct Plug {
    stop: Stop,
    /// QEMU's end, open until QEMU has inherited it.
    theirs: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Plug {
    /// Makes the connection and serves it on a thread of its own. The card must have `memory` as its host; it is put into a
    /// conventional slot.
    ///
    /// # Errors
    /// If the system has no socket or thread left.
    pub fn new(card: SharedCard, memory: Arc<GuestMemory>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        inherit(&theirs)?;
        let stop = Stop::default();
        let asked = stop.clone();
        let thread = std::thread::Builder::new()
            .name("gpu".to_owned())
            .spawn(move || serve(&ours, &card, &memory, &asked))?;
        Ok(Self {
            stop,
            theirs: Some(theirs),
            thread: Some(thread),
        })
    }

    /// What QEMU is started with: see [`arguments`]. Nothing once [`Self::started`] was called.
    #[must_use]
    pub fn arguments(&self, memory_mib: u32) -> Vec<String> {
        let theirs = self.theirs.as_ref();
        theirs.map_or(Vec::new(), |theirs| arguments(theirs, memory_mib))
    }

    /// QEMU runs and has its end: ours of it is closed, so that its end is seen.
    pub fn started(&mut self) {
        self.theirs = None;
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.stop.now();
        self.theirs = None;
        if let Some(thread) = self.thread.take() {
            // What it died of was said by the card's report, or QEMU is gone.
            let _ = thread.join();
        }
    }
}

/// Serves one QEMU until it ends or `stop` is asked for.
///
/// # Errors
/// If QEMU says something that is no message, or the stream fails.
pub fn serve(
    stream: &UnixStream,
    card: &SharedCard,
    memory: &GuestMemory,
    stop: &Stop,
) -> io::Result<()> {
    lock(card).plug(Slot::Conventional);
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(MESSAGE_LIMIT))?;
    // The first message is to say whose it is.
    sockopt::set_socket_passcred(stream, true)?;
    let mut link = Link::new(stream);
    let ended = link.serve(card, memory, stop);
    memory.0.replace(Vec::new());
    ended
}

/// Does what a message says, and answers it.
fn act(
    link: &mut Link<'_>,
    Message {
        command,
        length,
        body,
    }: Message,
    card: &SharedCard,
    memory: &GuestMemory,
) -> io::Result<()> {
    let body = &body[..length];
    match command {
        SYNC_SYSMEM => {
            let files = link.descriptors.pop_front().unwrap_or_default();
            memory.0.replace(regions(body, files)?);
            return Ok(());
        }
        SET_IRQFD => {
            // Nothing is sent through them: dropped, they are closed.
            link.descriptors.pop_front();
            return Ok(());
        }
        _ => {}
    }
    let value = match command {
        CONFIG_READ => {
            let (offset, _, bytes) = config(body)?;
            u64::from(lock(card).config_read(offset, bytes))
        }
        CONFIG_WRITE => {
            let (offset, value, bytes) = config(body)?;
            lock(card).config_write(offset, bytes, value);
            0
        }
        BAR_READ | BAR_WRITE => {
            let access = Access::parse(body)?;
            access.act(command == BAR_WRITE, card, &mut link.beside)
        }
        DEVICE_RESET => {
            lock(card).bus_reset();
            0
        }
        _ => return Err(refused(format!("QEMU sent command {command}"))),
    };
    link.answer(value)
}

fn quad(body: &[u8], at: usize) -> io::Result<u64> {
    let bytes = body.get(at..).and_then(|rest| rest.first_chunk());
    bytes
        .map(|bytes| u64::from_le_bytes(*bytes))
        .ok_or_else(|| refused("a short message"))
}

fn dword(body: &[u8], at: usize) -> io::Result<u32> {
    let bytes = body.get(at..).and_then(|rest| rest.first_chunk());
    bytes
        .map(|bytes| u32::from_le_bytes(*bytes))
        .ok_or_else(|| refused("a short message"))
}

/// Offset, value and bytes of an access of configuration space.
fn config(body: &[u8]) -> io::Result<(u32, u32, u32)> {
    Ok((dword(body, 0)?, dword(body, 4)?, dword(body, 8)?))
}

/// The regions of guest memory, mapped.
fn regions(body: &[u8], files: Vec<OwnedFd>) -> io::Result<Vec<(u64, Arc<SharedBytes>)>> {
    let mut regions = Vec::new();
    for (n, file) in files.into_iter().enumerate().take(DESCRIPTORS) {
        let [address, bytes, offset] = [0, 1, 2].map(|list| quad(body, (list * 8 + n) * 8));
        let (address, bytes, offset) = (address?, bytes?, offset?);
        if bytes == 0 {
            continue;
        }
        // A map that reaches beyond its file would kill us at the first access there.
        let length = rustix::fs::fstat(&file)?.st_size as u64;
        if offset.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(refused(format!(
                "guest memory of {bytes:#x} bytes at {offset:#x} of a file of {length:#x}"
            )));
        }
        let map = SharedBytes::of_file(&file, offset, bytes as usize)?;
        regions.push((address, Arc::new(map)));
    }
    Ok(regions)
}

/// An access of an aperture, by guest address.
struct Access {
    address: u64,
    value: u64,
    bytes: usize,
}

impl Access {
    fn parse(body: &[u8]) -> io::Result<Self> {
        let bytes = dword(body, 16)?;
        if !matches!(bytes, 1 | 2 | 4 | 8) {
            return Err(refused(format!("an access of {bytes} bytes")));
        }
        Ok(Self {
            address: quad(body, 0)?,
            value: quad(body, 8)?,
            bytes: bytes as usize,
        })
    }

    fn act(&self, write: bool, card: &SharedCard, beside: &mut Beside) -> u64 {
        let mut card = lock(card);
        let found = [0, 2, 4, 5].into_iter().find_map(|bar| {
            let (base, bytes) = card.aperture(bar);
            let offset = self.address.checked_sub(base)?;
            (base != 0 && offset < bytes).then_some((bar, offset))
        });
        let Some((bar, offset)) = found else {
            return u64::MAX;
        };
        // A doorbell, or whatever a queue waits for, may start kernels, which use all processors that this thread may.
        if write && bar == 2 || card.waits() {
            beside.leave();
        }
        let mut value = self.value.to_le_bytes();
        if write {
            card.bar_write(bar, offset, &value[..self.bytes]);
            return 0;
        }
        value.fill(0);
        card.bar_read(bar, offset, &mut value[..self.bytes]);
        u64::from_le_bytes(value)
    }
}

/// A message, as it came.
struct Message {
    command: i32,
    length: usize,
    body: [u8; BODY],
}

/// The stream, as messages.
struct Link<'a> {
    stream: &'a UnixStream,
    /// Bytes that came and were not used yet, at the front.
    buffer: [u8; 2 * (HEADER + BODY)],
    filled: usize,
    /// Descriptors that came, by message: the kernel never joins those of two.
    descriptors: VecDeque<Vec<OwnedFd>>,
    beside: Beside,
}

impl<'a> Link<'a> {
    fn new(stream: &'a UnixStream) -> Self {
        Self {
            stream,
            buffer: [0; 2 * (HEADER + BODY)],
            filled: 0,
            descriptors: VecDeque::new(),
            beside: Beside::new(),
        }
    }

    fn serve(&mut self, card: &SharedCard, memory: &GuestMemory, stop: &Stop) -> io::Result<()> {
        while let Some(message) = self.message(stop, card)? {
            act(self, message, card, memory)?;
        }
        Ok(())
    }

    /// The next message; `None` when QEMU has ended or `stop` is asked for.
    fn message(&mut self, stop: &Stop, card: &SharedCard) -> io::Result<Option<Message>> {
        let mut begun = Instant::now();
        loop {
            if let Some(message) = self.whole()? {
                self.beside.message();
                return Ok(Some(message));
            }
            match self.receive() {
                Ok(0) if self.filled == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if timed_out(&error) => {
                    if stop.is_asked() {
                        return Ok(None);
                    }
                    self.beside.leave();
                    lock(card).poll();
                    if self.filled == 0 {
                        begun = Instant::now();
                    } else if begun.elapsed() > MESSAGE_LIMIT {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The message at the front of the buffer, if all of it came.
    fn whole(&mut self) -> io::Result<Option<Message>> {
        let came = &self.buffer[..self.filled];
        if came.len() < HEADER {
            return Ok(None);
        }
        let command = dword(came, 0)? as i32;
        let length = quad(came, 8)?;
        if length > BODY as u64 {
            return Err(refused(format!(
                "command {command} with a body of {length} bytes"
            )));
        }
        let length = length as usize;
        let Some(given) = came.get(HEADER..HEADER + length) else {
            return Ok(None);
        };
        let mut body = [0; BODY];
        body[..length].copy_from_slice(given);
        self.buffer.copy_within(HEADER + length..self.filled, 0);
        self.filled -= HEADER + length;
        Ok(Some(Message {
            command,
            length,
            body,
        }))
    }

    /// Adds to the buffer, which always has room: it holds more than the longest message.
    fn receive(&mut self) -> io::Result<usize> {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            self.stream,
            &mut [IoSliceMut::new(&mut self.buffer[self.filled..])],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        self.filled += received.bytes;
        let mut files = Vec::new();
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(sent) => files.extend(sent),
                RecvAncillaryMessage::ScmCredentials(sender) => {
                    self.beside.peer(sender.pid.as_raw_nonzero().get());
                    sockopt::set_socket_passcred(self.stream, false)?;
                }
                _ => {}
            }
        }
        if !files.is_empty() {
            if self.descriptors.len() == DESCRIPTORS {
                return Err(refused("descriptors that no message asks for"));
            }
            self.descriptors.push_back(files);
        }
        Ok(received.bytes)
    }

    fn answer(&mut self, value: u64) -> io::Result<()> {
        let mut bytes = [0; HEADER + 8];
        bytes[..4].copy_from_slice(&RET.to_le_bytes());
        bytes[8..16].copy_from_slice(&8_u64.to_le_bytes());
        bytes[16..].copy_from_slice(&value.to_le_bytes());
        self.stream.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Read};
    use std::os::fd::AsFd;
    use std::sync::Mutex;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

    use super::*;
    use crate::{Card, Level};

    /// Plays QEMU at the other end of a door.
    struct Machine {
        stream: UnixStream,
        memory: Arc<GuestMemory>,
        door: JoinHandle<io::Result<()>>,
    }

    fn machine() -> (Machine, SharedCard) {
        let memory = Arc::new(GuestMemory::default());
        let card = Card::new(Level::Strict, memory.clone()).expect("address space");
        let card = Arc::new(Mutex::new(card));
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let (door_card, door_memory) = (card.clone(), memory.clone());
        let door =
            std::thread::spawn(move || serve(&theirs, &door_card, &door_memory, &Stop::default()));
        let limit = Some(std::time::Duration::from_secs(20));
        ours.set_read_timeout(limit).expect("a limit");
        let machine = Machine {
            stream: ours,
            memory,
            door,
        };
        (machine, card)
    }

    fn message(command: i32, body: &[u8]) -> Vec<u8> {
        let mut bytes = command.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    impl Machine {
        fn ask(&mut self, command: i32, body: &[u8]) -> u64 {
            let sent = self.stream.write_all(&message(command, body));
            sent.expect("the door listens");
            let mut answer = [0; 24];
            self.stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer[..16], message(RET, &[0; 8])[..16]);
            u64::from_le_bytes(answer[16..].try_into().expect("8 bytes"))
        }

        fn config(&mut self, offset: u32, write: Option<u32>) -> u32 {
            let mut body = offset.to_le_bytes().to_vec();
            body.extend(write.unwrap_or(0).to_le_bytes());
            body.extend(4_u32.to_le_bytes());
            let command = if write.is_some() {
                CONFIG_WRITE
            } else {
                CONFIG_READ
            };
            self.ask(command, &body) as u32
        }

        fn bar(&mut self, address: u64, bytes: u32, write: Option<u64>) -> u64 {
            let mut body = address.to_le_bytes().to_vec();
            body.extend(write.unwrap_or(0).to_le_bytes());
            body.extend(bytes.to_le_bytes());
            body.extend([1, 0, 0, 0]);
            let command = if write.is_some() { BAR_WRITE } else { BAR_READ };
            self.ask(command, &body)
        }
    }

    #[test]
    fn a_machine_places_the_card_and_reads_its_registers() {
        let (mut machine, card) = machine();
        assert_eq!(machine.config(0, None), 0x744c_1002);
        machine.config(0x24, Some(u32::MAX));
        assert_eq!(machine.config(0x24, None), 0xfff0_0000);
        machine.config(0x24, Some(0xfeb0_0000));
        machine.config(0x10, Some(0xe000_0000));
        machine.config(0x04, Some(2));
        assert_eq!(machine.bar(0xfeb0_0000 + 0xde3 * 4, 4, None), 0x5ff0);
        machine.bar(0xe000_1000, 8, Some(0x1234_5678_9abc_def0));
        assert_eq!(machine.bar(0xe000_1004, 4, None), 0x1234_5678);
        assert_eq!(machine.bar(0xd000_0000, 4, None), u64::MAX);
        machine.ask(DEVICE_RESET, &[]);
        assert_eq!(machine.config(0x24, None), 0);
        assert_eq!(lock(&card).stopped(), None);
        drop(machine.stream);
        machine.door.join().expect("no panic").expect("a clean end");
    }

    #[test]
    fn guest_memory_is_mapped_where_its_files_hold_it() {
        let (mut machine, _) = machine();
        let file = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::CLOEXEC);
        let file = std::fs::File::from(file.expect("a memory file"));
        file.set_len(0x3000).expect("room");
        let mut body = vec![0; BODY];
        for (at, value) in [(0, 0x10_0000_u64), (64, 0x2000), (128, 0x1000)] {
            body[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let descriptors = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let bytes = message(SYNC_SYSMEM, &body);
        let sent = rustix::net::sendmsg(
            &machine.stream,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::empty(),
        );
        assert_eq!(sent.expect("the door listens"), bytes.len());
        // The next answer says that the message before was done.
        machine.config(0, None);
        machine
            .memory
            .write(0x10_1000, b"dma")
            .expect("guest memory");
        let mut seen = [0; 3];
        std::os::unix::fs::FileExt::read_at(&file, &mut seen, 0x2000).expect("the file");
        assert_eq!(&seen, b"dma");
        assert!(machine.memory.read(0x10_1ffe, &mut seen).is_err());
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        for bytes in [
            message(99, &[]),
            message(BAR_READ, &[0; 21]),
            [&message(CONFIG_READ, &[])[..8], &[0xff; 8]].concat(),
        ] {
            let (mut machine, _) = machine();
            machine.stream.write_all(&bytes).expect("the door listens");
            assert!(machine.door.join().expect("no panic").is_err());
        }
    }
}
