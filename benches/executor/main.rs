//! What a box costs, against a bare fork and exec and against bubblewrap, and what toolchains cost in boxes,
//! against the same toolchain at the shell.
//!
//! `make bench-executor`, or `cargo bench --bench executor -- steps` for one part. Parts: `steps`,
//! `languages`. The alternatives run in turn in the same loop, with a pause before each, since a machine that
//! was idle behaves unlike one in a tight loop. Run it as root.
#![expect(clippy::disallowed_methods, reason = "a bench starts what it compares with")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod languages;
mod steps;

use std::time::Duration;

fn main() {
    // `cargo bench` adds `--bench`; whatever else is there names parts.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    if is_asked("steps") {
        steps::run();
    }
    if is_asked("languages") {
        languages::run();
    }
}

/// The executable that is started as a keeper.
const EXECUTABLE: &str = env!("CARGO_BIN_EXE_codecanvas");

/// Median and 99th percentile in milliseconds.
fn summary(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    (at(50), at(99))
}
