//! What this server is and how it fares.

use std::collections::HashMap;

use super::languages::WORKER_SILENCE;
use super::{Error, Services};
use crate::auth::{Viewer, policy};
use crate::domain::ids::WorkerId;
use crate::store;
pub use crate::store::queue::Depth;
pub use crate::store::workers::Worker;

/// How the queue fares.
pub async fn queue_depth(services: &Services) -> Result<Depth, Error> {
    Ok(store::queue::depth(&mut *services.connection().await?).await?)
}

/// The live workers. Only for admins.
pub async fn workers(services: &Services, viewer: &Viewer) -> Result<Vec<Worker>, Error> {
    if !policy::may_administer(viewer) {
        return Err(Error::forbidden("Only admins see the workers."));
    }
    Ok(store::workers::list_live(&mut *services.connection().await?, WORKER_SILENCE).await?)
}

/// Those of the workers that live. Only for admins.
pub async fn workers_by_ids(
    services: &Services,
    viewer: &Viewer,
    ids: &[WorkerId],
) -> Result<HashMap<WorkerId, Worker>, Error> {
    let live = workers(services, viewer).await?.into_iter();
    Ok(live.filter(|worker| ids.contains(&worker.id)).map(|worker| (worker.id, worker)).collect())
}

/// How many workers are there to run what is handed in.
pub async fn live_workers(services: &Services) -> Result<usize, Error> {
    Ok(store::workers::list_live(&mut *services.connection().await?, WORKER_SILENCE).await?.len())
}
