//! A directory of a cgroup file system and the files in it, by descriptor: they work after the keeper has left the host's
//! root.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use nix::dir::Dir as Entries;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A group.
pub(super) struct Dir(OwnedFd);

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Dir {
    /// An existing group by its path.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, DIRECTORY, Mode::empty())?))
    }

    /// A group in this one, made if need be.
    pub(super) fn child(&self, name: &str) -> io::Result<Self> {
        match mkdirat(&self.0, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(Self(openat(&self.0, name, DIRECTORY, Mode::empty())?)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A new group in this one, locked.
    pub(super) fn locked_child(&self, name: &str) -> io::Result<Flock<OwnedFd>> {
        loop {
            let child = match self.child(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                child => child?,
            };
            // Whoever cleans up at this moment holds it, and not for long.
            let locked = Flock::lock(child.0, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
            // Between making and locking it, somebody who cleans up may have removed it.
            if fstat(&*locked)?.st_nlink > 0 && openat(&self.0, name, DIRECTORY, Mode::empty()).is_ok() {
                return Ok(locked);
            }
        }
    }

    /// Another handle of a locked group.
    pub(super) fn of(locked: &Flock<OwnedFd>) -> io::Result<Self> {
        Ok(Self(locked.try_clone()?))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Removes the groups in this one that nobody holds locked.
    pub(super) fn remove_unlocked_children(&self) -> io::Result<()> {
        for name in self.children()? {
            if let Ok(child) = openat(&self.0, name.as_os_str(), DIRECTORY, Mode::empty())
                && let Ok(locked) = Flock::lock(child, FlockArg::LockExclusiveNonblock)
            {
                let child = Self::of(&locked)?;
                // The processes of a killed keeper's box end by themselves, but maybe not yet.
                child.kill();
                child.remove_children();
                self.remove(&name);
            }
        }
        Ok(())
    }

    fn children(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::unix::ffi::OsStrExt;
        let mut names = Vec::new();
        for entry in Entries::openat(&self.0, ".", DIRECTORY, Mode::empty())?.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == Some(nix::dir::Type::Directory) && name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Removes all groups in this one, and those in them.
    pub(super) fn remove_children(&self) {
        for name in self.children().unwrap_or_default() {
            if let Ok(child) = openat(&self.0, name.as_os_str(), DIRECTORY, Mode::empty()) {
                Self(child).remove_children();
            }
            self.remove(&name);
        }
    }

    /// Removes one group in this one. A group stays busy for a moment after its last process is gone.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) {
        for _ in 0..100 {
            match unlinkat(&self.0, name.as_ref(), UnlinkatFlags::RemoveDir) {
                Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(1)),
                _ => return,
            }
        }
    }

    /// Kills all processes in the group (version 2, Linux 5.14).
    pub(super) fn kill(&self) {
        let _ = self.write("cgroup.kill", "1");
    }

    /// A file of the group; `None` where this kernel has none of that name.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<File>> {
        for access in [OFlag::O_RDWR, OFlag::O_RDONLY, OFlag::O_WRONLY] {
            match openat(&self.0, name, access | OFlag::O_CLOEXEC, Mode::empty()) {
                Ok(file) => return Ok(Some(file.into())),
                Err(Errno::ENOENT) => return Ok(None),
                Err(Errno::EACCES) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EACCES.into())
    }

    /// Writes to a file of the group.
    pub(super) fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let file = self.file(name)?.ok_or(io::ErrorKind::NotFound)?;
        put(&file, value)
    }

    /// Reads a file of the group.
    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        let file = self.file(name)?.ok_or(io::ErrorKind::NotFound)?;
        get(&file)
    }
}

/// Writes a control file.
pub(super) fn put(file: &File, value: &str) -> io::Result<()> {
    // One write: the kernel takes each as a value of its own.
    match file.write_at(value.as_bytes(), 0)? {
        written if written == value.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Reads a control file.
pub(super) fn get(file: &File) -> io::Result<String> {
    let mut buffer = [0; 4096];
    let length = file.read_at(&mut buffer, 0)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Reads a control file that holds one number.
pub(super) fn get_number(file: &File) -> io::Result<u64> {
    get(file)?.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The number after `key` in a control file of lines `key number`; 0 where there is none.
pub(super) fn get_keyed(file: &File, key: &str) -> io::Result<u64> {
    Ok(keyed(&get(file)?, key))
}

/// The same in what was read of such a file.
pub(super) fn keyed(text: &str, key: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_key() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), 3);
        assert_eq!(keyed(text, "oom"), 0);
    }

    #[test]
    fn only_unlocked_groups_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let dir = Dir::open(parent.path()).unwrap();
        let _held = dir.locked_child("slot-0-1").unwrap();
        drop(dir.locked_child("slot-1-1").unwrap());
        dir.child("slot-1-1").unwrap().child("box-1").unwrap();
        dir.remove_unlocked_children().unwrap();
        assert_eq!(dir.children().unwrap(), ["slot-0-1"]);
    }
}
