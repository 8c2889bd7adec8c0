//! Programs that a worker begins with before it has claimed their attempts.

use std::time::Duration;

use codecanvas::announcements::Announcement;
use codecanvas::auth::Viewer;
use codecanvas::domain::event::EventBody;
use codecanvas::domain::ids::{AttemptId, SubmissionId};
use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::submission::Submission;
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::store::attempts::NewAttempt;
use codecanvas::store::queue::{Bounds, Program};
use codecanvas::store::submissions::{self, FileRow, NewSubmission};
use sha2::{Digest as _, Sha256};

use super::faults::{appears, gone};
use super::support::workshop::{RunningWorker, Workshop, assert_whole, bash, stdout};

const LEASE: Duration = Duration::from_secs(10);

fn program(source: &str) -> Program {
    Program {
        language: "bash".to_owned(),
        files: vec![("main.sh".to_owned(), source.into())],
        main_path: "main.sh".to_owned(),
        ..Program::default()
    }
}

/// Announces a program for an attempt to the workers.
fn announce(shop: &Workshop, attempt_id: AttemptId, source: &str) {
    shop.services.announcements.announce(|| Announcement { attempt_id, program: program(source) });
}

/// Stores a submission whose attempt has that id, as the service does but without an announcement.
async fn hand_in(shop: &Workshop, viewer: &Viewer, attempt_id: AttemptId, source: &str) {
    let submission = Submission {
        id: SubmissionId::new(),
        author_id: viewer.user_id,
        course_id: None,
        language: "bash".to_owned(),
        main_path: "main.sh".to_owned(),
        stdin: Vec::new(),
        arguments: Vec::new(),
        is_interactive: false,
        created_at: chrono::Utc::now(),
        counted_attempt_id: attempt_id,
        counted_state: AttemptState::Queued,
        counted_verdict: None,
    };
    let files = [FileRow { path: "main.sh", sha256: Sha256::digest(source).to_vec(), bytes: source.as_bytes() }];
    let new = NewSubmission {
        submission: &submission,
        files: &files,
        idempotency_key: None,
        input_sha256: &Sha256::digest(source),
        attempt: NewAttempt {
            id: attempt_id,
            submission_id: submission.id,
            author_id: viewer.user_id,
            course_id: None,
            requested_by: viewer.user_id,
            limits: RequestedLimits::default(),
            language: "bash",
            running_quota: 10,
        },
    };
    let bounds = Bounds { waiting: 10, per_minute: 100, capacity: 100 };
    submissions::hand_in(&mut shop.pool().acquire().await.unwrap(), &new, bounds).await.unwrap().unwrap();
}

/// A worker that waits for work: with two slots it does when a first program has ended.
async fn waiting_worker(shop: &Workshop, viewer: &Viewer) -> RunningWorker {
    let worker = shop.worker(2, LEASE).await;
    let (_, attempt) = shop.submit(viewer, "echo first").await;
    shop.finished(viewer, attempt.id).await;
    worker
}

/// Announces a program that sleeps for so long, and returns when it does.
async fn begin(shop: &Workshop, seconds: &str) {
    // On a machine that stands still for a moment it is stopped before it is seen: then once more.
    for _ in 0..20 {
        announce(shop, AttemptId::new(), &format!("sleep {seconds}"));
        if tokio::time::timeout(Duration::from_secs(1), appears(seconds)).await.is_ok() {
            return;
        }
    }
    panic!("what is announced does not begin");
}

/// What is announced and what is stored are the same program; here they differ, which tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_begun_when_its_attempt_is_claimed_goes_on() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = waiting_worker(&shop, &ada).await;
    for (source, verdict) in [("echo announced", Verdict::Ok), ("seq 100; sleep 0.1; exit 3", Verdict::RuntimeError)] {
        // On a machine that stands still for a moment it is stopped before it is claimed, and that is right, too.
        let is_adopted = async || {
            let id = AttemptId::new();
            announce(&shop, id, source);
            hand_in(&shop, &ada, id, "echo stored").await;
            let attempt = shop.finished(&ada, id).await;
            let log = shop.events(&ada, id, None).await;
            assert_whole(&log);
            assert!(log.is_sorted_by_key(|event| event.at), "{log:?}");
            assert!(log[1].at >= attempt.queued_at, "nothing happens before it was handed in: {log:?}");
            let is_adopted = !stdout(&log).contains("stored");
            assert_eq!(attempt.verdict, Some(if is_adopted { verdict } else { Verdict::Ok }));
            is_adopted
        };
        let mut tries = 0;
        while !is_adopted().await {
            tries += 1;
            assert!(tries < 20, "{source} never began before it was claimed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_claimed_is_stopped_and_leaves_nothing() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = waiting_worker(&shop, &ada).await;
    begin(&shop, "60.40321").await;
    gone("60.40321").await;
    // And where something else is to be done, at once: it has the only slot that is free.
    let (_, blocking) = shop.hand_in(&ada, bash("sleep 60.40322")).await.unwrap();
    shop.until(&ada, blocking.id, |event| matches!(event, EventBody::StepStarted(_))).await;
    begin(&shop, "60.40323").await;
    let id = AttemptId::new();
    hand_in(&shop, &ada, id, "echo stored").await;
    assert_eq!(shop.finished(&ada, id).await.verdict, Some(Verdict::Ok));
    assert_eq!(stdout(&shop.events(&ada, id, None).await), "stored\n");
    gone("60.40323").await;
    codecanvas::service::attempts::cancel(&shop.services, &ada, blocking.id).await.unwrap();
    assert_eq!(shop.finished(&ada, blocking.id).await.verdict, Some(Verdict::Cancelled));
    let attempts: i64 = sqlx::query_scalar("SELECT count(*) FROM attempts").fetch_one(shop.pool()).await.unwrap();
    assert_eq!(attempts, 3);
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_worker_cannot_run_does_not_stop_it() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = waiting_worker(&shop, &ada).await;
    let unknown = Program { language: "klingon".to_owned(), ..program("") };
    let elsewhere = Program { files: vec![("../../etc/main.sh".to_owned(), b"echo".to_vec())], ..program("") };
    for program in [unknown, elsewhere] {
        shop.services.announcements.announce(|| Announcement { attempt_id: AttemptId::new(), program });
        let (_, attempt) = shop.submit(&ada, "echo next").await;
        shop.finished(&ada, attempt.id).await;
        assert_eq!(stdout(&shop.events(&ada, attempt.id, None).await), "next\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_is_announced_unless_others_wait() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    shop.promise_bash().await;
    let mut announced = shop.announced();
    for source in ["echo first", "echo second"] {
        let (_, attempt) = shop.submit(&ada, source).await;
        let announcement = announced.next().await;
        assert_eq!((announcement.attempt_id, announcement.program), (attempt.id, program(source)));
    }
    // The second one waited behind the first: the third is not announced.
    shop.submit(&ada, "echo third").await;
    let nothing = tokio::time::timeout(Duration::ZERO, announced.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

/// Of what is refused nothing is left, although it may have begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_submission_does_not_run() {
    let shop = Workshop::open_with(|settings| settings.quota.user.per_minute = 1).await;
    let ada = shop.user("ada").await;
    let worker = waiting_worker(&shop, &ada).await;
    for _ in 0..5 {
        assert_eq!(shop.hand_in(&ada, bash("sleep 60.40324")).await.unwrap_err().code(), "RATE_LIMITED");
    }
    gone("60.40324").await;
    worker.drain().await;
    shop.assert_nothing_is_left().await;
}
