//! What a launch of a compiled kernel needs to know, and the argument segment that it needs.

use core::fmt;

use crate::Variant;

/// Bytes of a buffer descriptor.
pub const DESCRIPTOR_BYTES: u32 = 16;

/// A compiled kernel.
///
/// State at entry: `s[0:1]` hold the address of the argument segment; the workgroup ids asked for follow the user SGPRs;
/// `v0` holds the packed local ids (x in bits 9:0, y 19:10, z 29:20); MODE: round to nearest even, denormals kept,
/// dx10_clamp, no ieee.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// What it was compiled from.
    pub variant: &'static Variant,
    /// Machine code, entry at its first byte, padded for the instruction prefetch. It belongs at a multiple of 256 bytes.
    pub code: &'static [u8],
    /// Bytes of `code` before the padding.
    pub code_bytes: u32,
    /// VGPRs used.
    pub vgprs: u32,
    /// SGPRs used, VCC not counted.
    pub sgprs: u32,
    /// User SGPRs before the workgroup ids.
    pub user_sgprs: u32,
    /// Workgroup ids x, y, z wanted in the SGPRs after the user SGPRs.
    pub workgroup_ids: [bool; 3],
    /// Components of the local id wanted in `v0`: 0 x, 1 x and y, 2 all (TIDIG_COMP_CNT).
    pub local_id_components: u32,
    /// Bytes of workgroup memory.
    pub lds_bytes: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// What the argument segment holds.
    pub arguments: Arguments<'static>,
    /// Waves per SIMD that registers and workgroup memory allow.
    pub waves_per_simd: u32,
}

/// The argument segment: a [`descriptor`] for each binding, then the immediates, then the number of
/// workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments<'a> {
    /// The descriptor of entry n is at byte `16 * n`.
    pub bindings: &'a [Binding<'a>],
    /// Offset and bytes of the immediates.
    pub immediates: (u32, u32),
    /// Offset of the number of workgroups (3 u32), if the kernel reads it.
    pub workgroups: Option<u32>,
    /// Bytes in all.
    pub bytes: u32,
}

/// A storage buffer of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Name in the WGSL file.
    pub name: &'a str,
    /// `@binding`; the group is always 0.
    pub binding: u32,
    /// The kernel stores to it.
    pub written: bool,
}

impl Kernel {
    /// Fills the argument segment, as [`Arguments::write`].
    ///
    /// # Errors
    /// As there, with the kernel's name.
    pub fn write_arguments(
        &self,
        out: &mut [u8],
        buffers: impl Fn(u32) -> Option<(u64, u64)>,
        immediates: &[u8],
        groups: [u32; 3],
    ) -> Result<(), KernelError<'static>> {
        let kernel = self.variant.name;
        let written = self.arguments.write(out, buffers, immediates, groups);
        written.map_err(|error| KernelError { kernel, error })
    }
}

impl<'a> Arguments<'a> {
    /// Fills the first [`Self::bytes`] of `out`. `buffers` has address and bytes of the buffer of a binding.
    ///
    /// A buffer that is only read may be missing, as `matmul.wgsl` has bindings that only some types of weights use: an empty
    /// descriptor stands for it, by which every read gives 0.
    ///
    /// # Errors
    /// If `out` is too short, a buffer that is written is missing, one is not what a descriptor can name, or the immediates are not those
    /// that the kernel has; `out` is of no meaning then.
    pub fn write(
        &self,
        out: &mut [u8],
        buffers: impl Fn(u32) -> Option<(u64, u64)>,
        immediates: &[u8],
        groups: [u32; 3],
    ) -> Result<(), ArgumentsError<'a>> {
        let found = out.len();
        let too_short = ArgumentsError::Segment {
            found,
            needed: self.bytes,
        };
        let out = out.get_mut(..self.bytes as usize).ok_or(too_short)?;
        out.fill(0);
        let (at, bytes) = self.immediates;
        if immediates.len() != bytes as usize {
            return Err(ArgumentsError::Immediates {
                found: immediates.len(),
                needed: bytes,
            });
        }
        put(out, at, immediates).ok_or(too_short)?;
        for (n, binding) in (0..).zip(self.bindings) {
            let words = binding.describe(buffers(binding.binding))?;
            put_words(out, DESCRIPTOR_BYTES * n, &words).ok_or(too_short)?;
        }
        if let Some(at) = self.workgroups {
            put_words(out, at, &groups).ok_or(too_short)?;
        }
        Ok(())
    }
}

