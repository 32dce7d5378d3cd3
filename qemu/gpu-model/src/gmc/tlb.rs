//! What hubs remember of translations until they are told to forget.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::walk::Translation;

/// Translations that a hub keeps for a context before it forgets all of them, so that memory stays bounded.
const KEPT: usize = 1 << 16;

/// The translations of one hub, for each context by their last address.
#[derive(Default)]
pub(super) struct Tlb {
    contexts: Mutex<[BTreeMap<u64, Translation>; 16]>,
}

impl Tlb {
    fn lock(&self) -> MutexGuard<'_, [BTreeMap<u64, Translation>; 16]> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of an address.
    pub(super) fn find(&self, vmid: u8, va: u64) -> Option<Translation> {
        let contexts = self.lock();
        let (_, found) = contexts[usize::from(vmid & 15)].range(va..).next()?;
        found.covers(va).then_some(*found)
    }

    /// Remembers a translation. Smaller ones that it holds within stay what they are.
    pub(super) fn keep(&self, vmid: u8, translation: Translation) {
        let mut contexts = self.lock();
        let context = &mut contexts[usize::from(vmid & 15)];
        if context.len() >= KEPT {
            context.clear();
        }
        context.insert(
            translation.start | ((1 << translation.bits) - 1),
            translation,
        );
    }

    /// Forgets the contexts of a mask.
    pub(super) fn forget(&self, vmids: u32) {
        for (vmid, context) in self.lock().iter_mut().enumerate() {
            if vmids >> vmid & 1 == 1 {
                context.clear();
            }
        }
    }
}
