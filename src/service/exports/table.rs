//! The history of a course as a table.

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::{Error, Pieces, Source};
use crate::domain::ids::SubmissionId;
use crate::domain::verdict::{AttemptState, Verdict};
use crate::service::courses;
use crate::store::exports::{self, HistoryRow};

/// Rows that are read and written at once.
const ROWS_PER_PIECE: i64 = 500;

/// How rows are written.
pub(super) trait Writer: Send + 'static {
    /// What comes before the first row.
    fn head(&self) -> Result<Vec<u8>, Error>;
    /// Some rows.
    fn rows(&self, rows: Vec<HistoryRow>) -> Result<Vec<u8>, Error>;
}

/// How far the export is.
enum Position {
    Head,
    Behind(Option<SubmissionId>),
    End,
}

/// Writes the whole history, oldest first.
pub(super) fn stream(source: Source, writer: impl Writer + Sync) -> Pieces {
    stream::try_unfold((source, writer, Position::Head), |(source, writer, position)| async move {
        match position {
            Position::Head => {
                let head = Bytes::from(writer.head()?);
                Ok(Some((head, (source, writer, Position::Behind(None)))))
            }
            Position::Behind(after) => {
                let rows = page(&source, after).await?;
                let next = match rows.last() {
                    Some(last) => Position::Behind(Some(last.submission_id)),
                    None => Position::End,
                };
                let piece = Bytes::from(writer.rows(rows)?);
                Ok(Some((piece, (source, writer, next))))
            }
            Position::End => Ok(None),
        }
    })
    .boxed()
}

async fn page(source: &Source, after: Option<SubmissionId>) -> Result<Vec<HistoryRow>, Error> {
    let mut conn = source.services.connection().await?;
    // Without this a file would end early and look whole when the viewer loses the right meanwhile.
    courses::check_staff(&mut conn, &source.viewer, source.course).await?;
    Ok(exports::list_history(&mut conn, &source.viewer, source.course, after, ROWS_PER_PIECE).await?)
}

/// A row as both formats name it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    submission_id: String,
    attempt_id: String,
    created_at: String,
    username: String,
    display_name: String,
    language: String,
    main_path: String,
    state: AttemptState,
    verdict: Option<Verdict>,
    started_at: Option<String>,
    finished_at: Option<String>,
    exit_code: Option<i32>,
    signal: Option<String>,
    cpu_time_ms: Option<i32>,
    wall_time_ms: Option<i32>,
    peak_memory_bytes: Option<i64>,
    attempts: i64,
}

/// The columns of the CSV file: the fields of [`Line`] in their order.
const COLUMNS: [&str; 17] = [
    "submissionId",
    "attemptId",
    "createdAt",
    "username",
    "displayName",
    "language",
    "mainPath",
    "state",
    "verdict",
    "startedAt",
    "finishedAt",
    "exitCode",
    "signal",
    "cpuTimeMs",
    "wallTimeMs",
    "peakMemoryBytes",
    "attempts",
];

impl From<HistoryRow> for Line {
    fn from(row: HistoryRow) -> Self {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        Self {
            submission_id: row.submission_id.to_string(),
            attempt_id: row.attempt_id.to_string(),
            created_at: time(row.created_at),
            username: row.username,
            display_name: row.display_name,
            language: row.language,
            main_path: row.main_path,
            state: row.state,
            verdict: row.verdict,
            started_at: row.started_at.map(time),
            finished_at: row.finished_at.map(time),
            exit_code: row.exit_code,
            signal: row.signal,
            cpu_time_ms: row.cpu_time_ms,
            wall_time_ms: row.wall_time_ms,
            peak_memory_bytes: row.peak_memory_bytes,
            attempts: row.attempts,
        }
    }
}

/// One JSON object per line.
pub(super) struct JsonLines;

impl Writer for JsonLines {
    fn head(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn rows(&self, rows: Vec<HistoryRow>) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut bytes, &Line::from(row)).map_err(Error::internal)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
}

/// RFC 4180.
pub(super) struct Csv;

impl Writer for Csv {
    fn head(&self) -> Result<Vec<u8>, Error> {
        write(|writer| writer.write_record(COLUMNS))
    }

    fn rows(&self, rows: Vec<HistoryRow>) -> Result<Vec<u8>, Error> {
        csv_lines(rows)
    }
}

/// Rows as lines of a CSV file, without formulas.
pub fn csv_lines(rows: Vec<HistoryRow>) -> Result<Vec<u8>, Error> {
    write(|writer| {
        for row in rows {
            let mut line = Line::from(row);
            // What students choose. The rest is made by the server and cannot be a formula.
            for cell in [&mut line.username, &mut line.display_name, &mut line.language, &mut line.main_path] {
                if let Cow::Owned(harmless) = defuse(cell) {
                    *cell = harmless;
                }
            }
            writer.serialize(line)?;
        }
        Ok(())
    })
}

fn write(fill: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Result<Vec<u8>, Error> {
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    fill(&mut writer).map_err(Error::internal)?;
    writer.into_inner().map_err(|error| Error::internal(error.into_error()))
}

/// A cell that no spreadsheet takes for a formula: an apostrophe goes in front of what could start one
/// (OWASP, "CSV Injection"), full-width forms included.
fn defuse(cell: &str) -> Cow<'_, str> {
    const STARTERS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    if cell.trim_start_matches(' ').starts_with(STARTERS) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AttemptId;

    fn row(display_name: &str) -> HistoryRow {
        HistoryRow {
            submission_id: SubmissionId::new(),
            attempt_id: AttemptId::new(),
            created_at: DateTime::UNIX_EPOCH,
            username: "ada".to_owned(),
            display_name: display_name.to_owned(),
            language: "c++".to_owned(),
            main_path: "-rf.cpp".to_owned(),
            state: AttemptState::Finished,
            verdict: Some(Verdict::Ok),
            started_at: None,
            finished_at: None,
            exit_code: Some(-1),
            signal: None,
            cpu_time_ms: Some(12),
            wall_time_ms: None,
            peak_memory_bytes: Some(1 << 40),
            attempts: 2,
        }
    }

    #[test]
    fn no_cell_that_a_student_chose_is_a_formula() {
        for (cell, harmless) in [
            ("Ada", "Ada"),
            ("=1+1", "'=1+1"),
            (" =1+1", "' =1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("+4", "'+4"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(defuse(cell), harmless);
        }
        let bytes = Csv.rows(vec![row("=HYPERLINK(\"http://x\",\"y\")")]).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#","'=HYPERLINK(""http://x"",""y"")",c++,'-rf.cpp,FINISHED,OK,"#), "{text}");
        assert!(text.ends_with(",,,-1,,12,,1099511627776,2\r\n"), "{text}");
    }

    #[test]
    fn the_columns_are_the_fields_of_a_line() {
        let line: serde_json::Value = serde_json::from_slice(&JsonLines.rows(vec![row("Ada")]).unwrap()).unwrap();
        let mut names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let mut columns = COLUMNS.to_vec();
        names.sort_unstable();
        columns.sort_unstable();
        assert_eq!(names, columns);
        let head = String::from_utf8(Csv.head().unwrap()).unwrap();
        assert!(head.starts_with("submissionId,attemptId,") && head.ends_with(",attempts\r\n"));
    }
}
