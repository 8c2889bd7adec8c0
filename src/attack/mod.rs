//! The attack suite: hostile programs, run against this very host.
//!
//! `codecanvas doctor --attack` and the tests run the same programs the same way:
//!
//! ```text
//!  baseline of the host (processes, mounts, control groups, IPC)
//!    └─ for each attack: start a neighbour ─▶ run the attack ─▶ the neighbour ends unharmed
//!                        ─▶ the next program runs ─▶ the host is as it was
//! ```
//!
//! - [`suite`]: the programs and what each is allowed to do
//! - [`host`]: what a program must not leave behind
//! - [`run`]: one attack from start to judgement

pub mod host;
pub mod run;
pub mod suite;

pub use run::{Arena, Judgement};
pub use suite::Attack;
