//! `codecanvas api`

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use super::settings::SettingFlags;
use crate::announcements::{self, Announcer};
use crate::api;
use crate::config::Config;
use crate::lifecycle::{Shutdown, privilege};
use crate::service::announcements::Announcements;
use crate::service::{Services, Settings};
use crate::store::schema;
use crate::telemetry;
use crate::telemetry::figures::Role;

/// Serve the app and the API; needs a database, starts no process
///
/// Started as root it takes on the user id of the setting http.uid before it listens.
#[derive(Debug, Args)]
pub struct Api {
    /// Where to listen [env: CODECANVAS_LISTEN] [default: 127.0.0.1:10100]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    settings: SettingFlags,
    /// The process that this one ends with
    #[arg(long, hide = true)]
    parent: Option<i32>,
    /// Standard input is where programs are announced to the worker
    #[arg(long, hide = true)]
    announced: bool,
}

impl Api {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.without_data_dir().with("listen", self.listen.as_ref()).load_quietly()?;
        // Before any thread, which would keep what it was started with: those of the exporter and of the runtime.
        privilege::give_up_root(config.http.uid)?;
        let _traces = telemetry::init_with_traces(&config, Role::Api)?;
        if let Some(parent) = self.parent {
            privilege::follow(parent)?;
        }
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, self.announced))
    }
}

async fn serve(config: Config, is_announced: bool) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let url = super::database::required_url(&config)?;
    let pool = schema::connect(url, &config.database).await?;
    schema::check(&pool).await?;
    let mut services = Services::new(pool.clone(), Settings::from(&config))?;
    if is_announced {
        services.announcements = Announcements::by(Announcer::new(announcements::take_stdin()?)?);
    }
    let services = Arc::new(services);
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    tokio::select! {
        served = api::serve(listener, Arc::new(config), Arc::clone(&services), shutdown.drain.clone()) => served?,
        () = shutdown.stop.cancelled() => {}
    }
    let closing = pool.close();
    // Where requests go on, they hold what these belong to.
    services.kept.clear();
    closing.await;
    Ok(ExitCode::SUCCESS)
}
