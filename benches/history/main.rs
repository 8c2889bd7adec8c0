//! How long a page of history takes among millions, whatever is asked for.
//!
//! `cargo bench --bench history`, or `-- 10000000` for as many submissions (a million and some 2 GB of disk
//! where nothing is said), or `-- postgres://…` for a database that was filled by an earlier run. A
//! Postgres of its own runs in a temporary directory.
//!
//! Measured is the use case as the API calls it: right, page, rows. Of every list the first and the
//! 1000th page (where it has so many), forwards and backwards, with every filter. What is refused because it
//! would take too long is a row as well. At the end programs are handed in, with and without the index that the
//! search needs.
#![expect(clippy::disallowed_methods, reason = "a bench fills the database")]

mod inserts;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{TimeDelta, Utc};
use codecanvas::auth::{Credential, Viewer};
use codecanvas::config::{self, Secret};
use codecanvas::domain::ids::{CourseId, SessionId, SubmissionId, UserId};
use codecanvas::domain::page::{End, PageRequest};
use codecanvas::domain::submission::{SubmissionFilter, SubmissionScope};
use codecanvas::domain::user::SiteRole;
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::postgres::{Cluster, Settings};
use codecanvas::service::{Services, history, statistics};
use codecanvas::store::schema;
use sqlx::{AssertSqlSafe, PgPool};

