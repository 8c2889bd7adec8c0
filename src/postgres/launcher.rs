//! A role of the executable that stands between the service and Postgres for an instant.
//!
//! What must happen between fork and exec (giving up root, asking for a signal when the parent
//! dies) would need `unsafe` in the parent. A process of its own does it with safe calls and then
//! becomes Postgres by exec.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, getpid, getppid, setgid, setgroups, setuid};

/// The first argument that makes `main` enter this role.
pub const ROLE: &str = "postgres-launcher";

/// Whom Postgres runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub uid: Uid,
    pub gid: Gid,
}

/// Builds commands that go through the launcher.
#[derive(Debug)]
pub(super) struct Launcher {
    pub executable: PathBuf,
    /// `None`: the user who runs the service.
    pub owner: Option<Owner>,
}

impl Launcher {
    /// A command that runs `program` as the owner, in a process group of its own so that Ctrl-C at
    /// the terminal reaches the service first, and with an environment built from nothing.
    #[expect(clippy::disallowed_methods, reason = "one of the modules that start processes")]
    pub(super) fn command(&self, program: &Path, arguments: Vec<OsString>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.executable);
        let (uid, gid) = self.owner.map_or(("-".to_owned(), "-".to_owned()), |owner| {
            (owner.uid.as_raw().to_string(), owner.gid.as_raw().to_string())
        });
        command
            .args([ROLE, &getpid().as_raw().to_string(), &uid, &gid])
            .arg(program)
            .args(arguments)
            .env_clear()
            // Messages are read by `recover`: keep them in English.
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }
}

/// The role itself: `postgres-launcher PARENT UID GID PROGRAM ARGUMENT…`. Returns only on failure.
pub fn main(arguments: &[OsString]) -> ExitCode {
    match launch(arguments) {
        Ok(never) => match never {},
        Err(message) => {
            // Standard error is the log of Postgres.
            eprintln!("FATAL:  {message}");
            ExitCode::FAILURE
        }
    }
}

fn launch(arguments: &[OsString]) -> Result<std::convert::Infallible, String> {
    let [parent, uid, gid, program, rest @ ..] = arguments else {
        return Err("this role is for codecanvas itself".to_owned());
    };
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u32>().ok());
    umask(Mode::from_bits_truncate(0o077));
    if let (Some(uid), Some(gid)) = (number(uid), number(gid)) {
        let gid = Gid::from_raw(gid);
        setgroups(&[gid]).map_err(|error| format!("cannot drop groups: {error}"))?;
        setgid(gid).map_err(|error| format!("cannot change group: {error}"))?;
        setuid(Uid::from_raw(uid)).map_err(|error| format!("cannot change user: {error}"))?;
    }
    // After the change of user, which clears it (prctl(2)). SIGINT is Postgres' fast shutdown.
    prctl::set_pdeathsig(Signal::SIGINT).map_err(|error| format!("cannot follow the parent: {error}"))?;
    // The parent may have died before the line above.
    let parent = number(parent).and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    if parent != Some(getppid()) {
        return Err("the service is gone".to_owned());
    }
    #[expect(clippy::disallowed_methods, reason = "one of the modules that start processes")]
    let error = std::process::Command::new(program).args(rest).exec();
    Err(format!("cannot run {}: {error}", Path::new(program).display()))
}
