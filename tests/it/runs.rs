//! Programs from being handed in to their verdict, as the use cases show them.

use std::time::Duration;

use codecanvas::domain::attempt::OutputExtent;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::event::{EventBody, EventCursor};
use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::page::PageRequest;
use codecanvas::domain::submission::{SubmissionFilter, SubmissionScope};
use codecanvas::domain::verdict::{AttemptState, StepKind, Verdict};
use codecanvas::service::attempts::WriteStdin;
use codecanvas::service::input::NewSubmissionInput;
use codecanvas::service::{attempts, diff, history, submissions};

use super::support::workshop::{Workshop, assert_whole, bash, stdout};

const LEASE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_program_runs_and_everything_about_it_is_kept() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let worker = shop.worker(1, LEASE).await;
    let input = NewSubmissionInput {
        stdin: Some("Ada".to_owned()),
        arguments: Some(vec!["Hello".to_owned()]),
        ..bash("read name; echo \"$1 $name\"; echo oops >&2; exit 3")
    };
    let (submission, attempt) = shop.hand_in(&ada, input).await.unwrap();
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), "Hello Ada\n");

    let attempt = attempts::get(&shop.services, &ada, attempt.id).await.unwrap();
    assert_eq!((attempt.state, attempt.verdict), (AttemptState::Finished, Some(Verdict::RuntimeError)));
    assert!(attempt.language_version.unwrap().contains("bash"));
    assert!(attempt.queued_at <= attempt.started_at.unwrap() && attempt.started_at <= attempt.finished_at);
    let steps = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], OutputExtent::Whole).await.unwrap();
    let [step] = &steps[&attempt.id][..] else { panic!("{steps:?}") };
    assert_eq!(
        (step.kind, step.exit_code, step.stdout.bytes.as_slice()),
        (StepKind::Run, Some(3), &b"Hello Ada\n"[..])
    );
    assert_eq!(step.stderr.bytes, b"oops\n");
    let submission = submissions::get(&shop.services, &ada, submission.id).await.unwrap();
    assert_eq!(submission.counted_verdict, Some(Verdict::RuntimeError));

    // The replay from any cursor is the same log.
    for event in &log {
        let rest = shop.events(&ada, attempt.id, Some(EventCursor(event.sequence))).await;
        assert_eq!(rest, log[usize::try_from(event.sequence).unwrap() + 1..]);
    }
    // Nothing is left in the queue or as live rows.
    let left: (i64, i64) = sqlx::query_as("SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM attempt_events)")
        .fetch_one(shop.pool())
        .await
        .unwrap();
    assert_eq!(left, (0, 0));
    worker.drain().await;
    let workers: i64 = sqlx::query_scalar("SELECT count(*) FROM workers").fetch_one(shop.pool()).await.unwrap();
    assert_eq!(workers, 0, "a worker that ends says goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_while_the_program_runs_and_the_log_is_the_same_before_and_after_packing() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let input =
        NewSubmissionInput { is_interactive: true, ..bash("for i in 1 2 3; do echo $i; read line; done; echo end") };
    let (_, attempt) = shop.hand_in(&ada, input).await.unwrap();
    let live = {
        let (shop, ada) = (&shop, &ada);
        async move { shop.events(ada, attempt.id, None).await }
    };
    let typing = async {
        for line in ["1\n", "2\n", "3\n"] {
            // The program waits for a line: it has printed the number before.
            let printed = |body: &EventBody| matches!(body, EventBody::OutputChunk { bytes, .. } if bytes.as_slice() == line.as_bytes());
            shop.until(&ada, attempt.id, printed).await;
            let before = attempts::events(&shop.services, &ada, attempt.id, None, None).await.unwrap();
            assert!(!before.iter().any(|event| event.body.is_last()));
            let write = WriteStdin { offset: None, bytes: line.into(), is_end: false };
            attempts::write_stdin(&shop.services, &ada, attempt.id, write).await.unwrap();
        }
    };
    let (live, ()) = tokio::join!(live, typing);
    assert_whole(&live);
    assert_eq!(stdout(&live), "1\n2\n3\nend\n");
    let typed: Vec<_> = live
        .iter()
        .filter_map(|event| {
            let EventBody::InputChunk { offset, bytes, .. } = &event.body else { return None };
            Some((*offset, String::from_utf8(bytes.clone()).unwrap()))
        })
        .collect();
    assert_eq!(typed, [(0, "1\n".to_owned()), (2, "2\n".to_owned()), (4, "3\n".to_owned())]);
    assert_eq!(shop.events(&ada, attempt.id, None).await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_output_no_more_is_read_than_is_asked_for() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let (_, attempt) = shop.submit(&ada, "seq 100000").await;
    let log = shop.events(&ada, attempt.id, None).await;
    let whole = stdout(&log).into_bytes();
    let steps = async |extent| {
        let mut found = attempts::steps_by_attempts(&shop.services, &ada, &[attempt.id], extent).await.unwrap();
        found.remove(&attempt.id).unwrap().remove(0).stdout
    };
    for (characters, bytes) in [(0, 0), (5, 20), (1000, 4000)] {
        let output = steps(OutputExtent::Ends(characters)).await;
        assert_eq!(output.bytes, [&whole[..bytes], &whole[whole.len() - bytes..]].concat());
        assert!(!output.is_truncated());
    }
    assert_eq!(steps(OutputExtent::Whole).await.bytes, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_without_its_log_is_made_from_the_steps() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let (_, attempt) = shop.submit(&ada, "echo kept; echo also >&2").await;
    shop.finished(&ada, attempt.id).await;
    sqlx::query("DELETE FROM attempt_logs").execute(shop.pool()).await.unwrap();
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), "kept\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_attempt_is_cancelled_at_once_and_again_without_effect() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let (_, attempt) = shop.submit(&ada, "echo started; sleep 30").await;
    shop.until(&ada, attempt.id, |body| matches!(body, EventBody::OutputChunk { .. })).await;
    attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    assert_eq!(shop.finished(&ada, attempt.id).await.verdict, Some(Verdict::Cancelled));
    let again = attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    assert_eq!(again.verdict, Some(Verdict::Cancelled));
    assert_whole(&shop.events(&ada, attempt.id, None).await);
}

#[tokio::test]
async fn a_waiting_attempt_is_cancelled_without_a_worker() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let (_, attempt) = shop.submit(&ada, "echo never").await;
    let attempt = attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    assert_eq!((attempt.state, attempt.verdict), (AttemptState::Finished, Some(Verdict::Cancelled)));
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(log.len(), 2);
}

