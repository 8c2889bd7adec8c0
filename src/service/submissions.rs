//! Handing in, running again, and looking at what was handed in.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sqlx::PgConnection;

use super::input::{NewSubmission, NewSubmissionInput, SubmissionBounds, check_limits};
use super::{Error, Services, courses, languages};
use crate::auth::{Credential, Viewer, policy};
use crate::config::Quota;
use crate::domain::attempt::Attempt;
use crate::domain::ids::{AttemptId, CourseId, SubmissionId};
use crate::domain::limits::RequestedLimits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::submission::{FileDiff, StoredFile, Submission, SubmissionFilter, SubmissionScope};
use crate::domain::user::SiteRole;
use crate::domain::verdict::AttemptState;
use crate::store;
use crate::store::attempts::NewAttempt;

/// How long the diff of one file may be worked on; what is left then is shown as changed as a whole.
const DIFF_DEADLINE: Duration = Duration::from_millis(200);
/// The longest text that can be searched for, in characters.
const MAX_SEARCH_CHARACTERS: usize = 200;

/// Hands in a program: stores it and queues its first attempt.
///
/// # Errors
/// INVALID_INPUT for what cannot be taken, CONFLICT for a key that was used for something else,
/// RATE_LIMITED and OVERLOADED where too much waits, NOT_FOUND for a course the viewer is not in.
pub async fn submit(
    services: &Services,
    viewer: &Viewer,
    input: NewSubmissionInput,
) -> Result<(Submission, Attempt), Error> {
    check_account(viewer)?;
    let offered = languages::list(services).await?;
    let new = NewSubmission::new(input, &offered, &SubmissionBounds::default())?;
    let stored = match store_new(services, viewer, &new).await {
        // Contents that nobody had any more were swept away in this very moment: now they are stored anew.
        Err(Error::Internal(cause)) if is_missing_source(cause.as_ref()) => store_new(services, viewer, &new).await,
        stored => stored,
    }?;
    tracing::Span::current().record("attempt.id", tracing::field::display(stored.1.id));
    Ok(stored)
}

fn is_missing_source(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    cause.downcast_ref::<sqlx::Error>().is_some_and(store::sources::is_missing)
}

async fn store_new(services: &Services, viewer: &Viewer, new: &NewSubmission) -> Result<(Submission, Attempt), Error> {
    let digest = new.digest();
    let mut tx = services.begin().await?;
    store::queue::lock_user(&mut tx, viewer.user_id).await?;
    if let Some(key) = &new.idempotency_key
        && let Some(earlier) = store::submissions::find_earlier(&mut tx, viewer.user_id, key).await?
    {
        if earlier.input_sha256 != digest {
            return Err(Error::conflict("This idempotency key was used for another submission."));
        }
        let submission = get_in(&mut tx, viewer, earlier.id).await?;
        let attempts = store::attempts::list_by_submissions(&mut tx, viewer, &[earlier.id]).await?;
        // The counted one: it is the answer to the author's last wish.
        let attempt = attempts.into_iter().find(|attempt| attempt.id == submission.counted_attempt_id);
        return Ok((submission, attempt.ok_or(Error::NotFound("submission"))?));
    }
    if let Some(course) = new.course_id {
        check_course(&mut tx, viewer, course).await?;
    }
    let quota = admit(services, &mut tx, viewer).await?;
    let stored = insert(&mut tx, viewer, new, &digest, quota).await?;
    tx.commit().await?;
    metrics::counter!("codecanvas_submissions_total", "language" => stored.0.language.clone()).increment(1);
    Ok(stored)
}

