//! What users of the service wait for, measured against the alternative in the same run.
//!
//! `make bench-service`, or `cargo bench --bench service -- latency` for one part. Parts: `start`,
//! `languages`, `throughput`, `latency`, `subscriptions`. Figures are medians unless they say more;
//! machines differ and are shared, so the ratios are what counts.
#![expect(clippy::cast_precision_loss, reason = "counts and times here are far below 2^52")]
#![expect(clippy::disallowed_methods, reason = "a bench starts the service and the shell that it is compared with")]

mod client;
mod parts;
mod server;

use anyhow::{Context, Result};

use server::Server;

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` adds `--bench`; whatever else is there names parts.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);

    let directory = tempfile::tempdir().context("no temporary directory")?;
    let (server, cold) = Server::start(directory.path()).await?;
    let client = client::Client::register(&server.url, "bench").await?;
    if is_asked("languages") {
        parts::languages(&client).await?;
    }
    if is_asked("throughput") {
        parts::throughput(&client).await?;
    }
    if is_asked("latency") {
        parts::latency(&client).await?;
    }
    if is_asked("subscriptions") {
        parts::subscriptions(&client, &server).await?;
    }
    server.stop().await?;
    if is_asked("start") {
        let (server, warm) = Server::start(directory.path()).await?;
        println!("\n## Start\n");
        println!("to ready, first start  {:>7.2} s", cold.as_secs_f64());
        println!("to ready, warm         {:>7.2} s", warm.as_secs_f64());
        for (role, kib) in server.resident_kib()? {
            println!("resident, idle: {role:<28} {:>6.1} MiB", kib as f64 / 1024.0);
        }
        server.stop().await?;
    }
    Ok(())
}
