//! Pages of what was handed in.
//!
//! A condition on the text of the files is the only one that no index decides for a list. The newest
//! submissions of the list are read first: a text that is frequent fills the page at once. Where they do
//! not, the text may be rare, and then an index over all contents tells every submission that has it.
//! What is neither costs reading on, for a bounded time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::submissions::role_in;
use super::{Error, Services};
use crate::auth::{Viewer, policy};
use crate::domain::ids::SubmissionId;
use crate::domain::page::{End, Page, PageRequest};
use crate::domain::submission::{Submission, SubmissionFilter, SubmissionScope};
use crate::domain::verdict::AttemptState;
use crate::store;
use crate::store::history::List;
use crate::store::search::{self, Needle};

/// The longest text that can be searched for, in characters.
const MAX_SEARCH_CHARACTERS: usize = 200;
/// How many submissions are looked into before the index is asked; later batches are larger.
const FIRST_BATCH: usize = 200;
/// The largest batch: between two of them it is decided whether to go on.
const LARGEST_BATCH: usize = 5000;
/// A text is rare while it is in so many contents at most.
const RARE_SOURCES: i64 = 1000;
/// And those in so many submissions.
const RARE_SUBMISSIONS: i64 = 5000;
/// How long is read on. A page at the other end of a large course takes a fraction of this.
const SEARCH_BUDGET: Duration = Duration::from_secs(2);
/// How long the index is read: a text of which each part is frequent and the whole is not takes long there.
const INDEX_BUDGET: Duration = Duration::from_millis(300);
/// How many attempts that have not ended are looked at one by one: more than a queue holds by default. Without
/// them a course of 85,000 submissions is read for 300 ms; looking at 10,000 takes 40.
const MOST_OPEN: i64 = 20_000;
/// Of so many connections one may look for a text.
const CONNECTIONS_PER_SEARCH: usize = 3;
/// How many searches may wait for each that is made.
const WAITING_PER_SEARCH: usize = 3;
/// When to come back where more wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Bounds how many look for a text at once. A search holds its connection for as long as a hundred other
/// requests do: without a bound, whoever sends ten at once would hold up everybody.
#[derive(Debug)]
pub struct Searches {
    running: Semaphore,
    admitted: Semaphore,
}

impl Searches {
    /// For a process with so many connections.
    pub fn new(connections: u32) -> Self {
        let at_once =
            usize::try_from(connections).map_or(1, |connections| (connections / CONNECTIONS_PER_SEARCH).max(1));
        Self { running: Semaphore::new(at_once), admitted: Semaphore::new(at_once * (1 + WAITING_PER_SEARCH)) }
    }

    /// Waits for a turn, without a connection. It is one's own as long as one holds what is returned.
    ///
    /// # Errors
    /// OVERLOADED where too many wait already.
    pub async fn turn(&self) -> Result<[SemaphorePermit<'_>; 2], Error> {
        let admitted = self
            .admitted
            .try_acquire()
            .map_err(|full| Error::Overloaded { retry_after: RETRY_AFTER, cause: Some(full.into()) })?;
        Ok([self.running.acquire().await.map_err(Error::internal)?, admitted])
    }
}

/// A turn for who looks for a text; others need none.
async fn turn<'s>(services: &'s Services, needle: Option<&Needle>) -> Result<Option<[SemaphorePermit<'s>; 2]>, Error> {
    match needle {
        Some(_) => services.searches.turn().await.map(Some),
        None => Ok(None),
    }
}

/// A page of submissions, newest first.
///
/// # Errors
/// INVALID_INPUT for a text that cannot be searched for, or only in a shorter list; OVERLOADED where too many
/// look for one.
pub async fn list(
    services: &Services,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
    page: &PageRequest<SubmissionId>,
) -> Result<Page<Submission>, Error> {
    let needle = check_text(filter)?;
    let _turn = turn(services, needle.as_ref()).await?;
    let mut tx = services.begin().await?;
    let Some(scope) = narrow(&mut tx, viewer, scope, filter).await? else {
        return Ok(Page::new(Vec::new(), page));
    };
    let open = find_open(&mut tx, filter).await?;
    let list = List { viewer, scope, filter, among: open.as_deref() };
    let ids = match needle {
        None => store::history::list_ids(&mut tx, &list, page).await?,
        Some(needle) => list_with_text(&mut tx, &list, page, &needle).await?,
    };
    let page = Page::new(ids, page);
    let mut items = store::submissions::list_by_ids(&mut tx, viewer, &page.items).await?;
    tx.commit().await?;
    items.sort_unstable_by_key(|submission| std::cmp::Reverse(submission.id));
    Ok(Page { items, has_next: page.has_next, has_previous: page.has_previous })
}

/// How many submissions there are on all pages together.
///
/// # Errors
/// As [`list`].
pub async fn count(
    services: &Services,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
) -> Result<i64, Error> {
    let needle = check_text(filter)?;
    let _turn = turn(services, needle.as_ref()).await?;
    let mut tx = services.begin().await?;
    let Some(scope) = narrow(&mut tx, viewer, scope, filter).await? else { return Ok(0) };
    let open = find_open(&mut tx, filter).await?;
    let list = List { viewer, scope, filter, among: open.as_deref() };
    let count = match needle {
        None => store::history::count(&mut tx, &list).await?,
        Some(needle) => {
            let all = PageRequest { size: usize::MAX, ..PageRequest::top() };
            i64::try_from(list_with_text(&mut tx, &list, &all, &needle).await?.len()).unwrap_or(i64::MAX)
        }
    };
    tx.commit().await?;
    Ok(count)
}

