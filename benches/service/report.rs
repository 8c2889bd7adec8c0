//! How much is measured, and what came out of it as lines of the README's table.

use std::time::Duration;

/// How much is measured.
pub struct Scale {
    /// Times that each language runs.
    pub rounds: usize,
    /// Programs of the sustained load, all the same.
    pub runs: usize,
    /// Programs of the sustained load of all languages.
    pub mixed: usize,
    /// Writes whose way is timed.
    pub writes: usize,
    /// Sockets with [`Scale::PER_SOCKET`] subscriptions each.
    pub sockets: usize,
}

impl Scale {
    pub const PER_SOCKET: usize = 10;
    /// What the figures are taken from.
    pub const WHOLE: Self = Self { rounds: 15, runs: 800, mixed: 128, writes: 300, sockets: 500 };
    /// Enough to see that everything works.
    pub const SHORT: Self = Self { rounds: 1, runs: 64, mixed: 32, writes: 50, sockets: 20 };
}

/// What was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<String>,
}

impl Report {
    /// Adds a figure beside the target that it is held against.
    pub fn add(&mut self, what: &str, figure: &str, target: &str, is_met: bool, part: &str) {
        let met = if is_met { "met" } else { "missed" };
        self.rows.push(format!("| {what} | {figure} | {target}: {met} | `make bench-service ARGS={part}` |"));
    }

    /// The table.
    pub fn print(&self) {
        if !self.rows.is_empty() {
            println!("\n## All of it\n\n| what | figure | target | command |\n|---|---|---|---|");
        }
        for row in &self.rows {
            println!("{row}");
        }
    }
}

pub fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

/// The time that so many of a hundred do not exceed.
pub fn percentile(times: &mut [Duration], of_hundred: usize) -> Duration {
    times.sort();
    times[(times.len() * of_hundred / 100).min(times.len() - 1)]
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
