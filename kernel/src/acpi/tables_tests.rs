//! Tables made here, byte by byte as the specification lays them out, read back; then the same with bytes broken.

use alloc::collections::BTreeMap;

use super::*;

/// Tables at addresses; leaked, as firmware's are.
#[derive(Default)]
struct Memory(BTreeMap<u64, &'static [u8]>);

impl Memory {
    fn put(&mut self, address: u64, bytes: Vec<u8>) {
        self.0.insert(address, bytes.leak());
    }
}

impl PhysicalMemory for Memory {
    fn bytes(&self, start: u64, length: usize) -> Option<&'static [u8]> {
        let (&base, bytes) = self.0.range(..=start).next_back()?;
        bytes.get((start - base) as usize..)?.get(..length)
    }
}

fn fix_checksum(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    bytes[at] = bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_sub(byte));
}

fn make_table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = [
        &signature[..],
        &(36 + body.len() as u32).to_le_bytes(),
        &[0; 28],
        body,
    ]
    .concat();
    fix_checksum(&mut bytes, 9);
    bytes
}

fn put<const N: usize>(table: &mut [u8], at: usize, bytes: [u8; N]) {
    table[at..at + N].copy_from_slice(&bytes);
}

fn generic(space: u8, address: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[0] = space;
    bytes[4..].copy_from_slice(&address.to_le_bytes());
    bytes
}

fn madt() -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([0, 8, 0, 0, 1, 0, 0, 0]); // APIC id 0, enabled
    body.extend([1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // an I/O APIC
    body.extend([0, 8, 1, 3, 1, 0, 0, 0]);
    body.extend([0, 8, 2, 4, 0, 0, 0, 0]); // not enabled
    body.extend([9, 16, 0, 0, 0x00, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]); // x2APIC id 256
    body.extend([0, 8, 3, 3, 1, 0, 0, 0]); // told twice
    make_table(b"APIC", &body)
}

fn mcfg() -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(0xb000_0000_u64.to_le_bytes());
    body.extend([0, 0, 0, 255, 0, 0, 0, 0]);
    body.extend(0x1000_u64.to_le_bytes()); // not on a bus's boundary
    body.extend([1, 0, 0, 1, 0, 0, 0, 0]);
    make_table(b"MCFG", &body)
}

fn fadt(dsdt: u64) -> Vec<u8> {
    let mut table = make_table(b"FACP", &[0; 240]);
    put(&mut table, fadt::SMI_CMD, 0xb2_u32.to_le_bytes());
    put(&mut table, fadt::ACPI_ENABLE, [2]);
    put(&mut table, fadt::PM1A_CNT_BLK, 0x604_u32.to_le_bytes());
    put(
        &mut table,
        fadt::FLAGS,
        fadt::FLAG_RESET_REG_SUP.to_le_bytes(),
    );
    put(&mut table, fadt::RESET_REG, generic(1, 0xcf9));
    put(&mut table, fadt::RESET_VALUE, [0xf]);
    put(&mut table, fadt::X_DSDT, dsdt.to_le_bytes());
    fix_checksum(&mut table, 9);
    table
}

fn machine() -> Memory {
    let mut memory = Memory::default();
    let mut rsdp = b"RSD PTR \0OEMOEM\x02".to_vec();
    rsdp.extend([0; 20]);
    put(&mut rsdp, 20, 36_u32.to_le_bytes());
    put(&mut rsdp, 24, 0x2000_u64.to_le_bytes());
    fix_checksum(&mut rsdp[..20], 8);
    fix_checksum(&mut rsdp, 32);
    memory.put(0x1000, rsdp);
    let entries = [0x3000_u64, 0x4000, 0x5000].map(u64::to_le_bytes).concat();
    memory.put(0x2000, make_table(b"XSDT", &entries));
    memory.put(0x3000, madt());
    memory.put(0x4000, mcfg());
    memory.put(0x5000, fadt(0x6000));
    memory.put(
        0x6000,
        make_table(b"DSDT", b"\x08_S5_\x12\x0a\x04\x0a\x05\x0a\x06\0\0"),
    );
    memory
}

