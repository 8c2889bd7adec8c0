//! The host and the database, for `codecanvas doctor`. Only looks.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{User, geteuid};

use super::{Report, Section, State};
use crate::config::Config;
use crate::domain::units::Bytes;
use crate::postgres::{self, Binaries};
use crate::store::schema;

/// What one program may use by default: a slot for each must fit.
const MEMORY_PER_SLOT: Bytes = Bytes::mib(512);
/// Less free space than this will soon be none.
const FREE_SPACE: Bytes = Bytes::mib(2048);

/// Reports on the host and the database.
pub(super) async fn check(report: &mut Report, config: &Config) -> anyhow::Result<()> {
    report.section(Section::Host)?;
    check_user(report)?;
    check_memory(report, config)?;
    check_space(report, &config.data_dir)?;
    report.section(Section::Postgres)?;
    check_postgres(report, config).await
}

fn check_user(report: &mut Report) -> std::io::Result<()> {
    if geteuid().is_root() {
        return report.line(
            State::Good,
            "user",
            "root: each slot has a user of its own; the api process gives root up",
        );
    }
    report.line(
        State::Reduced,
        "user",
        "an ordinary one: boxes are in user namespaces, see own-user (fix: start as root)",
    )?;
    // Each of these files exists only where the kernel or the distribution has the switch.
    for (file, good, fix) in [
        ("kernel/unprivileged_userns_clone", "1", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "0",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ] {
        if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(file))
            && value.trim() != good
        {
            report.line(State::Bad, "user namespaces", &format!("are not for ordinary users (fix: {fix})"))?;
        }
    }
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|value| value.trim() == "0") {
        report.line(
            State::Bad,
            "user namespaces",
            "are switched off (fix: sysctl -w user.max_user_namespaces=10000)",
        )?;
    }
    Ok(())
}

fn check_memory(report: &mut Report, config: &Config) -> std::io::Result<()> {
    let slots = config.worker.slots;
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(Bytes::kib(line.trim().strip_suffix(" kB")?.parse().ok()?))
    });
    let Some(total) = total else { return report.line(State::Reduced, "memory", "/proc/meminfo cannot be read") };
    let wanted = Bytes(MEMORY_PER_SLOT.0.saturating_mul(slots as u64));
    let text = format!("{total} for {slots} programs at a time");
    if total < wanted {
        return report.line(State::Reduced, "memory", &format!("{text} (fix: --set worker.slots=N, fewer)"));
    }
    report.line(State::Good, "memory", &text)
}

fn check_space(report: &mut Report, data_dir: &Path) -> std::io::Result<()> {
    // It is made at the first start.
    let Some(existing) = data_dir.ancestors().find(|path| path.exists()) else { return Ok(()) };
    match statvfs(existing) {
        Ok(space) => {
            let free = Bytes(space.blocks_available().saturating_mul(space.fragment_size()));
            let state = if free < FREE_SPACE { State::Reduced } else { State::Good };
            report.line(state, "space", &format!("{free} free for {}", data_dir.display()))
        }
        Err(error) => report.line(State::Reduced, "space", &format!("{} cannot be asked: {error}", existing.display())),
    }
}

async fn check_postgres(report: &mut Report, config: &Config) -> anyhow::Result<()> {
    let url = if let Some(url) = &config.database.url {
        url.clone()
    } else {
        match Binaries::find(config.database.postgres_bin.as_deref(), None) {
            Ok(found) => {
                let text = format!("version {} in {}, started by serve", found.major, found.path.display());
                report.line(State::Good, "embedded", &text)?;
            }
            Err(error) => return Ok(report.line(State::Bad, "embedded", &error.to_string())?),
        }
        if geteuid().is_root() && !matches!(User::from_name("postgres"), Ok(Some(_))) {
            report.line(State::Bad, "user", &postgres::PostgresError::NoUser.to_string())?;
        }
        // Only that of a running service is looked at: none is started for this.
        match postgres::url_of_running(config) {
            Some(url) => url,
            None => return Ok(report.line(State::Absent, "service", "none runs on this data directory")?),
        }
    };
    let found = async {
        let pool = schema::connect(&url, &config.database).await?;
        let pending = schema::pending(&pool).await;
        pool.close().await;
        pending
    };
    match found.await {
        Ok(pending) if pending.is_empty() => {
            report.line(State::Good, "database", "answers; its schema is up to date")?;
        }
        Ok(pending) => {
            let text = format!("lacks {} migrations (fix: codecanvas migrate)", pending.len());
            report.line(State::Bad, "database", &text)?;
        }
        Err(error) => report.line(State::Bad, "database", &error.to_string())?,
    }
    Ok(())
}
