//! The kernel command line: words of `key=value`, separated by spaces.
//!
//! A word that means nothing is reported and changes nothing, so that a typing error costs a line on the console and not
//! the machine.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use cpu_fallback::KernelSet;
use log::LevelFilter;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// The port that is listened on where `port=` says nothing.
pub const DEFAULT_PORT: u16 = 8000;
/// Most prompt tokens, and most generated ones, of a benchmark: memory is set aside by these numbers.
const MOST_BENCH_TOKENS: usize = 65_536;

/// What the operator asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `port=`: TCP port of the API.
    pub port: u16,
    /// `ip=`: where the address comes from.
    pub ip: AddressMode,
    /// `ctx=`: tokens that one sequence may have; the model's own limit if absent.
    pub context: Option<usize>,
    /// `max_batch=`: sequences that run at once.
    pub max_batch: Option<usize>,
    /// `api_key=`: what clients must send as bearer token.
    pub api_key: Option<String>,
    /// `backend=`: what computes.
    pub backend: BackendChoice,
    /// `selftest=gpu`: test the GPU at boot.
    pub selftest_gpu: bool,
    /// `gpu=force`: start a card that was never checked with this driver.
    pub force_gpu: bool,
    /// `firmware=any`: give the card firmware that nobody has published.
    pub any_firmware: bool,
    /// `bench=P,N`: once ready, evaluate P prompt tokens, generate N, and print the figures.
    pub bench: Option<Bench>,
    /// `log=`: how much the console says.
    pub log: LevelFilter,
    /// `kernels=`: the instruction set that the CPU backend uses; the fastest that the processor has if absent.
    pub kernels: Option<KernelSet>,
    /// `smp=`: most cores that are started; all if absent.
    pub cores: Option<usize>,
    /// `panic=`: fail in this way once all cores run, to see what a crash report says.
    pub crash: Option<Crash>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            ip: AddressMode::Dhcp,
            context: None,
            max_batch: None,
            api_key: None,
            backend: BackendChoice::Auto,
            selftest_gpu: false,
            force_gpu: false,
            any_firmware: false,
            bench: None,
            log: LevelFilter::Info,
            kernels: None,
            cores: None,
            crash: None,
        }
    }
}

/// A way to fail on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// A Rust panic.
    Panic,
    /// A read through a null pointer.
    Null,
    /// A write to the kernel's code.
    Text,
    /// A jump into a variable.
    Data,
    /// Recursion without end.
    Stack,
    /// A panic on another core, in the middle of a job of all.
    Core,
}

/// Where the network address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressMode {
    /// From the network's DHCP server.
    Dhcp,
    /// As given.
    Static {
        /// Own address and the length of the network prefix.
        address: Ipv4Cidr,
        /// Where packets for other networks go.
        gateway: Option<Ipv4Address>,
    },
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// A GPU if there is one that is supported, else the CPU.
    Auto,
    /// The GPU.
    Gpu,
    /// The CPU.
    Cpu,
}

/// How much a benchmark computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bench {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens to generate.
    pub generate: usize,
}

/// A word of the command line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// There is no such option.
    Unknown(String),
    /// The option exists, its value does not fit.
    Value {
        /// The option.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => {
                write!(f, "command line: unknown word `{word}`; known are ")?;
                for (index, option) in TABLE.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " " };
                    write!(f, "{separator}{}=", option.key)?;
                }
                Ok(())
            }
            Self::Value {
                key,
                value,
                expected,
            } => {
                write!(
                    f,
                    "command line: {key}={value} ignored, expected {key}={expected}"
                )
            }
        }
    }
}

/// One option: its key, what it accepts, and how a value changes the options (`None` if it does not fit).
struct Known {
    key: &'static str,
    expected: &'static str,
    set: fn(&mut Options, &str) -> Option<()>,
}

const TABLE: &[Known] = &[
    Known {
        key: "port",
        expected: "1..65535",
        set: |o, v| {
            v.parse()
                .ok()
                .filter(|&port| port != 0)
                .map(|port| o.port = port)
        },
    },
    Known {
        key: "ip",
        expected: "dhcp|A.B.C.D/N[,GATEWAY]",
        set: |o, v| address_mode(v).map(|mode| o.ip = mode),
    },
    Known {
        key: "ctx",
        expected: "TOKENS",
        set: |o, v| positive(v).map(|n| o.context = Some(n)),
    },
    Known {
        key: "max_batch",
        expected: "SEQUENCES",
        set: |o, v| positive(v).map(|n| o.max_batch = Some(n)),
    },
    Known {
        key: "api_key",
        expected: "KEY",
        set: |o, v| (!v.is_empty()).then(|| o.api_key = Some(v.to_string())),
    },
    Known {
        key: "backend",
        expected: "auto|gpu|cpu",
        set: |o, v| backend(v).map(|choice| o.backend = choice),
    },
    Known {
        key: "selftest",
        expected: "gpu",
        set: |o, v| (v == "gpu").then(|| o.selftest_gpu = true),
    },
    Known {
        key: "gpu",
        expected: "force",
        set: |o, v| (v == "force").then(|| o.force_gpu = true),
    },
    Known {
        key: "firmware",
        expected: "any",
        set: |o, v| (v == "any").then(|| o.any_firmware = true),
    },
    Known {
        key: "bench",
        expected: "PROMPT_TOKENS,GENERATED_TOKENS (1 to 65536 each)",
        set: |o, v| bench(v).map(|bench| o.bench = Some(bench)),
    },
    Known {
        key: "log",
        expected: "off|error|warn|info|debug|trace",
        set: |o, v| LevelFilter::from_str(v).ok().map(|level| o.log = level),
    },
    Known {
        key: "kernels",
        expected: "scalar|avx2|avx512",
        set: |o, v| {
            let set = KernelSet::ALL.into_iter().find(|set| set.name() == v);
            set.map(|set| o.kernels = Some(set))
        },
    },
    Known {
        key: "smp",
        expected: "CORES",
        set: |o, v| positive(v).map(|n| o.cores = Some(n)),
    },
    Known {
        key: "panic",
        expected: "test|null|text|data|stack|core",
        set: |o, v| crash(v).map(|crash| o.crash = Some(crash)),
    },
];

