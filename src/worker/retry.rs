//! Which failures of the database pass by themselves.

use std::time::Duration;

/// The pause after the first failure; doubled after each further one.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause: how late a worker may notice that Postgres is back.
const LONGEST: Duration = Duration::from_secs(1);

/// Whether the same statement can succeed later: Postgres is away, starts or ends (class 57P), has no
/// room (53), or chose this transaction to lose (40).
#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            ["57P", "53", "40", "08", "25P03"].iter().any(|class| code.starts_with(class))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Ever longer pauses between tries.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// Waits before the next try.
    pub(super) async fn wait(&mut self) {
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        tokio::time::sleep(pause).await;
    }
}
