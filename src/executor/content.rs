//! What files hold, in memory, on their way into a box and out of it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use codecanvas_sandbox::message::{content_from, forbid_changes};

/// What a file holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes of this process.
    Bytes(Vec<u8>),
    /// A file in memory that nobody can change. A keeper takes it as it is: no copy is made for it.
    Sealed {
        /// The file.
        file: Arc<OwnedFd>,
        /// Its length in bytes.
        length: u64,
    },
}

impl Content {
    /// These bytes as a file in memory that nobody can change.
    pub fn seal(bytes: &[u8]) -> io::Result<Self> {
        let file = content_from(bytes)?;
        forbid_changes(&file)?;
        Ok(Self::Sealed { file: Arc::new(file), length: bytes.len() as u64 })
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Sealed { length, .. } => *length,
        }
    }

    /// A descriptor that holds it, from the start.
    pub fn descriptor(&self) -> io::Result<Arc<OwnedFd>> {
        match self {
            Self::Bytes(bytes) => content_from(bytes).map(Arc::new),
            Self::Sealed { file, .. } => Ok(Arc::clone(file)),
        }
    }

    /// Writes all of it behind what is there.
    pub fn write_to(&self, target: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => target.write_all(bytes),
            Self::Sealed { file, length } => {
                let start = target.len();
                target.resize(start + usize::try_from(*length).map_err(|_| io::ErrorKind::FileTooLarge)?, 0);
                File::from(file.try_clone()?).read_exact_at(&mut target[start..], 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_read_as_they_were_and_cannot_be_changed() {
        let sealed = Content::seal(b"program").unwrap();
        assert_eq!(sealed.length(), 7);
        for _ in 0..2 {
            let mut bytes = b"a ".to_vec();
            sealed.write_to(&mut bytes).unwrap();
            assert_eq!(bytes, b"a program");
        }
        let file = File::from(sealed.descriptor().unwrap().try_clone().unwrap());
        assert_eq!(file.write_at(b"P", 0).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(file.set_len(3).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