fn put(out: &mut [u8], at: u32, bytes: &[u8]) -> Option<()> {
    let out = out.get_mut(at as usize..)?.get_mut(..bytes.len())?;
    out.copy_from_slice(bytes);
    Some(())
}

fn put_words(out: &mut [u8], at: u32, words: &[u32]) -> Option<()> {
    (at..)
        .step_by(4)
        .zip(words)
        .try_for_each(|(at, word)| put(out, at, &word.to_le_bytes()))
}

impl<'a> Binding<'a> {
    fn describe(&self, buffer: Option<(u64, u64)>) -> Result<[u32; 4], ArgumentsError<'a>> {
        let &Self { name, binding, .. } = self;
        let Some((address, bytes)) = buffer else {
            let missing = ArgumentsError::NoBuffer { name, binding };
            return if self.written {
                Err(missing)
            } else {
                Ok(descriptor(0, 0))
            };
        };
        let last = bytes.saturating_sub(1);
        let fits = address.is_multiple_of(4)
            && address
                .checked_add(last)
                .is_some_and(|end| end >> ADDRESS_BITS == 0);
        match u32::try_from(bytes) {
            Ok(bytes) if fits => Ok(descriptor(address, bytes)),
            _ => Err(ArgumentsError::Buffer {
                name,
                binding,
                address,
                bytes,
            }),
        }
    }
}

/// Bits of an address in a descriptor.
const ADDRESS_BITS: u32 = 48;

/// The descriptor (V#) of a storage buffer: raw, of stride 0, every access checked against `bytes`. Reads outside of it give
/// 0, writes outside of it are dropped (RDNA3 manual, "Buffer resource descriptor").
#[must_use]
pub const fn descriptor(address: u64, bytes: u32) -> [u32; 4] {
    // dst_sel x, y, z, w; format 32_FLOAT; OOB_SELECT raw. Raw accesses ignore the format, which only must be a valid one.
    const WORD3: u32 = 0xfac | 22 << 12 | 3 << 28;
    [
        address as u32,
        (address >> 32) as u32 & 0xffff,
        bytes,
        WORD3,
    ]
}

/// Why an argument segment cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentsError<'a> {
    /// The segment that was given, or the one that the layout describes, has no room.
    Segment {
        /// Bytes given.
        found: usize,
        /// Bytes of the layout.
        needed: u32,
    },
    /// The immediates are not as many as the kernel has.
    Immediates {
        /// Bytes given.
        found: usize,
        /// Bytes that the kernel has.
        needed: u32,
    },
    /// A binding that is written, without a buffer.
    NoBuffer {
        /// Name in the WGSL file.
        name: &'a str,
        /// `@binding`.
        binding: u32,
    },
    /// A buffer that a descriptor cannot name.
    Buffer {
        /// Name in the WGSL file.
        name: &'a str,
        /// `@binding`.
        binding: u32,
        /// Where it begins.
        address: u64,
        /// Its size.
        bytes: u64,
    },
}

impl fmt::Display for ArgumentsError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { found, needed } => write!(
                out,
                "the argument segment has {found} bytes instead of {needed}"
            ),
            Self::Immediates { found, needed } => {
                write!(out, "{found} bytes of immediates instead of {needed}")
            }
            Self::NoBuffer { name, binding } => {
                write!(
                    out,
                    "no buffer is given for binding {binding}, {name}, which is written"
                )
            }
            Self::Buffer {
                name,
                binding,
                address,
                bytes,
            } => write!(
                out,
                "the buffer of binding {binding}, {name}, has {bytes} bytes at {address:#x}: a descriptor takes multiples of 4 \
                 below 2^{ADDRESS_BITS} and sizes below 2^32"
            ),
        }
    }
}

