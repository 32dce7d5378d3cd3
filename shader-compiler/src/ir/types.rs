//! The data types of the SSA form. Plain data, printable; the passes stand in `opt`, selection in `select`.

/// An SSA value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// A variable of the function that has not (yet) become values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(pub u32);

/// Role of a cooperative matrix tile; all are 16 by 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Left factor: rows of the product.
    A,
    /// Right factor: columns of the product.
    B,
    /// Accumulator.
    C,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// One bit per lane.
    Bool,
    /// 32-bit integer, either sign.
    I32,
    /// 64-bit integer, either sign.
    I64,
    /// 16-bit integer, either sign, in the low half of a register.
    I16,
    /// binary32.
    F32,
    /// binary16, in the low half of a register.
    F16,
    /// Two binary16 in one register, element 0 in the low half.
    F16x2,
    /// 2, 3 or 4 consecutive dwords as a load delivers or a store takes them.
    Words(u8),
    /// 16x16 tile of f16 (A, B) or f32 (C), or f16 C.
    Tile(Role, Elem),
}

/// Element of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem {
    /// binary16.
    F16,
    /// binary32.
    F32,
}

/// Operations on two values of the same type, which is also the result's. Integer ones take I32, I64 or I16, logic also
/// Bool; float ones F32, F16 or F16x2. Shift counts are I32 and are taken modulo the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Binary {
    IAdd,
    ISub,
    IMul,
    /// High 32 bits of the 64-bit product.
    UMulHi,
    SMulHi,
    /// Division by zero gives the dividend, remainder 0 (WGSL 8.7).
    UDiv,
    URem,
    SDiv,
    SRem,
    UMin,
    UMax,
    SMin,
    SMax,
    And,
    Or,
    Xor,
    Shl,
    ShrU,
    ShrS,
    FAdd,
    FSub,
    FMul,
    FDiv,
    FRem,
    FMin,
    FMax,
}

/// Operations on one value. Float ones take F32, F16 or F16x2 where the machine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unary {
    INeg,
    Not,
    FNeg,
    FAbs,
    SAbs,
    Sqrt,
    /// 1 / sqrt(x).
    Rsqrt,
    Rcp,
    Exp2,
    Log2,
    /// Argument in radians.
    Sin,
    Cos,
    Floor,
    Ceil,
    Trunc,
    /// Nearest, ties to even.
    Round,
    Fract,
    PopCount,
    ReverseBits,
    /// Leading zeros; 32 for 0.
    Clz,
    /// Trailing zeros; 32 for 0.
    Ctz,
    /// To F32 from a signed or an unsigned I32.
    F32FromS,
    F32FromU,
    /// Truncating and saturating, NaN to 0.
    SFromF32,
    UFromF32,
    F32FromF16,
    F16FromF32,
    F16FromS,
    F16FromU,
    SFromF16,
    UFromF16,
    /// Between I32 and I64 / I16.
    ZeroExtend,
    SignExtend,
    Truncate,
    /// Byte k of an I32, zero extended, to F32.
    F32FromByte(u8),
    /// Element k of an F16x2 as F16.
    Half(u8),
    /// The same bits as another type of the same width (I32, F32, F16x2; I16, F16; I64, Words(2)).
    Bitcast,
}

/// Operations on three values of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Ternary {
    /// a * b + c, rounded once.
    Fma,
    /// Bits [b, b+c) of a, zero extended; b and c are I32, and b + c is at most 32.
    ExtractU,
    /// The same, sign extended.
    ExtractS,
    /// (a & b) | (!a & c).
    BitInsert,
    /// Dot product of four signed (unsigned) bytes of a and b, plus c.
    Dot4S,
    Dot4U,
    /// a.0 * b.0 + a.1 * b.1 + c: F16x2, F16x2, F32 to F32.
    Dot2F16,
}

/// Comparison predicates. Float: ordered, but `FNe` is true for NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Pred {
    Eq,
    Ne,
    ULt,
    ULe,
    SLt,
    SLe,
    FEq,
    FNe,
    FLt,
    FLe,
    /// True where either is NaN.
    FUnordered,
}

/// What the hardware hands to a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "WGSL's names; the number is the component")]
pub enum Builtin {
    LocalInvocationId(u8),
    WorkgroupId(u8),
    /// From the kernel arguments.
    NumWorkgroups(u8),
    /// Lane, 0 to 31.
    SubgroupInvocationId,
    /// Wave within the workgroup.
    SubgroupId,
}

/// Memory that an access goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Storage buffer: index into [`Function::bindings`].
    Buffer(u32),
    /// Workgroup memory (LDS).
    Shared,
    /// The kernel-argument segment: immediates live there. Uniform and read only.
    Arguments,
}

/// A place in memory: `constant` bytes behind the byte that `offset` (I32) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Address {
    pub space: Space,
    pub offset: Value,
    pub constant: u32,
}