async fn insert(
    conn: &mut PgConnection,
    viewer: &Viewer,
    new: &NewSubmission,
    digest: &[u8],
    quota: Quota,
) -> Result<(Submission, Attempt), Error> {
    let digests: Vec<_> = new.files.iter().map(super::input::NewFile::sha256).collect();
    let sources: Vec<_> = new
        .files
        .iter()
        .zip(&digests)
        .map(|(file, sha256)| store::sources::Source { sha256, bytes: &file.bytes })
        .collect();
    store::sources::insert_missing(conn, &sources).await?;
    let rows: Vec<_> = new
        .files
        .iter()
        .zip(&digests)
        .map(|(file, sha256)| store::submissions::FileRow { path: file.path.clone(), sha256: sha256.clone() })
        .collect();
    let mut submission = Submission {
        id: SubmissionId::new(),
        author_id: viewer.user_id,
        course_id: new.course_id,
        language: new.language.clone(),
        main_path: new.main_path.clone(),
        stdin: new.stdin.clone(),
        arguments: new.arguments.clone(),
        is_interactive: new.is_interactive,
        created_at: chrono::Utc::now(),
        counted_attempt_id: AttemptId::new(),
        counted_state: AttemptState::Queued,
        counted_verdict: None,
    };
    let row = store::submissions::NewSubmission {
        submission: &submission,
        files: &rows,
        idempotency_key: new.idempotency_key.as_deref(),
        input_sha256: digest,
    };
    submission.created_at = store::submissions::insert(conn, &row).await?;
    let attempt = NewAttempt {
        id: submission.counted_attempt_id,
        submission_id: submission.id,
        requested_by: viewer.user_id,
        limits: new.limits,
        language: &submission.language,
        running_quota: at_most(quota.running),
    };
    let attempt = store::attempts::insert(conn, &attempt).await?;
    Ok((submission, attempt))
}

/// Runs a submission once more: its author, or the staff of its course. Only an attempt of the author
/// becomes the one that counts.
pub async fn rerun(
    services: &Services,
    viewer: &Viewer,
    id: SubmissionId,
    limits: RequestedLimits,
) -> Result<Attempt, Error> {
    check_account(viewer)?;
    let Some(language) = languages::find(services, &get(services, viewer, id).await?.language).await? else {
        return Err(Error::conflict("Its language is not offered at the moment."));
    };
    check_limits(&limits, &language)?;
    let mut tx = services.begin().await?;
    store::queue::lock_user(&mut tx, viewer.user_id).await?;
    // Others who run it again wait here, so that each attempt gets a number of its own.
    store::submissions::lock(&mut tx, id).await?;
    let submission = get_in(&mut tx, viewer, id).await?;
    let is_author = submission.author_id == viewer.user_id;
    let role = role_in(&mut tx, viewer, submission.course_id).await?;
    if !policy::may_rerun(is_author, role) {
        return Err(Error::forbidden("Only its author and the staff of its course can run it again."));
    }
    let quota = admit(services, &mut tx, viewer).await?;
    let new = NewAttempt {
        id: AttemptId::new(),
        submission_id: id,
        requested_by: viewer.user_id,
        limits,
        language: &language.name,
        running_quota: at_most(quota.running),
    };
    if is_author {
        store::submissions::count_attempt(&mut tx, id, new.id).await?;
    }
    let attempt = store::attempts::insert(&mut tx, &new).await?;
    tx.commit().await?;
    Ok(attempt)
}

/// Whoever types at the server has no account that a submission could belong to.
fn check_account(viewer: &Viewer) -> Result<(), Error> {
    match viewer.credential {
        Credential::Session(_) | Credential::AccessToken(_) => Ok(()),
        Credential::Operator => Err(Error::forbidden("The operator has no account to hand in with.")),
    }
}

async fn check_course(conn: &mut PgConnection, viewer: &Viewer, id: CourseId) -> Result<(), Error> {
    let course = courses::get(conn, viewer, id).await?;
    if course.viewer_role.is_none() {
        return Err(Error::forbidden("Only members of a course can hand in there."));
    }
    if policy::may_submit_to_course(course.viewer_role, course.archived_at.is_some()) {
        Ok(())
    } else {
        Err(Error::conflict("This course is archived: nothing can be handed in any more."))
    }
}

/// The viewer's role in a course.
pub(super) async fn role_in(
    conn: &mut PgConnection,
    viewer: &Viewer,
    course: Option<CourseId>,
) -> Result<Option<crate::domain::course::CourseRole>, Error> {
    match course {
        None => Ok(None),
        Some(course) => Ok(store::courses::find_own_role(conn, viewer, course).await?.map(|(role, _)| role)),
    }
}

