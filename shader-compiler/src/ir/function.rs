//! What a kernel is made of: instructions, blocks with their structure, bindings, variables.

use super::{BlockId, Op, Type, Value};

/// An instruction of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// What it defines, if it defines something.
    pub result: Option<Value>,
    /// Byte offset in the WGSL source, for messages; `u32::MAX` where unknown.
    pub source: u32,
}

/// A jump target with the arguments for its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to.
    pub block: BlockId,
    /// One value per parameter of the block.
    pub arguments: Vec<Value>,
}

/// End of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Terminator {
    /// To one block.
    Jump(Target),
    /// By a Bool; `merge` is where the sides meet (it has no predecessor if both leave early).
    Branch {
        /// Bool.
        condition: Value,
        /// Where if true.
        then: Target,
        /// Where if false.
        otherwise: Target,
        /// Where the sides meet.
        merge: BlockId,
    },
    /// The lane is done.
    Return,
    /// Never reached.
    Unreachable,
}

/// Annotation of a loop's header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Where the loop is left to.
    pub merge: BlockId,
    /// The block with the back edge (`continuing`); it ends in a jump to the header, or in a branch to header and merge.
    pub latch: BlockId,
}

/// A basic block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Parameters, given by each predecessor.
    pub parameters: Vec<Value>,
    /// In order.
    pub insts: Vec<Inst>,
    /// How it ends.
    pub terminator: Terminator,
    /// Set if this is a loop's header.
    pub loop_: Option<Loop>,
}

/// A local variable: a scalar or an array of scalars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalVar {
    /// Name in the source.
    pub name: String,
    /// Element type.
    pub ty: Type,
    /// Elements.
    pub len: u32,
}

/// A storage buffer of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name in the source.
    pub name: String,
    /// `@group`.
    pub group: u32,
    /// `@binding`.
    pub binding: u32,
    /// The kernel stores to it.
    pub written: bool,
    /// `arrayLength` is asked of it.
    pub size_used: bool,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Entry point.
    pub name: String,
    /// Invocations per workgroup.
    pub workgroup_size: [u32; 3],
    /// Storage buffers, ordered by group and binding. Read-only buffers are not written by anybody during the dispatch.
    pub bindings: Vec<Binding>,
    /// Bytes of immediates (`var<immediate>`).
    pub immediate_bytes: u32,
    /// Bytes of workgroup memory.
    pub shared_bytes: u32,
    /// Type of each value; `Value(n)` is entry n.
    pub values: Vec<Type>,
    /// Variables that are not yet values.
    pub locals: Vec<LocalVar>,
    /// Blocks; the first is the entry. The order is topological but for back edges.
    pub blocks: Vec<Block>,
}