#[tokio::test]
async fn the_same_key_is_the_same_submission_and_another_program_under_it_is_refused() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let keyed = |source| NewSubmissionInput { idempotency_key: Some("k".to_owned()), ..bash(source) };
    let (first, attempt) = shop.hand_in(&ada, keyed("echo 1")).await.unwrap();
    let (again, same_attempt) = shop.hand_in(&ada, keyed("echo 1")).await.unwrap();
    assert_eq!((first.id, attempt.id), (again.id, same_attempt.id));
    assert_eq!(shop.hand_in(&ada, keyed("echo 2")).await.unwrap_err().code(), "CONFLICT");
    // The key is the user's own, and free again after a day.
    let bob = shop.user("bob").await;
    assert_ne!(shop.hand_in(&bob, keyed("echo 1")).await.unwrap().0.id, first.id);
    sqlx::query("UPDATE submissions SET created_at = now() - interval '25 hours'").execute(shop.pool()).await.unwrap();
    assert_ne!(shop.hand_in(&ada, keyed("echo 2")).await.unwrap().0.id, first.id);
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_submission() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let keyed = || NewSubmissionInput { idempotency_key: Some("k".to_owned()), ..bash("echo 1") };
    let all = futures_util::future::join_all((0..20).map(|_| shop.hand_in(&ada, keyed()))).await;
    let ids: std::collections::HashSet<_> = all.into_iter().map(|one| one.unwrap().0.id).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_rerun_of_the_staff_does_not_count_and_one_of_the_author_does() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let (ada, tom) = (shop.user("ada").await, shop.user("tom").await);
    let course = shop.course(&[(&ada, CourseRole::Student), (&tom, CourseRole::Teacher)]).await;
    let input = NewSubmissionInput { course_id: Some(course), ..bash("echo 1") };
    let (submission, first) = shop.hand_in(&ada, input).await.unwrap();
    let limits = RequestedLimits::default();
    let of_staff = submissions::rerun(&shop.services, &tom, submission.id, limits).await.unwrap();
    assert_eq!((of_staff.number, of_staff.requested_by), (2, tom.user_id));
    let counted = || async { submissions::get(&shop.services, &ada, submission.id).await.unwrap().counted_attempt_id };
    assert_eq!(counted().await, first.id);
    let of_author = submissions::rerun(&shop.services, &ada, submission.id, limits).await.unwrap();
    assert_eq!((of_author.number, counted().await), (3, of_author.id));
    // Others do not even know that it exists.
    let eve = shop.user("eve").await;
    assert_eq!(submissions::rerun(&shop.services, &eve, submission.id, limits).await.unwrap_err().code(), "NOT_FOUND");
    let too_much = RequestedLimits { cpu_time_ms: Some(1_000_000), ..limits };
    let error = submissions::rerun(&shop.services, &ada, submission.id, too_much).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_INPUT");
}

