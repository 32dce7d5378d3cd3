//! Operands of vector ALU instructions made ready.

use gfx1100_isa::{Dual, Format, Inst, Op, Operand, Slot, Ty};

use super::lower::{Tables, mask_register};
use super::operand::{Source, source};
use super::step::{
    BOTH_HALVES, Destination, HIGH_HALF, Halves, LOW_HALF, NO_REGISTER, Prepare, Shape, VectorStep,
};
use crate::alu;

/// The step of an instruction other than VOPD.
pub(crate) fn step(inst: &Inst, tables: &mut Tables) -> Option<VectorStep> {
    let row = inst.op.row();
    let function = alu::vector(inst.op)?;
    let mut operands: Vec<(Operand, Ty)> = row
        .src
        .iter()
        .zip(inst.src)
        .filter(|(slot, _)| slot.ty != Ty::Mask)
        .map(|(slot, operand)| (operand, slot.ty))
        .collect();
    if let Some(accumulator) = accumulator(inst) {
        operands.push((inst.dst[0], accumulator.ty));
    }
    let mut sources = [Source::None; 3];
    let mut needs = [BOTH_HALVES; 3];
    let mut prepare = [Prepare::Keep; 3];
    let mut wide = 0;
    for (index, (operand, ty)) in operands.iter().enumerate() {
        sources[index] = source(*operand, *ty, &mut tables.constants);
        prepare[index] = preparation(inst, index, *ty, operands.len());
        needs[index] = halves(prepare[index]) & demanded(inst, index);
        wide |= u8::from(ty.dwords() == 2) << index;
    }
    let result = row.dst.first().map_or(Ty::B32, |slot| slot.ty);
    let float = is_float(result);
    let types = operands.iter().map(|(_, ty)| *ty).chain([result]);
    let class = row.name.contains("_class_");
    let shape = Shape {
        prepare,
        dpp: inst.mods.dpp,
        result,
        omod: inst.mods.omod,
        clamp: inst.mods.clamp && float,
        flushes: !class,
    };
    let plain = prepare.iter().all(|prepare| prepare.is_plain())
        && shape.dpp.is_none()
        && shape.omod == 0
        && !shape.clamp
        && result.dwords() <= 2
        && !is_half(result);
    let [mask_destination, destination] = destinations(inst, result);
    let Destinations::Register(destination) = destination else {
        return None;
    };
    let Destinations::Mask(mask_destination) = mask_destination else {
        return None;
    };
    Some(VectorStep {
        function,
        source: sources,
        needs,
        wide,
        mask_source: mask_register(inst, row),
        destination,
        mask_destination,
        neg: inst.mods.neg,
        clamp: inst.mods.clamp && !float,
        selects: matches!(inst.op, Op::V_CNDMASK_B32 | Op::V_CNDMASK_B16),
        plain,
        ignores_mode: !types.into_iter().any(is_float),
        shape: tables.shape(shape),
    })
}

enum Destinations {
    Mask(u8),
    Register(Destination),
}

/// Where the mask and the value go.
fn destinations(inst: &Inst, result: Ty) -> [Destinations; 2] {
    let mask = |operand: Operand| match operand {
        Operand::S(code) => code,
        _ => NO_REGISTER,
    };
    if result == Ty::Mask {
        let mask = Destinations::Mask(mask(inst.dst[0]));
        return [mask, Destinations::Register(Destination::None)];
    }
    let high = match inst.op {
        Op::V_FMA_MIXHI_F16 => true,
        Op::V_FMA_MIXLO_F16 => false,
        _ => inst.mods.op_sel & 8 != 0,
    };
    let value = match inst.dst[0] {
        Operand::V(register) if result.dwords() == 2 => Destination::Wide(register),
        Operand::V(register) if is_half(result) => Destination::Half(register, high),
        Operand::V(register) => Destination::Word(register),
        _ => Destination::None,
    };
    [
        Destinations::Mask(mask(inst.dst[1])),
        Destinations::Register(value),
    ]
}

