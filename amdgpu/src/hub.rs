//! The two memory hubs: GC translates for graphics, compute and SDMA, MM for everything else. They have the same registers
//! at different places, so there is one code and a table of two columns.
//!
//! Only VMID 0 is used. An address in the system aperture means video memory by its MC address, all others go through page
//! tables of four levels. A faulting access goes to a dummy page and raises an interrupt; [`take_fault`] tells the first one.
//!
//! Sources: Linux `mmhub_v3_0.c` and `gfxhub_v3_0.c` (`*_gart_enable`), `gmc_v11_0.c`; tinygrad `ip.py` `AM_GMC`.

use core::fmt;
use core::time::Duration;

use amdgpu_registers::gc::{
    GCMC_VM_MX_L1_TLB_CNTL as L1, GCVM_CONTEXT_CNTL as CONTEXT, GCVM_INVALIDATE_ENG_REQ as REQUEST,
    GCVM_L2_CNTL as L2, GCVM_L2_CNTL2 as L2_CNTL2, GCVM_L2_CNTL3 as L2_CNTL3,
    GCVM_L2_CNTL4 as L2_CNTL4, GCVM_L2_CNTL5 as L2_CNTL5,
    GCVM_L2_PROTECTION_FAULT_CNTL as FAULT_CNTL, GCVM_L2_PROTECTION_FAULT_CNTL2 as FAULT_CNTL2,
    GCVM_L2_PROTECTION_FAULT_STATUS as STATUS,
};
use amdgpu_registers::{Register, gc, mmhub};

use crate::layout::{DUMMY_PAGE, Layout, SCRATCH_PAGE};
use crate::{Device, Error, GpuVa, VramAddr};

/// The invalidation engine that Linux uses from the processor (`gmc_v11_0_flush_gpu_tlb`).
const ENGINE: u32 = 17;
/// Invalidation engines of a hub.
const ENGINES: u32 = 18;
/// How long an invalidation may take: Linux's `usec_timeout`.
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// Which hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hub {
    /// Graphics, compute, SDMA.
    Gc,
    /// PSP, SMU, IH and the rest.
    Mm,
}

/// The addresses that a context translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The root page table.
    pub root: VramAddr,
    /// First address; tables are indexed by the distance from it.
    pub first: GpuVa,
    /// Last address.
    pub last: GpuVa,
}

macro_rules! registers_of_hubs {
    ($($field:ident: $gc:ident, $mm:ident;)*) => {
        /// The registers of a hub.
        struct Registers { $($field: Register),* }
        const GC: Registers = Registers { $($field: gc::$gc),* };
        const MM: Registers = Registers { $($field: mmhub::$mm),* };
    };
}

registers_of_hubs! {
    fb_base: GCMC_VM_FB_LOCATION_BASE, MMMC_VM_FB_LOCATION_BASE;
    fb_offset: GCMC_VM_FB_OFFSET, MMMC_VM_FB_OFFSET;
    agp_base: GCMC_VM_AGP_BASE, MMMC_VM_AGP_BASE;
    agp_bottom: GCMC_VM_AGP_BOT, MMMC_VM_AGP_BOT;
    agp_top: GCMC_VM_AGP_TOP, MMMC_VM_AGP_TOP;
    aperture_low: GCMC_VM_SYSTEM_APERTURE_LOW_ADDR, MMMC_VM_SYSTEM_APERTURE_LOW_ADDR;
    aperture_high: GCMC_VM_SYSTEM_APERTURE_HIGH_ADDR, MMMC_VM_SYSTEM_APERTURE_HIGH_ADDR;
    stray_low: GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB, MMMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB;
    stray_high: GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB, MMMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB;
    dummy_low: GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32, MMVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32;
    dummy_high: GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32, MMVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32;
    fault_cntl: GCVM_L2_PROTECTION_FAULT_CNTL, MMVM_L2_PROTECTION_FAULT_CNTL;
    fault_cntl2: GCVM_L2_PROTECTION_FAULT_CNTL2, MMVM_L2_PROTECTION_FAULT_CNTL2;
    fault_status: GCVM_L2_PROTECTION_FAULT_STATUS, MMVM_L2_PROTECTION_FAULT_STATUS;
    fault_low: GCVM_L2_PROTECTION_FAULT_ADDR_LO32, MMVM_L2_PROTECTION_FAULT_ADDR_LO32;
    fault_high: GCVM_L2_PROTECTION_FAULT_ADDR_HI32, MMVM_L2_PROTECTION_FAULT_ADDR_HI32;
    l1_tlb: GCMC_VM_MX_L1_TLB_CNTL, MMMC_VM_MX_L1_TLB_CNTL;
    l2: GCVM_L2_CNTL, MMVM_L2_CNTL;
    l2_cntl2: GCVM_L2_CNTL2, MMVM_L2_CNTL2;
    l2_cntl3: GCVM_L2_CNTL3, MMVM_L2_CNTL3;
    l2_cntl4: GCVM_L2_CNTL4, MMVM_L2_CNTL4;
    l2_cntl5: GCVM_L2_CNTL5, MMVM_L2_CNTL5;
    context: GCVM_CONTEXT_CNTL, MMVM_CONTEXT_CNTL;
    first_low: GCVM_CONTEXT_PAGE_TABLE_START_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_START_ADDR_LO32;
    first_high: GCVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32, MMVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32;
    last_low: GCVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32;
    last_high: GCVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32, MMVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32;
    root_low: GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32;
    root_high: GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32, MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32;
    identity_low: GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32, MMVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32;
    range_low: GCVM_INVALIDATE_ENG_ADDR_RANGE_LO32, MMVM_INVALIDATE_ENG_ADDR_RANGE_LO32;
    semaphore: GCVM_INVALIDATE_ENG_SEM, MMVM_INVALIDATE_ENG_SEM;
    request: GCVM_INVALIDATE_ENG_REQ, MMVM_INVALIDATE_ENG_REQ;
    ack: GCVM_INVALIDATE_ENG_ACK, MMVM_INVALIDATE_ENG_ACK;
    reserved_cid2: GCVM_L2_BANK_SELECT_RESERVED_CID2, MMVM_L2_BANK_SELECT_RESERVED_CID2;
}

