//! Dispatches as packets: what a kernel is to the queue, and lists of commands that are written once or again and again.

use alloc::boxed::Box;
use alloc::vec;

use amdgpu_registers::gc;

use super::pm4::{After, Caches, Pm4, Write};
use crate::{Error, GpuVa};

/// A kernel in the card's memory, ready to be dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelCode {
    /// COMPUTE_PGM_LO and HI.
    program: [u32; 2],
    /// COMPUTE_PGM_RSRC1 and 2.
    resources: [u32; 2],
    /// COMPUTE_PGM_RSRC3.
    prefetch: u32,
    /// COMPUTE_NUM_THREAD_X to Z.
    threads: [u32; 3],
}

/// What a kernel needs of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// VGPRs of a wave.
    pub vgprs: u32,
    /// SGPRs that the dispatch sets; the first two hold the address of the arguments.
    pub user_sgprs: u32,
    /// Workgroup ids wanted after them.
    pub workgroup_ids: [bool; 3],
    /// Components of the local id wanted in v0: 0 x, 1 x and y, 2 all.
    pub local_id_components: u32,
    /// Bytes of workgroup memory.
    pub lds_bytes: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Bytes of code, without padding.
    pub code_bytes: u32,
}

/// Registers with user data.
const USER_DATA: u32 = 16;

impl KernelCode {
    /// A kernel of waves of 32 whose code lies there.
    ///
    /// # Errors
    /// If no wave could have what it needs, or its code does not begin at a multiple of 256.
    pub fn new(code: GpuVa, needs: &Needs) -> Result<Self, Error> {
        use gc::COMPUTE_PGM_RSRC1 as one;
        use gc::COMPUTE_PGM_RSRC2 as two;
        use gc::COMPUTE_PGM_RSRC3 as three;
        let wrong = |what, found, expected| {
            Err(Error::Unexpected {
                what,
                found,
                expected,
            })
        };
        if !code.0.is_multiple_of(256) {
            return wrong("address of a kernel", code.0, "a multiple of 256");
        }
        if !(1..=256).contains(&needs.vgprs) {
            return wrong("VGPRs of a kernel", needs.vgprs.into(), "1 to 256");
        }
        if !(2..=USER_DATA).contains(&needs.user_sgprs) {
            let found = needs.user_sgprs.into();
            return wrong("user SGPRs of a kernel", found, "2 to 16");
        }
        if needs.lds_bytes > 64 << 10 {
            let found = needs.lds_bytes.into();
            return wrong("workgroup memory of a kernel", found, "at most 64 KiB");
        }
        let threads = needs.workgroup_size.map(u64::from);
        let product = threads
            .iter()
            .try_fold(1u64, |all, size| all.checked_mul(*size));
        let product = product.unwrap_or(u64::MAX);
        if !(1..=1024).contains(&product) {
            return wrong("invocations of a workgroup", product, "1 to 1024");
        }
        // Round to nearest even, denormals kept; a workgroup has both compute units of a WGP; loads return in order. This is
        // what the shader compiler assumes (MODE in `shaders::Kernel`).
        let rsrc1 = one::VGPRS.is(needs.vgprs.div_ceil(8) - 1)
            | one::FLOAT_MODE.is(0xc0)
            | one::DX10_CLAMP.is(1)
            | one::WGP_MODE.is(1)
            | one::MEM_ORDERED.is(1);
        let [x, y, z] = needs.workgroup_ids.map(u32::from);
        let rsrc2 = two::USER_SGPR.is(needs.user_sgprs)
            | two::TGID_X_EN.is(x)
            | two::TGID_Y_EN.is(y)
            | two::TGID_Z_EN.is(z)
            | two::TIDIG_COMP_CNT.is(needs.local_id_components)
            | two::LDS_SIZE.is(needs.lds_bytes.div_ceil(512));
        // Lines of 128 bytes that are fetched before the first wave runs; more than the code has would be read past its end.
        let prefetch = three::INST_PREF_SIZE.is(needs.code_bytes.div_ceil(128).min(63));
        let program = GpuVa(code.0 >> 8);
        Ok(Self {
            program: [program.low(), program.high()],
            resources: [rsrc1, rsrc2],
            prefetch,
            threads: needs.workgroup_size,
        })
    }
}

