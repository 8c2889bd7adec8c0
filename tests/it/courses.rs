//! Courses: joining, roles, the live class, statistics, remarks, exports.

use std::sync::Arc;
use std::time::Duration;

use async_zip::base::read::mem::ZipFileReader;
use chrono::{TimeDelta, Utc};
use codecanvas::auth::Viewer;
use codecanvas::domain::course::{Course, CourseRole};
use codecanvas::domain::ids::{CourseId, SubmissionId, UserId};
use codecanvas::domain::statistics::CourseStatistics;
use codecanvas::domain::user::SiteRole;
use codecanvas::domain::verdict::Verdict;
use codecanvas::service::courses::UpdateCourse;
use codecanvas::service::exports::{Format, export};
use codecanvas::service::feedback::AddFeedback;
use codecanvas::service::{Error, courses, feedback, people, sessions, statistics};
use futures_util::TryStreamExt as _;

use crate::support::desk::{Desk, HandedIn, client, code};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn teachers_create_courses_and_students_join_by_the_code() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let ada = desk.user("ada").await;
    assert_eq!(code(courses::create(&desk.services, &ada, "Mine").await), "FORBIDDEN");
    assert_eq!(code(courses::create(&desk.services, &teacher, " ").await), "INVALID_INPUT");
    assert_eq!(code(courses::create(&desk.services, &teacher, &"x".repeat(121)).await), "INVALID_INPUT");

    let course = courses::create(&desk.services, &teacher, " Intro CS ").await.unwrap();
    assert_eq!((course.title.as_str(), course.viewer_role), ("Intro CS", Some(CourseRole::Teacher)));
    let join_code = course.join_code.clone().unwrap();
    assert!(courses::courses_by_ids(&desk.services, &ada, &[course.id]).await.unwrap().is_empty());

    let typed = join_code.replace('-', " ").to_lowercase();
    let joined = courses::join(&desk.services, &ada, &typed).await.unwrap();
    assert_eq!((joined.id, joined.viewer_role, joined.join_code), (course.id, Some(CourseRole::Student), None));
    // Whoever joins twice stays what they are.
    let teacher_again = courses::join(&desk.services, &teacher, &join_code).await.unwrap();
    assert_eq!(teacher_again.viewer_role, Some(CourseRole::Teacher));
    let members = courses::members(&desk.services, &ada, &[course.id], None).await.unwrap();
    let roles: Vec<_> = members[&course.id].iter().map(|member| (member.user_id, member.role)).collect();
    assert_eq!(roles, [(teacher.user_id, CourseRole::Teacher), (ada.user_id, CourseRole::Student)]);
    assert_eq!(courses::list_of_user(&desk.services, &ada, ada.user_id).await.unwrap().len(), 1);
    assert_eq!(code(courses::list_of_user(&desk.services, &ada, teacher.user_id).await), "FORBIDDEN");
}

#[tokio::test]
async fn a_join_code_cannot_be_guessed() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    let guest = sessions::sign_in_as_guest(&desk.services, &client()).await.unwrap().viewer();
    assert_eq!(code(courses::join(&desk.services, &guest, "7KX-94Q").await), "FORBIDDEN");
    assert_eq!(code(courses::join(&desk.services, &ada, "7KX-940").await), "INVALID_INPUT");
    let mut codes = Vec::new();
    for _ in 0..10 {
        codes.push(code(courses::join(&desk.services, &ada, "7KX-94Q").await));
    }
    assert_eq!(codes[..9], ["NOT_FOUND"; 9]);
    assert_eq!(codes[9], "RATE_LIMITED");
}