/// The two steps of a VOPD instruction, in order X, Y.
pub(crate) fn dual(inst: &Inst, dual: Dual, tables: &mut Tables) -> Option<[VectorStep; 2]> {
    let mut half = |op: Op, index: usize| {
        let mut part = Inst {
            op,
            encoding: Default::default(),
            dst: [inst.dst[index], Operand::None],
            src: [
                inst.src[2 * index],
                inst.src[2 * index + 1],
                Operand::None,
                Operand::None,
            ],
            imm: 0,
            mods: Default::default(),
            dual: None,
        };
        let literal = dual.literal.map_or(Operand::None, Operand::Literal);
        match op {
            Op::V_CNDMASK_B32 => part.src[2] = Operand::VCC,
            Op::V_FMAAK_F32 => part.src[2] = literal,
            Op::V_FMAMK_F32 => [part.src[1], part.src[2]] = [literal, part.src[1]],
            _ => {}
        }
        step(&part, tables)
    };
    Some([half(dual.x, 0)?, half(dual.y, 1)?])
}

impl Tables {
    /// The number of a shape.
    fn shape(&mut self, shape: Shape) -> u32 {
        let shapes = &mut self.shapes;
        *self.known_shapes.entry(shape).or_insert_with_key(|shape| {
            shapes.push(shape.clone());
            shapes.len() as u32 - 1
        })
    }
}

/// The destination that stands behind the sources because the instruction adds to it.
fn accumulator(inst: &Inst) -> Option<&'static Slot> {
    let adds = matches!(
        inst.op,
        Op::V_FMAC_F32
            | Op::V_FMAC_F16
            | Op::V_FMAC_DX9_ZERO_F32
            | Op::V_PK_FMAC_F16
            | Op::V_DOT2ACC_F32_F16
    );
    inst.op.row().dst.first().filter(|_| adds)
}

/// A type of 16 bits.
pub(crate) fn is_half(ty: Ty) -> bool {
    matches!(ty, Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16)
}

fn is_float(ty: Ty) -> bool {
    matches!(
        ty,
        Ty::F16 | Ty::Bf16 | Ty::F32 | Ty::F64 | Ty::F16x2 | Ty::Bf16x2
    )
}

fn preparation(inst: &Inst, index: usize, ty: Ty, count: usize) -> Prepare {
    let mods = &inst.mods;
    let bit = |bits: u8| bits >> index & 1 == 1;
    let [abs, neg] = [bit(mods.abs), bit(mods.neg)];
    let mix = matches!(
        inst.op,
        Op::V_FMA_MIX_F32 | Op::V_FMA_MIXLO_F16 | Op::V_FMA_MIXHI_F16
    );
    if mix && bit(mods.op_sel_hi) {
        let high = bit(mods.op_sel);
        return Prepare::Widen { high, abs, neg };
    }
    let accumulates = index + 1 == count && accumulator(inst).is_some();
    match ty {
        Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16 => Prepare::Half {
            ty,
            high: if accumulates {
                mods.op_sel & 8 != 0
            } else {
                bit(mods.op_sel)
            },
            abs: abs && is_float(ty),
            neg: neg && is_float(ty),
        },
        Ty::F16x2 | Ty::Bf16x2 | Ty::B16x2 if inst.op.row().format == Format::Vop3p => {
            let float = is_float(ty);
            Prepare::Packed {
                ty,
                low: bit(mods.op_sel),
                high: bit(mods.op_sel_hi),
                neg_low: neg && float,
                neg_high: abs && float,
            }
        }
        Ty::F16x2 | Ty::Bf16x2 => Prepare::Packed {
            ty,
            low: false,
            high: true,
            neg_low: false,
            neg_high: false,
        },
        Ty::F32 | Ty::F64 => Prepare::Float { ty, abs, neg },
        // v_cndmask takes the modifiers of floats although it only moves bits.
        Ty::B32 if inst.op == Op::V_CNDMASK_B32 => Prepare::Float { ty, abs, neg },
        _ => Prepare::Keep,
    }
    .simplified()
}

