//! Where the command line keeps who it is: `codecanvas/credentials.toml` below the XDG configuration
//! directory, readable by its owner alone, one entry per server.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// What is stored.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The server that was signed in to last; taken where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_server: Option<String>,
    /// By address.
    #[serde(default)]
    pub servers: BTreeMap<String, Credential>,
}

/// Who one is at one server.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The secret.
    pub token: String,
    /// Whose it is, to be shown.
    pub username: String,
    /// Whether `login` made it by a password, so that `logout` ends the session at the server too.
    pub is_session: bool,
}

impl Credentials {
    /// The file's usual place.
    pub fn path() -> Result<PathBuf, Failure> {
        let strategy = etcetera::choose_base_strategy()
            .map_err(|error| Failure::Usage(format!("there is no home directory to keep credentials in: {error}")))?;
        Ok(strategy.config_dir().join("codecanvas").join("credentials.toml"))
    }

    /// Reads the file; an absent one is empty. A file that others can read is refused.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::io(format!("cannot read {shown}"))(error)),
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Failure::Usage(format!(
                "other users of this machine can read your access token: run `chmod 600 {shown}` and change the token"
            )));
        }
        let text = fs::read_to_string(path).map_err(Failure::io(format!("cannot read {shown}")))?;
        // The message of the parser would quote the line with the secret.
        toml::from_str(&text)
            .map_err(|_| Failure::Usage(format!("{shown} is damaged: delete it and run `codecanvas login`")))
    }

    /// Replaces the file in one step, readable by its owner alone.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::io(format!("cannot write {}", path.display()))(error);
        let text = toml::to_string(self)
            .map_err(|error| Failure::Usage(format!("the credentials cannot be written: {error}")))?;
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&fresh, path));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Credentials {
        let credential = Credential { token: "secret".into(), username: "ada".into(), is_session: true };
        Credentials {
            default_server: Some("http://localhost:10100".into()),
            servers: BTreeMap::from([("http://localhost:10100".into(), credential)]),
        }
    }

    #[test]
    fn what_was_stored_is_read_back_and_only_its_owner_can() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/codecanvas/credentials.toml");
        assert_eq!(Credentials::read(&path).unwrap(), Credentials::default());
        example().write(&path).unwrap();
        example().write(&path).unwrap();
        assert_eq!(Credentials::read(&path).unwrap(), example());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.toml");
        example().write(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Credentials::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_damaged_file_is_named_without_its_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.toml");
        fs::write(&path, "servers = { secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let message = Credentials::read(&path).unwrap_err().to_string();
        assert!(message.contains("damaged") && !message.contains("secret"), "{message}");
    }
}
