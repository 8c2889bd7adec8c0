//! All settings, typed, and the only place that reads the environment.
//!
//! `defaults.toml` lists every key with its meaning and its default; [`mod@load`] lays the file, the
//! environment and the flags over it, in that order, and reads the result into [`Config`].
//! A key that does not exist is an error that names the nearest one.

mod error;
mod layers;
mod load;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use self::error::ConfigError;
pub use self::layers::DEFAULTS;
pub use self::load::{Overrides, environment, in_force, load};
pub use self::values::Secret;
use crate::domain::units::Bytes;

/// Every setting of every role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the app and the API are served.
    pub listen: SocketAddr,
    /// Where `/metrics` is served; `None`: nowhere.
    #[serde(deserialize_with = "values::optional")]
    pub metrics_listen: Option<SocketAddr>,
    /// What is kept on this machine. Never empty: [`mod@load`] fills in the default for this user.
    pub data_dir: PathBuf,
    /// Postgres.
    pub database: Database,
    /// What is logged, and how.
    pub log: Log,
    /// Who may have an account.
    pub accounts: Accounts,
    /// What one user may ask for at the same time.
    pub quota: Quotas,
    /// The queue as a whole.
    pub queue: Queue,
    /// The HTTP side of the api process.
    pub http: Http,
    /// Limits of the GraphQL side of the api process.
    pub graphql: Graphql,
    /// The worker process.
    pub worker: Worker,
    /// What is deleted by age.
    pub retention: Retention,
    /// Whether spans are exported, which the variables of OpenTelemetry alone decide.
    #[serde(skip)]
    pub traces: bool,
}

/// Postgres.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where it is; `None`: `serve` starts one of its own.
    #[serde(deserialize_with = "values::optional")]
    pub url: Option<Secret>,
    /// Where the programs of the embedded Postgres are; `None`: looked for.
    #[serde(deserialize_with = "values::optional")]
    pub postgres_bin: Option<PathBuf>,
    /// Connections that one process keeps at most.
    pub max_connections: u32,
}

/// What is logged, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// Levels, as `tracing_subscriber::EnvFilter` reads them.
    pub filter: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Who may have an account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Who may register.
    pub registration: Registration,
    /// What must be given to register; set whenever `registration` is [`Registration::ByInvitation`].
    #[serde(deserialize_with = "values::optional")]
    pub invitation_code: Option<Secret>,
    /// Whether throw-away accounts are given out.
    pub guests: bool,
    /// How long a guest is kept.
    #[serde(deserialize_with = "values::duration")]
    pub guest_lifetime: Duration,
    /// How long a sign-in lasts.
    #[serde(deserialize_with = "values::duration")]
    pub session_lifetime: Duration,
    /// Whether the cookie is sent over HTTPS only.
    pub cookie_secure: bool,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who knows the invitation code.
    ByInvitation,
    /// Nobody; admins make the accounts.
    Closed,
}

/// Quotas per role.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Of a guest.
    pub guest: Quota,
    /// Of an ordinary user.
    pub user: Quota,
    /// Of a teacher.
    pub teacher: Quota,
    /// Of an admin.
    pub admin: Quota,
}

/// What one user may ask for at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Attempts that run at once.
    pub running: u32,
    /// Attempts that wait.
    pub waiting: u32,
    /// Attempts asked for within a minute.
    pub per_minute: u32,
}

/// The queue as a whole.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Attempts that may wait over all users.
    pub capacity: u32,
}

/// The HTTP side of the api process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The largest request body.
    #[serde(deserialize_with = "values::bytes")]
    pub body_limit: Bytes,
    /// Other sites whose pages may use the API.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The user id that an api process started as root takes on.
    pub uid: u32,
}

/// Limits of the GraphQL side of the api process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graphql {
    /// How deep a document may nest.
    pub max_depth: usize,
    /// How much a document may ask for, by the schema's own weights.
    pub max_complexity: usize,
    /// WebSockets that one user may hold open.
    pub max_connections_per_user: usize,
    /// Subscriptions that run at once on one WebSocket.
    pub max_subscriptions_per_connection: usize,
    /// How long a new WebSocket may take to send `connection_init`.
    #[serde(deserialize_with = "values::duration")]
    pub connection_init_timeout: Duration,
    /// How often an idle WebSocket or event stream is pinged.
    #[serde(deserialize_with = "values::duration")]
    pub ping_interval: Duration,
}

/// The worker process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Programs that run at the same time. Never 0: [`mod@load`] fills in the number of processors.
    pub slots: usize,
    /// How long a worker may be silent before its attempts go back to the queue.
    #[serde(deserialize_with = "values::duration")]
    pub lease: Duration,
    /// How long running attempts may take to finish after the first signal.
    #[serde(deserialize_with = "values::duration")]
    pub drain_timeout: Duration,
    /// Language files on top of those built in; one of the same name replaces it.
    #[serde(deserialize_with = "values::optional")]
    pub languages_dir: Option<PathBuf>,
    /// The languages to offer, by name; empty for all whose toolchain is there.
    pub languages: Vec<String>,
    /// Where compiled programs are kept. Never empty: [`mod@load`] fills in the default.
    pub cache_dir: PathBuf,
    /// How large that may grow.
    #[serde(deserialize_with = "values::bytes")]
    pub cache_size: Bytes,
    /// How long an interpreter that was started ahead waits for its program; `None`: none is started ahead.
    #[serde(deserialize_with = "values::optional_duration")]
    pub start_ahead: Option<Duration>,
    /// The name of the control group that holds those of the boxes.
    pub cgroup_parent: String,
    /// The user id of the first slot; slot n has this plus n.
    pub uid_base: u32,
    /// Protections that may be missing, by the names that `doctor` prints.
    pub allow_missing: Vec<String>,
}

/// What is deleted by age.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How long packed event logs are kept after the attempt ended; `None`: for ever.
    #[serde(deserialize_with = "values::optional_duration")]
    pub logs: Option<Duration>,
}
