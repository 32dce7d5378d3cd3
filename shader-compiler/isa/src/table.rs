//! The instruction table: a row per opcode, a line per row.
//!
//! A line reads `NAME = Format opcode [destinations] [sources] flags;`.
//!
//! - An operand is its type, `F32`; what the field may hold follows from the format (see [`default_field`]), or is said:
//!   `(B32 Sdst)`. `_` is a place of [`crate::Inst::src`] that the row leaves unused.
//! - The flags are the methods of [`Build`], which say what they mean. Class [`Class::Valu`], or what else the format is for,
//!   stands where no flag says more.
//!
//! Each file of this folder is a macro that appends its lines; the last one in the list, `define`, makes the enum
//! [`Op`] and the rows of the same lines, so that no second list can disagree.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::row::{Accepts, Class, Effects, Field, Format, Row, Slot, Ty};

#[macro_use]
mod ds;
#[macro_use]
mod salu;
#[macro_use]
mod vmem;
#[macro_use]
mod vop1;
#[macro_use]
mod vop2;
#[macro_use]
mod vop3;
#[macro_use]
mod vop3p;
#[macro_use]
mod vopc;

/// A row under construction: what each flag of a line does.
struct Build(Row);

/// Flags that set one effect.
macro_rules! effects {
    ($($(#[$doc:meta])* $flag:ident: $($field:ident)*;)*) => {
        impl Build {
            $($(#[$doc])* const fn $flag(mut self) -> Self { $(self.0.effects.$field = true;)* self })*
        }
    };
}

effects! {
    /// Reads SCC.
    rscc: reads_scc;
    /// Writes SCC.
    wscc: writes_scc;
    /// Reads VCC without a slot for it.
    rvcc: reads_vcc;
    /// Reads EXEC as data.
    rexec: reads_exec;
    /// Writes EXEC without a slot for it.
    wexec: writes_exec;
    /// Reads M0.
    rm0: reads_m0;
    /// Reads its destination before it writes it.
    rdst: reads_dst;
    /// Writes its source 0 too.
    wsrc0: writes_src0;
    /// Runs whatever EXEC says.
    anyexec: ignores_exec;
    /// Sources 0 and 1 may be exchanged.
    commutes: commutes;
    /// `v_cmpx`: the mask is EXEC.
    cmpx: reads_exec writes_exec;
}

/// Flags that set the class.
macro_rules! classes {
    ($($flag:ident: $class:ident;)*) => {
        impl Build {
            $(const fn $flag(mut self) -> Self { self.0.class = Class::$class; self })*
        }
    };
}

classes! {
    trans: Trans;
    slow: ValuSlow;
    dot: Dot;
    cross: LdsCross;
    control: Control;
    branch: Branch;
    barrier: Barrier;
    end: End;
}

impl Build {
    /// A load, from the local data share if the format is DS.
    const fn load(self) -> Self {
        self.memory(Class::LdsLoad, Class::VmemLoad)
    }

    /// A store.
    const fn store(self) -> Self {
        self.memory(Class::LdsStore, Class::VmemStore)
    }

    /// An atomic operation.
    const fn atomic(self) -> Self {
        self.memory(Class::LdsAtomic, Class::VmemAtomic)
    }

    const fn memory(mut self, lds: Class, other: Class) -> Self {
        self.0.class = if matches!(self.0.format, Format::Ds) {
            lds
        } else {
            other
        };
        self
    }

    /// Bytes per lane that go to or come from memory (SMEM: in all).
    const fn moves(mut self, bytes: u8) -> Self {
        self.0.bytes = bytes;
        self
    }

    /// A matrix product of a wave: obeys no EXEC.
    const fn wmma(mut self) -> Self {
        self.0.class = Class::Wmma;
        self.anyexec()
    }

    /// Has no VOP3 form.
    const fn e32(mut self) -> Self {
        self.0.vop3 = false;
        self
    }

    /// In both tables of VOPD, under this opcode.
    const fn dual(mut self, opcode: u8) -> Self {
        self.0.effects.dual_x = true;
        self.dual_y(opcode)
    }

    /// In the Y table of VOPD only.
    const fn dual_y(mut self, opcode: u8) -> Self {
        self.0.effects.dual_y = true;
        self.0.dual = opcode;
        self
    }

    /// Saturates an integer.
    const fn clamp(mut self) -> Self {
        self.0.accepts.clamp = true;
        self
    }

    /// Has no clamp, although a float is among its operands.
    const fn no_clamp(mut self) -> Self {
        self.0.accepts.clamp = false;
        self.no_omod()
    }

    /// Has no output modifier, although its result is a float.
    const fn no_omod(mut self) -> Self {
        self.0.accepts.omod = false;
        self
    }

    /// Takes source 0 from another lane.
    const fn dpp(mut self) -> Self {
        self.0.accepts.dpp = true;
        self
    }

    /// Has no DPP form.
    const fn no_dpp(mut self) -> Self {
        self.0.accepts.dpp = false;
        self
    }

    /// Which sources may be negated, and taken as absolute value (VOP3P: `neg_lo`, `neg_hi`).
    const fn signs(mut self, neg: u8, abs: u8) -> Self {
        self.0.accepts.neg = neg;
        self.0.accepts.abs = abs;
        self
    }

    /// Which bits of `op_sel` there are.
    const fn op_sel(mut self, bits: u8) -> Self {
        self.0.accepts.op_sel = bits;
        self
    }
}

/// The class of a row whose line has no flag of a class.
const fn default_class(format: Format) -> Class {
    match format {
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk => Class::Salu,
        Format::Sopp => Class::Control,
        Format::Smem => Class::Smem,
        _ => Class::Valu,
    }
}

/// What the field of an operand holds if its line does not say.
const fn default_field(format: Format, destination: bool, index: usize, ty: Ty) -> Field {
    match format {
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk | Format::Sopp => {
            if destination {
                Field::Sdst
            } else {
                Field::Ssrc
            }
        }
        Format::Smem if destination => Field::Sdst,
        Format::Smem if index == 0 => Field::Sreg,
        Format::Smem => Field::Sreg,
        Format::Vop1 | Format::Vop2 | Format::Vopc | Format::Vop3 | Format::Vop3sd => {
            let vgpr = destination || index == 1 && matches!(format, Format::Vop2 | Format::Vopc);
            match ty {
                Ty::Mask => Field::Mask,
                _ if vgpr => Field::Vgpr,
                _ => Field::Src,
            }
        }
        Format::Vop3p | Format::Vopd if destination => Field::Vgpr,
        Format::Vop3p | Format::Vopd => Field::Src,
        Format::Flat | Format::Global | Format::Scratch if index == 2 => Field::Sreg,
        Format::Mubuf if index == 2 => Field::Sreg,
        Format::Mubuf if index == 3 => Field::Sinline,
        _ => Field::Vgpr,
    }
}

/// The modifiers that follow from format and operand types; flags say where a row differs.
const fn default_accepts(format: Format, dst: &[Slot], src: &[Slot]) -> Accepts {
    let packed = matches!(format, Format::Vop3p);
    let mut accepts = Accepts {
        clamp: packed,
        ..Accepts::NONE
    };
    let vop12c = matches!(format, Format::Vop1 | Format::Vop2 | Format::Vopc);
    if !vop12c && !packed && !matches!(format, Format::Vop3 | Format::Vop3sd) {
        return accepts;
    }
    accepts.dpp = !packed;
    let (mut index, mut float) = (0, false);
    while index < src.len() {
        let ty = src[index].ty;
        if packed {
            if ty.halves() {
                accepts.op_sel |= 1 << index;
            }
        } else {
            if ty.is_float() {
                accepts.neg |= 1 << index;
                // VOP3SD has its scalar destination where VOP3 has these bits.
                if !matches!(format, Format::Vop3sd) {
                    accepts.abs |= 1 << index;
                }
            }
            if ty.is_16() {
                accepts.op_sel |= 1 << index;
            }
            accepts.dpp &= ty.dwords() == 1;
        }
        index += 1;
    }
    if !src.is_empty() {
        float = src[0].ty.is_float();
    }
    if !dst.is_empty() && !packed {
        let ty = dst[0].ty;
        accepts.clamp = float || ty.is_float();
        accepts.omod = ty.is_float() || float && matches!(format, Format::Vop1);
        if ty.is_16() {
            accepts.op_sel |= 1 << 3;
        }
        accepts.dpp &= ty.dwords() == 1;
    }
    accepts
}

/// One operand of a line.
struct Place(Option<Field>, Option<Ty>);

const fn slots<const N: usize>(format: Format, destination: bool, places: [Place; N]) -> [Slot; N] {
    let mut slots = [Slot::UNUSED; N];
    let mut index = 0;
    while index < N {
        if let Some(ty) = places[index].1 {
            let field = match places[index].0 {
                Some(field) => field,
                None => default_field(format, destination, index, ty),
            };
            slots[index] = Slot { field, ty };
        }
        index += 1;
    }
    slots
}

const fn start(
    name: &'static str,
    format: Format,
    opcode: u16,
    dst: &'static [Slot],
    src: &'static [Slot],
) -> Build {
    Build(Row {
        name,
        format,
        opcode,
        dst,
        src,
        class: default_class(format),
        effects: Effects::NONE,
        bytes: 0,
        vop3: matches!(format, Format::Vop1 | Format::Vop2 | Format::Vopc),
        accepts: default_accepts(format, dst, src),
        dual: 0,
    })
}

/// The lower-case letters of an opcode's identifier.
const fn lower<const N: usize>(upper: &str) -> [u8; N] {
    let mut letters = [0; N];
    let mut index = 0;
    while index < N {
        letters[index] = upper.as_bytes()[index].to_ascii_lowercase();
        index += 1;
    }
    letters
}

macro_rules! place {
    (_) => {
        Place(None, None)
    };
    (($ty:ident $field:ident)) => {
        Place(Some(Field::$field), Some(Ty::$ty))
    };
    ($ty:ident) => {
        Place(None, Some(Ty::$ty))
    };
}

macro_rules! define {
    ([] $($op:ident = $format:ident $opcode:literal [$($dst:tt),*] [$($src:tt),*] $($flag:ident $(($($arg:expr),*))?)*;)*) => {
        /// An instruction of the table, by the manual's mnemonic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        #[expect(non_camel_case_types, missing_docs, reason = "the manual's names, for grep")]
        pub enum Op { $($op),* }

        const ROWS: &[Row] = &[$({
            const LETTERS: [u8; stringify!($op).len()] = lower(stringify!($op));
            let Ok(name) = str::from_utf8(&LETTERS) else { panic!() };
            start(
                name,
                Format::$format,
                $opcode,
                const { &slots(Format::$format, true, [$(place!($dst)),*]) },
                const { &slots(Format::$format, false, [$(place!($src)),*]) },
            )$(.$flag($($($arg),*)?))*.0
        }),*];

        impl Op {
            /// Every instruction, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$op),*];
        }
    };
}

salu! { [vop1 vop2 vopc vop3 vop3p ds vmem define] }

impl Op {
    /// What the table says of this instruction.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

/// Instructions by format and opcode; `u16::MAX` where there is none. VOP3SD stands with VOP3, whose opcodes start at
/// 512; no other format reaches 256.
static BY_OPCODE: [[u16; 512]; Format::Mubuf as usize + 1] = {
    let mut found = [[u16::MAX; 512]; Format::Mubuf as usize + 1];
    let mut index = 0;
    while index < ROWS.len() {
        let row = &ROWS[index];
        let (format, opcode) = match row.format {
            Format::Vop3 | Format::Vop3sd => (Format::Vop3, row.opcode - 512),
            format => (format, row.opcode),
        };
        let found = &mut found[format as usize][opcode as usize];
        assert!(*found == u16::MAX, "two rows of one opcode");
        *found = index as u16;
        index += 1;
    }
    found
};

impl Op {
    /// The instruction of an opcode within a native format.
    #[must_use]
    pub fn find(format: Format, opcode: u16) -> Option<Self> {
        let (format, opcode) = match format {
            Format::Vop3 | Format::Vop3sd => (Format::Vop3, opcode.checked_sub(512)?),
            format => (format, opcode),
        };
        let index = *BY_OPCODE[format as usize].get(usize::from(opcode))?;
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The instruction of a mnemonic without encoding suffix.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<HashMap<&str, Op>> =
            LazyLock::new(|| Op::ALL.iter().map(|&op| (op.row().name, op)).collect());
        BY_NAME.get(name).copied()
    }
}
