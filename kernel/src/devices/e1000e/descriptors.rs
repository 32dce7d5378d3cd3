//! What the legacy descriptors say, and where the two rings stand: the part of the driver that touches no hardware.
//!
//! A descriptor is the address of a buffer and a second word: length (bits 15:0) and status (39:32) in both directions,
//! errors (47:40) of a packet that came, command (31:24) of one to send (82574 datasheet, 7.1.4 and 7.2.10.1).
//!
//! Both rings stop one short of full, because head = tail means that the card has no descriptor at all (7.1.8, 7.2.4).

use core::fmt;

/// Descriptors of a ring; the card wants multiples of 8.
pub const RING: usize = 256;
/// Bytes of a buffer, one per descriptor.
pub const BUFFER_BYTES: usize = 2048;

/// DD: the card is done with the descriptor.
pub const DONE: u64 = 1 << 32;
/// EOP of a packet that came: this buffer holds its end.
const END_OF_PACKET: u64 = 1 << 33;
/// CE, SE, SEQ, CXE and RXE. The other two are about checksums, which the stack checks itself.
const FRAME_ERRORS: u8 = 0x97;
/// EOP, IFCS and RS: the packet ends in this buffer, its CRC is the card's work, and [`DONE`] is asked for.
const SEND: u64 = (1 << 0 | 1 << 1 | 1 << 3) << 24;

/// The second word of a descriptor that sends `length` bytes.
#[must_use]
pub fn sending(length: usize) -> u64 {
    debug_assert!(length <= BUFFER_BYTES, "{length} bytes in a buffer");
    SEND | (length & 0xffff) as u64
}

/// Why what came is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The card says that the frame is damaged.
    Damaged {
        /// The error bits.
        errors: u8,
    },
    /// The buffer holds only a part of a packet, although the card was told to take none that is longer than a buffer.
    Partial,
    /// The length is zero, or more than the buffer has.
    Length {
        /// What the card says.
        bytes: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { errors } => write!(f, "a damaged frame (error bits {errors:#04x})"),
            Self::Partial => f.write_str("a part of a packet, which should fit into one buffer"),
            Self::Length { bytes } => {
                write!(f, "{bytes} bytes in a buffer of {BUFFER_BYTES}")
            }
        }
    }
}

/// The receive ring. The card has every descriptor but the one before [`Self::next`].
#[derive(Default)]
pub struct ReceiveRing {
    next: usize,
    /// The buffer before this one held no end of a packet.
    inside_packet: bool,
}

impl ReceiveRing {
    /// The tail to start with.
    pub const FIRST_TAIL: usize = RING - 1;

    /// The descriptor that the next packet comes in.
    #[must_use]
    pub fn next(&self) -> usize {
        self.next
    }

    /// Takes that descriptor, whose second word is `state` with [`DONE`] set, from the card. It is also the new tail: the
    /// card gets it back with the next one that is taken, so until then its buffer may be read.
    ///
    /// # Errors
    /// [`Refusal`] if the buffer does not hold a packet; the descriptor is taken all the same.
    pub fn take(&mut self, state: u64) -> Result<usize, Refusal> {
        self.next = (self.next + 1) % RING;
        let whole = state & END_OF_PACKET != 0;
        let continued = core::mem::replace(&mut self.inside_packet, !whole);
        let errors = (state >> 40) as u8;
        let bytes = (state & 0xffff) as usize;
        if continued || !whole {
            Err(Refusal::Partial)
        } else if errors & FRAME_ERRORS != 0 {
            Err(Refusal::Damaged { errors })
        } else if bytes == 0 || bytes > BUFFER_BYTES {
            Err(Refusal::Length { bytes })
        } else {
            Ok(bytes)
        }
    }
}

/// The transmit ring. The card has `in_flight` descriptors, the newest right before `next`.
#[derive(Default)]
pub struct TransmitRing {
    next: usize,
    in_flight: usize,
}

impl TransmitRing {
    /// The descriptor that the card is done with first.
    #[must_use]
    pub fn oldest(&self) -> Option<usize> {
        (self.in_flight > 0).then(|| (self.next + RING - self.in_flight) % RING)
    }

    /// Takes [`Self::oldest`] from the card, which is done with it.
    pub fn take_oldest(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether a descriptor is left for one more packet.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight < RING - 1
    }

    /// The descriptor for the next packet, which is not the card's if there is room.
    #[must_use]
    pub fn next(&self) -> usize {
        self.next
    }

