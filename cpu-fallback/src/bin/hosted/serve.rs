//! `serve`: sockets around the sans-IO server.
//!
//! One thread moves bytes and steps the engine in turn, as the kernel's main loop does. Sockets do not block; while
//! nothing moves, the loop sleeps longer and longer, up to a few milliseconds.

use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use cpu_fallback::CpuBackend;
use inference::backend::Backend;
use inference::engine::{Engine, EngineConfig};
use inference::limits::MAX_BATCH_SEQUENCES;
use inference::model::name;
use serving::{ConnectionId, Server, ServerConfig, TOO_MANY_CONNECTIONS};

use crate::inspect::template;
use crate::loading::{ModelFile, backend, context};
use crate::options::{Failure, Options};
use crate::pool::Pool;

/// Port where the operator names none.
const DEFAULT_PORT: u16 = 8080;

/// Clients at once.
const MAX_CONNECTIONS: usize = 256;

/// Requests that wait while as many as fit into a batch are running.
const MAX_WAITING: usize = 64;

/// Sleep of a loop in which nothing moved: doubled from the first to the second.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
const LONGEST_SLEEP: Duration = Duration::from_millis(4);

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 << 10;

type Service = Server<CpuBackend<Pool>>;

/// Answers the OpenAI API until the process is ended.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let api_key = options.text("api-key")?;
    if api_key.is_some_and(|key| key.is_empty() || key != key.trim()) {
        let problem = "--api-key is empty or has white space around it: no request could match it";
        return Err(Failure::Usage(problem.into()));
    }
    let mut file = ModelFile::open(options)?;
    let port = options.number("port")?.unwrap_or(DEFAULT_PORT);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port}; choose another with --port"))?;
    listener.set_nonblocking(true)?;
    let model = file.model()?;
    let tokenizer = file.tokenizer()?;
    let template = template(&file.header, &tokenizer).unwrap_or_else(|error| {
        eprintln!("hosted: {error:#}; only /v1/completions will answer");
        None
    });
    let config = EngineConfig {
        context: context(options, model.hyperparameters())?,
        max_running: MAX_BATCH_SEQUENCES,
        max_waiting: MAX_WAITING,
    };
    let backend = backend(options, model, MAX_BATCH_SEQUENCES)?;
    let (backend_name, model_name) = (backend.name(), name(&file.header));
    let config_of_server = ServerConfig {
        model_name: model_name.clone(),
        api_key: api_key.map(str::to_owned),
        max_connections: MAX_CONNECTIONS,
        unix_base: std::time::UNIX_EPOCH.elapsed()? - start.elapsed(),
        seed: RandomState::new().hash_one(std::process::id()),
    };
    let engine = Engine::new(backend, config)?;
    let server = Server::new(engine, tokenizer, template, config_of_server);
    let url = format!("http://{}/v1", listener.local_addr()?);
    let boot_ms = start.elapsed().as_millis();
    writeln!(
        std::io::stdout(),
        "ready {url} backend={backend_name} model={model_name} boot_ms={boot_ms}"
    )?;
    Hosting {
        server,
        listener,
        clients: Vec::new(),
        start,
    }
    .run()
}

struct Client {
    stream: TcpStream,
    id: ConnectionId,
    /// Whether the client may still send.
    reads: bool,
    broken: bool,
}

struct Hosting {
    server: Service,
    listener: TcpListener,
    clients: Vec<Client>,
    start: Instant,
}

impl Hosting {
    fn run(mut self) -> Result<(), Failure> {
        let mut sleep = SHORTEST_SLEEP;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let mut busy = self.accept();
            for client in &mut self.clients {
                let now = self.start.elapsed();
                busy |= client.receive(&mut self.server, &mut buffer, now);
            }
            busy |= self
                .server
                .step(self.start.elapsed())
                .unwrap_or_else(|error| {
                    // The clients were told, and the server goes on.
                    eprintln!("hosted: {error}");
                    true
                });
            for client in &mut self.clients {
                busy |= client.send(&mut self.server, self.start.elapsed());
            }
            let server = &mut self.server;
            self.clients.retain(|client| {
                let stays = !client.broken && !server.should_close(client.id);
                if !stays {
                    server.close(client.id);
                }
                stays
            });
            if busy {
                sleep = SHORTEST_SLEEP;
            } else {
                std::thread::sleep(sleep);
                sleep = LONGEST_SLEEP.min(2 * sleep);
            }
        }
    }

    /// Takes the clients that wait to be connected.
    fn accept(&mut self) -> bool {
        let mut any = false;
        // A client that vanished before it was accepted is an error here, too, and none of ours.
        while let Ok((mut stream, _)) = self.listener.accept() {
            any = true;
            if stream
                .set_nonblocking(true)
                .and(stream.set_nodelay(true))
                .is_err()
            {
                continue;
            }
            match self.server.open(self.start.elapsed()) {
                Ok(id) => self.clients.push(Client {
                    stream,
                    id,
                    reads: true,
                    broken: false,
                }),
                // A fresh socket takes so few bytes at once; one that does not has a client that is gone.
                Err(_) => drop(stream.write_all(TOO_MANY_CONNECTIONS)),
            }
        }
        any
    }
}

impl Client {
    /// Moves what the client has sent to the server.
    fn receive(&mut self, server: &mut Service, buffer: &mut [u8], now: Duration) -> bool {
        if !self.reads || self.broken {
            return false;
        }
        let room = server.room(self.id).min(buffer.len());
        let result = match room {
            // The server takes nothing now, but has to know at once when the client leaves.
            0 => match self.stream.peek(&mut [0]) {
                Ok(1..) => return false,
                ended => ended,
            },
            _ => self.stream.read(&mut buffer[..room]),
        };
        match result {
            Ok(0) => {
                self.reads = false;
                server.peer_closed(self.id);
                true
            }
            Ok(count) => {
                server.receive(self.id, &buffer[..count], now);
                true
            }
            Err(error) => self.note(&error),
        }
    }

    /// Moves what the server has to say to the client.
    fn send(&mut self, server: &mut Service, now: Duration) -> bool {
        let mut any = false;
        while !self.broken && !server.pending(self.id).is_empty() {
            match self.stream.write(server.pending(self.id)) {
                Ok(count) => {
                    server.sent(self.id, count, now);
                    any = true;
                }
                Err(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        any
    }

    /// Takes note of an error of the socket; returns whether that changes anything.
    fn note(&mut self, error: &std::io::Error) -> bool {
        let later = [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind());
        self.broken |= !later;
        !later
    }
}
