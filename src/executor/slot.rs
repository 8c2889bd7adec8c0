//! A slot: a keeper with its armed box, driven from the event loop.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use codecanvas_sandbox::message::{
    Armed, Collect, CollectedFile, Failure, MAX_DESCRIPTORS, MessageError, NewFile, Received, Request, Response,
    content_from,
};
use codecanvas_sandbox::{BoxLayout, Keeper};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A keeper that has not answered in this time never will.
const PATIENCE: Duration = Duration::from_secs(20);

/// The keeper failed us; the slot cannot be used any more unless `is_refusal`.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The keeper's process cannot be started.
    #[error("a keeper cannot be started")]
    Spawn(#[source] io::Error),
    /// The channel to it failed.
    #[error("the keeper cannot be reached")]
    Message(#[from] MessageError),
    /// It says what went wrong.
    #[error("the keeper failed")]
    Failed(#[from] Failure),
    /// It said something that was not asked.
    #[error("the keeper gave an unexpected answer")]
    Unexpected,
    /// It says nothing.
    #[error("the keeper does not answer")]
    Silent,
}

impl SlotError {
    /// Whether the fault lies in what was asked: a path that cannot be written, a file too big.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_refusal)
    }
}

/// A file for the work directory, or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Relative to the work directory.
    pub path: PathBuf,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Whether the program may execute it.
    pub is_executable: bool,
}

/// What [`AsyncFd`] needs to watch a keeper's socket.
#[derive(Debug)]
struct KeeperSocket(Keeper);

impl AsRawFd for KeeperSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.socket().as_raw_fd()
    }
}

/// A keeper with an armed box. Dropping it ends both.
#[derive(Debug)]
pub struct Slot {
    // Always there but in `drop`, which has to take it.
    socket: Option<AsyncFd<KeeperSocket>>,
    layout: BoxLayout,
}

impl Slot {
    /// Starts a keeper and waits for its first box.
    pub async fn start(executable: &Path, layout: BoxLayout) -> Result<(Self, Armed), SlotError> {
        let executable = executable.to_owned();
        let keeper = tokio::task::spawn_blocking(move || Keeper::spawn(&executable))
            .await
            .map_err(|error| SlotError::Spawn(io::Error::other(error)))?
            .map_err(SlotError::Spawn)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; the keeper owns its socket for as long as it is watched"
        )]
        let socket = AsyncFd::with_interest(KeeperSocket(keeper), Interest::READABLE | Interest::WRITABLE)
            .map_err(SlotError::Spawn)?;
        let slot = Self { socket: Some(socket), layout: layout.clone() };
        match slot.call(&Request::Setup(layout), &[]).await?.message {
            Response::Armed(armed) => Ok((slot, armed)),
            Response::Failed(failure) => Err(failure.into()),
            Response::Written | Response::Finished(_) | Response::Collected(_) => Err(SlotError::Unexpected),
        }
    }

    /// How this slot's boxes look.
    pub fn layout(&self) -> &BoxLayout {
        &self.layout
    }

    fn socket(&self) -> &AsyncFd<KeeperSocket> {
        self.socket.as_ref().expect("only `drop` takes the socket")
    }

    /// Sends a request.
    pub async fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), SlotError> {
        loop {
            let mut ready = self.socket().writable().await.map_err(MessageError::Io)?;
            match ready.get_inner().0.send(request, descriptors) {
                Err(error) if error.is_would_block() => ready.clear_ready(),
                result => return Ok(result?),
            }
        }
    }

    /// Receives the next response. Nothing is lost when the future is dropped.
    pub async fn receive(&self) -> Result<Received<Response>, SlotError> {
        loop {
            let mut ready = self.socket().readable().await.map_err(MessageError::Io)?;
            match ready.get_inner().0.recv() {
                Err(error) if error.is_would_block() => ready.clear_ready(),
                result => return Ok(result?),
            }
        }
    }

    async fn call(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<Received<Response>, SlotError> {
        self.send(request, descriptors).await?;
        tokio::time::timeout(PATIENCE, self.receive()).await.map_err(|_| SlotError::Silent)?
    }

    /// Puts files into the work directory.
    pub async fn write(&self, files: &[PlacedFile]) -> Result<(), SlotError> {
        for files in files.chunks(MAX_DESCRIPTORS) {
            let contents: Vec<OwnedFd> = files
                .iter()
                .map(|file| content_from(&file.bytes))
                .collect::<Result<_, _>>()
                .map_err(MessageError::Io)?;
            let descriptors: Vec<BorrowedFd<'_>> = contents.iter().map(AsFd::as_fd).collect();
            let names = files
                .iter()
                .map(|file| NewFile { path: file.path.clone(), is_executable: file.is_executable })
                .collect();
            match self.call(&Request::Write(names), &descriptors).await?.message {
                Response::Written => {}
                Response::Failed(failure) => return Err(failure.into()),
                Response::Armed(_) | Response::Finished(_) | Response::Collected(_) => {
                    return Err(SlotError::Unexpected);
                }
            }
        }
        Ok(())
    }

    /// Takes files out of the work directory: their names, and a descriptor each.
    pub async fn collect(&self, what: Collect) -> Result<Vec<(CollectedFile, std::fs::File)>, SlotError> {
        let Received { message, descriptors } = self.call(&Request::Collect(what), &[]).await?;
        match message {
            Response::Collected(files) if files.len() == descriptors.len() => {
                Ok(files.into_iter().zip(descriptors.into_iter().map(std::fs::File::from)).collect())
            }
            Response::Failed(failure) => Err(failure.into()),
            Response::Collected(_) | Response::Armed(_) | Response::Finished(_) | Response::Written => {
                Err(SlotError::Unexpected)
            }
        }
    }

    /// Destroys the box and waits for a fresh one.
    pub async fn reset(&self) -> Result<(), SlotError> {
        match self.call(&Request::Reset, &[]).await?.message {
            Response::Armed(_) => Ok(()),
            Response::Failed(failure) => Err(failure.into()),
            Response::Written | Response::Finished(_) | Response::Collected(_) => Err(SlotError::Unexpected),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The end of a keeper is waited for; the event loop must not do that.
        let Some(socket) = self.socket.take() else { return };
        let keeper = socket.into_inner();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(keeper))),
            Err(_) => drop(keeper),
        }
    }
}
