//! Code objects: what a compiled kernel is to those who launch, execute or review it.

/// Bytes of a buffer descriptor.
pub(crate) const DESCRIPTOR_BYTES: u32 = 16;

/// Where the arguments of a kernel stand in its argument segment, which `s[0:1]` points to at entry.
///
/// Layout: one descriptor of 16 bytes per binding (in order of group and binding); the immediates; at the next multiple of 4 the
/// number of workgroups (3 u32) if used. The size of a buffer, for `arrayLength`, is word 2 of its descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The descriptor of entry n is at byte `16 * n`.
    pub bindings: Vec<Binding>,
    /// Offset and bytes of the immediates.
    pub immediates: (u32, u32),
    /// Offset of the number of workgroups, if the kernel reads it.
    pub workgroups: Option<u32>,
    /// Bytes in all.
    pub bytes: u32,
}

/// A storage buffer argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name in the WGSL source.
    pub name: String,
    /// `@group`.
    pub group: u32,
    /// `@binding`.
    pub binding: u32,
    /// The kernel stores to it.
    pub written: bool,
}

/// A compiled kernel.
///
/// State at entry: `s[0:1]` = address of the arguments; [`Self::user_sgprs`] user SGPRs are set up, and the workgroup ids
/// that [`Self::workgroup_ids`] names follow them, so that the sum is 16 (LLVM raises USER_SGPR to that for an erratum);
/// `v0` = packed local ids (x bits 9:0, y 19:10, z 29:20); MODE: round to nearest even, denormals kept, dx10_clamp, ieee 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeObject {
    /// Entry point.
    pub name: String,
    /// Machine code, entry at its first byte, padded for the instruction prefetch.
    pub code: Vec<u8>,
    /// Bytes of `code` before the padding.
    pub code_bytes: u32,
    /// VGPRs used.
    pub vgprs: u32,
    /// SGPRs used, VCC not counted.
    pub sgprs: u32,
    /// User SGPRs that precede the workgroup ids.
    pub user_sgprs: u32,
    /// Workgroup ids x, y, z wanted in SGPRs after the user SGPRs.
    pub workgroup_ids: [bool; 3],
    /// Components of the local id wanted in v0: 0 x, 1 x and y, 2 all (TIDIG_COMP_CNT).
    pub local_id_components: u32,
    /// Bytes of workgroup memory.
    pub lds_bytes: u32,
    /// Invocations per workgroup.
    pub workgroup_size: [u32; 3],
    /// Argument segment.
    pub arguments: Arguments,
    /// Counted on the code.
    pub statistics: Statistics,
    /// Byte offset in the code, and byte offset in the WGSL source (`u32::MAX` where unknown), of each instruction.
    pub sources: Vec<(u32, u32)>,
}

/// Static counts of a kernel.
///
/// The inner loop is the deepest one by the number of loops around it; of several, the one with the most instructions. Its
/// counts are those of one pass through all of its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instructions in all, without the padding.
    pub instructions: u32,
    /// By class, a VOPD counted once, in the order of the class; classes that do not occur are left out.
    pub by_class: Vec<(gfx1100_isa::Class, u32)>,
    /// VOPD instructions.
    pub dual: u32,
    /// Instructions of the inner loop, 0 without a loop.
    pub inner_loop: u32,
    /// The same by class.
    pub inner_loop_by_class: Vec<(gfx1100_isa::Class, u32)>,
    /// WMMA instructions in it.
    pub inner_loop_wmma: u32,
    /// Bytes per lane that its vector loads read from buffers.
    pub inner_loop_bytes_loaded: u32,
    /// Bytes per lane loaded from and stored to buffers by the vector instructions as written, each counted once.
    pub bytes_loaded: u32,
    /// The same for stores.
    pub bytes_stored: u32,
    /// Waves per SIMD that registers and LDS allow, at most 16.
    pub waves_per_simd: u32,
}
