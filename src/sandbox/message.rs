//! What worker and keeper say to each other, and how it is written down.
//!
//! The channel is a `SOCK_SEQPACKET` Unix socket: one packet is one message, its descriptors travel with it.
//! A packet is a byte that says where the body is, then the body as JSON. A body too big for a packet is put
//! into a memfd, the last descriptor of the message. [`send`] and [`recv`] never wait: on a non-blocking socket they
//! return [`io::ErrorKind::WouldBlock`], so any event loop can drive them.
//!
//! ```text
//!  worker                                   keeper
//!    Setup(layout)                    ──▶
//!                                     ◀──   Armed
//!    Write(files)   + a descriptor each ─▶
//!                                     ◀──   Written
//!    Run(spec, files) + stdin, stdout, stderr, and a descriptor each ─▶
//!    Stop(reason)   (any time)        ──▶
//!                                     ◀──   Finished(outcome)
//!    StartAhead(ahead) + stdin, stdout, stderr ─▶
//!                                     ◀──   Waiting
//!    Go(limits, files) + a descriptor each ─▶
//!                                     ◀──   Going, or Gone
//!                                     ◀──   Finished(outcome)
//!    Collect(what)                    ──▶
//!                                     ◀──   Collected(files) + a descriptor each
//!    Reset                            ──▶
//!                                     ◀──   Armed
//! ```
//!
//! Each request but `Stop` and `Go` gets exactly one response, in order; `Failed` stands for any of them. A `Stop` that
//! comes after the step ended is ignored. The keeper ends when the worker's end of the socket closes.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::layout::BoxLayout;
use crate::outcome::{Outcome, StopReason};
use crate::protection::Protection;
use crate::spec::{StepLimits, StepSpec};
use crate::sys;

/// Most descriptors in one message, hence most files in one [`Request::Write`]; the kernel's bound is 253.
pub const MAX_DESCRIPTORS: usize = 240;
/// Those of a step's streams.
pub const STREAMS: usize = 3;

/// The longest main file of a step that is started ahead: so much goes through a FIFO before anybody reads; see pipe(7).
pub const MAX_MAIN_BYTES: usize = 64 * 1024;

/// Bodies up to this many bytes are sent in the packet itself: commands, as a rule. A place for one is cleared for every packet.
const MAX_INLINE_BYTES: usize = 8 * 1024;
/// No message is longer; more is refused on both sides.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

const BODY_IN_PACKET: u8 = 0;
const BODY_IN_MEMFD: u8 = 1;

/// From the worker to its keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// First of all, once: how boxes look. Answered by [`Response::Armed`].
    Setup(BoxLayout),
    /// Puts files into the work directory, between steps. One descriptor per file holds the content, which is read from
    /// its start to its end. Answered by [`Response::Written`].
    Write(Vec<NewFile>),
    /// Puts files into the work directory and runs a step. Descriptors: its stdin, stdout and stderr, then one per file as for
    /// [`Request::Write`]. Answered by [`Response::Finished`].
    Run(StepSpec, Vec<NewFile>),
    /// Starts a step before its files are there; see [`Ahead`]. Three descriptors: its stdin, stdout and stderr. The box must be
    /// fresh. Until [`Request::Go`] only [`Request::Write`] and [`Request::Reset`] are served. Answered by [`Response::Waiting`].
    StartAhead(Ahead),
    /// Puts files into the work directory, as [`Request::Write`] does, and lets the step that was started ahead go on, under
    /// these limits. Answered by [`Response::Going`] and, at its end, by
    /// [`Response::Finished`]; or by [`Response::Gone`] alone.
    Go(StepLimits, Vec<NewFile>),
    /// Ends the running step. Not answered: its `Finished` is.
    Stop(StopReason),
    /// Takes files out of the work directory, between steps. Answered by [`Response::Collected`].
    Collect(Collect),
    /// Destroys the box and arms a fresh one. Answered by [`Response::Armed`].
    Reset,
}

/// A step that is started ahead: an interpreter boots and waits for its program.
///
/// In the place of its main file there is a FIFO, so it waits where it reads that file. What is written under that name
/// appears there, as the regular file that it is, when the step may go on, and whoever reads the FIFO gets its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// The step. Its limits have to be those of [`Request::Go`] but for the disk's.
    pub spec: StepSpec,
    /// The file that it reads last, of the work directory itself: no path.
    pub main: PathBuf,
}

/// A file to put into the work directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// Relative to the work directory. Missing directories are made. It must not exist yet.
    pub path: PathBuf,
    /// Whether the program may execute it.
    pub is_executable: bool,
}

/// What to take out of the work directory. Links are never followed, anything but a regular file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collect {
    /// One file.
    File {
        /// Relative to the work directory.
        path: PathBuf,
        /// A bigger file is refused.
        max_bytes: u64,
    },
    /// All regular files of a directory and those below it. What is not a regular file is left out.
    Directory {
        /// Relative to the work directory; empty for the work directory itself.
        path: PathBuf,
        /// Only files whose name ends so; empty for all.
        suffix: String,
        /// More files are refused; at most [`MAX_DESCRIPTORS`].
        max_files: usize,
        /// More bytes, all files together, are refused.
        max_bytes: u64,
    },
}

