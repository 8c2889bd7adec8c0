//! What the embedded Postgres keeps in the data directory, and who may touch it.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{User, geteuid};
use sha2::{Digest as _, Sha256};

use super::launcher::{Launcher, Owner};
use super::{Binaries, PostgresError, Settings, last_line};
use crate::config::Secret;

/// The database user, who owns everything in the cluster.
const DATABASE_USER: &str = "codecanvas";
/// The database that `initdb` makes, and that we use.
const DATABASE: &str = "postgres";
/// `sun_path` of unix(7) without its terminating zero.
const SOCKET_PATH_MAX: usize = 107;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";
/// A log of this size is put aside at the next start.
const LOG_MAX_BYTES: u64 = 8 << 20;
/// The sticky bit: several users share the directory, as /tmp.
const SHARED: u32 = 0o1000;

/// The data directory, made and checked.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    cluster: PathBuf,
    socket_dir: PathBuf,
    owner: Option<Owner>,
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PostgresError {
    let path = path.to_owned();
    move |source| PostgresError::File { action, path, source }
}

impl Directory {
    /// Makes what is missing of the directory.
    pub(super) fn open(settings: &Settings) -> Result<Self, PostgresError> {
        let owner = if geteuid().is_root() {
            let user = User::from_name("postgres").ok().flatten().ok_or(PostgresError::NoUser)?;
            Some(Owner { uid: user.uid, gid: user.gid })
        } else {
            None
        };
        // Another user's Postgres must be able to pass through, and the api process to the socket,
        // but nobody may list what is inside.
        let mode = if owner.is_some() { 0o711 } else { 0o700 };
        let root = settings.data_dir.clone();
        DirBuilder::new().recursive(true).mode(mode).create(&root).map_err(file_error("make", &root))?;
        if fs::metadata(&root).map_err(file_error("look at", &root))?.mode() & SHARED != 0 {
            // Protecting /tmp would take it away from everybody else.
            return Err(PostgresError::Damaged {
                path: root,
                reason: "others use it too: name a directory of its own",
            });
        }
        fs::set_permissions(&root, Permissions::from_mode(mode)).map_err(file_error("protect", &root))?;
        let mut socket_dir = root.join("run");
        if socket_dir.as_os_str().len() + SOCKET_NAME.len() > SOCKET_PATH_MAX {
            let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
            let short = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
            socket_dir = Path::new("/tmp").join(format!("codecanvas-{short:016x}"));
        }
        let directory = Self { cluster: root.join("postgres"), socket_dir, root, owner };
        directory.make_owned(&directory.socket_dir, mode)?;
        Ok(directory)
    }

    /// Removes what is not below the data directory. Only for who holds its lock, when the server has stopped.
    pub(super) fn leave(&self) {
        if !self.socket_dir.starts_with(&self.root) {
            // Nothing is lost if it stays: it is empty, and found again.
            let _ = fs::remove_dir(&self.socket_dir);
        }
    }

