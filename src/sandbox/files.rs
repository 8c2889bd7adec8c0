//! Files into a box and out of it.
//!
//! Untrusted programs own the work directory, so no path in it is followed blindly: everything is opened from the directory's
//! descriptor, beneath it, through no link, with the permissions of the box's own user, and looked at before it is read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sendfile::sendfile64;
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use crate::message::{Collect, CollectedFile, Failure, MAX_DESCRIPTORS, NewFile, forbid_changes};

/// Deeper directories are not searched.
const MAX_DEPTH: usize = 32;
/// More entries are not looked at.
const MAX_ENTRIES: usize = 20_000;

type Result<T> = std::result::Result<T, Failure>;

fn refused(operation: &str, message: impl Into<String>, errno: Option<Errno>) -> Failure {
    Failure {
        operation: operation.to_owned(),
        message: message.into(),
        errno: errno.map(|errno| errno as i32),
        is_refusal: true,
    }
}

/// Refuses what is not a plain relative path, before the kernel is asked.
fn checked<'a>(operation: &str, path: &'a Path) -> Result<&'a Path> {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || path.as_os_str().is_empty() || path.as_os_str().as_bytes().contains(&0) {
        return Err(refused(operation, "the path must be relative and without `..`", None));
    }
    Ok(path)
}

fn open_beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW).mode(mode).resolve(resolve);
    openat2(root, path, how)
}

/// Makes one file with the content of a descriptor, and the directories that it needs.
pub(crate) fn write(work: BorrowedFd<'_>, file: &NewFile, content: OwnedFd) -> Result<()> {
    const OPERATION: &str = "write a file";
    let path = checked(OPERATION, &file.path)?;
    let failed = |errno: Errno| refused(OPERATION, format!("{}: {}", path.display(), errno.desc()), Some(errno));
    let directories: Vec<_> = path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()).collect();
    for directory in directories.into_iter().rev() {
        make_directory(work, directory).map_err(failed)?;
    }
    let mode = Mode::from_bits_truncate(if file.is_executable { 0o755 } else { 0o644 });
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mut target: File = open_beneath(work, path, flags, mode).map_err(failed)?.into();
    copy(&content.into(), &mut target).map_err(|error| failed(errno_of(&error)))
}

fn make_directory(work: BorrowedFd<'_>, directory: &Path) -> nix::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Some(open_beneath(work, parent, flags, Mode::empty())?),
        Some(_) | None => None,
    };
    let parent = parent.as_ref().map_or(work, AsFd::as_fd);
    match mkdirat(parent, directory.file_name().unwrap_or_default(), Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Copies from the start of `content`, wherever its position is.
fn copy(content: &File, target: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        match content.read_at(&mut buffer, at)? {
            0 => return Ok(()),
            length => {
                target.write_all(&buffer[..length])?;
                at += length as u64;
            }
        }
    }
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Takes out files as sealed copies.
pub(crate) fn collect(work: BorrowedFd<'_>, what: &Collect) -> Result<(Vec<CollectedFile>, Vec<OwnedFd>)> {
    match what {
        Collect::File { path, max_bytes } => {
            let path = checked("collect a file", path)?;
            let name = PathBuf::from(path.file_name().unwrap_or_default());
            let (file, copy) = take(work, path, name, *max_bytes)?;
            Ok((vec![file], vec![copy]))
        }
        Collect::Directory { path, suffix, max_files, max_bytes } => {
            let mut search = Search {
                work,
                suffix: suffix.as_bytes(),
                files_left: (*max_files).min(MAX_DESCRIPTORS),
                bytes_left: *max_bytes,
                entries_left: MAX_ENTRIES,
                found: Vec::new(),
                copies: Vec::new(),
            };
            if !path.as_os_str().is_empty() {
                checked("collect a directory", path)?;
            }
            search.visit(path, Path::new(""), MAX_DEPTH)?;
            Ok((search.found, search.copies))
        }
    }
}

struct Search<'a> {
    work: BorrowedFd<'a>,
    suffix: &'a [u8],
    files_left: usize,
    bytes_left: u64,
    entries_left: usize,
    found: Vec<CollectedFile>,
    copies: Vec<OwnedFd>,
}

impl Search<'_> {
    fn visit(&mut self, directory: &Path, shown_as: &Path, depth: usize) -> Result<()> {
        const OPERATION: &str = "collect a directory";
        let failed = |errno: Errno| refused(OPERATION, errno.desc(), Some(errno));
        let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let opened =
            open_beneath(self.work, place, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).map_err(failed)?;
        let mut entries = Vec::new();
        for entry in Dir::from_fd(opened).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.entries_left =
                self.entries_left.checked_sub(1).ok_or_else(|| refused(OPERATION, "too many files", None))?;
            // Names travel as text: others cannot be asked for.
            if std::str::from_utf8(name).is_ok() {
                entries.push((OsStr::from_bytes(name).to_owned(), entry.file_type()));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in entries {
            let (path, shown) = (directory.join(&name), shown_as.join(&name));
            match kind {
                Some(Type::File) if name.as_bytes().ends_with(self.suffix) => {
                    self.files_left =
                        self.files_left.checked_sub(1).ok_or_else(|| refused(OPERATION, "too many files", None))?;
                    let (file, copy) = take(self.work, &path, shown, self.bytes_left)?;
                    self.bytes_left -= file.bytes;
                    self.found.push(file);
                    self.copies.push(copy);
                }
                Some(Type::Directory) if depth > 0 => self.visit(&path, &shown, depth - 1)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn take(work: BorrowedFd<'_>, path: &Path, shown: PathBuf, max_bytes: u64) -> Result<(CollectedFile, OwnedFd)> {
    const OPERATION: &str = "collect a file";
    let failed = |errno: Errno| refused(OPERATION, format!("{}: {}", path.display(), errno.desc()), Some(errno));
    // Non-blocking: the open of a FIFO would wait for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = open_beneath(work, path, flags, Mode::empty()).map_err(failed)?;
    let found = fstat(&file).map_err(failed)?;
    if found.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(refused(OPERATION, format!("{}: not a regular file", path.display()), None));
    }
    let bytes = u64::try_from(found.st_size).unwrap_or(u64::MAX);
    if bytes > max_bytes {
        return Err(refused(
            OPERATION,
            format!("{}: larger than {max_bytes} bytes", path.display()),
            Some(Errno::EFBIG),
        ));
    }
    let copy = sealed_copy(&file, bytes).map_err(|error| failed(errno_of(&error)))?;
    let is_executable = found.st_mode & Mode::S_IXUSR.bits() != 0;
    Ok((CollectedFile { path: shown, bytes, is_executable }, copy))
}

fn sealed_copy(file: &OwnedFd, bytes: u64) -> io::Result<OwnedFd> {
    let mut copy: File = memfd_create(c"artefact", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?.into();
    let mut left = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    while left > 0 {
        match sendfile64(copy.as_fd(), file.as_fd(), None, left)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => left -= sent,
        }
    }
    copy.rewind()?;
    forbid_changes(&copy)?;
    Ok(copy.into())
}