/// Reads the command line. Every word that was not understood is returned as well; the rest counts.
#[must_use]
pub fn parse(line: &str) -> (Options, Vec<OptionError>) {
    let mut options = Options::default();
    let mut errors = Vec::new();
    for word in line.split_ascii_whitespace() {
        let split = word.split_once('=');
        let known = split.and_then(|(key, _)| TABLE.iter().find(|known| known.key == key));
        let (Some((_, value)), Some(known)) = (split, known) else {
            errors.push(OptionError::Unknown(word.to_string()));
            continue;
        };
        if (known.set)(&mut options, value).is_none() {
            errors.push(OptionError::Value {
                key: known.key,
                value: value.to_string(),
                expected: known.expected,
            });
        }
    }
    (options, errors)
}

fn positive(value: &str) -> Option<usize> {
    value.parse().ok().filter(|&number| number > 0)
}

fn backend(value: &str) -> Option<BackendChoice> {
    match value {
        "auto" => Some(BackendChoice::Auto),
        "gpu" => Some(BackendChoice::Gpu),
        "cpu" => Some(BackendChoice::Cpu),
        _ => None,
    }
}

fn crash(value: &str) -> Option<Crash> {
    match value {
        "test" => Some(Crash::Panic),
        "null" => Some(Crash::Null),
        "text" => Some(Crash::Text),
        "data" => Some(Crash::Data),
        "stack" => Some(Crash::Stack),
        "core" => Some(Crash::Core),
        _ => None,
    }
}

/// `P,N`, each from 1 to 65,536.
#[must_use]
pub fn bench(value: &str) -> Option<Bench> {
    let (prompt, generate) = value.split_once(',')?;
    let tokens = |value| positive(value).filter(|&count| count <= MOST_BENCH_TOKENS);
    Some(Bench {
        prompt: tokens(prompt)?,
        generate: tokens(generate)?,
    })
}

/// Whether an address can be a single machine's: smoltcp panics where one that cannot is its own or a gateway.
pub(crate) fn is_unicast(address: Ipv4Address) -> bool {
    !address.is_unspecified() && !address.is_broadcast() && !address.is_multicast()
}

fn address_mode(value: &str) -> Option<AddressMode> {
    if value == "dhcp" {
        return Some(AddressMode::Dhcp);
    }
    let (address, gateway) = match value.split_once(',') {
        Some((address, gateway)) => (address, Some(Ipv4Address::from_str(gateway).ok()?)),
        None => (value, None),
    };
    let (address, prefix) = address.split_once('/')?;
    let address = Ipv4Address::from_str(address).ok()?;
    let prefix = prefix
        .parse()
        .ok()
        .filter(|prefix| (1..=32).contains(prefix))?;
    if !is_unicast(address) || gateway.is_some_and(|gateway| !is_unicast(gateway)) {
        return None;
    }
    Some(AddressMode::Static {
        address: Ipv4Cidr::new(address, prefix),
        gateway,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_option() {
        let (options, errors) = parse(
            "port=81 ip=10.0.2.15/24,10.0.2.2 ctx=512  max_batch=4 api_key=a=b backend=cpu gpu=force firmware=any bench=16,32 log=debug kernels=scalar smp=3 panic=text",
        );
        assert_eq!(errors, []);
        let expected = Options {
            port: 81,
            ip: AddressMode::Static {
                address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24),
                gateway: Some(Ipv4Address::new(10, 0, 2, 2)),
            },
            context: Some(512),
            max_batch: Some(4),
            api_key: Some("a=b".into()),
            backend: BackendChoice::Cpu,
            selftest_gpu: false,
            force_gpu: true,
            any_firmware: true,
            bench: Some(Bench {
                prompt: 16,
                generate: 32,
            }),
            log: LevelFilter::Debug,
            kernels: Some(KernelSet::Scalar),
            cores: Some(3),
            crash: Some(Crash::Text),
        };
        assert_eq!(options, expected);
        assert_eq!(parse(""), (Options::default(), Vec::new()));
    }

    #[test]
    fn a_bad_word_is_named_and_changes_nothing() {
        let bad = [
            "port=0",
            "port=70000",
            "port=",
            "ip=10.0.2.15",
            "ip=10.0.2.15/0",
            "ip=10.0.2.15/33",
            "ip=0.0.0.0/8",
            "ip=10.0.2.15/24,",
            "ip=1.2.3/4",
            "ctx=-1",
            "ctx=0",
            "max_batch=x",
            "api_key=",
            "backend=tpu",
            "selftest=disk",
            "gpu=on",
            "firmware=none",
            "bench=1",
            "bench=1,0",
            "bench=65537,1",
            "bench=1,9999999999999999999",
            "log=loud",
            "kernels=mmx",
            "smp=0",
            "panic=now",
        ];
        for word in bad {
            let (options, errors) = parse(word);
            assert_eq!(options, Options::default(), "{word}");
            assert_eq!(errors.len(), 1, "{word}");
            let text = errors[0].to_string();
            assert!(
                text.contains(word.split('=').next().expect("a key")),
                "{text}"
            );
        }
        assert_eq!(parse("quiet").1, [OptionError::Unknown("quiet".into())]);
        assert_eq!(parse("x=1 port=5").0.port, 5);
    }
}
