//! What breaks while programs run: Postgres, killed or silent. The worker goes on by itself, and those who
//! watch miss nothing.

use std::time::Duration;

use codecanvas::domain::event::EventBody;
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::postgres::{Cluster, Settings as ClusterSettings};
use codecanvas::store::schema;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::{LONG, appears, count, gone, is_output};
use crate::support::service::data_dir;
use crate::support::workshop::{Workshop, assert_whole, lines, stdout};
use crate::support::{TestDatabase, executable, settings};

/// A Postgres of its own, to be broken.
struct Doomed {
    settings: ClusterSettings,
    cluster: Option<Cluster>,
    _directory: tempfile::TempDir,
}

impl Doomed {
    async fn start() -> Self {
        let directory = data_dir();
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

    /// The server and every one of its processes stop to answer for a while, and keep their connections.
    async fn be_silent_for(&self, time: Duration) {
        let server = self.cluster.as_ref().unwrap().pid();
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let all = children.split_whitespace().map(|pid| pid.parse().unwrap()).chain([server]).map(Pid::from_raw);
        let all: Vec<_> = all.collect();
        // A backend may have ended in between.
        let signal = |signal| {
            for pid in &all {
                let _ = kill(*pid, signal);
            }
        };
        signal(Signal::SIGSTOP);
        tokio::time::sleep(time).await;
        signal(Signal::SIGCONT);
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
    let (first_reader, second_reader) = (shop.watch(&ada, first.id).await, shop.watch(&ada, second.id).await);
    let breaking = async {
        for line in [20, 50] {
            let text = format!("line {line}\n");
            let wanted = |body: &EventBody| matches!(body, EventBody::OutputChunk { bytes, .. } if String::from_utf8_lossy(bytes).contains(&text));
            shop.until(&ada, first.id, wanted).await;
            postgres.kill().await;
            postgres.restart().await;
        }
    };
    let (first_log, second_log, ()) = tokio::join!(first_reader, second_reader, breaking);
    let expected = lines(100);
    for log in [&first_log, &second_log] {
        assert_whole(log);
        assert_eq!(stdout(log), expected);
        assert_eq!(count(log, &EventBody::StateChanged(AttemptState::Queued)), 1, "the worker went on by itself");
    }
    assert_eq!(shop.events(&ada, first.id, None).await, first_log);
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_goes_on_while_postgres_is_away_and_its_output_arrives_later() {
    let mut postgres = Doomed::start().await;
    let shop = postgres.workshop().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(1, LONG).await;
    let source = "echo before; for i in $(seq 20); do sleep 0.0500081; echo $i; done; sleep 0.5000082";
    let (_, attempt) = shop.submit(&ada, source).await;
    let watching = shop.watch(&ada, attempt.id).await;
    let breaking = async {
        shop.until(&ada, attempt.id, is_output).await;
        postgres.kill().await;
        // The program has ended when the last thing that it does is over.
        appears("0.5000082").await;
        gone("0.5000082").await;
        postgres.restart().await;
    };
    let (log, ()) = tokio::join!(watching, breaking);
    assert_whole(&log);
    assert!(stdout(&log).ends_with("\n20\n"));
    assert_eq!(count(&log, &EventBody::StateChanged(AttemptState::Queued)), 1);
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_says_nothing_for_ten_seconds_and_everything_goes_on_as_if_nothing_had_been() {
    let postgres = Doomed::start().await;
    let shop = postgres.workshop().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(1, LONG).await;
    let (_, running) = shop.submit(&ada, "for i in $(seq 40); do echo line $i; sleep 0.05; done").await;
    let (_, waiting) = shop.submit(&ada, "echo later").await;
    let (first_reader, second_reader) = (shop.watch(&ada, running.id).await, shop.watch(&ada, waiting.id).await);
    let breaking = async {
        shop.until(&ada, running.id, is_output).await;
        postgres.be_silent_for(Duration::from_secs(10)).await;
    };
    let (first, second, ()) = tokio::join!(first_reader, second_reader, breaking);
    assert_whole(&first);
    assert_whole(&second);
    assert_eq!((stdout(&first), stdout(&second).as_str()), (lines(40), "later\n"));
    for (id, log) in [(running.id, &first), (waiting.id, &second)] {
        assert_eq!(count(log, &EventBody::StateChanged(AttemptState::Queued)), 1, "nobody took it for lost");
        assert_eq!(shop.finished(&ada, id).await.verdict, Some(Verdict::Ok));
        assert_eq!(&shop.events(&ada, id, None).await, log);
    }
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}
