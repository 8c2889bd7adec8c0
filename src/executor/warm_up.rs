//! What is made once for each build of a toolchain: precompiled headers, class-data archives, compiled
//! standard libraries.
//!
//! A warm-up runs in a box, writes to a layer of that box's own, and leaves as an archive. It is
//! unpacked here and shown to all later boxes, read-only.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use codecanvas_sandbox::message::Collect;
use codecanvas_sandbox::{Access, BoxLayout, Mount, StepSpec};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::assignment::{environment, step_limits};
use super::content::Content;
use super::execution::ExecutionEvent;
use super::job::Control;
use super::language::command::Values;
use super::language::{Language, WARM_ROOT, WarmUp};
use super::reporter::Reporter;
use super::slot::{PlacedFile, Slot, SlotError};
use super::step::{self, Finished, Step};
use super::verdict::{Facts, judge};
use crate::domain::verdict::{StepKind, Verdict};

/// What a warm-up may leave.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;

/// A warm-up that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum WarmUpError {
    /// Its box failed.
    #[error("its box failed")]
    Slot(#[from] SlotError),
    /// It ended with an error.
    #[error("{reason}: {output}")]
    Step {
        /// How it ended.
        reason: String,
        /// The beginning of what it wrote to standard error.
        output: String,
    },
    /// What it made cannot be unpacked.
    #[error("what it made cannot be kept")]
    Unpack(#[from] io::Error),
}

/// Where on the host a language's warm directory is.
pub fn directory(cache_dir: &Path, language: &Language) -> PathBuf {
    cache_dir.join("warm").join(&language.name)
}

/// Runs a warm-up in a keeper of its own and puts what it made in place.
pub async fn run(
    executable: &Path,
    mut layout: BoxLayout,
    cache_dir: &Path,
    language: &Language,
    warm_up: &WarmUp,
    shutdown: &CancellationToken,
) -> Result<(), WarmUpError> {
    // Nothing of this language is shown while it is made anew.
    let empty = cache_dir.join("empty");
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&empty)?;
    layout.mounts.retain(|mount| mount.target != Path::new(WARM_ROOT));
    layout.mounts.push(Mount {
        source: empty,
        target: language.warm_path().into(),
        access: Access::CopyOnWrite,
        is_optional: false,
    });
    let (slot, _) = Slot::start(executable, layout).await?;
    let files: Vec<PlacedFile> = warm_up
        .files
        .iter()
        .map(|(path, text)| PlacedFile {
            path: path.into(),
            content: Content::Bytes(text.as_bytes().to_vec()),
            is_executable: false,
        })
        .collect();

    let warm = language.warm_path();
    let limits = warm_up.limits;
    let values = Values { main: "", sources: &[], arguments: &[], memory: limits.memory_bytes, warm: &warm };
    let archive = ["tar", "--create", "--file", "warm.tar", "--directory", &warm, "."].map(str::to_owned);
    for (argv, files) in [(warm_up.command.fill(&values), files.as_slice()), (archive.to_vec(), &[])] {
        let env = environment(language, &[], &values);
        let spec = StepSpec { argv, env, cwd: PathBuf::new(), limits: step_limits(&limits) };
        let finished = quiet(&slot, spec, files, limits.output_bytes, shutdown).await?;
        let facts = Facts { outcome: &finished.outcome, limits: &limits, idle_limit: Duration::ZERO, written: 0 };
        let judgement = judge(facts);
        if judgement.verdict != Verdict::Ok {
            let output = String::from_utf8_lossy(&finished.stderr.bytes);
            let end = output.floor_char_boundary(2000);
            return Err(WarmUpError::Step {
                reason: judgement.reason.unwrap_or_default(),
                output: output[..end].trim().to_owned(),
            });
        }
    }
    let mut collected = slot.collect(Collect::File { path: "warm.tar".into(), max_bytes: MAX_ARCHIVE_BYTES }).await?;
    let (_, archive) = collected.pop().ok_or(SlotError::Unexpected)?;
    // The keeper that comes next has the same user.
    slot.end().await;
    let target = directory(cache_dir, language);
    tokio::task::spawn_blocking(move || replace(&target, archive)).await.map_err(io::Error::other)??;
    Ok(())
}

/// Runs a step whose events nobody wants.
pub async fn quiet(
    slot: &Slot,
    spec: StepSpec,
    files: &[PlacedFile],
    output_limit: crate::domain::units::Bytes,
    shutdown: &CancellationToken,
) -> Result<Finished, SlotError> {
    let (events, mut unread) = mpsc::channel::<ExecutionEvent>(64);
    let (_input, nothing) = mpsc::channel(1);
    let mut control = Control { cancel: shutdown.clone(), input: nothing };
    let mut reporter = Reporter::new(events);
    let step = Step { kind: StepKind::Run, spec, files, output_limit, stdin: b"", ahead: None };
    let running = step::run(slot, step, &mut reporter, &mut control, shutdown);
    tokio::pin!(running);
    loop {
        tokio::select! {
            finished = &mut running => return finished,
            Some(_) = unread.recv() => {}
        }
    }
}

/// Unpacks an archive beside `target` and puts it in its place.
fn replace(target: &Path, archive: impl Read) -> io::Result<()> {
    let fresh = target.with_extension("new");
    remove(&fresh)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&fresh)?;
    unpack(&fresh, archive)?;
    remove(target)?;
    fs::rename(&fresh, target)
}

/// Removes a directory that may not be there.
pub fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Unpacks directories, regular files and symbolic links, readable for everybody and writable for nobody else. Times are kept:
/// some tools compare them.
fn unpack(directory: &Path, archive: impl Read) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a path leaves the directory"));
        }
        let path = directory.join(path);
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&path)?;
        } else if kind.is_symlink() {
            let target = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?;
            symlink(target, &path)?;
        } else if kind.is_file() {
            let mut file = fs::File::options().write(true).create_new(true).open(&path)?;
            io::copy(&mut entry, &mut file)?;
            let mode = if entry.header().mode()? & 0o100 == 0 { 0o644 } else { 0o755 };
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?))?;
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "neither file nor directory nor link"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(path: &str, kind: tar::EntryType) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o700);
        header.set_mtime(1000);
        header.set_size(3);
        header.set_cksum();
        builder.append(&header, &b"abc"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_replaces_what_was_there_and_keeps_its_times() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("c++");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old"), "old").unwrap();
        replace(&target, archive("./new", tar::EntryType::Regular).as_slice()).unwrap();
        assert!(!target.join("old").exists());
        let metadata = fs::metadata(target.join("new")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
        assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    }

    #[test]
    fn what_leaves_the_directory_or_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("x");
        assert!(replace(&target, archive("../y", tar::EntryType::Regular).as_slice()).is_err());
        assert!(replace(&target, archive("/tmp/y", tar::EntryType::Regular).as_slice()).is_err());
        assert!(replace(&target, archive("y", tar::EntryType::Fifo).as_slice()).is_err());
        assert!(!directory.path().join("y").exists());
    }
}