/// The registers that dispatches set, as the one before left them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    kernel: KernelCode,
    arguments: GpuVa,
}

/// A list of commands: dispatches, barriers, timestamps. It is written without allocation, into space that it has from the
/// beginning, and can be submitted any number of times.
#[derive(Debug)]
pub struct Commands {
    space: Box<[u32]>,
    used: usize,
    known: Option<State>,
}

impl Commands {
    /// An empty list with room for so many dwords. A dispatch takes about 20.
    #[must_use]
    pub fn new(dwords: usize) -> Self {
        Self {
            space: vec![0; dwords].into_boxed_slice(),
            used: 0,
            known: None,
        }
    }

    /// Empties the list.
    pub const fn clear(&mut self) {
        (self.used, self.known) = (0, None);
    }

    /// What was written.
    ///
    /// # Errors
    /// If there was not enough room.
    pub fn words(&self) -> Result<&[u32], Error> {
        self.space.get(..self.used).ok_or(Error::NoRoom {
            what: "list of commands",
            bytes: 4 * self.used as u64,
        })
    }

    /// Packets of any kind, but none that set registers of compute: what these hold is known here, and not set again.
    pub fn pm4(&mut self) -> Pm4<'_> {
        Pm4::new(&mut self.space, &mut self.used)
    }

    /// Runs a kernel in that many workgroups; in none, if one of the numbers is 0.
    pub fn dispatch(&mut self, kernel: &KernelCode, arguments: GpuVa, groups: [u32; 3]) {
        if groups.contains(&0) {
            return;
        }
        self.set(kernel, arguments);
        self.pm4().dispatch_direct(groups, INITIATOR);
    }

    /// Runs a kernel in as many workgroups as the three dwords at `groups` say when it is run, so that a list that is
    /// submitted again can grow with what it works on.
    pub fn dispatch_counted(&mut self, kernel: &KernelCode, arguments: GpuVa, groups: GpuVa) {
        self.set(kernel, arguments);
        self.pm4().dispatch_indirect(groups, INITIATOR);
    }

    /// Sets the registers that are not yet what this dispatch needs.
    fn set(&mut self, kernel: &KernelCode, arguments: GpuVa) {
        let new = State {
            kernel: *kernel,
            arguments,
        };
        let old = self.known.replace(new);
        let mut pm4 = self.pm4();
        if old.is_none() {
            pm4.set_sh_reg(gc::COMPUTE_TMPRING_SIZE, &[0]);
            pm4.set_sh_reg(gc::COMPUTE_RESTART_X, &[0; 3]);
            pm4.set_sh_reg(gc::COMPUTE_RESOURCE_LIMITS, &[0]);
            // START_X to PERFCOUNT_ENABLE, of which NUM_THREAD follows.
            pm4.set_sh_reg(gc::COMPUTE_START_X, &[0; 8]);
            pm4.set_sh_reg(gc::COMPUTE_USER_DATA.plus(2), &[0; USER_DATA as usize - 2]);
        }
        let was = old.map(|state| state.kernel);
        if was.is_none_or(|was| was.program != kernel.program) {
            pm4.set_sh_reg(gc::COMPUTE_PGM_LO, &kernel.program);
        }
        if was.is_none_or(|was| was.resources != kernel.resources) {
            pm4.set_sh_reg(gc::COMPUTE_PGM_RSRC1, &kernel.resources);
        }
        if was.is_none_or(|was| was.prefetch != kernel.prefetch) {
            pm4.set_sh_reg(gc::COMPUTE_PGM_RSRC3, &[kernel.prefetch]);
        }
        if was.is_none_or(|was| was.threads != kernel.threads) {
            pm4.set_sh_reg(gc::COMPUTE_NUM_THREAD_X, &kernel.threads);
        }
        if old.is_none_or(|state| state.arguments != arguments) {
            let address = [arguments.low(), arguments.high()];
            pm4.set_sh_reg(gc::COMPUTE_USER_DATA, &address);
        }
    }

    /// What comes after it sees what kernels before it wrote.
    pub fn barrier(&mut self) {
        let mut pm4 = self.pm4();
        pm4.cs_partial_flush();
        pm4.acquire_mem(super::FROM_KERNELS);
    }

    /// Writes the clock of 100 MHz to a multiple of 8 when all before it is done.
    pub fn timestamp(&mut self, place: GpuVa) {
        let write = Write::Clock(place);
        self.pm4()
            .release_mem(Caches::NONE, write, After::Confirmation);
    }
}

