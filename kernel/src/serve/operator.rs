//! The serial console at work: carries out commands while the API is being served.

use alloc::string::String;
use core::fmt::{self, Write};
use core::time::Duration;

use super::job::{Job, Target};
use super::load::Summary;
use super::machine::Machine;
use super::{print, total_bytes};
use crate::devices::nic::Nic;
use crate::memory::{frames, heap, image};
use crate::net::service::Service;
use crate::net::stack::Stack;
use crate::options::Options;
use crate::pci::scan::class_name;
use crate::shell::command::{self, Command, Help};
use crate::shell::editor::{Input, LineEditor};
use crate::{boot, console, cores, cpu, power, serial, time};

const PROMPT: &str = "infernel> ";
/// Bytes from the serial port that one poll takes.
const BYTES_PER_POLL: usize = 256;
/// How long the next byte of a line is waited for, ten times what it takes at 115200 baud: a poll may come only once per
/// step of a large model, and a line should not take a step per byte.
const NEXT_BYTE: Duration = Duration::from_millis(1);

/// The console and what it knows.
pub struct Operator<C> {
    machine: Machine,
    options: Options,
    summary: Option<Summary>,
    editor: LineEditor,
    job: Option<Job<C>>,
    /// From kernel entry to ready.
    boot: Duration,
}

impl<C: Copy> Operator<C> {
    /// The console of a machine that has just finished booting.
    pub fn new(
        machine: Machine,
        options: Options,
        summary: Option<Summary>,
        now: Duration,
    ) -> Self {
        Self {
            machine,
            options,
            summary,
            editor: LineEditor::new(),
            job: None,
            boot: now,
        }
    }

    /// Says that the boot is over.
    pub fn ready(&self) {
        if let Some(summary) = &self.summary {
            let boot_ms = self.boot.as_millis();
            print(&alloc::format!(
                "ready backend=cpu model={} boot_ms={boot_ms}\n",
                summary.name
            ));
        }
        print(PROMPT);
    }

    /// Takes what was typed, and lets the running job go on. Returns whether anything happened.
    pub fn poll<S: Service<Connection = C>>(
        &mut self,
        service: &mut S,
        net: Option<&Stack<Nic, C>>,
        now: Duration,
    ) -> bool {
        if let Some(bench) = self.options.bench.take() {
            self.run(Command::Bench(bench), service, net, now);
        }
        let mut active = false;
        for _ in 0..BYTES_PER_POLL {
            let patience = if active { NEXT_BYTE } else { Duration::ZERO };
            let Some(byte) = serial_byte(patience) else {
                break;
            };
            active = true;
            match self.editor.byte(byte, &mut serial::write) {
                Input::Nothing => {}
                Input::Interrupt => self.end_job(service),
                Input::Line(line) => {
                    match command::parse(&line) {
                        None => {}
                        Some(Ok(command)) => self.run(command, service, net, now),
                        Some(Err(error)) => print(&alloc::format!("{error}\n")),
                    }
                    if self.job.is_none() {
                        print(PROMPT);
                    }
                }
            }
        }
        if let Some(job) = &mut self.job
            && job.poll(service, now)
        {
            self.end_job(service);
        }
        active
    }

    /// Looks after the devices that nobody asks about.
    pub fn watch<S: Service<Connection = C>>(&mut self, service: &mut S, now: Duration) {
        if let Some(gpu) = &mut self.machine.gpu
            && let Some(lines) = gpu.poll(now)
        {
            service.set_machine_metrics(&lines);
        }
    }

    fn end_job<S: Service<Connection = C>>(&mut self, service: &mut S) {
        if let Some(job) = self.job.take() {
            job.close(service);
        }
        print(PROMPT);
    }