    /// Gives [`Self::next`] to the card; returns the new tail.
    ///
    /// # Panics
    /// If there was no room.
    pub fn push(&mut self) -> usize {
        assert!(self.has_room(), "a full transmit ring");
        self.in_flight += 1;
        self.next = (self.next + 1) % RING;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(length: u64) -> u64 {
        DONE | END_OF_PACKET | length
    }

    #[test]
    fn lengths_are_bounded_by_the_buffer() {
        let mut ring = ReceiveRing::default();
        for bytes in [1, 60, 1514, BUFFER_BYTES] {
            assert_eq!(ring.take(came(bytes as u64)), Ok(bytes));
        }
        for bytes in [0, BUFFER_BYTES + 1, 0xffff] {
            assert_eq!(
                ring.take(came(bytes as u64)),
                Err(Refusal::Length { bytes })
            );
        }
    }

    #[test]
    fn damaged_frames_are_refused_and_checksum_errors_are_not() {
        let mut ring = ReceiveRing::default();
        for bit in 0..8 {
            let errors = 1u8 << bit;
            let taken = ring.take(came(60) | u64::from(errors) << 40);
            // Bit 3 is reserved, 5 and 6 are the TCP and the IP checksum.
            if [3, 5, 6].contains(&bit) {
                assert_eq!(taken, Ok(60), "bit {bit}");
            } else {
                assert_eq!(taken, Err(Refusal::Damaged { errors }), "bit {bit}");
            }
        }
    }

    #[test]
    fn every_part_of_a_split_packet_is_refused() {
        let mut ring = ReceiveRing::default();
        let parts = [DONE | 2048, DONE | 2048, came(100), came(60)];
        let taken = parts.map(|state| ring.take(state));
        let part = Err(Refusal::Partial);
        assert_eq!(taken, [part, part, part, Ok(60)]);
    }

    #[test]
    fn a_hostile_word_never_gives_more_than_a_buffer() {
        let mut ring = ReceiveRing::default();
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut accepted = 0;
        for _ in 0..100_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if let Ok(bytes) = ring.take(state) {
                assert!((1..=BUFFER_BYTES).contains(&bytes), "{state:#x}");
                accepted += 1;
            }
            assert!(ring.next() < RING);
        }
        assert!(accepted > 0);
    }

    #[test]
    fn a_sent_packet_asks_for_its_end_its_crc_and_a_report() {
        assert_eq!(sending(1514), 0x0b00_0000 | 1514);
        assert_eq!(sending(60) & DONE, 0);
    }

    /// A card that does what the datasheet says, at random times: it uses descriptors from its head up to the tail.
    #[derive(Default)]
    struct Model {
        head: usize,
        tail: usize,
    }

    impl Model {
        /// The next descriptor that the card may use, which it then has used.
        fn advance(&mut self) -> Option<usize> {
            let index = self.head;
            (self.head != self.tail).then(|| {
                self.head = (self.head + 1) % RING;
                index
            })
        }
    }

    /// Rounds in which one side is the faster one: long enough to fill a ring or to empty it.
    const PHASE: usize = 2000;

    /// Whether something happens in this round.
    fn chance(seed: &mut u64, round: usize) -> bool {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        let seldom = (round / PHASE).is_multiple_of(2);
        seed.is_multiple_of(if seldom { 5 } else { 2 })
    }

    #[test]
    fn packets_come_in_order_and_their_buffers_are_left_alone() {
        let mut seed = 7;
        let (mut ring, mut states) = (ReceiveRing::default(), [0u64; RING]);
        let mut card = Model {
            tail: ReceiveRing::FIRST_TAIL,
            ..Model::default()
        };
        let (mut written, mut read, mut full) = (0u64, 0u64, 0);
        let mut held = None;
        for round in 0..50_000 {
            if chance(&mut seed, round) {
                match card.advance() {
                    Some(index) => {
                        assert_ne!(Some(index), held, "the buffer is being read");
                        states[index] = came(1 + written % 1500);
                        written += 1;
                    }
                    None => full += 1,
                }
            }
            let index = ring.next();
            if chance(&mut seed, round + PHASE) && states[index] & DONE != 0 {
                assert_eq!(ring.take(states[index]), Ok(1 + (read % 1500) as usize));
                read += 1;
                (states[index], card.tail, held) = (0, index, Some(index));
            }
        }
        assert!(full > 0 && read > 10 * RING as u64, "{full} {read}");
        assert!(written - read < RING as u64);
    }

    #[test]
    fn packets_leave_in_order_and_a_full_ring_has_no_room() {
        let mut seed = 11;
        let (mut ring, mut card) = (TransmitRing::default(), Model::default());
        let mut states = [0u64; RING];
        let (mut queued, mut sent, mut full) = (0u64, 0u64, 0);
        for round in 0..50_000 {
            if chance(&mut seed, round)
                && let Some(index) = card.advance()
            {
                assert_eq!(states[index], sending(1 + (sent % 1500) as usize));
                sent += 1;
                states[index] |= DONE;
            }
            while let Some(oldest) = ring.oldest()
                && states[oldest] & DONE != 0
            {
                ring.take_oldest();
            }
            if chance(&mut seed, round + PHASE) {
                if ring.has_room() {
                    states[ring.next()] = sending(1 + (queued % 1500) as usize);
                    card.tail = ring.push();
                    queued += 1;
                } else {
                    assert_eq!(queued - sent, RING as u64 - 1);
                    full += 1;
                }
            }
        }
        assert!(full > 0 && sent > 10 * RING as u64, "{full} {sent}");
    }
}
