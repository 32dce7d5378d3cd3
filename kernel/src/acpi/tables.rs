//! ACPI's tables: found from the root pointer, checked, and reduced to what the kernel uses.
//!
//! Firmware writes these, so every length and address is checked. A broken table costs what it would have told and nothing
//! more. The `acpi` crate is not used: its last version for stable Rust trusts lengths (an entry of length zero in the MADT
//! loops forever) and cannot report that an address is unreadable.

use alloc::vec::Vec;
use core::fmt;

use super::sleep;

/// Physical memory as the parser sees it.
pub trait PhysicalMemory {
    /// The bytes from `start` on, or `None` where they cannot be read.
    fn bytes(&self, start: u64, length: usize) -> Option<&'static [u8]>;
}

/// What the tables tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcpiInfo {
    /// The APIC ids of the processors that are enabled, in the firmware's order.
    pub processors: Vec<u32>,
    /// Where the configuration space of PCIe lies.
    pub ecam: Vec<EcamRegion>,
    /// How to power off.
    pub power_off: Option<PowerOff>,
    /// How to reset.
    pub reset: Option<ResetRegister>,
    /// What was wrong with tables that were left out.
    pub problems: Vec<AcpiError>,
}

impl AcpiInfo {
    /// What no table told.
    pub const fn none() -> AcpiInfo {
        AcpiInfo {
            processors: Vec::new(),
            ecam: Vec::new(),
            power_off: None,
            reset: None,
            problems: Vec::new(),
        }
    }
}

/// The memory-mapped configuration space of a range of buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcamRegion {
    /// The PCI segment group.
    pub segment: u16,
    /// The first bus.
    pub first_bus: u8,
    /// The last bus.
    pub last_bus: u8,
    /// The physical address for bus 0, device 0, function 0 of the segment, whichever bus is the first.
    pub base: u64,
}

/// A register that ACPI describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// In I/O space.
    Port(u16),
    /// In physical memory.
    Memory(u64),
    /// In the configuration space of a function on bus 0 of segment 0.
    Pci {
        /// Device number.
        device: u8,
        /// Function number.
        function: u8,
        /// Offset in the configuration space.
        offset: u16,
    },
}

/// How to enter the sleep state S5, which is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerOff {
    /// PM1a_CNT or, on hardware-reduced ACPI, SLEEP_CONTROL; and what to write.
    pub first: (Register, u16),
    /// PM1b_CNT, where there is one.
    pub second: Option<(Register, u16)>,
    /// What to write to which port before, where the firmware still holds these registers: SMI_CMD and ACPI_ENABLE.
    pub enable: Option<(u16, u8)>,
}

/// The register that resets the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetRegister {
    /// Where.
    pub register: Register,
    /// What to write.
    pub value: u8,
}