    fn run<S: Service<Connection = C>>(
        &mut self,
        command: Command,
        service: &mut S,
        net: Option<&Stack<Nic, C>>,
        now: Duration,
    ) {
        let target = Target {
            model: self.summary.as_ref().map_or("", |summary| &summary.name),
            api_key: self.options.api_key.as_deref(),
            end_tokens: self
                .summary
                .as_ref()
                .map_or(&[], |summary| &summary.end_tokens),
            boot: self.boot,
        };
        match command {
            Command::Generate(_) | Command::Bench(_) if self.job.is_some() => {
                print("error: a job is running; control-C stops it\n");
            }
            Command::Generate(prompt) => {
                self.job = Job::generate(service, target, &prompt, now);
                self.report_no_room();
            }
            Command::Bench(bench) => {
                self.job = Job::bench(service, target, bench, now);
                self.report_no_room();
            }
            Command::Log(Some(level)) => console::set_level(level),
            Command::Reboot => {
                self.stop_devices();
                power::reset()
            }
            Command::Shutdown => {
                print("shutting down\n");
                self.stop_devices();
                power::shutdown()
            }
            show => {
                let mut text = String::new();
                // PANIC: a `String` takes everything.
                self.show(show, net, &mut text).expect("a string");
                print(&text);
            }
        }
    }

    fn stop_devices(&mut self) {
        if let Some(gpu) = self.machine.gpu.take() {
            gpu.stop();
        }
    }

    fn report_no_room(&self) {
        if self.job.is_none() {
            print("error: the server has no room for one more connection\n");
        }
    }

    fn show(
        &mut self,
        command: Command,
        net: Option<&Stack<Nic, C>>,
        out: &mut String,
    ) -> fmt::Result {
        match command {
            Command::Help => write!(out, "{Help}"),
            Command::Info => self.info(out),
            Command::Mem => mem(out),
            Command::Cores => cores(out),
            Command::Pci => self.pci(out),
            Command::Disks => self.disks(out),
            Command::Net => show_net(net, out),
            Command::Gpu => match &mut self.machine.gpu {
                Some(gpu) => gpu.show(out),
                None => writeln!(out, "no graphics card of AMD's"),
            },
            Command::Model => self.model(out),
            Command::Kernels => kernels(out),
            Command::Log(None) => out.write_str(&console::history()),
            // The others act instead of showing something.
            _ => Ok(()),
        }
    }

    fn info(&self, out: &mut String) -> fmt::Result {
        let (brand, length) = cpu::features::brand();
        let now = time::now();
        writeln!(
            out,
            "infernel {}, booted by {}",
            env!("CARGO_PKG_VERSION"),
            boot::info().loader
        )?;
        out.push_str("command line:");
        for word in boot::info().command_line().split_ascii_whitespace() {
            // The console may be watched by more people than may use the API.
            let shown = if word.starts_with("api_key=") {
                "api_key=..."
            } else {
                word
            };
            write!(out, " {shown}")?;
        }
        out.push('\n');
        writeln!(
            out,
            "processor: {}",
            brand[..length].trim_ascii().escape_ascii()
        )?;
        writeln!(out, "features: {}", cpu::features::Features::detect())?;
        writeln!(out, "image: {} KiB", image::linked_physical().bytes() >> 10)?;
        writeln!(out, "memory: {} MiB", total_bytes() >> 20)?;
        writeln!(out, "boot: {} ms", self.boot.as_millis())?;
        writeln!(out, "up: {}.{:03} s", now.as_secs(), now.subsec_millis())
    }

    fn pci(&self, out: &mut String) -> fmt::Result {
        for scan in &self.machine.scans {
            for function in &scan.functions {
                let (vendor, device) = (function.vendor, function.device);
                write!(
                    out,
                    "{} {vendor:04x}:{device:04x} {}",
                    function.address,
                    class_name(function.class)
                )?;
                for bar in &function.bars {
                    let prefetchable = if bar.prefetchable {
                        ", prefetchable"
                    } else {
                        ""
                    };
                    write!(
                        out,
                        "\n    BAR {} {:?} {:#x}",
                        bar.slot, bar.kind, bar.address
                    )?;
                    write!(out, ", {:#x} bytes{prefetchable}", bar.size)?;
                }
                let ids = function.capabilities.iter().map(|capability| capability.id);
                if !function.capabilities.is_empty() {
                    write!(out, "\n    capabilities")?;
                    ids.into_iter()
                        .try_for_each(|id| write!(out, " {id:02x}"))?;
                }
                writeln!(out)?;
            }
            for (address, fault) in &scan.faults {
                writeln!(out, "{address} not used: {fault}")?;
            }
        }
        Ok(())
    }

