//! Every row with every operand in every place and every modifier.

use gfx1100_isa::{
    Class, Dpp, Dual, Encoding, Field, Format, Inst, Op, Operand, Place, Row, encode,
};

/// Operands of all kinds, whether or not a place can hold them.
fn candidates(dwords: u8, wide: bool) -> Vec<Operand> {
    let mut all = vec![Operand::None];
    let last = 255 - (dwords.max(1) - 1);
    all.extend([0, 1, 127, 128, 200, last].map(Operand::V));
    // The last tuple that fits below s106.
    let align = match dwords {
        0 | 1 => 1,
        2 => 2,
        _ => 4,
    };
    let top = (106 - dwords.max(1)) / align * align;
    all.extend(
        [
            0, 1, 2, 4, 36, top, 105, 106, 107, 108, 123, 124, 125, 126, 127,
        ]
        .map(Operand::S),
    );
    all.extend([128, 129, 160, 192, 193, 208, 209, 232, 239, 249, 254].map(Operand::Inline));
    all.extend(
        (235..=238)
            .chain(240..=248)
            .chain(251..=253)
            .map(Operand::Inline),
    );
    all.push(Operand::Literal(0x1234));
    if wide {
        all.push(Operand::Literal(0x1234_5678));
    }
    all
}

/// An operand that the place of a row can hold.
fn usual(inst: &Inst, row: &Row, place: Place) -> Operand {
    let Some(slot) = row.slot(place) else {
        return Operand::None;
    };
    let native = inst.encoding == Encoding::Native;
    // Registers a tuple apart, so that none is twice in one instruction.
    let number = match place {
        Place::Dst0 => 32,
        Place::Dst1 => 48,
        Place::Src0 => 64,
        Place::Src1 => 80,
        Place::Src2 => 96,
        Place::Src3 => 40,
    };
    match slot.field {
        Field::Vgpr | Field::Src | Field::Vinline => Operand::V(number),
        Field::Mask if row.format == Format::Vopc && row.effects.writes_exec => Operand::EXEC,
        Field::Mask if native && matches!(row.format, Format::Vop2 | Format::Vopc) => Operand::VCC,
        Field::Literal => Operand::Literal(0x1234),
        Field::Unused => Operand::None,
        _ if row.format == Format::Sopk && row.class == Class::Control => Operand::NULL,
        _ => Operand::S(number - if slot.ty.dwords() > 8 { 32 } else { 0 }),
    }
}

/// The plain form of an instruction.
pub(crate) fn plain(op: Op, encoding: Encoding) -> Inst {
    let row = op.row();
    let mut inst = Inst::new(op, &[], &[]);
    inst.encoding = encoding;
    for place in Place::ALL {
        let operand = usual(&inst, row, place);
        set(&mut inst, place, operand);
    }
    settle(&mut inst);
    inst
}

pub(crate) fn set(inst: &mut Inst, place: Place, operand: Operand) {
    match place.index() {
        (true, index) => inst.dst[index] = operand,
        (false, index) => inst.src[index] = operand,
    }
}

/// Makes operands agree with the modifiers that say whether they are there.
fn settle(inst: &mut Inst) {
    let row = inst.op.row();
    if row.class == Class::VmemAtomic {
        inst.dst[0] = match (inst.mods.glc, row.format) {
            (false, _) => Operand::None,
            (true, Format::Mubuf) => inst.src[1],
            (true, _) => Operand::V(32),
        };
    }
    if row.format == Format::Mubuf && inst.dwords(Place::Src0) == 0 {
        inst.src[0] = Operand::None;
    }
}

/// The instructions of a row in one encoding: those that the encoder takes, and those that it refuses.
pub(crate) struct Cases {
    pub(crate) legal: Vec<Inst>,
    pub(crate) illegal: Vec<Inst>,
}

impl Cases {
    fn add(&mut self, inst: Inst) {
        if encode(&inst).is_ok() {
            self.legal.push(inst);
        } else {
            self.illegal.push(inst);
        }
    }
}

