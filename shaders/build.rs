//! Compiles every kernel of the table, if the feature `compiled` asks for it.

#[cfg(feature = "compiled")]
#[path = "build/compile.rs"]
mod compile;

#[cfg(feature = "compiled")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    compile::all()
}

#[cfg(not(feature = "compiled"))]
fn main() {}
