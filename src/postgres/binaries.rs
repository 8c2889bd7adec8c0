//! Finds the programs of Postgres.

use std::path::{Path, PathBuf};

use super::PostgresError;
use crate::config;

/// The oldest major version that does.
pub const MINIMUM_MAJOR: u32 = 15;

/// A directory with `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The directory.
    pub path: PathBuf,
    /// Their major version.
    pub major: u32,
}

impl Binaries {
    /// The programs to use: those of `configured`, else the first on `PATH`, else the newest below
    /// `/usr/lib/postgresql`. Where a cluster exists already only its own version (`wanted`) does.
    pub fn find(configured: Option<&Path>, wanted: Option<(u32, PathBuf)>) -> Result<Self, PostgresError> {
        let candidates = match configured {
            Some(path) => vec![path.to_owned()],
            None => on_path().into_iter().chain(packaged()).collect(),
        };
        let found: Vec<Self> = candidates.into_iter().filter_map(Self::look_at).collect();
        if let Some((wanted, path)) = wanted {
            return found
                .into_iter()
                .find(|binaries| binaries.major == wanted)
                .ok_or(PostgresError::OtherVersion { path, wanted });
        }
        if let Some(binaries) = found.iter().find(|binaries| binaries.major >= MINIMUM_MAJOR) {
            return Ok(binaries.clone());
        }
        Err(match found.into_iter().next() {
            Some(Self { path, major }) => PostgresError::TooOld { path, major },
            None => PostgresError::NotFound,
        })
    }

    /// The path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn look_at(path: PathBuf) -> Option<Self> {
        if !path.join("initdb").is_file() {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "one of the modules that start processes")]
        let output = std::process::Command::new(path.join("postgres")).arg("--version").output().ok()?;
        let major = parse_major(str::from_utf8(&output.stdout).ok()?)?;
        Some(Self { path, major })
    }
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` and `… 19beta1`.
fn parse_major(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("(PostgreSQL) ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

fn on_path() -> Vec<PathBuf> {
    let path = config::environment().remove("PATH").unwrap_or_default();
    let directories = path.split(':').filter(|directory| directory.starts_with('/')).map(Path::new);
    directories
        .filter_map(|directory| {
            // Programs on PATH may be links; the libraries are looked for beside the real one.
            directory.join("postgres").canonicalize().ok()?.parent().map(Path::to_owned)
        })
        .collect()
}

/// Debian keeps each version in a directory of its own, not on PATH. Newest first.
fn packaged() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_prints() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(parse_major("initdb 15"), None);
    }
}
