//! A card that somebody serves by tinygrad's remote PCI protocol: the device model's second door, or a real card under Linux.

mod link;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use amdgpu::{Bar, Bus, BusAddr, HostBuffer, HostRange};
use anyhow::{Context, Result, anyhow, bail, ensure};

use link::{Command, Failure, Link};

/// The protocol's port where none is named.
const PORT: u16 = 6667;
/// How long a server may take for anything, unless somebody says otherwise.
pub const LIMIT: Duration = Duration::from_secs(10);
/// AMD's vendor id, and the class of display controllers.
const VENDOR: u64 = 0x1002;
const DISPLAY: u64 = 3;
/// Longest list of devices that is read.
const LONGEST_LIST: u64 = 4096;
/// Pages, as the protocol lists them.
const PAGE: u64 = 4096;
/// No bus address reaches this: PCIe has 64 bits, the card's page tables 48 of them (`gmc_v11_0_sw_init`: `dma_addr_bits` 44).
const ADDRESS_END: u64 = 1 << 48;
/// No aperture is larger.
const LARGEST_APERTURE: u64 = 1 << 40;

/// A card behind a connection.
///
/// Once the connection is of no use, the card reads as ones, writes go nowhere, and [`Bus::lost`] says why. Writes are held
/// back and sent together, at the latest before a read, with a doorbell, or before a pause. What the server lends stays lent
/// until the connection ends (the protocol cannot give back), so that freed memory is kept for the next who asks.
pub struct Remote {
    link: RefCell<Link>,
    lost: OnceCell<String>,
    name: String,
    /// Bytes of the aperture of video memory: asked for late, because a server maps it then and it cannot be resized after.
    vram: OnceCell<u64>,
    doorbells: u64,
    registers: u64,
    freed: Vec<HostBuffer>,
    start: Instant,
}

/// `HOST:PORT`, `HOST`, `:PORT` or `PORT`: the host is this machine, the port the protocol's, where they are not named.
fn resolve(text: &str) -> Result<Vec<SocketAddr>> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text.parse().ok()),
        None => (text, Some(PORT)),
    };
    let port = port.with_context(|| format!("{text:?}: expected HOST:PORT"))?;
    let host = match host {
        "" => "127.0.0.1",
        host => host.trim_start_matches('[').trim_end_matches(']'),
    };
    let found = (host, port).to_socket_addrs();
    Ok(found.with_context(|| format!("{host}:{port}"))?.collect())
}

/// The server's devices: name and number of each.
fn devices(link: &mut Link) -> Result<Vec<(String, u32)>, Failure> {
    // One pair of mask and id: any device matches.
    let (list, _) = link.list(Command::Probe, [DISPLAY, 8, VENDOR], &[0; 8], LONGEST_LIST)?;
    let list = String::from_utf8_lossy(&list).into_owned();
    let lines = list.split('\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        let (name, number) = line.rsplit_once(':')?;
        Some((name.escape_debug().to_string(), number.parse().ok()?))
    });
    let parsed: Option<Vec<_>> = parsed.collect();
    parsed.ok_or_else(|| {
        let text = format!("the list of devices is {list:?}, expected lines of NAME:NUMBER");
        Failure::Broken(text)
    })
}

fn choose(mut devices: Vec<(String, u32)>, wanted: Option<&str>) -> Result<(String, u32)> {
    let names: Vec<_> = devices.iter().map(|(name, _)| name.clone()).collect();
    let names = names.join(", ");
    match wanted {
        Some(wanted) => devices
            .into_iter()
            .find(|(name, _)| name == wanted)
            .ok_or_else(|| anyhow!("the server has no AMD display controller {wanted}, only {names:?}")),
        None if devices.len() > 1 => {
            bail!("the server has several AMD display controllers: name one of {names} (--device)")
        }
        None => devices.pop().context(
            "the server has no AMD display controller; does `lspci -d 1002::0300` on its machine list the card?",
        ),
    }
}

/// Bytes of an aperture.
fn map(link: &mut Link, bar: Bar) -> Result<u64, Failure> {
    let [_, bytes] = link.values(Command::MapBar, bar as u32, [0; 3])?;
    if (PAGE..=LARGEST_APERTURE).contains(&bytes) && bytes.is_power_of_two() {
        return Ok(bytes);
    }
    Err(Failure::Broken(format!(
        "aperture {} has {bytes} bytes, expected a power of two from 4096 on",
        bar as u8
    )))
}

impl Remote {
    /// Connects to a server and takes one of its cards: the one of this name (such as `0000:03:00.0`), or the only one.
    /// The server takes the card from the driver that has it.
    ///
    /// # Errors
    /// Names the address, and what the server did not do.
    pub fn connect(address: &str, device: Option<&str>, limit: Duration) -> Result<Self> {
        let mut link = Err(anyhow!("{address}: no such host"));
        for peer in resolve(address)? {
            link = Link::connect(peer, limit).with_context(|| {
                format!("cannot connect to {peer}; is a remote PCI server running there?")
            });
            if link.is_ok() {
                break;
            }
        }
        let mut link = link?;
        let text = |failure: Failure| anyhow!(failure.text());
        let (name, number) = choose(devices(&mut link).map_err(text)?, device)?;
        link.device = number;
        let registers = map(&mut link, Bar::Registers).map_err(text)?;
        let doorbells = map(&mut link, Bar::Doorbells).map_err(text)?;
        ensure!(
            registers >= 512 << 10,
            "the register aperture of {name} has {registers} bytes, expected 512 KiB or more"
        );
        Ok(Self {
            link: RefCell::new(link),
            lost: OnceCell::new(),
            name,
            vram: OnceCell::new(),
            doorbells,
            registers,
            freed: Vec::new(),
            start: Instant::now(),
        })
    }