#[tokio::test]
async fn only_the_author_and_the_staff_of_the_course_see_a_submission() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let (ada, ben, tom) = (shop.user("ada").await, shop.user("ben").await, shop.user("tom").await);
    let members = [(&ada, CourseRole::Student), (&ben, CourseRole::Student), (&tom, CourseRole::Assistant)];
    let course = shop.course(&members).await;
    let in_course = NewSubmissionInput { course_id: Some(course), ..bash("echo course") };
    let (in_course, attempt) = shop.hand_in(&ada, in_course).await.unwrap();
    let (private, _) = shop.submit(&ada, "echo private").await;
    let page = PageRequest::top();
    let filter = SubmissionFilter::default();
    for (viewer, seen) in [(&ada, vec![private.id, in_course.id]), (&tom, vec![in_course.id]), (&ben, vec![])] {
        let scope = SubmissionScope::User(ada.user_id);
        let list = history::list(&shop.services, viewer, scope, &filter, &page).await.unwrap();
        assert_eq!(list.items.iter().map(|row| row.id).collect::<Vec<_>>(), seen, "{}", viewer.username);
        let count = history::count(&shop.services, viewer, scope, &filter).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), seen.len());
        let can_see = seen.contains(&in_course.id);
        assert_eq!(submissions::get(&shop.services, viewer, in_course.id).await.is_ok(), can_see);
        assert_eq!(attempts::get(&shop.services, viewer, attempt.id).await.is_ok(), can_see);
        assert_eq!(attempts::events(&shop.services, viewer, attempt.id, None, None).await.is_ok(), can_see);
        let files = submissions::files_by_submissions(&shop.services, viewer, &[in_course.id]).await.unwrap();
        assert_eq!(files.contains_key(&in_course.id), can_see);
    }
    let outside = NewSubmissionInput { course_id: Some(shop.course(&[]).await), ..bash("echo 1") };
    assert_eq!(shop.hand_in(&ada, outside).await.unwrap_err().code(), "NOT_FOUND");
}

#[tokio::test]
async fn pages_are_stable_forwards_and_backwards_while_new_rows_come_in() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let mut ids = Vec::new();
    for index in 0..7 {
        ids.push(shop.submit(&ada, &format!("echo {index}")).await.0.id);
    }
    ids.reverse();
    let list = async |first, after, last, before| {
        let page = PageRequest::new(first, after, last, before).unwrap();
        let scope = SubmissionScope::User(ada.user_id);
        let page = history::list(&shop.services, &ada, scope, &SubmissionFilter::default(), &page).await.unwrap();
        (page.items.iter().map(|row| row.id).collect::<Vec<_>>(), page.has_previous, page.has_next)
    };
    assert_eq!(list(Some(3), None, None, None).await, (ids[..3].to_vec(), false, true));
    shop.submit(&ada, "echo newer").await;
    assert_eq!(list(Some(3), Some(ids[2]), None, None).await, (ids[3..6].to_vec(), true, true));
    assert_eq!(list(Some(3), Some(ids[5]), None, None).await, (ids[6..].to_vec(), true, false));
    assert_eq!(list(None, None, Some(2), None).await, (ids[5..].to_vec(), true, false));
    assert_eq!(list(None, None, Some(3), Some(ids[5])).await, (ids[2..5].to_vec(), true, true));
    let (items, has_previous, has_next) = list(None, None, Some(3), Some(ids[1])).await;
    assert_eq!((items.len(), items[1], has_previous, has_next), (2, ids[0], false, true));
}

