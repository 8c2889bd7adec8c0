//! What each student of a course handed in last, as a zip archive.

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipDateTimeBuilder, ZipEntryBuilder};
use bytes::Bytes;
use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncWrite, DuplexStream};
use tokio_util::io::ReaderStream;

use super::{Error, Pieces, Source};
use crate::service::courses;
use crate::store::exports;

/// What is written ahead of the reader.
const PIPE_BYTES: usize = 64 * 1024;

/// Writes the archive into a pipe, as far as it is read: one file is in memory at a time. Both ends
/// belong to the stream, so that nothing goes on when it is dropped.
pub(super) fn stream(source: Source) -> Pieces {
    let (writer, reader): (DuplexStream, DuplexStream) = tokio::io::duplex(PIPE_BYTES);
    let read = ReaderStream::new(reader).map(|piece| piece.map_err(Error::internal));
    let written = stream::once(async move { write(&source, writer).await.map(|()| Bytes::new()) });
    stream::select(read, written).boxed()
}

async fn write(source: &Source, writer: impl AsyncWrite + Unpin) -> Result<(), Error> {
    let Source { services, viewer, course } = source;
    let mut conn = services.connection().await?;
    let newest = exports::list_newest(&mut conn, viewer, *course).await?;
    drop(conn);
    let mut archive = ZipFileWriter::with_tokio(writer);
    for submission in newest {
        for position in 0.. {
            let mut conn = services.connection().await?;
            courses::check_staff(&mut conn, viewer, *course).await?;
            let file = exports::find_file(&mut conn, viewer, *course, submission.submission_id, position).await?;
            // No connection is held while a slow reader is waited for.
            drop(conn);
            let Some((path, bytes)) = file else { break };
            // Neither part can lead out of the directory that it is unpacked in: usernames have no
            // slash and do not start with a dot, paths were checked when they were handed in.
            let name = format!("{}/{path}", submission.username);
            let entry = ZipEntryBuilder::new(name.into(), Compression::Deflate)
                .last_modification_date(dos_time(submission.created_at))
                .unix_permissions(0o644);
            archive.write_entry_whole(entry, &bytes).await.map_err(Error::internal)?;
        }
    }
    archive.close().await.map_err(Error::internal)?;
    Ok(())
}

/// UTC, because a zip archive names no zone.
fn dos_time(at: DateTime<Utc>) -> async_zip::ZipDateTime {
    ZipDateTimeBuilder::new()
        .year(at.year())
        .month(at.month())
        .day(at.day())
        .hour(at.hour())
        .minute(at.minute())
        .second(at.second())
        .build()
}
