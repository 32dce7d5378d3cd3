//! Prints the census of the repository as JSON.

fn main() -> anyhow::Result<()> {
    println!(
        "{}",
        serde_json::to_string_pretty(&tests::census::report()?)?
    );
    Ok(())
}
