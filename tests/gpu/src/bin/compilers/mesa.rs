//! Mesa 25 as Debian's backports ship it, unpacked beside the project and not installed; and how to run RADV from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use qemu::debian::{self, Source};
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
        let source = Source {
            suite: Some(SUITE),
            component: "main",
        };
        debian::unpack(folder, source, PACKAGES)
    })
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
