//! What an operator watches, in Prometheus' text format.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use inference::engine::Status;

/// Counts since the server was made.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answers by status; a stream counts as the 200 that it begins with.
    responses: Vec<(u16, u64)>,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Sequences ended because their client left, hung or took nothing.
    pub(crate) sequences_cancelled: u64,
    /// Steps of the engine that failed.
    pub(crate) backend_errors: u64,
    /// What the machine around the server says of itself, in the same format.
    pub(crate) machine: String,
}

/// What is so at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    pub(crate) connections: usize,
    pub(crate) engine: Status,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn responded(&mut self, status: u16) {
        match self
            .responses
            .iter_mut()
            .find(|(known, _)| *known == status)
        {
            Some((_, count)) => *count += 1,
            None => self.responses.push((status, 1)),
        }
    }

    /// Writes the page that Prometheus reads.
    pub(crate) fn write(&self, gauges: Gauges, out: &mut impl Write) -> fmt::Result {
        out.write_str(
            "# HELP infernel_http_responses_total Answers by status.\n# TYPE infernel_http_responses_total counter\n",
        )?;
        for (status, count) in &self.responses {
            writeln!(
                out,
                "infernel_http_responses_total{{status=\"{status}\"}} {count}"
            )?;
        }
        let Gauges {
            connections,
            engine,
        } = gauges;
        let used = engine.total_blocks - engine.free_blocks;
        #[rustfmt::skip]
        let rows = [
            ("prompt_tokens_total", "counter", "Tokens of accepted prompts.", self.prompt_tokens),
            ("completion_tokens_total", "counter", "Tokens generated.", self.completion_tokens),
            ("sequences_cancelled_total", "counter", "Sequences ended as their client was gone.", self.sequences_cancelled),
            ("backend_errors_total", "counter", "Steps that the backend failed.", self.backend_errors),
            ("preemptions_total", "counter", "Sequences put back for want of KV blocks.", engine.preemptions),
            ("connections", "gauge", "Open connections.", connections as u64),
            ("sequences_running", "gauge", "Sequences in the batch.", engine.running as u64),
            ("sequences_waiting", "gauge", "Sequences in the queue.", engine.waiting as u64),
            ("kv_blocks", "gauge", "Blocks of the KV cache.", engine.total_blocks as u64),
            ("kv_blocks_used", "gauge", "Blocks of the KV cache in use.", used as u64),
        ];
        for (name, kind, help, value) in rows {
            writeln!(
                out,
                "# HELP infernel_{name} {help}\n# TYPE infernel_{name} {kind}\ninfernel_{name} {value}"
            )?;
        }
        out.write_str(&self.machine)
    }
}
