//! What an earlier service that was killed left behind.
//!
//! The kernel tells Postgres to stop when its parent dies, so that an orphan is on its way out
//! already. Where Postgres was killed as well, its pid file names a process that is gone or about
//! to be, and its shared memory lives until its last child has noticed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LEFTOVER_PATIENCE, POLL, PostgresError};

/// What `postmaster.pid` says. Its lines are described in Postgres' `miscadmin.h`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub pid: i32,
    pub is_ready: bool,
}

impl PidFile {
    /// Reads that of a cluster; `None` where there is none, or it is being written.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<_> = text.lines().collect();
        let pid = lines.first()?.trim().parse().ok()?;
        // LOCK_FILE_LINE_PM_STATUS is the eighth.
        Some(Self { pid, is_ready: lines.get(7).is_some_and(|status| status.trim() == "ready") })
    }
}

/// The server that still runs on this cluster, if there is one. The number alone proves nothing,
/// since numbers are given out again: a server's working directory is its cluster.
fn running(cluster: &Path) -> Option<i32> {
    let pid = PidFile::read(cluster)?.pid;
    let directory = fs::read_link(PathBuf::from(format!("/proc/{pid}/cwd"))).ok()?;
    (directory == cluster.canonicalize().ok()?).then_some(pid)
}

/// Waits until no server of an earlier service runs on this cluster, and tells it to stop if it
/// was not told. The caller holds the lock of the data directory: nobody else needs that server.
pub(super) async fn wait_for_leftover(cluster: &Path) -> Result<(), PostgresError> {
    let Some(pid) = running(cluster) else { return Ok(()) };
    tracing::info!(pid, "waiting for the Postgres of an earlier codecanvas to stop");
    signal(pid, Signal::SIGINT);
    let started = Instant::now();
    let mut is_pressed = false;
    while running(cluster) == Some(pid) {
        let waited = started.elapsed();
        if waited > LEFTOVER_PATIENCE {
            return Err(PostgresError::StillRunning { pid, path: cluster.to_owned() });
        }
        if !is_pressed && waited > LEFTOVER_PATIENCE / 2 {
            is_pressed = true;
            signal(pid, Signal::SIGQUIT);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Whether a server that did not start met something that goes away by itself.
pub(super) fn is_leftover(log: &str) -> bool {
    log.contains("lock file \"postmaster.pid\" already exists")
        || log.contains("pre-existing shared memory block")
        || log.contains("lock file \"") && log.contains(".s.PGSQL.5432.lock\" already exists")
}

/// Sends a signal; a process that is gone already is fine.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(pid, %error, "cannot signal Postgres");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_tells_who_and_how_far() {
        let text = "4711\n/data\n1700000000\n5432\n/run\n\n  1234 0\nready   \n";
        assert_eq!(PidFile::parse(text), Some(PidFile { pid: 4711, is_ready: true }));
        let starting = text.replace("ready", "starting");
        assert_eq!(PidFile::parse(&starting), Some(PidFile { pid: 4711, is_ready: false }));
        assert_eq!(PidFile::parse("4711\n/data\n"), Some(PidFile { pid: 4711, is_ready: false }));
        assert_eq!(PidFile::parse(""), None);
    }
}
