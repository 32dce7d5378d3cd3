//! Bus interface: windows to registers and video memory, doorbells and where they are led, flushes, memory size.

use amdgpu_registers::{nbif, smuio};

use crate::fabric::{Block, Event, Fabric, Port, Scope};
use crate::register_file::At;
use crate::rule::{Level, Violation, rules};

rules! { Nbio:
    WINDOW_INDEX, "window-index", "a window's data is accessed only after its index was written",
        "Linux amdgpu_device_indirect_rreg and amdgpu_device_mm_access; tinygrad AMDev.indirect_rreg and _read_vram";
    WINDOW_ORDER, "window-order", "a window's index is written anew only after its data was accessed",
        "Linux serialises each pair by pcie_idx_lock or mmio_idx_lock: an index without its data is another thread's, or a slip";
    WINDOW_TARGET, "window-target", "a window's index is the byte address of a dword that is no window",
        "Linux amdgpu_device_indirect_rreg multiplies by 4; windows are reached directly";
    MM_APERTURE, "mm-aperture", "MM_INDEX names video memory: bit 31 is set and the address is a multiple of 4",
        "Linux amdgpu_device_mm_access and tinygrad AMDev._read_vram set bit 31; without it the window means registers";
    READ_ONLY, "read-only-register", "registers that the card alone writes are not written",
        "nbio_4_3_0_offset.h, smuio_13_0_6_offset.h: memory size, flush completion and clock counters are the card's";
    FB_ENABLED, "fb-enabled", "video memory is accessed while BIF_FB_EN allows it",
        "Linux nbio_v4_3_mc_access_enable closes it around resets of the memory controller";
    STRAP, "strap-kept", "of RCC_DEV0_EPF2_STRAP2 only STRAP_NO_SOFT_RESET_DEV0_F2 is changed",
        "Linux nbio_v4_3_init_registers and tinygrad AM_SOC read, clear that bit and write back";
    REMAP, "flush-remap", "the host data path's flush is mapped to dwords of BAR5 that are no registers",
        "Linux nbio_v4_3_remap_hdp_registers uses the hole at 0x7f000 of BAR5";
    DOORBELL_APERTURE, "doorbell-aperture", "doorbells are rung after RCC_DOORBELL_APER_EN opened their aperture",
        "Linux nbio_v4_3_enable_doorbell_aperture and tinygrad AM_SOC: doorbells are dropped otherwise";
    DOORBELL_WIDTH, "doorbell-width", "a doorbell of a queue is one aligned store of 8 bytes",
        "Linux WDOORBELL64 in gfx_v11_0.c and sdma_v6_0.c; tinygrad maps BAR2 as quadwords";
    DOORBELL_ROUTE, "doorbell-route", "a doorbell is rung after an S2A entry leads it to an engine",
        "Linux nbio_v4_3_gc_doorbell_init and _sdma_doorbell_range; tinygrad AM_SOC.doorbell_enable";
    DOORBELL_AWID, "doorbell-awid", "an S2A entry names an engine that exists",
        "Linux nbio_v4_3.c: 3 and 6 for graphics, 14 for SDMA, 0 for interrupts, 4 and 8 for video";
    DOORBELL_OVERLAP, "doorbell-overlap", "ranges of S2A entries do not overlap",
        "Linux gives every engine its own range of doorbells (nbio_v4_3.c)";
}

/// A pair of index and data registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Window {
    /// No index since reset.
    #[default]
    Unset,
    /// The index was written and not used.
    Pointed,
    /// The index was used, and may be used again.
    Used,
}

/// The windows, by their data register.
const WINDOWS: [(amdgpu_registers::Register, amdgpu_registers::Register, &str); 4] = [
    (
        nbif::BIF_BX_PF0_MM_INDEX,
        nbif::BIF_BX_PF0_MM_DATA,
        "MM_INDEX",
    ),
    (
        nbif::BIF_BX_PF0_RSMU_INDEX,
        nbif::BIF_BX_PF0_RSMU_DATA,
        "RSMU_INDEX",
    ),
    (
        nbif::BIF_BX0_PCIE_INDEX,
        nbif::BIF_BX0_PCIE_DATA,
        "PCIE_INDEX",
    ),
    (
        nbif::BIF_BX0_PCIE_INDEX2,
        nbif::BIF_BX0_PCIE_DATA2,
        "PCIE_INDEX2",
    ),
];

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Nbio {
    windows: [Window; 4],
}

