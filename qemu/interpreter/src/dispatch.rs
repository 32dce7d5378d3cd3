//! A dispatch: workgroups spread over host threads, registers set up as the command processor does (LLVM's "User Guide for
//! AMDGPU Backend", "Initial Kernel Execution State").

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::group::Worker;
use crate::memory::Memory;
use crate::mode::Mode;
use crate::program::Program;
use crate::report::{Report, Tally};
use crate::rule::Strictness;
use crate::stop::Stop;
use crate::wave::{EXEC, Wave};

/// What is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// Threads of a workgroup in x, y, z.
    pub workgroup_size: [u32; 3],
    /// Address that `s[0:1]` hold at entry.
    pub arguments: u64,
    /// User SGPRs before the workgroup ids; those beyond `s[0:1]` are undefined.
    pub user_sgprs: u32,
    /// Which workgroup ids follow the user SGPRs.
    pub workgroup_ids: [bool; 3],
    /// Local ids in v0: 0 x, 1 x and y, 2 all.
    pub local_id_components: u32,
    /// Bytes of workgroup memory.
    pub lds_bytes: u32,
    /// Workgroup memory is zeroed and counts as written.
    pub lds_zeroed: bool,
    /// Bytes of scratch for each thread.
    pub scratch_bytes: u32,
    /// MODE at entry.
    pub mode: Mode,
}

/// How it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rules to enforce.
    pub strictness: Strictness,
    /// Host threads; 0 for as many as the machine has.
    pub threads: usize,
    /// Steps after which a wave is stopped.
    pub max_steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strictness: Strictness::strict(),
            threads: 0,
            max_steps: 1 << 32,
        }
    }
}

/// A launch that no hardware would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLaunch {
    /// No thread, or more than 1024 in a workgroup.
    WorkgroupSize([u32; 3]),
    /// More workgroup memory than 64 KiB.
    Lds(u32),
    /// SGPRs do not fit s0 to s105.
    Sgprs(u32),
    /// More scratch memory for each thread than a wave can have.
    Scratch(u32),
}

impl std::fmt::Display for BadLaunch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WorkgroupSize(size) => {
                write!(
                    f,
                    "a workgroup of {size:?} threads; 1 to 1024 in all can be"
                )
            }
            Self::Lds(bytes) => {
                write!(f, "{bytes} bytes of workgroup memory; at most 65536 can be")
            }
            Self::Sgprs(count) => write!(f, "{count} user SGPRs; at most 32 can be"),
            Self::Scratch(bytes) => write!(
                f,
                "{bytes} bytes of scratch for each thread; at most {MAX_SCRATCH} can be"
            ),
        }
    }
}

impl std::error::Error for BadLaunch {}

/// Why a dispatch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not begin.
    Launch(BadLaunch),
    /// A wave stopped.
    Stop(Box<Stop>),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Launch(bad) => bad.fmt(f),
            Self::Stop(stop) => stop.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

const WAVE: u32 = 32;
const MAX_THREADS: u64 = 1024;
const MAX_LDS: u32 = 65536;
const MAX_USER_SGPRS: u32 = 32;
/// Bytes of scratch that each thread of a wave of 32 can have: COMPUTE_TMPRING_SIZE.WAVESIZE has 15 bits and counts 64
/// dwords (LLVM's `GCNSubtarget`).
pub const MAX_SCRATCH: u32 = ((1 << 15) - 1) * 256 / WAVE;

