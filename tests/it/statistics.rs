//! What a teacher sees of a course at a glance.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use codecanvas::auth::Viewer;
use codecanvas::domain::course::CourseRole;
use codecanvas::domain::statistics::CourseStatistics;
use codecanvas::domain::verdict::Verdict;
use codecanvas::service::statistics;

use crate::support::desk::{Desk, HandedIn, code};

const MINUTE: Duration = Duration::from_mins(1);

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
