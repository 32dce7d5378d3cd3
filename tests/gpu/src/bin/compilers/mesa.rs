//! Mesa 25 as Debian's backports ship it, unpacked beside the project and not installed; and how to run RADV from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::oracles;

/// Debian suite that has a RADV with cooperative matrices and VOPD for bookworm.
const SUITE: &str = "bookworm-backports";
const PACKAGES: &[&str] = &["mesa-vulkan-drivers", "libdrm2", "libdrm-amdgpu1"];

/// The folder that Mesa is unpacked in.
pub(crate) fn set_up() -> Result<PathBuf> {
    // Brings the libraries that the unpacked driver needs, and the loader.
    if !Path::new("/usr/share/vulkan/icd.d").is_dir() {
        qemu::setup::install(&["mesa-vulkan-drivers", "libvulkan1"])
            .context("install what RADV needs: apt-get install mesa-vulkan-drivers libvulkan1")?;
    }
    oracles::once("mesa-25", |folder| {
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [signed-by={keys}] {} {SUITE} main\n", mirror()?);
        fs::write(folder.join("sources.list"), source)?;
        fs::create_dir_all(folder.join("lists/partial"))?;
        let options = |command: &mut Command| {
            let place = |name: &str| folder.join(name).display().to_string();
            for option in [
                format!("Dir::Etc::sourcelist={}", place("sources.list")),
                "Dir::Etc::sourceparts=-".into(),
                format!("Dir::State::lists={}", place("lists")),
                "APT::Get::List-Cleanup=0".into(),
                "APT::Sandbox::User=root".into(),
            ] {
                command.arg("-o").arg(option);
            }
            command.current_dir(folder);
        };
        let need = "a Debian bookworm whose mirror has bookworm-backports";
        let mut update = Command::new("apt-get");
        options(&mut update);
        oracles::run(update.arg("update"), need)?;
        let mut download = Command::new("apt-get");
        options(&mut download);
        oracles::run(download.arg("download").args(PACKAGES), need)?;
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                oracles::run(
                    Command::new("dpkg-deb")
                        .arg("-x")
                        .arg(&path)
                        .arg("root")
                        .current_dir(folder),
                    "dpkg",
                )?;
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    })
}

/// The mirror that this machine's packages come from.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Created-By: Packages",
            "Suite: oldstable",
        ])
        .output()
        .context("cannot run apt-get: this oracle needs Debian")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mirror = text.lines().find(|line| !line.contains("security"));
    Ok(mirror
        .context("apt knows no mirror of Debian bookworm")?
        .to_owned())
}

/// RADV's driver file in the unpacked folder, with the library's path made whole.
fn driver(folder: &Path) -> Result<PathBuf> {
    let library = folder.join("root/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so");
    ensure!(
        library.is_file(),
        "{} is not there: remove {} and try again",
        library.display(),
        folder.display()
    );
    let file = folder.join("radeon.json");
    let text = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "api_version": "1.4.305", "library_path": library },
    });
    fs::write(&file, text.to_string())?;
    Ok(file)
}

/// Statistics and assembly that ACO makes of `words`.
pub(crate) fn compile(words: &[u32], entry_point: &str) -> Result<Value> {
    let folder = set_up()?;
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("kernel.spv");
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    fs::write(&file, bytes)?;
    let output = Command::new(std::env::current_exe()?)
        .args(["aco", entry_point])
        .arg(&file)
        .env(
            "LD_LIBRARY_PATH",
            folder.join("root/usr/lib/x86_64-linux-gnu"),
        )
        .env("VK_ICD_FILENAMES", driver(&folder)?)
        .env("VK_LOADER_LAYERS_DISABLE", "*")
        .env("RADV_FORCE_FAMILY", "navi31")
        .env("XDG_RUNTIME_DIR", scratch.path())
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .output()?;
    ensure!(
        output.status.success(),
        "ACO failed on {entry_point} ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("the answer of `compilers aco` is no JSON")
}
