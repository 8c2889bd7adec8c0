//! The use cases with real workers, without HTTP: a test hands in programs and reads their logs.
#![allow(dead_code, reason = "a fixture offers more than today's tests use")]

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use codecanvas::announcements::{Announced, Announcer};
use codecanvas::auth::{Credential, Viewer};
use codecanvas::config::{self, Overrides};
use codecanvas::domain::attempt::Attempt;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::event::{Event, EventBody, EventCursor};
use codecanvas::domain::ids::{AttemptId, CourseId, SessionId, UserId, WorkerId};
use codecanvas::domain::submission::Submission;
use codecanvas::domain::user::SiteRole;
use codecanvas::domain::verdict::OutputStream;
use codecanvas::lifecycle::Shutdown;
use codecanvas::service::announcements::Announcements;
use codecanvas::service::input::NewSubmissionInput;
use codecanvas::service::{Error, Services, Settings, attempts, streams, submissions};
use codecanvas::store::listen::{Audience, listen};
use codecanvas::worker;
use futures_util::{Stream, StreamExt as _};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::leftovers::Traces;
use super::{TestDatabase, database, executable};

/// Nothing in the tests takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The use cases on a database of their own.
pub struct Workshop {
    pub database: TestDatabase,
    pub services: Arc<Services>,
    end: CancellationToken,
    cache: tempfile::TempDir,
    /// Of all its workers.
    traces: Traces,
    /// Where programs are announced to its workers; whoever reads first has it.
    announced: UnixDatagram,
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Workshop {
    /// With the settings that come with codecanvas.
    pub async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// With other settings.
    pub async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_on(database().await, change)
    }

    /// On a database that is there already.
    pub fn open_on(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        let config = config::load(None, &BTreeMap::new(), &Overrides::default()).unwrap();
        let mut settings = Settings::from(&config);
        // What a test hands in is not what it is about, unless it says so.
        for quota in [&mut settings.quota.user, &mut settings.quota.teacher] {
            quota.running = 100;
            quota.waiting = 10_000;
            quota.per_minute = 100_000;
        }
        change(&mut settings);
        let mut services = Services::new(database.pool.clone(), settings).unwrap();
        let (to_workers, announced) = UnixDatagram::pair().unwrap();
        services.announcements = Announcements::by(Announcer::new(to_workers).unwrap());
        let services = Arc::new(services);
        let end = CancellationToken::new();
        tokio::spawn(listen(database.pool.clone(), services.hub.clone(), Audience::Api, end.clone()));
        let cache = tempfile::tempdir().unwrap();
        Self { database, services, end, traces: Traces::of(cache.path()), cache, announced }
    }

    /// Fails unless all workers, their boxes, groups and mounts are gone.
    pub async fn assert_nothing_is_left(&self) {
        self.traces.assert_gone().await;
    }

