//! `codecanvas worker`

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settings::SettingFlags;
use crate::announcements::{self, Announced};
use crate::config::Config;
use crate::executor::SlotError;
use crate::lifecycle::{Shutdown, exit, privilege};
use crate::store::schema;
use crate::telemetry;
use crate::telemetry::figures::Role;
use crate::telemetry::metrics::{Exposition, refresh_pool};
use crate::worker::{self, StartError};

/// Run programs that were handed in; needs a database, listens for nobody but Prometheus
///
/// Refuses to start where a required protection cannot be had: see "codecanvas doctor".
#[derive(Debug, Args)]
pub struct Worker {
    #[command(flatten)]
    settings: SettingFlags,
    /// The process that this one ends with
    #[arg(long, hide = true)]
    parent: Option<i32>,
    /// Standard input is where the api process announces programs
    #[arg(long, hide = true)]
    announced: bool,
}

impl Worker {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load_quietly()?;
        let _traces = telemetry::init_with_traces(&config, Role::Worker)?;
        if let Some(parent) = self.parent {
            privilege::follow(parent)?;
        }
        // The keepers follow the thread that starts them: the runtime's workers live as long as the process.
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work(config, self.announced))
    }
}

/// Serves the figures of this process until `end`, where the operator wants them.
async fn expose(config: &Config, pool: &PgPool, end: &CancellationToken) -> anyhow::Result<JoinSet<io::Result<()>>> {
    let mut serving = JoinSet::new();
    if let Some(address) = config.metrics_listen {
        let metrics = Exposition::open(address, Role::Worker)
            .await
            .with_context(|| format!("cannot listen on {address} for the metrics"))?;
        let pool = pool.clone();
        let refresh = move || {
            refresh_pool(&pool);
            std::future::ready(())
        };
        serving.spawn(metrics.serve(refresh, end.clone()));
    }
    Ok(serving)
}

async fn work(config: Config, is_announced: bool) -> anyhow::Result<ExitCode> {
    let announced = if is_announced { Announced::new(announcements::take_stdin()?)? } else { Announced::default() };
    let shutdown = Shutdown::on_signals()?;
    let url = super::database::required_url(&config)?;
    let pool = schema::connect(url, &config.database).await?;
    schema::check(&pool).await?;
    let end = CancellationToken::new();
    let metrics = expose(&config, &pool, &end).await?;
    let result = worker::run(worker::Settings::from(&config), pool.clone(), announced, shutdown).await;
    end.cancel();
    metrics.join_all().await;
    pool.close().await;
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            // Another start would find the same host, and serve must not try for ever.
            let code = match &error {
                StartError::Box(SlotError::Failed(_)) => exit::UNPROTECTED,
                StartError::Box(
                    SlotError::Spawn(_)
                    | SlotError::Message(_)
                    | SlotError::Unexpected
                    | SlotError::Silent
                    | SlotError::Gone,
                ) => 1,
                StartError::CacheDir { .. } | StartError::Languages(_) | StartError::UserIds { .. } => exit::CONFIG,
            };
            exit::report(&error.into());
            Ok(ExitCode::from(code))
        }
    }
}