impl Launch {
    fn check(&self) -> Result<(), BadLaunch> {
        let threads = self.workgroup_size.iter().map(|size| u64::from(*size));
        let threads = threads.fold(1, u64::saturating_mul);
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(BadLaunch::WorkgroupSize(self.workgroup_size));
        }
        if self.lds_bytes > MAX_LDS {
            return Err(BadLaunch::Lds(self.lds_bytes));
        }
        if self.user_sgprs > MAX_USER_SGPRS {
            return Err(BadLaunch::Sgprs(self.user_sgprs));
        }
        if self.scratch_bytes > MAX_SCRATCH {
            return Err(BadLaunch::Scratch(self.scratch_bytes));
        }
        Ok(())
    }

    fn threads(&self) -> u32 {
        self.workgroup_size.iter().product()
    }

    /// The waves of a workgroup at entry.
    fn waves(&self, workgroup: [u32; 3], user: &[u32]) -> Vec<Wave> {
        let threads = self.threads();
        (0..threads.div_ceil(WAVE))
            .map(|index| {
                let mut wave = Wave::new(index, self.scratch_bytes as usize);
                wave.mode = self.mode;
                let first = index * WAVE;
                let here = (threads - first).min(WAVE);
                wave.s[EXEC] = u32::MAX >> (WAVE - here);
                for (sgpr, value) in user.iter().take(MAX_USER_SGPRS as usize).enumerate() {
                    wave.set_sgpr(sgpr as u8, *value);
                }
                let mut next = self.user_sgprs as u8;
                for (wanted, id) in self.workgroup_ids.into_iter().zip(workgroup) {
                    if wanted {
                        wave.set_sgpr(next, id);
                        next += 1;
                    }
                }
                wave.set_vgpr(
                    0,
                    std::array::from_fn(|lane| self.local_id(first + lane as u32)),
                );
                wave
            })
            .collect()
    }

    /// The packed local id of a thread: x in bits 9:0, y in 19:10, z in 29:20.
    fn local_id(&self, thread: u32) -> u32 {
        let [width, height, _] = self.workgroup_size;
        let x = thread % width;
        let y = thread / width % height;
        let z = thread / (width * height);
        match self.local_id_components {
            0 => x,
            1 => x | y << 10,
            _ => x | y << 10 | (z & 0x3ff) << 20,
        }
    }
}

/// Runs a dispatch.
///
/// # Errors
/// If the launch is impossible, or a wave breaks a rule; of several workgroups that stop, the first is reported.
pub fn dispatch(
    program: &Program,
    launch: &Launch,
    memory: &dyn Memory,
    options: &Options,
) -> Result<Report, Failure> {
    let arguments = [launch.arguments as u32, (launch.arguments >> 32) as u32];
    dispatch_with(program, launch, &arguments, memory, options)
}

/// Runs a dispatch whose user SGPRs hold `user` from s0 on, instead of the address of arguments alone.
///
/// # Errors
/// As [`dispatch`].
pub fn dispatch_with(
    program: &Program,
    launch: &Launch,
    user: &[u32],
    memory: &dyn Memory,
    options: &Options,
) -> Result<Report, Failure> {
    launch.check().map_err(Failure::Launch)?;
    let groups = launch.workgroups.map(u64::from);
    let groups = groups.into_iter().fold(1, u64::saturating_mul);
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = match options.threads {
        0 => available,
        threads => threads,
    };
    let threads = wanted
        .min(usize::try_from(groups).unwrap_or(usize::MAX))
        .max(1);
    let queue = Queue {
        next: AtomicU64::new(0),
        groups,
        stopped: AtomicBool::new(false),
        first: Mutex::new(None),
    };
    let work = || queue.work(program, launch, user, memory, options);
    let tallies = if threads == 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            // A panic of a worker is a defect of this crate; it goes on in the caller.
            handles
                .into_iter()
                .map(|handle| {
                    handle
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    };
    let first = queue.first.into_inner();
    match first.unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some((_, stop)) => Err(Failure::Stop(stop)),
        None => Ok(Report::of(program, &tallies)),
    }
}

/// Workgroups that are still to be run.
struct Queue {
    next: AtomicU64,
    groups: u64,
    stopped: AtomicBool,
    /// The stop of the lowest workgroup so far.
    first: Mutex<Option<(u64, Box<Stop>)>>,
}

impl Queue {
    fn work(
        &self,
        program: &Program,
        launch: &Launch,
        user: &[u32],
        memory: &dyn Memory,
        options: &Options,
    ) -> Tally {
        let mut worker = Worker::new(program, memory, options.strictness);
        loop {
            let group = self.next.fetch_add(1, Relaxed);
            if group >= self.groups || self.stopped.load(Relaxed) {
                return worker.tally;
            }
            let [width, height, _] = launch.workgroups.map(u64::from);
            let id = [
                group % width,
                group / width % height,
                group / (width * height),
            ];
            let id = id.map(|part| part as u32);
            worker.lds.reset(launch.lds_bytes as usize);
            if launch.lds_zeroed {
                worker.lds.define(0, launch.lds_bytes as usize);
            }
            let mut waves = launch.waves(id, user);
            if let Err(stop) = worker.run(&mut waves, id, options.max_steps) {
                self.stopped.store(true, Relaxed);
                let first = self.first.lock();
                let mut first = first.unwrap_or_else(std::sync::PoisonError::into_inner);
                if first.as_ref().is_none_or(|(known, _)| group < *known) {
                    *first = Some((group, stop));
                }
            }
        }
    }
}
