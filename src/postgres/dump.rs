//! Backup and restore of the whole database, by the programs that come with Postgres.
//!
//! ```text
//! backup:   pg_dump ──▶ FILE.part ──rename──▶ FILE
//! restore:  FILE ──▶ pg_restore ──SQL──▶ here ──▶ psql      one transaction
//!                                         └ COMMIT only after pg_restore has read all of the file
//! ```
//!
//! A backup is one consistent moment, taken while the service runs. A restore that fails, or is
//! interrupted, changes nothing. The password goes to the programs by their environment: arguments
//! can be read by everybody.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use percent_encoding::percent_decode_str;
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::directory::Directory;
use super::{Binaries, PostgresError, Settings};
use crate::config::{Config, Secret};

/// Why there is no backup, or why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The address of the database cannot be given to the programs.
    #[error("DATABASE_URL is not of the form postgres://user:password@host/name")]
    Url,
    /// A program of Postgres failed; nothing was changed.
    #[error("{program} failed: {message}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said last.
        message: String,
    },
    /// A program of Postgres is not there.
    #[error("cannot run {}", path.display())]
    Start {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is the backup of something else.
    #[error("{} is not a backup of codecanvas", .0.display())]
    Foreign(PathBuf),
}

/// Replaces the schema: what the backup does not know must not stay. Its owner is the one that
/// Postgres gives it, so that the next backup does not hold it as something special.
const BEGIN: &[u8] =
    b"BEGIN;\nDROP SCHEMA IF EXISTS public CASCADE;\nCREATE SCHEMA public AUTHORIZATION pg_database_owner;\n";
const COMMIT: &[u8] = b"\nCOMMIT;\n";

/// The programs to use: those of the embedded cluster's own version, else the newest.
pub fn binaries(config: &Config) -> Result<Binaries, PostgresError> {
    let wanted = match config.database.url {
        Some(_) => None,
        None => Directory::open(&Settings::new(config)?)?.major()?,
    };
    Binaries::find(config.database.postgres_bin.as_deref(), wanted)
}

