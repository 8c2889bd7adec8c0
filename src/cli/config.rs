//! `codecanvas config print`

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::settings::SettingFlags;
use crate::config::DEFAULTS;

/// Show the settings of the service
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the settings in force, without secrets; with --defaults every setting with its meaning, as a file to start from
    Print {
        /// Print every setting with its meaning and default
        #[arg(long)]
        defaults: bool,
        #[command(flatten)]
        settings: SettingFlags,
    },
}

impl ConfigCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Print { defaults, settings } = self.action;
        let mut output = std::io::stdout().lock();
        if defaults {
            output.write_all(DEFAULTS.as_bytes())?;
        } else {
            output.write_all(settings.describe()?.as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
