//! Finishes the linked kernel: puts the table of its functions into the last segment, and leaves out what is not loaded.
//!
//! The table's format is the kernel's (`kernel/src/symbols.rs`). Its segment is the last in the file and in memory, so no
//! address moves when it grows.

use anyhow::{Context, Result, ensure};
use object::elf::{PT_LOAD, ProgramHeader64};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

const MAGIC: &[u8; 8] = b"IFSYMTAB";
const PAGE: usize = 4096;

/// Offsets of the fields of a 64-bit program header that change (ELF-64 object file format, figure 6).
const P_OFFSET: usize = 8;
const P_FILESZ: usize = 32;
const P_MEMSZ: usize = 40;
/// Offset of the section header table's offset, and of its entry count and name index, in the ELF header (figure 3).
const E_SHOFF: usize = 40;
const E_SHNUM: usize = 60;

/// The finished image for a linked `elf`.
///
/// # Errors
/// If it is not the kernel as `kernel/link.ld` lays it out.
pub fn finish(elf: &[u8]) -> Result<Vec<u8>> {
    let file = ElfFile64::<Endianness>::parse(elf).context("the kernel is no 64-bit ELF")?;
    let table = table(&functions(&file)?);
    let start = address(&file, "symbols_start")?;
    let headers = file.elf_program_headers();
    let endian = file.endian();
    let loaded = |header: &&ProgramHeader64<Endianness>| header.p_type(endian) == PT_LOAD;
    let is_symbols = |header: &ProgramHeader64<Endianness>| {
        header.p_type(endian) == PT_LOAD && header.p_vaddr(endian) == start
    };
    let index = headers
        .iter()
        .position(is_symbols)
        .context("the kernel has no symbol segment")?;
    let last = headers
        .iter()
        .filter(loaded)
        .map(|header| header.p_vaddr(endian))
        .max();
    ensure!(
        last == Some(start),
        "the symbol segment is not the kernel's last"
    );

    let others = headers.iter().filter(|header| !is_symbols(header));
    let ends = others.map(|header| header.p_offset(endian) + header.p_filesz(endian));
    let content = usize::try_from(ends.max().unwrap_or(0))?;
    let mut image = elf
        .get(..content)
        .context("a segment reaches past the file")?
        .to_vec();
    image.resize(content.next_multiple_of(PAGE), 0);
    let offset = image.len();
    image.extend(&table);

    let header = usize::try_from(file.elf_header().e_phoff.get(endian))?
        + index * size_of::<ProgramHeader64<Endianness>>();
    put(
        &mut image,
        header + P_OFFSET,
        &(offset as u64).to_le_bytes(),
    );
    put(
        &mut image,
        header + P_FILESZ,
        &(table.len() as u64).to_le_bytes(),
    );
    put(
        &mut image,
        header + P_MEMSZ,
        &(table.len() as u64).to_le_bytes(),
    );
    put(&mut image, E_SHOFF, &[0; 8]);
    put(&mut image, E_SHNUM, &[0; 4]);
    Ok(image)
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Functions by their offset from the image's start, sorted, and the end of the last.
struct Functions {
    rows: Vec<(u32, String)>,
    end: u32,
}

fn functions(file: &ElfFile64<'_, Endianness>) -> Result<Functions> {
    let base = address(file, "image_start")?;
    let text = file
        .section_by_name(".text")
        .context("the kernel has no .text")?;
    let range = text.address()..text.address() + text.size();
    let offset = |address: u64| u32::try_from(address - base).context("the kernel is over 4 GiB");
    let mut rows = Vec::new();
    for symbol in file
        .symbols()
        .filter(|symbol| range.contains(&symbol.address()))
    {
        let name = symbol.name().context("a symbol's name is no text")?;
        if !name.is_empty() {
            // The alternate form leaves out the hash.
            rows.push((
                offset(symbol.address())?,
                format!("{:#}", rustc_demangle::demangle(name)),
            ));
        }
    }
    rows.sort();
    rows.dedup_by_key(|row| row.0);
    Ok(Functions {
        rows,
        end: offset(range.end)?,
    })
}

fn address(file: &ElfFile64<'_, Endianness>, name: &str) -> Result<u64> {
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
    Ok(symbol
        .with_context(|| format!("the kernel has no symbol {name}"))?
        .address())
}

fn table(functions: &Functions) -> Vec<u8> {
    let mut rows = Vec::new();
    let mut names = Vec::new();
    let end = (functions.end, String::new());
    for (start, name) in functions.rows.iter().chain([&end]) {
        rows.extend(start.to_le_bytes());
        rows.extend((names.len() as u32).to_le_bytes());
        names.extend(name.as_bytes());
    }
    let length = (MAGIC.len() + 8 + rows.len() + names.len()) as u32;
    let count = functions.rows.len() as u32;
    [
        &MAGIC[..],
        &length.to_le_bytes(),
        &count.to_le_bytes(),
        &rows,
        &names,
    ]
    .concat()
}
