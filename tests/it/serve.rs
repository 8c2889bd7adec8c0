//! `codecanvas serve`: its processes, how they end, and what comes back.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::service::{Service, data_dir, message, pid, wait_until_gone};
use crate::support::{PASSWORD, client, database, empty_database, executable};

async fn is_ready(url: &str) -> bool {
    client().get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test]
async fn serve_brings_everything_and_takes_it_along() {
    let data = data_dir();
    let mut service = Service::start(data.path());
    let postgres = pid(&service.wait_for(|line| message(line) == "Postgres is ready"));
    let api = service.wait_for_start("api");
    let worker = service.wait_for_start("worker");
    let url = service.wait_until_ready();
    assert!(is_ready(&url).await);

    let owner = |pid: Pid| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    if nix::unistd::geteuid().is_root() {
        assert!(owner(api) != 0 && owner(postgres) != 0 && owner(api) != owner(postgres));
        assert_eq!(owner(worker), 0);
    }
    let arguments = std::fs::read_to_string(format!("/proc/{api}/cmdline")).unwrap();
    assert!(!arguments.contains("postgres://"), "anybody can read the password: {arguments}");

    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
    for pid in [api, worker, postgres] {
        wait_until_gone(pid);
    }
}

#[tokio::test]
async fn a_part_that_dies_is_started_again() {
    let data = data_dir();
    let mut service = Service::start(data.path());
    let postgres = pid(&service.wait_for(|line| message(line) == "Postgres is ready"));
    let api = service.wait_for_start("api");
    let worker = service.wait_for_start("worker");
    let url = service.wait_until_ready();

    for (role, process) in [("api", api), ("worker", worker)] {
        kill(process, Signal::SIGKILL).unwrap();
        service.wait_for(|line| message(line) == "died; it is started again" && line["role"] == role);
        assert_ne!(service.wait_for_start(role), process);
    }
    kill(postgres, Signal::SIGKILL).unwrap();
    service.wait_for(|line| message(line) == "Postgres is ready again");
    // The pool of the api process has to notice that its connections are dead: that is part of the promise.
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_ready(&url).await {
        assert!(Instant::now() < deadline, "the api does not find its way back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
}

#[test]
fn what_a_killed_service_leaves_is_recovered() {
    let data = data_dir();
    let mut service = Service::start(data.path());
    let postgres = pid(&service.wait_for(|line| message(line) == "Postgres is ready"));
    let worker = service.wait_for_start("worker");
    service.wait_until_ready();
    service.signal(Signal::SIGKILL);
    service.wait();
    wait_until_gone(postgres);
    wait_until_gone(worker);

    let mut service = Service::start(data.path());
    let postgres = pid(&service.wait_for(|line| message(line) == "Postgres is ready"));
    service.wait_until_ready();
    // Both at once: nobody is left to tell the other.
    kill(postgres, Signal::SIGKILL).unwrap();
    service.signal(Signal::SIGKILL);
    service.wait();

    let mut service = Service::start(data.path());
    service.wait_until_ready();
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
}

#[test]
fn a_data_directory_serves_one_service() {
    let data = data_dir();
    let mut service = Service::start(data.path());
    service.wait_until_ready();
    let mut second = Service::start(data.path());
    let line = second.wait_for(|line| line.as_str().is_some_and(|line| line.starts_with("codecanvas: ")));
    assert!(line.as_str().unwrap().contains("another codecanvas uses"), "{line}");
    assert_eq!(second.wait().code(), Some(9));
}

#[tokio::test]
async fn with_a_database_of_its_own_nothing_else_is_started() {
    let data = data_dir();
    let database = empty_database().await;
    let mut service = Service::start_with(data.path(), &["--database-url", database.url.expose()]);
    let url = service.wait_until_ready();
    assert!(is_ready(&url).await);
    assert!(!data.path().join("postgres").exists());
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
}

fn codecanvas(arguments: &[&str]) -> Output {
    Command::new(executable()).args(arguments).env_remove("DATABASE_URL").output().unwrap()
}

/// Runs a command that must refuse; answers with its exit code and the one line it says.
fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = codecanvas(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code(), said)
}

#[tokio::test]
async fn a_database_that_does_not_do_has_an_exit_code_and_a_sentence() {
    let newer = database().await;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9000, 'later', true, 'x', 1)")
        .execute(&newer.pool)
        .await
        .unwrap();
    let empty = empty_database().await;
    for (role, url, code, part) in [
        ("migrate", "postgres://nobody@127.0.0.1:1/none", 10, "cannot be reached"),
        ("migrate", newer.url.expose(), 13, "newer codecanvas"),
        ("serve", newer.url.expose(), 13, "newer codecanvas"),
        ("api", empty.url.expose(), 15, "codecanvas migrate"),
        ("worker", empty.url.expose(), 15, "codecanvas migrate"),
        ("migrate", "not a url", 78, "postgres://"),
    ] {
        let (found, said) =
            refusal(&[role, "--database-url", url, "--set", "log.filter=off", "--set", "listen=127.0.0.1:0"]);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains(url), "the URL holds a password: {said}");
    }
}