#[tokio::test]
async fn a_course_is_renamed_archived_and_its_code_renewed_by_its_teachers() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let student = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let assistant = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    let stranger = desk.teacher("strange").await;
    let bob = desk.user("bob").await;
    let renamed = || UpdateCourse { title: Some("CS 1".to_owned()), ..UpdateCourse::default() };
    for (viewer, answer) in [(&student, "FORBIDDEN"), (&assistant, "FORBIDDEN"), (&stranger, "NOT_FOUND")] {
        assert_eq!(code(courses::update(&desk.services, viewer, course.id, renamed()).await), answer);
    }
    let old_code = course.join_code.clone().unwrap();
    let input = UpdateCourse { is_join_code_renewed: true, ..renamed() };
    let updated = courses::update(&desk.services, &teacher, course.id, input).await.unwrap();
    assert_eq!((updated.title.as_str(), updated.archived_at), ("CS 1", None));
    let new_code = updated.join_code.unwrap();
    assert_ne!(new_code, old_code);
    assert_eq!(code(courses::join(&desk.services, &bob, &old_code).await), "NOT_FOUND");

    let archive = |is_archived| UpdateCourse { is_archived: Some(is_archived), ..UpdateCourse::default() };
    let archived = courses::update(&desk.services, &teacher, course.id, archive(true)).await.unwrap();
    assert!(archived.archived_at.is_some() && archived.title == "CS 1");
    assert_eq!(code(courses::join(&desk.services, &bob, &new_code).await), "CONFLICT");
    assert_eq!(code(courses::join(&desk.services, &student, &new_code).await), "OK");
    let reopened = courses::update(&desk.services, &teacher, course.id, archive(false)).await.unwrap();
    assert_eq!(reopened.archived_at, None);
    courses::join(&desk.services, &bob, &new_code).await.unwrap();
}

#[tokio::test]
async fn a_course_keeps_a_teacher() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let demote = |viewer, user| courses::set_member_role(&desk.services, viewer, course.id, user, CourseRole::Student);
    assert_eq!(code(courses::leave(&desk.services, &teacher, course.id).await), "CONFLICT");
    assert_eq!(code(demote(&teacher, teacher.user_id).await), "CONFLICT");
    let remove = courses::remove_member(&desk.services, &teacher, course.id, teacher.user_id);
    assert_eq!(code(remove.await), "CONFLICT");

    courses::set_member_role(&desk.services, &teacher, course.id, ada.user_id, CourseRole::Teacher).await.unwrap();
    // Two teachers who leave at the same moment: one of them stays.
    let (one, two) = tokio::join!(
        courses::leave(&desk.services, &teacher, course.id),
        courses::leave(&desk.services, &ada, course.id),
    );
    let mut codes = [code(one), code(two)];
    codes.sort_unstable();
    assert_eq!(codes, ["CONFLICT", "OK"]);
}

#[tokio::test]
async fn whoever_leaves_or_is_removed_sees_the_course_no_more_and_their_work_stays() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let alan = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    assert_eq!(code(courses::check_watcher(&desk.services, &alan, course.id).await), "OK");
    assert_eq!(code(courses::check_watcher(&desk.services, &ada, course.id).await), "FORBIDDEN");

    for (viewer, answer) in [(&ada, "FORBIDDEN"), (&alan, "FORBIDDEN")] {
        let remove = courses::remove_member(&desk.services, viewer, course.id, ada.user_id);
        assert_eq!(code(remove.await), answer);
    }
    let left = courses::leave(&desk.services, &ada, course.id).await.unwrap();
    assert_eq!((left.id, left.viewer_role), (course.id, None));
    assert_eq!(code(courses::leave(&desk.services, &ada, course.id).await), "NOT_FOUND");
    courses::remove_member(&desk.services, &teacher, course.id, alan.user_id).await.unwrap();
    assert_eq!(code(courses::check_watcher(&desk.services, &alan, course.id).await), "NOT_FOUND");
    let remove = courses::remove_member(&desk.services, &teacher, course.id, alan.user_id);
    assert_eq!(code(remove.await), "NOT_FOUND");
    assert_eq!(desk.count("SELECT count(*) FROM submissions WHERE course_id IS NOT NULL").await, 1);
}

