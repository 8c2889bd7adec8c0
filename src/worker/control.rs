//! What reaches a running attempt from outside: somebody stops it, somebody types.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Worker;
use super::leases::Signals;
use crate::executor::Input;
use crate::store;
use crate::store::listen::Waker;
use crate::store::queue::Claim;

/// The first look, for what was said before anybody listened. Most programs have ended by then.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// How often to look although nothing woke us.
const POLL: Duration = Duration::from_secs(2);

/// Passes on what was typed, where there is an `input`, and whether to stop. Returns when there is nothing more to pass on; the
/// caller drops it when the attempt has ended.
pub(super) async fn run(
    worker: &Worker,
    claim: &Claim,
    signals: &Signals,
    mut waker: Waker<crate::domain::ids::AttemptId>,
    input: Option<mpsc::Sender<Input>>,
) {
    let mut typing = input.map(|input| Typing { offset: 0, input });
    let mut pause = if typing.is_some() { Duration::ZERO } else { FIRST_LOOK };
    loop {
        let _ = waker.wait(pause).await;
        pause = POLL;
        match look(worker, claim, &mut typing).await {
            Ok(true) => return signals.cancel.cancel(),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "cannot look what is asked of an attempt"),
        }
    }
}

struct Typing {
    offset: i64,
    input: mpsc::Sender<Input>,
}

/// Whether to stop. The end of the lease is not told here: whoever keeps it says so.
async fn look(worker: &Worker, claim: &Claim, typing: &mut Option<Typing>) -> sqlx::Result<bool> {
    let mut conn = worker.pool.acquire().await?;
    if store::leases::find_cancel(&mut conn, claim.attempt_id, claim.lease_id).await? == Some(true) {
        return Ok(true);
    }
    let Some(state) = typing else { return Ok(false) };
    let typed = store::input::list_from(&mut conn, claim.attempt_id, state.offset).await?;
    // The program may take its time to read: the connection is not held meanwhile.
    drop(conn);
    for part in typed {
        state.offset += i64::try_from(part.bytes.len()).unwrap_or(i64::MAX);
        let is_end = part.is_end;
        let is_over = state.input.send(Input { bytes: part.bytes, is_end }).await.is_err() || is_end;
        if is_over {
            *typing = None;
            return Ok(false);
        }
    }
    Ok(false)
}
