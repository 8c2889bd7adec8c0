//! All figures that are exposed to Prometheus: what it is told about them, and what the table in `README.md`
//! says. They are counted where things happen; tests compare that with this list.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use Kind::{Counter, Gauge, Histogram};
use Role::{Api, Worker};

/// A process that exposes figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `codecanvas api`.
    Api,
    /// `codecanvas worker`.
    Worker,
}

impl Role {
    /// Its name at the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// How a figure behaves, as Prometheus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// As in a `# TYPE` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A figure.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// The processes that expose it.
    pub roles: &'static [Role],
    /// How it behaves.
    pub kind: Kind,
    /// What it is split by.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn figure(
    name: &'static str,
    roles: &'static [Role],
    kind: Kind,
    labels: &'static [&'static str],
    unit: &'static str,
    meaning: &'static str,
) -> Figure {
    Figure { name, roles, kind, labels, unit, meaning }
}

/// All of them.
#[rustfmt::skip]
pub const FIGURES: &[Figure] = &[
    figure("codecanvas_queue_depth", &[Api], Gauge, &[], "attempts", "attempts that wait, of all users"),
    figure("codecanvas_queue_age_seconds", &[Api], Gauge, &[], "seconds", "how long the oldest of them has waited"),
    figure("codecanvas_attempts_running", &[Api], Gauge, &[], "attempts", "attempts that some worker holds"),
    figure("codecanvas_workers", &[Api], Gauge, &[], "workers", "workers that were heard of lately"),
    figure("codecanvas_submissions_total", &[Api], Counter, &["language"], "submissions", "submissions that were accepted"),
    figure("codecanvas_submissions_refused_total", &[Api], Counter, &[], "submissions", "submissions over a quota, or over the capacity of the queue"),
    figure("codecanvas_http_request_seconds", &[Api], Histogram, &["status"], "seconds", "from a request to the head of its answer"),
    figure("codecanvas_event_delivery_seconds", &[Api], Histogram, &[], "seconds", "from an event to those who watch it"),
    figure("codecanvas_websocket_connections", &[Api], Gauge, &[], "connections", "WebSockets that are open"),
    figure("codecanvas_event_streams", &[Api], Gauge, &[], "streams", "streams of server-sent events that are open"),
    figure("codecanvas_database_up", &[Api], Gauge, &[], "1 or 0", "whether Postgres answered just now"),
    figure("codecanvas_database_connections", &[Api, Worker], Gauge, &[], "connections", "connections of this process to Postgres"),
    figure("codecanvas_database_idle_connections", &[Api, Worker], Gauge, &[], "connections", "those of them that nobody uses"),
    figure("codecanvas_queue_wait_seconds", &[Worker], Histogram, &[], "seconds", "from handing in to the claim by a worker"),
    figure("codecanvas_attempts_total", &[Worker], Counter, &["language", "verdict"], "attempts", "attempts that ended"),
    figure("codecanvas_speculations_total", &[Worker], Counter, &["result"], "programs", "programs that began before their attempt was claimed: it was (`adopted`) or not (`dropped`)"),
    figure("codecanvas_attempt_seconds", &[Worker], Histogram, &["language"], "seconds", "an attempt from its claim to its verdict"),
    figure("codecanvas_compile_seconds", &[Worker], Histogram, &["language"], "seconds", "a compile step that was not answered by the cache"),
    figure("codecanvas_run_seconds", &[Worker], Histogram, &["language"], "seconds", "a run step, without waiting for input"),
    figure("codecanvas_compile_cache_total", &[Worker], Counter, &["language", "result"], "compilations", "compilations that the cache answered (`hit`) or not (`miss`)"),
    figure("codecanvas_arm_seconds", &[Worker], Histogram, &[], "seconds", "making the next box after an attempt; nobody waits for it unless all slots are busy"),
    figure("codecanvas_recorder_seconds", &[Worker], Histogram, &[], "seconds", "a transaction that stores events, retries included"),
    figure("codecanvas_recorder_batch_events", &[Worker], Histogram, &[], "events", "events in such a transaction"),
    figure("codecanvas_event_store_seconds", &[Worker], Histogram, &[], "seconds", "from an event to its being stored"),
    figure("codecanvas_worker_slots", &[Worker], Gauge, &[], "slots", "programs that can run at the same time"),
    figure("codecanvas_worker_busy_slots", &[Worker], Gauge, &[], "slots", "programs that run now"),
    figure("codecanvas_leases_lost_total", &[Worker], Counter, &[], "attempts", "attempts that this worker lost to others"),
    figure("codecanvas_attempts_reclaimed_total", &[Worker], Counter, &[], "attempts", "attempts of lost workers that this one put back"),
    figure("codecanvas_sandbox_protection", &[Worker], Gauge, &["protection"], "1, 0.5 or 0", "a protection of the boxes: in force, reduced or missing"),
];

/// Tells what the figures of a role mean. Those without labels are there from now on, at zero; the others
/// appear with the first thing that is counted.
pub(super) fn register(role: Role) {
    for Figure { name, kind, labels, meaning, .. } in FIGURES.iter().filter(|figure| figure.roles.contains(&role)) {
        match kind {
            Counter => describe_counter!(*name, *meaning),
            Gauge => describe_gauge!(*name, *meaning),
            Histogram => describe_histogram!(*name, *meaning),
        }
        if labels.is_empty() {
            match kind {
                Counter => counter!(*name).increment(0),
                Gauge => gauge!(*name).increment(0.0),
                Histogram => drop(histogram!(*name)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &Figure) -> String {
        let roles: Vec<_> = figure.roles.iter().map(|role| role.as_str()).collect();
        let labels: Vec<_> = figure.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {} | {} | {} | {} | {} |",
            figure.name,
            roles.join(", "),
            figure.kind.as_str(),
            labels.join(", "),
            figure.unit,
            figure.meaning
        )
    }

    #[test]
    fn the_table_in_the_readme_is_this_list() {
        let readme = include_str!("../../README.md");
        let written: Vec<_> = readme.lines().filter(|line| line.starts_with("| `codecanvas_")).collect();
        let expected: Vec<_> = FIGURES.iter().map(row).collect();
        assert_eq!(written, expected, "the table must be:\n{}", expected.join("\n"));
    }

    #[test]
    fn names_tell_kind_and_unit() {
        for Figure { name, kind, unit, .. } in FIGURES {
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *unit == "seconds", "{name}");
        }
    }
}
