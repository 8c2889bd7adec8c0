//! Remarks of teachers and assistants on what was handed in, on its files, and on lines of them.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{Error, Services};
use crate::auth::{Viewer, policy};
use crate::domain::course::Feedback;
use crate::domain::ids::{FeedbackId, SubmissionId};
use crate::domain::text;
use crate::store;
use crate::store::feedback::NewFeedback;

/// Characters of a remark.
const MOST_CHARACTERS: usize = 10_000;

/// A remark that somebody wants to make.
#[derive(Debug, Clone)]
pub struct AddFeedback {
    /// On which submission.
    pub submission_id: SubmissionId,
    /// What it says.
    pub body: String,
    /// On which file; `None` for the submission as a whole.
    pub path: Option<String>,
    /// From which line, counted from 1; `None` for the whole file.
    pub start_line: Option<i32>,
    /// To which line; `None` for `start_line` alone.
    pub end_line: Option<i32>,
}

/// Adds a remark.
pub async fn add(services: &Services, viewer: &Viewer, input: &AddFeedback) -> Result<Feedback, Error> {
    let body = text::paragraphs(&input.body, MOST_CHARACTERS).map_err(|error| Error::invalid("body", error))?;
    let mut tx = services.begin().await?;
    let role = store::feedback::find_role_at(&mut tx, viewer, input.submission_id).await?;
    if !policy::may_remark(role.ok_or(Error::NotFound("submission"))?) {
        return Err(Error::forbidden(
            "Only teachers and assistants of the course may remark on what was handed in there.",
        ));
    }
    let lines = check_lines(&mut tx, viewer, input).await?;
    let new = NewFeedback { submission_id: input.submission_id, path: input.path.as_deref(), lines, body: &body };
    let feedback = store::feedback::insert(&mut tx, viewer, &new).await?;
    tx.commit().await?;
    Ok(feedback)
}

/// Checks that the file and the lines exist. Returns the first and the last line.
async fn check_lines(
    conn: &mut PgConnection,
    viewer: &Viewer,
    input: &AddFeedback,
) -> Result<Option<(i32, i32)>, Error> {
    let Some(path) = &input.path else {
        return match (input.start_line, input.end_line) {
            (None, None) => Ok(None),
            (Some(_), _) | (None, Some(_)) => Err(Error::invalid("path", "Say in which file these lines are.")),
        };
    };
    let file = if path.contains('\0') {
        None
    } else {
        store::feedback::find_file(conn, viewer, input.submission_id, path).await?
    };
    let file = file.ok_or_else(|| Error::invalid("path", "The submission has no such file."))?;
    let (start, end) = match (input.start_line, input.end_line) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(Error::invalid("startLine", "Say with which line it starts.")),
        (Some(start), end) => (start, end.unwrap_or(start)),
    };
    let count = count_lines(&file);
    if start < 1 || start > count {
        return Err(Error::invalid("startLine", format!("The file has lines 1 to {count}.")));
    }
    if end < start || end > count {
        return Err(Error::invalid("endLine", format!("It must be between {start} and {count}.")));
    }
    Ok(Some((start, end)))
}

/// As an editor counts them: an empty file has one line, and so has whatever follows the last line feed.
fn count_lines(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.split(|byte| *byte == b'\n').count()).unwrap_or(i32::MAX)
}

/// The remarks on submissions that the viewer may read, oldest first.
pub async fn feedback_by_submissions(
    services: &Services,
    viewer: &Viewer,
    submissions: &[SubmissionId],
) -> Result<HashMap<SubmissionId, Vec<Feedback>>, Error> {
    let mut conn = services.connection().await?;
    let mut by_submission: HashMap<_, Vec<_>> = HashMap::new();
    for feedback in store::feedback::list_for_submissions(&mut conn, viewer, submissions).await? {
        by_submission.entry(feedback.submission_id).or_default().push(feedback);
    }
    Ok(by_submission)
}

/// Those of the remarks that the viewer may read.
pub async fn by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[FeedbackId],
) -> Result<HashMap<FeedbackId, Feedback>, Error> {
    let found = store::feedback::list_by_ids(&mut *services.connection().await?, viewer, ids).await?;
    Ok(found.into_iter().map(|feedback| (feedback.id, feedback)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        for (text, lines) in [("", 1), ("a", 1), ("a\n", 2), ("a\nb", 2), ("\n\n", 3)] {
            assert_eq!(count_lines(text.as_bytes()), lines, "{text:?}");
        }
    }
}
