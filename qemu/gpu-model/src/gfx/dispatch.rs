//! A dispatch: the state that it starts from, its program, and what comes of it.

use std::collections::HashMap;
use std::sync::Arc;

use amdgpu_registers::{Register, gc};
use gfx1100_interpreter::{
    Failure, Launch, Mode, Options, Program, Report, Rule as IsaRule, Stop, Strictness,
    dispatch_with,
};

use super::Gfx;
use super::launch_rules::*;
use super::pm4::{strict, wide};
use super::queue::{Key, Queue, sh};
use super::waves::{Notes, Waves};
use crate::caches::STALE_CODE;
use crate::counters::Dispatch;
use crate::fabric::{Event, Fabric, Vector};
use crate::fault::FaultKind;
use crate::gmc::{Client, Intent};
use crate::rule::Violation;
use crate::run::Outcome;

/// Client id of instruction fetches in page faults (SQC, instructions).
const SQC: u8 = 9;
/// The longest program that is looked for.
const LONGEST: usize = 1 << 20;
/// Dwords of padding after which a program has ended.
const PADDING: usize = 16;
const S_CODE_END: u32 = 0xbf9f_0000;
/// Steps after which a wave counts as hung.
const MAX_STEPS: u64 = 1 << 30;
/// Workgroups of a dispatch that are run.
const MOST_GROUPS: u64 = 1 << 28;
/// Shader engines of the card.
const ENGINES: u64 = 6;
/// Clocks per microsecond.
const MHZ: u64 = 2500;
/// Programs that are kept.
const KEPT: usize = 4096;

/// Programs that were run, decoded, by address.
#[derive(Default)]
pub(super) struct Programs {
    known: HashMap<u64, Known>,
    /// Counts invalidations of the instruction caches.
    epoch: u64,
}

struct Known {
    code: Vec<u8>,
    vgprs: u32,
    program: Arc<Program>,
    epoch: u64,
}