/// Whether one more attempt of the viewer may wait. The user must be locked.
async fn admit(services: &Services, conn: &mut PgConnection, viewer: &Viewer) -> Result<Quota, Error> {
    let quotas = &services.settings.quota;
    let quota = match viewer.role {
        SiteRole::Guest => quotas.guest,
        SiteRole::User => quotas.user,
        SiteRole::Teacher => quotas.teacher,
        SiteRole::Admin => quotas.admin,
    };
    let capacity = i64::from(services.settings.queue.capacity);
    let crowd = store::queue::crowd(conn, viewer.user_id, capacity, quota.per_minute.into()).await?;
    let refuse = |message: String, retry_after| {
        metrics::counter!("codecanvas_submissions_refused_total").increment(1);
        Err(Error::RateLimited { message: message.into(), retry_after })
    };
    if let Some(retry_after) = crowd.rate_exceeded_for {
        return refuse(
            format!("You can run {} programs a minute. Please wait a moment.", quota.per_minute),
            retry_after,
        );
    }
    if crowd.waiting >= i64::from(quota.waiting) {
        let message = format!("{} of your programs are waiting already. Please wait for one to start.", quota.waiting);
        return refuse(message, Duration::from_secs(1));
    }
    if crowd.waiting_overall >= capacity {
        metrics::counter!("codecanvas_submissions_refused_total").increment(1);
        return Err(Error::Overloaded { retry_after: Duration::from_secs(5), cause: Some("the queue is full".into()) });
    }
    Ok(quota)
}

fn at_most(quota: u32) -> i32 {
    i32::try_from(quota.max(1)).unwrap_or(i32::MAX)
}

/// A submission that the viewer may see.
pub async fn get(services: &Services, viewer: &Viewer, id: SubmissionId) -> Result<Submission, Error> {
    get_in(&mut *services.connection().await?, viewer, id).await
}

async fn get_in(conn: &mut PgConnection, viewer: &Viewer, id: SubmissionId) -> Result<Submission, Error> {
    store::submissions::list_by_ids(conn, viewer, &[id]).await?.pop().ok_or(Error::NotFound("submission"))
}

/// Submissions by id; those that the viewer may not see are missing.
pub async fn by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> Result<HashMap<SubmissionId, Submission>, Error> {
    let found = store::submissions::list_by_ids(&mut *services.connection().await?, viewer, ids).await?;
    Ok(found.into_iter().map(|submission| (submission.id, submission)).collect())
}

