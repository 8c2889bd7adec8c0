//! The user ids of slots: each belongs to one worker of a host, or programs of one worker could signal those of another.
//!
//! A worker locks a file for each of its ids for as long as it lives; the kernel unlocks them when it dies.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Where the files are. It is empty after a start of the host, and only root can write there.
pub const DIRECTORY: &str = "/run/codecanvas";

/// A worker whose ids are taken tries those that are so many further on. More than slots and warm-ups use.
const BLOCK: u32 = 1024;
/// How often it does that.
const BLOCKS: u32 = 32;

/// Ids that nobody else has until this is dropped.
#[derive(Debug)]
pub struct ClaimedUids {
    /// The first of them.
    pub first: u32,
    /// Locked; `None` where no file can be made.
    _locks: Option<Vec<File>>,
}

/// Claims `count` ids from `first` on, or from the next block that is free; `None` if all are taken.
pub fn claim(directory: &Path, first: u32, count: u32) -> Option<ClaimedUids> {
    match (0..BLOCKS).map(|block| first + block * BLOCK).find_map(|first| claim_block(directory, first, count)) {
        Some(Ok(claimed)) => Some(claimed),
        Some(Err(error)) => {
            // In a container without a writable /run there is no other worker either.
            tracing::warn!(error = %error, "user ids cannot be locked: another worker of this host must have others");
            Some(ClaimedUids { first, _locks: None })
        }
        None => None,
    }
}

/// `None` if one of them is taken.
fn claim_block(directory: &Path, first: u32, count: u32) -> Option<io::Result<ClaimedUids>> {
    let mut locks = Vec::new();
    for uid in first..first + count {
        match lock(directory, uid) {
            Ok(lock) => locks.push(lock),
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(error)) => return Some(Err(error)),
        }
    }
    Some(Ok(ClaimedUids { first, _locks: Some(locks) }))
}

fn lock(directory: &Path, uid: u32) -> Result<File, TryLockError> {
    let open = || {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        File::options().create(true).append(true).open(directory.join(format!("uid-{uid}")))
    };
    let file = open().map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_workers_never_have_the_same_ids() {
        let directory = tempfile::tempdir().unwrap();
        let first = claim(directory.path(), 1000, 3).unwrap();
        assert_eq!(first.first, 1000);
        let overlapping = claim(directory.path(), 1002, 2).unwrap();
        assert_eq!(overlapping.first, 1002 + BLOCK);
        let beside = claim(directory.path(), 1003, 1).unwrap();
        assert_eq!(beside.first, 1003);
        drop(first);
        assert_eq!(claim(directory.path(), 1000, 3).unwrap().first, 1000, "they are free again");
    }

    #[test]
    fn there_is_an_end_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..BLOCKS).map(|_| claim(directory.path(), 1000, 1).unwrap()).collect();
        assert!(claim(directory.path(), 1000, 1).is_none());
        drop(all);
    }

    #[test]
    fn without_a_place_for_files_the_ids_are_taken_as_they_are() {
        assert_eq!(claim(Path::new("/proc/nowhere"), 1000, 2).unwrap().first, 1000);
    }
}
