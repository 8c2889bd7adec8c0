//! A course as a file.

use std::sync::Arc;
use std::time::Duration;

use async_zip::base::read::mem::ZipFileReader;
use codecanvas::auth::Viewer;
use codecanvas::domain::course::{Course, CourseRole};
use codecanvas::service::exports::{Format, export};
use codecanvas::service::{Error, courses, people};
use futures_util::TryStreamExt as _;

use crate::support::desk::{Desk, HandedIn, code};

const MINUTE: Duration = Duration::from_mins(1);

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