    /// The card's name on its machine, such as `0000:03:00.0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something by the connection; a failure of which kind ever is the last thing that it does.
    fn with<T>(&self, act: impl FnOnce(&mut Link) -> Result<T, Failure>) -> Option<T> {
        if self.lost.get().is_some() {
            return None;
        }
        act(&mut self.link.borrow_mut())
            .map_err(|failure| self.lost.set(failure.text()))
            .ok()
    }

    /// The same where the server may refuse.
    fn with_leave<T>(&self, act: impl FnOnce(&mut Link) -> Result<T, Failure>) -> Option<T> {
        self.with(|link| match act(link) {
            Err(Failure::Refused(_)) => Ok(None),
            other => other.map(Some),
        })?
    }

    fn read(&self, command: Command, bar: u32, offset: u64, out: &mut [u8]) {
        if self
            .with(|link| link.read(command, bar, offset, out))
            .is_none()
        {
            out.fill(0xff);
        }
    }

    fn write(&self, command: Command, bar: u32, offset: u64, data: &[u8]) {
        self.with(|link| link.write(command, bar, offset, data));
    }
}

/// The pages as ranges, neighbours joined.
fn ranges(pages: &[u8]) -> Result<Vec<HostRange>, Failure> {
    let mut ranges: Vec<HostRange> = Vec::new();
    for page in pages.as_chunks::<8>().0 {
        let page = u64::from_le_bytes(*page);
        if !page.is_multiple_of(PAGE) || page >= ADDRESS_END {
            return Err(Failure::Broken(format!(
                "MapSysmem: page at {page:#x}, expected a multiple of 4096 below {ADDRESS_END:#x}"
            )));
        }
        match ranges.last_mut() {
            Some(last) if last.address.0 + last.bytes == page => last.bytes += PAGE,
            _ => ranges.push(HostRange {
                address: BusAddr(page),
                bytes: PAGE,
            }),
        }
    }
    Ok(ranges)
}

fn lend(link: &mut Link, bytes: u64) -> Result<HostBuffer, Failure> {
    let wanted = bytes / PAGE * 8;
    let (pages, handle) = link.list(Command::MapSysmem, [bytes, 0, 0], &[], wanted)?;
    let id = u32::try_from(handle)
        .ok()
        .filter(|_| pages.len() as u64 == wanted);
    let id = id.ok_or_else(|| {
        Failure::Broken(format!(
            "MapSysmem of {bytes} bytes: {} bytes of pages and handle {handle:#x}, expected {wanted} and 32 bits",
            pages.len()
        ))
    })?;
    Ok(HostBuffer {
        id,
        bytes,
        ranges: ranges(&pages)?,
    })
}

impl Bus for Remote {
    fn config_read(&mut self, offset: u16) -> u32 {
        let read = self.with(|link| {
            let [value, _] = link.values(Command::ConfigRead, 0, [offset.into(), 4, 0])?;
            u32::try_from(value).map_err(|_| {
                let text = format!("ConfigRead of {offset:#x}: {value:#x}, expected 32 bits");
                Failure::Broken(text)
            })
        });
        read.unwrap_or(u32::MAX)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        let arguments = [offset.into(), 4, value.into()];
        self.with(|link| link.values(Command::ConfigWrite, 0, arguments));
    }

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        let vram = || self.with(|link| map(link, Bar::Vram)).unwrap_or(0);
        match bar {
            Bar::Vram => *self.vram.get_or_init(vram),
            Bar::Doorbells => self.doorbells,
            Bar::Registers => self.registers,
        }
    }

    fn resize_vram_aperture(&mut self, _bytes: u64) -> u64 {
        // The server takes the largest size that the card offers, or refuses because its machine cannot.
        if self.vram.get().is_none() {
            self.with_leave(|link| link.values(Command::ResizeBar, Bar::Vram as u32, [0; 3]));
        }
        self.aperture_bytes(Bar::Vram)
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        let mut value = [0; 4];
        let bar = Bar::Registers as u32;
        self.read(Command::MmioRead, bar, offset.into(), &mut value);
        u32::from_le_bytes(value)
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        let bar = Bar::Registers as u32;
        self.write(Command::MmioWrite, bar, offset.into(), &value.to_le_bytes());
    }

    fn doorbell(&mut self, offset: u32, value: u64) {
        let bar = Bar::Doorbells as u32;
        self.write(Command::MmioWrite, bar, offset.into(), &value.to_le_bytes());
        self.with(Link::flush);
    }

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        self.aperture_bytes(Bar::Vram);
        self.read(Command::MmioRead, Bar::Vram as u32, offset, out);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        self.aperture_bytes(Bar::Vram);
        self.write(Command::MmioWrite, Bar::Vram as u32, offset, data);
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        let again = self.freed.iter().position(|buffer| buffer.bytes == bytes);
        if let Some(index) = again {
            let buffer = self.freed.swap_remove(index);
            let zeros = vec![0; bytes as usize];
            self.write(Command::SysmemWrite, buffer.id, 0, &zeros);
            return Some(buffer);
        }
        self.with_leave(|link| lend(link, bytes))
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.freed.push(buffer);
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        self.read(Command::SysmemRead, buffer.id, offset, out);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        self.write(Command::SysmemWrite, buffer.id, offset, data);
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        self.with(Link::flush);
        std::thread::sleep(time);
    }

    fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }
}

impl Drop for Remote {
    /// What is still held back goes out, so that an orderly end of the driver is one.
    fn drop(&mut self) {
        self.with(Link::flush);
    }
}