/// What is wrong with the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcpiError {
    /// Nothing readable at this address, which should hold the table named.
    Unreadable(&'static str, u64),
    /// The root pointer does not begin with `RSD PTR `.
    RootSignature(u64),
    /// A table's bytes do not sum to zero.
    Checksum(&'static str),
    /// A table tells a length that cannot be.
    Length(&'static str, u32),
    /// A table is not the one expected here.
    Signature(&'static str, [u8; 4]),
    /// A table is missing.
    Missing(&'static str),
    /// An entry of a table tells a length that cannot be.
    EntryLength(&'static str, u8),
    /// A region of configuration space whose buses or addresses make no sense.
    Ecam(EcamRegion),
    /// No `\_S5_` package that could be read: the machine cannot be powered off.
    NoSleepState,
}

impl fmt::Display for AcpiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcpiError::Unreadable(table, at) => {
                write!(f, "{table}: the address {at:#x} cannot be read")
            }
            AcpiError::RootSignature(at) => write!(f, "no root pointer (`RSD PTR `) at {at:#x}"),
            AcpiError::Checksum(table) => write!(f, "{table}: the checksum is wrong"),
            AcpiError::Length(table, length) => {
                write!(f, "{table}: a length of {length} bytes cannot be")
            }
            AcpiError::Signature(table, found) => write!(
                f,
                "{table}: the signature found is {}",
                found.escape_ascii()
            ),
            AcpiError::Missing(table) => write!(f, "there is no {table}"),
            AcpiError::EntryLength(table, length) => {
                write!(f, "{table}: an entry of {length} bytes cannot be")
            }
            AcpiError::Ecam(region) => write!(
                f,
                "MCFG: buses {} to {} at {:#x} cannot be",
                region.first_bus, region.last_bus, region.base
            ),
            AcpiError::NoSleepState => {
                f.write_str("DSDT: no \\_S5_ package that can be read, so no power off")
            }
        }
    }
}

/// Most bytes of one table; the largest in the field are AML of a few hundred KiB.
const TABLE_LIMIT: u32 = 16 << 20;
/// Most tables of the root table that are looked at.
const TABLES_LIMIT: usize = 256;

const HEADER_BYTES: usize = 36;
const MADT_ENTRIES: usize = 44;
const MCFG_ENTRIES: usize = 44;
const MCFG_ENTRY_BYTES: usize = 16;

/// Offsets in the FADT, named as in the specification.
mod fadt {
    pub(super) const DSDT: usize = 40;
    pub(super) const SMI_CMD: usize = 48;
    pub(super) const ACPI_ENABLE: usize = 52;
    pub(super) const PM1A_CNT_BLK: usize = 64;
    pub(super) const PM1B_CNT_BLK: usize = 68;
    pub(super) const FLAGS: usize = 112;
    pub(super) const RESET_REG: usize = 116;
    pub(super) const RESET_VALUE: usize = 128;
    pub(super) const X_DSDT: usize = 140;
    pub(super) const X_PM1A_CNT_BLK: usize = 172;
    pub(super) const X_PM1B_CNT_BLK: usize = 184;
    pub(super) const SLEEP_CONTROL_REG: usize = 244;
    pub(super) const FLAG_RESET_REG_SUP: u32 = 1 << 10;
    pub(super) const FLAG_HW_REDUCED_ACPI: u32 = 1 << 20;
}

/// Reads all tables from the root pointer at `rsdp` on. An error means that nothing at all is known.
pub fn read(memory: &dyn PhysicalMemory, rsdp: u64) -> Result<AcpiInfo, AcpiError> {
    let mut info = AcpiInfo::none();
    let mut problems = Vec::new();
    let (mut fadt, mut definitions) = (None, Vec::new());
    let (mut madt_seen, mut mcfg_seen) = (false, false);
    for address in root_entries(memory, rsdp)? {
        let table = match table(memory, "table", address) {
            Ok(table) => table,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match table.signature {
            b"APIC" => {
                madt_seen = true;
                info.processors = processors(table.bytes, &mut problems);
            }
            b"MCFG" => {
                mcfg_seen = true;
                info.ecam = ecam_regions(table.bytes, &mut problems);
            }
            b"FACP" => fadt = Some(table.bytes),
            b"SSDT" => definitions.push(table.bytes),
            _ => {}
        }
    }
    for (name, seen) in [
        ("MADT", madt_seen),
        ("MCFG", mcfg_seen),
        ("FADT", fadt.is_some()),
    ] {
        if !seen {
            problems.push(AcpiError::Missing(name));
        }
    }
    if let Some(fadt) = fadt {
        match dsdt(memory, fadt) {
            Ok(dsdt) => definitions.insert(0, dsdt),
            Err(problem) => problems.push(problem),
        }
        info.reset = reset_register(fadt);
        info.power_off = definitions
            .iter()
            .find_map(|aml| sleep::s5(aml))
            .and_then(|s5| power_off(fadt, s5));
        if info.power_off.is_none() {
            problems.push(AcpiError::NoSleepState);
        }
    }
    info.problems = problems;
    Ok(info)
}

struct Table {
    signature: &'static [u8; 4],
    bytes: &'static [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_le_bytes)
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

/// A table with a plausible length and the right checksum.
fn table(
    memory: &dyn PhysicalMemory,
    name: &'static str,
    address: u64,
) -> Result<Table, AcpiError> {
    let unreadable = AcpiError::Unreadable(name, address);
    let header = memory.bytes(address, HEADER_BYTES).ok_or(unreadable)?;
    let length = u32_at(header, 4).ok_or(unreadable)?;
    if (length as usize) < HEADER_BYTES || length > TABLE_LIMIT {
        return Err(AcpiError::Length(name, length));
    }
    let bytes = memory.bytes(address, length as usize).ok_or(unreadable)?;
    let signature = bytes.first_chunk::<4>().ok_or(unreadable)?;
    if !sums_to_zero(bytes) {
        return Err(AcpiError::Checksum(name));
    }
    Ok(Table { signature, bytes })
}

/// The addresses in the root table: the XSDT from ACPI 2 on, the RSDT before.
fn root_entries(memory: &dyn PhysicalMemory, rsdp: u64) -> Result<Vec<u64>, AcpiError> {
    let unreadable = AcpiError::Unreadable("RSDP", rsdp);
    let pointer = memory.bytes(rsdp, 20).ok_or(unreadable)?;
    if !pointer.starts_with(b"RSD PTR ") {
        return Err(AcpiError::RootSignature(rsdp));
    }
    if !sums_to_zero(pointer) {
        return Err(AcpiError::Checksum("RSDP"));
    }
    let extended = if pointer[15] >= 2 {
        let pointer = memory.bytes(rsdp, 36).ok_or(unreadable)?;
        if !sums_to_zero(pointer) {
            return Err(AcpiError::Checksum("RSDP"));
        }
        u64_at(pointer, 24).filter(|&address| address != 0)
    } else {
        None
    };
    let (name, expected, address, entry_bytes) = match extended {
        Some(address) => ("XSDT", b"XSDT", address, 8),
        None => (
            "RSDT",
            b"RSDT",
            u64::from(u32_at(pointer, 16).ok_or(unreadable)?),
            4,
        ),
    };
    let root = table(memory, name, address)?;
    if root.signature != expected {
        return Err(AcpiError::Signature(name, *root.signature));
    }
    let entries = root.bytes[HEADER_BYTES..]
        .chunks_exact(entry_bytes)
        .take(TABLES_LIMIT);
    Ok(entries
        .map(|entry| {
            entry
                .iter()
                .rev()
                .fold(0, |address, &byte| address << 8 | u64::from(byte))
        })
        .collect())
}

fn processors(madt: &[u8], problems: &mut Vec<AcpiError>) -> Vec<u32> {
    const LOCAL_APIC: u8 = 0;
    const LOCAL_X2APIC: u8 = 9;
    const ENABLED: u32 = 1;
    let mut found = Vec::new();
    let mut entries = madt.get(MADT_ENTRIES..).unwrap_or_default();
    while let [kind, length, ..] = *entries {
        let Some((entry, rest)) = entries
            .split_at_checked(usize::from(length))
            .filter(|_| length >= 2)
        else {
            problems.push(AcpiError::EntryLength("MADT", length));
            break;
        };
        entries = rest;
        let (id, flags) = match kind {
            LOCAL_APIC => (entry.get(3).copied().map(u32::from), u32_at(entry, 4)),
            LOCAL_X2APIC => (u32_at(entry, 4), u32_at(entry, 8)),
            _ => continue,
        };
        match (id, flags) {
            (Some(id), Some(flags)) if flags & ENABLED != 0 && !found.contains(&id) => {
                found.push(id)
            }
            (Some(_), Some(_)) => {}
            _ => problems.push(AcpiError::EntryLength("MADT", length)),
        }
    }
    found
}

fn ecam_regions(mcfg: &[u8], problems: &mut Vec<AcpiError>) -> Vec<EcamRegion> {
    let mut regions = Vec::new();
    for entry in mcfg
        .get(MCFG_ENTRIES..)
        .unwrap_or_default()
        .chunks_exact(MCFG_ENTRY_BYTES)
    {
        let (Some(base), Some(segment)) = (u64_at(entry, 0), u16_at(entry, 8)) else {
            continue;
        };
        let region = EcamRegion {
            segment,
            first_bus: entry[10],
            last_bus: entry[11],
            base,
        };
        // 1 MiB of configuration space a bus; a physical address has at most 52 bits.
        let end = base.checked_add((u64::from(region.last_bus) + 1) << 20);
        if region.first_bus <= region.last_bus
            && base % (1 << 20) == 0
            && end.is_some_and(|end| end < 1 << 52)
        {
            regions.push(region);
        } else {
            problems.push(AcpiError::Ecam(region));
        }
    }
    regions
}

fn dsdt(memory: &dyn PhysicalMemory, fadt: &[u8]) -> Result<&'static [u8], AcpiError> {
    let extended = u64_at(fadt, fadt::X_DSDT).filter(|&address| address != 0);
    let address = extended
        .or_else(|| u32_at(fadt, fadt::DSDT).map(u64::from))
        .ok_or(AcpiError::Missing("DSDT"))?;
    let table = table(memory, "DSDT", address)?;
    if table.signature != b"DSDT" {
        return Err(AcpiError::Signature("DSDT", *table.signature));
    }
    Ok(table.bytes)
}

/// The register of a generic address structure; `None` where it is absent or in a space that the kernel does not reach.
fn generic_address(table: &[u8], at: usize) -> Option<Register> {
    let (space, address) = (*table.get(at)?, u64_at(table, at + 4)?);
    match (space, address) {
        (_, 0) => None,
        (0, address) => Some(Register::Memory(address)),
        (1, address) => u16::try_from(address).ok().map(Register::Port),
        (2, address) => Some(Register::Pci {
            device: u8::try_from(address >> 32 & 0xffff)
                .ok()
                .filter(|&device| device < 32)?,
            function: u8::try_from(address >> 16 & 0xffff)
                .ok()
                .filter(|&function| function < 8)?,
            offset: (address & 0xffff) as u16,
        }),
        _ => None,
    }
}

fn reset_register(fadt: &[u8]) -> Option<ResetRegister> {
    let supported = u32_at(fadt, fadt::FLAGS)? & fadt::FLAG_RESET_REG_SUP != 0;
    let value = *fadt.get(fadt::RESET_VALUE)?;
    let register = generic_address(fadt, fadt::RESET_REG).filter(|_| supported)?;
    Some(ResetRegister { register, value })
}

fn power_off(fadt: &[u8], s5: sleep::SleepType) -> Option<PowerOff> {
    if u32_at(fadt, fadt::FLAGS).unwrap_or(0) & fadt::FLAG_HW_REDUCED_ACPI != 0 {
        let register = generic_address(fadt, fadt::SLEEP_CONTROL_REG)?;
        let value = u16::from(s5.first) << 2 | 1 << 5;
        return Some(PowerOff {
            first: (register, value),
            second: None,
            enable: None,
        });
    }
    let control = |extended, legacy| {
        let port = || {
            u32_at(fadt, legacy)
                .filter(|&port| port != 0)
                .and_then(|port| u16::try_from(port).ok())
        };
        generic_address(fadt, extended).or_else(|| port().map(Register::Port))
    };
    let value = |sleep_type: u8| u16::from(sleep_type) << 10 | 1 << 13;
    let command = u32_at(fadt, fadt::SMI_CMD)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|&port| port != 0);
    let enable = fadt
        .get(fadt::ACPI_ENABLE)
        .copied()
        .filter(|&value| value != 0);
    Some(PowerOff {
        first: (
            control(fadt::X_PM1A_CNT_BLK, fadt::PM1A_CNT_BLK)?,
            value(s5.first),
        ),
        second: control(fadt::X_PM1B_CNT_BLK, fadt::PM1B_CNT_BLK)
            .map(|register| (register, value(s5.second))),
        enable: command.zip(enable),
    })
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
