//! Counts what is sent to Postgres.

use std::cell::Cell;
use std::sync::Once;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

thread_local! {
    static SENT: Cell<usize> = const { Cell::new(0) };
}

/// Counts from now on, in the whole process: the log of sqlx tells each statement to whoever listens.
pub fn watch_statements() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Counter)).unwrap();
    });
}

/// How many statements this thread has sent so far: those of one test, whose runtime has no other thread.
pub fn statements() -> usize {
    SENT.get()
}

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        SENT.set(SENT.get() + 1);
    }
}