/// Where the flush is mapped when the flash firmware is done, at [`Level::Hardware`]: tinygrad flushes through whatever the
/// register holds and never writes it. A strict card holds 0, so that the driver has to.
const POSTED_REMAP: u32 = 0x7f000;

impl Nbio {
    /// Whether a write to this dword flushes: the place is what the remap registers hold. `Some(true)` flushes memory writes.
    pub(crate) fn flushes(dword: u32, fabric: &Fabric) -> Option<bool> {
        let at = |register| fabric.registers.get(register) / 4 == dword;
        if at(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL) {
            return Some(true);
        }
        at(nbif::BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL).then_some(false)
    }

    /// The data of window `n` is accessed.
    fn use_window(&mut self, n: usize, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.require(
            self.windows[n] != Window::Unset,
            WINDOW_INDEX,
            format_args!("data of {} without an index", WINDOWS[n].2),
        )?;
        self.windows[n] = Window::Used;
        Ok(())
    }

    /// The dword address of the register that an indirect window's data register means.
    pub(crate) fn indirect(&mut self, at: At, fabric: &mut Fabric) -> Result<u32, Violation> {
        let (n, high) = match at.register {
            nbif::BIF_BX_PF0_RSMU_DATA => (1, fabric.registers.get(nbif::BIF_BX_PF0_RSMU_INDEX_HI)),
            nbif::BIF_BX0_PCIE_DATA => (2, fabric.registers.get(nbif::BIF_BX0_PCIE_INDEX_HI)),
            _ => (3, fabric.registers.get(nbif::BIF_BX0_PCIE_INDEX2_HI)),
        };
        self.use_window(n, fabric)?;
        let (index, _, name) = WINDOWS[n];
        let byte = fabric.registers.get(index);
        let target = byte / 4;
        let is_window = fabric.registers.find(target).is_some_and(|(at, _)| {
            WINDOWS
                .iter()
                .any(|(index, data, _)| *index == at.register || *data == at.register)
        });
        if high != 0 || !byte.is_multiple_of(4) || is_window {
            // No card is known to lead this anywhere, so there is nothing that it could tolerate.
            return Err(Violation {
                rule: WINDOW_TARGET,
                seen: format!("{name} holds {high:#x}:{byte:#x}"),
            });
        }
        Ok(target)
    }

    /// The offset in video memory that MM_DATA means.
    pub(crate) fn mm_address(&mut self, fabric: &mut Fabric) -> Result<u64, Violation> {
        self.use_window(0, fabric)?;
        let low = fabric.registers.get(nbif::BIF_BX_PF0_MM_INDEX);
        let high = fabric.registers.get(nbif::BIF_BX_PF0_MM_INDEX_HI);
        fabric.require(
            nbif::BIF_BX_PF0_MM_INDEX::MM_APER.of(low) == 1 && low.is_multiple_of(4),
            MM_APERTURE,
            format_args!("MM_INDEX holds {low:#x}"),
        )?;
        Ok(u64::from(high) << 31 | u64::from(low & 0x7fff_ffff))
    }

    /// Whether the processor may reach video memory.
    pub(crate) fn memory_open(fabric: &mut Fabric) -> Result<(), Violation> {
        let open = fabric.registers.get(nbif::BIF_BX0_BIF_FB_EN);
        fabric.require(
            open & 3 == 3,
            FB_ENABLED,
            format_args!("BIF_FB_EN is {open:#x}"),
        )
    }

    /// A write to BAR2: leads the doorbell to its engine.
    pub(crate) fn doorbell(
        &mut self,
        offset: u64,
        data: &[u8],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let opened = fabric
            .registers
            .get(nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN);
        fabric.require(
            opened & 1 == 1,
            DOORBELL_APERTURE,
            format_args!("doorbell at {offset:#x}"),
        )?;
        let offset = offset as u32;
        let Some(to) = route(offset / 4, fabric) else {
            return fabric.broken(DOORBELL_ROUTE, format_args!("doorbell at {offset:#x}"));
        };
        let bytes = data.len();
        let fits = match to {
            Port::Ih => bytes == 4 || bytes == 8,
            _ => bytes == 8,
        };
        let mut value = [0; 8];
        match value.get_mut(..bytes) {
            Some(slot) if fits && offset.is_multiple_of(bytes as u32) => slot.copy_from_slice(data),
            _ => {
                return fabric.broken(
                    DOORBELL_WIDTH,
                    format_args!("{bytes} bytes to the doorbell at {offset:#x}"),
                );
            }
        }
        fabric.events.push(Event::Doorbell {
            to,
            offset,
            value: u64::from_le_bytes(value),
            bytes,
        });
        Ok(())
    }

