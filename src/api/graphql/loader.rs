//! Rows of many parents by one statement: what would be a query per list entry is one per list.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;

use super::asking::Asking;
use crate::auth::Viewer;
use crate::domain::attempt::{Attempt, OutputExtent, Step};
use crate::domain::course::{Course, CourseRole, Feedback, Member};
use crate::domain::ids::{AccessTokenId, AttemptId, CourseId, FeedbackId, SessionId, SubmissionId, UserId, WorkerId};
use crate::domain::submission::{StoredFile, Submission};
use crate::domain::user::{AccessToken, Session, User};
use crate::service::server::Worker;
use crate::service::{Error, Services, attempts, courses, feedback, people, server, sessions, submissions, tokens};

/// Loads for whoever asks.
pub struct Batch {
    services: Arc<Services>,
    asking: Arc<Asking>,
}

impl Batch {
    /// Loads what whoever asks may see.
    pub const fn new(services: Arc<Services>, asking: Arc<Asking>) -> Self {
        Self { services, asking }
    }

    fn viewer(&self) -> Result<&Viewer, Error> {
        self.asking.find_viewer().ok_or(Error::Unauthenticated)
    }
}

/// What a load returns. The error is shared by all that waited for it.
type Loaded<K, V> = Result<HashMap<K, V>, Arc<Error>>;

/// A loader whose keys are ids of rows, and whose use case takes a list of them.
macro_rules! by_id {
    ($key:ty, $value:ty, $load:path) => {
        impl Loader<$key> for Batch {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, ids: &[$key]) -> Loaded<$key, $value> {
                Ok($load(&self.services, self.viewer()?, ids).await?)
            }
        }
    };
}

by_id!(UserId, User, people::users_by_ids);
by_id!(SubmissionId, Submission, submissions::by_ids);
by_id!(AttemptId, Attempt, attempts::by_ids);
by_id!(CourseId, Course, courses::courses_by_ids);
by_id!(FeedbackId, Feedback, feedback::by_ids);
by_id!(SessionId, Session, sessions::by_ids);
by_id!(AccessTokenId, AccessToken, tokens::by_ids);
by_id!(WorkerId, Worker, server::workers_by_ids);

/// A loader of what belongs to a row. Its key is named after what it loads.
macro_rules! of_parent {
    ($(#[$doc:meta])* $key:ident($id:ty), $value:ty, $load:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $key(pub $id);

        impl Loader<$key> for Batch {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, keys: &[$key]) -> Loaded<$key, $value> {
                let ids: Vec<$id> = keys.iter().map(|key| key.0).collect();
                let found = $load(&self.services, self.viewer()?, &ids).await?;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    };
}

of_parent!(
    /// The files of a submission, in the order they were sent.
    FilesOf(SubmissionId), Vec<StoredFile>, submissions::files_by_submissions
);
of_parent!(
    /// The attempts of a submission, newest first.
    AttemptsOf(SubmissionId), Vec<Attempt>, attempts::by_submissions
);
of_parent!(
    /// The author's submission before a submission.
    PreviousOf(SubmissionId), Submission, submissions::previous_by_submissions
);
of_parent!(
    /// The remarks on a submission, oldest first.
    FeedbackOf(SubmissionId), Vec<Feedback>, feedback::feedback_by_submissions
);
of_parent!(
    /// The courses of a user, newest first.
    CoursesOf(UserId), Vec<Course>, courses::courses_by_users
);
of_parent!(
    /// How many attempts are ahead of one that waits.
    QueuePositionOf(AttemptId), i64, queue_positions
);

/// How long the queue is, is no secret.
async fn queue_positions(
    services: &Services,
    _viewer: &Viewer,
    ids: &[AttemptId],
) -> Result<HashMap<AttemptId, i64>, Error> {
    attempts::queue_positions(services, ids).await
}

/// The steps of an attempt, in the order they run, with so much of their output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepsOf(pub AttemptId, pub OutputExtent);

impl Loader<StepsOf> for Batch {
    type Value = Vec<Step>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[StepsOf]) -> Loaded<StepsOf, Vec<Step>> {
        // One statement for all: more of an output than is asked for does no harm.
        let Some(extent) = keys.iter().map(|key| key.1).max() else { return Ok(HashMap::new()) };
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = attempts::steps_by_attempts(&self.services, self.viewer()?, &ids, extent).await?;
        Ok(keys.iter().filter_map(|key| Some((*key, found.get(&key.0)?.clone()))).collect())
    }
}

/// The members of a course, or those with one role, teachers first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MembersOf(pub CourseId, pub Option<CourseRole>);

impl Loader<MembersOf> for Batch {
    type Value = Vec<Member>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[MembersOf]) -> Loaded<MembersOf, Vec<Member>> {
        let mut by_role: HashMap<Option<CourseRole>, Vec<CourseId>> = HashMap::new();
        for MembersOf(course, role) in keys {
            by_role.entry(*role).or_default().push(*course);
        }
        let mut loaded = HashMap::new();
        for (role, ids) in by_role {
            let found = courses::members(&self.services, self.viewer()?, &ids, role).await?;
            loaded.extend(found.into_iter().map(|(course, members)| (MembersOf(course, role), members)));
        }
        Ok(loaded)
    }
}
