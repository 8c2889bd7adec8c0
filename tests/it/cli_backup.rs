//! Backup and restore, with the real programs of Postgres.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli_command::{Ended, blocking};
use crate::support;

/// Runs an operator's command with this environment, a password on its standard input.
async fn operator(environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = Command::new(support::executable());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("CODECANVAS_LOG_FILTER", "warn")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    blocking(move || {
        let mut child = command.spawn().unwrap();
        // A command that asks for nothing may have closed it.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse battery\n");
        child.wait_with_output().unwrap().into()
    })
    .await
}

async fn accounts(environment: &[(&str, &str)]) -> String {
    operator(environment, &["admin", "list"]).await.ok().text().to_owned()
}

/// A database that nobody is connected to.
async fn left_alone(database: support::TestDatabase) -> String {
    database.pool.close().await;
    database.url.expose().to_owned()
}

#[tokio::test]
async fn a_backup_brings_everything_back_elsewhere_and_all_over_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let first = left_alone(support::database().await).await;
    let first = [("DATABASE_URL", first.as_str())];
    operator(&first, &["admin", "create-user", "ada", "--role", "teacher"]).await.ok();
    operator(&first, &["admin", "backup", &file("one")]).await.ok();
    assert_eq!(std::fs::metadata(file("one")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!Path::new(&file("one.part")).exists());

    let second = left_alone(support::empty_database().await).await;
    let second = [("DATABASE_URL", second.as_str())];
    operator(&second, &["admin", "restore", &file("one")]).await.ok();
    let listed = accounts(&second).await;
    assert!(listed.contains("ada") && listed.contains("teacher"), "{listed}");

    // What was restored is as good as the original: it can be backed up and restored in its turn.
    operator(&second, &["admin", "backup", &file("two")]).await.ok();
    let third = left_alone(support::empty_database().await).await;
    let third = [("DATABASE_URL", third.as_str())];
    operator(&third, &["admin", "restore", &file("two")]).await.ok();
    assert_eq!(accounts(&third).await, listed);
    let pending = operator(&third, &["migrate", "--dry-run"]).await.ok();
    assert!(!pending.text().contains("would apply"), "{pending:?}");
}

#[tokio::test]
async fn what_is_there_is_not_lost_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let url = left_alone(support::database().await).await;
    let environment = [("DATABASE_URL", url.as_str())];
    operator(&environment, &["admin", "create-user", "ada"]).await.ok();
    operator(&environment, &["admin", "backup", &file("whole")]).await.ok();
    operator(&environment, &["admin", "create-user", "grace"]).await.ok();

    let refused = operator(&environment, &["admin", "restore", &file("whole")]).await;
    assert!(refused.code != 0 && refused.stderr.contains("2 account(s)"), "{refused:?}");

    // Half a file, a file of something else, and no file.
    let whole = std::fs::read(file("whole")).unwrap();
    std::fs::write(file("half"), &whole[..whole.len() - 400]).unwrap();
    std::fs::write(file("text"), "not a backup").unwrap();
    for name in ["half", "text", "absent"] {
        let refused = operator(&environment, &["admin", "restore", "--replace", &file(name)]).await;
        assert_ne!(refused.code, 0, "{name}: {refused:?}");
        assert!(!refused.stderr.contains(&url), "{name}: {refused:?}");
        let listed = accounts(&environment).await;
        assert!(listed.contains("ada") && listed.contains("grace"), "{name}: {listed}");
    }

    operator(&environment, &["admin", "restore", "--replace", &file("whole")]).await.ok();
    let listed = accounts(&environment).await;
    assert!(listed.contains("ada") && !listed.contains("grace"), "{listed}");
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup").to_str().unwrap().to_owned();
    let database = support::database().await;
    let environment = [("DATABASE_URL", database.url.expose())];
    // A backup may be taken meanwhile.
    operator(&environment, &["admin", "backup", &file]).await.ok();
    let connection = database.pool.acquire().await.unwrap();
    let refused = operator(&environment, &["admin", "restore", &file]).await;
    assert!(refused.code != 0 && refused.stderr.contains("in use"), "{refused:?}");
    drop(connection);
}

#[tokio::test]
async fn the_embedded_database_is_backed_up_by_the_same_command() {
    let directory = tempfile::tempdir().unwrap();
    // Its Postgres runs as another user where the test runs as root.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (old, new, file) = (path("old"), path("new"), path("backup"));
    let old = [("CODECANVAS_DATA_DIR", old.as_str()), ("HOME", "/nonexistent")];
    let new = [("CODECANVAS_DATA_DIR", new.as_str()), ("HOME", "/nonexistent")];
    operator(&old, &["admin", "create-user", "ada"]).await.ok();
    operator(&old, &["admin", "backup", &file]).await.ok();
    operator(&new, &["admin", "restore", &file]).await.ok();
    assert!(accounts(&new).await.contains("ada"));
}
