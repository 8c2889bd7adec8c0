//! The worker's end of a keeper.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};

use crate::message::{self, MessageError, Received, Request, Response};

/// The first argument that makes an executable a keeper; see [`crate::is_keeper`].
pub const KEEPER_ROLE: &str = "keeper";

/// The executable that is running, whatever became of its file.
pub const THIS_EXECUTABLE: &str = "/proc/self/exe";

/// A keeper process. Dropping it ends the keeper and its box.
#[derive(Debug)]
pub struct Keeper {
    process: Child,
    socket: OwnedFd,
}

impl Keeper {
    /// Starts a keeper: `program keeper`, where `program` (usually [`THIS_EXECUTABLE`]) calls `keeper_main` in that
    /// case. Its environment is empty, its standard error is this process's. The first message to send is
    /// [`Request::Setup`].
    #[expect(clippy::disallowed_methods, reason = "the keeper is the root of all processes of a sandbox")]
    pub fn spawn(program: &Path) -> io::Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        )?;
        // The keeper has nothing else to wait for while it reads a request: its end waits.
        fcntl(&theirs, FcntlArg::F_SETFL(OFlag::empty()))?;
        let process = Command::new(program)
            .arg(KEEPER_ROLE)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Self { process, socket: ours })
    }

    /// The socket, non-blocking: readable when [`Keeper::recv`] has a response.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The keeper's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a request; see [`message::send`].
    pub fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), MessageError> {
        message::send(self.socket(), request, descriptors)
    }

    /// Receives a response; see [`message::recv`].
    pub fn recv(&self) -> Result<Received<Response>, MessageError> {
        message::recv(self.socket())
    }

    /// Sends a request and waits for its response, for callers without an event loop.
    ///
    /// # Errors
    /// `TimedOut` in [`MessageError::Io`] if none comes in time.
    pub fn call(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        timeout: Duration,
    ) -> Result<Received<Response>, MessageError> {
        self.send(request, descriptors)?;
        self.wait(timeout)
    }

    /// Waits for a response, for callers without an event loop.
    ///
    /// # Errors
    /// As [`Keeper::call`].
    pub fn wait(&self, timeout: Duration) -> Result<Received<Response>, MessageError> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut sockets = [PollFd::new(self.socket(), PollFlags::POLLIN)];
        if poll(&mut sockets, timeout).map_err(io::Error::from)? == 0 {
            return Err(MessageError::Io(io::ErrorKind::TimedOut.into()));
        }
        self.recv()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of the socket tells the keeper to take its box and its cgroup away, which a kill would leave to the
        // next start. A keeper that does not is killed: the kernel ends its box with it.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        for _ in 0..200 {
            match self.process.try_wait() {
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
