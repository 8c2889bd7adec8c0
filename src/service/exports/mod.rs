//! A course as a file: its history as a table, or what each student handed in last as an archive.
//!
//! A file is made while it is sent, in pieces, and no transaction is open between two pieces: a slow
//! reader costs a few hundred kilobytes and no connection. The viewer's right is checked again with
//! each piece.

mod archive;
mod table;

pub use table::csv_lines;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::{Error, Services, courses};
use crate::auth::Viewer;
use crate::domain::ids::CourseId;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The history, a line per submission, for spreadsheets (RFC 4180, with a line of names).
    Csv,
    /// The history, a JSON object per line.
    JsonLines,
    /// The newest submission of each student, in a directory named after them.
    Zip,
}

impl Format {
    /// The format that a file name's ending asks for.
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Csv, Self::JsonLines, Self::Zip].into_iter().find(|format| format.extension() == extension)
    }

    /// The ending of its file names.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Zip => "zip",
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl; charset=utf-8",
            Self::Zip => "application/zip",
        }
    }
}

/// The pieces of a file. An error among them means that the file is not whole.
pub type Pieces = BoxStream<'static, Result<Bytes, Error>>;

/// Starts an export. Only for teachers and assistants of the course.
pub async fn export(
    services: Arc<Services>,
    viewer: Viewer,
    course: CourseId,
    format: Format,
) -> Result<Pieces, Error> {
    courses::check_watcher(&services, &viewer, course).await?;
    let source = Source { services, viewer, course };
    Ok(match format {
        Format::Csv => table::stream(source, table::Csv),
        Format::JsonLines => table::stream(source, table::JsonLines),
        Format::Zip => archive::stream(source),
    })
}

/// What is exported, and for whom.
struct Source {
    services: Arc<Services>,
    viewer: Viewer,
    course: CourseId,
}
