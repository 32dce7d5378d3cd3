//! The parts of a step, in order: grow, admit, schedule, evaluate, and then sample or fail.

use alloc::vec::Vec;

use super::{Engine, Event, FinishReason};
use crate::backend::{Backend, BackendError, LogitsWanted, SequenceSlice};
use crate::limits::MAX_BATCH_SEQUENCES;

impl<B: Backend> Engine<B> {
    /// Gives every running sequence the blocks for all its tokens, oldest first; where none is free, the youngest are
    /// preempted.
    pub(super) fn grow(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            if self.running[index].missing_blocks() == 0 {
                index += 1;
            } else if let Some(block) = self.pool.allocate() {
                self.running[index].blocks.push(block);
            } else if let Some(mut youngest) = self.running.pop() {
                youngest.release(&mut self.pool);
                self.waiting.push_front(youngest);
                self.preemptions += 1;
            }
        }
    }

    /// Lets waiting sequences in, in their order, while there is room.
    pub(super) fn admit(&mut self) {
        while self.running.len() < self.config.max_running
            && let Some(next) = self.waiting.front()
        {
            // A block to spare for each sequence that runs: else growth would soon preempt the one that was let in.
            if self.pool.free() < next.missing_blocks() + self.running.len() {
                break;
            }
            let Some(mut sequence) = self.waiting.pop_front() else {
                break;
            };
            for _ in 0..sequence.missing_blocks() {
                sequence.blocks.extend(self.pool.allocate());
            }
            self.running.push(sequence);
        }
    }

    /// Shares the token budget: a token for each sequence that decodes, the rest for prompts, oldest first.
    pub(super) fn schedule(&mut self) {
        let mut budget = self.capacity.batch_tokens;
        for sequence in &mut self.running {
            sequence.scheduled = usize::from(sequence.pending() == 1);
            budget -= sequence.scheduled;
        }
        for sequence in self.running.iter_mut().filter(|s| s.scheduled == 0) {
            sequence.scheduled = sequence.pending().min(budget);
            budget -= sequence.scheduled;
        }
        assert!(
            budget < self.capacity.batch_tokens,
            "a step with {} sequences carries no token",
            self.running.len()
        );
    }

    /// Has the backend evaluate what was scheduled.
    pub(super) fn evaluate(&mut self) -> Result<(), BackendError> {
        const NO_SLICE: SequenceSlice<'static> = SequenceSlice {
            tokens: &[],
            first_position: 0,
            blocks: &[],
            logits: LogitsWanted::Nothing,
        };
        let mut batch = [NO_SLICE; MAX_BATCH_SEQUENCES];
        let mut slices = 0;
        let mut rows = 0;
        for sequence in self.running.iter().filter(|s| s.scheduled > 0) {
            let wanted = sequence.wants_logits();
            batch[slices] = SequenceSlice {
                tokens: &sequence.tokens[sequence.cached..][..sequence.scheduled],
                first_position: sequence.cached,
                blocks: &sequence.blocks,
                logits: match wanted {
                    true => LogitsWanted::Last,
                    false => LogitsWanted::Nothing,
                },
            };
            slices += 1;
            rows += usize::from(wanted);
        }
        self.logits.resize(rows * self.capacity.vocabulary, 0.0);
        self.backend.step(&batch[..slices], &mut self.logits)
    }

    /// Takes the evaluated positions into the books, and samples where a row of logits came back.
    pub(super) fn sample(&mut self, events: &mut Vec<Event>) {
        let mut rows = self.logits.chunks_exact(self.capacity.vocabulary);
        let (sampler, pool) = (&mut self.sampler, &mut self.pool);
        self.running.retain_mut(|sequence| {
            let row = match sequence.wants_logits() {
                true => rows.next(),
                false => None,
            };
            sequence.cached += sequence.scheduled;
            sequence.scheduled = 0;
            let reason = row.and_then(|logits| sequence.extend(sampler, logits, events));
            end(sequence, reason, pool, events)
        });
    }

    /// Ends the sequences that took part in a failed step.
    pub(super) fn fail(&mut self, error: &BackendError, events: &mut Vec<Event>) {
        let pool = &mut self.pool;
        self.running.retain_mut(|sequence| {
            let carried = sequence.scheduled > 0;
            let reason = carried.then(|| FinishReason::Backend(error.clone()));
            end(sequence, reason, pool, events)
        });
    }
}

/// Ends a sequence if there is a reason; returns whether it goes on.
fn end(
    sequence: &mut super::Sequence,
    reason: Option<FinishReason>,
    pool: &mut crate::kv::BlockPool,
    events: &mut Vec<Event>,
) -> bool {
    let Some(reason) = reason else { return true };
    events.push(sequence.finished(reason));
    sequence.release(pool);
    false
}
