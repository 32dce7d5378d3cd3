//! Traces of the device model, reduced to what a driver told the card, and two of them side by side.
//!
//! A trace has a line for every access (`gpu-model --trace`). What counts here are writes: of registers, configuration space
//! and doorbells, each by its name, and packets of queues and of PSP by their kinds, and SMU's messages. Reads, polls and
//! writes of video memory do not. A value that is written again at once counts once, so that two drivers that flush a
//! different number of times do not differ by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, BufRead};

use amdgpu_registers::{Ip, mp};

/// What one driver told the card: by the name of what was written, the values in order, equal neighbours once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Names in the order in which they were first written.
    pub order: Vec<String>,
    /// Values by name.
    pub values: BTreeMap<String, Vec<u64>>,
}

/// In which way two drivers differ about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// Only the first writes it.
    First,
    /// Only the second writes it.
    Second,
    /// Both write it, but other values.
    Values,
    /// Both write the same values, but at another place among the writes of the block.
    Order,
}

/// The registers by which others are reached; those others are in the trace themselves.
const WINDOWS: &[&str] = &["BIF_BX_PF0_RSMU_INDEX", "BIF_BX_PF0_RSMU_DATA"];

impl Told {
    /// Reads a trace.
    ///
    /// # Errors
    /// If it cannot be read, or a line is none of a trace.
    pub fn read(trace: impl BufRead) -> io::Result<Self> {
        let mut told = Self::default();
        let mut argument = 0;
        for (number, line) in trace.lines().enumerate() {
            let line = line?;
            let bad = || {
                let text = format!("line {}: {line:?} is none of a trace", number + 1);
                io::Error::new(io::ErrorKind::InvalidData, text)
            };
            let (_, access) = line.split_once("us] ").ok_or_else(bad)?;
            let Some((name, value)) = access.split_once(" <- ") else {
                access.split_once(" -> ").ok_or_else(bad)?;
                continue;
            };
            let digits = value.strip_prefix("0x").ok_or_else(bad)?;
            let value = u64::from_str_radix(digits, 16).map_err(|_| bad())?;
            if name.starts_with("video memory") || WINDOWS.contains(&name) {
                continue;
            }
            match message_register(name) {
                Some((Ip::Mp1, number)) if number == message(mp::SMU_ARGUMENT) => {
                    argument = value;
                }
                Some((Ip::Mp1, number)) if number == message(mp::SMU_MESSAGE) => {
                    told.note(format!("SMU message {value:#x}"), argument);
                }
                Some((Ip::Mp1, _)) => {}
                Some((_, number)) => told.note(format!("MP0_SMN_C2PMSG_{number}"), value),
                // The kind of firmware is what distinguishes loads; what else a packet's value says differs with addresses.
                None if name == "PSP LOAD_IP_FW" => told.note(format!("{name} {value:#x}"), 0),
                None if is_packet(name) => told.note(name.to_owned(), 0),
                None => told.note(name.to_owned(), value),
            }
        }
        Ok(told)
    }

    fn note(&mut self, name: String, value: u64) {
        let values = self.values.entry(name.clone()).or_default();
        if values.is_empty() {
            self.order.push(name);
        }
        if values.last() != Some(&value) {
            values.push(value);
        }
    }

    /// The differences to another driver.
    #[must_use]
    pub fn differences(&self, other: &Self) -> BTreeMap<String, Difference> {
        let mut differences = BTreeMap::new();
        for (name, values) in &self.values {
            match other.values.get(name) {
                None => differences.insert(name.clone(), Difference::First),
                Some(others) if others != values => {
                    differences.insert(name.clone(), Difference::Values)
                }
                Some(_) => None,
            };
        }
        for name in other.values.keys() {
            if !self.values.contains_key(name) {
                differences.insert(name.clone(), Difference::Second);
            }
        }
        let blocks: BTreeSet<_> = self.order.iter().map(|name| block(name)).collect();
        for of in blocks {
            let common = |order: &[String], both: &BTreeMap<String, _>| {
                let common = order.iter().filter(|name| block(name) == of);
                let common = common.filter(|name| both.contains_key(*name));
                common.cloned().collect::<Vec<_>>()
            };
            let ours = common(&self.order, &other.values);
            let theirs = common(&other.order, &self.values);
            for name in moved(&ours, &theirs) {
                differences.entry(name).or_insert(Difference::Order);
            }
        }
        differences
    }
}

