//! Single-use boxes for untrusted programs.
//!
//! A worker starts a [`Keeper`] per slot, a process of the same executable without threads. The keeper
//! always holds one *armed* box: namespaces, mounts, cgroup and pid 1 are there before the request, so a step costs about
//! an exec.
//!
//! ```text
//!  worker ──socket──▶ keeper ──▶ box: pid 1 ──▶ the step's main process
//! ```
//!
//! [`message`] says what travels over the socket; [`StepSpec`] is what to run and [`Outcome`] what came of it: facts only.
//! `main` must call [`keeper_main`] before it starts any thread if [`is_keeper`].

pub mod message;
pub mod probe;
pub mod seccomp;

mod armed;
mod cgroup;
mod channel;
mod clock;
mod credentials;
mod fault;
mod files;
mod forker;
mod gate;
mod granted;
mod handle;
mod init;
mod inside;
mod keeper;
mod layout;
mod link;
mod outcome;
mod plan;
mod protection;
mod rlimit;
mod root;
mod spec;
mod subordinate;
mod sys;
mod waiting;

pub use handle::{KEEPER_ROLE, Keeper, THIS_EXECUTABLE};
pub use keeper::keeper_main;
pub use layout::{
    Access, BoxLayout, CgroupSettings, DEFAULT_ETC_FILES, DEFAULT_FIRST_UID, Identity, Mount, USER_NAMESPACE_UID,
};
pub use outcome::{Ended, Outcome, Signal, StopReason};
pub use spec::{StepLimits, StepSpec};

/// Whether this process was started to be a keeper: then `main` calls [`keeper_main`] first of all.
pub fn is_keeper() -> bool {
    std::env::args_os().nth(1).is_some_and(|role| role == KEEPER_ROLE)
}
