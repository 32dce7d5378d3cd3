//! Disk images: a GPT with partitions of the model and of AMD's firmware, and, where the machine boots from the disk, an EFI
//! system partition with Limine and the kernel.
//!
//! Layout, type GUIDs and names are described in `ARCHITECTURE.md`; the kernel's `disk` module reads what is written here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use gpt::disk::LogicalBlockSize;
use gpt::partition_types::{EFI, OperatingSystem, Type};

/// Partition type of a model: the raw content of a GGUF file.
pub const MODEL_TYPE: &str = "9D3F5A52-1F0C-4A7E-8C57-494E4645524E";

/// Partition name of a model.
pub const MODEL_NAME: &str = "infernel-model";

/// Partition type of AMD's firmware: an archive as `firmware_loader::archive` reads it.
pub const FIRMWARE_TYPE: &str = "4C7B6E1D-93A5-4F20-B1D6-494E4645524E";

/// Partition name of AMD's firmware.
pub const FIRMWARE_NAME: &str = "infernel-firmware";

const SECTOR: u64 = 512;
/// Partitions start on this boundary, in sectors: 1 MiB, so that large reads stay aligned on any disk.
const ALIGNMENT: u64 = 2048;
/// Sectors of a GPT at each end of the disk: header and 32 sectors of entries, and the protective MBR at the start.
const TABLE: u64 = 34;
/// FAT32 wants at least 65,525 clusters; 64 MiB is past that with clusters of one sector, and leaves room to grow.
const ESP_BYTES: u64 = 64 << 20;

/// What makes a disk bootable: Limine's loader, the kernel, and its command line.
pub struct BootFiles {
    /// Folder with Limine's `BOOTX64.EFI`.
    pub limine: PathBuf,
    /// The kernel's ELF.
    pub kernel: PathBuf,
    /// Text after the kernel's name in the boot entry.
    pub command_line: String,
}

/// What a disk holds; what it lacks is none.
#[derive(Clone, Copy, Default)]
pub struct Content<'a> {
    /// A GGUF file.
    pub model: Option<&'a Path>,
    /// An archive of firmware files.
    pub firmware: Option<&'a [u8]>,
    /// What boots from it.
    pub boot: Option<&'a BootFiles>,
}

/// What a partition is filled with.
enum Source<'a> {
    Boot(&'a BootFiles),
    Model(File),
    Firmware(&'a [u8]),
}

/// A partition to be.
struct Part<'a> {
    name: &'static str,
    bytes: u64,
    kind: Type,
    source: Source<'a>,
}

/// A partition type of our own.
fn own_type(guid: &str) -> Result<Type> {
    Ok(Type {
        guid: guid.parse()?,
        os: OperatingSystem::None,
    })
}

/// The partitions of a disk, in order.
fn parts<'a>(content: Content<'a>) -> Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    if let Some(boot) = content.boot {
        parts.push(Part {
            name: "EFI system",
            bytes: ESP_BYTES,
            kind: EFI,
            source: Source::Boot(boot),
        });
    }
    if let Some(archive) = content.firmware {
        parts.push(Part {
            name: FIRMWARE_NAME,
            bytes: archive.len() as u64,
            kind: own_type(FIRMWARE_TYPE)?,
            source: Source::Firmware(archive),
        });
    }
    if let Some(path) = content.model {
        let file = File::open(path)
            .with_context(|| format!("cannot open the model {}", path.display()))?;
        let bytes = file.metadata()?.len();
        ensure!(bytes > 0, "the model {} is empty", path.display());
        parts.push(Part {
            name: MODEL_NAME,
            bytes,
            kind: own_type(MODEL_TYPE)?,
            source: Source::Model(file),
        });
    }
    Ok(parts)
}

/// Writes a disk image to `out`, replacing what is there.
///
/// # Errors
/// If a source cannot be read, the image cannot be written, or there is nothing to put on it.
pub fn write(out: &Path, content: Content<'_>) -> Result<()> {
    let parts = parts(content)?;
    ensure!(
        !parts.is_empty(),
        "a disk image needs a model, firmware, or a boot loader"
    );
    let mut image = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(out)
        .with_context(|| format!("cannot write {}", out.display()))?;
    let starts = partition_table(&mut image, &parts).context("cannot write the partition table")?;
    for (part, start) in parts.into_iter().zip(starts) {
        image.seek(SeekFrom::Start(start))?;
        match part.source {
            Source::Model(mut model) => {
                let copied = io::copy(&mut model, &mut image).context("cannot copy the model")?;
                ensure!(
                    copied == part.bytes,
                    "the model changed while it was copied: {copied} of {} bytes",
                    part.bytes
                );
            }
            Source::Firmware(archive) => {
                image
                    .write_all(archive)
                    .context("cannot write the firmware")?;
            }
            Source::Boot(boot) => {
                let mut window = Window {
                    file: &mut image,
                    start,
                    length: part.bytes,
                    position: 0,
                };
                system_partition(&mut window, boot)?;
            }
        }
    }
    Ok(())
}