/// Shape of what is loaded or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// 1 to 4 dwords: I32, F32 or F16x2 for 1 (the value's type says which), else `Words(n)`.
    Words(u8),
    /// 16 bits: F16 or I16.
    Half,
}

/// Combining operation of subgroup reductions and scans, and of atomics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Combine {
    IAdd,
    IMul,
    UMin,
    UMax,
    SMin,
    SMax,
    And,
    Or,
    Xor,
    FAdd,
    FMul,
    FMin,
    FMax,
    /// Atomics only.
    Exchange,
}

/// How lanes find their partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Shuffle {
    /// Lane given by the second operand.
    Index,
    Xor,
    Up,
    Down,
    /// Lane k of each 4.
    QuadBroadcast,
    QuadSwapX,
    QuadSwapY,
    QuadSwapDiagonal,
}

/// Which part of a scan a lane receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scan {
    Reduce,
    Inclusive,
    Exclusive,
}

/// What defines a value, or has an effect. Values in here are uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Bits of a constant of the result type (low bits count; an F16x2 has both halves). Bool: 0 or 1.
    Const(u64),
    /// Poison: any value.
    Undef,
    /// A lane or group index.
    Builtin(Builtin),
    /// Size in bytes of a buffer (for `arrayLength`).
    BufferSize(u32),
    /// See [`Unary`].
    Unary(Unary, Value),
    /// See [`Binary`].
    Binary(Binary, [Value; 2]),
    /// See [`Ternary`].
    Ternary(Ternary, [Value; 3]),
    /// Bool result.
    Compare(Pred, [Value; 2]),
    /// Bool, if true, if false.
    Select([Value; 3]),
    /// Two F16 to an F16x2.
    Pack([Value; 2]),
    /// Two F32 to an F16x2, rounding to nearest.
    PackFromF32([Value; 2]),
    /// Dwords (I32, F32, F16x2) to `Words(n)`.
    Join(Vec<Value>),
    /// Dword k of a `Words(n)`; or of an I64 (k = 0 or 1).
    Word(Value, u8),
    /// Load at `offset` bytes + `constant`.
    Load {
        /// Where.
        space: Space,
        /// Byte offset, I32.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// How much.
        access: Access,
        /// No two loads of this may be merged or moved over stores, barriers and atomics of the same space.
        volatile: bool,
    },
    /// Store `value`. No result.
    Store {
        /// Where.
        space: Space,
        /// Byte offset, I32.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// How much.
        access: Access,
        /// What.
        value: Value,
    },
    /// Atomic on one dword; the result is the value before.
    Atomic {
        /// Where.
        space: Space,
        /// Byte offset, I32.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// What is done.
        combine: Combine,
        /// Operand.
        value: Value,
    },
    /// Compare and exchange on one dword; the result is the value before.
    AtomicCompare {
        /// Where.
        space: Space,
        /// Byte offset, I32.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// Written if equal.
        new: Value,
        /// Compared with memory.
        expected: Value,
    },
    /// Read of a local variable, `index` elements in (0 for a scalar).
    LocalLoad(Local, Value),
    /// Write of a local variable: variable, index, value. No result.
    LocalStore(Local, Value, Value),
    /// Workgroup barrier that orders the named memories. No result.
    Barrier {
        /// Orders LDS.
        shared: bool,
        /// Orders buffers.
        buffers: bool,
        /// Waits for the workgroup (else for the wave only).
        workgroup: bool,
    },
    /// Reduction or scan over the active lanes.
    Subgroup(Combine, Scan, Value),
    /// Value of another lane; second operand is lane, mask or distance (I32; a constant for the quad forms).
    Shuffle(Shuffle, Value, Value),
    /// Value of the first active lane.
    BroadcastFirst(Value),
    /// Mask of active lanes where true, as I32 (words 1 to 3 of WGSL's vector are 0).
    Ballot(Value),
    /// True if true in any (all) active lane(s).
    Any(Value),
    /// See `Any`.
    All(Value),
    /// Tile with every element this F32 or F16 value.
    TileSplat(Value),
    /// Load of a tile: element (r, c) from `offset + constant + (r * stride + c) * size`, or with r and c exchanged.
    TileLoad {
        /// Where.
        space: Space,
        /// Byte offset, I32, uniform.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// Elements between rows (or columns), I32, uniform.
        stride: Value,
        /// True: rows are contiguous (`coopLoadT`); false: columns are.
        row_major: bool,
    },
    /// Store of a tile. No result.
    TileStore {
        /// Where.
        space: Space,
        /// Byte offset, I32, uniform.
        offset: Value,
        /// Added to it.
        constant: u32,
        /// Elements between rows (or columns), I32, uniform.
        stride: Value,
        /// True: rows are contiguous.
        row_major: bool,
        /// What.
        value: Value,
    },
    /// A * B + C.
    TileMulAdd([Value; 3]),
    /// Element-wise on two tiles of one type.
    TileBinary(Binary, [Value; 2]),
    /// Tile times scalar.
    TileScale(Value, Value),
}