    pub(super) const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    pub(super) fn cluster(&self) -> &Path {
        &self.cluster
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    fn password_path(&self) -> PathBuf {
        self.root.join("postgres.password")
    }

    /// Makes a directory that belongs to the owner, or makes sure that it does: one that somebody
    /// else made first, in a place that everybody may write to, is refused.
    fn make_owned(&self, path: &Path, mode: u32) -> Result<(), PostgresError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                if let Some(owner) = self.owner {
                    chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))
                        .map_err(file_error("give away", path))?;
                }
                fs::set_permissions(path, Permissions::from_mode(mode)).map_err(file_error("protect", path))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let metadata = fs::symlink_metadata(path).map_err(file_error("look at", path))?;
                let uid = self.owner.map_or_else(geteuid, |owner| owner.uid);
                if metadata.is_dir() && metadata.uid() == uid.as_raw() {
                    Ok(())
                } else {
                    Err(PostgresError::Damaged { path: path.to_owned(), reason: "it belongs to somebody else" })
                }
            }
            Err(source) => Err(PostgresError::File { action: "make", path: path.to_owned(), source }),
        }
    }

    /// Keeps other services away while the returned file is open.
    pub(super) fn lock(&self) -> Result<File, PostgresError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(PostgresError::InUse(self.root.clone())),
            Err(fs::TryLockError::Error(source)) => Err(PostgresError::File { action: "lock", path, source }),
        }
    }

    /// The major version that wrote the cluster, with its place; `None` where there is none.
    pub(super) fn major(&self) -> Result<Option<(u32, PathBuf)>, PostgresError> {
        let path = self.cluster.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some((major, self.cluster.clone()))),
                Err(_) => Err(PostgresError::Damaged { path, reason: "it does not hold a version" }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PostgresError::File { action: "read", path, source }),
        }
    }

    /// Makes the cluster. Interrupted, it leaves nothing that a second try would stumble over.
    pub(super) async fn initialise(
        &self,
        binaries: &Binaries,
        launcher: &Launcher,
        is_durable: bool,
    ) -> Result<(), PostgresError> {
        let fresh = self.root.join("postgres.new");
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(file_error("remove", &fresh)(error)),
            Ok(()) | Err(_) => {}
        }
        self.make_owned(&fresh, 0o700)?;
        let password = generate_password();
        write_private(&self.password_path(), &password, None)?;
        // initdb runs as the owner, who may not read ours.
        let handed_over = self.socket_dir.join("initdb.password");
        write_private(&handed_over, &password, self.owner)?;
        let mut arguments: Vec<_> = ["-D".into(), fresh.as_os_str().to_owned()].into();
        let mut pwfile = std::ffi::OsString::from("--pwfile=");
        pwfile.push(&handed_over);
        arguments.push(pwfile);
        for argument in
            ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        {
            arguments.push(argument.into());
        }
        arguments.push(format!("--username={DATABASE_USER}").into());
        if !is_durable {
            arguments.push("--no-sync".into());
        }
        let output = launcher
            .command(&binaries.program("initdb"), arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(file_error("run", &binaries.program("initdb")));
        fs::remove_file(&handed_over).map_err(file_error("remove", &handed_over))?;
        let output = output?;
        if !output.status.success() {
            let message = last_line(&String::from_utf8_lossy(&output.stderr));
            return Err(PostgresError::Initdb { path: self.root.clone(), message });
        }
        fs::rename(&fresh, &self.cluster).map_err(file_error("put in place", &self.cluster))?;
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(file_error("save", &self.root))
    }

    /// Where the server is, with the password.
    pub(super) fn url(&self) -> Result<Secret, PostgresError> {
        let path = self.password_path();
        let password = fs::read_to_string(&path).map_err(file_error("read", &path))?;
        if password.is_empty() || !password.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(PostgresError::Damaged { path, reason: "it does not hold a password" });
        }
        let host = percent_encoded(self.socket_dir.as_os_str().as_encoded_bytes());
        Ok(Secret::from(format!("postgres://{DATABASE_USER}:{password}@localhost/{DATABASE}?host={host}")))
    }

    /// The log, to be written at its end. A long one is put aside first.
    pub(super) fn open_log(&self) -> Result<File, PostgresError> {
        let path = self.log_path();
        if self.log_length() > LOG_MAX_BYTES {
            fs::rename(&path, path.with_extension("log.old")).map_err(file_error("put aside", &path))?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(file_error("open", &path))
    }

    pub(super) fn log_error(&self, source: std::io::Error) -> PostgresError {
        PostgresError::File { action: "open", path: self.log_path(), source }
    }

    /// The length of the log in bytes; 0 where there is none.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.log_path()).map_or(0, |metadata| metadata.len())
    }

    /// What was logged behind `start`, as far as it can be read.
    pub(super) fn log_since(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.log_path()).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.take(1 << 20).read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("FATAL:  its log cannot be read: {error}"),
        }
    }
}

/// Writes a file that only `owner` (`None`: this user) can read.
fn write_private(path: &Path, text: &str, owner: Option<Owner>) -> Result<(), PostgresError> {
    // Never through a link that was there before.
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(file_error("remove", &temporary)(error)),
        Ok(()) | Err(_) => {}
    }
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        if let Some(owner) = owner {
            std::os::unix::fs::fchown(&file, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(file_error("write", path))
}

/// 256 bits in hexadecimal digits.
fn generate_password() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// A path as the value of a URL parameter (RFC 3986, section 2.3).
fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a String takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_survive_in_the_url() {
        assert_eq!(percent_encoded("/a b/ü&?".as_bytes()), "/a%20b/%C3%BC%26%3F");
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(generate_password(), generate_password());
        assert_eq!(generate_password().len(), 64);
    }
}