/// Waves of 32, from workgroup 0 on.
const INITIATOR: u32 = {
    use gc::COMPUTE_DISPATCH_INITIATOR::{COMPUTE_SHADER_EN, CS_W32_EN, FORCE_START_AT_000};
    COMPUTE_SHADER_EN.is(1) | FORCE_START_AT_000.is(1) | CS_W32_EN.is(1)
};

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::pm4::decode;
    use super::*;

    const NEEDS: Needs = Needs {
        vgprs: 24,
        user_sgprs: 15,
        workgroup_ids: [true, false, false],
        local_id_components: 0,
        lds_bytes: 1024,
        workgroup_size: [64, 1, 1],
        code_bytes: 300,
    };

    fn kernel(va: u64) -> KernelCode {
        KernelCode::new(GpuVa(va), &NEEDS).expect("it can run")
    }

    fn names(words: &[u32]) -> Vec<(&'static str, usize)> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < words.len() {
            let (name, dwords) = decode(words[at]);
            out.push((name.expect("it is known"), dwords));
            at += dwords;
        }
        out
    }

    #[test]
    fn registers_are_those_that_a_kernel_needs() {
        let code = kernel(0x2000_0000_1200);
        assert_eq!(code.program, [0x0000_0012, 0x20]);
        assert_eq!(code.resources, [0x602c_0002, 2 << 15 | 0x80 | 15 << 1]);
        assert_eq!(code.prefetch, 3 << 4);
    }

    #[test]
    fn what_is_set_already_is_not_set_again() {
        let (one, two) = (kernel(0x2000_0000_1200), kernel(0x2000_0000_1300));
        let mut commands = Commands::new(256);
        let arguments = GpuVa(0x2000_0001_0000);
        commands.dispatch(&one, arguments, [1, 1, 1]);
        let first = commands.words().expect("there is room").len();
        let set = names(&commands.space[..first]);
        assert_eq!(
            set.iter().filter(|(name, _)| *name == "SET_SH_REG").count(),
            10
        );
        let next = |commands: &mut Commands, kernel, arguments| {
            let before = commands.used;
            commands.dispatch(kernel, arguments, [2, 1, 1]);
            names(&commands.space[before..commands.used])
        };
        assert_eq!(
            next(&mut commands, &one, arguments),
            [("DISPATCH_DIRECT", 5)]
        );
        let expected = [("SET_SH_REG", 4), ("DISPATCH_DIRECT", 5)];
        assert_eq!(next(&mut commands, &two, arguments), expected);
        assert_eq!(next(&mut commands, &two, arguments.plus(64)), expected);
        commands.clear();
        commands.dispatch(&two, arguments, [1, 1, 1]);
        assert_eq!(commands.used, first);
        commands.dispatch(&two, arguments, [1, 0, 1]);
        assert_eq!(commands.used, first, "nothing to do");
    }

    #[test]
    fn what_cannot_run_is_named() {
        let wrong = |change: fn(&mut Needs)| {
            let mut needs = NEEDS;
            change(&mut needs);
            let error = KernelCode::new(GpuVa(0x1000), &needs);
            std::format!("{}", error.expect_err("it cannot run"))
        };
        assert!(wrong(|needs| needs.vgprs = 257).contains("VGPRs of a kernel: 0x101"));
        assert!(wrong(|needs| needs.user_sgprs = 1).contains("user SGPRs"));
        assert!(wrong(|needs| needs.lds_bytes = 65537).contains("64 KiB"));
        assert!(wrong(|needs| needs.workgroup_size = [u32::MAX; 3]).contains("1 to 1024"));
        assert!(wrong(|needs| needs.workgroup_size = [32, 0, 1]).contains("1 to 1024"));
        assert!(KernelCode::new(GpuVa(0x1080), &NEEDS).is_err());
        let mut commands = Commands::new(8);
        commands.barrier();
        assert!(commands.words().is_err());
    }
}
