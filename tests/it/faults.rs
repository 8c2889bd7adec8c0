//! What breaks while programs run: workers and keepers. Nothing that was acknowledged is lost, every attempt
//! ends with exactly one verdict, streams have no gap, and nothing is left on the host.

use std::time::Duration;

use codecanvas::domain::attempt::OutputExtent;
use codecanvas::domain::event::{Event, EventBody};
use codecanvas::domain::ids::{AttemptId, WorkerId};
use codecanvas::domain::verdict::{AttemptState, StepKind, Verdict};
use codecanvas::service::attempts;
use codecanvas::store::queue::{self, Claimant, Claimed};
use nix::sys::signal::{Signal, kill};

use super::support::workshop::{PATIENCE, Workshop, assert_whole, stdout};

pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const SHORT: Duration = Duration::from_millis(1500);

pub(crate) fn is_output(body: &EventBody) -> bool {
    matches!(body, EventBody::OutputChunk { .. })
}

pub(crate) fn count(log: &[Event], body: &EventBody) -> usize {
    log.iter().filter(|event| event.body == *body).count()
}

/// Waits until no process has this text among its arguments.
pub(crate) async fn gone(text: &str) {
    let gone = async {
        while is_there(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("a process with {text:?} is left"));
}

fn is_there(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        arguments.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Waits until a process has this text among its arguments.
pub(crate) async fn appears(text: &str) {
    let there = async {
        while !is_there(text) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("no process with {text:?} came"));
}

/// A program that takes a second, writes all the time, and can be recognised among the processes by `mark`.
pub(crate) fn slow(mark: &str) -> String {
    format!("echo begun; for i in 1 2 3 4 5; do sleep 0.2{mark}; echo $i; done; echo done")
}

/// What [`slow`] writes.
const SLOWLY: &str = "begun\n1\n2\n3\n4\n5\ndone\n";

/// How many verdicts people were told of an attempt.
async fn verdicts(shop: &Workshop, attempt: AttemptId) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM activity WHERE state = 'FINISHED' AND attempt_id = $1")
        .bind(attempt.as_uuid())
        .fetch_one(shop.pool())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_no_attempt_and_leaves_no_process() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let victim = shop.worker_process(SHORT).await;
    let (_, attempt) = shop.submit(&ada, &slow("000071")).await;
    let watching = shop.events(&ada, attempt.id, None);
    let killing = async {
        shop.until(&ada, attempt.id, is_output).await;
        victim.kill();
        gone("0.2000071").await;
        shop.worker(1, SHORT).await
    };
    let (log, worker) = tokio::join!(watching, killing);
    assert_whole(&log);
    assert_eq!(stdout(&log), SLOWLY);
    assert_eq!(count(&log, &EventBody::StateChanged(AttemptState::Queued)), 2, "it went back to the queue once");
    assert_eq!(shop.events(&ada, attempt.id, None).await, log);
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], OutputExtent::Whole).await.unwrap();
    assert_eq!(steps[&attempt.id][0].stdout.bytes, SLOWLY.as_bytes());
    assert_eq!(verdicts(&shop, attempt.id).await, 1);
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_paused_beyond_its_lease_writes_nothing() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let paused = shop.worker_process(SHORT).await;
    let (_, attempt) = shop.submit(&ada, &slow("000072")).await;
    shop.until(&ada, attempt.id, is_output).await;
    paused.signal(Signal::SIGSTOP);
    let other = shop.worker(1, SHORT).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), SLOWLY);
    other.drain().await;
    // It wakes up, finds its lease gone, and is as good as new.
    paused.signal(Signal::SIGCONT);
    let (_, next) = shop.submit(&ada, "echo next").await;
    assert_eq!(stdout(&shop.events(&ada, next.id, None).await), "next\n");
    assert_eq!(shop.events(&ada, attempt.id, None).await, log);
    assert_eq!(verdicts(&shop, attempt.id).await, 1);
    drop(paused);
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_is_killed_ends_its_attempt_and_not_the_worker() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker_process(LONG).await;
    let (_, attempt) = shop.submit(&ada, &slow("000073")).await;
    shop.until(&ada, attempt.id, is_output).await;
    for keeper in worker.children() {
        kill(keeper, Signal::SIGKILL).unwrap();
    }
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    let ended = shop.finished(&ada, attempt.id).await;
    assert_eq!(ended.verdict, Some(Verdict::SystemError));
    assert_eq!(verdicts(&shop, attempt.id).await, 1);
    gone("0.2000073").await;
    let (_, next) = shop.submit(&ada, "echo next").await;
    assert_eq!(stdout(&shop.events(&ada, next.id, None).await), "next\n");
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().await);
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_workers_are_lost_three_times_is_our_fault() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let (_, attempt) = shop.submit(&ada, "echo").await;
    // Three workers that claim and are never heard of again.
    let lost = Claimant {
        worker_id: WorkerId::new(),
        languages: vec!["bash".to_owned()],
        versions: vec![String::new()],
        lease: Duration::from_millis(1),
    };
    // It speaks no bash, but looks after everybody's leases.
    let worker = shop.worker_for(&["c"], 1, SHORT).await;
    let claims = async {
        for _ in 0..3 {
            loop {
                let mut connection = shop.pool().acquire().await.unwrap();
                if matches!(queue::claim(&mut connection, &lost, &[]).await.unwrap(), Claimed::Ours(_)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let (log, ()) = tokio::join!(shop.events(&ada, attempt.id, None), claims);
    assert_whole(&log);
    assert_eq!(count(&log, &EventBody::StateChanged(AttemptState::Queued)), 3);
    assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::SystemError));
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_an_attempt_whose_worker_is_lost_ends_it() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let victim = shop.worker_process(SHORT).await;
    let (_, attempt) = shop.submit(&ada, "echo begun; sleep 30").await;
    shop.until(&ada, attempt.id, is_output).await;
    victim.kill();
    attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    let worker = shop.worker(1, SHORT).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(count(&log, &EventBody::StepFinished(StepKind::Run)), 1);
    assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::Cancelled));
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], OutputExtent::Whole).await.unwrap();
    let step = &steps[&attempt.id][0];
    assert_eq!((step.verdict, step.stdout.bytes.as_slice()), (Some(Verdict::Cancelled), &b"begun\n"[..]));
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_lets_programs_finish() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker_process(LONG).await;
    let (_, running) = shop.submit(&ada, &slow("000074")).await;
    let (_, waiting) = shop.submit(&ada, "echo later").await;
    shop.until(&ada, running.id, is_output).await;
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().await, "it ends well");
    let log = attempts::events(&shop.services, &ada, running.id, None, None).await.unwrap();
    assert_whole(&log);
    assert_eq!(stdout(&log), SLOWLY);
    assert_eq!(attempts::get(&shop.services, &ada, waiting.id).await.unwrap().state, AttemptState::Queued);
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_goes_back_to_the_queue_and_to_the_next_worker() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let impatient = |settings: &mut codecanvas::worker::Settings| settings.drain_timeout = Duration::ZERO;
    let first = shop.worker_with(&["bash"], 1, impatient).await;
    let (_, attempt) = shop.submit(&ada, &slow("000075")).await;
    shop.until(&ada, attempt.id, is_output).await;
    first.drain().await;
    gone("0.2000075").await;
    assert_eq!(attempts::get(&shop.services, &ada, attempt.id).await.unwrap().state, AttemptState::Queued);
    let second = shop.worker(1, LONG).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), SLOWLY);
    assert_eq!(verdicts(&shop, attempt.id).await, 1);
    second.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_workers_loses_nothing() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let mut old = shop.worker(2, LONG).await;
    let mut handed_in = Vec::new();
    for round in 0..4 {
        for index in 0..10 {
            let source = format!("echo {round}.{index}; sleep 0.02; echo end");
            handed_in.push((shop.submit(&ada, &source).await.1.id, format!("{round}.{index}\nend\n")));
        }
        let new = shop.worker(2, LONG).await;
        std::mem::replace(&mut old, new).drain().await;
    }
    for (id, expected) in handed_in {
        let log = shop.events(&ada, id, None).await;
        assert_whole(&log);
        assert_eq!(stdout(&log), expected);
        assert_eq!(shop.finished(&ada, id).await.verdict, Some(Verdict::Ok));
        assert_eq!(verdicts(&shop, id).await, 1);
    }
    old.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_that_share_the_queue_one_is_killed_and_everything_runs_all_the_same() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let victim = shop.worker_process(SHORT).await;
    let other = shop.worker_process(SHORT).await;
    let mut handed_in = Vec::new();
    for index in 0..20 {
        let source = format!("echo {index}; sleep 0.1; echo end");
        handed_in.push((shop.submit(&ada, &source).await.1.id, format!("{index}\nend\n")));
    }
    // Both have taken something.
    let workers = async {
        let query = "SELECT count(DISTINCT worker_id) FROM queue";
        while sqlx::query_scalar::<_, i64>(query).fetch_one(shop.pool()).await.unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, workers).await.expect("two workers share the queue");
    victim.kill();
    for (id, expected) in handed_in {
        let log = shop.events(&ada, id, None).await;
        assert_whole(&log);
        assert_eq!(stdout(&log), expected);
        assert_eq!(shop.finished(&ada, id).await.verdict, Some(Verdict::Ok));
        assert_eq!(verdicts(&shop, id).await, 1);
    }
    other.signal(Signal::SIGTERM);
    assert!(other.ended().await);
    shop.assert_nothing_is_left().await;
}
