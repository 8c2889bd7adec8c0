//! `codecanvas admin backup` and `restore`: everything that is kept, as one file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;

use super::database::OpenDatabase;
use crate::config::Config;
use crate::postgres::dump;
use crate::store::schema;

/// The actions on the database as a whole.
#[derive(Debug, Subcommand)]
pub enum Dump {
    /// Write everything in the database to a file, while the service runs or not
    ///
    /// The file is in the custom format of pg_dump, readable for its owner only, and holds one consistent moment.
    Backup {
        /// The file; one that exists is replaced when the new one is complete
        file: PathBuf,
    },
    /// Replace everything in the database by a backup
    ///
    /// All or nothing, in one transaction. The service must not run meanwhile. A backup of an older version is
    /// brought up to date by "codecanvas migrate".
    Restore {
        /// The file that backup wrote
        file: PathBuf,
        /// Give up what is in the database now
        #[arg(long)]
        replace: bool,
    },
}

impl Dump {
    /// Does it.
    pub async fn perform(&self, config: &Config, database: &OpenDatabase) -> anyhow::Result<()> {
        let binaries = dump::binaries(config)?;
        let mut output = std::io::stdout();
        match self {
            Self::Backup { file } => {
                schema::check(&database.pool).await?;
                dump::backup(&database.url, &binaries, file).await?;
                let length = std::fs::metadata(file)?.len();
                writeln!(output, "wrote {} ({length} bytes)", file.display())?;
            }
            Self::Restore { file, replace } => {
                let occupancy = schema::occupancy(&database.pool).await?;
                if occupancy.connections > 0 {
                    bail!("the database is in use by {} connection(s): stop the service first", occupancy.connections);
                }
                if occupancy.accounts > 0 && !replace {
                    bail!("the database holds {} account(s), which would be lost: say --replace", occupancy.accounts);
                }
                dump::restore(&database.url, &binaries, file).await?;
                writeln!(output, "restored {}", file.display())?;
                schema::check(&database.pool).await?;
            }
        }
        Ok(())
    }
}
