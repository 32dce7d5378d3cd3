//! Buffers, workgroup memory and immediates as bytes.

use super::super::Space;

/// What a workgroup can reach.
pub(super) struct Memory<'m> {
    pub(super) buffers: &'m mut [Vec<u8>],
    pub(super) shared: Vec<u8>,
    pub(super) immediates: &'m [u8],
}

impl Memory<'_> {
    fn bytes(&self, space: Space) -> &[u8] {
        match space {
            Space::Buffer(n) => &self.buffers[n as usize],
            Space::Shared => &self.shared,
            Space::Arguments => self.immediates,
        }
    }

    /// Bytes `at` to `at + size`, which must be there and aligned to a dword (for two bytes: to two).
    fn check(&self, space: Space, at: u64, size: usize) -> Result<usize, String> {
        let length = self.bytes(space).len();
        if !at.is_multiple_of(size.min(4) as u64) {
            return Err(format!("{size} bytes at {at} of {space} are not aligned"));
        }
        match usize::try_from(at)
            .ok()
            .filter(|at| at.checked_add(size).is_some_and(|end| end <= length))
        {
            Some(at) => Ok(at),
            None => Err(format!(
                "{size} bytes at {at} of {space}, which has {length}"
            )),
        }
    }

    /// Up to 16 bytes as a number, lowest first.
    pub(super) fn load(&self, space: Space, at: u64, size: usize) -> Result<u128, String> {
        let at = self.check(space, at, size)?;
        let mut bytes = [0; 16];
        bytes[..size].copy_from_slice(&self.bytes(space)[at..at + size]);
        Ok(u128::from_le_bytes(bytes))
    }

    pub(super) fn store(
        &mut self,
        space: Space,
        at: u64,
        size: usize,
        value: u128,
    ) -> Result<(), String> {
        let at = self.check(space, at, size)?;
        let bytes = match space {
            Space::Buffer(n) => &mut self.buffers[n as usize],
            Space::Shared => &mut self.shared,
            Space::Arguments => return Err("immediates cannot be written".into()),
        };
        bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        Ok(())
    }

    /// Bytes of a buffer.
    pub(super) fn size(&self, buffer: u32) -> u32 {
        self.buffers[buffer as usize].len() as u32
    }
}
