//! Workgroup memory: bytes, which of them were written, and who touched them since the last barrier.
//!
//! Races are found dword by dword: a shadow entry holds the wave that wrote last and the one that read last in the current
//! epoch, with the bytes they touched; a barrier begins a new epoch, which makes all entries old at once. Atomics do not
//! race with atomics or whole-dword loads, which is how an atomic load is written.

/// A wave of the epoch; [`MANY`] stands for several.
type Toucher = u8;
const MANY: Toucher = u8::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Shadow {
    epoch: u32,
    writer: Toucher,
    /// Bytes written by plain stores (3:0) and by atomics (7:4).
    written: u8,
    reader: Toucher,
    /// Bytes read by plain loads.
    read: u8,
}

/// How an access touches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Load,
    Store,
    Atomic,
}

/// The memory of one workgroup at a time.
#[derive(Debug, Default)]
pub(crate) struct Lds {
    pub(crate) bytes: Vec<u8>,
    /// A bit per byte, 4 to an entry.
    defined: Vec<u8>,
    shadow: Vec<Shadow>,
    epoch: u32,
}

impl Lds {
    /// Memory for the next workgroup: zeros, undefined.
    pub(crate) fn reset(&mut self, bytes: usize) {
        self.bytes.clear();
        self.bytes.resize(bytes, 0);
        self.defined.clear();
        self.defined.resize(bytes.div_ceil(4), 0);
        self.shadow.resize(bytes.div_ceil(4), Shadow::default());
        self.next_epoch();
    }

    /// All waves have passed a barrier.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.shadow.fill(Shadow::default());
            self.epoch = 1;
        }
    }

    pub(crate) fn contains(&self, address: u64, bytes: usize) -> bool {
        address
            .checked_add(bytes as u64)
            .is_some_and(|end| end <= self.bytes.len() as u64)
    }

    /// Whether any of the bytes was never written.
    pub(crate) fn undefined(&self, address: usize, bytes: usize) -> bool {
        dwords(address, bytes).any(|(index, mask)| self.defined[index] & mask != mask)
    }

    /// Marks bytes as written.
    pub(crate) fn define(&mut self, address: usize, bytes: usize) {
        for (index, mask) in dwords(address, bytes) {
            self.defined[index] |= mask;
        }
    }

    /// Records an access; returns the other wave if it races with one, 255 if with several.
    pub(crate) fn touch(
        &mut self,
        wave: u32,
        touch: Touch,
        address: usize,
        bytes: usize,
    ) -> Option<u8> {
        // Of a workgroup of at most 1024 threads, waves are numbered below 32.
        let wave = wave as u8;
        let mut other = None;
        for (index, mask) in dwords(address, bytes) {
            let shadow = &mut self.shadow[index];
            if shadow.epoch != self.epoch {
                *shadow = Shadow {
                    epoch: self.epoch,
                    ..Shadow::default()
                };
            }
            other = other.or(shadow.touch(wave, touch, mask));
        }
        other
    }
}

impl Shadow {
    fn touch(&mut self, wave: Toucher, touch: Touch, mask: u8) -> Option<u8> {
        let [plain, atomic] = [self.written & 15, self.written >> 4];
        let writes_clash = match touch {
            Touch::Load if mask == 15 => plain,
            Touch::Load | Touch::Store => plain | atomic,
            Touch::Atomic => plain,
        };
        let reads_clash = match touch {
            Touch::Load => 0,
            Touch::Store => self.read,
            // A load of the whole dword may be an atomic one.
            Touch::Atomic if self.read == 15 => 0,
            Touch::Atomic => self.read,
        };
        let other = if writes_clash & mask != 0 && self.writer != wave {
            Some(self.writer)
        } else if reads_clash & mask != 0 && self.reader != wave {
            Some(self.reader)
        } else {
            None
        };
        let join = |before: u8, known: Toucher| {
            if before == 0 || known == wave {
                wave
            } else {
                MANY
            }
        };
        match touch {
            Touch::Load => {
                self.reader = join(self.read, self.reader);
                self.read |= mask;
            }
            Touch::Store => {
                self.writer = join(self.written, self.writer);
                self.written |= mask;
            }
            Touch::Atomic => {
                self.writer = join(self.written, self.writer);
                self.written |= mask << 4;
            }
        }
        other
    }
}

/// The dwords that a range of bytes touches, with the bits of its bytes.
fn dwords(address: usize, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let end = address + bytes;
    (address / 4..end.div_ceil(4)).map(move |index| {
        let low = address.saturating_sub(4 * index).min(4);
        let high = (end - 4 * index).min(4);
        (index, (15 << low & 15 & (15 >> (4 - high))) as u8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lds() -> Lds {
        let mut lds = Lds::default();
        lds.reset(64);
        lds
    }

    #[test]
    fn bytes_are_defined_one_by_one() {
        let mut lds = lds();
        lds.define(2, 7);
        assert!(!lds.undefined(2, 7));
        assert!(lds.undefined(1, 2));
        assert!(lds.undefined(8, 2));
    }

    #[test]
    fn another_wave_races_until_the_barrier() {
        let mut lds = lds();
        assert_eq!(lds.touch(0, Touch::Store, 0, 4), None);
        assert_eq!(lds.touch(0, Touch::Load, 0, 4), None);
        assert_eq!(lds.touch(1, Touch::Load, 0, 4), Some(0));
        lds.next_epoch();
        assert_eq!(lds.touch(1, Touch::Load, 0, 4), None);
        assert_eq!(lds.touch(2, Touch::Load, 0, 4), None);
        assert_eq!(lds.touch(1, Touch::Store, 0, 4), Some(MANY));
    }

    #[test]
    fn halves_of_a_dword_do_not_race() {
        let mut lds = lds();
        assert_eq!(lds.touch(0, Touch::Store, 0, 2), None);
        assert_eq!(lds.touch(1, Touch::Store, 2, 2), None);
    }

    #[test]
    fn atomics_race_with_stores_only() {
        let mut lds = lds();
        assert_eq!(lds.touch(0, Touch::Atomic, 0, 4), None);
        assert_eq!(lds.touch(1, Touch::Atomic, 0, 4), None);
        assert_eq!(lds.touch(2, Touch::Load, 0, 4), None);
        assert_eq!(lds.touch(2, Touch::Atomic, 4, 4), None);
        assert_eq!(lds.touch(3, Touch::Store, 4, 4), Some(2));
    }
}
