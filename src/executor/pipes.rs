//! The three streams of a step, as this side holds them.
//!
//! They are the same whether the program starts now or was started ahead: then they are made before its input is known, which is
//! put in when it goes on.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use codecanvas_sandbox::message::{content_from, forbid_changes};
use tokio::net::unix::pipe;

/// This side's ends.
#[derive(Debug)]
pub struct Streams {
    /// Where standard input comes from.
    pub input: InputEnd,
    /// What the program writes to standard output.
    pub stdout: pipe::Receiver,
    /// What it writes to standard error.
    pub stderr: pipe::Receiver,
}

/// Where a program's standard input comes from.
#[derive(Debug)]
pub enum InputEnd {
    /// All of it is known before the program reads: a file in memory.
    File(File),
    /// It is typed while the program runs.
    Pipe(pipe::Sender),
}

impl Streams {
    /// Makes the streams of a step; returns the program's ends as well: stdin, stdout, stderr.
    pub fn new(is_dialogue: bool) -> io::Result<(Self, [OwnedFd; 3])> {
        let (stdout, stdout_end) = output_pipe()?;
        let (stderr, stderr_end) = output_pipe()?;
        let (input, stdin_end) = if is_dialogue {
            let (sender, receiver) = pipe::pipe()?;
            (InputEnd::Pipe(sender), receiver.into_blocking_fd()?)
        } else {
            let file = content_from(b"")?;
            (InputEnd::File(file.try_clone()?.into()), file)
        };
        Ok((Self { input, stdout, stderr }, [stdin_end, stdout_end, stderr_end]))
    }
}

/// A pipe whose writing end is for the program.
fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (sender, receiver) = pipe::pipe()?;
    Ok((receiver, sender.into_blocking_fd()?))
}

/// Puts in what the program can then read and seek in, but not write to. The position stays at the start: the program shares it.
pub fn fill(input: &File, bytes: &[u8]) -> io::Result<()> {
    input.write_all_at(bytes, 0)?;
    forbid_changes(input)
}
