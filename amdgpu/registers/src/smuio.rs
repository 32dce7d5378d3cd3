//! Clock access of the SMU, SMUIO 13.0.6 (`smuio/smuio_13_0_6_offset.h`).

use crate::register::registers;

registers! {
    /// Clock counters.
    TABLE of Smuio:
    "Version of the discovery table." IP_DISCOVERY_VERSION, 1, 0x0 {}
    "Clock counter of 100 MHz, high bits." GOLDEN_TSC_COUNT_UPPER, 1, 0x2d {}
    "The same, low bits." GOLDEN_TSC_COUNT_LOWER, 1, 0x2e {}
}
