//! What the index for the search in programs costs whoever hands one in.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use codecanvas::auth::{Credential, Viewer};
use codecanvas::config::{self, Config, Secret};
use codecanvas::domain::ids::{SessionId, UserId};
use codecanvas::domain::user::SiteRole;
use codecanvas::service::input::NewSubmissionInput;
use codecanvas::service::{Services, submissions};
use codecanvas::store::schema;
use sqlx::{AssertSqlSafe, PgPool};

use crate::ms;

/// Programs handed in to each database.
const PROGRAMS: usize = 3000;
/// Lines of a program: some 1.5 kB.
const LINES: usize = 40;
/// What people wrote; each program is a stretch of it, with a line that makes it another one.
const WRITTEN: &str = concat!(
    include_str!("main.rs"),
    include_str!("../../src/service/history.rs"),
    include_str!("../../src/service/submissions.rs"),
    include_str!("../../src/executor/step.rs"),
    include_str!("../../src/executor/verdict.rs"),
    include_str!("../../src/cli/settings.rs"),
);

/// Hands in the same new programs to two copies of the database, with and without the index, in turn. `pool`
/// is closed: a database that is in use cannot be copied.
pub async fn measure(url: &Secret, config: &Config, pool: PgPool) -> Result<()> {
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await?;
    pool.close().await;
    let elsewhere = |name: &str| -> Result<Secret> {
        let mut url = url::Url::parse(url.expose()).context("not a URL")?;
        url.set_path(name);
        Ok(Secret::from(url.to_string()))
    };
    let maintenance = schema::connect(&elsewhere("template1")?, &config.database).await?;
    let mut copies = Vec::new();
    for name in ["with_index", "without_index"] {
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {database}"))).execute(&maintenance).await?;
        copies.push(Copy::open(&elsewhere(name)?, config).await?);
    }
    sqlx::query("DROP INDEX sources_text").execute(&copies[1].services.pool).await?;
    let lines: Vec<&str> = WRITTEN.lines().collect();
    for number in 0..PROGRAMS {
        let from = number * 7919 % (lines.len() - LINES);
        let source = format!("# {number}\n{}\n", lines[from..from + LINES].join("\n"));
        // Whoever comes second finds what both need in the caches of the processor.
        let (first, second) = if number % 2 == 0 { (0, 1) } else { (1, 0) };
        copies[first].hand_in(&source).await?;
        copies[second].hand_in(&source).await?;
    }
    println!("\n## Handing in {PROGRAMS} new programs, nothing waits for the disk\n");
    println!("| submitCode's transaction | mean ms | p50 ms | p99 ms | slowest ms |");
    println!("|---|---:|---:|---:|---:|");
    let with = copies[0].row("with the index for sourceContains");
    let without = copies[1].row("without");
    let ratio = |of: fn(&Figures) -> Duration| of(&with).as_secs_f64() / of(&without).as_secs_f64();
    println!("| with : without | {:.2} | {:.2} | {:.2} | |", ratio(|f| f.mean), ratio(|f| f.median), ratio(|f| f.p99));
    for copy in copies {
        copy.services.pool.close().await;
    }
    Ok(())
}

struct Figures {
    mean: Duration,
    median: Duration,
    p99: Duration,
}

/// A copy of the database, and how long handing in took there.
struct Copy {
    services: Services,
    viewer: Viewer,
    times: Vec<Duration>,
}

impl Copy {
    async fn open(url: &Secret, config: &Config) -> Result<Self> {
        let pool = schema::connect(url, &config.database).await?;
        let user: uuid::Uuid =
            sqlx::query_scalar("UPDATE users SET role = 'ADMIN' WHERE username = 'user1' RETURNING id")
                .fetch_one(&pool)
                .await?;
        sqlx::query(include_str!("../../tests/it/support/promise_bash.sql")).execute(&pool).await?;
        let viewer = Viewer {
            user_id: UserId::from_uuid(user),
            username: "user1".to_owned(),
            role: SiteRole::Admin,
            credential: Credential::Session(SessionId::new()),
            expires_at: None,
        };
        let services = Services::new(pool, config.into())?;
        Ok(Self { services, viewer, times: Vec::with_capacity(PROGRAMS) })
    }

    async fn hand_in(&mut self, source: &str) -> Result<()> {
        let input = NewSubmissionInput {
            language: "bash".to_owned(),
            source: Some(source.to_owned()),
            ..NewSubmissionInput::default()
        };
        let began = Instant::now();
        submissions::submit(&self.services, &self.viewer, input).await?;
        self.times.push(began.elapsed());
        Ok(())
    }

    fn row(&mut self, what: &str) -> Figures {
        let times = &mut self.times;
        times.sort();
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let figures = Figures {
            mean: times.iter().sum::<Duration>() / count,
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        };
        println!(
            "| {what} | {:.2} | {:.2} | {:.2} | {:.1} |",
            ms(figures.mean),
            ms(figures.median),
            ms(figures.p99),
            ms(times[times.len() - 1]),
        );
        figures
    }
}

/// Settings under which one person may hand in that much.
pub fn settings() -> config::Overrides {
    ["quota.admin.waiting", "quota.admin.per_minute", "queue.capacity"]
        .map(|key| (key.to_owned(), "1000000".to_owned()))
        .into_iter()
        .collect()
}
