//! What this processor can execute and this operating system (or kernel) saves: CPUID and XCR0.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// Instruction sets that the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// AVX2, FMA and F16C, with the upper halves of the vector registers enabled in XCR0.
    pub(super) avx2: bool,
    /// AVX-512 F, BW, VL and VNNI on top of the above, with mask and 512-bit registers enabled in XCR0.
    pub(super) avx512: bool,
}

/// True if all of `bits` are set in `register`.
const fn has(register: u32, bits: &[u32]) -> bool {
    let mut i = 0;
    while i < bits.len() {
        if register >> bits[i] & 1 == 0 {
            return false;
        }
        i += 1;
    }
    true
}

/// Asks the processor. Bit numbers: Intel SDM volume 2A, CPUID.
pub(super) fn features() -> Features {
    const FMA: u32 = 12;
    const XSAVE: u32 = 26;
    const OSXSAVE: u32 = 27;
    const AVX: u32 = 28;
    const F16C: u32 = 29;
    const AVX2: u32 = 5;
    const AVX512_F_BW_VL: [u32; 3] = [16, 30, 31];
    const AVX512_VNNI: u32 = 11;
    /// XCR0: SSE and AVX state.
    const XCR0_AVX: [u32; 2] = [1, 2];
    /// XCR0: mask registers, upper halves of ZMM0-15, ZMM16-31.
    const XCR0_AVX512: [u32; 3] = [5, 6, 7];

    let none = Features {
        avx2: false,
        avx512: false,
    };
    let base = __cpuid(1).ecx;
    if __cpuid(0).eax < 7 || !has(base, &[FMA, XSAVE, OSXSAVE, AVX, F16C]) {
        return none;
    }
    // SAFETY: CPUID says that XGETBV exists (XSAVE) and is enabled (OSXSAVE).
    let xcr0 = unsafe { xcr0() };
    let extended = __cpuid_count(7, 0);
    let avx2 = has(xcr0, &XCR0_AVX) && has(extended.ebx, &[AVX2]);
    Features {
        avx2,
        avx512: avx2
            && has(xcr0, &XCR0_AVX512)
            && has(extended.ebx, &AVX512_F_BW_VL)
            && has(extended.ecx, &[AVX512_VNNI]),
    }
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u32 {
    // SAFETY: the caller checked OSXSAVE; register 0 always exists then.
    unsafe { _xgetbv(0) as u32 }
}