#[test]
fn a_whole_machine_is_read() {
    let info = read(&machine(), 0x1000).unwrap();
    let bad = EcamRegion {
        segment: 1,
        first_bus: 0,
        last_bus: 1,
        base: 0x1000,
    };
    assert_eq!(
        info,
        AcpiInfo {
            processors: vec![0, 3, 256],
            ecam: vec![EcamRegion {
                segment: 0,
                first_bus: 0,
                last_bus: 255,
                base: 0xb000_0000
            }],
            power_off: Some(PowerOff {
                first: (Register::Port(0x604), 0x2000 | 5 << 10),
                second: None,
                enable: Some((0xb2, 2)),
            }),
            reset: Some(ResetRegister {
                register: Register::Port(0xcf9),
                value: 0xf
            }),
            problems: vec![AcpiError::Ecam(bad)],
        }
    );
}

#[test]
fn hardware_reduced_machines_power_off_by_the_sleep_register() {
    let mut memory = machine();
    let mut table = fadt(0x6000);
    put(
        &mut table,
        fadt::FLAGS,
        fadt::FLAG_HW_REDUCED_ACPI.to_le_bytes(),
    );
    put(&mut table, fadt::SLEEP_CONTROL_REG, generic(0, 0xfed0_0000));
    fix_checksum(&mut table, 9);
    memory.put(0x5000, table);
    let info = read(&memory, 0x1000).unwrap();
    let first = (Register::Memory(0xfed0_0000), 5 << 2 | 0x20);
    assert_eq!(
        info.power_off,
        Some(PowerOff {
            first,
            second: None,
            enable: None
        })
    );
    assert_eq!(info.reset, None);
}

#[test]
fn an_old_root_pointer_leads_to_the_rsdt() {
    let mut memory = machine();
    let mut rsdp = b"RSD PTR \0OEMOEM\0".to_vec();
    rsdp.extend(0x2000_u32.to_le_bytes());
    fix_checksum(&mut rsdp, 8);
    memory.put(0x1000, rsdp);
    memory.put(0x2000, make_table(b"RSDT", &0x3000_u32.to_le_bytes()));
    let info = read(&memory, 0x1000).unwrap();
    assert_eq!(info.processors, [0, 3, 256]);
    assert_eq!(
        info.problems,
        [AcpiError::Missing("MCFG"), AcpiError::Missing("FADT")]
    );
}

#[test]
fn an_entry_without_length_ends_the_table() {
    let mut memory = machine();
    let mut body = vec![0; 8];
    body.extend([0, 8, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0]);
    memory.put(0x3000, make_table(b"APIC", &body));
    let info = read(&memory, 0x1000).unwrap();
    assert_eq!(info.processors, [7]);
    assert!(info.problems.contains(&AcpiError::EntryLength("MADT", 0)));
}

#[test]
fn broken_roots_are_named() {
    let check = |address, break_it: fn(&mut Vec<u8>), expected| {
        let mut memory = machine();
        let mut bytes = memory.0[&address].to_vec();
        break_it(&mut bytes);
        memory.put(address, bytes);
        assert_eq!(read(&memory, 0x1000), Err(expected));
    };
    check(
        0x1000,
        |rsdp| rsdp[0] = b'X',
        AcpiError::RootSignature(0x1000),
    );
    check(0x1000, |rsdp| rsdp[9] ^= 1, AcpiError::Checksum("RSDP"));
    check(
        0x1000,
        |rsdp| rsdp.truncate(8),
        AcpiError::Unreadable("RSDP", 0x1000),
    );
    check(0x2000, |xsdt| xsdt[40] ^= 1, AcpiError::Checksum("XSDT"));
    check(0x2000, |xsdt| xsdt[4] = 35, AcpiError::Length("XSDT", 35));
    check(
        0x2000,
        |xsdt| *xsdt = make_table(b"FACP", &[]),
        AcpiError::Signature("XSDT", *b"FACP"),
    );
    assert_eq!(
        read(&machine(), 0x10),
        Err(AcpiError::Unreadable("RSDP", 0x10))
    );
}

/// Every byte of every table set to values that tend to hurt, the checksum made right again: no panic and no endless loop.
#[test]
fn no_broken_byte_does_more_harm_than_a_problem() {
    for address in [0x2000, 0x3000, 0x4000, 0x5000, 0x6000] {
        for at in 0..machine().0[&address].len() {
            for value in [0x00, 0x01, 0x7f, 0xff] {
                let mut memory = machine();
                let mut bytes = memory.0[&address].to_vec();
                bytes[at] = value;
                fix_checksum(&mut bytes, 9);
                memory.put(address, bytes);
                let _ = read(&memory, 0x1000);
            }
        }
    }
}
