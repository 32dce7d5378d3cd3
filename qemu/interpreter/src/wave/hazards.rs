//! Hazards that gfx1100 does not interlock in wave32, by their names in LLVM.
//!
//! Counting follows LLVM 19's recogniser: for VALUTransUse an instruction between is any VALU instruction, transcendental
//! ones included; memory instructions and `s_waitcnt_depctr` with va_vdst 0 end the hazard.

use gfx1100_isa::{Class, Op};

use super::{Context, Flow, Wave};
use crate::program::{Kind, Step, VgprSet, WmmaStep};
use crate::rule::Rule;

/// VALU instructions after which the result of a transcendental one may be read.
const TRANS_VALU: u32 = 6;
/// Transcendental instructions after which it may be read.
const TRANS_TRANS: u32 = 2;

/// What recent instructions did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hazards {
    /// Results of the last transcendental instructions, the newest first.
    trans: [Option<Trans>; TRANS_TRANS as usize],
    /// D of the WMMA that was the last VALU instruction.
    wmma: Option<u8>,
    /// `v_cmpx` was the last VALU instruction that did something.
    cmpx: bool,
}

#[derive(Clone, Copy, Debug)]
struct Trans {
    registers: VgprSet,
    /// VALU instructions since.
    valu: u32,
}

impl Hazards {
    #[inline]
    pub(crate) fn live(&self) -> bool {
        self.trans[0].is_some() || self.wmma.is_some() || self.cmpx
    }

    /// After a VALU instruction other than WMMA.
    #[inline]
    pub(crate) fn after_vector(&mut self, step: &Step) {
        if self.live() || step.class == Class::Trans || step.writes_exec() {
            self.age(step);
        }
    }

    fn age(&mut self, step: &Step) {
        self.wmma = None;
        self.cmpx = step.writes_exec();
        for trans in &mut self.trans {
            if let Some(recent) = trans {
                recent.valu += 1;
                if recent.valu >= TRANS_VALU {
                    *trans = None;
                }
            }
        }
        if step.class == Class::Trans {
            self.trans[1] = self.trans[0];
            self.trans[0] = Some(Trans {
                registers: step.vector_writes(),
                valu: 0,
            });
        } else if self.trans[0].is_none() {
            self.trans[0] = self.trans[1].take();
        }
    }

    pub(crate) fn after_wmma(&mut self, product: &WmmaStep) {
        let mut other = *self;
        for trans in other.trans.iter_mut().flatten() {
            trans.valu += 1;
        }
        *self = Self {
            trans: other
                .trans
                .map(|trans| trans.filter(|trans| trans.valu < TRANS_VALU)),
            wmma: Some(product.d),
            cmpx: false,
        };
        if self.trans[0].is_none() {
            self.trans[0] = self.trans[1].take();
        }
    }

    /// After `v_nop`: it counts as a VALU instruction, but not for VcmpxPermlane, as the sequencer may drop it.
    pub(crate) fn after_nop(&mut self, step: &Step) {
        let cmpx = self.cmpx;
        if self.live() {
            self.age(step);
        }
        self.cmpx = cmpx;
    }

    /// After a memory instruction, or a wait for the VALU: results have been written.
    #[inline]
    pub(crate) fn after_memory(&mut self) {
        self.trans = [None; 2];
    }
}

impl Wave {
    #[cold]
    pub(crate) fn check_hazards(&self, context: &Context<'_>, step: &Step) -> Flow {
        if !is_valu(step) {
            return Ok(());
        }
        for trans in self.hazards.trans.iter().flatten() {
            if let Some(register) = trans.registers.first_common(&step.vector_reads) {
                context.violate(Rule::TransUse, None, || {
                    format!(
                        "v{register} comes from the transcendental unit {} VALU instructions ago; \
                         {TRANS_VALU} VALU or {TRANS_TRANS} transcendental instructions, or \
                         s_waitcnt_depctr 0xfff, must be between",
                        trans.valu
                    )
                })?;
            }
        }
        match &step.kind {
            Kind::Lane(lane)
                if self.hazards.cmpx
                    && matches!(
                        lane.op,
                        Op::V_PERMLANE16_B32 | Op::V_PERMLANEX16_B32 | Op::V_PERMLANE64_B32
                    ) =>
            {
                context.violate(Rule::CmpxPermlane, None, || {
                    "a VALU instruction other than v_nop must stand between v_cmpx and this"
                        .to_owned()
                })
            }
            Kind::Wmma(product) => self.check_wmma(context, product),
            _ => Ok(()),
        }
    }

    fn check_wmma(&self, context: &Context<'_>, product: &WmmaStep) -> Flow {
        let Some(d) = self.hazards.wmma else {
            return Ok(());
        };
        let mut written = VgprSet::default();
        written.insert(d, 8);
        let mut read = VgprSet::default();
        read.insert(product.a, product.registers);
        read.insert(product.b, product.registers);
        match written.first_common(&read) {
            None => Ok(()),
            Some(register) => context.violate(Rule::WmmaForward, None, || {
                format!(
                    "v{register} of A or B is what the product before wrote; \
                     v_nop or another VALU instruction must be between"
                )
            }),
        }
    }
}

fn is_valu(step: &Step) -> bool {
    matches!(
        step.class,
        Class::Valu | Class::Trans | Class::ValuSlow | Class::Dot | Class::Wmma
    )
}

impl Step {
    /// `v_cmpx`.
    #[inline]
    fn writes_exec(&self) -> bool {
        matches!(&self.kind, Kind::Vector(vector) if usize::from(vector.mask_destination) == super::EXEC)
    }

    /// VGPRs that a VALU instruction writes.
    fn vector_writes(&self) -> VgprSet {
        use crate::program::Destination;
        let mut set = VgprSet::default();
        if let Kind::Vector(vector) = &self.kind {
            match vector.destination {
                Destination::None => {}
                Destination::Word(register) | Destination::Half(register, _) => {
                    set.insert(register, 1);
                }
                Destination::Wide(register) => set.insert(register, 2),
            }
        }
        set
    }
}