/// How often each question is asked.
const REPEATS: usize = 20;
/// Rows of a page.
const PAGE: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` adds `--bench`.
    let argument = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let directory = tempfile::Builder::new().prefix("codecanvas-history-").tempdir()?;
    let (cluster, url) = if let Some(url) = argument.as_deref().filter(|text| text.starts_with("postgres")) {
        (None, Secret::from(url.to_owned()))
    } else {
        let cluster = Cluster::start(&Settings {
            data_dir: directory.path().join("data"),
            bin: None,
            executable: env!("CARGO_BIN_EXE_codecanvas").into(),
            is_durable: false,
            max_connections: 20,
        })
        .await?;
        let url = cluster.url().clone();
        (Some(cluster), url)
    };
    let config = config::load(None, &BTreeMap::new(), &inserts::settings())?;
    let pool = schema::connect(&url, &config.database).await?;
    if cluster.is_some() {
        schema::migrate(&pool).await?;
        let rows: u32 = argument.as_deref().unwrap_or("1000000").parse().context("not a number of submissions")?;
        let began = Instant::now();
        sqlx::raw_sql(AssertSqlSafe(format!("SET seed.rows = {rows};\n{}", include_str!("seed.sql"))))
            .execute(&pool)
            .await?;
        // Not in the same transaction. Without it no index tells by itself what is visible.
        sqlx::query("VACUUM ANALYZE").execute(&pool).await?;
        eprintln!("{rows} submissions written in {:.0} s", began.elapsed().as_secs_f64());
    }
    let services = Services::new(pool.clone(), (&config).into())?;
    measure(&services, &pool).await?;
    if let Some(cluster) = cluster {
        inserts::measure(&url, &config, pool).await?;
        cluster.stop().await;
    }
    Ok(())
}

async fn measure(services: &Services, pool: &PgPool) -> Result<()> {
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM submissions").fetch_one(pool).await?;
    let teacher = viewer(pool, 1).await?;
    let large = course(pool, 1).await?;
    let usual = course(pool, 20).await?;
    let lists = [
        ("a user's own", viewer(pool, 3).await?, SubmissionScope::User(user(pool, 3).await?)),
        ("a usual user's own", viewer(pool, 90).await?, SubmissionScope::User(user(pool, 90).await?)),
        ("a student's, for the teacher", teacher.clone(), SubmissionScope::User(user(pool, 3).await?)),
        // Who teaches nobody.
        ("a student's, for another one", viewer(pool, 90).await?, SubmissionScope::User(user(pool, 3).await?)),
        ("the largest course's", teacher.clone(), SubmissionScope::Course(large)),
        ("a usual course's", teacher.clone(), SubmissionScope::Course(usual)),
        ("a student's in a course", teacher.clone(), SubmissionScope::Member(large, user(pool, 3).await?)),
    ];
    println!("\n## Pages of {PAGE} of the history, {total} submissions in all\n");
    println!("| list | submissions | questions | p50 ms | p99 ms | slowest |");
    println!("|---|---:|---:|---:|---:|---|");
    for (name, viewer, scope) in lists {
        list(services, name, &viewer, scope, user(pool, 50).await?).await?;
    }
    println!("\n## Text and counts\n");
    println!("| what | ms, median | slowest |");
    println!("|---|---:|---:|");
    for (course, id) in [("usual", usual), ("largest", large)] {
        for (name, text) in [
            ("a text in every program", "import sys"),
            ("a text in one program", "solve_777("),
            ("a text in none", "nowhere at all"),
            ("a text in none, of frequent parts", "import total values"),
            ("two characters in none", "~~"),
        ] {
            let filter = SubmissionFilter { source_contains: Some(text.to_owned()), ..SubmissionFilter::default() };
            let scope = SubmissionScope::Course(id);
            row(&format!("{name}, in the {course} course"), async || {
                history::list(services, &teacher, scope, &filter, &page(None, End::First)).await.map(drop)
            })
            .await?;
        }
    }
    for (name, course) in [("usual", usual), ("largest", large)] {
        row(&format!("roster of the {name} course"), async || {
            statistics::roster(services, &teacher, course).await.map(drop)
        })
        .await?;
        let month = Some(Utc::now() - TimeDelta::days(30));
        row(&format!("a month's statistics of the {name} course"), async || {
            statistics::course_statistics(services, &teacher, course, month, None).await.map(drop)
        })
        .await?;
        // As old as the course; those of the seed are older than its row says.
        let always = Some(Utc::now() - TimeDelta::days(1200));
        row(&format!("all statistics of the {name} course"), async || {
            statistics::course_statistics(services, &teacher, course, always, None).await.map(drop)
        })
        .await?;
    }
    Ok(())
}

/// Asks for pages of a list with every filter, and prints how long that took.
async fn list(services: &Services, name: &str, viewer: &Viewer, scope: SubmissionScope, author: UserId) -> Result<()> {
    let count = history::count(services, viewer, scope, &SubmissionFilter::default()).await?;
    let deep = thousandth(services, viewer, scope).await?;
    let mut times = Vec::new();
    for (what, filter) in filters(author) {
        for (at, request) in [
            ("first", Some(page(None, End::First))),
            ("last", Some(page(None, End::Last))),
            ("1000th", deep.map(|id| page(Some(id), End::First))),
            ("1000th, backwards", deep.map(|id| PageRequest { before: Some(id), ..page(None, End::Last) })),
        ] {
            let Some(request) = request else { continue };
            for _ in 0..REPEATS {
                let began = Instant::now();
                history::list(services, viewer, scope, &filter, &request).await?;
                times.push((began.elapsed(), format!("{what}, {at}")));
            }
        }
    }
    times.sort();
    let (slowest, of) = times.last().context("nothing was measured")?;
    println!(
        "| {name} | {count} | {} | {:.2} | {:.2} | {:.2} ms: {of} |",
        times.len(),
        ms(times[times.len() / 2].0),
        ms(times[times.len() * 99 / 100].0),
        ms(*slowest),
    );
    Ok(())
}

/// Every condition: frequent, rare, and those that are frequent alone but never hold together.
fn filters(author: UserId) -> Vec<(&'static str, SubmissionFilter)> {
    let all = SubmissionFilter::default;
    let languages = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let ago = |days| Some(Utc::now() - TimeDelta::days(days));
    vec![
        ("everything", all()),
        ("OK", SubmissionFilter { verdicts: Some(vec![Verdict::Ok]), ..all() }),
        ("a rare verdict", SubmissionFilter { verdicts: Some(vec![Verdict::SystemError]), ..all() }),
        (
            "three verdicts",
            SubmissionFilter {
                verdicts: Some(vec![Verdict::MemoryLimit, Verdict::OutputLimit, Verdict::SystemError]),
                ..all()
            },
        ),
        ("a frequent language", SubmissionFilter { languages: languages(&["python3"]), ..all() }),
        ("a rare language", SubmissionFilter { languages: languages(&["cobol"]), ..all() }),
        ("two rare languages", SubmissionFilter { languages: languages(&["cobol", "haskell"]), ..all() }),
        (
            "language and verdict that never meet",
            SubmissionFilter {
                languages: languages(&["python3"]),
                verdicts: Some(vec![Verdict::CompileError]),
                ..all()
            },
        ),
        (
            "languages and verdicts that never meet",
            SubmissionFilter {
                languages: languages(&["python3", "bash"]),
                verdicts: Some(vec![Verdict::CompileError, Verdict::Cancelled]),
                ..all()
            },
        ),
        (
            "frequent languages and verdicts",
            SubmissionFilter {
                languages: languages(&["java", "c++"]),
                verdicts: Some(vec![Verdict::RuntimeError, Verdict::CpuTimeLimit]),
                ..all()
            },
        ),
        ("a day a year ago", SubmissionFilter { created_after: ago(366), created_before: ago(365), ..all() }),
        (
            "a rare verdict of a month",
            SubmissionFilter {
                verdicts: Some(vec![Verdict::OutputLimit]),
                created_after: ago(395),
                created_before: ago(365),
                ..all()
            },
        ),
        ("an author", SubmissionFilter { author_ids: Some(vec![author]), ..all() }),
        ("what runs", SubmissionFilter { states: Some(vec![AttemptState::Running]), ..all() }),
    ]
}

/// The id in front of the 1000th page; `None` where there are not so many.
async fn thousandth(services: &Services, viewer: &Viewer, scope: SubmissionScope) -> Result<Option<SubmissionId>> {
    let mut after = None;
    for _ in 0..1000 * PAGE / 100 {
        let request = PageRequest { after, ..PageRequest::top() };
        let page = history::list(services, viewer, scope, &SubmissionFilter::default(), &request).await?;
        if !page.has_next {
            return Ok(None);
        }
        after = page.items.last().map(|submission| submission.id);
    }
    Ok(after)
}

async fn row(name: &str, ask: impl AsyncFn() -> Result<(), codecanvas::service::Error>) -> Result<()> {
    let mut times = Vec::new();
    let mut refusal = None;
    for _ in 0..REPEATS {
        let began = Instant::now();
        match ask().await {
            Ok(()) => {}
            Err(error) if error.code() == "INVALID_INPUT" => refusal = Some(error),
            Err(error) => return Err(error.into()),
        }
        times.push(began.elapsed());
    }
    times.sort();
    let refusal = refusal.map(|error| format!(", refused: {error}")).unwrap_or_default();
    println!("| {name}{refusal} | {:.1} | {:.1} |", ms(times[REPEATS / 2]), ms(times[REPEATS - 1]));
    Ok(())
}

fn page(after: Option<SubmissionId>, end: End) -> PageRequest<SubmissionId> {
    PageRequest { after, before: None, size: PAGE, end }
}

async fn user(pool: &PgPool, number: u32) -> Result<UserId> {
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM users WHERE username = 'user' || $1")
        .bind(number.to_string())
        .fetch_one(pool)
        .await?;
    Ok(UserId::from_uuid(id))
}

async fn course(pool: &PgPool, number: u32) -> Result<CourseId> {
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM courses WHERE title = 'Course ' || $1")
        .bind(number.to_string())
        .fetch_one(pool)
        .await?;
    Ok(CourseId::from_uuid(id))
}

async fn viewer(pool: &PgPool, number: u32) -> Result<Viewer> {
    Ok(Viewer {
        user_id: user(pool, number).await?,
        username: format!("user{number}"),
        role: SiteRole::Teacher,
        credential: Credential::Session(SessionId::new()),
        expires_at: None,
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