impl core::error::Error for ArgumentsError<'_> {}

/// A kernel whose argument segment cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelError<'a> {
    /// Its name.
    pub kernel: &'a str,
    /// What is wrong.
    pub error: ArgumentsError<'a>,
}

impl fmt::Display for KernelError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "kernel {}: {}", self.kernel, self.error)
    }
}

impl core::error::Error for KernelError<'_> {}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use super::*;

    const BINDINGS: [Binding<'_>; 2] = [
        Binding {
            name: "x",
            binding: 0,
            written: false,
        },
        Binding {
            name: "y",
            binding: 3,
            written: true,
        },
    ];

    const ARGUMENTS: Arguments<'_> = Arguments {
        bindings: &BINDINGS,
        immediates: (32, 6),
        workgroups: Some(40),
        bytes: 52,
    };

    fn buffers(binding: u32) -> Option<(u64, u64)> {
        [(0, (0x8012_3456_7890, 64)), (3, (0x1000, 1))]
            .into_iter()
            .find_map(|(at, buffer)| (at == binding).then_some(buffer))
    }

    #[test]
    fn a_segment_is_descriptors_immediates_and_groups() {
        let mut out = vec![0xff; 56];
        let written = ARGUMENTS.write(&mut out, buffers, &[1, 2, 3, 4, 5, 6], [7, 8, 9]);
        assert_eq!(written, Ok(()));
        let words: vec::Vec<u32> = out
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word))
            .collect();
        const WORD3: u32 = 0x3001_6fac;
        assert_eq!(words[..4], [0x3456_7890, 0x8012, 64, WORD3]);
        assert_eq!(words[4..8], [0x1000, 0, 1, WORD3]);
        assert_eq!(words[8..13], [0x0403_0201, 0x0605, 7, 8, 9]);
        assert_eq!(words[13], u32::MAX, "beyond the segment");
    }

    #[test]
    fn a_buffer_that_is_only_read_may_be_missing() {
        let mut out = [0xff; 52];
        let given = |at| buffers(at).filter(|_| at == 3);
        assert_eq!(ARGUMENTS.write(&mut out, given, &[0; 6], [1; 3]), Ok(()));
        assert_eq!(out[..12], [0; 12]);
        assert_eq!(out[16..20], 0x1000u32.to_le_bytes());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let write =
            |bytes: usize, buffers: &dyn Fn(u32) -> Option<(u64, u64)>, immediates: &[u8]| {
                let written = ARGUMENTS.write(&mut vec![0; bytes], buffers, immediates, [1; 3]);
                written.expect_err("it cannot be written").to_string()
            };
        assert_eq!(
            write(51, &buffers, &[0; 6]),
            "the argument segment has 51 bytes instead of 52"
        );
        assert_eq!(
            write(52, &buffers, &[0; 8]),
            "8 bytes of immediates instead of 6"
        );
        assert_eq!(
            write(52, &|at| buffers(at).filter(|_| at != 3), &[0; 6]),
            "no buffer is given for binding 3, y, which is written"
        );
        for (address, bytes) in [
            (0x1002, 4),
            (1 << 48, 4),
            ((1 << 48) - 4, 8),
            (0, 1 << 32),
            (!3, 8),
        ] {
            let error = write(52, &|_| Some((address, bytes)), &[0; 6]);
            let expected = std::format!("binding 0, x, has {bytes} bytes at {address:#x}: ");
            assert!(error.contains(&expected), "{error}");
        }
        assert_eq!(
            write(52, &|_| Some((0x1000, 1 << 31)), &[]),
            "0 bytes of immediates instead of 6"
        );
    }

    #[test]
    fn a_layout_beyond_its_own_bytes_is_refused() {
        let short = Arguments {
            bytes: 30,
            ..ARGUMENTS
        };
        let written = short.write(&mut [0; 64], buffers, &[0; 6], [1; 3]);
        assert!(matches!(written, Err(ArgumentsError::Segment { .. })));
    }
}
