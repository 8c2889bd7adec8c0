//! Streams: replay, then live, without gap or repeat, for whoever may see them and as long as they may.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use codecanvas::domain::attempt::Activity;
use codecanvas::domain::attempt::OutputExtent;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::event::{Event, EventBody, EventCursor};
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::service::input::NewSubmissionInput;
use codecanvas::service::{attempts, streams};
use futures_util::{StreamExt as _, future};
use sqlx::postgres::PgListener;

use super::support::workshop::{PATIENCE, Workshop, assert_whole, bash, lines, stdout};

const LEASE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_at_whatever_moment_reads_the_same_log() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(2, LEASE).await;
    let source = "for i in $(seq 200); do echo line $i; if ((i % 20 == 0)); then sleep 0.02; fi; done";
    let (_, attempt) = shop.submit(&ada, source).await;
    let readers = (0..40_u64).map(|index| {
        let (shop, ada) = (&shop, &ada);
        async move {
            // Spread over the life of the program, on purpose: the moment must not matter.
            tokio::time::sleep(Duration::from_millis(index * 10)).await;
            shop.events(ada, attempt.id, None).await
        }
    });
    let logs = future::join_all(readers).await;
    assert_whole(&logs[0]);
    let expected = lines(200);
    assert_eq!(stdout(&logs[0]), expected);
    for log in &logs {
        assert_eq!(log, &logs[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let (_, attempt) = shop.submit(&ada, "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.03; done").await;
    let mut log = Vec::new();
    let mut cursor = None;
    while !log.last().is_some_and(|event: &Event| event.body.is_last()) {
        // Two events, then the connection is lost.
        let stream =
            streams::attempt_events(Arc::clone(&shop.services), ada.clone(), attempt.id, cursor).await.unwrap();
        let some: Vec<_> = pin!(stream.take(2)).map(Result::unwrap).collect().await;
        cursor = some.last().map(|event| EventCursor(event.sequence)).or(cursor);
        log.extend(some);
    }
    assert_whole(&log);
    assert_eq!(stdout(&log), "1\n2\n3\n4\n5\n6\n7\n8\n");
    assert_eq!(shop.events(&ada, attempt.id, cursor).await, []);
}

/// Nothing is kept for who does not read: what they have missed is in the log, also after that was packed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_rests_until_the_end_goes_on_where_it_was() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let input = NewSubmissionInput { is_interactive: true, ..bash("echo begun; read -r _; seq 50000") };
    let (_, attempt) = shop.hand_in(&ada, input).await.unwrap();
    let stream = streams::attempt_events(Arc::clone(&shop.services), ada.clone(), attempt.id, None).await.unwrap();
    let mut stream = pin!(stream.map(Result::unwrap));
    let mut log = Vec::new();
    while !log.last().is_some_and(|event: &Event| matches!(event.body, EventBody::OutputChunk { .. })) {
        log.push(stream.next().await.unwrap());
    }
    let typed = attempts::WriteStdin { offset: None, bytes: "go\n".into(), is_end: true };
    attempts::write_stdin(&shop.services, &ada, attempt.id, typed).await.unwrap();
    let whole = shop.events(&ada, attempt.id, None).await;
    let live: i64 = sqlx::query_scalar("SELECT count(*) FROM attempt_events").fetch_one(shop.pool()).await.unwrap();
    assert_eq!(live, 0, "the log is packed when the last event can be read");
    log.extend(stream.collect::<Vec<_>>().await);
    assert_whole(&log);
    assert_eq!(log, whole);
    let numbers: Vec<_> = (1..=50_000).map(|number| number.to_string()).collect();
    assert_eq!(stdout(&log), format!("begun\n{}\n", numbers.join("\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_any_kind_arrives_exactly() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let source = r"printf 'a\0b\xff'; printf '\xe2\x82'; sleep 0.05; printf '\xac!'";
    let (_, attempt) = shop.submit(&ada, source).await;
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    let chunks: Vec<_> = log
        .iter()
        .filter_map(|event| {
            let EventBody::OutputChunk { offset, bytes, .. } = &event.body else { return None };
            Some((*offset, bytes.clone()))
        })
        .collect();
    let mut whole = Vec::new();
    for (offset, bytes) in &chunks {
        assert_eq!(*offset, whole.len() as u64);
        assert_eq!(codecanvas::domain::text::incomplete_tail(bytes), 0, "a character is cut: {bytes:?}");
        whole.extend_from_slice(bytes);
    }
    assert_eq!(whole, b"a\0b\xff\xe2\x82\xac!");
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], OutputExtent::Whole).await.unwrap();
    assert_eq!(steps[&attempt.id][0].stdout.bytes, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_shows_each_change_of_state_once_and_resumes() {
    let shop = Workshop::open().await;
    let (ada, ben, tom) = (shop.user("ada").await, shop.user("ben").await, shop.user("tom").await);
    let members = [(&ada, CourseRole::Student), (&ben, CourseRole::Student), (&tom, CourseRole::Teacher)];
    let course = shop.course(&members).await;
    let _worker = shop.worker(2, LEASE).await;
    let feed = streams::course_activity(Arc::clone(&shop.services), tom.clone(), course, None).await.unwrap();
    let mut feed = pin!(feed);
    // Without a cursor it begins ten seconds ago: on a slow machine, what is below takes longer.
    let own = streams::viewer_activity(Arc::clone(&shop.services), ada.clone(), None).await.unwrap();
    let hand_in = async |viewer, source: &str| {
        let input = NewSubmissionInput { course_id: Some(course), ..bash(source) };
        shop.hand_in(viewer, input).await.unwrap().1.id
    };
    let mut expected = HashMap::new();
    for index in 0..10 {
        let viewer = if index % 2 == 0 { &ada } else { &ben };
        expected.insert(hand_in(viewer, &format!("exit {}", index % 3)).await, index % 3);
        shop.submit(viewer, "echo private").await;
    }
    let all = collect_finished(&mut feed, expected.len()).await;
    for (attempt, code) in &expected {
        let states: Vec<_> = all.iter().filter(|a| a.attempt_id == *attempt).map(|a| (a.state, a.verdict)).collect();
        let verdict = if *code == 0 { Verdict::Ok } else { Verdict::RuntimeError };
        let finished = (AttemptState::Finished, Some(verdict));
        assert_eq!(states, [(AttemptState::Queued, None), (AttemptState::Running, None), finished]);
    }
    assert_eq!(all.len(), 3 * expected.len(), "what is private is not in the feed of a course");
    // From any cursor on, the rest is the same.
    let middle = all.len() / 2;
    let rest = streams::course_activity(Arc::clone(&shop.services), tom.clone(), course, Some(all[middle - 1].cursor));
    let rest: Vec<_> = pin!(rest.await.unwrap().take(all.len() - middle)).map(Result::unwrap).collect().await;
    assert_eq!(rest, all[middle..]);
    for (viewer, code) in [(&ada, "FORBIDDEN"), (&shop.user("eve").await, "NOT_FOUND")] {
        let refused = streams::course_activity(Arc::clone(&shop.services), viewer.clone(), course, None).await;
        assert_eq!(refused.err().unwrap().code(), code);
    }
    // One's own feed has the private runs as well.
    let own = collect_finished(&mut pin!(own), 10).await;
    assert!(own.iter().all(|activity| activity.author_id == ada.user_id));
}

async fn collect_finished(
    feed: &mut (impl futures_util::Stream<Item = Result<Activity, codecanvas::service::Error>> + Unpin),
    count: usize,
) -> Vec<Activity> {
    let mut all: Vec<Activity> = Vec::new();
    let read = async {
        while all.iter().filter(|activity| activity.state.is_final()).count() < count {
            all.push(feed.next().await.unwrap().unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("changes of state arrive in time");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_commits_late_is_not_lost_behind_the_cursor() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let (ada, ben, tom) = (shop.user("ada").await, shop.user("ben").await, shop.user("tom").await);
    let members = [(&ada, CourseRole::Student), (&ben, CourseRole::Student), (&tom, CourseRole::Teacher)];
    let course = shop.course(&members).await;
    let feed = streams::course_activity(Arc::clone(&shop.services), tom.clone(), course, None).await.unwrap();
    let mut feed = pin!(feed);
    // Begun first, committed last.
    let mut slow = shop.pool().begin().await.unwrap();
    let in_course = || NewSubmissionInput { course_id: Some(course), ..bash("echo") };
    let early = shop.hand_in(&ada, in_course()).await.unwrap().1.id;
    sqlx::query("INSERT INTO activity (attempt_id, author_id, course_id, state) VALUES ($1, $2, $3, 'RUNNING')")
        .bind(early.as_uuid())
        .bind(ada.user_id.as_uuid())
        .bind(course.as_uuid())
        .execute(&mut *slow)
        .await
        .unwrap();
    let late = shop.hand_in(&ben, in_course()).await.unwrap().1.id;
    slow.commit().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let activity = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap().unwrap();
        seen.push((activity.attempt_id, activity.state));
    }
    for expected in [(early, AttemptState::Queued), (early, AttemptState::Running), (late, AttemptState::Queued)] {
        assert!(seen.contains(&expected), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_right_to_it_does() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let (ada, tom) = (shop.user("ada").await, shop.user("tom").await);
    let course = shop.course(&[(&ada, CourseRole::Student), (&tom, CourseRole::Teacher)]).await;
    let input = NewSubmissionInput { course_id: Some(course), ..bash("echo") };
    let (_, attempt) = shop.hand_in(&ada, input).await.unwrap();
    let of_teacher = streams::attempt_events(Arc::clone(&shop.services), tom.clone(), attempt.id, None).await.unwrap();
    let of_author = streams::attempt_events(Arc::clone(&shop.services), ada.clone(), attempt.id, None).await.unwrap();
    let (mut of_teacher, mut of_author) = (pin!(of_teacher), pin!(of_author));
    assert!(of_teacher.next().await.unwrap().is_ok() && of_author.next().await.unwrap().is_ok());
    sqlx::query("DELETE FROM course_members WHERE user_id = $1")
        .bind(tom.user_id.as_uuid())
        .execute(shop.pool())
        .await
        .unwrap();
    let mut conn = shop.pool().acquire().await.unwrap();
    codecanvas::store::rights::notify(&mut conn, tom.user_id).await.unwrap();
    codecanvas::service::sessions::sign_out(&shop.services, &ada).await.unwrap();
    let limit = Duration::from_secs(8);
    let ended = tokio::time::timeout(limit, of_teacher.next()).await.expect("within seconds").unwrap();
    assert_eq!(ended.unwrap_err().code(), "NOT_FOUND");
    let ended = tokio::time::timeout(limit, of_author.next()).await.expect("within seconds").unwrap();
    assert_eq!(ended.unwrap_err().code(), "UNAUTHENTICATED");
    assert!(of_teacher.next().await.is_none() && of_author.next().await.is_none());
}

/// The notice of an end carries all of it where it is short: whoever watches is told without asking.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_short_comes_with_its_notice_and_a_long_one_is_read() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let mut notices = PgListener::connect_with(shop.pool()).await.unwrap();
    notices.listen("attempt_events").await.unwrap();
    let _worker = shop.worker(1, LEASE).await;
    let random = "head -c 20000 /dev/urandom | od -An -tx1";
    for (source, is_short) in [("echo short; seq 100; exit 3", true), (random, false)] {
        let (_, attempt) = shop.submit(&ada, source).await;
        let log = shop.events(&ada, attempt.id, None).await;
        assert_whole(&log);
        assert_eq!(log, shop.events(&ada, attempt.id, None).await, "told and read");
        sqlx::query("SELECT pg_notify('attempt_events', 'last')").execute(shop.pool()).await.unwrap();
        let mut with_more = 0;
        loop {
            let notice = notices.recv().await.unwrap();
            match notice.payload() {
                "last" => break,
                payload => with_more += usize::from(payload.contains(' ')),
            }
        }
        assert_eq!(with_more, usize::from(is_short), "{source}");
    }
}
