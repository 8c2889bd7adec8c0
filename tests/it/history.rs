//! Finding what was handed in, and what is kept of it.

use std::time::Duration;

use codecanvas::auth::Viewer;
use codecanvas::domain::course::{Course, CourseRole};
use codecanvas::domain::ids::SubmissionId;
use codecanvas::domain::page::PageRequest;
use codecanvas::domain::submission::{SubmissionFilter, SubmissionScope};
use codecanvas::service::{Error, history};
use codecanvas::store::{search, sources};
use futures_util::FutureExt as _;
use sqlx::PgConnection;

use crate::support::desk::{Desk, HandedIn, code};

/// More than are read before the index is asked.
const MANY: u32 = 230;

struct School {
    desk: Desk,
    teacher: Viewer,
    course: Course,
    /// Newest first.
    ids: Vec<SubmissionId>,
}

/// A course in which the same was handed in again and again, and something else at first.
async fn school() -> School {
    let desk = Desk::new().await;
    let teacher = desk.teacher("tess").await;
    let course = desk.course(&teacher).await;
    let ada = desk.member(&teacher, &course, "ada", CourseRole::Student).await;
    let mut ids = Vec::new();
    for seconds in 0..MANY {
        let source = if seconds == MANY - 1 { "print('Nadel ~~ 50%_\\\\ é')" } else { "print('hay')" };
        let ago = Duration::from_secs(u64::from(seconds));
        ids.push(desk.submission(&HandedIn { source, ago, ..HandedIn::by(&ada, Some(&course)) }).await);
    }
    School { desk, teacher, course, ids }
}

impl School {
    async fn find(&self, text: &str, page: &PageRequest<SubmissionId>) -> Result<(Vec<SubmissionId>, i64), Error> {
        let filter = SubmissionFilter { source_contains: Some(text.to_owned()), ..SubmissionFilter::default() };
        let scope = SubmissionScope::Course(self.course.id);
        let page = history::list(&self.desk.services, &self.teacher, scope, &filter, page).await?;
        let count = history::count(&self.desk.services, &self.teacher, scope, &filter).await?;
        Ok((page.items.iter().map(|submission| submission.id).collect(), count))
    }
}

#[tokio::test]
async fn a_text_is_found_whether_it_is_rare_or_frequent_and_whatever_it_is_made_of() {
    let school = school().await;
    let (oldest, all) = (*school.ids.last().unwrap(), i64::from(MANY));
    for end in [PageRequest::new(Some(3), None, None, None), PageRequest::new(None, None, Some(3), None)] {
        let page = end.unwrap();
        for rare in ["nadel", "~~", "50%_", "_\\", "50%_\\\\ É", "l ~"] {
            assert_eq!(school.find(rare, &page).await.unwrap(), (vec![oldest], 1), "{rare:?}");
        }
        for absent in ["nowhere", "%%", "__", "\\%", "😀", &"\\".repeat(200), &"%_".repeat(100), &"print".repeat(40)]
        {
            assert_eq!(school.find(absent, &page).await.unwrap(), (vec![], 0), "{absent:?}");
        }
    }
    let (first, count) = school.find("HAY", &PageRequest::new(Some(3), None, None, None).unwrap()).await.unwrap();
    assert_eq!((first.as_slice(), count), (&school.ids[..3], all - 1));
    let after = PageRequest::new(Some(100), Some(school.ids[200]), None, None).unwrap();
    assert_eq!(school.find("print", &after).await.unwrap().0, school.ids[201..]);
    let before = PageRequest::new(None, None, Some(2), Some(school.ids[2])).unwrap();
    assert_eq!(school.find("hay", &before).await.unwrap().0, school.ids[..2]);
    assert_eq!(school.find("", &PageRequest::top()).await.unwrap().1, all);
    for refused in ["x".repeat(201), "a\0b".to_owned(), "x".repeat(10_000)] {
        assert_eq!(code(school.find(&refused, &PageRequest::top()).await), "INVALID_INPUT");
    }
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_told_from_a_failure() {
    let desk = Desk::new().await;
    let mut tx = desk.services.begin().await.unwrap();
    search::bound(&mut tx, Duration::from_millis(20)).await.unwrap();
    let error = sqlx::query("SELECT pg_sleep(60)").execute(&mut *tx).await.unwrap_err();
    assert!(search::took_too_long(&error), "{error}");
    assert!(!search::took_too_long(&sqlx::Error::RowNotFound));
}

#[tokio::test]
async fn whoever_looks_for_a_text_waits_without_a_connection_and_holds_up_nobody_else() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    let id = desk.submission(&HandedIn { source: "print('hay')", ..HandedIn::by(&ada, None) }).await;
    let list = async |text: Option<&str>| {
        let filter = SubmissionFilter { source_contains: text.map(str::to_owned), ..SubmissionFilter::default() };
        let scope = SubmissionScope::User(ada.user_id);
        let page = history::list(&desk.services, &ada, scope, &filter, &PageRequest::top()).await?;
        Ok::<_, Error>(page.items.iter().map(|submission| submission.id).collect::<Vec<_>>())
    };
    let mut searching = Vec::new();
    let connections = usize::try_from(desk.services.pool.options().get_max_connections()).unwrap();
    // All who may at once: then the next one waits, and those after the last who may wait are turned away.
    while let Some(turn) = desk.services.searches.turn().now_or_never() {
        searching.push(turn.unwrap());
    }
    assert!(!searching.is_empty() && searching.len() <= connections / 2, "{} searches", searching.len());
    let mut waiting = Vec::new();
    let refused = loop {
        let mut search = Box::pin(list(Some("HAY")));
        match search.as_mut().now_or_never() {
            None => waiting.push(search),
            Some(answer) => break answer.unwrap_err(),
        }
    };
    assert!(!waiting.is_empty());
    assert!(refused.code() == "OVERLOADED" && refused.retry_after().is_some(), "{refused}");
    assert_eq!(list(None).await.unwrap(), [id]);

    drop(searching);
    for answer in futures_util::future::join_all(waiting).await {
        assert_eq!(answer.unwrap(), [id]);
    }
}