/// All of them for one row.
pub(crate) fn of(op: Op, encoding: Encoding) -> Cases {
    let mut cases = Cases {
        legal: Vec::new(),
        illegal: Vec::new(),
    };
    let row = op.row();
    let plain = plain(op, encoding);
    let bases = modes(&plain);
    for base in &bases {
        assert!(encode(base).is_ok(), "{base:?}: {:?}", encode(base));
        cases.legal.push(*base);
        for place in Place::ALL {
            if row.slot(place).is_none() {
                continue;
            }
            let wide = row.src.iter().all(|slot| !slot.ty.is_16());
            for operand in candidates(base.dwords(place), wide) {
                let mut inst = *base;
                set(&mut inst, place, operand);
                settle(&mut inst);
                cases.add(inst);
            }
        }
    }
    pairs(&mut cases, &plain);
    immediates(&mut cases, &bases);
    modifiers(&mut cases, &plain);
    exchanges(&mut cases, &plain);
    cases
}

/// The forms of a row that have other operands: addressing modes, atomics with and without result.
fn modes(plain: &Inst) -> Vec<Inst> {
    let row = plain.op.row();
    let mut all = vec![*plain];
    let memory = row.bytes != 0;
    let mut add = |change: &dyn Fn(&mut Inst)| {
        for index in 0..all.len() {
            let mut inst = all[index];
            change(&mut inst);
            settle(&mut inst);
            all.push(inst);
        }
    };
    if memory && matches!(row.format, Format::Global | Format::Scratch) {
        add(&|inst| inst.src[2] = Operand::NULL);
    }
    if memory && row.format == Format::Scratch {
        add(&|inst| inst.src[0] = Operand::None);
    }
    if memory && row.format == Format::Smem {
        add(&|inst| inst.src[1] = Operand::NULL);
    }
    if row.class == Class::VmemAtomic {
        add(&|inst| inst.mods.glc = true);
    }
    if memory && row.format == Format::Mubuf {
        let address = |inst: &mut Inst| inst.src[0] = Operand::V(64);
        add(&|inst| {
            inst.mods.offen = true;
            address(inst);
        });
        add(&|inst| {
            inst.mods.idxen = true;
            address(inst);
        });
    }
    all
}

/// Two sources at once: what the constant bus and the literal have room for.
fn pairs(cases: &mut Cases, plain: &Inst) {
    let row = plain.op.row();
    if !row.is_valu() && !matches!(row.format, Format::Sop2 | Format::Sopc) {
        return;
    }
    let kinds = |offset: u8, dwords: u8| {
        let mut all = vec![
            Operand::S(8),
            Operand::S(8 + offset),
            Operand::VCC,
            Operand::NULL,
            Operand::SCC,
            Operand::Inline(129),
            Operand::Literal(0x1234),
            Operand::Literal(0x1235),
        ];
        if dwords == 1 {
            all.push(Operand::M0);
        }
        all
    };
    let places = [Place::Src0, Place::Src1, Place::Src2];
    for (index, &first) in places.iter().enumerate() {
        for &second in &places[index + 1..] {
            if row.slot(first).is_none() || row.slot(second).is_none() {
                continue;
            }
            for a in kinds(4, plain.dwords(first)) {
                for b in kinds(8, plain.dwords(second)) {
                    let mut inst = *plain;
                    set(&mut inst, first, a);
                    set(&mut inst, second, b);
                    cases.add(inst);
                    if row.slot(Place::Src2).is_some() && second == Place::Src1 {
                        set(&mut inst, Place::Src2, Operand::S(16));
                        cases.add(inst);
                    }
                }
            }
        }
    }
}

