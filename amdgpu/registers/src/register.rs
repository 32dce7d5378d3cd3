//! What a register is, and the macro that writes tables of them.

use core::fmt;

/// Blocks of a card that have registers of their own. The numbers are the hardware ids of the discovery table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Ip {
    /// System management unit (SMU).
    Mp1 = 1,
    /// Clock and fuse access of the SMU.
    Smuio = 4,
    /// Graphics and compute, SDMA included.
    Gc = 11,
    /// Memory hub of everything but graphics.
    Mmhub = 34,
    /// Interrupt handler (IH).
    Osssys = 40,
    /// Host data path.
    Hdp = 41,
    /// Bus interface (NBIO).
    Nbif = 108,
    /// Security processor (PSP).
    Mp0 = 255,
}

/// A register: dword `offset` from base address `segment` of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// Block.
    pub ip: Ip,
    /// Which of the block's base addresses.
    pub segment: u8,
    /// Dwords from there.
    pub offset: u32,
}

impl Register {
    /// The register `count` dwords further, for registers that repeat.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self {
            offset: self.offset + count,
            ..self
        }
    }
}

/// Bits of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    high: u8,
    low: u8,
}

impl Field {
    /// Bits `high` down to `low`.
    #[must_use]
    pub const fn new(high: u8, low: u8) -> Self {
        assert!(low <= high && high < 32);
        Self { high, low }
    }

    /// The bits, in place.
    #[must_use]
    pub const fn mask(self) -> u32 {
        (u32::MAX >> (31 - (self.high - self.low))) << self.low
    }

    /// The field of a value.
    #[must_use]
    pub const fn of(self, value: u32) -> u32 {
        (value & self.mask()) >> self.low
    }

    /// The field with this content, other bits 0. Bits that do not fit are cut off.
    #[must_use]
    pub const fn is(self, content: u32) -> u32 {
        (content << self.low) & self.mask()
    }

    /// `value` with this content in the field.
    #[must_use]
    pub const fn set(self, value: u32, content: u32) -> u32 {
        value & !self.mask() | self.is(content)
    }
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// AMD's name, without `reg`. A register that repeats is written without its number.
    pub name: &'static str,
    /// Where it is; the first one, if it repeats.
    pub register: Register,
    /// How often it repeats.
    pub count: u32,
    /// Dwords from one to the next.
    pub stride: u32,
    /// Value after reset.
    pub reset: u32,
    /// Fields by name.
    pub fields: &'static [(&'static str, Field)],
}

/// The base addresses of one card's blocks, in dwords, as its discovery table lists them.
pub trait Bases {
    /// Base address `segment` of the block; `None` if the card has no such block or segment.
    fn base(&self, ip: Ip, segment: u8) -> Option<u32>;

    /// Dword address of a register.
    fn address(&self, register: Register) -> Option<u32> {
        self.base(register.ip, register.segment)?
            .checked_add(register.offset)
    }
}

impl fmt::Display for Register {
    /// The name if a table has the register, its place otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for info in crate::tables().into_iter().flatten() {
            let first = info.register;
            if first.ip != self.ip || first.segment != self.segment || self.offset < first.offset {
                continue;
            }
            let distance = self.offset - first.offset;
            if info.count == 1 && distance == 0 {
                return f.write_str(info.name);
            }
            if info.count > 1
                && distance.is_multiple_of(info.stride)
                && distance / info.stride < info.count
            {
                return write!(f, "{}[{}]", info.name, distance / info.stride);
            }
        }
        write!(f, "{:?}[{}]+{:#x}", self.ip, self.segment, self.offset)
    }
}

/// Writes a table: for each row a constant of the register's name, a module of the same name with its fields, and the row.
///
/// A row: `"what it is" NAME, segment, offset [, repeats COUNT by STRIDE] [, reset VALUE] { FIELD high low, ... }`.
macro_rules! registers {
    ($(#[$about:meta])* $table:ident of $ip:ident: $(
        $what:literal $name:ident, $segment:literal, $offset:literal
        $(, repeats $count:literal by $stride:literal)? $(, reset $reset:literal)?
        { $($field:ident $high:literal $low:literal),* $(,)? }
    )*) => {
        $(
            #[doc = $what]
            pub const $name: $crate::Register = $crate::Register { ip: $crate::Ip::$ip, segment: $segment, offset: $offset };
            #[doc = concat!("Fields of ", stringify!($name), ".")]
            #[allow(non_snake_case, missing_docs, reason = "AMD's names")]
            pub mod $name {
                $( pub const $field: $crate::Field = $crate::Field::new($high, $low); )*
            }
        )*
        $(#[$about])*
        pub const $table: &[$crate::Info] = &[ $( $crate::Info {
            name: stringify!($name),
            register: $name,
            count: 1 $( * $count )?,
            stride: 1 $( * $stride )?,
            reset: 0 $( + $reset )?,
            fields: &[ $( (stringify!($field), $name::$field) ),* ],
        } ),* ];
    };
}
pub(crate) use registers;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_field_is_its_bits() {
        let field = Field::new(11, 8);
        assert_eq!(
            (field.mask(), field.of(0xabcd), field.is(0x1f)),
            (0xf00, 0xb, 0xf00)
        );
        assert_eq!(field.set(0xffff_ffff, 2), 0xffff_f2ff);
        assert_eq!(Field::new(31, 0).mask(), u32::MAX);
    }

    #[test]
    fn no_two_rows_share_a_register_and_fields_do_not_overlap() {
        let mut seen = BTreeMap::new();
        for info in crate::tables().into_iter().flatten() {
            for n in 0..info.count {
                let other = seen.insert(info.register.plus(n * info.stride), info.name);
                assert_eq!(other, None, "{}", info.name);
            }
            let mut bits = 0;
            for (name, field) in info.fields {
                assert_eq!(bits & field.mask(), 0, "{} {name}", info.name);
                bits |= field.mask();
            }
        }
    }

    #[test]
    fn a_register_is_shown_by_its_name() {
        let second = crate::nbif::S2A_DOORBELL_ENTRY_CTRL;
        assert_eq!(crate::gc::GRBM_CNTL.to_string(), "GRBM_CNTL");
        assert_eq!(second.plus(2).to_string(), "S2A_DOORBELL_ENTRY_CTRL[2]");
        let unknown = Register {
            ip: Ip::Gc,
            segment: 9,
            offset: 3,
        };
        assert_eq!(unknown.to_string(), "Gc[9]+0x3");
    }
}
