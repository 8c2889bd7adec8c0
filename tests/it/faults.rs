//! What breaks: workers, keepers, Postgres, while programs run. Nothing that was acknowledged is lost,
//! every attempt ends with exactly one verdict, streams have no gap, and nothing is left behind.

use std::time::Duration;

use codecanvas::domain::event::{Event, EventBody};
use codecanvas::domain::ids::WorkerId;
use codecanvas::domain::verdict::{AttemptState, StepKind, Verdict};
use codecanvas::postgres::{Cluster, Settings as ClusterSettings};
use codecanvas::service::attempts;
use codecanvas::store::queue::{self, Claimant};
use codecanvas::store::schema;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::workshop::{PATIENCE, Workshop, assert_whole, lines, stdout};
use super::support::{TestDatabase, executable, settings};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(1500);

fn is_output(body: &EventBody) -> bool {
    matches!(body, EventBody::OutputChunk { .. })
}

fn count(log: &[Event], body: &EventBody) -> usize {
    log.iter().filter(|event| event.body == *body).count()
}

/// Waits until no process has this text among its arguments.
async fn gone(text: &str) {
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

/// A program that takes a second and can be recognised among the processes by `mark`.
fn slow(mark: &str) -> String {
    format!("echo begun; sleep 1.{mark}; echo done")
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
        gone("1.000071").await;
        shop.worker(1, SHORT).await
    };
    let (log, worker) = tokio::join!(watching, killing);
    assert_whole(&log);
    assert_eq!(stdout(&log), "begun\ndone\n");
    assert_eq!(count(&log, &EventBody::StateChanged(AttemptState::Queued)), 2, "it went back to the queue once");
    assert_eq!(shop.events(&ada, attempt.id, None).await, log);
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id]).await.unwrap();
    assert_eq!(steps[&attempt.id][0].stdout.bytes, b"begun\ndone\n");
    worker.drain().await;
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
    assert_eq!(stdout(&log), "begun\ndone\n");
    other.drain().await;
    // It wakes up, finds its lease gone, and is as good as new.
    paused.signal(Signal::SIGCONT);
    let (_, next) = shop.submit(&ada, "echo next").await;
    assert_eq!(stdout(&shop.events(&ada, next.id, None).await), "next\n");
    assert_eq!(shop.events(&ada, attempt.id, None).await, log);
    let verdicts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM activity WHERE state = 'FINISHED' AND attempt_id = $1")
            .bind(attempt.id.as_uuid())
            .fetch_one(shop.pool())
            .await
            .unwrap();
    assert_eq!(verdicts, 1);
    gone("1.000072").await;
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
    gone("1.000073").await;
    let (_, next) = shop.submit(&ada, "echo next").await;
    assert_eq!(stdout(&shop.events(&ada, next.id, None).await), "next\n");
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
                let mut tx = shop.pool().begin().await.unwrap();
                if let Some(candidate) = queue::lock_next(&mut tx, &lost.languages, &[]).await.unwrap() {
                    queue::claim(&mut tx, candidate, &lost).await.unwrap().unwrap();
                    tx.commit().await.unwrap();
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
    let _worker = shop.worker(1, SHORT).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(count(&log, &EventBody::StepFinished(StepKind::Run)), 1);
    assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::Cancelled));
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id]).await.unwrap();
    let step = &steps[&attempt.id][0];
    assert_eq!((step.verdict, step.stdout.bytes.as_slice()), (Some(Verdict::Cancelled), &b"begun\n"[..]));
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
    assert_eq!(stdout(&log), "begun\ndone\n");
    assert_eq!(attempts::get(&shop.services, &ada, waiting.id).await.unwrap().state, AttemptState::Queued);
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
    gone("1.000075").await;
    assert_eq!(attempts::get(&shop.services, &ada, attempt.id).await.unwrap().state, AttemptState::Queued);
    let _second = shop.worker(1, LONG).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), "begun\ndone\n");
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
    }
}

/// A Postgres of its own, to be killed.
struct Doomed {
    settings: ClusterSettings,
    cluster: Option<Cluster>,
    _directory: tempfile::TempDir,
}

impl Doomed {
    async fn start() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::Builder::new().prefix("codecanvas-doomed-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = ClusterSettings {
            data_dir: directory.path().join("data"),
            bin: None,
            executable: executable(),
            is_durable: true,
            max_connections: 50,
        };
        let cluster = Some(Cluster::start(&settings).await.unwrap());
        Self { settings, cluster, _directory: directory }
    }

    async fn workshop(&self) -> Workshop {
        let url = self.cluster.as_ref().unwrap().url().clone();
        let pool = schema::connect(&url, &settings()).await.unwrap();
        schema::migrate(&pool).await.unwrap();
        Workshop::open_on(TestDatabase { url, pool }, |_| ())
    }

    /// kill -9 of the server and of every one of its processes.
    async fn kill(&mut self) {
        let mut cluster = self.cluster.take().unwrap();
        kill(Pid::from_raw(cluster.pid()), Signal::SIGKILL).unwrap();
        cluster.wait().await.unwrap();
    }

    async fn restart(&mut self) {
        self.cluster = Some(Cluster::start(&self.settings).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_while_programs_write_and_nothing_is_lost_or_doubled() {
    let mut postgres = Doomed::start().await;
    let shop = postgres.workshop().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(2, LONG).await;
    let source = "for i in $(seq 100); do echo line $i; sleep 0.02; done";
    let (_, first) = shop.submit(&ada, source).await;
    let (_, second) = shop.submit(&ada, source).await;
    let watching = async { tokio::join!(shop.events(&ada, first.id, None), shop.events(&ada, second.id, None)) };
    let breaking = async {
        for line in [20, 50] {
            let text = format!("line {line}\n");
            let wanted = |body: &EventBody| matches!(body, EventBody::OutputChunk { bytes, .. } if String::from_utf8_lossy(bytes).contains(&text));
            shop.until(&ada, first.id, wanted).await;
            postgres.kill().await;
            postgres.restart().await;
        }
    };
    let ((first_log, second_log), ()) = tokio::join!(watching, breaking);
    let expected = lines(100);
    for log in [&first_log, &second_log] {
        assert_whole(log);
        assert_eq!(stdout(log), expected);
        assert_eq!(count(log, &EventBody::StateChanged(AttemptState::Queued)), 1, "the worker went on by itself");
    }
    assert_eq!(shop.events(&ada, first.id, None).await, first_log);
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_goes_on_while_postgres_is_away_and_its_output_arrives_later() {
    let mut postgres = Doomed::start().await;
    let shop = postgres.workshop().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(1, LONG).await;
    let (_, attempt) = shop.submit(&ada, "echo before; for i in $(seq 20); do sleep 0.05; echo $i; done").await;
    let watching = shop.events(&ada, attempt.id, None);
    let breaking = async {
        shop.until(&ada, attempt.id, is_output).await;
        postgres.kill().await;
        // The program ends meanwhile.
        tokio::time::sleep(Duration::from_secs(2)).await;
        postgres.restart().await;
    };
    let (log, ()) = tokio::join!(watching, breaking);
    assert_whole(&log);
    assert!(stdout(&log).ends_with("\n20\n"));
    assert_eq!(count(&log, &EventBody::StateChanged(AttemptState::Queued)), 1);
    worker.drain().await;
}
