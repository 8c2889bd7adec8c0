//! Announcements of programs that are about to be handed in, from the api process to the worker beside it.
//!
//! To store a submission and to claim its attempt takes longer than most programs run. A worker that is told of a program
//! begins with it at once, in a box like any other, and what it has seen counts only once it has claimed that very attempt. An
//! announcement is therefore no promise: it can be lost, late, or of something that is refused.
//!
//! `serve` makes a pair of sockets and gives an end to each of the two as its standard input, whenever it starts one. A datagram
//! is a JSON object. Between machines there is none: there the queue alone tells of work.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;

use nix::unistd::dup2_stdin;
use serde::{Deserialize, Serialize};

use crate::domain::ids::AttemptId;
use crate::domain::limits::RequestedLimits;
use crate::store::queue::Program;

/// The longest datagram in bytes; programs that need more are not announced. Longer than nearly all of them.
const MOST_BYTES: usize = 64 * 1024;

/// A program that is about to be handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What will be claimed.
    pub attempt_id: AttemptId,
    /// What it runs.
    pub program: Program,
}

#[derive(Serialize, Deserialize)]
struct Message {
    attempt_id: AttemptId,
    language: String,
    files: Vec<(String, String)>,
    main_path: String,
    stdin: String,
    arguments: Vec<String>,
    is_interactive: bool,
    limits: RequestedLimits,
}

impl Announcement {
    /// `None` where the program is too long, or not text.
    fn encode(self) -> Option<Vec<u8>> {
        let Program { language, files, main_path, stdin, arguments, is_interactive, limits } = self.program;
        let text = |(path, bytes)| Some((path, String::from_utf8(bytes).ok()?));
        let message = Message {
            attempt_id: self.attempt_id,
            language,
            files: files.into_iter().map(text).collect::<Option<_>>()?,
            main_path,
            stdin: String::from_utf8(stdin).ok()?,
            arguments,
            is_interactive,
            limits,
        };
        serde_json::to_vec(&message).ok().filter(|datagram| datagram.len() <= MOST_BYTES)
    }

    /// `None` where it is something else.
    fn decode(datagram: &[u8]) -> Option<Self> {
        let message: Message = serde_json::from_slice(datagram).ok()?;
        Some(Self {
            attempt_id: message.attempt_id,
            program: Program {
                language: message.language,
                files: message.files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect(),
                main_path: message.main_path,
                stdin: message.stdin.into_bytes(),
                arguments: message.arguments,
                is_interactive: message.is_interactive,
                limits: message.limits,
            },
        })
    }
}

/// Takes the end of a pair that `serve` gave this process as standard input, which is empty from then on.
pub fn take_stdin() -> io::Result<UnixDatagram> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(UnixDatagram::from(socket))
}

/// Where programs are announced.
#[derive(Debug)]
pub struct Announcer {
    socket: UnixDatagram,
}

impl Announcer {
    /// The end of a pair.
    pub fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Announces a program, if it is short text. Waits for nobody: where the worker does not read, it is not told.
    pub fn announce(&self, announcement: Announcement) {
        let Some(datagram) = announcement.encode() else { return };
        if let Err(error) = self.socket.send(&datagram) {
            tracing::debug!(%error, "cannot announce an attempt");
        }
    }
}

/// Where announcements arrive. Nothing ever does where there is no api process beside this one.
#[derive(Debug, Default)]
pub struct Announced {
    socket: Option<tokio::net::UnixDatagram>,
    buffer: Vec<u8>,
}

impl Announced {
    /// The end of a pair. Within a runtime.
    pub fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(tokio::net::UnixDatagram::from_std(socket)?), buffer: vec![0; MOST_BYTES] })
    }

    /// The next one. Loses none where it is dropped.
    pub async fn next(&mut self) -> Announcement {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        loop {
            match socket.recv(&mut self.buffer).await {
                Ok(length) => {
                    if let Some(announcement) = Announcement::decode(&self.buffer[..length]) {
                        return announcement;
                    }
                    tracing::debug!("something came that is no announcement");
                }
                Err(error) => {
                    tracing::warn!(%error, "nothing is announced any more");
                    self.socket = None;
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Throws away what has come.
    pub fn pass_over(&mut self) {
        if let Some(socket) = &self.socket {
            while socket.try_recv(&mut self.buffer).is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Announcer, Announced) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        (Announcer::new(ours).unwrap(), Announced::new(theirs).unwrap())
    }

    fn announcement(source: &[u8]) -> Announcement {
        Announcement {
            attempt_id: AttemptId::new(),
            program: Program {
                language: "bash".to_owned(),
                files: vec![("main.sh".to_owned(), source.to_vec())],
                main_path: "main.sh".to_owned(),
                stdin: b"a\0b".to_vec(),
                arguments: vec!["ä".to_owned()],
                is_interactive: false,
                limits: RequestedLimits { processes: Some(3), ..RequestedLimits::default() },
            },
        }
    }

    #[tokio::test]
    async fn what_is_text_arrives_as_it_was_and_nothing_else_does() {
        let (api, mut worker) = pair();
        let wanted = announcement("echo \"ß\"\n".as_bytes());
        api.announce(announcement(b"\xff"));
        api.announce(announcement(&b"a".repeat(MOST_BYTES)));
        for nonsense in [&b""[..], b"{}", b"a\xff"] {
            api.socket.send(nonsense).unwrap();
        }
        api.announce(wanted.clone());
        assert_eq!(worker.next().await, wanted);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_worker_that_does_not_read() {
        let (api, mut worker) = pair();
        for _ in 0..1000 {
            api.announce(announcement(&b"a".repeat(MOST_BYTES / 2)));
        }
        worker.next().await;
        worker.pass_over();
        let last = announcement(b"echo");
        api.announce(last.clone());
        assert_eq!(worker.next().await, last);
        drop(worker);
        api.announce(last);
    }
}
