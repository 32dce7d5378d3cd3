//! Executes gfx1100 machine code, strictly: what hardware may do wrong in silence stops it with a reason.
//!
//! Code becomes a [`Program`] once; [`dispatch`] runs it as a grid of workgroups over a [`Memory`], [`execute`] runs one
//! workgroup from given registers. Either stops at the first [`Rule`] that is broken, and says which instruction, lane and
//! rule it was, or returns what was done ([`Report`]).
//!
//! It knows nothing of how code is made: what a code object says is handed over as plain fields ([`Launch`]).
//!
//! Start reading at [`Program`], then `wave`, whose loop does the work.

pub mod alu;
pub mod cycles;
mod dispatch;
mod group;
mod lds;
mod memory;
mod mode;
mod program;
mod report;
mod rule;
mod state;
mod stop;
mod wave;

pub use dispatch::{BadLaunch, Failure, Launch, MAX_SCRATCH, Options, dispatch, dispatch_with};
pub use memory::{Fault, Memory, Regions};
pub use mode::{Mode, Round};
pub use program::{BadCode, Program};
pub use report::{Report, Traffic};
pub use rule::{Rule, RuleClass, Strictness};
pub use state::{Machine, Outcome, WaveState, execute};
pub use stop::Stop;
