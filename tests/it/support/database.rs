//! One embedded Postgres per test binary, and a database per test.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use codecanvas::config::{Database, Secret};
use codecanvas::postgres::{Cluster, Settings};
use codecanvas::store::schema;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

/// A database that belongs to one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// For processes that the test starts.
    pub url: Secret,
    /// For the test itself.
    pub pool: PgPool,
}

/// A fresh database with the whole schema.
pub async fn database() -> TestDatabase {
    create(Some(&postgres().template)).await
}

/// A fresh database without anything.
pub async fn empty_database() -> TestDatabase {
    create(None).await
}

/// Settings of a test's connections.
pub fn settings() -> Database {
    Database { url: None, postgres_bin: None, max_connections: 30 }
}

struct Postgres {
    url: Secret,
    template: String,
}

/// The Postgres of this test binary. It ends with the binary: the thread that started it never does.
fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                remove_leftovers();
                let cluster = Cluster::start(&Settings {
                    data_dir: format!("{PREFIX}{}", std::process::id()).into(),
                    bin: None,
                    executable: super::executable(),
                    is_durable: false,
                    max_connections: 300,
                })
                .await
                .unwrap();
                let template = "template_codecanvas".to_owned();
                run(cluster.url(), format!("CREATE DATABASE {template}")).await;
                let pool = schema::connect(&with_database(cluster.url(), &template), &settings()).await.unwrap();
                schema::migrate(&pool).await.unwrap();
                // A template must not be connected to while it is copied.
                pool.close().await;
                sender.send(Postgres { url: cluster.url().clone(), template }).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().expect("the Postgres of the tests does not start")
    })
}

async fn create(template: Option<&str>) -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Other threads go on while the first one starts Postgres.
    let postgres = tokio::task::spawn_blocking(postgres).await.unwrap();
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let template = template.unwrap_or("template0");
    run(&postgres.url, format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await;
    let url = with_database(&postgres.url, &name);
    let pool = schema::connect(&url, &settings()).await.unwrap();
    TestDatabase { url, pool }
}

async fn run(url: &Secret, sql: String) {
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn with_database(url: &Secret, name: &str) -> Secret {
    Secret::from(url.expose().replace("/postgres?", &format!("/{name}?")))
}

/// Not below the target directory: the database's own user must be able to reach it.
const PREFIX: &str = "/tmp/codecanvas-test-postgres-";

/// Removes what earlier test binaries left: their lock is free, and not this moment's.
fn remove_leftovers() {
    for entry in std::fs::read_dir("/tmp").unwrap().flatten() {
        let path = entry.path();
        if path.to_string_lossy().starts_with(PREFIX) && is_abandoned(&path) {
            // Another binary may be doing the same.
            std::fs::remove_dir_all(path).ok();
        }
    }
}

fn is_abandoned(directory: &Path) -> bool {
    let pid = directory.to_string_lossy()[PREFIX.len()..].to_owned();
    !Path::new("/proc").join(pid).exists()
        && File::open(directory.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
}