#[tokio::test]
async fn every_condition_of_a_filter_narrows_the_list() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let (ada, tom) = (shop.user("ada").await, shop.user("tom").await);
    let course = shop.course(&[(&ada, CourseRole::Student), (&tom, CourseRole::Teacher)]).await;
    let (plain, attempt) = shop.submit(&ada, "echo 100%_done\\n").await;
    attempts::cancel(&shop.services, &ada, attempt.id).await.unwrap();
    let in_course = NewSubmissionInput { course_id: Some(course), ..bash("echo Größe; echo 100 done") };
    let in_course = shop.hand_in(&ada, in_course).await.unwrap().0;
    let check = async |filter: SubmissionFilter, expected: &[_]| {
        let scope = SubmissionScope::User(ada.user_id);
        let page = history::list(&shop.services, &ada, scope, &filter, &PageRequest::top()).await.unwrap();
        assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let any = SubmissionFilter::default;
    let contains = |text: &str| SubmissionFilter { source_contains: Some(text.to_owned()), ..any() };
    check(any(), &[in_course.id, plain.id]).await;
    check(contains("ECHO"), &[in_course.id, plain.id]).await;
    check(contains("größe"), &[in_course.id]).await;
    check(contains("100%_done\\n"), &[plain.id]).await;
    check(contains("0_d"), &[]).await;
    check(SubmissionFilter { course_id: Some(course), ..any() }, &[in_course.id]).await;
    check(SubmissionFilter { author_ids: Some(vec![tom.user_id]), ..any() }, &[]).await;
    check(SubmissionFilter { languages: Some(vec!["bash".to_owned()]), ..any() }, &[in_course.id, plain.id]).await;
    check(SubmissionFilter { languages: Some(vec![]), ..any() }, &[]).await;
    check(SubmissionFilter { states: Some(vec![AttemptState::Queued]), ..any() }, &[in_course.id]).await;
    check(SubmissionFilter { verdicts: Some(vec![Verdict::Cancelled, Verdict::Ok]), ..any() }, &[plain.id]).await;
    check(SubmissionFilter { created_after: Some(in_course.created_at), ..any() }, &[in_course.id]).await;
    check(SubmissionFilter { created_before: Some(in_course.created_at), ..any() }, &[plain.id]).await;
}

#[tokio::test]
async fn one_knows_the_submission_before_and_what_has_changed_since() {
    let shop = Workshop::open().await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    let (first, _) = shop.submit(&ada, "echo 1\necho 2\n").await;
    let (second, _) = shop.submit(&ada, "echo 1\necho 3\n").await;
    let ids = [first.id, second.id];
    let previous = submissions::previous_by_submissions(&shop.services, &ada, &ids).await.unwrap();
    assert_eq!(previous.len(), 1, "nothing is before the first");
    assert_eq!(previous[&second.id].id, first.id);
    let diff = diff::compare(&shop.services, &ada, first.id, second.id).await.unwrap();
    assert_eq!((diff.len(), diff[0].added_lines, diff[0].removed_lines), (1, 1, 1));
    let eve = shop.user("eve").await;
    assert!(submissions::previous_by_submissions(&shop.services, &eve, &ids).await.unwrap().is_empty());
    let (hers, _) = shop.submit(&eve, "echo").await;
    assert_eq!(diff::compare(&shop.services, &ada, hers.id, second.id).await.unwrap_err().code(), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_twice_is_taken_once_and_a_gap_is_refused() {
    let shop = Workshop::open().await;
    let ada = shop.user("ada").await;
    let _worker = shop.worker(1, LEASE).await;
    let input = NewSubmissionInput { is_interactive: true, stdin: Some("zero\n".to_owned()), ..bash("echo go; cat") };
    let (_, attempt) = shop.hand_in(&ada, input).await.unwrap();
    shop.until(&ada, attempt.id, |body| matches!(body, EventBody::OutputChunk { .. })).await;
    let write = async |offset, text: &str, is_end| {
        let write = WriteStdin { offset: Some(offset), bytes: text.into(), is_end };
        attempts::write_stdin(&shop.services, &ada, attempt.id, write).await
    };
    assert_eq!(write(0, "one\n", false).await.unwrap(), 4);
    assert_eq!(write(0, "one\n", false).await.unwrap(), 4);
    assert_eq!(write(9, "x", false).await.unwrap_err().code(), "CONFLICT");
    assert_eq!(write(2, "e\ntwo\n", true).await.unwrap(), 8);
    let log = shop.events(&ada, attempt.id, None).await;
    assert_whole(&log);
    assert_eq!(stdout(&log), "go\nzero\none\ntwo\n");
    assert_eq!(write(8, "x", false).await.unwrap_err().code(), "CONFLICT");
    let (_, plain) = shop.submit(&ada, "sleep 5").await;
    let refused = attempts::write_stdin(&shop.services, &ada, plain.id, WriteStdin::default()).await;
    assert_eq!(refused.unwrap_err().code(), "CONFLICT");
    attempts::cancel(&shop.services, &ada, plain.id).await.unwrap();
}
