//! The languages that live workers offer.
//!
//! Every submission asks, and they change when a worker comes or goes: each process keeps the answer for
//! a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// The last answer.
#[derive(Debug, Default)]
pub struct OfferedLanguages {
    last: Mutex<Option<(Instant, Arc<[OfferedLanguage]>)>>,
}

/// The languages on offer, by the names that people read.
pub async fn list(services: &Services) -> Result<Arc<[OfferedLanguage]>, Error> {
    let cache = &services.languages.last;
    if let Some((at, languages)) = &*cache.lock().unwrap_or_else(PoisonError::into_inner)
        && at.elapsed() < FRESH
    {
        return Ok(Arc::clone(languages));
    }
    let offered = store::workers::list_languages(&mut *services.connection().await?, WORKER_SILENCE).await?;
    let languages = distinct(offered);
    let mut last = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if !languages.is_empty() {
        *last = Some((Instant::now(), Arc::clone(&languages)));
        return Ok(languages);
    }
    Ok(last.as_ref().filter(|(at, _)| at.elapsed() < GRACE).map_or(languages, |(_, known)| Arc::clone(known)))
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
