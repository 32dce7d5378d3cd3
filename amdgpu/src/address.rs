//! The four spaces in which a card has addresses, each a type of its own, so that one is never taken for another.

use core::fmt;

macro_rules! space {
    ($(#[$about:meta])* $name:ident, $short:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The address `bytes` further. Wraps, as the card's own arithmetic does; allocators hand out what cannot.
            #[must_use]
            pub const fn plus(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }

            /// Bits 31:0.
            #[must_use]
            pub const fn low(self) -> u32 {
                self.0 as u32
            }

            /// Bits 63:32.
            #[must_use]
            pub const fn high(self) -> u32 {
                (self.0 >> 32) as u32
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($short, ":{:#x}"), self.0)
            }
        }
    };
}

space! {
    /// An offset in video memory: what page tables hold, and what the processor sees in BAR0.
    VramAddr, "vram"
}
space! {
    /// An address of the memory controller: video memory from FB_LOCATION_BASE on. PSP, SMU, IH and MQDs use these.
    McAddr, "mc"
}
space! {
    /// A virtual address of the card, walked through page tables: queues, shaders and copies use these.
    GpuVa, "va"
}
space! {
    /// An address on the bus: host memory as the card reaches it by DMA.
    BusAddr, "bus"
}
