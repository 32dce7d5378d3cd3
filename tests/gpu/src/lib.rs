//! What says that the GPU's kernels and their compiler are right.
//!
//! `shader_cases` has random inputs for every kernel, and for each what the scalar definition in `cpu_fallback::reference`
//! gives, with a bound on the difference; [`cases`] runs them behind its seam, `Device`: as WGSL through [`vulkan`], or as our
//! machine code in the interpreter, [`machine`].

pub mod campaign;
pub mod cases;
pub mod deadline;
pub mod llvm;
pub mod machine;
pub mod random_programs;
pub mod vulkan;