    fn write_entry(at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let entry = Entry::of(value);
        if let Some(entry) = &entry {
            fabric.require(
                entry.to.is_some(),
                DOORBELL_AWID,
                format_args!("S2A entry {} is {value:#x}", at.index),
            )?;
            for (n, other) in entries(fabric) {
                fabric.require(
                    n == at.index || entry.last <= other.first || other.last <= entry.first,
                    DOORBELL_OVERLAP,
                    format_args!(
                        "S2A entry {} is {value:#x}, entry {n} has {other:x?}",
                        at.index
                    ),
                )?;
            }
        }
        fabric.registers.store(at, value);
        Ok(())
    }
}

/// An S2A entry that is on: dwords of doorbells, and where they lead. A range of no size is all that no other entry has.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first: u32,
    last: u32,
    to: Option<Port>,
}

impl Entry {
    fn of(value: u32) -> Option<Self> {
        use nbif::S2A_DOORBELL_ENTRY_CTRL as Fields;
        if Fields::ENABLE.of(value) == 0 {
            return None;
        }
        let to = match Fields::AWID.of(value) {
            3 | 6 => Some(Port::Gc),
            14 => Some(Port::Sdma),
            0 => Some(Port::Ih),
            4 | 8 => Some(Port::Video),
            _ => None,
        };
        let first = Fields::RANGE_OFFSET.of(value);
        let last = first + Fields::RANGE_SIZE.of(value);
        Some(Self { first, last, to })
    }
}

fn entries(fabric: &Fabric) -> Vec<(u32, Entry)> {
    let read = |n| fabric.registers.get(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(n));
    (0..16)
        .filter_map(|n| Some((n, Entry::of(read(n))?)))
        .collect()
}

/// Where the doorbell at a dword leads.
fn route(dword: u32, fabric: &Fabric) -> Option<Port> {
    let entries = entries(fabric);
    let own = entries
        .iter()
        .find(|(_, entry)| (entry.first..entry.last).contains(&dword));
    let rest = entries.iter().find(|(_, entry)| entry.first == entry.last);
    own.or(rest).and_then(|(_, entry)| entry.to)
}

impl Fabric {
    /// GPU_HDP_FLUSH_REQ is written, by the processor or by an engine's packet: the path is flushed and says so in DONE.
    pub(crate) fn hdp_flush_request(&mut self, engines: u32) {
        self.hdp_flush();
        self.registers
            .set(nbif::BIF_BX_PF0_GPU_HDP_FLUSH_REQ, engines);
        self.registers
            .set(nbif::BIF_BX_PF0_GPU_HDP_FLUSH_DONE, engines);
    }
}