impl Hub {
    const fn registers(self) -> &'static Registers {
        match self {
            Self::Gc => &GC,
            Self::Mm => &MM,
        }
    }
}

/// MC address of video memory's first byte, which the firmware in the card's flash has set.
///
/// # Errors
/// If the card has no MM hub, or page tables would need offsets that this driver does not add (no RDNA3 card has them).
pub fn video_memory_base(device: &mut Device) -> Result<crate::McAddr, Error> {
    let offset = device.read(MM.fb_offset)?;
    if offset != 0 {
        return Err(Error::Unexpected {
            what: "FB_OFFSET",
            found: offset.into(),
            expected: "0, as on a card of its own",
        });
    }
    let base = device.read(MM.fb_base)?;
    Ok(crate::McAddr(u64::from(base & 0xff_ffff) << 24))
}

/// Sets a hub up and forgets what it remembers. The GC hub can be set up only after autoload.
///
/// # Errors
/// If a flush takes too long.
pub fn set_up(
    device: &mut Device,
    hub: Hub,
    layout: &Layout,
    context: &Context,
) -> Result<(), Error> {
    let registers = hub.registers();
    apertures(device, registers, layout)?;
    caches(device, registers)?;
    tables(device, registers, context)?;
    flush_tlb(device, hub)
}

/// `*_init_system_aperture_regs`: video memory is at its MC addresses, nothing is AGP, and stray and faulting accesses have
/// a page each.
fn apertures(device: &mut Device, hub: &Registers, layout: &Layout) -> Result<(), Error> {
    let stray = VramAddr(SCRATCH_PAGE.start.0 >> 12);
    let dummy = VramAddr(DUMMY_PAGE.start.0 >> 12);
    // The aperture counts in units of 256 KiB.
    let (first, last) = (layout.base.0 >> 18, layout.last().0 >> 18);
    device.write_all(&[
        (hub.agp_base, 0),
        (hub.agp_bottom, 0xff_ffff),
        (hub.agp_top, 0),
        (hub.aperture_low, first as u32),
        (hub.aperture_high, last as u32),
        (hub.stray_low, stray.low()),
        (hub.stray_high, stray.high()),
        (hub.dummy_low, dummy.low()),
        (hub.dummy_high, dummy.high()),
    ])?;
    let retry = (FAULT_CNTL2::ACTIVE_PAGE_MIGRATION_PTE_READ_RETRY, 1);
    device.update(hub.fault_cntl2, &[retry])
}