#[tokio::test]
async fn an_admin_gives_an_abandoned_course_a_teacher_and_reads_nothing_in_it() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.user("bob").await;
    let root = desk.person("root", SiteRole::Admin).await;
    let name = |viewer, user| courses::set_member_role(&desk.services, viewer, course.id, user, CourseRole::Teacher);
    assert_eq!(code(name(&teacher, bob.user_id).await), "NOT_FOUND", "teachers draw nobody in");
    people::delete_account(&desk.services, &teacher, crate::support::desk::PASSWORD).await.unwrap();

    let seen = courses::courses_by_ids(&desk.services, &root, &[course.id]).await.unwrap();
    assert_eq!((seen[&course.id].viewer_role, seen[&course.id].join_code.as_ref()), (None, None));
    assert_eq!(courses::list_of_user(&desk.services, &root, ada.user_id).await.unwrap().len(), 1);
    assert_eq!(code(courses::check_watcher(&desk.services, &root, course.id).await), "FORBIDDEN");
    assert_eq!(code(statistics::roster(&desk.services, &root, course.id).await), "FORBIDDEN");
    assert_eq!(code(name(&root, UserId::new()).await), "NOT_FOUND");
    name(&root, bob.user_id).await.unwrap();
    assert_eq!(code(courses::check_watcher(&desk.services, &bob, course.id).await), "OK");
}

#[tokio::test]
async fn memberships_are_told_to_members_only() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.user("bob").await;
    let pairs = [(course.id, ada.user_id), (course.id, bob.user_id), (CourseId::new(), ada.user_id)];
    let known = courses::memberships(&desk.services, &teacher, &pairs).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&pairs[0]]);
    assert!(courses::memberships(&desk.services, &bob, &pairs).await.unwrap().is_empty());
    assert!(courses::members(&desk.services, &bob, &[course.id], None).await.unwrap().is_empty());
    let students = courses::members(&desk.services, &ada, &[course.id], Some(CourseRole::Student)).await.unwrap();
    assert_eq!(students[&course.id].len(), 1);
}

#[tokio::test]
async fn the_roster_tells_who_is_stuck() {
    use Verdict::{Cancelled, CompileError, Ok, RuntimeError, SystemError, WallTimeLimit};
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let mut students = Vec::new();
    for name in ["a-fine", "b-stuck", "c-yesterday", "d-idle", "e-private"] {
        students.push(desk.member(&teacher, &course, name, CourseRole::Student).await);
    }
    let ended = |history: &[(Verdict, u32)]| history.iter().map(|(verdict, ago)| (Some(*verdict), *ago)).collect();
    let mut histories: [Vec<(Option<Verdict>, u32)>; 3] = [
        ended(&[(RuntimeError, 50), (CompileError, 40), (RuntimeError, 30), (Ok, 20), (RuntimeError, 10)]),
        ended(&[
            (Ok, 50),
            (RuntimeError, 40),
            (Cancelled, 35),
            (WallTimeLimit, 30),
            (SystemError, 20),
            (CompileError, 10),
        ]),
        ended(&[(RuntimeError, 90), (RuntimeError, 80), (RuntimeError, 61)]),
    ];
    histories[1].push((None, 0));
    let mut last = None;
    for (student, history) in histories.into_iter().enumerate() {
        for (verdict, minutes) in history {
            let handed_in =
                HandedIn { verdict, ago: MINUTE * minutes, ..HandedIn::by(&students[student], Some(&course)) };
            let id = desk.submission(&handed_in).await;
            if student == 1 {
                last = Some(id);
            }
        }
    }
    for _ in 0..3 {
        // What is not handed in for the course tells the teacher nothing.
        desk.submission(&HandedIn { verdict: Some(RuntimeError), ..HandedIn::by(&students[4], None) }).await;
    }

    let roster = statistics::roster(&desk.services, &teacher, course.id).await.unwrap();
    let figures: Vec<_> =
        roster.iter().map(|row| (row.submission_count, row.ok_count, row.consecutive_failures, row.is_stuck)).collect();
    assert_eq!(figures, [(5, 1, 1, false), (7, 1, 3, true), (3, 0, 3, false), (0, 0, 0, false), (0, 0, 0, false)]);
    assert_eq!(roster[1].last_submission_id, last);
    assert_eq!(roster[3].last_submission_id, None);
    assert_eq!(roster[1].member.user_id, students[1].user_id);
    assert_eq!(code(statistics::roster(&desk.services, &students[0], course.id).await), "FORBIDDEN");
    let stranger = desk.teacher("strange").await;
    assert_eq!(code(statistics::roster(&desk.services, &stranger, course.id).await), "NOT_FOUND");
}

