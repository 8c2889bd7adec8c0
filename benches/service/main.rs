//! What users of the service wait for, measured against the alternative in the same run.
//!
//! `make bench-service`, or `cargo bench --bench service -- latency` for one part. Parts: `start`,
//! `languages` (or the names of some, as in `-- python3 bash`), `throughput`, `latency`, `subscriptions`; `short` measures
//! little, to see that all of it works. Figures are medians unless they say more; machines differ and are shared, so the
//! ratios are what counts.
#![expect(clippy::cast_precision_loss, reason = "counts and times here are far below 2^52")]
#![expect(clippy::disallowed_methods, reason = "a bench starts the service and the shell that it is compared with")]

mod client;
mod languages;
mod parts;
mod report;
mod server;

use std::time::Duration;

use anyhow::{Context, Result};

use languages::{LANGUAGES, Language};
use report::{Report, Scale};
use server::Server;

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` adds `--bench`; whatever else is there names parts.
    let mut asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_short = asked.iter().any(|name| name == "short");
    asked.retain(|name| name != "short");
    let scale = if is_short { Scale::SHORT } else { Scale::WHOLE };
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    let languages: Vec<&Language> =
        LANGUAGES.iter().filter(|language| is_asked("languages") || is_asked(language.name)).collect();

    let directory = tempfile::tempdir().context("no temporary directory")?;
    let mut report = Report::default();
    let (server, cold) = Server::start(directory.path()).await?;
    let client = client::Client::register(&server.url, "bench").await?;
    if !languages.is_empty() {
        languages::languages(&client, &languages, &scale).await?;
    }
    if is_asked("throughput") {
        parts::throughput(&client, &server, &scale, &mut report).await?;
    }
    if is_asked("latency") {
        parts::latency(&client, &scale, &mut report).await?;
    }
    if is_asked("subscriptions") {
        parts::subscriptions(&client, &server, &scale, &mut report).await?;
    }
    server.stop().await?;
    if is_asked("start") {
        let (server, warm) = Server::start(directory.path()).await?;
        start(&server, cold, warm, &mut report)?;
        server.stop().await?;
    }
    report.print();
    Ok(())
}

/// How long it took to be ready, and what the processes hold once they are.
fn start(server: &Server, cold: Duration, warm: Duration, report: &mut Report) -> Result<()> {
    println!("\n## Start\n");
    println!("to ready, first start  {:>7.2} s", cold.as_secs_f64());
    println!("to ready, warm         {:>7.2} s", warm.as_secs_f64());
    let processes = server.resident_kib()?;
    for (role, kib) in &processes {
        println!("resident, idle: {role:<28} {:>6.1} MiB", *kib as f64 / 1024.0);
    }
    let warm = warm.as_secs_f64();
    report.add("start to ready, warm", &format!("{warm:.2} s"), "≤ 0.5 s", warm <= 0.5, "start");
    let mib = |roles: &[&str]| {
        let of_roles = processes.iter().filter(|(name, _)| roles.iter().any(|role| name.starts_with(role)));
        of_roles.map(|(_, kib)| *kib).sum::<u64>() as f64 / 1024.0
    };
    let (api, worker) = (mib(&["api"]), mib(&["worker", "keeper"]));
    report.add("api, idle, resident", &format!("{api:.0} MiB"), "≤ 40 MiB", api <= 40.0, "start");
    let slots = std::thread::available_parallelism()?.get() as f64;
    report.add(
        &format!("worker and its keepers, idle, resident, {slots} slots"),
        &format!("{worker:.0} MiB"),
        "≤ 25 MiB + 5 MiB a slot",
        worker <= 25.0 + 5.0 * slots,
        "start",
    );
    Ok(())
}
