//! What an instruction reads and writes, operand by operand, as the table says it: the one place that the passes here
//! learn it from.

use super::{File, Function, Inst, Kind, Operand};
use gfx1100_isa as isa;
use isa::{Field, Format, Op, Ty};

/// Place number of `dst[0]` among the reads, of an instruction that reads it; no number of a copied pair.
pub(super) const READ_DST: usize = usize::MAX;
/// Place number of VCC among the reads, where no operand names it.
pub(super) const READ_VCC: usize = usize::MAX - 1;

/// Calls `f` with place (index of `src`, [`READ_DST`], [`READ_VCC`]; of a copy the number of the pair), operand and dwords
/// of everything that `inst` reads. `dst[0]` counts as read where the write leaves a part of it as it was.
pub(super) fn reads(inst: &Inst, mut f: impl FnMut(usize, Operand, u8)) {
    match &inst.kind {
        Kind::Isa(op) => {
            let row = op.row();
            for (place, slot) in row.src.iter().enumerate() {
                if slot.field != Field::Unused && inst.src[place] != Operand::None {
                    f(place, inst.src[place], source_dwords(inst, *op, place));
                }
            }
            if (row.effects.reads_dst || keeps_part(inst, *op)) && inst.dst[0] != Operand::None {
                f(
                    READ_DST,
                    inst.dst[0],
                    row.dst.first().map_or(1, |s| s.ty.dwords()),
                );
            }
            if row.effects.reads_vcc {
                f(READ_VCC, Operand::Fixed(isa::Operand::VCC), 1);
            }
        }
        Kind::Copies(pairs) => {
            for (number, (_, source)) in pairs.iter().enumerate() {
                f(number, *source, 1);
            }
        }
        Kind::Undefined => {}
    }
}

/// Calls `f` with place (index of `dst`; of a copy the number of the pair), operand and dwords of everything that `inst`
/// writes.
pub(super) fn writes(function: &Function, inst: &Inst, mut f: impl FnMut(usize, Operand, u8)) {
    match &inst.kind {
        Kind::Isa(op) => {
            let row = op.row();
            for (place, slot) in row.dst.iter().enumerate() {
                if slot.field != Field::Unused && inst.dst[place] != Operand::None {
                    f(place, inst.dst[place], slot.ty.dwords());
                }
            }
        }
        Kind::Copies(pairs) => {
            for (number, (destination, _)) in pairs.iter().enumerate() {
                f(number, *destination, 1);
            }
        }
        Kind::Undefined => {
            if let Operand::Virtual(register, first) = inst.dst[0] {
                let dwords = function.registers[register.0 as usize].dwords;
                f(0, inst.dst[0], dwords.saturating_sub(first));
            }
        }
    }
}

/// Dwords of source `place`: the row says it, but for addresses, as [`isa::Inst::dwords`].
fn source_dwords(inst: &Inst, op: Op, place: usize) -> u8 {
    let row = op.row();
    let based = !matches!(
        inst.src[2],
        Operand::None | Operand::Fixed(isa::Operand::NULL)
    );
    match (row.format, place) {
        (Format::Global, 0) if based => 1,
        (Format::Mubuf, 0) => u8::from(inst.mods.offen) + u8::from(inst.mods.idxen),
        _ => row.src[place].ty.dwords(),
    }
}

/// The write to `dst[0]` leaves bits or active lanes of it as they were: the other half of a 16-bit result, lanes that a
/// lane exchange does not reach.
fn keeps_part(inst: &Inst, op: Op) -> bool {
    let row = op.row();
    let vector_alu = matches!(
        row.format,
        Format::Vop1 | Format::Vop2 | Format::Vop3 | Format::Vop3p
    );
    let half = row.dst.first().is_some_and(|slot| {
        slot.field == Field::Vgpr
            && matches!(
                slot.ty,
                Ty::B8 | Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16
            )
    });
    let unreached = matches!(
        inst.mods.dpp,
        Some(isa::Dpp::Row { row_mask, bank_mask, bound_ctrl, .. })
            if row_mask != 0xf || bank_mask != 0xf || !bound_ctrl
    );
    vector_alu && (half || unreached)
}

/// The register file of an operand; `None` for constants.
pub(super) fn file(function: &Function, operand: Operand) -> Option<File> {
    match operand {
        Operand::Virtual(register, _) => Some(function.registers[register.0 as usize].file),
        Operand::Fixed(isa::Operand::S(_)) => Some(File::Scalar),
        Operand::Fixed(isa::Operand::V(_)) => Some(File::Vector),
        Operand::None | Operand::Fixed(_) => None,
    }
}

/// Its vector results land in all lanes of the wave, whatever EXEC says.
pub(super) fn writes_whole_wave(inst: &Inst) -> bool {
    matches!(inst.kind, Kind::Isa(op) if op.row().effects.ignores_exec)
}

/// It may read lanes that are off.
pub(super) fn reads_whole_wave(inst: &Inst) -> bool {
    let fetches = matches!(
        inst.mods.dpp,
        Some(
            isa::Dpp::Row {
                fetch_inactive: true,
                ..
            } | isa::Dpp::Eight {
                fetch_inactive: true,
                ..
            }
        )
    );
    let Kind::Isa(op) = inst.kind else {
        return false;
    };
    // `op_sel` bit 0 of a permlane is fetch_inactive. A readfirstlane finds an active lane if there is one.
    let permlane = matches!(op, Op::V_PERMLANE16_B32 | Op::V_PERMLANEX16_B32);
    fetches || op == Op::V_READLANE_B32 || permlane && inst.mods.op_sel & 1 != 0
}

/// The destination must share no register with the source at `place`: WMMA with A and B, and the 64-bit multiply-add of
/// gfx11.0 with all of its sources (LLVM: feature MADIntraFwdBug). A load may overlap its own address: the address has
/// left the register file when data come back.
pub(super) fn destination_avoids(inst: &Inst, place: usize) -> bool {
    let Kind::Isa(op) = inst.kind else {
        return false;
    };
    match op {
        Op::V_MAD_U64_U32 | Op::V_MAD_I64_I32 => true,
        _ => op.row().class == isa::Class::Wmma && place < 2,
    }
}

/// Numbers of dwords: 128 scalar registers of the machine, 256 vector registers, then the dwords of virtual registers.
#[derive(Clone, Debug)]
pub(super) struct Units {
    first: Vec<u32>,
    count: u32,
}

/// Units of the machine's own registers.
pub(super) const FIXED_UNITS: u32 = 384;

impl Units {
    pub(super) fn new(function: &Function) -> Self {
        let mut count = FIXED_UNITS;
        let mut first = Vec::with_capacity(function.registers.len());
        for data in &function.registers {
            first.push(count);
            count += u32::from(data.dwords);
        }
        Self { first, count }
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Unit of dword 0 of a virtual register.
    pub(super) fn first(&self, register: super::Register) -> usize {
        self.first[register.0 as usize] as usize
    }

    /// The units of `dwords` dwords of an operand; empty for constants, NULL and EXEC, which nobody allocates.
    pub(super) fn of(&self, operand: Operand, dwords: u8) -> std::ops::Range<usize> {
        let first = match operand {
            Operand::Virtual(register, dword) => self.first(register) + usize::from(dword),
            Operand::Fixed(isa::Operand::S(124 | 126 | 127)) => return 0..0,
            Operand::Fixed(isa::Operand::S(code)) => usize::from(code),
            Operand::Fixed(isa::Operand::V(index)) => 128 + usize::from(index),
            Operand::None | Operand::Fixed(_) => return 0..0,
        };
        first..first + usize::from(dwords)
    }
}
