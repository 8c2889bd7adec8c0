//! `codecanvas serve` as an operator starts it: a process, with its children.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A data directory that Postgres' own user can reach.
pub fn data_dir() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::Builder::new().prefix("codecanvas-it-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    directory
}

/// A running `codecanvas serve`. Dropped, it is killed, and what depends on it must end by itself.
pub struct Service {
    process: Child,
    log: Receiver<Value>,
    /// What it said so far.
    seen: Vec<Value>,
}

impl Service {
    /// Starts it on a free port, with one language, on a database of its own.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// Starts it with more arguments.
    pub fn start_with(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_in(data_dir, arguments, &[])
    }

    /// Starts it with more arguments, and more in its environment.
    pub fn start_in(data_dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(super::executable())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(["--set", "log.format=json", "--set", "worker.languages=bash", "--set", "worker.slots=1"])
            .args(arguments)
            .env_remove("DATABASE_URL")
            // What toolchains are warmed up with is made once for all tests.
            .env("CODECANVAS_WORKER_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/executor"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap());
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, log, seen: Vec::new() }
    }

    /// Waits for a line of the log that was not waited for before.
    pub fn wait_for(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if is_wanted(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("it never came ({error}): {:#?}", self.seen),
            }
        }
    }

    /// What it logged so far, as far as it was waited for.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// The first signal, and all that it logs until its end.
    pub fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::SIGTERM);
        assert!(self.wait().success());
        self.seen.extend(self.log.iter());
        std::mem::take(&mut self.seen)
    }

    /// Waits until the service is ready; answers with its URL.
    pub fn wait_until_ready(&mut self) -> String {
        let line = self.wait_for(|line| message(line).starts_with("codecanvas is ready at "));
        message(&line).rsplit(' ').next().unwrap().to_owned()
    }

    /// Waits until a role was started; answers with its process.
    pub fn wait_for_start(&mut self, role: &str) -> Pid {
        pid(&self.wait_for(|line| message(line) == "started" && line["role"] == role))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The message of a line of the log.
pub fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

/// The process that a line is about.
pub fn pid(line: &Value) -> Pid {
    Pid::from_raw(line["pid"].as_i64().unwrap().try_into().unwrap())
}

/// Waits until a process is gone, or a zombie of somebody who does not care.
pub fn wait_until_gone(pid: Pid) {
    let started = Instant::now();
    let stat = PathBuf::from(format!("/proc/{pid}/stat"));
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(started.elapsed() < PATIENCE, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}
