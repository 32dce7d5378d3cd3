//! The client against the model's own door, and against servers that misbehave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use amdgpu::{Device, Error};
use amdgpu_registers::nbif;
use gpu_model::door::Stop;
use gpu_model::door::remote::{LentMemory, Remote as Door};
use gpu_model::{Card, HostMemory, Level, NAVI31, VRAM_BYTES};

use super::link::{ANSWER, REQUEST};
use super::*;

/// Long enough for a machine that is busy with something else.
const PATIENT: Duration = Duration::from_secs(20);
/// Shorter, for servers that say nothing.
const IMPATIENT: Duration = Duration::from_secs(1);

/// Ends the door's service when it goes.
struct Stops<'a>(&'a Stop);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// The client, connected to a card of the model; the card is good in the end.
fn with_card(resizes: bool, act: impl FnOnce(Remote, &Mutex<Card>, &LentMemory)) {
    let memory = Arc::new(LentMemory::default());
    let card = Card::new(Level::Strict, memory.clone()).expect("address space");
    let card = Arc::new(Mutex::new(card));
    card.lock().expect("nobody panicked").post(false);
    let mut door = Door::listen(0, card.clone(), memory.clone()).expect("a free port");
    if !resizes {
        door = door.without_resizing();
    }
    let stop = Stop::default();
    std::thread::scope(|scope| {
        // Also when something below fails.
        let _stops = Stops(&stop);
        scope.spawn(|| door.serve(&stop, &|text| panic!("{text}")));
        let address = door.address().expect("an address").to_string();
        let remote = Remote::connect(&address, None, PATIENT).expect("the door is open");
        act(remote, &card, &memory);
    });
    let card = card.lock().expect("nobody panicked");
    assert_eq!(card.stopped(), None);
}

#[test]
fn a_card_is_reached_through_all_its_spaces() {
    with_card(true, |mut bus, _, _| {
        assert_eq!(bus.name(), "0000:03:00.0");
        assert_eq!(bus.config_read(0), 0x744c_1002);
        assert_eq!(bus.aperture_bytes(Bar::Registers), 1 << 20);
        assert_eq!(bus.aperture_bytes(Bar::Doorbells), 2 << 20);
        assert_eq!(bus.resize_vram_aperture(VRAM_BYTES), 32 << 30);
        let text = b"of which nothing is a multiple of four";
        bus.vram_write(VRAM_BYTES - (1 << 20) + 3, text);
        let mut back = [0; 38];
        bus.vram_read(VRAM_BYTES - (1 << 20) + 3, &mut back);
        assert_eq!(&back, text);
        let command = bus.config_read(4);
        bus.config_write(4, command & !4);
        assert_eq!(bus.config_read(4), command & !4);
        let mut device = Device::new(Box::new(bus), Box::new(NAVI31));
        let mib = device.read(nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE);
        assert_eq!(mib, Ok(24_560));
        // Beyond the aperture: a write that nobody answers and the read that needs it.
        let strap = device.read(nbif::RCC_DEV0_EPF2_STRAP2);
        assert!(strap.is_ok_and(|value| value != u32::MAX));
    });
}

#[test]
fn an_aperture_that_cannot_be_resized_stays_small() {
    with_card(false, |mut bus, _, _| {
        assert_eq!(bus.resize_vram_aperture(VRAM_BYTES), 256 << 20);
        assert_eq!(bus.lost(), None);
    });
}

#[test]
fn memory_is_lent_shared_and_zeroed_when_it_is_lent_again() {
    with_card(true, |mut bus, _, memory| {
        let buffer = bus.allocate(3 << 20).expect("memory");
        assert_eq!(
            buffer.ranges.iter().map(|range| range.bytes).sum::<u64>(),
            3 << 20
        );
        let data: Vec<u8> = (0..2 << 20).map(|n| (n % 251) as u8).collect();
        bus.host_write(&buffer, 4096, &data);
        let mut back = vec![0; 2 << 20];
        bus.host_read(&buffer, 4096, &mut back);
        assert!(back == data);
        let mut seen = [0; 4];
        let address = buffer.ranges[0].address.0 + 4096;
        memory.read(address, &mut seen).expect("lent");
        assert_eq!(seen, [0, 1, 2, 3]);
        let id = buffer.id;
        bus.free(buffer);
        let buffer = bus.allocate(3 << 20).expect("memory");
        assert_eq!(buffer.id, id);
        bus.host_read(&buffer, 4096, &mut back);
        assert!(back.iter().all(|byte| *byte == 0));
        // More than there is: a refusal, and the connection lives.
        assert_eq!(bus.allocate(1 << 40), None);
        assert_eq!(bus.lost(), None);
    });
}

