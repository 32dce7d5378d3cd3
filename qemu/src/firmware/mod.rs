//! AMD's firmware files for the RX 7900 XTX: where they are found on this machine, or how they come there.
//!
//! They are AMD's, under a licence that lets them be passed on unchanged; this repository does not hold them. Debian packages
//! them in `firmware-amd-graphics`.

pub mod container;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, debian, kernel};

/// The files that bring compute up, as linux-firmware names them: PSP, SMU, SDMA, and the engines of graphics and compute.
pub const FILES: &[&str] = &[
    "psp_13_0_0_sos.bin",
    "smu_13_0_0.bin",
    "sdma_6_0_0.bin",
    "gc_11_0_0_pfp.bin",
    "gc_11_0_0_me.bin",
    "gc_11_0_0_mec.bin",
    "gc_11_0_0_mes.bin",
    "gc_11_0_0_mes1.bin",
    "gc_11_0_0_imu.bin",
    "gc_11_0_0_rlc.bin",
];

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
    /// A signed part of a file, by AMD's name for it.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, or the part that no file has.
    pub fn part(&self, name: &str) -> Result<&[u8]> {
        for (file, bytes) in &self.files {
            let parts = container::parts(file, bytes)?;
            if let Some(part) = parts.into_iter().find(|part| part.name == name) {
                return Ok(&bytes[part.range]);
            }
        }
        bail!("no firmware file has a part {name}")
    }
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

/// Reads all files of a folder, compressed or not.
fn read(folder: &Path) -> Result<Firmware> {
    let mut files = BTreeMap::new();
    let mut missing = Vec::new();
    for name in FILES {
        match file(folder, name)? {
            Some(bytes) => {
                files.insert(*name, bytes);
            }
            None => missing.push(*name),
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
    let forms: [(&str, Option<&str>); 3] =
        [("", None), (".xz", Some("xz")), (".zst", Some("zstd"))];
    for (ending, tool) in forms {
        let path = folder.join(format!("{name}{ending}"));
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        ensure!(
            about.len() <= FILE_MAX,
            "{} has {} bytes: no firmware of AMD's is that large",
            path.display(),
            about.len()
        );
        let Some(tool) = tool else {
            let bytes = fs::read(&path);
            return Ok(Some(
                bytes.with_context(|| format!("cannot read {}", path.display()))?,
            ));
        };
        let output = Command::new(tool)
            .arg("-dc")
            .arg(&path)
            .output()
            .with_context(|| format!("{}: install {tool}, which unpacks it", path.display()))?;
        if !output.status.success() {
            bail!(
                "{tool} cannot unpack {}: {}",
                path.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        return Ok(Some(output.stdout));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_plain_and_compressed_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in &FILES[1..] {
            fs::write(folder.path().join(name), name.as_bytes()).unwrap();
        }
        let error = format!("{:#}", load(Some(folder.path())).unwrap_err());
        assert!(error.contains("lacks psp_13_0_0_sos.bin"), "{error}");
        assert!(error.contains("--firmware"), "{error}");
        let plain = folder.path().join(FILES[0]);
        fs::write(&plain, "sos").unwrap();
        if crate::setup::in_path("xz").is_some() {
            cache::run(Command::new("xz").arg(&plain), "xz-utils").unwrap();
            assert!(!plain.exists());
        }
        let firmware = load(Some(folder.path())).unwrap();
        assert_eq!(firmware.files["psp_13_0_0_sos.bin"], b"sos");
        assert_eq!(firmware.files.len(), FILES.len());
    }

    #[test]
    fn a_file_that_is_too_large_or_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILES[0]);
        fs::File::create(&path)
            .unwrap()
            .set_len(FILE_MAX + 1)
            .unwrap();
        let error = format!("{:#}", read(folder.path()).unwrap_err());
        assert!(error.contains("that large"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(folder.path().join(format!("{}.xz", FILES[0])), "no archive").unwrap();
        let error = format!("{:#}", read(folder.path()).unwrap_err());
        assert!(error.contains("xz"), "{error}");
    }
}