    fn disks(&self, out: &mut String) -> fmt::Result {
        if self.machine.disks.is_empty() {
            return writeln!(out, "no disks");
        }
        for disk in &self.machine.disks {
            writeln!(
                out,
                "{} {}, {} sectors of 512 bytes",
                disk.address(),
                disk.kind(),
                disk.sectors()
            )?;
        }
        Ok(())
    }

    fn model(&self, out: &mut String) -> fmt::Result {
        let Some(summary) = &self.summary else {
            return writeln!(out, "no model");
        };
        let (shape, config) = (&summary.shape, &summary.config);
        writeln!(out, "{}: llama, {} layers", summary.name, shape.block_count)?;
        writeln!(
            out,
            "embedding {}, feed-forward {}, heads {} of {}, KV heads {}, vocabulary {}",
            shape.embedding_length,
            shape.feed_forward_length,
            shape.head_count,
            shape.head_length,
            shape.head_count_kv,
            shape.vocabulary
        )?;
        let chat = if summary.chat { "yes" } else { "no" };
        writeln!(
            out,
            "context {} of {}, chat template: {chat}",
            config.context, shape.context_length
        )?;
        writeln!(
            out,
            "weights {} KiB, read in {} ms",
            summary.weights >> 10,
            summary.read_time.as_millis()
        )?;
        writeln!(
            out,
            "KV cache {} KiB in {} blocks, {} sequences at once, kernels {}",
            summary.kv_bytes >> 10,
            config.kv_blocks,
            config.batch_sequences,
            config.kernels.name()
        )
    }
}

/// The next byte from the serial port, if it comes within `patience`.
fn serial_byte(patience: Duration) -> Option<u8> {
    let mut byte = None;
    let read = || {
        byte = serial::read_byte();
        byte.is_some()
    };
    // Not to come in time is what usually happens.
    let _ = time::wait_until("a byte", patience, read);
    byte
}

fn kernels(out: &mut String) -> fmt::Result {
    writeln!(out, "   bytes VGPRs waves kernel")?;
    for kernel in shaders::KERNELS {
        let (bytes, vgprs, waves) = (kernel.code_bytes, kernel.vgprs, kernel.waves_per_simd);
        let variant = kernel.variant;
        writeln!(
            out,
            "{bytes:8}{vgprs:6}{waves:6} {:26}{}",
            variant.name, variant.purpose
        )?;
    }
    Ok(())
}

fn mem(out: &mut String) -> fmt::Result {
    let (used, claimed) = heap::used_and_claimed_bytes();
    let (total, free) = (total_bytes(), frames::free_bytes());
    writeln!(out, "total {} KiB", total >> 10)?;
    writeln!(
        out,
        "in use {} KiB, free {} KiB",
        total.saturating_sub(free) >> 10,
        free >> 10
    )?;
    writeln!(
        out,
        "heap {} KiB in use of {} KiB",
        used >> 10,
        claimed >> 10
    )
}

fn cores(out: &mut String) -> fmt::Result {
    use cpu_fallback::fork_join::ForkJoin;
    writeln!(
        out,
        "{} cores compute; kernels {}",
        cores::pool().workers(),
        cpu_fallback::KernelSet::detect().name()
    )
}

fn show_net<C: Copy>(net: Option<&Stack<Nic, C>>, out: &mut String) -> fmt::Result {
    let Some(net) = net else {
        return writeln!(out, "no network card");
    };
    let (card, counters) = (net.device(), net.counters());
    writeln!(
        out,
        "{} {}, {}",
        card.address(),
        card.model(),
        smoltcp::wire::EthernetAddress(card.mac())
    )?;
    let packets = card.counters();
    writeln!(
        out,
        "{} packets received, {} sent, {} dropped",
        packets.received, packets.sent, packets.dropped
    )?;
    match net.address() {
        Some(address) => write!(out, "address {}", address.cidr)?,
        None => write!(out, "no address yet")?,
    }
    if let Some(gateway) = net.address().and_then(|address| address.gateway) {
        write!(out, ", gateway {gateway}")?;
    }
    writeln!(out, ", port {}", net.port())?;
    writeln!(
        out,
        "{} connections open; {} opened, {} refused, {} broken off",
        net.connections(),
        counters.opened,
        counters.refused,
        counters.broken
    )
}