/// Immediates and offsets with their limits.
fn immediates(cases: &mut Cases, bases: &[Inst]) {
    for base in bases {
        let row = base.op.row();
        let mut values: Vec<i32> = vec![
            -0x10_0001, -0x10_0000, -0x1001, -0x1000, -0x801, -1, 0, 1, 2, 4, 9, 0x7f, 0xff, 0x100,
            0xfff, 0x1000, 0x3f7, 0x1fff, 0x401f, 0x7c1f, 0x801b, 0x80e4, 0xc020, 0xe001, 0x7fff,
            0x8000, 0xfc07, 0xff00, 0xfff7, 0xffff, 0x1_0000, 0xf_ffff, 0x10_0000,
        ];
        if row.format == Format::Sopp {
            values.extend(0..0x800);
        }
        for imm in values {
            cases.add(Inst { imm, ..*base });
        }
    }
}

/// Every modifier, alone and with some others.
fn modifiers(cases: &mut Cases, plain: &Inst) {
    let row = plain.op.row();
    let mut add = |change: &dyn Fn(&mut Inst)| {
        let mut inst = *plain;
        change(&mut inst);
        settle(&mut inst);
        cases.add(inst);
    };
    if row.is_valu() {
        for bits in 0..8 {
            add(&|inst| inst.mods.neg = bits);
            add(&|inst| inst.mods.abs = bits);
            add(&|inst| (inst.mods.neg, inst.mods.abs) = (bits, 7 & bits >> 1));
            add(&|inst| inst.mods.op_sel_hi = bits);
            add(&|inst| (inst.mods.op_sel, inst.mods.op_sel_hi) = (bits, !bits & 7));
            for number in [
                Operand::Inline(129),
                Operand::Inline(242),
                Operand::Literal(0x1234),
            ] {
                add(&|inst| {
                    inst.mods.neg = bits;
                    inst.src[0] = number;
                });
            }
        }
        for bits in 0..16 {
            add(&|inst| inst.mods.op_sel = bits);
        }
        add(&|inst| inst.mods.clamp = true);
        for omod in 1..4 {
            add(&|inst| inst.mods.omod = omod);
            add(&|inst| (inst.mods.omod, inst.mods.clamp, inst.mods.neg) = (omod, true, 1));
        }
    }
    for bits in 0..8 {
        add(&|inst| {
            inst.mods.glc = bits & 1 != 0;
            inst.mods.slc = bits & 2 != 0;
            inst.mods.dlc = bits & 4 != 0;
        });
    }
    add(&|inst| inst.mods.gds = true);
    if row.format == Format::Mubuf {
        add(&|inst| inst.mods.offen = true);
    }
}

/// Every exchange of lanes.
fn exchanges(cases: &mut Cases, plain: &Inst) {
    let row = plain.op.row();
    if !row.is_valu() {
        return;
    }
    let control = |ctrl, row_mask, bank_mask, flags: u8| Dpp::Row {
        ctrl,
        row_mask,
        bank_mask,
        bound_ctrl: flags & 1 != 0,
        fetch_inactive: flags & 2 != 0,
    };
    let mut all: Vec<Dpp> = (0..0x200)
        .step_by(7)
        .map(|ctrl| control(ctrl, 15, 15, 0))
        .collect();
    all.extend(
        [
            0, 0xe4, 0xff, 0x100, 0x101, 0x10f, 0x110, 0x111, 0x11f, 0x120, 0x121, 0x12f, 0x140,
            0x141, 0x142, 0x150, 0x15f, 0x160, 0x16f, 0x170,
        ]
        .map(|ctrl| control(ctrl, 15, 15, 0)),
    );
    all.extend((0..16).map(|mask| control(0xb1, mask, 15 - mask, mask & 3)));
    for selectors in [0, 0xfa_c688, 0xff_ffff, 0x05_3977] {
        for fetch_inactive in [false, true] {
            all.push(Dpp::Eight {
                selectors,
                fetch_inactive,
            });
        }
    }
    for dpp in &all {
        let mut inst = *plain;
        inst.mods.dpp = Some(*dpp);
        cases.add(inst);
    }
    let mut add = |dpp: Dpp, change: &dyn Fn(&mut Inst)| {
        let mut inst = *plain;
        inst.mods.dpp = Some(dpp);
        change(&mut inst);
        cases.add(inst);
    };
    for dpp in [all[5], all[all.len() - 1]] {
        for bits in 0..8 {
            add(dpp, &|inst| {
                (inst.mods.neg, inst.mods.abs) = (bits, bits / 2)
            });
            add(dpp, &|inst| inst.mods.abs = bits);
            add(dpp, &|inst| inst.mods.op_sel = bits);
        }
        add(dpp, &|inst| inst.mods.clamp = true);
        add(dpp, &|inst| inst.mods.omod = 3);
        for source in 0..3 {
            for operand in [
                Operand::V(0),
                Operand::V(127),
                Operand::V(255),
                Operand::S(4),
                Operand::Inline(129),
                Operand::Literal(0x1234),
            ] {
                if inst_has(plain, source) {
                    add(dpp, &|inst| inst.src[source] = operand);
                }
            }
        }
        for operand in [Operand::V(0), Operand::V(127), Operand::V(255)] {
            if matches!(plain.dst[0], Operand::V(_)) {
                add(dpp, &|inst| inst.dst[0] = operand);
            }
        }
    }
}