/// From a keeper to its worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// A fresh box waits.
    Armed(Armed),
    /// The files are in the work directory.
    Written,
    /// An interpreter boots, or waits already.
    Waiting,
    /// The step that was started ahead has its program.
    Going,
    /// The step that was started ahead cannot go on: it ended before, or it may not go on under such limits. None of its program
    /// was run. The box can only be reset.
    Gone,
    /// The step is over, and so is every process that it started.
    Finished(Outcome),
    /// The files asked for, one descriptor each: sealed copies, out of the program's reach.
    Collected(Vec<CollectedFile>),
    /// What was asked for could not be done.
    Failed(Failure),
}

/// A box that waits for its first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// Which protections this keeper's boxes have.
    pub protections: Vec<Protection>,
}

/// A file taken out of a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedFile {
    /// Relative to what was asked for: the name of a single file, or the path below the directory.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether its owner may execute it.
    pub is_executable: bool,
}

/// Why a request could not be served. Names no path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct Failure {
    /// What was being done.
    pub operation: String,
    /// What went wrong.
    pub message: String,
    /// errno(3), if the kernel refused.
    pub errno: Option<i32>,
    /// Whether the fault lies in the request (a path that leaves the work directory, a file too big, no such file), not
    /// in the host or in the keeper.
    pub is_refusal: bool,
}

impl Failure {
    /// The worker broke the rules of this module.
    pub(crate) fn protocol(message: &str) -> Self {
        Self { operation: "serve a request".to_owned(), message: message.to_owned(), errno: None, is_refusal: true }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self {
            operation: fault.step.describe().to_owned(),
            message: Errno::from_raw(fault.errno).desc().to_owned(),
            errno: Some(fault.errno),
            is_refusal: false,
        }
    }
}

/// A message that cannot be sent or understood.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The socket failed; `WouldBlock` means to try again when it is ready.
    #[error("the keeper's socket failed")]
    Io(#[from] io::Error),
    /// The other side is gone.
    #[error("the other side closed the socket")]
    Closed,
    /// Not a message.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// Not a message of this version.
    #[error("malformed message")]
    Json(#[from] serde_json::Error),
    /// More than 16 MiB, or more descriptors than [`MAX_DESCRIPTORS`].
    #[error("the message is too big")]
    TooBig,
}

impl MessageError {
    /// Whether to try again when the socket is ready.
    pub fn is_would_block(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A message with the descriptors that came with it.
#[derive(Debug)]
pub struct Received<T> {
    /// The message.
    pub message: T,
    /// Its descriptors, all close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends one message with its descriptors.
///
/// # Errors
/// [`MessageError::Io`] with `WouldBlock` where a non-blocking socket is full; nothing was sent then.
pub fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), MessageError> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(MessageError::TooBig);
    }
    let body = serde_json::to_vec(message)?;
    let mut raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    if body.len() <= MAX_INLINE_BYTES {
        return send_packet(socket, &[IoSlice::new(&[BODY_IN_PACKET]), IoSlice::new(&body)], &raw);
    }
    if body.len() as u64 > MAX_BODY_BYTES {
        return Err(MessageError::TooBig);
    }
    let memfd = content_from(&body)?;
    raw.push(memfd.as_raw_fd());
    send_packet(socket, &[IoSlice::new(&[BODY_IN_MEMFD])], &raw)
}

fn send_packet(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], raw: &[i32]) -> Result<(), MessageError> {
    let rights = [ControlMessage::ScmRights(raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), parts, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(MessageError::Closed),
            Err(errno) => return Err(MessageError::Io(errno.into())),
        }
    }
}

/// Receives one message with its descriptors.
///
/// # Errors
/// [`MessageError::Io`] with `WouldBlock` where a non-blocking socket has none, [`MessageError::Closed`] when
/// there will be none.
pub fn recv<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> Result<Received<T>, MessageError> {
    let mut buffer = [0_u8; MAX_INLINE_BYTES + 1];
    let (length, mut descriptors) =
        sys::recv_packet(socket, IoSliceMut::new(&mut buffer), MAX_DESCRIPTORS + 1).map_err(io::Error::from)?;
    let Some((&kind, body)) = buffer[..length].split_first() else {
        return Err(MessageError::Closed);
    };
    let message = match kind {
        BODY_IN_PACKET => serde_json::from_slice(body)?,
        BODY_IN_MEMFD => {
            let memfd = descriptors.pop().ok_or(MessageError::Malformed("no descriptor holds its body"))?;
            let mut body = Vec::new();
            std::fs::File::from(memfd).take(MAX_BODY_BYTES + 1).read_to_end(&mut body)?;
            if body.len() as u64 > MAX_BODY_BYTES {
                return Err(MessageError::TooBig);
            }
            serde_json::from_slice(&body)?
        }
        _ => return Err(MessageError::Malformed("unknown kind of packet")),
    };
    Ok(Received { message, descriptors })
}

/// Makes a file in memory one that can only be read.
pub fn forbid_changes(file: impl AsFd) -> io::Result<()> {
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(())
}

/// A descriptor that holds `bytes`: the content of a file to write or the input of a program.
pub fn content_from(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create(c"content", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
