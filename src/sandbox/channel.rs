//! Sockets between the processes of a keeper.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::Serialize;

use crate::fault::{During, Fault, Step};
use crate::message::{self, MessageError};

/// A pair of connected sockets between two of our processes.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), Fault> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).during(Step::Channel)
}

/// Sends to another of our processes.
pub(crate) fn send<T: Serialize>(
    channel: &OwnedFd,
    message: &T,
    descriptors: &[std::os::fd::BorrowedFd<'_>],
) -> Result<(), Fault> {
    message::send(channel.as_fd(), message, descriptors).map_err(|error| lost(&error))
}

/// The fault of a channel that broke.
pub(crate) fn lost(error: &MessageError) -> Fault {
    let errno = match error {
        MessageError::Io(error) => error.raw_os_error().unwrap_or(libc::EIO),
        MessageError::Closed => libc::EPIPE,
        MessageError::Malformed(_) | MessageError::Json(_) => libc::EBADMSG,
        MessageError::TooBig => libc::EMSGSIZE,
    };
    Fault { step: Step::Channel, errno }
}

/// Makes reads of a socket return at once.
pub(crate) fn set_nonblocking(socket: &OwnedFd) -> Result<(), Fault> {
    fcntl(socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop).during(Step::Channel)
}
