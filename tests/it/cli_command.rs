//! The executable as a user has it at the command line: a home of its own, nothing else of this machine.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Somebody's command line.
pub struct Cli {
    /// Holds their configuration and their files.
    pub home: TempDir,
    server: String,
    token: Option<String>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// The same, having checked that the command did what was asked.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self { code: code(output.status), stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("killed: {status}"))
}

impl Cli {
    /// A command line that talks to this server, without or with a token in its environment.
    pub fn new(server: impl Into<String>, token: Option<&str>) -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: server.into(), token: token.map(str::to_owned) }
    }

    /// Writes a file into the home and answers its path.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, ready to be started; its input is empty.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_codecanvas"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("CODECANVAS_SERVER", &self.server)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(token) = &self.token {
            command.env("CODECANVAS_TOKEN", token);
        }
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, b"").await
    }

    /// Runs a command to its end with these bytes in a pipe as its input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let input = input.to_vec();
        blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let writer = std::thread::spawn(move || {
                // A command that does not read its input closes it.
                let _ = stdin.write_all(&input);
            });
            let output = child.wait_with_output().unwrap();
            writer.join().unwrap();
            output.into()
        })
        .await
    }

    /// Starts a command at a terminal of its own.
    pub fn at_terminal(&self, arguments: &[&str]) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        let mut command = self.command(arguments);
        command.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(end(&pty.slave));
        let child = command.spawn().unwrap();
        // The command's copies are in the child only: reading ends with it.
        drop((command, pty.slave));
        Terminal { child, master: File::from(pty.master), seen: Vec::new() }
    }
}

/// Waits for something that blocks without holding up the runtime.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A command at a terminal.
pub struct Terminal {
    child: Child,
    master: File,
    seen: Vec<u8>,
}

impl Terminal {
    /// Types.
    pub fn type_keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Sends what Ctrl-C sends.
    pub fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    /// Reads until this text is on the screen.
    pub async fn wait_for(mut self, text: &str) -> Self {
        let wanted = text.as_bytes().to_vec();
        blocking(move || {
            while !self.seen.windows(wanted.len()).any(|window| window == wanted) {
                assert!(self.read_more(), "ended without it: {}", String::from_utf8_lossy(&self.seen));
            }
            self
        })
        .await
    }

    /// Reads to the end: everything that was on the screen, and the exit code.
    pub async fn end(mut self) -> (String, i32) {
        blocking(move || {
            while self.read_more() {}
            (String::from_utf8_lossy(&self.seen).into_owned(), code(self.child.wait().unwrap()))
        })
        .await
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // EIO is how Linux tells that nobody has the other end open any more.
        let Ok(length @ 1..) = self.master.read(&mut buffer) else { return false };
        self.seen.extend_from_slice(&buffer[..length]);
        true
    }
}