    /// Where its workers keep what they compile.
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }

    pub fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// Somebody with an account and a session.
    pub async fn user(&self, name: &str) -> Viewer {
        let viewer = Viewer {
            user_id: UserId::new(),
            username: name.to_owned(),
            role: SiteRole::User,
            credential: Credential::Session(SessionId::new()),
            expires_at: None,
        };
        sqlx::query(
            "INSERT INTO users (id, username, display_name, role, password_hash) VALUES ($1, $2, $2, 'USER', '-')",
        )
        .bind(viewer.user_id.as_uuid())
        .bind(name)
        .execute(self.pool())
        .await
        .unwrap();
        let Credential::Session(session) = viewer.credential else { unreachable!() };
        sqlx::query(
            "INSERT INTO sessions (id, user_id, secret_sha256, expires_at) VALUES ($1, $2, sha256($3), now() + interval '1 day')",
        )
        .bind(session.as_uuid())
        .bind(viewer.user_id.as_uuid())
        .bind(session.to_string().into_bytes())
        .execute(self.pool())
        .await
        .unwrap();
        viewer
    }

    /// A course with these members.
    pub async fn course(&self, members: &[(&Viewer, CourseRole)]) -> CourseId {
        let id = CourseId::new();
        sqlx::query("INSERT INTO courses (id, title, join_code) VALUES ($1, 'A course', $2)")
            .bind(id.as_uuid())
            .bind(id.to_string())
            .execute(self.pool())
            .await
            .unwrap();
        for (viewer, role) in members {
            sqlx::query("INSERT INTO course_members (course_id, user_id, role) VALUES ($1, $2, $3)")
                .bind(id.as_uuid())
                .bind(viewer.user_id.as_uuid())
                .bind(role)
                .execute(self.pool())
                .await
                .unwrap();
        }
        id
    }

    /// A worker that offers bash, with its lease.
    pub async fn worker(&self, slots: usize, lease: Duration) -> RunningWorker {
        self.worker_for(&["bash"], slots, lease).await
    }

    /// A worker that offers these languages.
    pub async fn worker_for(&self, languages: &[&str], slots: usize, lease: Duration) -> RunningWorker {
        self.worker_with(languages, slots, |settings| settings.lease = lease).await
    }

    /// A worker with other settings.
    pub async fn worker_with(
        &self,
        languages: &[&str],
        slots: usize,
        change: impl FnOnce(&mut worker::Settings),
    ) -> RunningWorker {
        let config = config::load(None, &BTreeMap::new(), &Overrides::default()).unwrap();
        let mut settings = worker::Settings::from(&config);
        settings.executor.keeper_executable = executable();
        settings.executor.slots = NonZeroUsize::new(slots);
        settings.executor.cache_dir = self.cache.path().to_owned();
        settings.executor.first_uid = Some(self.traces.uid_base);
        settings.executor.cgroup_parent = Some(self.traces.cgroup_parent.clone());
        settings.executor.only_languages = Some(languages.iter().map(|name| (*name).to_owned()).collect());
        change(&mut settings);
        let shutdown = Shutdown::default();
        let before = self.workers().await;
        let pool = codecanvas::store::schema::connect(&self.database.url, &super::settings()).await.unwrap();
        let running = tokio::spawn(worker::run(settings, pool, self.announced(), shutdown.clone()));
        let worker = RunningWorker { shutdown, running };
        let ready = async {
            while self.workers().await.is_subset(&before) {
                assert!(!worker.running.is_finished(), "the worker does not start");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("a worker is ready in time");
        worker
    }

    /// A worker in a process of its own, offering bash, with one slot.
    pub async fn worker_process(&self, lease: Duration) -> WorkerProcess {
        self.worker_process_of(Command::new(executable()), "bash", lease).await
    }

    /// The same, by a command that becomes the executable, offering other languages.
    pub async fn worker_process_of(&self, mut command: Command, languages: &str, lease: Duration) -> WorkerProcess {
        let before = self.workers().await;
        let process = command
            .arg("worker")
            .envs(self.traces.environment())
            .env("DATABASE_URL", self.database.url.expose())
            .env("CODECANVAS_DATA_DIR", self.cache.path())
            .env("CODECANVAS_WORKER_CACHE_DIR", self.cache.path())
            .env("CODECANVAS_WORKER_SLOTS", "1")
            .env("CODECANVAS_WORKER_LANGUAGES", languages)
            .env("CODECANVAS_WORKER_LEASE", format!("{}ms", lease.as_millis()))
            .env("CODECANVAS_LOG_FILTER", "warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut worker = WorkerProcess { process };
        let ready = async {
            while self.workers().await.is_subset(&before) {
                assert_eq!(worker.process.try_wait().unwrap(), None, "the worker does not start");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("a worker is ready in time");
        worker
    }

    async fn workers(&self) -> HashSet<WorkerId> {
        sqlx::query_scalar("SELECT id FROM workers").fetch_all(self.pool()).await.unwrap().into_iter().collect()
    }

    /// Where programs are announced to its workers.
    pub fn announced(&self) -> Announced {
        Announced::new(self.announced.try_clone().unwrap()).unwrap()
    }

    /// Says that bash is on offer, although nobody runs it.
    pub async fn promise_bash(&self) {
        promise_bash(self.pool()).await;
    }

    pub async fn submit(&self, viewer: &Viewer, source: &str) -> (Submission, Attempt) {
        self.hand_in(viewer, bash(source)).await.unwrap()
    }

    pub async fn hand_in(&self, viewer: &Viewer, input: NewSubmissionInput) -> Result<(Submission, Attempt), Error> {
        submissions::submit(&self.services, viewer, input).await
    }

    /// Begins to read the log; from then on the reader goes through whatever happens to Postgres.
    pub async fn watch(&self, viewer: &Viewer, attempt: AttemptId) -> impl Future<Output = Vec<Event>> + use<> {
        whole(streams::attempt_events(Arc::clone(&self.services), viewer.clone(), attempt, None).await.unwrap())
    }

    /// The whole log, as it comes.
    pub async fn events(&self, viewer: &Viewer, attempt: AttemptId, after: Option<EventCursor>) -> Vec<Event> {
        let begun = streams::attempt_events(Arc::clone(&self.services), viewer.clone(), attempt, after);
        whole(begun.await.unwrap()).await
    }

    /// Returns when the log has an event like that.
    pub async fn until(&self, viewer: &Viewer, attempt: AttemptId, wanted: impl Fn(&EventBody) -> bool) -> Event {
        let read = async {
            let stream =
                streams::attempt_events(Arc::clone(&self.services), viewer.clone(), attempt, None).await.unwrap();
            let mut stream = pin!(stream.map(Result::unwrap));
            loop {
                let event = stream.next().await.expect("the log ends before what is waited for");
                if wanted(&event.body) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it happens in time")
    }

    pub async fn finished(&self, viewer: &Viewer, attempt: AttemptId) -> Attempt {
        let attempt = attempts::get(&self.services, viewer, attempt).await.unwrap();
        let attempt = attempts::wait_finished(&self.services, viewer, attempt, PATIENCE).await.unwrap();
        assert!(attempt.state.is_final(), "{attempt:?}");
        attempt
    }
}

/// Says that bash is on offer, although nobody runs it.
pub async fn promise_bash(pool: &PgPool) {
    sqlx::query(include_str!("promise_bash.sql")).execute(pool).await.unwrap();
}

/// A program in bash.
pub fn bash(source: &str) -> NewSubmissionInput {
    NewSubmissionInput { language: "bash".to_owned(), source: Some(source.to_owned()), ..NewSubmissionInput::default() }
}

/// What the last execution in a log wrote to standard output.
pub fn stdout(log: &[Event]) -> String {
    let start = log.iter().rposition(|event| matches!(event.body, EventBody::StepStarted(_))).unwrap_or(0);
    let mut bytes = Vec::new();
    for event in &log[start..] {
        if let EventBody::OutputChunk { stream: OutputStream::Stdout, bytes: more, .. } = &event.body {
            bytes.extend_from_slice(more);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// `line 1` to `line n`, a line each.
pub fn lines(count: usize) -> String {
    (1..=count).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat()
}

/// Fails where a log has a gap or a repeat, or does not end as logs end.
pub fn assert_whole(log: &[Event]) {
    let sequences: Vec<_> = log.iter().map(|event| event.sequence).collect();
    assert!(sequences.iter().copied().eq(0..i32::try_from(log.len()).unwrap()), "{sequences:?}");
    assert_eq!(log.iter().filter(|event| event.body.is_last()).count(), 1);
    assert!(log.last().unwrap().body.is_last());
}

/// A worker in a process of its own. It is killed where this is dropped.
pub struct WorkerProcess {
    process: Child,
}

impl WorkerProcess {
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// kill -9, and nothing else.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The processes that this one has started.
    pub fn children(&self) -> Vec<Pid> {
        let pid = self.process.id();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        children
            .flat_map(|list| list.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect::<Vec<_>>())
            .collect()
    }

    /// Whether it ends by itself, and how.
    pub async fn ended(mut self) -> bool {
        tokio::task::spawn_blocking(move || self.process.wait().unwrap().success()).await.unwrap()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A worker in this process, with real keepers and boxes.
pub struct RunningWorker {
    shutdown: Shutdown,
    running: JoinHandle<Result<(), worker::StartError>>,
}

impl RunningWorker {
    /// The first signal, and all that follows from it.
    pub async fn drain(self) {
        self.shutdown.drain.cancel();
        self.running.await.unwrap().unwrap();
    }

    /// Both signals.
    pub async fn stop(self) {
        self.shutdown.drain.cancel();
        self.shutdown.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// All events of a stream, in time.
async fn whole(events: impl Stream<Item = Result<Event, Error>>) -> Vec<Event> {
    let events = pin!(events.map(Result::unwrap));
    tokio::time::timeout(PATIENCE, events.collect()).await.expect("an attempt ends in time")
}
