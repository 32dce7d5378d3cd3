//! What the interpreter stops at: the rules, their classes, and which of them a run enforces.
//!
//! Sources, by the number that a rule names:
//!
//! | number | source |
//! | --- | --- |
//! | 2, 3, 4 | encodings and operands: RDNA3 manual, "Microcode Formats", and what `llvm-mc` 19 takes |
//! | 5 | wave state: RDNA3 manual, "Wave State" |
//! | 6 | waiting: RDNA3 manual, "Data Dependency Resolution"; LLVM's `SIInsertWaitcnts`, ACO's `aco_insert_waitcnt` |
//! | 7 | VOPD: RDNA3 manual, "Dual Issue VALU", and what `llvm-mc` 19 takes |
//! | 8 | WMMA: RDNA3 manual, "Wave Matrix Multiply Accumulate"; LLVM's constraints on its registers |
//! | 10 | memory: RDNA3 manual, "Memory Buffer Instructions", "Data Share Operations" |
//! | 11 | hazards: LLVM's `GCNHazardRecognizer`, ACO's `README-ISA.md` |
//! | 12 | register allocation: LLVM's `GCNSubtarget` |
//! | 13 | state at launch: LLVM's "User Guide for AMDGPU Backend", "Initial Kernel Execution State" |
//! | 16 | what harnesses written elsewhere do although assemblers do not |
//! | 18 | our own: what has no meaning, or only by luck |

/// Groups of rules that are switched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleClass {
    /// There is no meaning to go on with, or the decoder refuses it; enforced in every run.
    Always,
    /// Values that were never written.
    Undefined,
    /// Registers that a load has not filled yet.
    Waits,
    /// Hazards that hardware does not interlock.
    Hazards,
    /// Operands that the encoding can express but the hardware forbids.
    Operands,
    /// Addresses: alignment and ranges.
    Memory,
    /// Workgroup memory shared between waves without a barrier.
    Races,
    /// Barriers, clauses and the end of the wave.
    Control,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident: $class:ident, $name:literal;)*) => {
        /// One way to be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Rule { $($(#[doc = $doc])+ $rule),* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// The name that messages and options use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// The class it is switched with.
            #[must_use]
            pub const fn class(self) -> RuleClass {
                match self { $(Self::$rule => RuleClass::$class),* }
            }

            /// What it says and where that is from.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$rule => concat!($($doc),+).trim_ascii()),* }
            }
        }
    };
}