/// The number of a message register.
fn message(register: amdgpu_registers::Register) -> u32 {
    let first = if register.ip == Ip::Mp0 {
        mp::PSP_C2PMSG
    } else {
        mp::SMU_C2PMSG
    };
    register.offset - first.offset + 32
}

/// The PSP's or the SMU's message register of this name in a trace, by its number.
fn message_register(name: &str) -> Option<(Ip, u32)> {
    let number = |rest: &str| {
        let number: u32 = rest.strip_suffix(']')?.parse().ok()?;
        Some(number + 32)
    };
    if let Some(rest) = name.strip_prefix("PSP_C2PMSG[") {
        return Some((Ip::Mp0, number(rest)?));
    }
    Some((Ip::Mp1, number(name.strip_prefix("SMU_C2PMSG[")?)?))
}

/// Packets are what is no register, nor a place.
fn is_packet(name: &str) -> bool {
    let first = name.split([' ', '[']).next().unwrap_or(name);
    !matches!(first, "config" | "doorbell" | "dword") && register(name).is_none()
}

fn register(name: &str) -> Option<Ip> {
    let first = name.split('[').next()?;
    let mut infos = amdgpu_registers::tables().into_iter().flatten();
    Some(infos.find(|info| info.name == first)?.register.ip)
}

/// The block that a name belongs to, as a heading.
#[must_use]
pub fn block(name: &str) -> &'static str {
    if name.starts_with("SDMA") && register(name).is_some() {
        return "SDMA";
    }
    match register(name) {
        Some(Ip::Gc) => "Graphics and compute (GC)",
        Some(Ip::Mmhub) => "Memory hub (MMHUB)",
        Some(Ip::Osssys) => "Interrupt handler (OSSSYS)",
        Some(Ip::Nbif) => "Bus interface (NBIF)",
        Some(Ip::Hdp) => "Host data path (HDP)",
        Some(Ip::Smuio) => "Clock counters (SMUIO)",
        Some(Ip::Mp0) => "PSP",
        Some(Ip::Mp1) => "SMU",
        None if name.starts_with("MP0_") || name.starts_with("PSP ") => "PSP",
        None if name.starts_with("SMU ") => "SMU",
        None if name.starts_with("SDMA ") => "SDMA packets",
        None if is_packet(name) => "PM4 packets",
        None => "Bus",
    }
}