impl Programs {
    /// The instruction caches were invalidated.
    pub(super) fn invalidate(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

/// A register of the queue's state.
fn get(queue: &Queue, register: Register) -> u32 {
    queue.sh[sh(register)]
}

fn three(queue: &Queue, first: Register) -> [u32; 3] {
    [0, 1, 2].map(|at| get(queue, first.plus(at)))
}

/// What a dispatch starts from.
struct State {
    launch: Launch,
    user: Vec<u32>,
    code: u64,
    vgprs: u32,
}

impl Gfx {
    /// DISPATCH_DIRECT and DISPATCH_INDIRECT.
    pub(super) fn dispatch(
        &mut self,
        key: Key,
        queue: &mut Queue,
        groups: [u32; 3],
        initiator: u32,
        fabric: &mut Fabric,
    ) -> Result<Outcome, Violation> {
        if groups.contains(&0) {
            fabric.broken(GRID, format_args!("{key}: {groups:?}"))?;
            return Ok(Outcome::Done);
        }
        let count = groups.map(u64::from).into_iter();
        fabric.require(
            count.fold(1, u64::saturating_mul) <= MOST_GROUPS,
            GRID_SIZE,
            format_args!("{key}: {groups:?}"),
        )?;
        let sh_mem = self.sh_mem[usize::from(queue.vmid & 15)];
        let state = check(key, queue, groups, initiator, sh_mem, fabric)?;
        if fabric.faults.happens(FaultKind::HungWave) {
            return Ok(Outcome::Hangs);
        }
        if fabric.faults.happens(FaultKind::IllegalInstruction) {
            illegal_instruction(queue.vmid, fabric);
            return Ok(Outcome::Hangs);
        }
        let Some(program) = self.program(key, queue, &state, fabric)? else {
            return Ok(Outcome::Hangs);
        };
        let fault = fabric.faults.happens(FaultKind::PageFault);
        fabric.caches.begin();
        fabric.caches.levels();
        let began = fabric.clock.ns();
        let options = Options {
            // What a wave reads at a page that was spoilt on demand is no mistake of the driver.
            strictness: if strict(fabric) && !fault {
                Strictness::strict()
            } else {
                Strictness::lenient()
            },
            max_steps: MAX_STEPS,
            ..Options::default()
        };
        let waves = Waves::new(fabric, queue.vmid, fault);
        let result = dispatch_with(&program, &state.launch, &state.user, &waves, &options);
        let notes = waves.into_notes();
        tell(notes, fabric)?;
        match result {
            Ok(report) => {
                finish(&state, &report, began, fabric);
                Ok(Outcome::Done)
            }
            Err(_) if fault => Ok(Outcome::Hangs),
            Err(failure) => fail(key, queue, &failure, fabric),
        }
    }

    /// The program of a dispatch; `None` if its pages cannot be executed.
    fn program(
        &mut self,
        key: Key,
        queue: &Queue,
        state: &State,
        fabric: &mut Fabric,
    ) -> Result<Option<Arc<Program>>, Violation> {
        let Some(code) = fetch(queue, state.code, fabric)? else {
            return Ok(None);
        };
        let programs = &mut self.programs;
        if let Some(known) = programs.known.get_mut(&state.code) {
            if known.code == code && known.vgprs == state.vgprs {
                known.epoch = programs.epoch;
                return Ok(Some(known.program.clone()));
            }
            let changed = known.code != code && known.epoch == programs.epoch;
            fabric.require(
                !changed,
                STALE_CODE,
                format_args!("{key}: the program at {:#x}", state.code),
            )?;
        }
        if programs.known.len() >= KEPT {
            programs.known.clear();
        }
        match Program::new(&code, state.code, state.vgprs) {
            Ok(program) => {
                let program = Arc::new(program);
                programs.known.insert(
                    state.code,
                    Known {
                        code,
                        vgprs: state.vgprs,
                        program: program.clone(),
                        epoch: programs.epoch,
                    },
                );
                Ok(Some(program))
            }
            Err(bad) => {
                fabric.broken(PROGRAM, format_args!("{key}: {:#x}: {bad}", state.code))?;
                Ok(None)
            }
        }
    }
}

/// Reads a program: up to its padding, or to the end of its pages.
fn fetch(queue: &Queue, address: u64, fabric: &mut Fabric) -> Result<Option<Vec<u8>>, Violation> {
    let client = Client {
        id: SQC,
        ..queue.client()
    };
    let mut code = Vec::new();
    let mut padding = 0;
    while code.len() < LONGEST {
        let va = address + code.len() as u64;
        let (found, _) = fabric.look_up(client, va);
        let mapped = found.is_ok_and(|(page, _)| page.allows(Intent::Execute));
        if !mapped && !code.is_empty() {
            break;
        }
        let Some(span) = fabric.translate(client, va, Intent::Execute)? else {
            return Ok(None);
        };
        let mut chunk = [0; 4096];
        let count = span.bytes.min(4096 - (va & 0xfff)) as usize;
        let count = count - count % 4;
        fabric.load_span(client, span, &mut chunk[..count])?;
        let (dwords, _) = chunk[..count].as_chunks::<4>();
        for dword in dwords {
            let value = u32::from_le_bytes(*dword);
            code.extend_from_slice(dword);
            padding = if value == S_CODE_END || value == 0 {
                padding + 1
            } else {
                0
            };
            if padding == PADDING {
                return Ok(Some(code));
            }
        }
        if count == 0 {
            break;
        }
    }
    Ok(Some(code))
}

/// Checks the state of a dispatch, and puts it together.
fn check(
    key: Key,
    queue: &Queue,
    groups: [u32; 3],
    initiator: u32,
    sh_mem: [u32; 2],
    fabric: &mut Fabric,
) -> Result<State, Violation> {
    use gc::COMPUTE_DISPATCH_INITIATOR as start;
    use gc::COMPUTE_PGM_RSRC1 as one;
    use gc::COMPUTE_PGM_RSRC2 as two;
    let right =
        start::COMPUTE_SHADER_EN.of(initiator) == 1 && start::FORCE_START_AT_000.of(initiator) == 1;
    fabric.require(right, INITIATOR, format_args!("{key}: {initiator:#x}"))?;
    let wave32 = start::CS_W32_EN.of(initiator) == 1;
    fabric.require(wave32, WAVE32, format_args!("{key}: {initiator:#x}"))?;
    let threads = three(queue, gc::COMPUTE_NUM_THREAD_X).map(|value| value & 0xffff);
    let product: u64 = threads.iter().map(|size| u64::from(*size)).product();
    fabric.require(
        (1..=1024).contains(&product),
        GROUP_THREADS,
        format_args!("{key}: {threads:?}"),
    )?;
    let first = three(queue, gc::COMPUTE_START_X);
    let restart = three(queue, gc::COMPUTE_RESTART_X);
    fabric.require(
        first == [0; 3] && restart == [0; 3],
        START,
        format_args!("{key}: from {first:?}, restart at {restart:?}"),
    )?;
    let (rsrc1, rsrc2) = (
        get(queue, gc::COMPUTE_PGM_RSRC1),
        get(queue, gc::COMPUTE_PGM_RSRC2),
    );
    fabric.require(
        one::PRIV.of(rsrc1) == 0,
        PRIVILEGED,
        format_args!("{key}: RSRC1 {rsrc1:#x}"),
    )?;
    let traps = two::TRAP_PRESENT.of(rsrc2) | two::EXCP_EN.of(rsrc2) | two::EXCP_EN_MSB.of(rsrc2);
    fabric.require(traps == 0, TRAPS, format_args!("{key}: RSRC2 {rsrc2:#x}"))?;
    let vgprs = (one::VGPRS.of(rsrc1) + 1) * 8;
    fabric.require(vgprs <= 256, VGPRS, format_args!("{key}: {vgprs}"))?;
    let lds_bytes = two::LDS_SIZE.of(rsrc2) * 512;
    fabric.require(
        lds_bytes <= 65536,
        LDS,
        format_args!("{key}: {lds_bytes} bytes"),
    )?;
    let user_sgprs = two::USER_SGPR.of(rsrc2).min(16);
    let wanted = (1u32 << user_sgprs) - 1;
    fabric.require(
        queue.user_data & wanted == wanted,
        USER_DATA,
        format_args!("{key}: {user_sgprs} wanted, set are {:#x}", queue.user_data),
    )?;
    let units = [
        gc::COMPUTE_STATIC_THREAD_MGMT_SE0,
        gc::COMPUTE_STATIC_THREAD_MGMT_SE1,
        gc::COMPUTE_STATIC_THREAD_MGMT_SE2,
        gc::COMPUTE_STATIC_THREAD_MGMT_SE3,
        gc::COMPUTE_STATIC_THREAD_MGMT_SE4,
        gc::COMPUTE_STATIC_THREAD_MGMT_SE5,
    ];
    let any = units.iter().any(|register| get(queue, *register) != 0);
    fabric.require(
        any,
        UNITS,
        format_args!("{key}: COMPUTE_STATIC_THREAD_MGMT_SE0 to SE5 are 0"),
    )?;
    let [config, bases] = sh_mem;
    let right = config & 0xd == 0xc
        && bases >> 16 != 0
        && bases & 0xffff != 0
        && bases >> 16 != bases & 0xffff;
    fabric.require(
        right,
        APERTURES,
        format_args!("{key}: SH_MEM_CONFIG {config:#x}, SH_MEM_BASES {bases:#x}"),
    )?;
    let scratch_bytes = scratch(key, queue, two::SCRATCH_EN.of(rsrc2) == 1, fabric)?;
    let code = wide(
        get(queue, gc::COMPUTE_PGM_LO),
        get(queue, gc::COMPUTE_PGM_HI) & 0xff,
    ) << 8;
    fabric.require(code != 0, PROGRAM, format_args!("{key}: {code:#x}"))?;
    let mode =
        one::FLOAT_MODE.of(rsrc1) | one::DX10_CLAMP.of(rsrc1) << 8 | one::IEEE_MODE.of(rsrc1) << 9;
    let user: Vec<u32> = (0..user_sgprs)
        .map(|at| get(queue, gc::COMPUTE_USER_DATA.plus(at)))
        .collect();
    let mut workgroups = groups;
    if start::USE_THREAD_DIMENSIONS.of(initiator) == 1 {
        for (count, size) in workgroups.iter_mut().zip(threads) {
            *count = count.div_ceil(size.max(1));
        }
    }
    Ok(State {
        launch: Launch {
            workgroups,
            workgroup_size: threads,
            arguments: 0,
            user_sgprs,
            workgroup_ids: [two::TGID_X_EN, two::TGID_Y_EN, two::TGID_Z_EN]
                .map(|field| field.of(rsrc2) == 1),
            local_id_components: two::TIDIG_COMP_CNT.of(rsrc2).min(2),
            lds_bytes,
            lds_zeroed: !strict(fabric),
            scratch_bytes,
            mode: Mode(mode),
        },
        user,
        code,
        vgprs,
    })
}

/// Bytes of scratch for a lane, of a ring that is mapped.
fn scratch(key: Key, queue: &Queue, enabled: bool, fabric: &mut Fabric) -> Result<u32, Violation> {
    use gc::COMPUTE_TMPRING_SIZE as fields;
    if !enabled {
        return Ok(0);
    }
    let ring = get(queue, gc::COMPUTE_TMPRING_SIZE);
    let (waves, size) = (
        u64::from(fields::WAVES.of(ring)),
        u64::from(fields::WAVESIZE.of(ring)) * 256,
    );
    let base = wide(
        get(queue, gc::COMPUTE_DISPATCH_SCRATCH_BASE_LO),
        get(queue, gc::COMPUTE_DISPATCH_SCRATCH_BASE_HI),
    ) << 8;
    let bytes = waves * size * ENGINES;
    let mapped = |va: u64| {
        fabric
            .look_up(queue.client(), va)
            .0
            .is_ok_and(|(page, _)| page.writeable)
    };
    let whole = bytes > 0 && mapped(base) && mapped(base.wrapping_add(bytes - 1));
    fabric.require(
        whole,
        SCRATCH,
        format_args!("{key}: {waves} waves of {size:#x} bytes for each engine at {base:#x}"),
    )?;
    Ok((size / 32) as u32)
}

/// Page faults and broken rules that waves met.
fn tell(notes: Notes, fabric: &mut Fabric) -> Result<(), Violation> {
    for fault in notes.faults {
        fabric.fault(fault);
    }
    for (rule, seen) in notes.complaints {
        fabric.broken(rule, format_args!("{seen}"))?;
    }
    Ok(())
}

fn finish(state: &State, report: &Report, began: u64, fabric: &mut Fabric) {
    let clocks = report.card_clocks();
    fabric.clock.pass((clocks * 1000).div_ceil(MHZ).max(1));
    let levels = fabric.caches.levels();
    fabric.counters.dispatch(Dispatch {
        began,
        ended: fabric.clock.ns(),
        code: state.code,
        workgroups: state.launch.workgroups,
        threads: state.launch.workgroup_size,
        vgprs: state.vgprs,
        lds: state.launch.lds_bytes,
        levels,
        report: report.clone(),
    });
}

/// A wave stopped: a broken rule, or what the card does then.
fn fail(
    key: Key,
    queue: &Queue,
    failure: &Failure,
    fabric: &mut Fabric,
) -> Result<Outcome, Violation> {
    fabric.broken(SHADER, format_args!("{key}: {failure}"))?;
    if let Failure::Stop(stop) = failure {
        let Stop { rule, .. } = **stop;
        if rule != IsaRule::StepLimit {
            illegal_instruction(queue.vmid, fabric);
        }
    }
    Ok(Outcome::Hangs)
}

/// The interrupt of a wave that met an instruction which does not exist: SQ, encoding 2 (error), type 1 (`kfd_int_process_v11.c`).
fn illegal_instruction(vmid: u8, fabric: &mut Fabric) {
    fabric.events.push(Event::Interrupt(Vector {
        client: 0xa,
        source: 239,
        vmid,
        data: [1 << 21, 2 << 6, 0, 0],
        ..Vector::default()
    }));
}