impl Block for Nbio {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        Ok(match at.register {
            smuio::GOLDEN_TSC_COUNT_UPPER => (fabric.clock.reference() >> 32) as u32,
            smuio::GOLDEN_TSC_COUNT_LOWER => fabric.clock.reference() as u32,
            _ => value,
        })
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        if let Some(n) = WINDOWS.iter().position(|(index, ..)| *index == at.register) {
            fabric.require(
                self.windows[n] != Window::Pointed,
                WINDOW_ORDER,
                format_args!(
                    "{} <- {value:#x}, {:#x} was not used",
                    WINDOWS[n].2,
                    fabric.registers.get(at.register)
                ),
            )?;
            self.windows[n] = Window::Pointed;
        }
        match at.register {
            nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE
            | nbif::BIF_BX_PF0_GPU_HDP_FLUSH_DONE
            | smuio::IP_DISCOVERY_VERSION
            | smuio::GOLDEN_TSC_COUNT_UPPER
            | smuio::GOLDEN_TSC_COUNT_LOWER => {
                return fabric.broken(
                    READ_ONLY,
                    format_args!("{value:#x} to dword {:#x}", at.dword),
                );
            }
            nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL => fabric.hdp_flush(),
            nbif::BIF_BX_PF0_GPU_HDP_FLUSH_REQ => fabric.hdp_flush_request(value),
            nbif::S2A_DOORBELL_ENTRY_CTRL => return Self::write_entry(at, value, fabric),
            nbif::RCC_DEV0_EPF2_STRAP2 => {
                let changed = value ^ fabric.registers.get(at.register);
                fabric.require(
                    changed & !nbif::RCC_DEV0_EPF2_STRAP2::STRAP_NO_SOFT_RESET_DEV0_F2.mask() == 0,
                    STRAP,
                    format_args!("bits {changed:#x} change"),
                )?;
            }
            nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL | nbif::BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL => {
                let hole = value.is_multiple_of(4)
                    && value < 0x8_0000
                    && fabric.registers.find(value / 4).is_none();
                fabric.require(hole, REMAP, format_args!("{value:#x}"))?;
            }
            _ => {}
        }
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        if event == Event::Reset(Scope::Card) {
            *self = Self::default();
            let strap = nbif::RCC_DEV0_EPF2_STRAP2::STRAP_NO_SOFT_RESET_DEV0_F2.is(1);
            let size = (crate::VRAM_BYTES >> 20) as u32;
            let posted = [
                (nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE, size),
                (nbif::BIF_BX0_BIF_FB_EN, 3),
                (nbif::RCC_DEV0_EPF2_STRAP2, strap),
                (smuio::IP_DISCOVERY_VERSION, 4),
            ];
            for (register, value) in posted {
                fabric.registers.set(register, value);
            }
            if fabric.level == Level::Hardware {
                fabric
                    .registers
                    .set(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, POSTED_REMAP);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rig::{Case, Rig};

    /// Opens the doorbells and leads those of graphics and SDMA, with the values of Linux and tinygrad.
    fn open_doorbells(rig: &mut Rig) {
        rig.write(nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 1);
        for (n, value) in [(0, 0x3000_0007), (3, 0x3000_000d), (2, 0x3009_001d)] {
            rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(n), value);
        }
    }

    pub(crate) const CASES: &[Case] = &[
        Case {
            rule: WINDOW_INDEX,
            breaks: |rig| {
                rig.read(nbif::BIF_BX_PF0_RSMU_DATA);
            },
            keeps: |rig| {
                rig.read(nbif::RCC_DEV0_EPF2_STRAP2);
            },
        },
        Case {
            rule: WINDOW_ORDER,
            breaks: |rig| {
                rig.write(nbif::BIF_BX_PF0_MM_INDEX, 0x8000_0000);
                rig.write(nbif::BIF_BX_PF0_MM_INDEX, 0x8000_0004);
            },
            keeps: |rig| {
                for n in 0..2 {
                    rig.write(nbif::BIF_BX_PF0_MM_INDEX, 0x8000_0000 + 4 * n);
                    rig.write(nbif::BIF_BX_PF0_MM_INDEX_HI, 0);
                    rig.write(nbif::BIF_BX_PF0_MM_DATA, n);
                    rig.read(nbif::BIF_BX_PF0_MM_DATA);
                }
            },
        },
        Case {
            rule: WINDOW_TARGET,
            breaks: |rig| {
                rig.write(nbif::BIF_BX_PF0_RSMU_INDEX, 0x15 * 4);
                rig.read(nbif::BIF_BX_PF0_RSMU_DATA);
            },
            keeps: |rig| {
                rig.write(nbif::BIF_BX_PF0_RSMU_INDEX, 0xde3 * 4);
                rig.read(nbif::BIF_BX_PF0_RSMU_DATA);
            },
        },
        Case {
            rule: WINDOW_TARGET,
            breaks: |rig| {
                rig.write(nbif::BIF_BX0_PCIE_INDEX2, 0xde3 * 4);
                rig.write(nbif::BIF_BX0_PCIE_INDEX2_HI, 1);
                rig.read(nbif::BIF_BX0_PCIE_DATA2);
            },
            keeps: |rig| {
                rig.write(nbif::BIF_BX0_PCIE_INDEX2, 0xde3 * 4);
                rig.read(nbif::BIF_BX0_PCIE_DATA2);
            },
        },
        Case {
            rule: MM_APERTURE,
            breaks: |rig| {
                rig.write(nbif::BIF_BX_PF0_MM_INDEX, 0x1000);
                rig.read(nbif::BIF_BX_PF0_MM_DATA);
            },
            keeps: |rig| {
                rig.write(nbif::BIF_BX_PF0_MM_INDEX, 0x8000_1000);
                rig.read(nbif::BIF_BX_PF0_MM_DATA);
            },
        },
        Case {
            rule: READ_ONLY,
            breaks: |rig| rig.write(nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE, 0x6000),
            keeps: |rig| rig.write(nbif::BIF_BX0_INTERRUPT_CNTL2, 1),
        },
        Case {
            rule: FB_ENABLED,
            breaks: |rig| {
                rig.write(nbif::BIF_BX0_BIF_FB_EN, 0);
                rig.card.bar_read(0, 0, &mut [0; 4]);
            },
            keeps: |rig| {
                rig.write(nbif::BIF_BX0_BIF_FB_EN, 0);
                rig.write(nbif::BIF_BX0_BIF_FB_EN, 3);
                rig.card.bar_read(0, 0, &mut [0; 4]);
            },
        },
        Case {
            rule: STRAP,
            breaks: |rig| rig.write(nbif::RCC_DEV0_EPF2_STRAP2, 1),
            keeps: |rig| {
                let strap = rig.read(nbif::RCC_DEV0_EPF2_STRAP2);
                rig.write(nbif::RCC_DEV0_EPF2_STRAP2, strap & !0x80);
            },
        },
        Case {
            rule: REMAP,
            breaks: |rig| rig.write(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, 0xde3 * 4),
            keeps: |rig| {
                rig.write(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, 0x7f000);
                rig.write(nbif::BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL, 0x7f004);
            },
        },
        Case {
            rule: DOORBELL_APERTURE,
            breaks: |rig| rig.card.bar_write(2, 24, &[0; 8]),
            keeps: |rig| {
                open_doorbells(rig);
                rig.card.bar_write(2, 0xbc0, &[0; 8]);
            },
        },
        Case {
            rule: DOORBELL_WIDTH,
            breaks: |rig| {
                open_doorbells(rig);
                rig.card.bar_write(2, 0xbc0, &[0; 4]);
            },
            keeps: |rig| {
                open_doorbells(rig);
                rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(1), 0x0011_7801);
                rig.card.bar_write(2, 0xbc0, &[0; 4]);
            },
        },
        Case {
            rule: DOORBELL_ROUTE,
            breaks: |rig| {
                rig.write(nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 1);
                rig.card.bar_write(2, 0xbc0, &[0; 8]);
            },
            keeps: |rig| {
                open_doorbells(rig);
                rig.card.bar_write(2, 0xbc0, &[0; 8]);
            },
        },
        Case {
            rule: DOORBELL_AWID,
            breaks: |rig| rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL, 9 << 1 | 1),
            keeps: |rig| rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL, 9 << 1),
        },
        Case {
            rule: DOORBELL_OVERLAP,
            breaks: |rig| {
                open_doorbells(rig);
                rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(1), 0x3009_0001);
            },
            keeps: |rig| {
                open_doorbells(rig);
                rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(2), 0x3009_001d);
            },
        },
    ];

    #[test]
    fn doorbells_are_led_by_range_and_the_rest_to_graphics() {
        let mut rig = Rig::new();
        open_doorbells(&mut rig);
        let fabric = &rig.card.fabric;
        // The doorbells of MEC ring 0, SDMA 0 (slot 0x100) and of what lies behind it.
        assert_eq!(route(6, fabric), Some(Port::Gc));
        assert_eq!(route(0x200, fabric), Some(Port::Sdma));
        assert_eq!(route(0x203, fabric), Some(Port::Sdma));
        assert_eq!(route(0x204, fabric), Some(Port::Gc));
    }

    #[test]
    fn a_flush_that_an_engine_asks_for_is_done_at_once() {
        let mut rig = Rig::new();
        rig.card.bar_write(0, 0, &[1; 4]);
        rig.write(nbif::BIF_BX_PF0_GPU_HDP_FLUSH_REQ, 4);
        assert_eq!(rig.read(nbif::BIF_BX_PF0_GPU_HDP_FLUSH_DONE), 4);
        assert!(!rig.card.fabric.hdp.waits(0, 4));
    }

    #[test]
    fn a_window_beyond_bar5_keeps_what_is_written() {
        let mut rig = Rig::new();
        rig.write(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(5), 0x8000_0000);
        assert_eq!(rig.read(nbif::S2A_DOORBELL_ENTRY_CTRL.plus(5)), 0x8000_0000);
        assert_eq!(rig.read(nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE), 0x5ff0);
        assert_eq!(rig.card.stopped(), None);
    }
}
