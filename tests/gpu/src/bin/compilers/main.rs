//! Compares our compiler's code with that of LLVM 19 and Mesa's ACO for the same kernels.

mod aco;
mod mesa;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["aco", entry_point, file] => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
            let words = bytes.chunks_exact(4);
            let words: Vec<u32> = words
                .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                .collect();
            println!("{}", aco::compile(&words, entry_point)?);
        }
        [file] => {
            let source = std::fs::read_to_string(file)?;
            let module = naga::front::wgsl::parse_str(&source)?;
            let info = naga::valid::Validator::new(
                naga::valid::ValidationFlags::all(),
                naga::valid::Capabilities::all(),
            )
            .validate(&module)?;
            let words = naga::back::spv::write_vec(
                &module,
                &info,
                &naga::back::spv::Options {
                    lang_version: (1, 6),
                    ..Default::default()
                },
                None,
            )?;
            let answer = mesa::compile(&words, "main")?;
            println!(
                "{}\n{}",
                answer["statistics"],
                answer["assembly"].as_str().unwrap_or("")
            );
        }
        _ => anyhow::bail!("usage"),
    }
    Ok(())
}
