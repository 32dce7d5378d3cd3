//! Host data path, HDP 6.0.0 (`hdp/hdp_6_0_0_offset.h`, `hdp_6_0_0_sh_mask.h`).

use crate::register::registers;

registers! {
    /// The host data path.
    TABLE of Hdp:
    "Power of its memories." HDP_MEM_POWER_CTRL, 0, 0xd4 {
        ATOMIC_MEM_POWER_CTRL_EN 0 0, ATOMIC_MEM_POWER_LS_EN 1 1, ATOMIC_MEM_POWER_DS_EN 2 2, ATOMIC_MEM_POWER_SD_EN 3
        3, ATOMIC_MEM_IDLE_HYSTERESIS 6 4, ATOMIC_MEM_POWER_UP_RECOVER_DELAY 13 8, ATOMIC_MEM_POWER_DOWN_ENTER_DELAY
        15 14, RC_MEM_POWER_CTRL_EN 16 16, RC_MEM_POWER_LS_EN 17 17, RC_MEM_POWER_DS_EN 18 18, RC_MEM_POWER_SD_EN 19
        19, RC_MEM_IDLE_HYSTERESIS 22 20, RC_MEM_POWER_UP_RECOVER_DELAY 29 24, RC_MEM_POWER_DOWN_ENTER_DELAY 31 30
    }
    "Miscellany." HDP_MISC_CNTL, 0, 0xd3 {}
    "Habits of the path." HDP_HOST_PATH_CNTL, 0, 0xcc {}
}