/// Writes a backup of the database to `file`, which appears when it is complete.
pub async fn backup(url: &Secret, binaries: &Binaries, file: &Path) -> Result<(), DumpError> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| DumpError::File { action, path, source }
    };
    // For its owner only: everybody's programs are in it.
    let output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed("write", &part))?;
    let saved = output.try_clone().map_err(failed("write", &part))?;
    let written = async {
        let mut command = Program::PgDump.command(binaries);
        command.args(["--format=custom", "--no-owner", "--no-privileges"]).stdout(Stdio::from(output));
        connect(&mut command, url)?;
        Program::PgDump.finish(command, binaries).await?;
        saved.sync_all().map_err(failed("save", &part))?;
        std::fs::rename(&part, file).map_err(failed("write", file))
    }
    .await;
    if written.is_err() {
        // What is incomplete must not be taken for a backup; where even this fails its name says so.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// Replaces everything in the database by what `file` holds.
pub async fn restore(url: &Secret, binaries: &Binaries, file: &Path) -> Result<(), DumpError> {
    let mut list = Program::PgRestore.command(binaries);
    list.arg("--list").arg(file).stdout(Stdio::piped());
    let contents = Program::PgRestore.finish(list, binaries).await?;
    if !String::from_utf8_lossy(&contents).contains("TABLE DATA public _sqlx_migrations") {
        return Err(DumpError::Foreign(file.to_owned()));
    }
    let mut read = Program::PgRestore.command(binaries);
    read.args(["--no-owner", "--no-privileges", "--file=-"]).arg(file).stdout(Stdio::piped());
    let mut apply = Program::Psql.command(binaries);
    apply
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    connect(&mut apply, url)?;

    let mut reader = Program::PgRestore.start(read, binaries)?;
    let mut writer = Program::Psql.start(apply, binaries)?;
    let (Some(mut sql), Some(mut input)) = (reader.stdout.take(), writer.stdin.take()) else {
        let source = std::io::Error::other("it has no pipe");
        return Err(DumpError::Start { path: binaries.program(Program::Psql.name()), source });
    };
    // Each may complain at length: what they say has to be read while they work.
    let reading = tokio::spawn(reader.wait_with_output());
    let writing = tokio::spawn(writer.wait_with_output());
    let copied = async {
        input.write_all(BEGIN).await?;
        tokio::io::copy(&mut sql, &mut input).await
    }
    .await;
    // Our end of the pipe is closed, so that pg_restore ends even where psql did.
    drop(sql);
    let read = Program::PgRestore.outcome(reading.await);
    if copied.is_ok() && read.is_ok() {
        // Where this fails psql has ended and says why below.
        let _ = input.write_all(COMMIT).await;
    }
    // Without COMMIT the end of its input makes psql roll back.
    drop(input);
    // psql first: where it failed, pg_restore only tells of a broken pipe.
    Program::Psql.outcome(writing.await)?;
    read?;
    copied.map(drop).map_err(|source| DumpError::File { action: "restore", path: file.to_owned(), source })
}

/// The programs that are used.
#[derive(Debug, Clone, Copy)]
enum Program {
    PgDump,
    PgRestore,
    Psql,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::PgDump => "pg_dump",
            Self::PgRestore => "pg_restore",
            Self::Psql => "psql",
        }
    }

    /// The command with an environment built from nothing.
    #[expect(clippy::disallowed_methods, reason = "one of the modules that start processes")]
    fn command(self, binaries: &Binaries) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(binaries.program(self.name()));
        command.env_clear().env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn start(
        self,
        mut command: tokio::process::Command,
        binaries: &Binaries,
    ) -> Result<tokio::process::Child, DumpError> {
        command.spawn().map_err(|source| DumpError::Start { path: binaries.program(self.name()), source })
    }

    /// Runs a command to its end and answers with its standard output.
    async fn finish(self, command: tokio::process::Command, binaries: &Binaries) -> Result<Vec<u8>, DumpError> {
        let child = self.start(command, binaries)?;
        self.outcome(Ok(child.wait_with_output().await))
    }

    /// What a program that has ended wrote, or why it failed.
    fn outcome(
        self,
        ended: Result<std::io::Result<std::process::Output>, tokio::task::JoinError>,
    ) -> Result<Vec<u8>, DumpError> {
        let message = match ended {
            Ok(Ok(output)) if output.status.success() => return Ok(output.stdout),
            Ok(Ok(output)) => complaint(&String::from_utf8_lossy(&output.stderr)),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(DumpError::Program { program: self.name(), message })
    }
}

/// Tells a program where the database is, and the password where nobody else sees it.
fn connect(command: &mut tokio::process::Command, url: &Secret) -> Result<(), DumpError> {
    let mut url = Url::parse(url.expose()).map_err(|_| DumpError::Url)?;
    if let Some(password) = url.password() {
        let password = percent_decode_str(password).decode_utf8().map_err(|_| DumpError::Url)?;
        command.env("PGPASSWORD", password.as_ref());
    }
    url.set_password(None).map_err(|()| DumpError::Url)?;
    command.arg(format!("--dbname={url}"));
    Ok(())
}

/// What a program complained about first, without its own name and the place in a script.
fn complaint(said: &str) -> String {
    let marks = ["FATAL:", "ERROR:", "error:"];
    said.lines()
        .find_map(|line| marks.iter().find_map(|mark| line.split_once(mark)))
        .map_or_else(|| said.lines().last().unwrap_or("it ended without a word"), |(_, message)| message)
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_told_without_its_surroundings() {
        let said = "psql:<stdin>:7: ERROR:  relation \"x\" does not exist\nLINE 1: COPY x\n";
        assert_eq!(complaint(said), "relation \"x\" does not exist");
        assert_eq!(complaint("pg_restore: error: could not read\n"), "could not read");
        assert_eq!(complaint(""), "it ended without a word");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "looks at a command that is never started")]
    fn the_password_is_not_among_the_arguments() {
        let mut command = tokio::process::Command::new("psql");
        connect(&mut command, &Secret::from("postgres://ada:p%40ss@host/db?host=%2Frun".to_owned())).unwrap();
        let arguments: Vec<_> = command.as_std().get_args().collect();
        assert_eq!(arguments, ["--dbname=postgres://ada@host/db?host=%2Frun"]);
        let password = command.as_std().get_envs().find(|(name, _)| *name == "PGPASSWORD").unwrap().1;
        assert_eq!(password.unwrap(), "p@ss");
    }
}
