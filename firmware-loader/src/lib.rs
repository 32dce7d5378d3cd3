//! AMD's firmware files: what is in them, whether it is whole, and in which order PSP gets it.
//!
//! A [`Set`] names the files of a card. [`Firmware::new`] takes them from wherever they are, checks every header, offset and
//! size against the bytes that are there, and knows what to load from then on: [`Firmware::bootloader`], [`Firmware::toc`],
//! [`Firmware::smu`] and [`Firmware::loads`], in this order.
//!
//! [`sums`] tells whether files are published ones; [`archive`] is how they lie on Infernel's disk.
//!
//! What it never does: copy a blob, allocate, or know a card's registers. What an image's signature covers is between AMD and
//! the card; here only what surrounds it is checked.
//!
//! Where to start reading: the table in `parts.rs`.
#![no_std]
#![forbid(unsafe_code)]

pub mod archive;
mod container;
mod error;
mod image;
mod parts;
mod set;
pub mod sums;

pub use container::{HEADER, PART_MAX};
pub use error::{Error, Fault};
pub use set::{File, NAVI31, NAVI32, NAVI33, PHOENIX, SETS, STRIX, STRIX_HALO, Set};

use container::Container;
use parts::{Need, PARTS, Role};

/// A part of a file that PSP checks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// What AMD calls it.
    pub name: &'static str,
    /// The file that it is in.
    pub file: &'static str,
    /// Where it begins there.
    pub offset: usize,
    /// Its bytes, with its signature and what fills it up.
    pub image: &'a [u8],
}

impl Part<'_> {
    /// The version in its own header.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        image::version(self.image)
    }
}

/// What PSP's bootloader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component<'a> {
    /// What AMD calls it.
    pub name: &'static str,
    /// The command that goes with it.
    pub command: u32,
    /// Its bytes, at most [`PART_MAX`].
    pub image: &'a [u8],
}

/// What PSP loads once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load<'a> {
    /// What AMD calls it.
    pub name: &'static str,
    /// GFX_FW_TYPE.
    pub kind: u32,
    /// Its bytes, at most [`PART_MAX`].
    pub image: &'a [u8],
}

/// The firmware of a card, of which every part was found and checked.
#[derive(Clone, Debug)]
pub struct Firmware<'a> {
    containers: [Option<Container<'a>>; File::ALL.len()],
    /// One for each row of the table; without bytes where there is none.
    parts: [Part<'a>; PARTS.len()],
}

impl<'a> Firmware<'a> {
    /// Checks the files of a set. `get` gives a file by its name.
    ///
    /// # Errors
    /// Names the file, the part, the byte, and what was found and expected there.
    pub fn new(get: impl Fn(&str) -> Option<&'a [u8]>, set: &Set) -> Result<Self, Error> {
        let mut containers = [None; File::ALL.len()];
        for ((file, name), container) in File::ALL.into_iter().zip(set.files).zip(&mut containers) {
            let Some(name) = name else {
                continue;
            };
            if let Some(bytes) = get(name) {
                *container = Some(Container::new(file, name, bytes)?);
            } else if !file.is_optional() {
                return Err(Error {
                    file: name,
                    part: "header",
                    offset: 0,
                    fault: Fault::Missing,
                });
            }
        }
        let none = Part {
            name: "",
            file: "",
            offset: 0,
            image: &[],
        };
        let mut firmware = Self {
            containers,
            parts: [none; PARTS.len()],
        };
        for (row, part) in PARTS.iter().zip(&mut firmware.parts) {
            if let Some(container) = &containers[row.file as usize]
                && (row.versions[0]..=row.versions[1]).contains(&container.version)
            {
                *part = row.find(container)?;
            }
        }
        Ok(firmware)
    }

    /// What PSP's bootloader gets, in order; nothing if PSP runs when the machine starts.
    pub fn bootloader(&self) -> impl Iterator<Item = Component<'a>> {
        self.rows().filter_map(|(role, part)| match role {
            Role::Bootloader(command) => Some(Component {
                name: part.name,
                command,
                image: part.image,
            }),
            _ => None,
        })
    }

    /// The table of contents, which PSP gets first of all.
    #[must_use]
    pub fn toc(&self) -> &'a [u8] {
        let mut rows = self.rows().filter(|(role, _)| *role == Role::Toc);
        rows.next().map_or(&[], |(_, part)| part.image)
    }

    /// The SMU's firmware, which comes before there is memory for the others; none if it runs when the machine starts.
    #[must_use]
    pub fn smu(&self) -> Option<Load<'a>> {
        self.rows().find_map(|(role, part)| match role {
            Role::Smu(kind) => Some(Load {
                name: part.name,
                kind,
                image: part.image,
            }),
            _ => None,
        })
    }

    /// What PSP loads for all other blocks, in the order of Linux. What a file has no bytes of is left out.
    pub fn loads(&self) -> impl Iterator<Item = Load<'a>> {
        self.rows().filter_map(|(role, part)| match role {
            Role::Load(kind) => Some(Load {
                name: part.name,
                kind,
                image: part.image,
            }),
            _ => None,
        })
    }

    /// The byte address at which an engine's program begins: [`File::Pfp`], [`File::Me`] or [`File::Mec`] where those are
    /// RS64 engines. Nobody tells PSP; the driver writes it to registers.
    #[must_use]
    pub fn start_address(&self, engine: File) -> Option<u64> {
        let is_engine = matches!(engine, File::Pfp | File::Me | File::Mec);
        let container = self.containers[engine as usize].filter(|_| is_engine);
        container.and_then(|container| container.start_address())
    }

    /// Each file and the version in its header.
    pub fn versions(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let containers = self.containers.iter().flatten();
        containers.map(|container| (container.name, container.ucode_version))
    }

    /// Every part that there is; one that has several uses comes several times.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        self.rows().map(|(_, part)| part)
    }

    fn rows(&self) -> impl Iterator<Item = (Role, Part<'a>)> {
        let rows = PARTS.iter().zip(self.parts);
        let rows = rows.filter(|(_, part)| !part.image.is_empty());
        rows.map(|(row, part)| (row.role, part))
    }
}

impl parts::Row {
    /// Finds and checks a part.
    fn find<'a>(&self, container: &Container<'a>) -> Result<Part<'a>, Error> {
        let (field, range) = container.find(self.name, self.place)?;
        let fault = match &range {
            None => Fault::Unlisted,
            Some(_) => Fault::Empty,
        };
        let range = range.unwrap_or_default();
        if range.is_empty() && self.need == Need::Always {
            return Err(container.error(self.name, field, fault));
        }
        if !range.is_empty() && self.image != 0 {
            image::check(container, self.name, range.start, range.len(), self.image)?;
        }
        Ok(Part {
            name: self.name,
            file: container.name,
            offset: range.start,
            image: container.slice(&range),
        })
    }
}
