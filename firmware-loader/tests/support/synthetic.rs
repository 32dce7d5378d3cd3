//! Containers that are laid out as AMD's are, with nothing of AMD's in them: written from the same documents as the loader, but
//! without its table.

use std::collections::BTreeMap;

use firmware_loader::archive::{self, ENTRY_BYTES, Entry, HEADER_BYTES};
use firmware_loader::{File, Set};

/// Bytes of a small signed image: header, content, signature.
const IMAGE: usize = 0x240;
/// Where content begins, in AMD's files and here.
const CONTENT: usize = 0x100;

/// A signed image of a type, followed by zeros up to `bytes`.
fn image(kind: u16, bytes: usize) -> Vec<u8> {
    let mut image = vec![0xa5; IMAGE];
    for (at, value) in [
        (0x10, 0x3153_5024),
        (0x14, IMAGE as u32 - 0x200),
        (0x30, 1),
        (0x58, 0x8101_0000 | u32::from(kind)),
        (0x60, 0x0102_0304),
        (0x6c, IMAGE as u32),
    ] {
        put(&mut image, at, value);
    }
    image.resize(bytes.max(IMAGE), 0);
    image
}

/// Writes a dword.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// A file in the making.
struct Maker {
    bytes: Vec<u8>,
}

impl Maker {
    /// A file with a header of this version and size.
    fn new(version: (u16, u16), header: u32) -> Self {
        let mut maker = Self {
            bytes: vec![0; CONTENT],
        };
        maker.put(4, header);
        maker.put(8, u32::from(version.0) | u32::from(version.1) << 16);
        maker.put(16, 0x0077_0000 | u32::from(version.1));
        maker.put(24, CONTENT as u32);
        maker
    }

    fn put(&mut self, at: usize, value: u32) {
        put(&mut self.bytes, at, value);
    }

    /// Appends an image and says, at `offset` and `size` of the header, where it is. Byte 0 stands for no such field.
    fn part(&mut self, kind: u16, bytes: usize, offset: usize, size: usize) {
        let start = self.bytes.len() as u32;
        let image = image(kind, bytes);
        if offset != 0 {
            self.put(offset, start);
        }
        self.put(size, image.len() as u32);
        self.bytes.extend(image);
    }

    fn finish(mut self) -> Vec<u8> {
        let bytes = self.bytes.len() as u32;
        self.put(0, bytes);
        self.bytes
    }
}

/// Versions of the header that a kind of file can have.
pub(crate) fn versions(file: File) -> &'static [(u16, u16)] {
    match file {
        File::Sos => &[(2, 0), (2, 1)],
        File::Toc | File::Mes | File::Mes1 | File::Imu => &[(1, 0)],
        File::Ta | File::Sdma => &[(2, 0)],
        File::Smu => &[(1, 0), (2, 0), (2, 1)],
        File::Pfp | File::Me | File::Mec => &[(1, 0), (2, 0)],
        File::Rlc => &[(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)],
    }
}

/// A file of a kind and version.
pub(crate) fn container(file: File, version: (u16, u16)) -> Vec<u8> {
    match file {
        File::Sos => {
            let kinds = [
                0x09, 0x0a, 0x4f, 0x200e, 0x56, 0x135, 0x14a, 0x14c, 0x14b, 0x152, 0x1e1,
            ];
            list(version, &kinds)
        }
        File::Ta => list(version, &[0, 0, 0, 0, 0]),
        File::Toc => single(version, 44, 0x200e),
        File::Smu => single(version, if version.0 == 1 { 36 } else { 44 }, 0x1001),
        File::Sdma => {
            let mut maker = Maker::new(version, 64);
            maker.part(0x203e, 0, 0, 36);
            maker.part(0x203f, 0, 48, 52);
            maker.finish()
        }
        File::Pfp => engine(version, [0x2002, 0x2044, 0x2045]),
        File::Me => engine(version, [0x2001, 0x2046, 0x2047]),
        File::Mec => engine(version, [0x2004, 0x2048, 0x2049]),
        File::Mes => scheduler(version, 0x2007),
        File::Mes1 => scheduler(version, 0x2042),
        File::Imu => {
            let mut maker = Maker::new(version, 48);
            maker.part(0x203b, 0, 0, 32);
            maker.part(0x203c, 0, 0, 40);
            maker.finish()
        }
        File::Rlc => controller(version),
    }
}