#[tokio::test]
async fn statistics_count_what_was_handed_in_within_the_range() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.member(&teacher, &course, "bob", CourseRole::Student).await;
    let hand_in = async |viewer: &Viewer, verdict, language, minutes: u32| {
        let handed_in = HandedIn { verdict, language, ago: MINUTE * minutes, ..HandedIn::by(viewer, Some(&course)) };
        desk.submission(&handed_in).await;
    };
    hand_in(&ada, Some(Verdict::Ok), "python3", 5).await;
    hand_in(&ada, Some(Verdict::Ok), "c++", 65).await;
    hand_in(&bob, Some(Verdict::RuntimeError), "python3", 125).await;
    hand_in(&teacher, Some(Verdict::Ok), "python3", 6).await;
    hand_in(&bob, None, "rust", 0).await;
    hand_in(&bob, Some(Verdict::RuntimeError), "go", 620).await;
    hand_in(&bob, Some(Verdict::Cancelled), "go", 610).await;
    hand_in(&bob, Some(Verdict::Ok), "go", 600).await;
    desk.submission(&HandedIn::by(&ada, None)).await;

    let now = Utc::now();
    let since = now - TimeDelta::hours(4);
    let count = |viewer, since, until| statistics::course_statistics(&desk.services, viewer, course.id, since, until);
    let all = count(&teacher, Some(since), None).await.unwrap();
    assert_eq!((all.submissions, all.active_students), (5, 2));
    assert_eq!(all.by_verdict, [(Verdict::Ok, 3), (Verdict::RuntimeError, 1)]);
    let languages: Vec<_> = all.by_language.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(languages, [("python3", 3), ("c++", 1), ("rust", 1)]);
    assert_eq!(all.over_time.iter().map(|bucket| bucket.submissions).sum::<i64>(), 5);
    assert_eq!(all.over_time.iter().map(|bucket| bucket.ok).sum::<i64>(), 3);
    assert!(all.over_time.len() >= 48 && all.over_time[0].starts_at <= since);
    assert!(all.over_time.windows(2).all(|pair| pair[1].starts_at - pair[0].starts_at == TimeDelta::minutes(5)));
    let ended: i64 = all.over_time.iter().flat_map(|bucket| &bucket.by_verdict).map(|(_, count)| count).sum();
    assert_eq!(ended, 4, "what has not ended is left out");

    // Which run was the first that ended well: nobody's failures count for somebody else.
    let until_ok = |counts: CourseStatistics| {
        let students = counts.by_student.into_iter();
        students.map(|of| (of.user_id, of.submissions, of.until_ok)).collect::<Vec<_>>()
    };
    assert_eq!(until_ok(all), [(ada.user_id, 2, Some(1)), (bob.user_id, 2, None)]);
    let day = count(&teacher, Some(now - TimeDelta::days(1)), None).await.unwrap();
    assert_eq!(until_ok(day), [(bob.user_id, 5, Some(2)), (ada.user_id, 2, Some(1))]);

    // Students count their own; nothing is nothing, and still has its periods.
    let own = count(&ada, Some(since), None).await.unwrap();
    assert_eq!((own.submissions, own.active_students), (2, 1));
    let empty = count(&teacher, Some(now - TimeDelta::days(900)), Some(now - TimeDelta::days(800))).await.unwrap();
    assert_eq!((empty.submissions, empty.by_verdict.len()), (0, 0));
    assert!(empty.over_time.len() >= 14 && empty.over_time.iter().all(|bucket| bucket.submissions == 0));
    count(&teacher, None, None).await.unwrap();

    let stranger = desk.teacher("strange").await;
    assert_eq!(code(count(&stranger, None, None).await), "NOT_FOUND");
    assert_eq!(code(count(&teacher, Some(now), Some(now)).await), "INVALID_INPUT");
    assert_eq!(code(count(&teacher, Some(chrono::DateTime::<Utc>::MIN_UTC), None).await), "INVALID_INPUT");
}

