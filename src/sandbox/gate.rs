//! Where an interpreter that was started ahead waits: a FIFO in the place of the file that it reads last.
//!
//! Nobody in the box has to know of it: the command, the environment and the descriptors are the usual ones. When the program
//! comes, the regular file takes the FIFO's name, in one step, and its content goes through the FIFO. An interpreter that has
//! opened the FIFO reads it there; one that has not come so far finds the file.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, mkfifoat, unlinkat};

use crate::fault::{During, Fault, Step};
use crate::files;

use crate::message::{Failure, MAX_MAIN_BYTES, NewFile};
use crate::root::Disk;

/// Where the file lies until it takes the FIFO's place: beside the work directory, where the box does not see it.
const ASIDE: &str = "main";

/// A closed gate.
pub(crate) struct Gate {
    name: PathBuf,
    fifo: OwnedFd,
    content: Option<Vec<u8>>,
}

impl Gate {
    /// Makes the FIFO; to be called with the file permissions of the box's user.
    pub(crate) fn close(disk: &Disk, name: &Path) -> Result<Self, Fault> {
        if !matches!(name.components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            return Err(Errno::EINVAL).during(Step::Gate);
        }
        mkfifoat(&disk.work, name, Mode::S_IRUSR | Mode::S_IWUSR).during(Step::Gate)?;
        // For reading as well: such an open waits for nobody, and neither does that of the interpreter then. It waits in its
        // first read, for as long as there is a writer; see fifo(7).
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(&disk.work, name, flags, Mode::empty()).during(Step::Gate)?;
        // A user with very many pipes gets smaller ones.
        let capacity = fcntl(&fifo, FcntlArg::F_GETPIPE_SZ).during(Step::Gate)?;
        if usize::try_from(capacity).unwrap_or_default() < MAX_MAIN_BYTES {
            return Err(Errno::ENOBUFS).during(Step::Gate);
        }
        Ok(Self { name: name.to_owned(), fifo, content: None })
    }

    /// Whether this is the file that the gate stands in for.
    pub(crate) fn is_for(&self, path: &Path) -> bool {
        self.name == path
    }

    /// Keeps the file until the gate opens; to be called with the file permissions of the box's user.
    pub(crate) fn keep(&mut self, disk: &Disk, file: &NewFile, content: OwnedFd) -> Result<(), Failure> {
        let content = File::from(content);
        let length = usize::try_from(content.metadata().during(Step::Gate)?.len()).unwrap_or(usize::MAX);
        if length > MAX_MAIN_BYTES {
            return Err(Failure::protocol("the main file is too big for a step that was started ahead"));
        }
        let mut bytes = vec![0; length];
        content.read_exact_at(&mut bytes, 0).during(Step::Gate)?;
        let aside = NewFile { path: ASIDE.into(), is_executable: file.is_executable };
        files::write(disk.root.as_fd(), &aside, content.into())?;
        self.content = Some(bytes);
        Ok(())
    }

    /// Lets whoever waits go on; to be called with the file permissions of the box's user.
    pub(crate) fn open(self, disk: &Disk) -> Result<(), Fault> {
        match &self.content {
            Some(content) => {
                // The file first: whoever looks behind what they read from the FIFO finds it.
                renameat(&disk.root, ASIDE, &disk.root, &Path::new(Disk::WORK).join(&self.name)).during(Step::Gate)?;
                File::from(self.fifo).write_all(content).during(Step::Gate)
            }
            None => unlinkat(&disk.work, &self.name, UnlinkatFlags::NoRemoveDir).during(Step::Gate),
        }
    }
}