/// PSP's files: a list of images, here with the types 1, 2 and so on. Version 2.1 lists them for a second chip, too.
fn list(version: (u16, u16), kinds: &[u16]) -> Vec<u8> {
    let rows = if version.1 == 1 { 40 } else { 36 };
    let mut maker = Maker::new(version, rows);
    let copies = 1 + usize::from(version.1);
    // Its list is longer than what AMD leaves before the content.
    let content = (rows as usize + copies * kinds.len() * 16).next_multiple_of(CONTENT);
    maker.bytes.resize(content, 0);
    maker.put(24, content as u32);
    maker.put(32, (copies * kinds.len()) as u32);
    if version.1 == 1 {
        maker.put(36, kinds.len() as u32);
    }
    for (at, kind) in kinds.iter().cycle().take(copies * kinds.len()).enumerate() {
        let row = rows as usize + at * 16;
        maker.put(row, (at % kinds.len()) as u32 + 1);
        maker.put(row + 4, 0x0010_0000 | at as u32);
        maker.part(*kind, 0, row + 8, row + 12);
        let offset = maker.bytes.len() - IMAGE - content;
        maker.put(row + 8, offset as u32);
    }
    maker.finish()
}

fn single(version: (u16, u16), header: u32, kind: u16) -> Vec<u8> {
    let mut maker = Maker::new(version, header);
    maker.part(kind, 0, 0, 20);
    maker.finish()
}

/// Types of the images: version 1, program and data of version 2.
fn engine(version: (u16, u16), [old, program, data]: [u16; 3]) -> Vec<u8> {
    if version.0 == 2 {
        let mut maker = Maker::new(version, 60);
        maker.part(program, 0, 40, 36);
        maker.part(data, 0x400, 48, 44);
        maker.put(52, 0x3000);
        maker.put(56, 7);
        return maker.finish();
    }
    let mut maker = Maker::new(version, 44);
    maker.part(old, 0, 0, 20);
    if old == 0x2004 {
        // The jump table is signed by itself, and the header counts it in.
        let offset = maker.bytes.len() - CONTENT;
        maker.part(0x2005, 0, 0, 20);
        let content = maker.bytes.len() - CONTENT;
        maker.put(20, content as u32);
        maker.put(36, offset as u32 / 4);
        maker.put(40, IMAGE as u32 / 4);
    }
    maker.finish()
}

fn scheduler(version: (u16, u16), program: u16) -> Vec<u8> {
    let mut maker = Maker::new(version, 72);
    maker.part(program, 0, 40, 36);
    maker.part(program + 1, 0x400, 52, 48);
    maker.finish()
}

fn controller(version: (u16, u16)) -> Vec<u8> {
    let header = [104, 156, 172, 204, 244, 188][usize::from(version.1)];
    let mut maker = Maker::new(version, header);
    maker.part(0x2009, 0, 0, 20);
    let parts: &[(u16, u16, usize, usize)] = &[
        (1, 0x200b, 136, 132),
        (1, 0x200c, 152, 148),
        (2, 0x2016, 160, 156),
        (2, 0x2017, 168, 164),
    ];
    let more: &[(u16, u16, usize, usize)] = match version.1 {
        3 => &[(3, 0x200f, 184, 180), (3, 0x200a, 200, 196)],
        4 => &[(4, 0, 208, 204), (4, 0, 216, 212), (4, 0, 240, 236)],
        5 => &[(5, 0, 176, 172), (5, 0, 184, 180)],
        _ => &[],
    };
    for (since, kind, offset, size) in parts.iter().chain(more) {
        if version.1 >= *since {
            maker.part(*kind, 0, *offset, *size);
        }
    }
    maker.finish()
}

/// All files of a set, each of the newest version that cards of these days have.
pub(crate) fn files(set: &Set) -> BTreeMap<&'static str, Vec<u8>> {
    let files = File::ALL.into_iter().zip(set.files);
    let files = files.filter_map(|(file, name)| {
        let version = match file {
            File::Sos => (2, 0),
            File::Rlc => (2, 3),
            _ => *versions(file).last()?,
        };
        Some((name?, container(file, version)))
    });
    files.collect()
}

/// An archive of these files.
pub(crate) fn archive(files: &[Entry<'_>]) -> Vec<u8> {
    let mut offset = HEADER_BYTES + files.len() * ENTRY_BYTES;
    let mut table = Vec::new();
    for file in files {
        table.extend(archive::entry(*file, offset as u64).expect("the name fits"));
        offset += file.bytes.len();
    }
    let mut bytes = archive::header(files.len() as u32, offset as u64).to_vec();
    bytes.extend(table);
    for file in files {
        bytes.extend(file.bytes);
    }
    bytes
}