/// `*_init_tlb_regs` and `*_init_cache_regs`. Fields that no driver changes keep what they have.
fn caches(device: &mut Device, hub: &Registers) -> Result<(), Error> {
    let l1_tlb = L1::ENABLE_L1_TLB.is(1)
        | L1::SYSTEM_ACCESS_MODE.is(3)
        | L1::ENABLE_ADVANCED_DRIVER_MODEL.is(1)
        | L1::MTYPE.is(3);
    device.write(hub.l1_tlb, l1_tlb)?;
    device.update(
        hub.l2,
        &[
            (L2::ENABLE_L2_CACHE, 1),
            (L2::ENABLE_L2_FRAGMENT_PROCESSING, 0),
            (L2::ENABLE_DEFAULT_PAGE_OUT_TO_SYSTEM_MEMORY, 1),
            (L2::L2_PDE0_CACHE_TAG_GENERATION_MODE, 0),
            (L2::PDE_FAULT_CLASSIFICATION, 0),
            (L2::CONTEXT1_IDENTITY_ACCESS_MODE, 1),
            (L2::IDENTITY_MODE_FRAGMENT_SIZE, 0),
        ],
    )?;
    device.update(
        hub.l2_cntl2,
        &[
            (L2_CNTL2::INVALIDATE_ALL_L1_TLBS, 1),
            (L2_CNTL2::INVALIDATE_L2_CACHE, 1),
        ],
    )?;
    // The geometry for tables that are not translated further, over the defaults of `*_vm_l2_cntl3.h`.
    let geometry = L2_CNTL3::BANK_SELECT.is(9)
        | L2_CNTL3::L2_CACHE_BIGK_FRAGMENT_SIZE.is(6)
        | L2_CNTL3::L2_CACHE_BIGK_ASSOCIATIVITY.is(1)
        | L2_CNTL3::L2_CACHE_4K_ASSOCIATIVITY.is(1);
    let partition = L2_CNTL4::L2_CACHE_4K_PARTITION_COUNT.is(1)
        | L2_CNTL4::VMC_TAP_PDE_REQUEST_PHYSICAL.is(0)
        | L2_CNTL4::VMC_TAP_PTE_REQUEST_PHYSICAL.is(0);
    let walkers = L2_CNTL5::WALKER_PRIORITY_CLIENT_ID.is(0x1ff)
        | L2_CNTL5::L2_CACHE_SMALLK_FRAGMENT_SIZE.is(0);
    device.write_all(&[
        (hub.l2_cntl3, geometry),
        (hub.l2_cntl4, partition),
        (hub.l2_cntl5, walkers),
    ])
}

/// `*_enable_system_domain`, `*_disable_identity_aperture`, `*_program_invalidation`; the four levels are those that Linux
/// gives to VMIDs 1 to 15 and tinygrad to VMID 0.
fn tables(device: &mut Device, hub: &Registers, addresses: &Context) -> Result<(), Error> {
    let (first, last) = (addresses.first.0 >> 12, addresses.last.0 >> 12);
    // The root is an entry like those in tables; bit 0 makes it valid.
    let root = addresses.root.0 | 1;
    device.write_all(&[
        (hub.first_low, first as u32),
        (hub.first_high, (first >> 32) as u32),
        (hub.last_low, last as u32),
        (hub.last_high, (last >> 32) as u32),
        (hub.root_low, root as u32),
        (hub.root_high, (root >> 32) as u32),
    ])?;
    device.update(
        hub.context,
        &[
            (CONTEXT::ENABLE_CONTEXT, 1),
            (CONTEXT::PAGE_TABLE_DEPTH, 3),
            (CONTEXT::PAGE_TABLE_BLOCK_SIZE, 0),
            (CONTEXT::RETRY_PERMISSION_OR_INVALID_PAGE_FAULT, 0),
        ],
    )?;
    // First page (low, high), last page, offset: first above last switches the identity aperture off.
    let identity = [u32::MAX, 0xf, 0, 0, 0, 0];
    for (n, value) in (0..).zip(identity) {
        device.write(hub.identity_low.plus(n), value)?;
    }
    for engine in 0..ENGINES {
        device.write(hub.range_low.plus(2 * engine), u32::MAX)?;
        device.write(hub.range_low.plus(2 * engine + 1), 0x1f)?;
    }
    Ok(())
}

/// Makes changes of page tables known: flushes the host data path, through which they were written, then has the hub forget
/// all translations of VMID 0. Needed after every change of an entry, also of an invalid one, which is remembered too.
///
/// # Errors
/// If the hub does not answer in time.
pub fn flush_tlb(device: &mut Device, hub: Hub) -> Result<(), Error> {
    let registers = hub.registers();
    device.flush_hdp()?;
    // `gmc_v11_0_flush_gpu_tlb`: without its semaphore a request to the MM hub may be lost when the hub wakes up.
    let semaphore = registers.semaphore.plus(ENGINE);
    let locked = hub == Hub::Mm;
    if locked {
        let what = "semaphore of the MM hub's invalidation";
        device.wait(what, semaphore, (1, 1), FLUSH_LIMIT)?;
    }
    let all = REQUEST::PER_VMID_INVALIDATE_REQ.is(1)
        | REQUEST::INVALIDATE_L2_PTES.is(1)
        | REQUEST::INVALIDATE_L2_PDE0.is(1)
        | REQUEST::INVALIDATE_L2_PDE1.is(1)
        | REQUEST::INVALIDATE_L2_PDE2.is(1)
        | REQUEST::INVALIDATE_L1_PTES.is(1);
    device.write(registers.request.plus(ENGINE), all)?;
    let what = "invalidation of translations";
    let done = device.wait(what, registers.ack.plus(ENGINE), (1, 1), FLUSH_LIMIT);
    if locked {
        device.write(semaphore, 0)?;
        // The MM hub keeps translations of reserved clients in a cache of their own.
        let fields = gc::GCVM_L2_BANK_SELECT_RESERVED_CID2::RESERVED_CACHE_PRIVATE_INVALIDATION;
        device.update(registers.reserved_cid2, &[(fields, 1)])?;
        device.read(registers.reserved_cid2)?;
    }
    done.map(|_| ())
}