fn remark(
    submission_id: SubmissionId,
    path: Option<&str>,
    start_line: Option<i32>,
    end_line: Option<i32>,
) -> AddFeedback {
    AddFeedback { submission_id, body: "Look here.\n".to_owned(), path: path.map(str::to_owned), start_line, end_line }
}

#[tokio::test]
async fn teachers_and_assistants_remark_on_lines_and_the_author_reads_it() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.member(&teacher, &course, "bob", CourseRole::Student).await;
    let alan = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    let handed_in = desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    let private = desk.submission(&HandedIn::by(&ada, None)).await;
    let add = async |viewer: &Viewer, input: AddFeedback| feedback::add(&desk.services, viewer, &input).await;

    let whole = add(&teacher, remark(handed_in, None, None, None)).await.unwrap();
    assert_eq!((whole.body.as_str(), whole.lines), ("Look here.", None));
    let line = add(&alan, remark(handed_in, Some("main.py"), Some(2), None)).await.unwrap();
    assert_eq!((line.path.as_deref(), line.lines), (Some("main.py"), Some((2, 2))));
    add(&alan, remark(handed_in, Some("b.txt"), Some(1), Some(1))).await.unwrap();

    for (viewer, submission, answer) in [
        (&ada, handed_in, "FORBIDDEN"),
        (&bob, handed_in, "NOT_FOUND"),
        (&teacher, private, "NOT_FOUND"),
        (&ada, private, "FORBIDDEN"),
        (&teacher, SubmissionId::new(), "NOT_FOUND"),
    ] {
        assert_eq!(code(add(viewer, remark(submission, None, None, None)).await), answer);
    }
    for (path, start, end, wrong) in [
        (Some("main.c"), None, None, "path"),
        (Some("a\0"), None, None, "path"),
        (None, Some(1), None, "path"),
        (Some("main.py"), Some(0), None, "startLine"),
        (Some("main.py"), Some(4), None, "startLine"),
        (Some("main.py"), None, Some(1), "startLine"),
        (Some("main.py"), Some(2), Some(1), "endLine"),
        (Some("main.py"), Some(1), Some(i32::MAX), "endLine"),
    ] {
        let error = add(&teacher, remark(handed_in, path, start, end)).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidInput { path, .. } if path == wrong), "{wrong}: {error:?}");
    }
    let empty = AddFeedback { body: " \n".to_owned(), ..remark(handed_in, None, None, None) };
    assert_eq!(code(add(&teacher, empty).await), "INVALID_INPUT");

    let ids = [handed_in, private];
    let read = feedback::feedback_by_submissions(&desk.services, &ada, &ids).await.unwrap();
    assert_eq!(read[&handed_in].len(), 3);
    assert_eq!(read[&handed_in][0], whole);
    assert!(feedback::feedback_by_submissions(&desk.services, &bob, &ids).await.unwrap().is_empty());
    assert_eq!(feedback::find(&desk.services, &ada, line.id).await.unwrap(), Some(line.clone()));
    assert_eq!(feedback::find(&desk.services, &bob, line.id).await.unwrap(), None);
    // Who remarked is seen by the author also when they have left.
    courses::leave(&desk.services, &alan, course.id).await.unwrap();
    courses::leave(&desk.services, &ada, course.id).await.unwrap();
    assert_eq!(people::users_by_ids(&desk.services, &ada, &[alan.user_id]).await.unwrap().len(), 1);
}