/// Writes protective MBR and GPT for `parts` and returns where each starts, in bytes.
fn partition_table(image: &mut File, parts: &[Part<'_>]) -> Result<Vec<u64>> {
    let sectors = |bytes: u64| bytes.div_ceil(SECTOR).next_multiple_of(ALIGNMENT);
    let total = ALIGNMENT + parts.iter().map(|part| sectors(part.bytes)).sum::<u64>() + TABLE;
    image.set_len(total * SECTOR)?;
    let mbr_sectors = u32::try_from(total - 1).unwrap_or(u32::MAX);
    gpt::mbr::ProtectiveMBR::with_lb_size(mbr_sectors).overwrite_lba0(image)?;
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(&mut *image, None)?;
    disk.update_partitions(BTreeMap::new())?;
    let mut starts = Vec::new();
    for part in parts {
        let kind = part.kind.clone();
        let id = disk.add_partition(part.name, part.bytes, kind, 0, Some(ALIGNMENT))?;
        let partition = disk
            .partitions()
            .get(&id)
            .context("the partition just added is missing")?;
        starts.push(partition.first_lba * SECTOR);
    }
    disk.write()?;
    Ok(starts)
}

/// Formats an EFI system partition and fills it with the loader, its configuration and the kernel.
fn system_partition(window: &mut Window<'_>, boot: &BootFiles) -> Result<()> {
    let loader = boot.limine.join("BOOTX64.EFI");
    let loader = std::fs::read(&loader).with_context(|| {
        format!(
            "cannot read Limine's loader {}. Point LIMINE_DIR (or --limine) at a folder with BOOTX64.EFI of Limine 9, for \
             instance a checkout of branch v9.x-binary of github.com/limine-bootloader/limine",
            loader.display()
        )
    })?;
    let kernel = std::fs::read(&boot.kernel)
        .with_context(|| format!("cannot read the kernel {}", boot.kernel.display()))?;
    let configuration = format!(
        "timeout: 0\n\n/Infernel\n    protocol: limine\n    path: boot():/infernel\n    cmdline: {}\n",
        boot.command_line
    );
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .volume_label(*b"INFERNEL   ");
    fatfs::format_volume(&mut *window, options)
        .context("cannot format the EFI system partition")?;
    window.rewind()?;
    let system = FileSystem::new(&mut *window, FsOptions::new())?;
    let root = system.root_dir();
    let folder = root.create_dir("EFI")?.create_dir("BOOT")?;
    folder.create_file("BOOTX64.EFI")?.write_all(&loader)?;
    folder
        .create_file("limine.conf")?
        .write_all(configuration.as_bytes())?;
    root.create_file("infernel")?
        .write_all(&kernel)
        .context("the kernel does not fit the EFI system partition")?;
    Ok(())
}

/// A partition of the image as a device of its own.
struct Window<'a> {
    file: &'a mut File,
    start: u64,
    length: u64,
    position: u64,
}

impl Window<'_> {
    /// How much of `wanted` bytes lies between the position and the end, with the file's cursor put there.
    fn clip(&mut self, wanted: usize) -> io::Result<usize> {
        self.file
            .seek(SeekFrom::Start(self.start + self.position))?;
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        Ok(wanted.min(left))
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.clip(buffer.len())?;
        let count = self.file.read(&mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.clip(buffer.len())?;
        let count = self.file.write(&buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target
            .filter(|&offset| offset <= self.length)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image is read back by the same crates from the outside: the GPT by its own checksums, the FAT by its own
    /// structures; so a wrong offset between the two shows.
    #[test]
    fn an_image_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let model: Vec<u8> = (0..100_003u32).map(|i| (i * 7 % 251) as u8).collect();
        let model_path = file("model.gguf", &model);
        file("BOOTX64.EFI", b"loader");
        let boot = BootFiles {
            limine: folder.path().to_owned(),
            kernel: file("kernel", b"kernel"),
            command_line: "port=1".into(),
        };
        let out = folder.path().join("disk.img");
        let firmware = vec![0x5a; 1000];
        let content = Content {
            model: Some(&model_path),
            firmware: Some(&firmware),
            boot: Some(&boot),
        };
        write(&out, content).unwrap();

        let disk = gpt::GptConfig::new().writable(false).open(&out).unwrap();
        let parts: Vec<_> = disk.partitions().values().cloned().collect();
        let mut image = File::options().read(true).write(true).open(&out).unwrap();
        let own = [
            (FIRMWARE_NAME, FIRMWARE_TYPE, firmware),
            (MODEL_NAME, MODEL_TYPE, model),
        ];
        assert_eq!(parts.len(), 1 + own.len());
        for (part, (name, kind, content)) in parts[1..].iter().zip(own) {
            let guid = part.part_type_guid.guid.to_string().to_uppercase();
            assert_eq!((part.name.as_str(), guid.as_str()), (name, kind));
            let mut found = vec![0; content.len()];
            image
                .seek(SeekFrom::Start(part.first_lba * SECTOR))
                .unwrap();
            image.read_exact(&mut found).unwrap();
            assert!(found == content, "{name}");
        }

        let window = Window {
            file: &mut image,
            start: parts[0].first_lba * SECTOR,
            length: ESP_BYTES,
            position: 0,
        };
        let system = FileSystem::new(window, FsOptions::new()).unwrap();
        let mut text = String::new();
        system
            .root_dir()
            .open_file("EFI/BOOT/limine.conf")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(text.contains("cmdline: port=1"), "{text}");
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("disk.img");
        let missing = folder.path().join("missing.gguf");
        let content = Content {
            model: Some(&missing),
            ..Content::default()
        };
        let error = write(&out, content).unwrap_err().to_string();
        assert!(error.contains("missing.gguf"), "{error}");
        assert!(write(&out, Content::default()).is_err());
    }
}
