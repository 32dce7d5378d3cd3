//! The data types of the machine form.

use gfx1100_isa as isa;

/// A virtual register: index into [`Function::registers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub u32);

/// A block: index into [`Function::blocks`], which is also the order of emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// Register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    /// SGPRs; a lane mask is one of them, and `vcc_lo` is preferred for it.
    Scalar,
    /// VGPRs.
    Vector,
}

/// What a virtual register is.
///
/// A vector register normally shares its place with values that are dead on the paths of the lanes which are on where it
/// is written. One that is written while lanes are on that do not belong to the block (`EXEC` set to all ones for a
/// reduction), or read from such lanes, must say so in `whole_wave`: it then stays clear of all values of parked lanes.
/// WMMA and `v_writelane` destinations need no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterData {
    /// Where it lives.
    pub file: File,
    /// Dwords. Scalar tuples are aligned: 2 to 2, 4 and more to 4.
    pub dwords: u8,
    /// It holds a lane mask: `vcc_lo` makes its instructions shorter.
    pub mask: bool,
    /// Vector register that is written or read in lanes outside of the block's own.
    pub whole_wave: bool,
}

/// Operand of a machine instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operand {
    /// Unused.
    #[default]
    None,
    /// Dwords `first..` of a virtual register, as many as the slot is wide.
    Virtual(Register, u8),
    /// A register of the machine or a constant.
    Fixed(isa::Operand),
}

/// What an instruction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An instruction of the table.
    Isa(isa::Op),
    /// Parallel copy of dwords: all sources are read before any destination is written. Vector or scalar by destination;
    /// a scalar source of a vector destination is allowed.
    Copies(Vec<(Operand, Operand)>),
    /// Gives `dst[0]` (all its dwords) an arbitrary value: nothing is emitted.
    Undefined,
}

/// Which memory an instruction touches, for dependence and for clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Workgroup memory.
    Shared,
    /// Storage buffer by binding index.
    Buffer(u32),
    /// Kernel arguments and buffers that nobody writes: never ordered with anything.
    ReadOnly,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inst {
    /// What it is.
    pub kind: Kind,
    /// As in [`isa::Inst`].
    pub dst: [Operand; 2],
    /// As in [`isa::Inst`].
    pub src: [Operand; 4],
    /// As in [`isa::Inst`].
    pub imm: i32,
    /// As in [`isa::Inst`].
    pub mods: isa::Mods,
    /// Halves of a VOPD.
    pub dual: Option<isa::Dual>,
    /// Memory touched.
    pub memory: Option<Memory>,
    /// Target of a branch.
    pub target: Option<BlockId>,
    /// Byte offset in the WGSL source, for messages.
    pub source: u32,
}

impl Inst {
    /// An instruction without operands.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            dst: [Operand::None; 2],
            src: [Operand::None; 4],
            imm: 0,
            mods: isa::Mods::default(),
            dual: None,
            memory: None,
            target: None,
            source: u32::MAX,
        }
    }
}

/// A block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// In order.
    pub insts: Vec<Inst>,
    /// Where a lane goes from here.
    pub logical: Vec<BlockId>,
    /// Where the program counter goes from here.
    pub linear: Vec<BlockId>,
    /// Loops around it.
    pub depth: u32,
    /// First block of a loop: aligned to a cache line.
    pub loop_header: bool,
}

/// A kernel in machine form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Entry point.
    pub name: String,
    /// Virtual registers.
    pub registers: Vec<RegisterData>,
    /// Registers that hold a value at entry: virtual one, machine register it arrives in (kernel arguments `s0`, `s1`,
    /// workgroup ids, packed local id `v0`).
    pub live_in: Vec<(Register, isa::Operand)>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Bytes of workgroup memory.
    pub shared_bytes: u32,
    /// Invocations per workgroup.
    pub workgroup_size: [u32; 3],
    /// VGPRs used: one more than the highest; set by allocation.
    pub vgprs: u32,
    /// SGPRs used, VCC not counted; set by allocation.
    pub sgprs: u32,
}
