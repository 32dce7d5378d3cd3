//! Putting instructions together so that the table allows them.

use gfx1100_isa::{Dpp, Format, Op as Isa, Operand as Reg};

use super::Selector;
use super::operand::Src;
use crate::machine::{File, Inst, Kind, Operand, Register, RegisterData};

/// So many constants of loops get registers.
const POOLED: usize = 24;

/// The operand for a 32-bit constant.
pub(super) fn constant32(bits: u32) -> Operand {
    let inline = Reg::inline_int(bits as i32).or_else(|| Reg::inline_f32(bits));
    Operand::Fixed(inline.unwrap_or(Reg::Literal(bits)))
}

/// The inline operand for a 16-bit constant, if there is one.
pub(super) fn inline16(bits: u16, float: bool) -> Option<Operand> {
    /// 0.5, -0.5, 1, -1, 2, -2, 4, -4, 1 / (2 pi) in binary16, in the order of their codes.
    const FLOATS: [u16; 9] = [
        0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118,
    ];
    let float = FLOATS
        .iter()
        .position(|known| float && *known == bits)
        .map(|place| Reg::Inline(240 + place as u8));
    float
        .or_else(|| Reg::inline_int(i32::from(bits as i16)))
        .map(Operand::Fixed)
}

impl Selector<'_> {
    pub(super) fn new_register(&mut self, file: File, dwords: u8, mask: bool) -> Register {
        let register = Register(self.out.registers.len() as u32);
        self.out.registers.push(RegisterData {
            file,
            dwords,
            mask,
            whole_wave: false,
        });
        register
    }

    /// Appends an instruction. Sources are put where their fields take them.
    pub(super) fn emit(&mut self, op: Isa, dst: Operand, sources: &[Src]) -> &mut Inst {
        self.emit_two(op, [dst, Operand::None], sources)
    }

    /// Appends an instruction with two results.
    pub(super) fn emit_two(&mut self, op: Isa, dst: [Operand; 2], sources: &[Src]) -> &mut Inst {
        let row = op.row();
        let mut inst = self.blank(op);
        inst.dst = dst;
        for (index, (src, slot)) in sources.iter().zip(row.src).enumerate() {
            inst.src[index] = self.operand(*src, *slot, row.vop3);
            inst.mods.neg |= u8::from(src.neg) << index;
            inst.mods.abs |= u8::from(src.abs) << index;
            inst.mods.op_sel |= u8::from(src.high) << index;
        }
        if row.format == Format::Vop3p {
            inst.mods.op_sel_hi = 7;
        }
        self.push(inst)
    }

    /// An instruction of which only the operation is set.
    pub(super) fn blank(&self, op: Isa) -> Inst {
        Inst {
            kind: Kind::Isa(op),
            dst: [Operand::None; 2],
            src: [Operand::None; 4],
            imm: 0,
            mods: gfx1100_isa::Mods::default(),
            dual: None,
            memory: None,
            target: None,
            source: self.source,
        }
    }

    /// Appends an instruction after making its constants and scalars fit.
    pub(super) fn push(&mut self, mut inst: Inst) -> &mut Inst {
        if let Kind::Isa(op) = inst.kind {
            match op.row().format {
                Format::Sop1 | Format::Sop2 | Format::Sopc => self.fit_literals(&mut inst),
                Format::Vop1
                | Format::Vop2
                | Format::Vopc
                | Format::Vop3
                | Format::Vop3sd
                | Format::Vop3p => self.fit_constant_bus(op, &mut inst),
                _ => {}
            }
        }
        self.sequence.push(inst);
        self.sequence.last_mut().expect("it was just pushed")
    }

    /// One literal is all that an instruction carries.
    fn fit_literals(&mut self, inst: &mut Inst) {
        let mut carried = None;
        for index in 0..inst.src.len() {
            let Operand::Fixed(Reg::Literal(bits)) = inst.src[index] else {
                continue;
            };
            if *carried.get_or_insert(bits) != bits {
                inst.src[index] = self.pooled(bits);
            }
        }
    }

    /// A vector instruction reads two scalars at most, the literal counted; 64-bit shifts one.
    fn fit_constant_bus(&mut self, op: Isa, inst: &mut Inst) {
        let row = op.row();
        self.fit_literals(inst);
        // In a loop the shorter code is worth a register; elsewhere the literal costs nothing.
        if op != Isa::V_MOV_B32
            && self.graph.loop_of[self.block.index()].is_some()
            && self.pool.len() < POOLED
        {
            for index in 0..inst.src.len() {
                if let Operand::Fixed(Reg::Literal(bits)) = inst.src[index] {
                    inst.src[index] = self.pooled(bits);
                }
            }
        }
        let limit = match op {
            Isa::V_LSHLREV_B64 | Isa::V_LSHRREV_B64 | Isa::V_ASHRREV_I64 => 1,
            _ => 2,
        };
        let mut read: Vec<Operand> = Vec::new();
        // The lane mask of cndmask and carries cannot move: it counts first.
        for index in [2, 0, 1] {
            let operand = inst.src[index];
            if !self.is_scalar(operand) || read.contains(&operand) {
                continue;
            }
            if read.len() < limit {
                read.push(operand);
                continue;
            }
            let vector = self.vector_temporary(row.src[index].ty.dwords());
            for k in 0..row.src[index].ty.dwords() {
                let from = super::part(operand, k);
                self.emit(Isa::V_MOV_B32, super::part(vector, k), &[from.into()]);
            }
            inst.src[index] = vector;
        }
        self.short_form(op, inst);
    }

    /// Puts the vector register of a commutative operation second, where the short form wants it.
    fn short_form(&self, op: Isa, inst: &mut Inst) {
        let row = op.row();
        let is_vector = |operand: Operand| match operand {
            Operand::Virtual(register, _) => {
                self.out.registers[register.0 as usize].file == File::Vector
            }
            _ => false,
        };
        if row.vop3
            && row.effects.commutes
            && row.src.len() >= 2
            && inst.mods.dpp.is_none()
            && is_vector(inst.src[0])
            && !is_vector(inst.src[1])
        {
            inst.src.swap(0, 1);
            for bits in [
                &mut inst.mods.neg,
                &mut inst.mods.abs,
                &mut inst.mods.op_sel,
            ] {
                *bits = *bits & !3 | (*bits & 1) << 1 | (*bits >> 1) & 1;
            }
        }
    }

    fn is_scalar(&self, operand: Operand) -> bool {
        match operand {
            Operand::Virtual(register, _) => {
                self.out.registers[register.0 as usize].file == File::Scalar
            }
            Operand::Fixed(fixed) => {
                matches!(fixed, Reg::S(code) if code != 124) || matches!(fixed, Reg::Literal(_))
            }
            Operand::None => false,
        }
    }

    /// Appends a one-source or two-source vector instruction whose source 0 comes from other lanes.
    pub(super) fn emit_dpp(&mut self, op: Isa, dst: Operand, sources: &[Src], dpp: Dpp) {
        let inst = self.emit(op, dst, sources);
        inst.mods.dpp = Some(dpp);
    }
}