#[test]
fn wrong_settings_have_an_exit_code_and_a_sentence() {
    for (setting, part) in
        [("worker.slot=1", "worker.slots"), ("listen=here", "listen"), ("log.filter=info=loud", "log.filter")]
    {
        let (code, said) = refusal(&["serve", "--set", setting]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(part), "{said}");
    }
    let (_, said) = refusal(&["api"]);
    assert!(said.contains("DATABASE_URL"), "{said}");
}

#[test]
fn a_long_data_directory_is_no_obstacle() {
    let data = data_dir();
    let long = data.path().join("x".repeat(120));
    // Its socket cannot be in there.
    let elsewhere = || {
        let names = std::fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_ours = |name: &String| {
            name.strip_prefix("codecanvas-")
                .is_some_and(|rest| rest.len() == 16 && u64::from_str_radix(rest, 16).is_ok())
        };
        names.filter(is_ours).collect::<std::collections::BTreeSet<_>>()
    };
    let before = elsewhere();
    let output = codecanvas(&["migrate", "--data-dir", long.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(elsewhere(), before, "a directory for its socket is left");
}

#[test]
fn a_directory_that_others_use_too_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = data_dir();
    let shared = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(data.path(), shared).unwrap();
    let (code, said) = refusal(&["migrate", "--data-dir", data.path().to_str().unwrap()]);
    assert!(code == Some(9) && said.contains("directory of its own"), "{said}");
    assert_eq!(std::fs::metadata(data.path()).unwrap().mode() & 0o7777, 0o1777);
}

#[tokio::test]
async fn accounts_are_made_at_the_command_line() {
    let database = database().await;
    let admin = |arguments: &[&str], input: &str| {
        let mut process = Command::new(executable())
            .args(["admin", "--database-url", database.url.expose()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may refuse before it reads.
        process.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = process.wait_with_output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let password = format!("{PASSWORD}\n");
    assert_eq!(admin(&["create-user", "ada", "--role", "admin"], &password), (true, "made ada (admin)\n".to_owned()));
    assert_eq!(admin(&["create-user", "bob"], &password), (true, "made bob (user)\n".to_owned()));
    assert_eq!(admin(&["set-role", "bob", "teacher"], ""), (true, "bob is teacher now\n".to_owned()));
    assert!(admin(&["create-user", "ADA"], &password).1.contains("taken"));
    assert!(admin(&["create-user", "eve"], "short\n").1.contains("password: "));
    assert!(admin(&["create-user", "eve"], "").1.contains("empty"));
    assert!(admin(&["delete-user", "bob"], "").1.contains("--yes"));
    assert!(admin(&["delete-user", "ada", "--yes"], "").1.contains("admin"));
    assert!(admin(&["reset-password", "bob"], &password).0);
    let (_, list) = admin(&["list"], "");
    assert_eq!(
        list.lines().map(|line| line.split_whitespace().take(2).collect()).collect::<Vec<Vec<_>>>(),
        [["bob", "teacher"], ["ada", "admin"]]
    );
    assert!(admin(&["delete-user", "bob", "--yes"], "").0);
    assert!(admin(&["set-role", "bob", "user"], "").1.contains("no such user"));
}

#[test]
fn the_settings_that_are_printed_are_the_ones_that_are_read() {
    let data = data_dir();
    let file = data.path().join("settings.toml");
    let printed = codecanvas(&["config", "print", "--defaults"]);
    std::fs::write(&file, printed.stdout).unwrap();
    let output = codecanvas(&[
        "config",
        "print",
        "--config",
        file.to_str().unwrap(),
        "--database-url",
        "postgres://u:hunter2@h/d",
    ]);
    assert!(output.status.success());
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hunter2"));
}