impl Prepare {
    /// Nothing, if it changes nothing while denormals are kept.
    fn simplified(self) -> Self {
        match self {
            Self::Float {
                abs: false,
                neg: false,
                ty: Ty::B32,
            } => Self::Keep,
            _ => self,
        }
    }

    /// Whether the operand can be taken as it is while denormals are kept.
    pub(crate) fn is_plain(self) -> bool {
        match self {
            Self::Keep => true,
            Self::Float { abs, neg, .. } => !abs && !neg,
            Self::Packed {
                low,
                high,
                neg_low,
                neg_high,
                ..
            } => !low && high && !neg_low && !neg_high,
            Self::Half { .. } | Self::Widen { .. } => false,
        }
    }
}

/// The halves that the preparation takes from a register.
fn halves(prepare: Prepare) -> Halves {
    let one = |high: bool| if high { HIGH_HALF } else { LOW_HALF };
    match prepare {
        Prepare::Half { high, .. } | Prepare::Widen { high, .. } => one(high),
        Prepare::Packed { low, high, .. } => one(low) | one(high),
        Prepare::Keep | Prepare::Float { .. } => BOTH_HALVES,
    }
}

/// The halves of a source on which the result depends, where the other operands are constants that mask or shift it.
/// Compilers rely on this for 16-bit values: `v_and_b32 v0, 0xffff, v0` after a d16 load.
fn demanded(inst: &Inst, index: usize) -> Halves {
    let constant = |index: usize| match inst.src[index] {
        Operand::Literal(value) => Some(value),
        Operand::Inline(code) => super::operand::inline_bits(code, Ty::B32).map(|bits| bits as u32),
        _ => None,
    };
    let of_bits = |bits: u32| {
        let low = if bits & 0xffff != 0 { LOW_HALF } else { 0 };
        let high = if bits >> 16 != 0 { HIGH_HALF } else { 0 };
        low | high
    };
    let bits = match (inst.op, index) {
        (Op::V_AND_B32, 0 | 1) => constant(1 - index),
        (Op::V_AND_OR_B32, 0 | 1) => constant(1 - index),
        (Op::V_BFI_B32, 1) => constant(0),
        (Op::V_BFI_B32, 2) => constant(0).map(|mask| !mask),
        (Op::V_LSHLREV_B32, 1) => constant(0).map(|shift| u32::MAX >> (shift & 31)),
        (Op::V_LSHRREV_B32 | Op::V_ASHRREV_I32, 1) => {
            constant(0).map(|shift| u32::MAX << (shift & 31))
        }
        (Op::V_LSHL_OR_B32 | Op::V_LSHL_ADD_U32, 0) => {
            constant(1).map(|shift| u32::MAX >> (shift & 31))
        }
        (Op::V_BFE_U32 | Op::V_BFE_I32, 0) => constant(1).zip(constant(2)).map(|(at, width)| {
            let field = (1u64 << (width & 31)) - 1;
            (field << (at & 31)) as u32
        }),
        (Op::V_CVT_F32_UBYTE0 | Op::V_CVT_F32_UBYTE1, 0) => Some(0xffff),
        (Op::V_CVT_F32_UBYTE2 | Op::V_CVT_F32_UBYTE3, 0) => Some(0xffff_0000),
        (Op::V_PERM_B32, 0 | 1) => constant(2).map(|selector| permuted_bytes(selector, index)),
        _ => None,
    };
    bits.map_or(BOTH_HALVES, of_bits)
}

/// The bits of a source of `v_perm_b32` that a constant selector takes: bytes 0 to 3 are source 1, 4 to 7 source 0; 8 to 11
/// are signs of the odd bytes.
fn permuted_bytes(selector: u32, index: usize) -> u32 {
    let mut bits = 0;
    for select in selector.to_le_bytes() {
        let byte = match select {
            0..=7 => u32::from(select),
            8..=11 => u32::from(select - 8) * 2 + 1,
            _ => continue,
        };
        let of_source_0 = byte >= 4;
        if of_source_0 == (index == 0) {
            bits |= 0xff << (byte % 4 * 8);
        }
    }
    bits
}