#[test]
fn writes_are_held_back_until_a_pause_and_none_is_lost() {
    with_card(true, |mut bus, _, memory| {
        let buffer = bus.allocate(4096).expect("memory");
        let address = buffer.ranges[0].address.0;
        let seen = || {
            let mut seen = [0; 4];
            memory.read(address, &mut seen).expect("lent");
            u32::from_le_bytes(seen)
        };
        bus.host_write(&buffer, 0, &7u32.to_le_bytes());
        assert_eq!(seen(), 0);
        bus.pause(Duration::from_millis(1));
        let start = Instant::now();
        while seen() == 0 && start.elapsed() < PATIENT {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(seen(), 7);
        for n in 0..10_000u32 {
            bus.host_write(&buffer, u64::from(n % 1024 * 4), &n.to_le_bytes());
        }
        let mut last = [0; 4];
        bus.host_read(&buffer, 9_999 % 1024 * 4, &mut last);
        assert_eq!(u32::from_le_bytes(last), 9_999);
    });
}

/// Where somebody plays a server to one connection.
fn server(play: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(PATIENT)).expect("a limit");
        play(stream);
    });
    address
}

fn answer(stream: &mut TcpStream, status: u8, values: [u64; 2], data: &[u8]) {
    let mut bytes = vec![status];
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    assert_eq!(bytes.len(), ANSWER);
    bytes.extend(data);
    // A client that has had enough may be gone.
    let _ = stream.write_all(&bytes);
}

/// The next request: its command; `None` if the client is gone.
fn request(stream: &mut TcpStream) -> Option<u8> {
    let mut head = [0; REQUEST];
    stream.read_exact(&mut head).ok()?;
    if head[0] == 0 {
        stream.read_exact(&mut [0; 8]).ok()?;
    }
    Some(head[0])
}

/// Lists one device, and has two good apertures.
fn begin(stream: &mut TcpStream) {
    request(stream);
    answer(stream, 0, [14, 1], b"0000:03:00.0:0");
    for bytes in [1 << 20, 2 << 20] {
        request(stream);
        answer(stream, 0, [0, bytes], &[]);
    }
}

fn refusal(play: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let error = Remote::connect(&server(play), None, IMPATIENT).err();
    format!("{:#}", error.expect("the server is bad"))
}

#[test]
fn a_server_that_is_no_server_is_named() {
    let said = refusal(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        while request(&mut stream).is_some() {}
    });
    assert!(
        said.contains("Probe: it answered status 0x48, expected 0"),
        "{said}"
    );
    let said = refusal(drop);
    assert!(said.contains("remote PCI server 127.0.0.1:"), "{said}");
    let said = refusal(|mut stream| {
        request(&mut stream);
        // Until the client is gone.
        request(&mut stream);
    });
    assert!(said.ends_with("Probe: nothing for 1s"), "{said}");
    // One that lets a byte drop now and then is not waited for longer.
    let said = refusal(|mut stream| {
        request(&mut stream);
        while stream.write_all(&[0]).is_ok() {
            std::thread::sleep(IMPATIENT / 8);
        }
    });
    assert!(said.ends_with("Probe: nothing for 1s"), "{said}");
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = nobody.local_addr().expect("an address").to_string();
    drop(nobody);
    let error = Remote::connect(&address, None, IMPATIENT).err();
    let said = format!("{:#}", error.expect("nobody listens"));
    assert!(
        said.contains("is a remote PCI server running there?"),
        "{said}"
    );
}

