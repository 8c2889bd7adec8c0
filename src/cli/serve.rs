//! `codecanvas serve`

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settings::SettingFlags;
use crate::config::{Config, Secret};
use crate::lifecycle::Shutdown;
use crate::lifecycle::children::{Child, Ended, keep};
use crate::postgres::{self, Cluster};
use crate::store::{schema, workers};

/// Run everything: api, worker and, where no database is given, a Postgres of its own
///
/// Stops when it is told to by SIGTERM or Ctrl-C: the first signal lets running programs finish, the second
/// one stops at once.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen [env: CODECANVAS_LISTEN] [default: 127.0.0.1:10100]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Serve {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let flags = self.settings.with("listen", self.listen.as_ref());
        let config = flags.load()?;
        // One thread: the children follow the thread that started them, and this one lives as long as the process.
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(config, &flags))
    }
}

async fn serve(config: Config, flags: &SettingFlags) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let address = free_address(config.listen)?;
    let cluster = match &config.database.url {
        Some(_) => None,
        None => Some(start_postgres(&config).await?),
    };
    let url = cluster.as_ref().map(|(cluster, _)| cluster.url()).or(config.database.url.as_ref());
    let url = url.context("there is neither a database nor one of our own")?.clone();
    let migrated = prepare(&url, &config, cluster.is_some()).await;
    // Postgres goes last: the others hand back what they hold.
    let stop_postgres = CancellationToken::new();
    let mut postgres = JoinSet::new();
    if let Some((cluster, settings)) = cluster {
        postgres.spawn(postgres::keep(cluster, settings, stop_postgres.clone()));
    }
    let ended = match migrated {
        Ok(()) => keep_children(&config, flags, address, &url, &shutdown).await,
        Err(error) => Err(error),
    };
    stop_postgres.cancel();
    postgres.join_all().await;
    tracing::info!("stopped");
    ended
}

/// The address to listen on, made sure of before anything is started: a child that cannot listen would be started
/// again and again. Port 0 becomes a free one, which stays the same when the api process is started again.
fn free_address(wanted: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(wanted).with_context(|| format!("cannot listen on {wanted}"))?;
    Ok(listener.local_addr()?)
}

async fn start_postgres(config: &Config) -> anyhow::Result<(Cluster, postgres::Settings)> {
    let settings = postgres::Settings::new(config)?;
    let cluster = Cluster::start(&settings).await?;
    tracing::info!(pid = cluster.pid(), data_dir = %config.data_dir.display(), "Postgres is ready");
    Ok((cluster, settings))
}

/// Brings the schema up to date. In a database that is ours alone it also takes out the workers of an earlier service
/// that was killed: they would count as alive for a while.
async fn prepare(url: &Secret, config: &Config, is_ours: bool) -> anyhow::Result<()> {
    let pool = schema::connect(url, &config.database).await?;
    let prepared = async {
        for migration in schema::migrate(&pool).await? {
            tracing::info!(version = migration.version, description = migration.description, "migrated");
        }
        if is_ours {
            workers::delete_silent(&mut *pool.acquire().await?, Duration::ZERO).await?;
        }
        anyhow::Ok(())
    };
    let prepared = prepared.await;
    pool.close().await;
    prepared
}

async fn keep_children(
    config: &Config,
    flags: &SettingFlags,
    address: SocketAddr,
    url: &Secret,
    shutdown: &Shutdown,
) -> anyhow::Result<ExitCode> {
    // Kept here, too: a child that is started again gets the same one.
    let (to_worker, from_api) = UnixDatagram::pair().context("cannot make a pair of sockets")?;
    let child = |role, more: &[(&str, String)], stdin: OwnedFd| -> anyhow::Result<Child> {
        let mut flags = flags.clone();
        for (key, value) in more {
            flags = flags.with(key, Some(value));
        }
        let environment = vec![("DATABASE_URL", url.expose().to_owned())];
        let mut arguments = flags.as_arguments()?;
        arguments.push("--announced".into());
        Ok(Child { role, arguments, environment, stdin: stdin.into() })
    };
    let mut children = JoinSet::new();
    children.spawn(keep(child("api", &[("listen", address.to_string())], to_worker.into())?, shutdown.clone()));
    // Two processes cannot share the port of the metrics.
    let worker_metrics: Vec<_> = config
        .metrics_listen
        .map(|address| ("metrics_listen", SocketAddr::new(address.ip(), next_port(address.port())).to_string()))
        .into_iter()
        .collect();
    children.spawn(keep(child("worker", &worker_metrics, from_api.into())?, shutdown.clone()));
    let announcement = tokio::spawn(announce(address));
    let mut code = ExitCode::SUCCESS;
    while let Some(ended) = children.join_next().await {
        match ended?? {
            Ended::Asked => {}
            Ended::Hopeless(child_code) => {
                tracing::error!("a part of the service cannot start on this machine, see above; stopping");
                code = ExitCode::from(child_code);
                shutdown.drain.cancel();
            }
        }
    }
    announcement.abort();
    Ok(code)
}

/// The port behind this one; any free port stays any free port.
const fn next_port(port: u16) -> u16 {
    if port == 0 { 0 } else { port.saturating_add(1) }
}

/// Says once when the service is ready. That is for people: nothing depends on it.
async fn announce(address: SocketAddr) {
    while !is_ready(address).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tracing::info!("codecanvas is ready at http://{address}");
}

async fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
