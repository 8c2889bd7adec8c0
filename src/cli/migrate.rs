//! `codecanvas migrate`

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::database::OpenDatabase;
use super::settings::SettingFlags;
use crate::store::schema;

/// Bring the schema of the database up to this version
///
/// Refuses, and changes nothing, where the database is too old, was left in the middle of a migration, or
/// belongs to a newer codecanvas: the exit code tells which (10 unreachable, 11 too old a server, 12 half
/// migrated, 13 newer, 14 different, 16 failed and rolled back).
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Migrate {
    /// Runs the command.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?;
        let database = OpenDatabase::open(&config).await?;
        let result =
            if self.dry_run { schema::pending(&database.pool).await } else { schema::migrate(&database.pool).await };
        database.close().await;
        let mut output = std::io::stdout().lock();
        let migrations = result?;
        for migration in &migrations {
            let verb = if self.dry_run { "would apply" } else { "applied" };
            writeln!(output, "{verb} {:04} {}", migration.version, migration.description)?;
        }
        if migrations.is_empty() {
            writeln!(output, "the schema is up to date")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
