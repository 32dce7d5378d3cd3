//! What one rendering may use: work and memory, each paid for before it is spent.
use super::error::ErrorKind;

/// The limits of one rendering.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Evaluated nodes, compared values and copied pieces.
    pub steps: u64,
    /// Bytes of all texts and elements of all containers made, whether or not they were dropped again.
    pub memory_bytes: usize,
    /// Bytes of the rendered prompt.
    pub output_bytes: usize,
    /// Nested statements, expressions and macro calls being evaluated.
    pub depth: u32,
}

impl Limits {
    /// Limits for a conversation of so many bytes: enough for templates that walk it many times over.
    #[must_use]
    pub fn for_input(bytes: usize) -> Limits {
        Limits {
            steps: (bytes as u64).saturating_mul(16).saturating_add(1_000_000),
            memory_bytes: bytes.saturating_mul(64).saturating_add(16 << 20),
            output_bytes: bytes.saturating_mul(8).saturating_add(1 << 20),
            depth: 160,
        }
    }
}

/// What is left of the limits.
pub(super) struct Budget {
    limits: Limits,
    steps: u64,
    memory: usize,
    depth: u32,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Budget {
        Budget {
            limits,
            steps: limits.steps,
            memory: limits.memory_bytes,
            depth: 0,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn steps(&mut self, count: u64) -> Result<(), ErrorKind> {
        self.steps = self
            .steps
            .checked_sub(count)
            .ok_or(ErrorKind::StepLimit(self.limits.steps))?;
        Ok(())
    }

    pub(super) fn memory(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.memory = self
            .memory
            .checked_sub(bytes)
            .ok_or(ErrorKind::MemoryLimit(self.limits.memory_bytes))?;
        Ok(())
    }

    /// Refuses at once what will cost more than is left.
    pub(super) fn afford(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        if bytes > self.memory {
            Err(ErrorKind::MemoryLimit(self.limits.memory_bytes))
        } else {
            Ok(())
        }
    }

    /// Enters one level of evaluation; each is left again by [`Budget::leave`].
    pub(super) fn enter(&mut self) -> Result<(), ErrorKind> {
        self.steps(1)?;
        if self.depth >= self.limits.depth {
            return Err(ErrorKind::DepthLimit(self.limits.depth));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }
}
