//! AMD's firmware files for the RX 7900 XTX: where they are found on this machine, or how they come there.
//!
//! They are AMD's, under a licence that lets them be passed on unchanged; this repository does not hold them. Debian packages
//! them in `firmware-amd-graphics`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use firmware_loader::archive::{self, ENTRY_BYTES, Entry, HEADER_BYTES};
use firmware_loader::{File as Kind, NAVI31, Set, sums};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use crate::{cache, debian, kernel};

/// The card.
const SET: &Set = &NAVI31;
/// Where distributions keep them.
const SYSTEM: &str = "/lib/firmware/amdgpu";
/// Debian's package.
const PACKAGE: &str = "firmware-amd-graphics";
/// Largest file that is read; AMD's have less than half a MiB.
const FILE_MAX: u64 = 16 << 20;

/// The files' contents.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Where they come from.
    pub folder: PathBuf,
    /// By name.
    pub files: BTreeMap<&'static str, Vec<u8>>,
}

impl Firmware {
    /// A file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// What is in the files.
    ///
    /// # Errors
    /// Names the file, the part and the byte where something does not fit.
    pub fn checked(&self) -> Result<firmware_loader::Firmware<'_>, firmware_loader::Error> {
        firmware_loader::Firmware::new(|name| self.get(name), SET)
    }
}

/// The archive for the firmware partition, of the files that [`load`] finds. Each is checked, and its sum goes to stderr.
///
/// # Errors
/// As [`load`], and if a file is not whole.
pub fn archive(folder: Option<&Path>) -> Result<Vec<u8>> {
    let firmware = load(folder)?;
    firmware
        .checked()
        .with_context(|| format!("in {}", firmware.folder.display()))?;
    for (name, bytes) in &firmware.files {
        let verdict = sums::check(name, bytes);
        let set = verdict.set.unwrap_or("in no published set");
        eprintln!("firmware {name}: SHA-256 {}, {set}", verdict.sum);
    }
    let files: Vec<_> = firmware.files.iter().collect();
    pack(&files)
}

