//! The embedded Postgres, for where no `DATABASE_URL` is given.
//!
//! ```text
//! codecanvas serve (main thread) ── postgres-launcher ══ exec ══▶ postgres ── its own processes
//! ```
//!
//! It listens on a unix socket only, asks for a generated password, runs as an unprivileged user
//! and keeps everything below the data directory:
//!
//! ```text
//! DATA_DIR/lock               held while a service uses the directory
//!          postgres/          the cluster, 0700
//!          postgres.password  0600, readable for the service only
//!          postgres.log       what Postgres has to say
//!          run/               the socket (elsewhere where that path would be too long)
//! ```
//!
//! The cluster ends with the service however that ends: see [`launcher`]. What a killed one left
//! behind is waited for, or stopped, before the next one starts: see [`recover`].

mod binaries;
mod directory;
pub mod dump;
mod keep;
pub mod launcher;
mod recover;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::process::Child;

pub use self::binaries::{Binaries, MINIMUM_MAJOR};
use self::directory::Directory;
pub use self::keep::keep;
use self::launcher::Launcher;
use crate::config::{Config, Secret};

/// Why there is no embedded Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No programs found.
    #[error(
        "Postgres is not installed: run \"apt-get install postgresql\", name its programs with --set database.postgres_bin=DIR, or use a server with DATABASE_URL"
    )]
    NotFound,
    /// Programs found, too old.
    #[error("the Postgres in {} is version {major}; codecanvas needs {MINIMUM_MAJOR} or newer", path.display())]
    TooOld {
        /// The directory of the programs.
        path: PathBuf,
        /// Their major version.
        major: u32,
    },
    /// The data was written by a version that is not installed.
    #[error(
        "the data in {} was written by Postgres {wanted}, which is not installed: run \"apt-get install postgresql-{wanted}\"",
        path.display()
    )]
    OtherVersion {
        /// The cluster.
        path: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
    },
    /// Another service holds the data directory.
    #[error("another codecanvas uses {}", .0.display())]
    InUse(PathBuf),
    /// Postgres refuses root, and there is nobody to run it as.
    #[error(
        "there is no user \"postgres\" to run Postgres as: run \"apt-get install postgresql\", or start codecanvas as an ordinary user"
    )]
    NoUser,
    /// A file or directory cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of ours does not hold what it must.
    #[error("{} is damaged or not ours: {reason}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `initdb` failed.
    #[error("cannot make a database in {}: {message}", path.display())]
    Initdb {
        /// The data directory.
        path: PathBuf,
        /// What it said last.
        message: String,
    },
    /// The server ended before it was ready.
    #[error("Postgres does not start: {message} (see {})", log.display())]
    Start {
        /// What it said last.
        message: String,
        /// Its whole log.
        log: PathBuf,
    },
    /// A server of an earlier service does not end.
    #[error("an earlier Postgres (process {pid}) still uses {} and does not stop", path.display())]
    StillRunning {
        /// Its process id.
        pid: i32,
        /// The cluster.
        path: PathBuf,
    },
}

/// How an embedded Postgres is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the programs are; `None`: looked for.
    pub bin: Option<PathBuf>,
    /// The codecanvas executable, which the launcher role belongs to.
    pub executable: PathBuf,
    /// Whether what was committed survives the loss of power. Only tests do without.
    pub is_durable: bool,
    /// Connections it takes at most.
    pub max_connections: u32,
}

