//! What happens where a disk is full: that of a box is the program's own affair, that of the worker's cache costs speed
//! and nothing else.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use codecanvas::domain::attempt::OutputExtent;
use codecanvas::domain::verdict::{StepKind, Verdict};
use codecanvas::service::attempts;
use codecanvas::service::input::NewSubmissionInput;
use nix::sys::signal::Signal;

use crate::faults::LONG;
use crate::support::executable;
use crate::support::workshop::{WorkerProcess, Workshop, assert_whole, stdout};

fn c(source: &str) -> NewSubmissionInput {
    NewSubmissionInput { language: "c".to_owned(), source: Some(source.to_owned()), ..NewSubmissionInput::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fills_its_disk_is_told_so_and_the_next_one_has_all_of_it() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(1, LONG).await;
    for place in ["/work", "/tmp", "/dev/shm"] {
        let fill = format!("head -c 1G /dev/zero > {place}/big; echo $?; rm {place}/big");
        let (_, attempt) = shop.submit(&ada, &fill).await;
        let log = shop.events(&ada, attempt.id, None).await;
        assert_whole(&log);
        assert_eq!(stdout(&log), "1\n", "{place}");
        assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::Ok));
    }
    let (_, next) = shop.submit(&ada, "head -c 10M /dev/zero > file && echo room").await;
    assert_eq!(stdout(&shop.events(&ada, next.id, None).await), "room\n");
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

/// A worker whose cache directory is on a small disk of its own, which nobody else on the host sees.
async fn worker_on_a_small_disk(shop: &Workshop) -> WorkerProcess {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=8m,nr_inodes=4k,mode=0700 small \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script]).arg(shop.cache()).arg(executable());
    shop.worker_process_of(command, "c", LONG).await
}

/// The worker's cache directory as it sees it.
fn cache_of(worker: &WorkerProcess, shop: &Workshop) -> PathBuf {
    let inside = Path::new("/proc").join(worker.pid().to_string()).join("root");
    inside.join(shop.cache().strip_prefix("/").unwrap())
}

/// Writes until there is no room.
fn fill(directory: &Path) {
    let full = std::fs::write(directory.join("ballast"), vec![1; 16 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    // Whatever still fits: a directory, a small file.
    for number in 0.. {
        if std::fs::DirBuilder::new().mode(0o700).create(directory.join(format!("ballast-{number}"))).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_the_cache_costs_speed_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("REQUIRE_SANDBOX").is_none(), "an ordinary user cannot mount a small disk");
        eprintln!("an ordinary user cannot mount a small disk: not tested");
        return;
    }
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = worker_on_a_small_disk(&shop).await;
    let cache = cache_of(&worker, &shop);
    let run = async |source: &str| {
        let (_, attempt) = shop.hand_in(&ada, c(source)).await.unwrap();
        let log = shop.events(&ada, attempt.id, None).await;
        assert_whole(&log);
        assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::Ok));
        let steps =
            attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], OutputExtent::Whole).await.unwrap();
        let compile = steps[&attempt.id].iter().find(|step| step.kind == StepKind::Compile).unwrap();
        (stdout(&log), compile.is_cached)
    };
    let before = "#include <stdio.h>\nint main(void) { puts(\"before\"); return 0; }";
    let after = before.replace("before", "after");
    assert_eq!(run(before).await, ("before\n".to_owned(), false));
    assert_eq!(run(before).await, ("before\n".to_owned(), true));
    fill(&cache);
    for is_cached in [false, true] {
        assert_eq!(run(&after).await, ("after\n".to_owned(), is_cached), "it is kept in memory alone");
        assert_eq!(run(before).await, ("before\n".to_owned(), true), "what was kept is still there");
    }
    std::fs::remove_file(cache.join("ballast")).unwrap();
    assert_eq!(run(&after).await.0, "after\n");
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().await);
    shop.assert_nothing_is_left().await;
}