fn inst_has(inst: &Inst, source: usize) -> bool {
    inst.src[source] != Operand::None
}

/// All pairs of VOPD, legal and not.
pub(crate) fn duals() -> Vec<Inst> {
    let halves = |y: bool| {
        Op::ALL.iter().copied().filter(move |op| {
            if y {
                op.row().effects.dual_y
            } else {
                op.row().effects.dual_x
            }
        })
    };
    let mut all = Vec::new();
    for x in halves(false) {
        for y in halves(true) {
            dual_pair(&mut all, x, y);
        }
    }
    all
}

/// One pair with operands that keep and break each rule.
fn dual_pair(all: &mut Vec<Inst>, x: Op, y: Op) {
    let is_k = |op| matches!(op, Op::V_FMAAK_F32 | Op::V_FMAMK_F32);
    let literal = (is_k(x) || is_k(y)).then_some(0x1234_5678);
    let mut base = Inst::new(
        Op::V_DUAL,
        &[Operand::V(0), Operand::V(3)],
        &[Operand::V(4), Operand::V(9), Operand::V(7), Operand::V(14)],
    );
    base.dual = Some(Dual { x, y, literal });
    for (op, place) in [(x, 1), (y, 3)] {
        if op == Op::V_MOV_B32 {
            base.src[place] = Operand::None;
        }
    }
    all.push(base);
    let mut add = |change: &dyn Fn(&mut Inst)| {
        let mut inst = base;
        change(&mut inst);
        all.push(inst);
    };
    let scalars = [
        Operand::S(0),
        Operand::S(105),
        Operand::VCC,
        Operand::NULL,
        Operand::M0,
        Operand::EXEC,
        Operand::SCC,
        Operand::Inline(128),
        Operand::Inline(208),
        Operand::Inline(242),
        Operand::Inline(248),
        Operand::Inline(235),
        Operand::Literal(0x1234_5678),
        Operand::Literal(0x1234_5679),
        Operand::V(255),
    ];
    for a in scalars {
        add(&|inst| inst.src[0] = a);
        add(&|inst| inst.src[2] = a);
        for b in scalars {
            add(&|inst| (inst.src[0], inst.src[2]) = (a, b));
        }
    }
    for register in 0..8 {
        for place in 0..4 {
            if base.src[place] != Operand::None {
                add(&|inst| inst.src[place] = Operand::V(248 + register));
                add(&|inst| inst.src[place] = Operand::V(register));
            }
        }
        add(&|inst| inst.dst[0] = Operand::V(register));
        add(&|inst| inst.dst[1] = Operand::V(248 + register));
    }
    add(&|inst| (inst.dst[0], inst.dst[1]) = (Operand::V(3), Operand::V(0)));
}