/// The fewest names that have to move so that both orders are one: what is not in their longest common subsequence.
fn moved(ours: &[String], theirs: &[String]) -> Vec<String> {
    let width = theirs.len() + 1;
    let mut longest = vec![0u32; (ours.len() + 1) * width];
    for i in (0..ours.len()).rev() {
        for j in (0..theirs.len()).rev() {
            longest[i * width + j] = if ours[i] == theirs[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut moved) = (0, 0, Vec::new());
    while i < ours.len() {
        if j < theirs.len() && ours[i] == theirs[j] {
            (i, j) = (i + 1, j + 1);
        } else if j < theirs.len() && longest[i * width + j + 1] >= longest[(i + 1) * width + j] {
            j += 1;
        } else {
            moved.push(ours[i].clone());
            i += 1;
        }
    }
    moved
}

/// The differences as text, by block: what was written by whom.
#[must_use]
pub fn report(first: (&str, &Told), second: (&str, &Told)) -> String {
    let differences = first.1.differences(second.1);
    let mut blocks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, difference) in &differences {
        let of = blocks.entry(block(name)).or_default();
        of.push((name, *difference));
    }
    let mut text = String::new();
    let list = |told: &Told, name: &str| {
        let values = told.values.get(name).map_or(&[][..], Vec::as_slice);
        let mut list: Vec<_> = values.iter().take(6).map(|v| format!("{v:#x}")).collect();
        if values.len() > 6 {
            list.push(format!("and {} more", values.len() - 6));
        }
        list.join(" ")
    };
    for (block, names) in blocks {
        let _ = writeln!(text, "\n{block}");
        for (name, difference) in names {
            let [ours, theirs] = [first.1, second.1].map(|told| list(told, name));
            let _ = match difference {
                Difference::First => writeln!(text, "  {name}: only {}, {ours}", first.0),
                Difference::Second => writeln!(text, "  {name}: only {}, {theirs}", second.0),
                Difference::Values => {
                    writeln!(text, "  {name}: {} {ours}, {} {theirs}", first.0, second.0)
                }
                Difference::Order => writeln!(text, "  {name}: at another place, {ours}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Told {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| format!("[ 1.000 us] {line}\n"))
            .collect();
        Told::read(lines.concat().as_bytes()).expect("a trace")
    }

    #[test]
    fn a_trace_is_reduced_to_what_was_told() {
        let told = told(&[
            "config 0x4 -> 0x3",
            "config 0x4 <- 0x7",
            "GRBM_CNTL <- 0xff",
            "GRBM_CNTL <- 0xff",
            "GRBM_CNTL -> 0xff",
            "GRBM_CNTL <- 0x1",
            "video memory 0x0, bytes <- 0x1000",
            "BIF_BX_PF0_RSMU_INDEX <- 0x10134408",
            "PSP_C2PMSG[35] <- 0x10",
            "PSP LOAD_IP_FW <- 0x19",
            "SMU_C2PMSG[58] <- 0x0",
            "SMU_C2PMSG[50] <- 0x80",
            "SMU_C2PMSG[34] <- 0xe",
            "SDMA COPY <- 0x1",
            "ACQUIRE_MEM <- 0xc0065800",
            "dword 0x1fc00 <- 0x0",
        ]);
        let order = [
            "config 0x4",
            "GRBM_CNTL",
            "MP0_SMN_C2PMSG_67",
            "PSP LOAD_IP_FW 0x19",
            "SMU message 0xe",
            "SDMA COPY",
            "ACQUIRE_MEM",
            "dword 0x1fc00",
        ];
        assert_eq!(told.order, order);
        assert_eq!(told.values["GRBM_CNTL"], [0xff, 1]);
        assert_eq!(told.values["SMU message 0xe"], [0x80]);
        let blocks: Vec<_> = order.iter().map(|name| block(name)).collect();
        assert_eq!(
            blocks,
            [
                "Bus",
                "Graphics and compute (GC)",
                "PSP",
                "PSP",
                "SMU",
                "SDMA packets",
                "PM4 packets",
                "Bus"
            ]
        );
    }

    #[test]
    fn differences_are_of_four_kinds_and_order_is_of_a_block() {
        let ours = told(&[
            "IH_RB_CNTL <- 0x1",
            "GRBM_CNTL <- 0xff",
            "TCP_CNTL <- 0x1",
            "RLC_CNTL <- 0x1",
            "RLC_STAT <- 0x1",
            "SCRATCH_REG[7] <- 0x1",
        ]);
        let theirs = told(&[
            "GRBM_CNTL <- 0xfe",
            "RLC_CNTL <- 0x1",
            "RLC_STAT <- 0x1",
            "TCP_CNTL <- 0x1",
            "IH_RB_CNTL <- 0x1",
            "SCRATCH_REG[6] <- 0x1",
        ]);
        let expected = [
            ("GRBM_CNTL", Difference::Values),
            ("SCRATCH_REG[6]", Difference::Second),
            ("SCRATCH_REG[7]", Difference::First),
            ("TCP_CNTL", Difference::Order),
        ];
        let expected = expected.map(|(name, difference)| (name.to_owned(), difference));
        assert_eq!(ours.differences(&theirs), BTreeMap::from(expected));
        let text = report(("ours", &ours), ("theirs", &theirs));
        assert!(
            text.contains("  GRBM_CNTL: ours 0xff, theirs 0xfe\n"),
            "{text}"
        );
        assert_eq!(ours.differences(&ours), BTreeMap::new());
    }

    #[test]
    fn what_is_no_trace_is_named() {
        for bad in [
            "nothing",
            "[ 1 us] GRBM_CNTL",
            "[ 1 us] GRBM_CNTL <- 7",
            "[ 1 us] X <- 0xg",
        ] {
            let error = Told::read(bad.as_bytes()).expect_err(bad);
            assert!(error.to_string().starts_with("line 1: "), "{error}");
        }
    }
}
