//! Which protections this host gives: for `doctor`, for the worker's record of itself, and for the keeper, which refuses
//! to work without the required ones.

use std::path::Path;
use std::time::Duration;

use crate::cgroup::Abilities;
use crate::handle::Keeper;
use crate::layout::{BoxLayout, Identity};
use crate::message::{Failure, MessageError, Request, Response};
pub use crate::protection::{Protection, ProtectionState};
use crate::root::Switched;

/// Finds out what a layout's boxes have on this host, by making one: see [`Keeper::spawn`] for `program`. Where none can be made,
/// that is the only entry.
pub fn probe(program: &Path, mut layout: BoxLayout) -> Result<Vec<Protection>, MessageError> {
    layout.may_be_missing = REQUIRED_PROTECTIONS.map(str::to_owned).to_vec();
    let keeper = Keeper::spawn(program)?;
    match keeper.call(&Request::Setup(layout), &[], PROBE_TIMEOUT)?.message {
        Response::Armed(armed) => Ok(armed.protections),
        Response::Failed(failure) => Ok(vec![Protection {
            name: "boxes".to_owned(),
            state: ProtectionState::Missing,
            detail: format!("no box can be made: cannot {failure}"),
            fix: Some(
                "run as root, or allow user namespaces to ordinary users (sysctl user.max_user_namespaces)".to_owned(),
            ),
        }]),
        Response::Written
        | Response::Waiting
        | Response::Going
        | Response::Gone
        | Response::Finished(_)
        | Response::Collected(_) => Err(MessageError::Malformed("no answer to a layout")),
    }
}

/// A host that takes longer to make a box is broken.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// What every keeper must have unless its layout says otherwise; see [`BoxLayout::may_be_missing`].
pub const REQUIRED_PROTECTIONS: [&str; 4] = ["own-user", "memory-limit", "process-limit", "cpu-clock"];

/// Names the missing required protections.
pub(crate) fn check(protections: &[Protection], may_be_missing: &[String]) -> Result<(), Failure> {
    let missing: Vec<_> = protections
        .iter()
        .filter(|protection| REQUIRED_PROTECTIONS.contains(&protection.name.as_str()))
        .filter(|protection| protection.state == ProtectionState::Missing)
        .filter(|protection| !may_be_missing.contains(&protection.name))
        .map(|protection| match &protection.fix {
            Some(fix) => format!("{}: {} ({fix})", protection.name, protection.detail),
            None => format!("{}: {}", protection.name, protection.detail),
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure {
        operation: "protect the host".to_owned(),
        message: missing.join("; "),
        errno: None,
        is_refusal: false,
    })
}

/// What a keeper that could arm a box has. The namespaces, the read-only root, the filter and the rest that is not listed as
/// anything else hold, or there would be no box.
pub(crate) fn assess(
    identity: Identity,
    abilities: Abilities,
    switched: Switched,
    sees_waiting: bool,
) -> Vec<Protection> {
    let mut list = Vec::new();
    let mut say = |name: &str, state, detail: &str, fix: Option<&str>| {
        list.push(Protection { name: name.to_owned(), state, detail: detail.to_owned(), fix: fix.map(str::to_owned) });
    };
    let in_force = ProtectionState::InForce;
    say("namespaces", in_force, "processes, mounts, IPC, host name and control groups of its own", None);
    say("network", in_force, "no interface but a loopback that is down", None);
    say("seccomp", in_force, "dangerous system calls are refused", None);
    say("privileges", in_force, "no capabilities, and no way to gain any", None);
    match identity {
        Identity::Ids { uid, .. } => {
            say("own-user", in_force, &format!("uid {uid}, used by nothing else"), None);
            say("groups", in_force, "no supplementary groups", None);
        }
        Identity::Subordinate { uid, .. } => {
            say("own-user", in_force, &format!("uid {uid}, of those granted to the user who started the worker"), None);
            say("groups", in_force, "no supplementary groups", None);
        }
        Identity::UserNamespace => {
            let fix = "grant this user ids (usermod --add-subuids and --add-subgids, package uidmap), or start the worker as root";
            say("own-user", ProtectionState::Reduced, "all boxes are the user who started the worker", Some(fix));
            let detail = "programs keep that user's groups: files shown in boxes are readable by them";
            say("groups", ProtectionState::Reduced, detail, Some(fix));
        }
    }
    match switched {
        Switched::Pivoted => say("root", in_force, "read-only; the host's files are not mounted", None),
        Switched::Moved => {
            let detail = "read-only; the host's files are out of reach, but mounted: pivot_root is denied";
            say("root", ProtectionState::Reduced, detail, Some("allow pivot_root in the container's seccomp profile"));
        }
    }
    let groups = match abilities.version {
        Some(version) => format!("control groups, version {version}"),
        None => "no control groups can be written".to_owned(),
    };
    let delegate = "run as root, or delegate a control group of version 2 to this user (systemd: Delegate=yes)";
    let mut controlled = |name: &str, is_there: bool, otherwise: ProtectionState, instead: &str| {
        if is_there {
            say(name, in_force, &groups, None);
        } else {
            say(name, otherwise, &format!("{groups}; {instead}"), Some(delegate));
        }
    };
    controlled("memory-limit", abilities.limits_memory, ProtectionState::Missing, "a program can use all memory");
    controlled("swap-limit", abilities.limits_swap, ProtectionState::Reduced, "a program may be swapped out");
    let counted_by_user = "only RLIMIT_NPROC limits processes";
    controlled("process-limit", abilities.limits_processes, ProtectionState::Reduced, counted_by_user);
    let polled = "processor time is summed up from /proc; short-lived orphans escape until the step ends";
    controlled("cpu-clock", abilities.counts_cpu, ProtectionState::Reduced, polled);
    if sees_waiting {
        say("idle-clock", in_force, "time spent waiting for input is not charged", None);
    } else {
        let detail =
            "the system calls of a box's processes cannot be seen: interactive programs are charged for waiting";
        say("idle-clock", ProtectionState::Reduced, detail, Some("give the worker CAP_SYS_PTRACE"));
    }
    list
}
