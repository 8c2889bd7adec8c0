//! Standard input of an interactive run: what is typed here is written to the program there.
//!
//! ```text
//!  thread: read(0) ──chunks──▶ task: waits until the program runs, then writeStdin at its offset
//! ```
//!
//! Each write carries its byte offset, so one that is repeated after a lost answer is not typed
//! twice.

use std::io::Read as _;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::answers::{Binary, WriteStdinAnswer};
use super::failure::Failure;
use super::follow::persist;
use super::server::Server;
use super::terminal;

/// The most that one write carries, in bytes.
const MAX_WRITE_BYTES: usize = 32 << 10;

/// Where the input of an interactive run comes from.
pub enum Input {
    /// This process's standard input, as it comes.
    Terminal,
    /// These bytes, which are no text and cannot be handed in with the program.
    Bytes(Vec<u8>),
}

/// Sends input until it ends or the program does. Returns only by failing or at the end of input.
pub async fn send(
    server: &Server,
    attempt_id: &str,
    input: Input,
    mut is_running: watch::Receiver<bool>,
) -> Result<(), Failure> {
    if is_running.wait_for(|is_running| *is_running).await.is_err() {
        return Ok(());
    }
    let mut offset = 0;
    match input {
        Input::Bytes(bytes) => {
            for chunk in bytes.chunks(MAX_WRITE_BYTES) {
                offset = write(server, attempt_id, offset, chunk, false).await?;
            }
        }
        Input::Terminal => {
            let mut chunks = read_in_background();
            while let Some(chunk) = chunks.recv().await {
                // The terminal has echoed it.
                terminal::note(&chunk);
                offset = write(server, attempt_id, offset, &chunk, false).await?;
            }
        }
    }
    write(server, attempt_id, offset, &[], true).await?;
    Ok(())
}

async fn write(server: &Server, attempt_id: &str, offset: u64, bytes: &[u8], is_end: bool) -> Result<u64, Failure> {
    let variables =
        json!({ "attemptId": attempt_id, "offset": offset, "bytes": Binary(bytes.to_vec()), "isEnd": is_end });
    let answer: WriteStdinAnswer =
        persist(|| server.ask(include_str!("operations/write_stdin.graphql"), &variables)).await?;
    let expected = offset + bytes.len() as u64;
    if answer.write_stdin.next_offset < expected {
        return Err(server.bad_answer("it lost a part of what was typed"));
    }
    Ok(expected)
}

/// A thread that reads standard input. Nothing can interrupt a read, so the thread is left behind
/// when the command ends, and ends with the process.
fn read_in_background() -> mpsc::Receiver<Vec<u8>> {
    let (sender, chunks) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut buffer = vec![0; MAX_WRITE_BYTES];
        let mut stdin = std::io::stdin().lock();
        while let Ok(length) = stdin.read(&mut buffer) {
            if length == 0 || sender.blocking_send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    chunks
}
