//! The system calls that need `unsafe`: the only unsafe code of the project. One call per block, a safe
//! signature around it.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// One packet from a `SOCK_SEQPACKET` socket: its length and its descriptors, close-on-exec. A length of 0 is
/// the end.
///
/// # Errors
/// `EMSGSIZE` where the packet was longer than `buffer` or had more than `max_descriptors`.
pub(crate) fn recv_packet(
    socket: BorrowedFd<'_>,
    buffer: IoSliceMut<'_>,
    max_descriptors: usize,
) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut control = vec![0_u8; nix::sys::socket::cmsg_space::<RawFd>() * max_descriptors + 64];
    let mut parts = [buffer];
    let received = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok((0, Vec::new())),
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    if let Ok(messages) = received.cmsgs() {
        for message in messages {
            if let ControlMessageOwned::ScmRights(raw) = message {
                // SAFETY: the kernel has just made these descriptors for this process; nobody else knows them.
                descriptors.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
    }
    if received.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    Ok((received.bytes, descriptors))
}