/// The text is in none of them, its parts are in all: an index of parts gives every one of them back.
#[tokio::test]
async fn looking_into_some_submissions_reads_their_contents_and_no_others() {
    const LOOKED_INTO: i64 = 800;
    let desk = Desk::new().await;
    let mut conn = desk.services.connection().await.unwrap();
    for statement in [
        "INSERT INTO sources (sha256, bytes, text)
         SELECT sha256(n::text::bytea), '', 'import sys, total, values ' || n FROM generate_series(1, 20000) AS n",
        // Whose they are is not asked here.
        "ALTER TABLE submission_files DROP CONSTRAINT submission_files_submission_id_fkey",
        "INSERT INTO submission_files (submission_id, position, path, sha256)
         SELECT gen_random_uuid(), 0, 'main.py', sha256 FROM sources",
        "VACUUM ANALYZE sources, submission_files",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT submission_id FROM submission_files LIMIT $1")
        .bind(LOOKED_INTO)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let ids: Vec<_> = ids.into_iter().map(SubmissionId::from_uuid).collect();
    let mut tx = desk.services.begin().await.unwrap();
    search::bound(&mut tx, Duration::from_mins(1)).await.unwrap();
    let before = contents_read(&mut tx).await;
    let needle = search::Needle::new("import total values");
    assert_eq!(search::filter(&mut tx, &ids, &needle).await.unwrap(), []);
    let read = contents_read(&mut tx).await - before;
    assert!(read <= LOOKED_INTO, "{read} contents were read for {LOOKED_INTO} submissions");
}

/// How many contents the connection has read, since Postgres last collected that.
async fn contents_read(conn: &mut PgConnection) -> i64 {
    let statement = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'sources'";
    sqlx::query_scalar(statement).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn contents_that_nobody_has_any_more_are_swept_away_stretch_by_stretch() {
    let desk = Desk::new().await;
    let ada = desk.user("ada").await;
    desk.submission(&HandedIn::by(&ada, None)).await;
    let kept = desk.count("SELECT count(*) FROM sources").await;
    let orphans =
        "INSERT INTO sources (sha256, bytes) SELECT sha256(n::text::bytea), '' FROM generate_series(1, 25) AS n";
    sqlx::query(orphans).execute(&desk.services.pool).await.unwrap();
    let mut conn = desk.services.connection().await.unwrap();
    let (mut after, mut deleted, mut stretches) = (Some(Vec::new()), 0, 0);
    while let Some(digest) = after {
        let swept = sources::delete_orphans(&mut conn, &digest, 10).await.unwrap();
        deleted += swept.deleted;
        stretches += 1;
        after = swept.last;
    }
    assert_eq!((deleted, stretches), (25, 3));
    assert_eq!(desk.count("SELECT count(*) FROM sources").await, kept);
}