#[test]
fn bad_lists_of_devices_are_named() {
    for (values, data, expected) in [
        ([0, 0], &b""[..], "no AMD display controller; does"),
        ([u64::MAX, 0], b"", "expected at most 4096"),
        ([9, 0], b"\xff\xfenothing", "expected lines of NAME:NUMBER"),
        ([7, 0], b"a:0\nb:1", "name one of a, b (--device)"),
    ] {
        let said = refusal(move |mut stream| {
            request(&mut stream);
            answer(&mut stream, 0, values, data);
            request(&mut stream);
        });
        assert!(said.contains(expected), "{said}");
    }
    let said = refusal(|mut stream| {
        request(&mut stream);
        answer(&mut stream, 1, [5, 0], b"no\x1b[m");
        request(&mut stream);
    });
    assert!(
        said.contains(r#"Probe: refused, saying "no"#) && !said.contains('\x1b'),
        "{said}"
    );
    let said = refusal(|mut stream| {
        request(&mut stream);
        answer(&mut stream, 0, [14, 1], b"0000:03:00.0:0");
        request(&mut stream);
        answer(&mut stream, 0, [0, 100], &[]);
        request(&mut stream);
    });
    assert!(said.contains("aperture 5 has 100 bytes"), "{said}");
}

/// What the driver sees of a card whose server answers the first request after the beginning so: ones, and the reason.
fn loses(
    ask: impl Fn(&mut Remote) -> bool,
    play: impl FnOnce(&mut TcpStream) + Send + 'static,
) -> String {
    let address = server(|mut stream| {
        begin(&mut stream);
        request(&mut stream);
        play(&mut stream);
    });
    let mut remote = Remote::connect(&address, None, IMPATIENT).expect("it begins well");
    assert_eq!(remote.lost(), None);
    assert!(ask(&mut remote));
    // From now on nothing is asked any more.
    let start = Instant::now();
    assert_eq!(
        (remote.register_read(0), remote.config_read(0)),
        (u32::MAX, u32::MAX)
    );
    assert_eq!(
        (remote.allocate(4096), remote.aperture_bytes(Bar::Vram)),
        (None, 0)
    );
    assert!(start.elapsed() < IMPATIENT);
    let mut device = Device::new(Box::new(remote), Box::new(NAVI31));
    let waited = device.wait("anything", nbif::BIF_BX0_BIF_FB_EN, (1, 1), Duration::ZERO);
    match waited {
        Err(Error::Gone { why: Some(why) }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_connection_reads_as_ones_and_says_why() {
    let read = |remote: &mut Remote| remote.register_read(0x1000) == u32::MAX;
    let config = |remote: &mut Remote| remote.config_read(0) == u32::MAX;
    let lend = |remote: &mut Remote| remote.allocate(8192).is_none();
    let says = |why: String, expected: &str| assert!(why.contains(expected), "{why}");
    says(loses(read, |_| ()), "it closed the connection");
    says(
        loses(read, |stream| while request(stream).is_some() {}),
        "MmioRead: nothing for 1s",
    );
    says(
        loses(read, |stream| answer(stream, 0, [4, 0], &[1, 2])),
        "it closed the connection",
    );
    says(
        loses(read, |stream| answer(stream, 0, [1 << 60, 0], &[1, 2])),
        "it answered 1152921504606846976 bytes, expected 4",
    );
    says(
        loses(read, |stream| answer(stream, 1, [5, 0], b"wedge")),
        r#"refused, saying "wedge""#,
    );
    says(
        loses(read, |stream| answer(stream, 1, [1 << 40, 0], b"")),
        "expected at most 4096 bytes of text",
    );
    says(
        loses(config, |stream| answer(stream, 0, [1 << 32, 0], &[])),
        "expected 32 bits",
    );
    let pages = [0x1000_u64.to_le_bytes(), 0x2001_u64.to_le_bytes()].concat();
    says(
        loses(lend, move |stream| answer(stream, 0, [16, 3], &pages)),
        "page at 0x2001",
    );
    says(
        loses(lend, |stream| answer(stream, 0, [8, 3], &[0; 8])),
        "expected 16 and 32 bits",
    );
    says(
        loses(lend, |stream| answer(stream, 0, [16, 1 << 32], &[0; 16])),
        "expected 16 and 32 bits",
    );
}

#[test]
fn a_server_that_takes_nothing_more_is_given_up() {
    let address = server(|mut stream| {
        begin(&mut stream);
        std::thread::sleep(PATIENT);
    });
    let mut remote = Remote::connect(&address, None, IMPATIENT).expect("it begins well");
    // More than the system's buffers hold.
    let data = vec![0; 64 << 20];
    let buffer = HostBuffer {
        id: 0,
        bytes: data.len() as u64,
        ranges: Vec::new(),
    };
    remote.host_write(&buffer, 0, &data);
    let why = remote.lost().expect("it is given up");
    assert!(why.ends_with("sending: nothing for 1s"), "{why}");
}

#[test]
fn addresses_are_completed() {
    let one = |text: &str| resolve(text).expect(text)[0].to_string();
    assert_eq!(one("6000"), "127.0.0.1:6000");
    assert_eq!(one(":6000"), "127.0.0.1:6000");
    assert_eq!(one("127.0.0.2"), "127.0.0.2:6667");
    assert_eq!(one("[::1]:5"), "[::1]:5");
    for bad in ["127.0.0.1:", "127.0.0.1:99999", "99999", "a b:1"] {
        assert!(resolve(bad).is_err(), "{bad}");
    }
}
