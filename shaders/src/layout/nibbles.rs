//! Sixteen bytes with 32 elements of four bits: byte `i` has element `i` in its low and element `i + 16` in its high nibble.
//! Q4_0 comes so in GGUF; Q4_K and Q6_K are brought into it.

/// Elements of a block.
pub(super) const BLOCK: usize = 32;

/// Puts 32 elements below 16 into 16 bytes.
pub(super) fn join(elements: &[u8; BLOCK], bytes: &mut [u8]) {
    let (low, high) = elements.split_at(BLOCK / 2);
    for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
        *byte = low | high << 4;
    }
}

/// The 32 elements of 16 bytes.
pub(super) fn split(bytes: &[u8]) -> [u8; BLOCK] {
    let mut elements = [0; BLOCK];
    let (low, high) = elements.split_at_mut(BLOCK / 2);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        *low = byte & 15;
        *high = byte >> 4;
    }
    elements
}