/// Where the viewer finds what they may see of a list; `None` where there is nothing. Saying so lets an index
/// find it: students see their own submissions in a course, and of another user's only those in courses of
/// the viewer's.
async fn narrow(
    conn: &mut PgConnection,
    viewer: &Viewer,
    scope: SubmissionScope,
    filter: &SubmissionFilter,
) -> Result<Option<SubmissionScope>, Error> {
    let scope = match scope {
        SubmissionScope::Course(course) => {
            let is_staff = policy::may_watch_course(role_in(conn, viewer, Some(course)).await?);
            if is_staff { scope } else { SubmissionScope::Member(course, viewer.user_id) }
        }
        SubmissionScope::User(user) if user != viewer.user_id => {
            match *store::history::list_shared(conn, viewer, user, 2).await? {
                [] => return Ok(None),
                [course] => SubmissionScope::Member(course, user),
                [..] => scope,
            }
        }
        SubmissionScope::User(_) | SubmissionScope::Member(..) => scope,
    };
    Ok(scope.may_match(filter).then_some(scope))
}

fn check_text(filter: &SubmissionFilter) -> Result<Option<Needle>, Error> {
    match filter.source_contains.as_deref() {
        // Postgres' text refuses NUL.
        Some(text) if text.contains('\0') || text.chars().count() > MAX_SEARCH_CHARACTERS => Err(Error::invalid(
            "filter.sourceContains",
            format!("The text to look for may have up to {MAX_SEARCH_CHARACTERS} characters, none of them NUL."),
        )),
        Some(text) => Ok(Some(Needle::new(text))),
        None => Ok(None),
    }
}

/// What has not ended, where nothing else is asked for: no index of the many submissions has their state.
async fn find_open(conn: &mut PgConnection, filter: &SubmissionFilter) -> sqlx::Result<Option<Vec<SubmissionId>>> {
    match &filter.states {
        Some(states) if !states.contains(&AttemptState::Finished) => store::history::find_open(conn, MOST_OPEN).await,
        Some(_) | None => Ok(None),
    }
}

/// Ids of a list whose submissions have the text, in the direction of the page, one more than it takes.
async fn list_with_text(
    conn: &mut PgConnection,
    list: &List<'_>,
    page: &PageRequest<SubmissionId>,
    needle: &Needle,
) -> Result<Vec<SubmissionId>, Error> {
    match read_on(conn, list, page, needle).await {
        Ok(Some(ids)) => Ok(ids),
        Err(error) if !search::took_too_long(&error) => Err(error.into()),
        Ok(None) | Err(_) => Err(Error::invalid(
            "filter.sourceContains",
            "Looking for this text takes too long here. Please look for a longer one, or only in a course, a \
             language, or a shorter time.",
        )),
    }
}

/// The same; `None` where time is up.
async fn read_on(
    conn: &mut PgConnection,
    list: &List<'_>,
    page: &PageRequest<SubmissionId>,
    needle: &Needle,
) -> sqlx::Result<Option<Vec<SubmissionId>>> {
    search::bound(conn, SEARCH_BUDGET).await?;
    let began = Instant::now();
    let wanted = page.size.saturating_add(1);
    let mut found = Vec::new();
    let mut batch = PageRequest { size: FIRST_BATCH, ..page.clone() };
    loop {
        let ids = store::history::list_ids(conn, list, &batch).await?;
        let with_text: HashSet<_> = search::filter(conn, &ids, needle).await?.into_iter().collect();
        found.extend(ids.iter().copied().filter(|id| with_text.contains(id)));
        if ids.len() <= batch.size || found.len() >= wanted {
            found.truncate(wanted);
            return Ok(Some(found));
        }
        // Where the list was narrowed already, it is short.
        if batch.size == FIRST_BATCH
            && needle.has_trigram()
            && list.among.is_none()
            && let Some(rare) = find_rare(conn, needle).await?
        {
            return store::history::list_ids(conn, &List { among: Some(&rare), ..*list }, page).await.map(Some);
        }
        if began.elapsed() > SEARCH_BUDGET {
            return Ok(None);
        }
        let furthest = ids.last().copied();
        match page.end {
            End::First => batch.after = furthest,
            End::Last => batch.before = furthest,
        }
        batch.size = LARGEST_BATCH.min(batch.size * 4);
    }
}

/// All submissions that have the text, if the index tells that they are few.
async fn find_rare(conn: &mut PgConnection, needle: &Needle) -> sqlx::Result<Option<Vec<SubmissionId>>> {
    // Where it takes too long, what was read so far still holds.
    let mut attempt = conn.begin().await?;
    search::bound(&mut attempt, INDEX_BUDGET).await?;
    match search::find_rare(&mut attempt, needle, RARE_SOURCES, RARE_SUBMISSIONS).await {
        // Going back to where it began takes its bounds away again.
        Ok(rare) => attempt.rollback().await.map(|()| rare),
        Err(error) if search::took_too_long(&error) => attempt.rollback().await.map(|()| None),
        Err(error) => Err(error),
    }
}
