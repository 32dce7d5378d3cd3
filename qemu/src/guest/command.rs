//! The command that starts QEMU: the machine, the kernel's door, the disk, the network.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Configuration, DiskContent};
use crate::image::{self, BootFiles, Content};
use crate::options::{Accelerator, Disk, Nic};
use crate::setup;

/// Port inside the guest that the API listens on unless `port=` says otherwise.
const GUEST_PORT: u16 = 8000;

/// The machine that every guest gets: no device but those that are named here and below.
const MACHINE: &[&str] = &[
    "-nodefaults",
    "-no-user-config",
    "-machine=q35",
    "-cpu=max",
    "-display=none",
    "-serial=stdio",
    "-no-reboot",
    "-device=isa-debug-exit,iobase=0xf4,iosize=0x04",
];

/// The whole command that starts QEMU.
pub(super) fn guest_command(
    configuration: &Configuration,
    elf: PathBuf,
    folder: &Path,
    port: u16,
) -> Result<Command> {
    let options = &configuration.options;
    let mut command = dying_with_us(setup::qemu()?);
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // QEMU takes an option and its value as two arguments.
    command.args(MACHINE.iter().flat_map(|option| option.splitn(2, '=')));
    command.args(["-accel", accelerator(options.accelerator)?]);
    command.args(["-m", &format!("{}M", options.memory_mib)]);
    command.args(["-smp", &options.smp.to_string()]);
    attach_kernel_and_disks(&mut command, configuration, elf, folder)?;
    if configuration.network {
        let device = match options.nic {
            Nic::Virtio => "virtio-net-pci,disable-legacy=on",
            Nic::E1000e => "e1000e",
        };
        let guest_port = guest_port(&options.command_line);
        let forward = format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{guest_port}");
        command.args(["-netdev", &forward]);
        command.args(["-device", &format!("{device},romfile=,netdev=net")]);
    }
    command.args(&configuration.extra);
    Ok(command)
}

/// A command for `program` that the system ends when our process ends in any way; setpriv is util-linux's.
fn dying_with_us(program: PathBuf) -> Command {
    let Some(setpriv) = setup::in_path("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Either door: the kernel given to QEMU, or on a disk with its boot loader; and the model's disk.
fn attach_kernel_and_disks(
    command: &mut Command,
    configuration: &Configuration,
    elf: PathBuf,
    folder: &Path,
) -> Result<()> {
    let options = &configuration.options;
    let boot = if options.uefi {
        command.arg("-bios").arg(setup::ovmf()?);
        Some(limine_files(elf, &options.command_line)?)
    } else {
        command.arg("-kernel").arg(elf);
        command.args(["-append", &options.command_line]);
        None
    };
    let model = match &configuration.disk {
        DiskContent::Model(path) => Some(path.as_path()),
        DiskContent::Raw(path) => {
            attach_disk(command, "raw", path, options.disk);
            None
        }
        DiskContent::Absent => None,
    };
    let firmware = configuration.firmware.as_deref();
    if model.is_some() || boot.is_some() || firmware.is_some() {
        let disk = folder.join("disk.img");
        let content = Content {
            model,
            firmware,
            boot: boot.as_ref(),
        };
        image::write(&disk, content)?;
        attach_disk(command, "boot", &disk, options.disk);
    }
    Ok(())
}

fn attach_disk(command: &mut Command, id: &str, path: &Path, controller: Disk) {
    let device = match controller {
        Disk::Virtio => format!("virtio-blk-pci,disable-legacy=on,drive={id}"),
        Disk::Nvme => format!("nvme,serial={id},drive={id}"),
    };
    // A comma in a path is doubled for QEMU's option parser.
    let file = path.display().to_string().replace(',', ",,");
    let drive = format!("file={file},format=raw,if=none,id={id},snapshot=on,file.locking=off");
    command.args(["-drive", &drive, "-device", &device]);
}

fn limine_files(kernel: PathBuf, command_line: &str) -> Result<BootFiles> {
    let limine = std::env::var_os("LIMINE_DIR").map(PathBuf::from).context(
        "--uefi needs Limine: set LIMINE_DIR to a folder with BOOTX64.EFI of Limine 9, for instance a checkout of branch \
         v9.x-binary of github.com/limine-bootloader/limine",
    )?;
    Ok(BootFiles {
        limine,
        kernel,
        command_line: command_line.to_owned(),
    })
}

/// QEMU's name of the accelerator to use. Emulation is the default even where `/dev/kvm` opens: under some hypervisors it
/// opens and then cannot run vector code.
fn accelerator(wanted: Accelerator) -> Result<&'static str> {
    if wanted == Accelerator::Tcg {
        return Ok("tcg");
    }
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    device
        .context("--accel kvm: cannot open /dev/kvm (without the option the guest is emulated)")?;
    Ok("kvm")
}

/// The port that the kernel will listen on, as its command line says.
fn guest_port(command_line: &str) -> u16 {
    let value = command_line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("port="))
        .next_back();
    value
        .and_then(|port| port.parse().ok())
        .unwrap_or(GUEST_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forwarded_port_follows_the_command_line() {
        assert_eq!(guest_port("ctx=3 port=81 log=debug"), 81);
        assert_eq!(guest_port("port=nonsense"), GUEST_PORT);
    }
}
