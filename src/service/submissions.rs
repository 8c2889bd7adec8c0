//! Handing in, running again, and looking at one thing that was handed in.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgConnection;

use super::input::{NewSubmission, NewSubmissionInput, SubmissionBounds, check_limits};
use super::{Error, Services, courses, languages};
use crate::announcements::Announcement;
use crate::auth::{Credential, Viewer, policy};
use crate::config::Quota;
use crate::domain::attempt::Attempt;
use crate::domain::ids::{AttemptId, CourseId, SubmissionId};
use crate::domain::limits::RequestedLimits;
use crate::domain::submission::{StoredFile, Submission};
use crate::domain::user::SiteRole;
use crate::domain::verdict::AttemptState;
use crate::store;
use crate::store::attempts::NewAttempt;
use crate::store::queue::{Bounds, Program, Refusal};
use crate::store::submissions::{FileRow, HandedIn};

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
    let offered = languages::list_with(services, &input.language).await?;
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
    let stored = if new.idempotency_key.is_none() && new.course_id.is_none() {
        // There is nothing to be seen first, so it is one round trip.
        let mut conn = services.kept.take().await?;
        let stored = hand_in(services, &mut conn, viewer, new, &digest).await?;
        services.kept.keep(conn);
        stored
    } else {
        let mut tx = store::queue::begin_for(&services.pool, viewer.user_id).await?;
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
        let stored = hand_in(services, &mut tx, viewer, new, &digest).await?;
        tx.commit().await?;
        stored
    };
    metrics::counter!("codecanvas_submissions_total", "language" => stored.0.language.clone()).increment(1);
    Ok(stored)
}

/// Stores what is new, if one more attempt of the viewer may wait.
async fn hand_in(
    services: &Services,
    conn: &mut PgConnection,
    viewer: &Viewer,
    new: &NewSubmission,
    digest: &[u8],
) -> Result<(Submission, Attempt), Error> {
    let quota = quota_of(services, viewer);
    let files: Vec<_> =
        new.files.iter().map(|file| FileRow { path: &file.path, sha256: file.sha256(), bytes: &file.bytes }).collect();
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
        files: &files,
        idempotency_key: new.idempotency_key.as_deref(),
        input_sha256: digest,
        attempt: NewAttempt {
            id: submission.counted_attempt_id,
            submission_id: submission.id,
            author_id: submission.author_id,
            course_id: submission.course_id,
            requested_by: viewer.user_id,
            limits: new.limits,
            language: &submission.language,
            running_quota: at_most(quota.running.max(1)),
        },
    };
    let attempt_id = row.attempt.id;
    services.announcements.announce(|| Announcement { attempt_id, program: program(new) });
    let looked = services.recent.now();
    match store::submissions::hand_in(conn, &row, bounds(services, quota)).await? {
        Ok(HandedIn { attempt, readable, others_wait }) => {
            services.recent.keep_readable(viewer, readable, looked);
            if others_wait {
                services.announcements.pause();
            }
            submission.created_at = attempt.queued_at;
            Ok((submission, attempt))
        }
        Err(refusal) => {
            services.announcements.pause();
            Err(refused(refusal, quota))
        }
    }
}

fn program(new: &NewSubmission) -> Program {
    Program {
        language: new.language.clone(),
        files: new.files.iter().map(|file| (file.path.clone(), file.bytes.clone())).collect(),
        main_path: new.main_path.clone(),
        stdin: new.stdin.clone(),
        arguments: new.arguments.clone(),
        is_interactive: new.is_interactive,
        limits: new.limits,
    }
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
    let mut tx = store::queue::begin_for(&services.pool, viewer.user_id).await?;
    // Others who run it again wait here, so that each attempt gets a number of its own.
    store::submissions::lock(&mut tx, id).await?;
    let submission = get_in(&mut tx, viewer, id).await?;
    let is_author = submission.author_id == viewer.user_id;
    let role = role_in(&mut tx, viewer, submission.course_id).await?;
    if !policy::may_rerun(is_author, role) {
        return Err(Error::forbidden("Only its author and the staff of its course can run it again."));
    }
    let quota = quota_of(services, viewer);
    if let Some(refusal) = store::queue::find_refusal(&mut tx, viewer.user_id, bounds(services, quota)).await? {
        return Err(refused(refusal, quota));
    }
    let new = NewAttempt {
        id: AttemptId::new(),
        submission_id: id,
        author_id: submission.author_id,
        course_id: submission.course_id,
        requested_by: viewer.user_id,
        limits,
        language: &language.name,
        running_quota: at_most(quota.running.max(1)),
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

const fn quota_of(services: &Services, viewer: &Viewer) -> Quota {
    let quotas = &services.settings.quota;
    match viewer.role {
        SiteRole::Guest => quotas.guest,
        SiteRole::User => quotas.user,
        SiteRole::Teacher => quotas.teacher,
        SiteRole::Admin => quotas.admin,
    }
}

fn bounds(services: &Services, quota: Quota) -> Bounds {
    Bounds {
        waiting: at_most(quota.waiting),
        per_minute: at_most(quota.per_minute),
        capacity: services.settings.queue.capacity.into(),
    }
}

/// What the viewer is told whose attempt may not wait.
fn refused(refusal: Refusal, quota: Quota) -> Error {
    metrics::counter!("codecanvas_submissions_refused_total").increment(1);
    let (message, retry_after) = match refusal {
        Refusal::Rate(left) => {
            (format!("You can run {} programs a minute. Please wait a moment.", quota.per_minute), left)
        }
        Refusal::Waiting => (
            format!("{} of your programs are waiting already. Please wait for one to start.", quota.waiting),
            Duration::from_secs(1),
        ),
        Refusal::Capacity => {
            return Error::Overloaded { retry_after: Duration::from_secs(5), cause: Some("the queue is full".into()) };
        }
    };
    Error::RateLimited { message: message.into(), retry_after }
}

fn at_most(quota: u32) -> i32 {
    i32::try_from(quota).unwrap_or(i32::MAX)
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
