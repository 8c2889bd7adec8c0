//! A slot: a keeper with its armed box, driven from the event loop.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use codecanvas_sandbox::message::{
    Ahead, Armed, Collect, CollectedFile, Failure, MAX_DESCRIPTORS, MessageError, NewFile, Received, Request, Response,
    STREAMS,
};
use codecanvas_sandbox::{BoxLayout, Keeper, StepLimits, StepSpec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::content::Content;
use super::pipes::Streams;

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
    /// The step that was started ahead cannot go on. Nothing of the program was run; the box has to be reset.
    #[error("the interpreter that was started ahead is gone")]
    Gone,
}

impl SlotError {
    /// Whether the fault lies in what was asked: a path that cannot be written, a file too big.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_refusal)
    }
}

/// A file for the work directory, or out of it.
#[derive(Debug, Clone)]
pub struct PlacedFile {
    /// Relative to the work directory.
    pub path: PathBuf,
    /// Its contents.
    pub content: Content,
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
    // Always there but in `end` and `drop`, which have to take it.
    socket: Option<AsyncFd<KeeperSocket>>,
    layout: BoxLayout,
    /// What was started ahead in its box.
    waiting: Mutex<Option<Waiting>>,
}

/// An interpreter that was started ahead.
#[derive(Debug)]
pub struct Waiting {
    /// How it was started.
    pub ahead: Ahead,
    /// Its streams.
    pub streams: Streams,
    since: Instant,
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
        let slot = Self { socket: Some(socket), layout: layout.clone(), waiting: Mutex::new(None) };
        let response = slot.call(&Request::Setup(layout), &[]).await?.message;
        if let Response::Armed(armed) = response { Ok((slot, armed)) } else { Err(unexpected(response)) }
    }

    /// Ends the keeper with its box, and waits until both are gone.
    pub async fn end(mut self) {
        if let Some(socket) = self.socket.take() {
            let keeper = socket.into_inner();
            // Fails only where the runtime ends, and the keeper with it.
            let _ = tokio::task::spawn_blocking(move || drop(keeper)).await;
        }
    }

    /// How this slot's boxes look.
    pub fn layout(&self) -> &BoxLayout {
        &self.layout
    }

    fn socket(&self) -> &AsyncFd<KeeperSocket> {
        self.socket.as_ref().expect("only `end` and `drop` take the socket")
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

    /// Runs a step with these streams in a box that gets these files first. Its end is told by [`Slot::receive`].
    pub async fn run(
        &self,
        spec: StepSpec,
        streams: [OwnedFd; STREAMS],
        files: &[PlacedFile],
    ) -> Result<(), SlotError> {
        let (contents, names) = self.write_all_but_last(files).await?;
        let descriptors: Vec<_> =
            streams.iter().map(AsFd::as_fd).chain(contents.iter().map(|content| content.as_fd())).collect();
        self.send(&Request::Run(spec, names), &descriptors).await
    }

    /// Puts files into the work directory, but for the last ones: these can go with the next message, which takes none of the
    /// keeper's time for an answer.
    async fn write_all_but_last(&self, files: &[PlacedFile]) -> Result<(Vec<Arc<OwnedFd>>, Vec<NewFile>), SlotError> {
        let (many, last) = files.split_at(files.len() - files.len() % (MAX_DESCRIPTORS - STREAMS));
        for files in many.chunks(MAX_DESCRIPTORS - STREAMS) {
            let (contents, names) = named(files)?;
            let descriptors: Vec<_> = contents.iter().map(|content| content.as_fd()).collect();
            let response = self.call(&Request::Write(names), &descriptors).await?.message;
            if response != Response::Written {
                return Err(unexpected(response));
            }
        }
        named(last)
    }

    /// Takes files out of the work directory: their names, and a descriptor each.
    pub async fn collect(&self, what: Collect) -> Result<Vec<(CollectedFile, std::fs::File)>, SlotError> {
        let Received { message, descriptors } = self.call(&Request::Collect(what), &[]).await?;
        let Response::Collected(files) = message else { return Err(unexpected(message)) };
        if files.len() != descriptors.len() {
            return Err(SlotError::Unexpected);
        }
        Ok(files.into_iter().zip(descriptors.into_iter().map(std::fs::File::from)).collect())
    }

    /// Destroys the box and waits for a fresh one.
    pub async fn reset(&self) -> Result<(), SlotError> {
        drop(self.take_waiting());
        let response = self.call(&Request::Reset, &[]).await?.message;
        if let Response::Armed(_) = response { Ok(()) } else { Err(unexpected(response)) }
    }

    /// Starts an interpreter in the fresh box; returns while it boots.
    pub async fn start_ahead(&self, ahead: Ahead) -> Result<(), SlotError> {
        let (streams, theirs) = Streams::new(ahead.spec.limits.idle_time.is_some()).map_err(MessageError::Io)?;
        let request = Request::StartAhead(ahead.clone());
        let response = self.call(&request, &theirs.each_ref().map(AsFd::as_fd)).await?.message;
        if response != Response::Waiting {
            return Err(unexpected(response));
        }
        *self.waiting() = Some(Waiting { ahead, streams, since: Instant::now() });
        Ok(())
    }

    /// Lets the interpreter that was started ahead go on with these files. Its end is told by [`Slot::receive`].
    ///
    /// # Errors
    /// [`SlotError::Gone`] if it cannot.
    pub async fn go(&self, limits: StepLimits, files: &[PlacedFile]) -> Result<(), SlotError> {
        let (contents, names) = self.write_all_but_last(files).await?;
        let descriptors: Vec<_> = contents.iter().map(|content| content.as_fd()).collect();
        let response = self.call(&Request::Go(limits, names), &descriptors).await?.message;
        if response == Response::Going { Ok(()) } else { Err(unexpected(response)) }
    }

    /// What was started ahead; the box has to be reset if it is not made use of.
    pub fn take_waiting(&self) -> Option<Waiting> {
        self.waiting().take()
    }

    /// Whether an interpreter waits that was started in this way.
    pub fn waits_as(&self, ahead: &Ahead) -> bool {
        self.waiting().as_ref().is_some_and(|waiting| waiting.ahead == *ahead)
    }

    /// Since when an interpreter waits, if one does.
    pub fn waits_since(&self) -> Option<Instant> {
        self.waiting().as_ref().map(|waiting| waiting.since)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files as a message carries them: their contents, and what they are called.
fn named(files: &[PlacedFile]) -> Result<(Vec<Arc<OwnedFd>>, Vec<NewFile>), SlotError> {
    let contents = files.iter().map(|file| file.content.descriptor()).collect::<io::Result<_>>();
    let name = |file: &PlacedFile| NewFile { path: file.path.clone(), is_executable: file.is_executable };
    Ok((contents.map_err(MessageError::Io)?, files.iter().map(name).collect()))
}

/// An answer that is not the one to what was asked.
pub fn unexpected(response: Response) -> SlotError {
    match response {
        Response::Failed(failure) => failure.into(),
        Response::Gone => SlotError::Gone,
        Response::Armed(_)
        | Response::Written
        | Response::Waiting
        | Response::Going
        | Response::Finished(_)
        | Response::Collected(_) => SlotError::Unexpected,
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
