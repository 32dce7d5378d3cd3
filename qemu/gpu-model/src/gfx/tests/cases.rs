//! What breaks each rule of the compute engine, and what keeps it.

use amdgpu_registers::gc;

use super::super::launch_rules::*;
use super::super::*;
use super::support::*;
use crate::caches;
use crate::gmc::tests::VA;
use crate::rig::Case;
use crate::rule::Level;

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: GC_DOWN,
        breaks: |rig| rig.write(gc::GRBM_CNTL, 0xff),
        keeps: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::GRBM_CNTL, 0xff);
        },
    },
    Case {
        rule: MEC_START,
        breaks: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::CP_MEC_RS64_CNTL, 0x0400_0000);
        },
        keeps: |rig| {
            up(rig, Level::Strict);
            mec(rig);
        },
    },
    Case {
        rule: MEC_RUNS,
        breaks: |rig| {
            up(rig, Level::Strict);
            activate(rig, &mqd(), &mqd());
        },
        keeps: ready,
    },
    Case {
        rule: HQD_SELECT,
        breaks: |rig| writes_hqd(rig, 0),
        keeps: |rig| writes_hqd(rig, 4),
    },
    Case {
        rule: HQD_VMID,
        breaks: |rig| queue_with(rig, 0x83, 3),
        keeps: ready,
    },
    Case {
        rule: HQD_RING,
        breaks: |rig| queue_with(rig, 0x91, 0x502),
        keeps: ready,
    },
    Case {
        rule: HQD_POINTERS,
        breaks: |rig| queue_with(rig, 0xb6, 8),
        keeps: ready,
    },
    Case {
        rule: HQD_REPORT,
        breaks: |rig| queue_with(rig, 0x8d, lo(VA + POINTERS + 4)),
        keeps: ready,
    },
    Case {
        rule: HQD_EOP,
        breaks: |rig| {
            up(rig, Level::Strict);
            mec(rig);
            let mut mqd = mqd();
            (mqd[0xa5], mqd[0xa6]) = (0, 0);
            activate(rig, &mqd, &mqd);
        },
        keeps: ready,
    },
    Case {
        rule: HQD_DOORBELL,
        breaks: |rig| queue_with(rig, 0x8f, 0x4000_0100),
        keeps: ready,
    },
    Case {
        rule: MQD_PLACE,
        breaks: |rig| queue_with(rig, 0x80, lo(MC + MQD + 0x80)),
        keeps: ready,
    },
    Case {
        rule: MQD_HEADER,
        breaks: |rig| memory_differs(rig, 0, 0),
        keeps: nop,
    },
    Case {
        rule: MQD_MATCHES,
        breaks: |rig| memory_differs(rig, 0x91, 0x508),
        keeps: nop,
    },
    Case {
        rule: DOORBELL_WIDTH,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 0, 4);
        },
        keeps: nop,
    },
    Case {
        rule: WPTR_BACKWARDS,
        breaks: |rig| {
            nop(rig);
            ring_doorbell(rig, 0, 8);
        },
        keeps: |rig| {
            nop(rig);
            submit(rig, &[0xffff_1000]);
        },
    },
    Case {
        rule: RING_OVERFLOW,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 1025, 8);
        },
        keeps: |rig| {
            for _ in 0..3 {
                if rig.card.fabric.level == Level::Strict && !rig.card.gfx.is_up() {
                    ready(rig);
                }
                submit(rig, &[0xffff_1000; 1000]);
            }
        },
    },
    Case {
        rule: WPTR_MEMORY,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 4, 8);
        },
        keeps: nop,
    },
    Case {
        rule: PACKET_TYPE,
        breaks: |rig| sent(rig, &[0]),
        keeps: |rig| sent(rig, &[0x8000_0000]),
    },
    Case {
        rule: PACKET_LENGTH,
        breaks: |rig| sent(rig, &release(1)[..5]),
        keeps: fenced,
    },
    Case {
        rule: PACKET_OPCODE,
        breaks: |rig| sent(rig, &packet(0x7f, &[0])),
        keeps: |rig| sent(rig, &packet(0x10, &[0])),
    },
    Case {
        rule: PACKET_SIZE,
        breaks: |rig| sent(rig, &packet(0x49, &[0x514, 0])),
        keeps: fenced,
    },
    Case {
        rule: PACKET_REGISTER,
        breaks: |rig| sent(rig, &packet(0x79, &[0x3fff, 0])),
        keeps: |rig| sent(rig, &packet(0x79, &[0x200, 0xe000_0000])),
    },
    Case {
        rule: SH_REGISTER,
        breaks: |rig| sent(rig, &packet(0x76, &[0x10, 0])),
        keeps: |rig| sent(rig, &packet(0x76, &[0x240, 0])),
    },
    Case {
        rule: IB_VALID,
        breaks: |rig| buffer(rig, 0),
        keeps: |rig| {
            buffer(rig, 1 << 23);
            assert_eq!(memory(rig, POINTERS + 0x100), 9);
        },
    },
    Case {
        rule: WRITE_DATA_FORM,
        breaks: |rig| sent(rig, &packet(0x37, &[5 << 8, lo(FENCE) | 2, hi(FENCE), 1])),
        keeps: |rig| sent(rig, &packet(0x37, &[5 << 8, lo(FENCE), hi(FENCE), 1])),
    },
    Case {
        rule: RELEASE_EVENT,
        breaks: |rig| sent(rig, &packet(0x49, &[0x7, 0, 0, 0, 0, 0, 0])),
        keeps: fenced,
    },
    Case {
        rule: RELEASE_ALIGNMENT,
        breaks: |rig| {
            let at = FENCE + 4;
            sent(
                rig,
                &packet(0x49, &[0x514, 0x6000_0000, lo(at), hi(at), 0, 0, 0]),
            );
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x49, &[0x514, 0x6000_0000, lo(FENCE), hi(FENCE), 0, 0, 0]),
            )
        },
    },
    Case {
        rule: GCR_GLM,
        breaks: |rig| sent(rig, &packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x10])),
        keeps: |rig| sent(rig, &acquire()),
    },
    Case {
        rule: GCR_WHOLE,
        breaks: |rig| sent(rig, &packet(0x58, &[0, 0x1000, 0, 0, 0, 0, 0xc3f1])),
        keeps: |rig| sent(rig, &acquire()),
    },
    Case {
        rule: GCR_WHOLE,
        breaks: |rig| {
            sent(
                rig,
                &packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xd3f1]),
            )
        },
        keeps: |rig| sent(rig, &packet(0x58, &[0, u32::MAX, 0xff, 0, 0, 0, 0x1_c3f1])),
    },
    Case {
        rule: GCR_WHOLE,
        breaks: |rig| {
            let mut discards = release(3);
            discards[1] |= 1 << 19;
            sent(rig, &discards);
        },
        keeps: fenced,
    },
    Case {
        rule: EVENT_INDEX,
        breaks: |rig| sent(rig, &packet(0x46, &[7])),
        keeps: |rig| sent(rig, &packet(0x46, &[0x407])),
    },
    Case {
        rule: WAIT_FORM,
        breaks: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE) | 1, hi(FENCE), 0, u32::MAX, 4]),
            )
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 0, u32::MAX, 4]),
            )
        },
    },
    Case {
        rule: WAIT_FOREVER,
        breaks: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 1, u32::MAX, 4]),
            );
            rig.card.fabric.clock.pass(61_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 1, u32::MAX, 4]),
            );
            rig.card.fabric.clock.pass(50_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
    },
    Case {
        rule: DEQUEUE_ACTIVE,
        breaks: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::GRBM_GFX_CNTL, 4);
            rig.write(gc::CP_HQD_DEQUEUE_REQUEST, 2);
        },
        keeps: |rig| {
            ready(rig);
            rig.write(gc::GRBM_GFX_CNTL, 4);
            rig.write(gc::CP_HQD_DEQUEUE_REQUEST, 2);
            assert_eq!(rig.read(gc::CP_HQD_ACTIVE), 0);
        },
    },
    Case {
        rule: INITIATOR,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 1, 1, 0x8001])),
        keeps: good,
    },
    Case {
        rule: WAVE32,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 1, 1, 5])),
        keeps: good,
    },
    Case {
        rule: GROUP_THREADS,
        breaks: |rig| with(rig, gc::COMPUTE_NUM_THREAD_X, &[64, 17, 1]),
        keeps: |rig| with(rig, gc::COMPUTE_NUM_THREAD_X, &[64, 16, 1]),
    },
    Case {
        rule: GRID_SIZE,
        breaks: |rig| launched(rig, &packet(0x15, &[u32::MAX, 2, 1, 0x8005])),
        keeps: good,
    },
    Case {
        rule: GRID,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 0, 1, 0x8005])),
        keeps: good,
    },
    Case {
        rule: launch_rules::START,
        breaks: |rig| with(rig, gc::COMPUTE_START_X, &[1]),
        keeps: good,
    },
    Case {
        rule: PROGRAM,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_LO, &[0, 0]),
        keeps: good,
    },
    Case {
        rule: USER_DATA,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x80 | 5 << 1]),
        keeps: good,
    },
    Case {
        rule: VGPRS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x600c_0020]),
        keeps: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x600c_001f]),
    },
    Case {
        rule: LDS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x86 | 129 << 15]),
        keeps: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x86 | 128 << 15]),
    },
    Case {
        rule: SCRATCH,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x87]),
        keeps: |rig| {
            ready(rig);
            let scratch = (VA + DATA) >> 8;
            let packets = [
                state(&[lo(VA + DATA), hi(VA + DATA), 5]),
                set(gc::COMPUTE_PGM_RSRC2, &[0x87]),
                set(gc::COMPUTE_TMPRING_SIZE, &[1 | 1 << 12]),
                set(
                    gc::COMPUTE_DISPATCH_SCRATCH_BASE_LO,
                    &[lo(scratch), hi(scratch)],
                ),
                launch(),
            ];
            run(rig, FILL, &packets.concat());
        },
    },
    Case {
        rule: PRIVILEGED,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x601c_0000]),
        keeps: good,
    },
    Case {
        rule: TRAPS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0xc6]),
        keeps: good,
    },
    Case {
        rule: UNITS,
        breaks: |rig| {
            up(rig, Level::Strict);
            mec(rig);
            let mut mqd = mqd();
            mqd[0x17..0x30].fill(0);
            activate(rig, &mqd, &mqd);
            run(rig, FILL, &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: APERTURES,
        breaks: |rig| {
            ready(rig);
            rig.write(gc::SH_MEM_BASES, 0);
            run(rig, FILL, &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: SHADER,
        breaks: |rig| {
            ready(rig);
            // v1 was never written.
            run(rig, &[0x7e04_0301, 0xbfb0_0000], &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: caches::STALE_LINE,
        breaks: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            // GL2 is told, the caches above it are not.
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            let gl2 = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc000]);
            submit(rig, &[gl2, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            assert_eq!(memory(rig, DATA + 0x1000), 0x0202_0202);
        },
    },
    Case {
        rule: caches::STALE_GL2,
        breaks: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            let upper = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x3f0]);
            submit(rig, &[upper, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
        },
    },
    Case {
        rule: caches::DIRTY_UNSEEN,
        breaks: |rig| {
            ready(rig);
            code(rig, FILL);
            submit(rig, &[acquire(), fill(5, VA + DATA)].concat());
            rig.engine(|fabric| outside(fabric, DATA));
        },
        keeps: |rig| {
            good(rig);
            rig.engine(|fabric| outside(fabric, DATA));
        },
    },
    Case {
        rule: caches::DIRTY_DROPPED,
        breaks: |rig| {
            ready(rig);
            code(rig, FILL);
            let drop = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x4000]);
            submit(rig, &[acquire(), fill(5, VA + DATA), drop].concat());
        },
        keeps: |rig| {
            ready(rig);
            code(rig, FILL);
            submit(rig, &[acquire(), fill(5, VA + DATA), acquire()].concat());
        },
    },
    Case {
        rule: caches::STALE_CODE,
        breaks: |rig| {
            good(rig);
            code(rig, COPY);
            let no_gli = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc3f0]);
            submit(rig, &[no_gli, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            good(rig);
            run(rig, COPY, &copy(VA + DATA, VA + DATA + 0x1000));
        },
    },
];
