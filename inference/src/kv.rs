//! The books of the paged KV cache: which blocks are free, and how many sequences hold each of the others.
//!
//! The memory itself is the backend's. Blocks have one size and no order, so any free block serves any sequence and
//! nothing fragments. Allocation and release take constant time: free blocks form a stack, and the last one released
//! (warm in a cache) is the first one handed out.

use alloc::vec::Vec;

use crate::ids::BlockId;
use crate::limits::KV_BLOCK_TOKENS;

/// Blocks that hold `positions` positions.
#[must_use]
pub const fn blocks_for(positions: usize) -> usize {
    positions.div_ceil(KV_BLOCK_TOKENS)
}

/// All blocks of a backend.
#[derive(Clone, Debug)]
pub struct BlockPool {
    /// Holders of each block; 0 for a free one.
    holders: Vec<u32>,
    free: Vec<BlockId>,
}

impl BlockPool {
    /// A pool of `blocks` free blocks.
    ///
    /// # Panics
    /// If there are more blocks than ids.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        let count = u32::try_from(blocks).expect("block ids have 32 bits");
        Self {
            holders: alloc::vec![0; blocks],
            free: (0..count).rev().map(BlockId).collect(),
        }
    }

    /// Blocks that nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// All blocks.
    #[must_use]
    pub fn total(&self) -> usize {
        self.holders.len()
    }

    /// A block with one holder, or `None` if all are held.
    pub fn allocate(&mut self) -> Option<BlockId> {
        let block = self.free.pop()?;
        self.holders[block.0 as usize] = 1;
        Some(block)
    }

    /// Adds a holder to a block that somebody holds.
    ///
    /// # Panics
    /// If nobody holds it: whoever asks has lost count.
    pub fn share(&mut self, block: BlockId) {
        let holders = &mut self.holders[block.0 as usize];
        assert!(*holders > 0, "{block:?} is free and cannot be shared");
        *holders += 1;
    }

    /// Takes a holder away; without holders the block is free.
    ///
    /// # Panics
    /// If nobody holds it: a block released twice would serve two sequences.
    pub fn release(&mut self, block: BlockId) {
        let holders = &mut self.holders[block.0 as usize];
        assert!(*holders > 0, "{block:?} was released twice");
        *holders -= 1;
        if *holders == 0 {
            self.free.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_free_when_its_last_holder_releases_it() {
        let mut pool = BlockPool::new(2);
        let block = pool.allocate().unwrap();
        assert_ne!(pool.allocate(), Some(block));
        assert_eq!((pool.allocate(), pool.free()), (None, 0));
        pool.share(block);
        pool.release(block);
        assert_eq!(pool.free(), 0);
        pool.release(block);
        assert_eq!((pool.free(), pool.total()), (1, 2));
        assert_eq!(pool.allocate(), Some(block));
    }

    #[test]
    #[should_panic(expected = "released twice")]
    fn a_block_cannot_be_released_twice() {
        let mut pool = BlockPool::new(1);
        let block = pool.allocate().unwrap();
        pool.release(block);
        pool.release(block);
    }

    #[test]
    fn positions_round_up_to_blocks() {
        assert_eq!([0, 1, 16, 17].map(blocks_for), [0, 1, 1, 2]);
    }
}
