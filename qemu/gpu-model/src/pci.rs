//! Configuration space.

use crate::fabric::Fabric;

/// The function's configuration space.
pub(crate) struct Pci {
    bytes: [u8; 256],
}

impl Pci {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 256];
        bytes[..4].copy_from_slice(&[0x02, 0x10, 0x4c, 0x74]);
        Self { bytes }
    }

    pub(crate) fn read(&self, offset: u32, bytes: u32) -> u32 {
        let mut value = [0; 4];
        for (n, byte) in value.iter_mut().take(bytes as usize).enumerate() {
            *byte = self.bytes.get(offset as usize + n).copied().unwrap_or(0xff);
        }
        u32::from_le_bytes(value)
    }

    pub(crate) fn write(&mut self, offset: u32, bytes: u32, value: u32, fabric: &mut Fabric) {
        for (n, byte) in value
            .to_le_bytes()
            .into_iter()
            .take(bytes as usize)
            .enumerate()
        {
            if let Some(slot) = self.bytes.get_mut(offset as usize + n) {
                *slot = byte;
            }
        }
        fabric.bus_master = self.bytes[4] & 4 != 0;
    }
}
