//! The languages that live workers offer.
//!
//! They change when a worker comes or goes: each process keeps the answer for a second. Every submission asks as well, and for
//! these an older answer does, as long as the submission's language is in it; they are behind it only by what is read anew
//! once the program has begun.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{Error, Services};
use crate::domain::language::OfferedLanguage;
use crate::store;

/// A worker that was not heard of for so long counts as gone.
pub const WORKER_SILENCE: Duration = Duration::from_secs(15);
/// How long an answer is kept.
const FRESH: Duration = Duration::from_secs(1);
/// How long what was offered is still accepted when no worker is there: it restarts, and what is handed
/// in meanwhile waits for it.
const GRACE: Duration = Duration::from_mins(1);

/// How long after a submission that went by an older answer the next one is read: the program has the processors first.
const REST: Duration = Duration::from_millis(250);

/// The last answer.
#[derive(Debug, Clone)]
pub struct OfferedLanguages {
    pool: PgPool,
    last: Arc<Mutex<Last>>,
}

#[derive(Debug, Default)]
struct Last {
    known: Option<(Instant, Arc<[OfferedLanguage]>)>,
    /// It is read anew in a moment.
    is_due: bool,
}

impl Last {
    /// What was known not so long ago.
    fn within(&self, age: Duration) -> Option<Arc<[OfferedLanguage]>> {
        self.known.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, languages)| Arc::clone(languages))
    }
}

impl OfferedLanguages {
    /// None are known yet.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, last: Arc::default() }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> sqlx::Result<Arc<[OfferedLanguage]>> {
        let offered = store::workers::list_languages(&mut *self.pool.acquire().await?, WORKER_SILENCE).await?;
        let languages = distinct(offered);
        let mut last = self.last();
        if !languages.is_empty() {
            last.known = Some((Instant::now(), Arc::clone(&languages)));
            return Ok(languages);
        }
        Ok(last.within(GRACE).unwrap_or(languages))
    }

    /// Reads them anew in a moment, unless somebody does already.
    fn read_soon(&self) {
        if !std::mem::replace(&mut self.last().is_due, true) {
            let languages = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(REST).await;
                if let Err(error) = languages.read().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the languages on offer cannot be read");
                }
                languages.last().is_due = false;
            });
        }
    }
}

/// The languages on offer, by the names that people read.
pub async fn list(services: &Services) -> Result<Arc<[OfferedLanguage]>, Error> {
    let fresh = services.languages.last().within(FRESH);
    match fresh {
        Some(languages) => Ok(languages),
        None => Ok(services.languages.read().await?),
    }
}

/// The same for whoever hands in a program in one of them: as they were a minute ago at most, if that one was among them. Nobody
/// is refused for what was known then.
pub(super) async fn list_with(services: &Services, name: &str) -> Result<Arc<[OfferedLanguage]>, Error> {
    let (known, is_fresh) = {
        let last = services.languages.last();
        (last.within(GRACE), last.within(FRESH).is_some())
    };
    match known.filter(|languages| languages.iter().any(|language| language.is_called(name))) {
        Some(languages) => {
            if !is_fresh {
                services.languages.read_soon();
            }
            Ok(languages)
        }
        None => list(services).await,
    }
}

/// The language that people mean by a name or an alias.
pub async fn find(services: &Services, name: &str) -> Result<Option<OfferedLanguage>, Error> {
    Ok(list(services).await?.iter().find(|language| language.is_called(name)).cloned())
}

/// One of each name. Several workers offer the same; the newest worker's comes first and is the one.
fn distinct(mut offered: Vec<OfferedLanguage>) -> Arc<[OfferedLanguage]> {
    // Stable, so the newest worker's stays in front of its namesakes.
    offered.sort_by(|a, b| (&a.display_name, &a.name).cmp(&(&b.display_name, &b.name)));
    offered.dedup_by(|b, a| a.name == b.name);
    offered.into()
}