impl Settings {
    /// The embedded Postgres of the service.
    pub fn new(config: &Config) -> Result<Self, PostgresError> {
        let executable = std::env::current_exe().map_err(|source| PostgresError::File {
            action: "find",
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        Ok(Self {
            data_dir: config.data_dir.clone(),
            bin: config.database.postgres_bin.clone(),
            executable,
            is_durable: true,
            // Several api and worker processes with their pools, and room for people.
            max_connections: config.database.max_connections.saturating_mul(4).max(100),
        })
    }
}

/// Where the Postgres of a running service is, for commands beside it.
pub fn url(settings: &Settings) -> Result<Secret, PostgresError> {
    Directory::open(settings)?.url()
}

/// Where the Postgres of a running service is; `None` where none runs, or where this user may not know.
pub fn url_of_running(config: &Config) -> Option<Secret> {
    if !config.data_dir.join("postgres/postmaster.pid").exists() {
        return None;
    }
    url(&Settings::new(config).ok()?).ok()
}

/// A running embedded Postgres. It ends with [`Cluster::stop`], and with the thread that started it.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    pid: i32,
    url: Secret,
    directory: Directory,
    _lock: File,
}

/// How long a clean stop may take before the server is told to end without one.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How often files that other processes write are looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long what a killed server left behind may stand in the way.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(15);

impl Cluster {
    /// Starts it, making the cluster first where there is none, and waits until it takes connections.
    ///
    /// Call it on a thread that lives as long as the cluster shall: the kernel stops the server
    /// when that thread ends.
    pub async fn start(settings: &Settings) -> Result<Self, PostgresError> {
        let directory = Directory::open(settings)?;
        let lock = directory.lock()?;
        let binaries = Binaries::find(settings.bin.as_deref(), directory.major()?)?;
        let launcher = Launcher { executable: settings.executable.clone(), owner: directory.owner() };
        if directory.major()?.is_none() {
            directory.initialise(&binaries, &launcher, settings.is_durable).await?;
        }
        recover::wait_for_leftover(directory.cluster()).await?;
        let deadline = Instant::now() + LEFTOVER_PATIENCE;
        loop {
            let log_start = directory.log_length();
            let child = spawn(&directory, &binaries, &launcher, settings)?;
            if let Some((child, pid)) = until_ready(child, directory.cluster()).await {
                return Ok(Self { child, pid, url: directory.url()?, directory, _lock: lock });
            }
            let said = directory.log_since(log_start);
            if !recover::is_leftover(&said) || Instant::now() > deadline {
                return Err(PostgresError::Start { message: last_line(&said), log: directory.log_path() });
            }
            tokio::time::sleep(POLL * 10).await;
        }
    }

    /// Where it is, with the password.
    pub const fn url(&self) -> &Secret {
        &self.url
    }

    /// Its process id.
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Stops it: connections are ended, what was committed is on disk.
    pub async fn stop(mut self) {
        recover::signal(self.pid, Signal::SIGINT);
        if tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            tracing::warn!("Postgres does not stop in time and is ended; it recovers at the next start");
            recover::signal(self.pid, Signal::SIGQUIT);
            if let Err(error) = self.child.wait().await {
                tracing::error!(%error, "cannot wait for Postgres");
            }
        }
        self.directory.leave();
    }
}

fn spawn(
    directory: &Directory,
    binaries: &Binaries,
    launcher: &Launcher,
    settings: &Settings,
) -> Result<Child, PostgresError> {
    let mut options = vec![
        "listen_addresses=".to_owned(),
        // A list; quotes keep commas and spaces in a path together.
        format!("unix_socket_directories=\"{}\"", directory.socket_dir().display().to_string().replace('"', "\"\"")),
        format!("max_connections={}", settings.max_connections),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "log_min_messages=warning".to_owned(),
        // DETAIL lines quote rows, which hold programs and their output.
        "log_error_verbosity=terse".to_owned(),
        "timezone=UTC".to_owned(),
    ];
    if !settings.is_durable {
        options.extend(
            ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"].map(str::to_owned),
        );
    }
    let mut arguments = vec!["-D".into(), directory.cluster().as_os_str().to_owned()];
    for option in options {
        arguments.push("-c".into());
        arguments.push(option.into());
    }
    let log = directory.open_log()?;
    launcher
        .command(&binaries.program("postgres"), arguments)
        .stdout(log.try_clone().map_err(|source| directory.log_error(source))?)
        .stderr(log)
        .spawn()
        .map_err(|source| PostgresError::File { action: "run", path: settings.executable.clone(), source })
}

/// Waits until the server says in its pid file that it is ready. `None` when it ends before.
///
/// There is no time limit: a large cluster may take minutes to recover.
async fn until_ready(mut child: Child, cluster: &Path) -> Option<(Child, i32)> {
    let started = Instant::now();
    let mut is_told = false;
    // The launcher becomes the server by exec, so that the process id stays.
    let pid = child.id().and_then(|id| i32::try_from(id).ok())?;
    loop {
        if let Ok(Some(_)) = child.try_wait() {
            return None;
        }
        if recover::PidFile::read(cluster).is_some_and(|file| file.pid == pid && file.is_ready) {
            return Some((child, pid));
        }
        if !is_told && started.elapsed() > Duration::from_secs(5) {
            is_told = true;
            tracing::info!("Postgres is still starting; after a crash it reads its log first");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The last line of a log, without the time stamp that it begins with.
fn last_line(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains("FATAL")).or_else(|| log.lines().last());
    let line = line.unwrap_or("it ended without a word");
    line.split_once("FATAL:").map_or(line, |(_, message)| message).trim().to_owned()
}
