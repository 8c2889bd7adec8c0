//! The keeper's end of the socket to its worker.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use crate::message::{self, MessageError, Received, Request, Response};
use crate::outcome::StopReason;

/// The worker's socket, and the requests that came while a step ran.
pub(crate) struct Link {
    socket: OwnedFd,
    pending: VecDeque<Received<Request>>,
}

/// What came from the worker while a step ran.
pub(crate) enum Interruption {
    Stop(StopReason),
    /// The worker is gone.
    Closed,
    Nothing,
}

impl Link {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, pending: VecDeque::new() }
    }

    /// The next request; waits for it.
    pub(crate) fn next(&mut self) -> Result<Received<Request>, MessageError> {
        loop {
            let request = match self.pending.pop_front() {
                Some(request) => request,
                None => message::recv(self.socket.as_fd())?,
            };
            // The step that it meant has ended.
            if !matches!(request.message, Request::Stop(_)) {
                return Ok(request);
            }
        }
    }

    /// Reads one message while a step runs; to be called when the socket is readable.
    pub(crate) fn interruption(&mut self) -> Interruption {
        match message::recv::<Request>(self.socket.as_fd()) {
            Ok(Received { message: Request::Stop(reason), .. }) => Interruption::Stop(reason),
            Ok(other) => {
                self.pending.push_back(other);
                Interruption::Nothing
            }
            Err(_) => Interruption::Closed,
        }
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Answers a request.
    pub(crate) fn answer(&self, response: &Response, descriptors: &[OwnedFd]) -> Result<(), MessageError> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        message::send(self.socket.as_fd(), response, &descriptors)
    }
}