/// Files by submission, in the order they were sent.
pub async fn files_by_submissions(
    services: &Services,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> Result<HashMap<SubmissionId, Vec<StoredFile>>, Error> {
    let mut files: HashMap<SubmissionId, Vec<StoredFile>> = HashMap::new();
    for (id, file) in store::submissions::list_files(&mut *services.connection().await?, viewer, ids).await? {
        files.entry(id).or_default().push(file);
    }
    Ok(files)
}

/// By submission: the author's submission before it, in the same course or outside any.
pub async fn previous_by_submissions(
    services: &Services,
    viewer: &Viewer,
    ids: &[SubmissionId],
) -> Result<HashMap<SubmissionId, Submission>, Error> {
    let previous = store::submissions::list_previous(&mut *services.connection().await?, viewer, ids).await?;
    Ok(previous.into_iter().collect())
}

/// A page of submissions, newest first.
pub async fn list(
    services: &Services,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
    page: &PageRequest<SubmissionId>,
) -> Result<Page<Submission>, Error> {
    check_filter(filter)?;
    let mut tx = services.begin().await?;
    let scope = narrow(&mut tx, viewer, scope).await?;
    let rows = store::history::list(&mut tx, viewer, scope, filter, page).await?;
    tx.commit().await?;
    Ok(Page::new(rows, page))
}

/// How many submissions there are on all pages together.
pub async fn count(
    services: &Services,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
) -> Result<i64, Error> {
    check_filter(filter)?;
    let mut tx = services.begin().await?;
    let scope = narrow(&mut tx, viewer, scope).await?;
    let count = store::history::count(&mut tx, viewer, scope, filter).await?;
    tx.commit().await?;
    Ok(count)
}

/// Students see their own submissions in a course. Saying so lets an index find them.
async fn narrow(conn: &mut PgConnection, viewer: &Viewer, scope: SubmissionScope) -> Result<SubmissionScope, Error> {
    match scope {
        SubmissionScope::Course(course) => {
            let is_staff = policy::may_watch_course(role_in(conn, viewer, Some(course)).await?);
            Ok(if is_staff { scope } else { SubmissionScope::Member(course, viewer.user_id) })
        }
        SubmissionScope::User(_) | SubmissionScope::Member(..) => Ok(scope),
    }
}

fn check_filter(filter: &SubmissionFilter) -> Result<(), Error> {
    match &filter.source_contains {
        // Postgres' text refuses NUL.
        Some(text) if text.contains('\0') || text.chars().count() > MAX_SEARCH_CHARACTERS => Err(Error::invalid(
            "filter.sourceContains",
            format!("The text to look for may have up to {MAX_SEARCH_CHARACTERS} characters, none of them NUL."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// What changed in each file from one submission to another. Files that are the same are left out.
pub async fn diff(
    services: &Services,
    viewer: &Viewer,
    from: SubmissionId,
    to: SubmissionId,
) -> Result<Vec<FileDiff>, Error> {
    let mut files = files_by_submissions(services, viewer, &[from, to]).await?;
    let mut take = |id| files.remove(&id).ok_or(Error::NotFound("submission"));
    let new = take(to)?;
    let old = if from == to { new.clone() } else { take(from)? };
    tokio::task::spawn_blocking(move || diff_files(&old, &new)).await.map_err(Error::internal)
}

fn diff_files(old: &[StoredFile], new: &[StoredFile]) -> Vec<FileDiff> {
    let mut pairs: BTreeMap<&str, (Option<&StoredFile>, Option<&StoredFile>)> = BTreeMap::new();
    for file in old {
        pairs.entry(&file.path).or_default().0 = Some(file);
    }
    for file in new {
        pairs.entry(&file.path).or_default().1 = Some(file);
    }
    pairs
        .into_iter()
        .filter(|(_, (old, new))| old.map(|file| &file.sha256) != new.map(|file| &file.sha256))
        .map(|(path, (old, new))| diff_file(path, old, new))
        .collect()
}

fn diff_file(path: &str, old: Option<&StoredFile>, new: Option<&StoredFile>) -> FileDiff {
    let text = |file: Option<&StoredFile>| file.map_or(Some(String::new()), |file| file.text().map(ToOwned::to_owned));
    let (Some(old_text), Some(new_text)) = (text(old), text(new)) else {
        let unified = format!("Binary files a/{path} and b/{path} differ\n");
        return FileDiff { path: path.to_owned(), unified, added_lines: 0, removed_lines: 0 };
    };
    let diff = similar::TextDiff::configure().timeout(DIFF_DEADLINE).diff_lines(&old_text, &new_text);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let name = |file: Option<&StoredFile>, side| file.map_or("/dev/null".to_owned(), |_| format!("{side}/{path}"));
    FileDiff {
        path: path.to_owned(),
        unified: diff.unified_diff().context_radius(3).header(&name(old, "a"), &name(new, "b")).to_string(),
        added_lines: count(similar::ChangeTag::Insert),
        removed_lines: count(similar::ChangeTag::Delete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: &[u8]) -> StoredFile {
        StoredFile { path: path.to_owned(), bytes: bytes.to_vec(), sha256: bytes.to_vec() }
    }

    #[test]
    fn a_diff_shows_what_changed_per_file() {
        let old = [file("a.py", b"x = 1\ny = 2\n"), file("gone.py", b"z\n"), file("same.py", b"s\n")];
        let new = [file("a.py", b"x = 1\ny = 3\n"), file("new.bin", b"\xff"), file("same.py", b"s\n")];
        let diffs = diff_files(&old, &new);
        let figures: Vec<_> = diffs.iter().map(|d| (d.path.as_str(), d.added_lines, d.removed_lines)).collect();
        assert_eq!(figures, [("a.py", 1, 1), ("gone.py", 0, 1), ("new.bin", 0, 0)]);
        assert_eq!(diffs[0].unified, "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n");
        assert!(diffs[1].unified.starts_with("--- a/gone.py\n+++ /dev/null\n"));
        assert_eq!(diffs[2].unified, "Binary files a/new.bin and b/new.bin differ\n");
    }

    #[test]
    fn a_hostile_pair_of_files_takes_bounded_time() {
        let lines = |seed: u64| {
            let line = |i: u64| format!("{}\n", (i * 2_654_435_761 + seed * i * i) % 97);
            (0..100_000).map(line).collect::<String>()
        };
        let started = std::time::Instant::now();
        let diffs = diff_files(&[file("a", lines(1).as_bytes())], &[file("a", lines(2).as_bytes())]);
        assert_eq!(diffs.len(), 1);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
