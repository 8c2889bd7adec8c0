//! The processes of `serve`.
//!
//! Each child has a task that starts it, waits for its end, and starts it again: at once the first
//! time, then after ever longer pauses while it keeps dying young. It ends when the service does.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use super::{Shutdown, exit};

/// The pause after the first early death; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A child that lived this long is not dying young.
const GOOD_AGE: Duration = Duration::from_mins(1);
/// How long a child may take after the second signal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Exit codes that another start would not change: wrong settings, and protections that cannot be had.
const HOPELESS: [i32; 2] = [exit::CONFIG as i32, exit::UNPROTECTED as i32];

/// A process that `serve` keeps running.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its role: the first argument, and its name in the log.
    pub role: &'static str,
    /// What else it is given.
    pub arguments: Vec<OsString>,
    /// What is added to its environment. Secrets go here: arguments can be read by everybody.
    pub environment: Vec<(&'static str, String)>,
    /// Its standard input, each time that it is started.
    pub stdin: Arc<OwnedFd>,
}

/// How a child ended for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The service ends, and so did the child.
    Asked,
    /// It cannot start on this machine; its exit code says why.
    Hopeless(u8),
}

/// Keeps a child running until the service ends.
pub async fn keep(child: Child, shutdown: Shutdown) -> std::io::Result<Ended> {
    let mut pauses = Pauses::default();
    loop {
        let started = Instant::now();
        let mut process = command(&child)?.spawn()?;
        let pid = process.id().and_then(|id| i32::try_from(id).ok());
        tracing::info!(role = child.role, pid, "started");
        let status = tokio::select! {
            status = process.wait() => status?,
            () = shutdown.drain.cancelled() => {
                end(&mut process, pid, &shutdown).await?;
                tracing::info!(role = child.role, "ended");
                return Ok(Ended::Asked);
            }
        };
        if let Some(code) = status.code().filter(|code| HOPELESS.contains(code)) {
            return Ok(Ended::Hopeless(u8::try_from(code).unwrap_or(1)));
        }
        let pause = pauses.after(started.elapsed());
        tracing::error!(
            role = child.role,
            pid,
            how = describe(status),
            pause = ?pause,
            "died; it is started again"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.drain.cancelled() => return Ok(Ended::Asked),
        }
    }
}

/// Ever longer pauses between starts.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    early_deaths: u32,
}

impl Pauses {
    /// The pause after a process that lived for `age`.
    pub(crate) fn after(&mut self, age: Duration) -> Duration {
        if age >= GOOD_AGE {
            self.early_deaths = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.early_deaths)).min(LONGEST_PAUSE);
        self.early_deaths += 1;
        pause
    }
}

/// Passes the first signal on, and the second one; then ends what is still there.
async fn end(process: &mut tokio::process::Child, pid: Option<i32>, shutdown: &Shutdown) -> std::io::Result<()> {
    terminate(pid);
    tokio::select! {
        status = process.wait() => return status.map(drop),
        () = shutdown.stop.cancelled() => {}
    }
    terminate(pid);
    if let Ok(status) = tokio::time::timeout(STOP_PATIENCE, process.wait()).await {
        return status.map(drop);
    }
    process.kill().await
}

fn terminate(pid: Option<i32>) {
    // It is our child and was not waited for: the number is still its own.
    if let Some(Err(error)) = pid.map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM)) {
        tracing::debug!(%error, "cannot signal a child");
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the modules that start processes")]
fn command(child: &Child) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(child.role)
        .args(["--parent", &std::process::id().to_string()])
        .args(&child.arguments)
        .envs(child.environment.iter().map(|(name, value)| (name, value)))
        .stdin(child.stdin.try_clone()?)
        // Ctrl-C at the terminal reaches the whole foreground group: it must not reach the children
        // beside the signal that is passed on, which would count as the second one.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(Ok(signal))) => format!("killed by {signal}"),
        (None, Some(Err(_)) | None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_a_child_dies_young_and_start_over_when_it_lived() {
        let mut pauses = Pauses::default();
        let young = Duration::from_secs(1);
        assert_eq!(pauses.after(young), FIRST_PAUSE);
        assert_eq!(pauses.after(young), FIRST_PAUSE * 2);
        assert_eq!(pauses.after(young), FIRST_PAUSE * 4);
        for _ in 0..100 {
            pauses.after(young);
        }
        assert_eq!(pauses.after(young), LONGEST_PAUSE);
        assert_eq!(pauses.after(GOOD_AGE), FIRST_PAUSE);
    }
}
