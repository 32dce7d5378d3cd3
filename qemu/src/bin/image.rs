//! `cargo image`: writes a bootable disk image.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lexopt::{Arg, ValueExt};
use qemu::image::{self, BootFiles, Content};
use qemu::{firmware, kernel};

const HELP: &str = "\
Write a disk image that boots Infernel on a UEFI machine.

usage: cargo image -- --out F [--model F.gguf] [--gpu] [--firmware DIR] [--limine DIR] [--cmdline TEXT]

  --out F          the image; write it to a disk with dd, or give it to a virtual machine
  --model F.gguf   model to put on it (default: tests/data/demo.gguf)
  --gpu            put AMD's firmware on it, from /lib/firmware/amdgpu, else from Debian's package
  --firmware DIR   the same from a folder; files may end in .xz or .zst
  --limine DIR     folder with BOOTX64.EFI of Limine 9 (default: LIMINE_DIR)
  --cmdline TEXT   kernel command line, e.g. \"ip=192.168.1.9/24,192.168.1.1 port=80\"

example:
  cargo image -- --out infernel.img --model llama.gguf --limine limine/
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (mut out, mut command_line) = (None, String::new());
    let mut model = kernel::repository().join("tests/data/demo.gguf");
    let (mut gpu, mut folder) = (false, None);
    let mut limine = std::env::var_os("LIMINE_DIR").map(PathBuf::from);
    let mut arguments = std::env::args_os().skip(1).peekable();
    arguments.next_if(|first| first == "--");
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            Arg::Long("out") => out = Some(PathBuf::from(parser.value()?)),
            Arg::Long("model") => model = parser.value()?.into(),
            Arg::Long("limine") => limine = Some(parser.value()?.into()),
            Arg::Long("cmdline") => command_line = parser.value()?.string()?,
            Arg::Long("gpu") => gpu = true,
            Arg::Long("firmware") => folder = Some(PathBuf::from(parser.value()?)),
            other => return Err(other.unexpected()).context("see: cargo image -- --help"),
        }
    }
    let out = out.context("--out is missing; see: cargo image -- --help")?;
    let limine = limine.context(
        "no boot loader: give --limine DIR or set LIMINE_DIR (see: cargo image -- --help)",
    )?;
    eprintln!("building the kernel");
    let boot = BootFiles {
        limine,
        kernel: kernel::build()?,
        command_line,
    };
    let wanted = gpu || folder.is_some();
    let firmware = wanted.then(|| firmware::archive(folder.as_deref()));
    let firmware = firmware.transpose()?;
    let content = Content {
        model: Some(&model),
        firmware: firmware.as_deref(),
        boot: Some(&boot),
    };
    image::write(&out, content)?;
    eprintln!(
        "wrote {} ({} MiB)",
        out.display(),
        std::fs::metadata(&out)?.len() >> 20
    );
    Ok(())
}