async fn file(desk: &Desk, viewer: &Viewer, course: &Course, format: Format) -> Result<Vec<u8>, Error> {
    let pieces = export(Arc::clone(&desk.services), viewer.clone(), course.id, format).await?;
    let pieces: Vec<_> = pieces.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn a_history_longer_than_a_piece_is_exported_whole_and_in_order() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    people::update_profile(&desk.services, &ada, "=cmd|'/C calc'!A0").await.unwrap();
    desk.submission(&HandedIn::by(&ada, Some(&course))).await;
    desk.submission(&HandedIn::by(&ada, None)).await;
    desk.sql(
        "INSERT INTO submissions
         SELECT gen_random_uuid(), author_id, course_id, language, main_path, stdin, arguments, is_interactive, created_at,
             NULL, input_sha256, counted_attempt_id, counted_state, counted_verdict
         FROM submissions, generate_series(1, 1200) WHERE course_id = $1",
        course.id.as_uuid(),
    )
    .await;

    let csv = file(&desk, &teacher, &course, Format::Csv).await.unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    assert_eq!(reader.headers().unwrap().get(4), Some("displayName"));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1201);
    assert!(rows.iter().all(|row| &row[3] == "ada" && &row[4] == "'=cmd|'/C calc'!A0" && &row[8] == "OK"));
    assert!(rows.is_sorted_by(|a, b| a[0] < b[0]), "each once, by id");

    let lines = String::from_utf8(file(&desk, &teacher, &course, Format::JsonLines).await.unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 1201);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["displayName"], &first["verdict"]), (&"=cmd|'/C calc'!A0".into(), &"OK".into()));
    assert_eq!(first["submissionId"], rows[0][0]);

    let stranger = desk.teacher("strange").await;
    for format in [Format::Csv, Format::JsonLines, Format::Zip] {
        assert_eq!(code(file(&desk, &ada, &course, format).await), "FORBIDDEN");
        assert_eq!(code(file(&desk, &stranger, &course, format).await), "NOT_FOUND");
    }
}

#[tokio::test]
async fn an_export_fails_aloud_when_its_reader_loses_the_right() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let alan = desk.member(&teacher, &course, "alan", CourseRole::Assistant).await;
    desk.submission(&HandedIn::by(&teacher, Some(&course))).await;
    let mut pieces = export(Arc::clone(&desk.services), alan.clone(), course.id, Format::Csv).await.unwrap();
    assert!(pieces.try_next().await.unwrap().is_some());
    courses::remove_member(&desk.services, &teacher, course.id, alan.user_id).await.unwrap();
    assert_eq!(pieces.try_next().await.unwrap_err().code(), "NOT_FOUND");
}

#[tokio::test]
async fn the_archive_holds_what_each_student_handed_in_last() {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let bob = desk.member(&teacher, &course, "Bob", CourseRole::Student).await;
    desk.member(&teacher, &course, "idle", CourseRole::Student).await;
    let old = HandedIn { ago: MINUTE, source: "old", ..HandedIn::by(&ada, Some(&course)) };
    desk.submission(&old).await;
    desk.submission(&HandedIn { source: "new", ..HandedIn::by(&ada, Some(&course)) }).await;
    desk.submission(&HandedIn { source: "private", ..HandedIn::by(&ada, None) }).await;
    // Larger than the pipe and hard to compress.
    let large: String = std::iter::repeat_with(|| char::from(rand::random_range(b' '..b'~'))).take(300_000).collect();
    let large: &'static str = large.leak();
    desk.submission(&HandedIn { source: large, ..HandedIn::by(&bob, Some(&course)) }).await;
    desk.submission(&HandedIn::by(&teacher, Some(&course))).await;

    let bytes = file(&desk, &teacher, &course, Format::Zip).await.unwrap();
    let archive = ZipFileReader::new(bytes).await.unwrap();
    let mut found = Vec::new();
    for (index, entry) in archive.file().entries().iter().enumerate() {
        let mut text = String::new();
        archive.reader_with_entry(index).await.unwrap().read_to_string_checked(&mut text).await.unwrap();
        found.push((entry.filename().as_str().unwrap().to_owned(), text));
    }
    let expected = [("ada/main.py", "new"), ("ada/b.txt", ""), ("Bob/main.py", large), ("Bob/b.txt", "")];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
}