/// Both hubs forget all translations: after a change of page tables. Both must be set up.
///
/// # Errors
/// If one does not answer in time.
pub fn flush_tlbs(device: &mut Device) -> Result<(), Error> {
    flush_tlb(device, Hub::Gc)?;
    flush_tlb(device, Hub::Mm)
}

/// The first page fault since the last one was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// Which hub met it.
    pub hub: Hub,
    /// First address of the page.
    pub va: GpuVa,
    /// L2_PROTECTION_FAULT_STATUS.
    pub status: u32,
}

/// Clients by their number in a fault's status (`gfxhub_client_ids` in `gfxhub_v3_0.c`, `mmhub_client_ids_v3_0_1` and its
/// neighbours in Linux; those of the MM hub differ between reads and writes, so only those that both have are named).
const GC_CLIENTS: &[(u32, &str)] = &[
    (0, "CB/DB"),
    (2, "GE1"),
    (3, "GE2"),
    (4, "CPF"),
    (5, "CPC"),
    (6, "CPG"),
    (7, "RLC"),
    (8, "TCP"),
    (9, "SQC (instructions)"),
    (10, "SQC (data)"),
    (11, "SQG"),
    (13, "SDMA0"),
    (14, "SDMA1"),
    (15, "GCR"),
];
const MM_CLIENTS: &[(u32, &str)] = &[(6, "MP0"), (7, "MP1"), (16, "HDP"), (17, "LSDMA")];

impl PageFault {
    /// Who accessed the page, by AMD's name where it is known.
    #[must_use]
    pub fn client(&self) -> Option<&'static str> {
        let clients = match self.hub {
            Hub::Gc => GC_CLIENTS,
            Hub::Mm => MM_CLIENTS,
        };
        let id = STATUS::CID.of(self.status);
        clients
            .iter()
            .find(|(client, _)| *client == id)
            .map(|(_, name)| *name)
    }

    /// It was a write.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        STATUS::RW.of(self.status) == 1
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hub, what) = (self.hub, if self.is_write() { "write" } else { "read" });
        write!(
            f,
            "page fault in the {hub:?} hub: {what} of {:?} by ",
            self.va
        )?;
        match self.client() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "client {}", STATUS::CID.of(self.status))?,
        }
        write!(f, ", VMID {}, ", STATUS::VMID.of(self.status))?;
        let walker = STATUS::WALKER_ERROR.of(self.status);
        let permissions = STATUS::PERMISSION_FAULTS.of(self.status);
        write!(f, "walker {walker}, permissions {permissions:#x}")?;
        if STATUS::MORE_FAULTS.of(self.status) == 1 {
            f.write_str(", more followed")?;
        }
        Ok(())
    }
}

/// The fault that a hub has latched, which makes room for the next (`gmc_v11_0_process_interrupt`).
///
/// # Errors
/// If the card has no such hub.
pub fn take_fault(device: &mut Device, hub: Hub) -> Result<Option<PageFault>, Error> {
    let fault = look_at_fault(device, hub)?;
    if fault.is_some() {
        let clear = FAULT_CNTL::CLEAR_PROTECTION_FAULT_STATUS_ADDR;
        let registers = hub.registers();
        device.update(registers.fault_cntl, &[(clear, 1)])?;
        device.update(registers.fault_cntl, &[(clear, 0)])?;
    }
    Ok(fault)
}

/// The fault that a hub has latched, which stays.
///
/// # Errors
/// If the card has no such hub.
pub fn look_at_fault(device: &mut Device, hub: Hub) -> Result<Option<PageFault>, Error> {
    let registers = hub.registers();
    let status = device.read(registers.fault_status)?;
    if status == 0 {
        return Ok(None);
    }
    let page = u64::from(device.read(registers.fault_high)? & 0xf) << 32
        | u64::from(device.read(registers.fault_low)?);
    let va = GpuVa(page << 12);
    Ok(Some(PageFault { hub, va, status }))
}
