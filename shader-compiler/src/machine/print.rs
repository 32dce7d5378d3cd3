//! The machine form as text, for tests and for reading what a pass did.
//!
//! Virtual registers are `%3` (vector) and `$3` (scalar), a dword of a tuple `%3.1`; what the machine has is written as in
//! assembly.

use std::fmt;

use gfx1100_isa as isa;

use super::{Block, BlockId, File, Function, Inst, Kind, Memory, Operand};

struct Show<'a, T>(&'a Function, T);

impl fmt::Display for Show<'_, Operand> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::None => f.write_str("_"),
            Operand::Virtual(register, first) => {
                let data = self.0.registers[register.0 as usize];
                let sigil = if data.file == File::Scalar { '$' } else { '%' };
                write!(f, "{sigil}{}", register.0)?;
                if data.dwords > 1 {
                    write!(f, ".{first}")?;
                }
                Ok(())
            }
            Operand::Fixed(operand) => fixed(f, operand),
        }
    }
}

fn fixed(f: &mut fmt::Formatter<'_>, operand: isa::Operand) -> fmt::Result {
    const FLOATS: [&str; 9] = [
        "0.5", "-0.5", "1.0", "-1.0", "2.0", "-2.0", "4.0", "-4.0", "inv2pi",
    ];
    match operand {
        isa::Operand::None => f.write_str("_"),
        isa::Operand::S(106) => f.write_str("vcc_lo"),
        isa::Operand::S(124) => f.write_str("null"),
        isa::Operand::S(125) => f.write_str("m0"),
        isa::Operand::S(126) => f.write_str("exec_lo"),
        isa::Operand::S(code) => write!(f, "s{code}"),
        isa::Operand::V(code) => write!(f, "v{code}"),
        isa::Operand::Inline(code @ 128..=192) => write!(f, "{}", code - 128),
        isa::Operand::Inline(code @ 193..=208) => write!(f, "-{}", code - 192),
        isa::Operand::Inline(code @ 240..=248) => f.write_str(FLOATS[usize::from(code) - 240]),
        isa::Operand::Inline(253) => f.write_str("scc"),
        isa::Operand::Inline(code) => write!(f, "inline{code}"),
        isa::Operand::Literal(bits) => write!(f, "{bits:#x}"),
    }
}

impl fmt::Display for Show<'_, &Inst> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(function, inst) = *self;
        match &inst.kind {
            Kind::Isa(op) => f.write_str(op.row().name)?,
            Kind::Copies(copies) => {
                f.write_str("copy")?;
                for (index, (to, from)) in copies.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(
                        f,
                        "{comma} {} = {}",
                        Show(function, *to),
                        Show(function, *from)
                    )?;
                }
                return Ok(());
            }
            Kind::Undefined => f.write_str("undefined")?,
        }
        let mut comma = "";
        let last_dst = inst
            .dst
            .iter()
            .rposition(|operand| *operand != Operand::None);
        let last_src = inst
            .src
            .iter()
            .rposition(|operand| *operand != Operand::None);
        for dst in &inst.dst[..last_dst.map_or(0, |last| last + 1)] {
            write!(f, "{comma} {}", Show(function, *dst))?;
            comma = ",";
        }
        let packed = matches!(inst.kind, Kind::Isa(op) if op.row().format == isa::Format::Vop3p);
        for (index, src) in inst.src[..last_src.map_or(0, |last| last + 1)]
            .iter()
            .enumerate()
        {
            let bit = |bits: u8| !packed && bits >> index & 1 == 1;
            let neg = if bit(inst.mods.neg) { "-" } else { "" };
            let bar = if bit(inst.mods.abs) { "|" } else { "" };
            write!(f, "{comma} {neg}{bar}{}{bar}", Show(function, *src))?;
            comma = ",";
        }
        if let Some(BlockId(target)) = inst.target {
            write!(f, "{comma} b{target}")?;
        }
        modifiers(f, inst, packed)
    }
}

fn modifiers(f: &mut fmt::Formatter<'_>, inst: &Inst, packed: bool) -> fmt::Result {
    let mods = &inst.mods;
    if packed {
        for (name, bits, usual) in [
            ("op_sel", mods.op_sel, 0),
            ("op_sel_hi", mods.op_sel_hi, 7),
            ("neg_lo", mods.neg, 0),
            ("neg_hi", mods.abs, 0),
        ] {
            if bits != usual {
                write!(
                    f,
                    " {name}:[{},{},{}]",
                    bits & 1,
                    bits >> 1 & 1,
                    bits >> 2 & 1
                )?;
            }
        }
    } else if mods.op_sel != 0 {
        write!(f, " op_sel:{:#06b}", mods.op_sel)?;
    }
    for (name, set) in [
        ("clamp", mods.clamp),
        ("offen", mods.offen),
        ("glc", mods.glc),
    ] {
        if set {
            write!(f, " {name}")?;
        }
    }
    match mods.dpp {
        Some(isa::Dpp::Row {
            ctrl,
            row_mask,
            bank_mask,
            bound_ctrl,
            ..
        }) => {
            write!(f, " dpp:{ctrl:#x}")?;
            if (row_mask, bank_mask) != (15, 15) {
                write!(f, " row_mask:{row_mask:#x} bank_mask:{bank_mask:#x}")?;
            }
            if bound_ctrl {
                f.write_str(" bound_ctrl")?;
            }
        }
        Some(isa::Dpp::Eight { selectors, .. }) => write!(f, " dpp8:{selectors:#x}")?,
        None => {}
    }
    if inst.imm != 0 {
        write!(f, " imm:{}", inst.imm)?;
    }
    match inst.memory {
        Some(Memory::Shared) => f.write_str(" ; shared"),
        Some(Memory::Buffer(n)) => write!(f, " ; buffer {n}"),
        Some(Memory::ReadOnly) => f.write_str(" ; read-only"),
        None => Ok(()),
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (register, fixed_register) in &self.live_in {
            write!(f, "in {} = ", Show(self, Operand::Virtual(*register, 0)))?;
            fixed(f, *fixed_register)?;
            writeln!(f)?;
        }
        for (index, block) in self.blocks.iter().enumerate() {
            write!(f, "b{index}:")?;
            heading(f, block, index)?;
            for inst in &block.insts {
                writeln!(f, "  {}", Show(self, inst))?;
            }
        }
        Ok(())
    }
}

/// Names the edges, the linear ones only where they differ from the logical ones.
fn heading(f: &mut fmt::Formatter<'_>, block: &Block, _index: usize) -> fmt::Result {
    if block.loop_header {
        f.write_str(" loop")?;
    }
    let list = |blocks: &[BlockId]| {
        let names: Vec<String> = blocks.iter().map(|block| format!("b{}", block.0)).collect();
        names.join(" ")
    };
    let sorted = |blocks: &[BlockId]| {
        let mut blocks = blocks.to_vec();
        blocks.sort();
        blocks
    };
    let (logical, linear) = (sorted(&block.logical), sorted(&block.linear));
    if !logical.is_empty() {
        write!(f, " -> {}", list(&logical))?;
    }
    if logical != linear && !linear.is_empty() {
        write!(f, " (linear {})", list(&linear))?;
    }
    writeln!(f)
}
