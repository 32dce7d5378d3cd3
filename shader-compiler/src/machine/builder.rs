//! Builds functions in machine form, for tests.

use super::{Block, BlockId, File, Function, Inst, Kind, Operand, Register, RegisterData};
use gfx1100_isa as isa;
use isa::{Format, Op};

/// An inline integer.
pub(super) fn int(value: i32) -> Operand {
    Operand::Fixed(isa::Operand::inline_int(value).expect("-16 to 64"))
}

/// An instruction of the table.
pub(super) fn inst(op: Op, dst: &[Operand], src: &[Operand]) -> Inst {
    let mut inst = Inst::new(Kind::Isa(op));
    inst.dst[..dst.len()].copy_from_slice(dst);
    inst.src[..src.len()].copy_from_slice(src);
    inst.mods = isa::Mods::default_of(op);
    inst.mods.offen = op.row().format == Format::Mubuf;
    inst
}

pub(super) const EXEC: Operand = Operand::Fixed(isa::Operand::EXEC);

/// A function under construction.
pub(super) struct Builder {
    pub(super) function: Function,
    pub(super) now: usize,
    pub(super) depth: u32,
}

impl Builder {
    pub(super) fn new() -> Self {
        let mut function = Function {
            name: "random".to_owned(),
            workgroup_size: [32, 1, 1],
            ..Function::default()
        };
        function.blocks.push(Block::default());
        Self {
            function,
            now: 0,
            depth: 0,
        }
    }

    pub(super) fn register(&mut self, file: File, dwords: u8) -> Operand {
        self.function.registers.push(RegisterData {
            file,
            dwords,
            mask: false,
            whole_wave: false,
        });
        Operand::Virtual(Register(self.function.registers.len() as u32 - 1), 0)
    }

    pub(super) fn data(&mut self, operand: Operand) -> &mut RegisterData {
        let Operand::Virtual(register, _) = operand else {
            panic!("not a virtual register");
        };
        &mut self.function.registers[register.0 as usize]
    }

    pub(super) fn arrive(&mut self, file: File, dwords: u8, place: isa::Operand) -> Operand {
        let operand = self.register(file, dwords);
        if let Operand::Virtual(register, _) = operand {
            self.function.live_in.push((register, place));
        }
        operand
    }

    pub(super) fn push(&mut self, op: Op, dst: &[Operand], src: &[Operand]) -> &mut Inst {
        self.put(inst(op, dst, src))
    }

    pub(super) fn put(&mut self, inst: Inst) -> &mut Inst {
        let insts = &mut self.function.blocks[self.now].insts;
        insts.push(inst);
        insts.last_mut().expect("just pushed")
    }

    pub(super) fn copies(&mut self, pairs: Vec<(Operand, Operand)>) {
        self.put(Inst::new(Kind::Copies(pairs)));
    }

    /// A branch to a block yet to be made is patched by the caller.
    pub(super) fn branch(&mut self, op: Op, target: usize) {
        self.push(op, &[], &[]).target = Some(BlockId(target as u32));
    }

    /// Starts the next block.
    pub(super) fn block(&mut self) -> usize {
        self.function.blocks.push(Block {
            depth: self.depth,
            ..Block::default()
        });
        self.now = self.function.blocks.len() - 1;
        self.now
    }

    pub(super) fn edge(&mut self, from: usize, to: usize, logical: bool, linear: bool) {
        let block = &mut self.function.blocks[from];
        if logical {
            block.logical.push(BlockId(to as u32));
        }
        if linear {
            block.linear.push(BlockId(to as u32));
        }
    }
}

pub(super) fn part(operand: Operand, dword: u8) -> Operand {
    match operand {
        Operand::Virtual(register, first) => Operand::Virtual(register, first + dword),
        other => other,
    }
}