rules! {
    /// The bytes are no instruction of gfx1100 (source 2 to 4: reserved, RDNA 3.5 only, or of another unit).
    ReservedEncoding: Always, "reserved-encoding";
    /// VOPD: the same source of X and Y in one bank (register number modulo 4; source 7, rule 3).
    VopdBanks: Always, "vopd-banks";
    /// More scalar values than the VALU's constant bus carries: two, one for 64-bit shifts (source 2; 7, rule 5).
    ScalarOperands: Always, "scalar-operands";
    /// A literal wider than its 16-bit operand (source 2).
    Literals: Always, "literals";
    /// A tuple of SGPRs that is not aligned to its size, at most 4, or runs past s105 (source 2).
    MisalignedSgprs: Always, "misaligned-sgprs";
    /// A tuple of VGPRs that runs past v255, also by way of M0.
    RegisterRange: Always, "register-range";
    /// The instruction exists but means nothing to a compute wave here (traps, messages, global data share).
    Unsupported: Always, "unsupported";
    /// The program counter ran past the last instruction (source 18).
    FallOffEnd: Always, "fall-off-end";
    /// A branch into the middle of an instruction or out of the code (source 18).
    BranchTarget: Always, "branch-target";
    /// `s_code_end` is padding and not executable (source 4).
    CodeEnd: Always, "code-end";
    /// An address that no declared range or page holds (source 18).
    MemoryFault: Always, "memory-fault";
    /// The run took as many steps as it was allowed.
    StepLimit: Always, "step-limit";

    /// An SGPR, VCC, M0 or SCC is read that was never written (source 13: undefined at launch).
    UndefinedSgpr: Undefined, "undefined-sgpr";
    /// An active lane reads a VGPR that it never wrote (source 13).
    UndefinedVgpr: Undefined, "undefined-vgpr";
    /// A value is used that was loaded from workgroup memory nobody wrote (source 18).
    UndefinedLds: Undefined, "undefined-lds";
    /// A value is used that was loaded from memory nobody wrote (source 18).
    UndefinedMemory: Undefined, "undefined-memory";
    /// A value is used that was loaded from scratch memory nobody wrote (source 18).
    UndefinedScratch: Undefined, "undefined-scratch";

    /// A VGPR is touched before `vmcnt` says that its load is done, in whichever lane (source 6).
    PendingVmem: Waits, "pending-vmem";
    /// A VGPR is touched before `lgkmcnt` says that its LDS load is done (source 6).
    PendingLds: Waits, "pending-lds";
    /// An SGPR is touched before `lgkmcnt` says that its scalar load is done (source 6).
    PendingSmem: Waits, "pending-smem";
    /// Scalar loads return in any order: only `lgkmcnt(0)` waits for one (source 6).
    SmemOrder: Waits, "smem-order";

    /// A VALU instruction reads the result of a transcendental one too early (source 11, VALUTransUse).
    TransUse: Hazards, "trans-use";
    /// `v_permlane*` follows `v_cmpx` with no VALU instruction between that does something (source 11, VcmpxPermlane).
    CmpxPermlane: Hazards, "cmpx-permlane";
    /// A matrix product reads as A or B what the one before wrote, with no VALU instruction between (source 11).
    WmmaForward: Hazards, "wmma-forward";
    /// `v_mad_u64_u32` or `v_mad_i64_i32` writes a register that it reads (source 11, MADIntraFwd).
    MadOverlap: Hazards, "mad-overlap";
    /// `op_sel` on a dot product (source 11).
    DotOpSel: Hazards, "dot-op-sel";
    /// MSG_DEALLOC_VGPRS without `s_nop` before it (source 11).
    DeallocNop: Hazards, "dealloc-nop";
    /// MSG_DEALLOC_VGPRS with scratch stores outstanding (source 11).
    DeallocScratch: Hazards, "dealloc-scratch";
    /// `scratch_*` with VGPR and SGPR whose low bits carry when added (source 10, gfx11 defect).
    ScratchCarry: Hazards, "scratch-carry";

    /// A field that hardware ignores is not as an assembler writes it (source 16).
    NonCanonical: Operands, "non-canonical";
    /// A VGPR beyond those allocated, in granules of 24 (source 12).
    RegisterAllocation: Operands, "register-allocation";
    /// `exec_hi` is no mask in wave32 (source 5).
    ExecHi: Operands, "exec-hi";
    /// `vcc_hi` is no mask in wave32 (source 5).
    VccHi: Operands, "vcc-hi";
    /// WMMA: D overlaps A or B, or C in part (source 8).
    WmmaOverlap: Operands, "wmma-overlap";
    /// WMMA with lanes switched off (source 8).
    WmmaExec: Operands, "wmma-exec";
    /// WMMA: A or B differs between lane l and lane l + 16 (source 8).
    WmmaHalves: Operands, "wmma-halves";

    /// A load or store at an address that is not a multiple of its size, at most 4 (source 10).
    MisalignedAccess: Memory, "misaligned-access";
    /// An atomic at an address that is not a multiple of its size (source 18).
    MisalignedAtomic: Always, "misaligned-atomic";
    /// A scalar load from an address that is no multiple of 4, or of negative total offset (source 2, 10).
    MisalignedScalar: Memory, "misaligned-scalar";
    /// An LDS access beyond the workgroup's allocation (source 10).
    LdsRange: Memory, "lds-range";
    /// A scratch access beyond the lane's allocation.
    ScratchRange: Memory, "scratch-range";
    /// A buffer access beyond `num_records`: hardware reads 0 and drops stores (source 10).
    BufferRange: Memory, "buffer-range";
    /// A buffer descriptor of another kind than a raw buffer of dwords.
    BufferDescriptor: Memory, "buffer-descriptor";

    /// Two waves touch the same bytes of LDS between two barriers, one of them writing (source 18).
    LdsRace: Races, "lds-race";
    /// `s_barrier` with LDS accesses outstanding: it does not wait for memory (source 6).
    BarrierOutstanding: Races, "barrier-outstanding";

    /// A wave waits at a barrier that another one of the workgroup will never reach because it ended (source 18).
    BarrierExited: Control, "barrier-exited";
    /// Waves of a workgroup wait at different barriers (source 18).
    BarrierDiverged: Control, "barrier-diverged";
    /// `s_clause` around instructions of different kinds, or of a length that it cannot have (source 6).
    Clause: Control, "clause";
}

/// The rules that a run enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strictness(u64);

impl Strictness {
    /// All rules.
    #[must_use]
    pub fn strict() -> Self {
        Rule::ALL.iter().fold(Self(0), |set, rule| set.with(*rule))
    }

    /// Only those without which nothing could go on: what harnesses that know no waits or poison need.
    #[must_use]
    pub fn lenient() -> Self {
        Rule::ALL
            .iter()
            .filter(|rule| rule.class() == RuleClass::Always)
            .fold(Self(0), |set, rule| set.with(*rule))
    }

    /// With this rule.
    #[must_use]
    pub const fn with(self, rule: Rule) -> Self {
        Self(self.0 | 1 << rule as u8)
    }

    /// Without this rule; those of [`RuleClass::Always`] stay.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        if rule.class() == RuleClass::Always {
            self
        } else {
            Self(self.0 & !(1 << rule as u8))
        }
    }

    /// Without the rules of a class.
    #[must_use]
    pub fn without_class(self, class: RuleClass) -> Self {
        Rule::ALL
            .iter()
            .filter(|rule| rule.class() == class)
            .fold(self, |set, rule| set.without(*rule))
    }

    /// Whether the rule is enforced.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u8 & 1 == 1
    }

    /// Whether any rule beyond the indispensable is enforced.
    #[must_use]
    pub fn checks_anything(self) -> bool {
        self != Self::lenient()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_fit_the_set_and_have_unique_names() {
        assert!(Rule::ALL.len() <= 64);
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
    }

    #[test]
    fn a_class_is_switched_as_one() {
        let set = Strictness::strict().without_class(RuleClass::Waits);
        assert!(!set.has(Rule::PendingVmem) && !set.has(Rule::SmemOrder));
        assert!(set.has(Rule::UndefinedVgpr));
        assert!(
            Strictness::lenient()
                .without(Rule::MemoryFault)
                .has(Rule::MemoryFault)
        );
    }
}
