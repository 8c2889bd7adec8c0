//! Following a stream until it ends, whatever the network does.
//!
//! A task of its own reads the socket and, where that breaks, connects again behind the last cursor:
//! whoever reads the channel sees each event once and in order.
//!
//! ```text
//!  Subscription ──next──▶ task ──Update──▶ channel ──▶ run, watch
//!       ▲                  │ lost: wait 0.1 … 5 s, open again with `after: cursor`
//!       └──────────────────┘
//! ```

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::answers::{ActivityAnswer, Event, EventBody, EventsAnswer};
use super::failure::Failure;
use super::server::Server;
use super::socket::Subscription;

/// How long a server may be away before following is given up.
const PATIENCE: Duration = Duration::from_mins(2);
/// The first wait after a loss; doubled each time up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The longest wait that a server may ask for.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(30);

/// What the one who follows is told.
#[derive(Debug)]
pub enum Update {
    /// Something happened in the attempt.
    Event(Event),
    /// The connection is lost and is being made again.
    Lost,
    /// It is there again.
    Back,
}

/// The receiving end; dropping it ends the task.
pub struct Following<T> {
    updates: mpsc::Receiver<Result<T, Failure>>,
    /// Owns the task: it is aborted with this.
    _task: JoinSet<()>,
}

impl<T: Send + 'static> Following<T> {
    fn start<F: Future<Output = ()> + Send + 'static>(
        task: impl FnOnce(mpsc::Sender<Result<T, Failure>>) -> F,
    ) -> Self {
        let (sender, updates) = mpsc::channel(64);
        let mut owner = JoinSet::new();
        owner.spawn(task(sender));
        Self { updates, _task: owner }
    }

    /// The next update; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<T>, Failure> {
        self.updates.recv().await.transpose()
    }
}

/// Waits between tries, longer each time, and says when to give up.
struct Backoff {
    wait: Duration,
    give_up_at: Instant,
}

impl Backoff {
    fn new() -> Self {
        Self { wait: FIRST_WAIT, give_up_at: Instant::now() + PATIENCE }
    }

    /// Waits, or hands the failure back when it is final or the patience is at its end.
    async fn pause(&mut self, failure: Failure) -> Result<(), Failure> {
        if !failure.is_transient() || Instant::now() >= self.give_up_at {
            return Err(failure);
        }
        let asked = if let Failure::Refused { retry_after_ms: Some(ms), .. } = &failure {
            Duration::from_millis(*ms).min(LONGEST_ASKED_WAIT)
        } else {
            Duration::ZERO
        };
        sleep(self.wait.max(asked)).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        Ok(())
    }
}

/// Calls `request` until it succeeds, fails for good, or the server was away for too long.
pub async fn persist<T, F: Future<Output = Result<T, Failure>>>(mut request: impl FnMut() -> F) -> Result<T, Failure> {
    let mut backoff = Backoff::new();
    loop {
        match request().await {
            Ok(value) => return Ok(value),
            Err(failure) => backoff.pause(failure).await?,
        }
    }
}

/// Follows an attempt from its first event to its last.
pub fn attempt(server: &Server, attempt_id: &str) -> Following<Update> {
    let (server, attempt_id) = (server.clone(), attempt_id.to_owned());
    Following::start(|updates| async move {
        if let Err(failure) = pump_attempt(&server, &attempt_id, &updates).await {
            // The reader is gone where this fails.
            let _ = updates.send(Err(failure)).await;
        }
    })
}

async fn pump_attempt(
    server: &Server,
    attempt_id: &str,
    updates: &mpsc::Sender<Result<Update, Failure>>,
) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    let mut next_sequence = 0;
    let mut backoff = Backoff::new();
    let mut is_lost = false;
    loop {
        let failure = 'connection: {
            let variables = serde_json::json!({ "attemptId": attempt_id, "after": cursor });
            let mut subscription =
                match Subscription::open(server, include_str!("operations/events.graphql"), variables).await {
                    Ok(subscription) => subscription,
                    Err(failure) => break 'connection failure,
                };
            loop {
                let event = match subscription.next::<EventsAnswer>().await {
                    Ok(Some(answer)) => answer.attempt_events,
                    // Completed before the last event: the server is going down.
                    Ok(None) => {
                        break 'connection Failure::Unreachable {
                            server: server.address().to_owned(),
                            detail: "the stream ended early".to_owned(),
                        };
                    }
                    Err(failure) => break 'connection failure,
                };
                if is_lost {
                    is_lost = false;
                    if updates.send(Ok(Update::Back)).await.is_err() {
                        return Ok(());
                    }
                }
                if event.sequence < next_sequence {
                    continue;
                }
                // Only what brings us further counts as contact: a server that repeats itself does not.
                backoff = Backoff::new();
                next_sequence = event.sequence.saturating_add(1);
                cursor = Some(event.cursor.clone());
                let is_the_end = event.body == EventBody::AttemptFinished;
                if updates.send(Ok(Update::Event(event))).await.is_err() || is_the_end {
                    return Ok(());
                }
            }
        };
        if !is_lost && failure.is_transient() {
            is_lost = true;
            if updates.send(Ok(Update::Lost)).await.is_err() {
                return Ok(());
            }
        }
        backoff.pause(failure).await?;
    }
}

/// Says each time that something happened in a course. Several happenings may be told as one.
pub fn course(server: &Server, course_id: &str) -> Following<()> {
    let (server, course_id) = (server.clone(), course_id.to_owned());
    Following::start(|updates| async move {
        if let Err(failure) = pump_course(&server, &course_id, &updates).await {
            // The reader is gone where this fails.
            let _ = updates.send(Err(failure)).await;
        }
    })
}

async fn pump_course(
    server: &Server,
    course_id: &str,
    updates: &mpsc::Sender<Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    let mut backoff = Backoff::new();
    loop {
        let variables = serde_json::json!({ "courseId": course_id, "after": cursor });
        let opened = Subscription::open(server, include_str!("operations/activity.graphql"), variables).await;
        let failure = match opened {
            Err(failure) => failure,
            Ok(mut subscription) => loop {
                match subscription.next::<ActivityAnswer>().await {
                    Ok(Some(answer)) => {
                        backoff = Backoff::new();
                        cursor = Some(answer.course_activity.cursor);
                        // A full channel already holds a wake-up that its reader has not seen.
                        if let Err(mpsc::error::TrySendError::Closed(_)) = updates.try_send(Ok(())) {
                            return Ok(());
                        }
                    }
                    // The viewer lost the right, or the server goes down: opening again tells which.
                    Ok(None) => {
                        break Failure::Unreachable {
                            server: server.address().to_owned(),
                            detail: "the stream ended".to_owned(),
                        };
                    }
                    Err(failure) => break failure,
                }
            },
        };
        backoff.pause(failure).await?;
    }
}