/// Puts files into an archive.
fn pack(files: &[(&&'static str, &Vec<u8>)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut table = Vec::new();
    let start = HEADER_BYTES + files.len() * ENTRY_BYTES;
    for (name, content) in files {
        let file = Entry {
            name,
            bytes: content,
        };
        let entry = archive::entry(file, (start + bytes.len()) as u64);
        table.extend(entry.with_context(|| format!("{name}: no name for an archive"))?);
        bytes.extend_from_slice(content);
    }
    let size = (start + bytes.len()) as u64;
    let header = archive::header(u32::try_from(files.len())?, size);
    let whole = [&header[..], &table, &bytes].concat();
    archive::Archive::new(&whole).map_err(|error| anyhow!("{error}"))?;
    Ok(whole)
}

/// Reads the files from `folder` if one is given; otherwise from where the distribution keeps them, or from Debian's package,
/// which is downloaded once into the build's cache and not installed.
///
/// # Errors
/// Names what was tried and what to do next.
pub fn load(folder: Option<&Path>) -> Result<Firmware> {
    if let Some(folder) = folder {
        return read(folder)
            .with_context(|| format!("--firmware {}: copy the files there", folder.display()));
    }
    let system = match read(Path::new(SYSTEM)) {
        Ok(firmware) => return Ok(firmware),
        Err(error) => error,
    };
    download().and_then(|folder| read(&folder)).with_context(|| {
        format!(
            "AMD's firmware is neither in {SYSTEM} ({system:#}), nor could Debian's package {PACKAGE} be fetched; install \
             it (Debian: component non-free-firmware; elsewhere: linux-firmware), or name a folder with its files: \
             --firmware DIR"
        )
    })
}

/// The folder of the files in Debian's package.
fn download() -> Result<PathBuf> {
    let folder = cache::once(&kernel::target_directory(), PACKAGE, |folder| {
        let source = debian::Source {
            suite: None,
            component: "non-free-firmware",
        };
        debian::unpack(folder, source, &[PACKAGE])
    })?;
    let places = ["root/lib/firmware/amdgpu", "root/usr/lib/firmware/amdgpu"];
    let place = places.iter().map(|place| folder.join(place));
    let mut there = place.filter(|place| place.is_dir());
    there.next().with_context(|| {
        format!(
            "{} has no amdgpu folder: remove it and try again",
            folder.display()
        )
    })
}

/// Reads all files of a folder that compute needs, compressed or not.
fn read(folder: &Path) -> Result<Firmware> {
    let mut files = BTreeMap::new();
    let mut missing = Vec::new();
    for (kind, name) in Kind::ALL.into_iter().zip(SET.files) {
        let Some(name) = name.filter(|_| kind != Kind::Ta) else {
            continue;
        };
        if let Some(bytes) = file(folder, name)? {
            files.insert(name, bytes);
        } else if !kind.is_optional() {
            missing.push(name);
        }
    }
    ensure!(
        missing.is_empty(),
        "{} lacks {}",
        folder.display(),
        missing.join(", ")
    );
    Ok(Firmware {
        folder: folder.to_owned(),
        files,
    })
}

/// Reads a file, or what is left when its compressed form is unpacked; `None` if there is neither.
fn file(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    for ending in ["", ".xz", ".zst"] {
        let path = folder.join(format!("{name}{ending}"));
        if !path.exists() {
            continue;
        }
        let bytes = unpack(&path, ending);
        let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            bytes.len() as u64 <= FILE_MAX,
            "{} has more than {FILE_MAX} bytes: no firmware of AMD's is that large",
            path.display()
        );
        return Ok(Some(bytes));
    }
    Ok(None)
}

/// The content of a file whose name has this ending: all of it, or one byte more than a file may have.
fn unpack(path: &Path, ending: &str) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let reader: Box<dyn Read> = match ending {
        ".xz" => Box::new(XzReader::new(file, true)),
        ".zst" => Box::new(StreamingDecoder::new(file)?),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `text()` through `xz -9 --check=crc32`, as Linux unpacks it.
    const XZ: &str = "fd377a585a0000016922de36020021011c00000010cf58cce006ad007d5d00361a4a1f08a026034d069defed8921fcd4be480adaf64fc3cc\
         3a0e4dca28231f7d6ab69925871e1ff85e26f2c376e5ed13932f47ab531107eabc1837d2eb39cdf4e8b32e89b8469fe26282d8100a007bac\
         998f6074b4cb7af244db459d64831e3aea7bbcf7762f6f75fb3e9532691fe4a69dd66b5c1f05ce48522d77000000000038bb373b00019501\
         ae0d0000f887f2163e300d8b020000000001595a";
    /// `text()` through `zstd -19`.
    const ZST: &str = "28b52ffd04685d030032c51011a03db0f2432f7f0098c75e4464d19f4d18850cf1debca10b19e2bd79031732c47bf36e2143bc372f40d0cc\
         065752f892c6e38c8c2a8d928ad84a6a343d0d8adc620128a811c0b7ff6fe035ab01113404ffff3784fa01ffb56dbf6c3b749b0315015e06\
         b555560140965743";

    fn text() -> String {
        let lines = 0..40;
        lines
            .map(|n| format!("line {n} of a file that stands for firmware\n"))
            .collect()
    }

    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = (0..digits.len()).step_by(2);
        let pairs = pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
        pairs.map(|byte| byte.unwrap()).collect()
    }

    /// Names of the files that a folder must have, and of those that it may have.
    fn names() -> Vec<&'static str> {
        let files = Kind::ALL.into_iter().zip(SET.files);
        let files = files.filter(|(kind, _)| *kind != Kind::Ta);
        files.filter_map(|(_, name)| name).collect()
    }

    #[test]
    fn files_are_read_plain_and_compressed_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let names = names();
        for name in &names[1..] {
            fs::write(folder.path().join(name), name.as_bytes()).unwrap();
        }
        let error = format!("{:#}", load(Some(folder.path())).unwrap_err());
        assert!(error.contains("lacks psp_13_0_0_sos.bin"), "{error}");
        assert!(error.contains("--firmware"), "{error}");
        for (ending, content) in [(".xz", XZ), (".zst", ZST)] {
            let path = folder.path().join(format!("{}{ending}", names[0]));
            fs::write(&path, bytes(content)).unwrap();
            let firmware = load(Some(folder.path())).unwrap();
            assert_eq!(firmware.get(names[0]), Some(text().as_bytes()), "{ending}");
            assert_eq!(firmware.files.len(), names.len());
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_too_large_or_does_not_unpack_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(names()[0]);
        let file = File::create(&path).unwrap();
        file.set_len(FILE_MAX + 1).unwrap();
        let error = format!("{:#}", read(folder.path()).unwrap_err());
        assert!(error.contains("that large"), "{error}");
        fs::remove_file(&path).unwrap();
        for (ending, content) in [(".xz", XZ), (".zst", ZST)] {
            let mut cut = bytes(content);
            cut.truncate(cut.len() - 10);
            for content in [cut, b"no archive".to_vec()] {
                let path = folder.path().join(format!("{}{ending}", names()[0]));
                fs::write(&path, content).unwrap();
                let error = format!("{:#}", read(folder.path()).unwrap_err());
                assert!(error.contains(&format!("sos.bin{ending}")), "{error}");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn an_archive_holds_the_files_and_files_that_are_not_whole_make_none() {
        let files = [("b", vec![1, 2, 3]), ("a", vec![])];
        let rows: Vec<_> = files.iter().map(|(name, bytes)| (name, bytes)).collect();
        let packed = pack(&rows).unwrap();
        let read = archive::Archive::new(&packed).unwrap();
        let read: Vec<_> = read
            .entries()
            .map(|entry| (entry.name, entry.bytes))
            .collect();
        assert_eq!(read, [("b", &[1, 2, 3][..]), ("a", &[])]);

        let folder = tempfile::tempdir().unwrap();
        for name in names() {
            fs::write(folder.path().join(name), "short").unwrap();
        }
        let error = format!("{:#}", archive(Some(folder.path())).unwrap_err());
        assert!(
            error.contains("psp_13_0_0_sos.bin: header: byte 0x"),
            "{error}"
        );
    }
}
