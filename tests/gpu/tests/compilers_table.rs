//! README's table of our code beside other compilers' is what the build gives: our numbers of every kernel, and LLVM's and
//! ACO's of three.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

#[test]
fn readme_has_the_table_of_this_build() -> Result<()> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let status = Command::new(env!("CARGO_BIN_EXE_compilers"))
        .arg("--check")
        .arg(readme)
        .args(["rms_norm_f32", "matvec_q8_0_1", "matmul_q8_0_32"])
        .status()?;
    ensure!(status.success(), "cargo compilers --write README.md");
    Ok(())
}
