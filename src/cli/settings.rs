//! The flags that all operator commands share, and what follows from them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, Overrides};
use crate::telemetry;

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingFlags {
    /// Read settings from this TOML file [env: CODECANVAS_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set any setting, e.g. --set worker.slots=4; "codecanvas config print --defaults" lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    set: Vec<(String, String)>,
    /// Use this database instead of the embedded one [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Keep the embedded database and the cache here [env: CODECANVAS_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("write it as KEY=VALUE".to_owned()),
    }
}

impl SettingFlags {
    /// The settings in force, and logging started as they say.
    pub fn load(&self) -> anyhow::Result<Config> {
        let config = self.load_quietly()?;
        telemetry::init(&config.log)?;
        Ok(config)
    }

    /// The settings in force, for commands that print to people and log nothing.
    pub fn load_quietly(&self) -> anyhow::Result<Config> {
        Ok(config::load(self.config.as_deref(), &config::environment(), &self.overrides()?)?)
    }

    /// The settings in force as a settings file, without secrets.
    pub fn describe(&self) -> anyhow::Result<String> {
        Ok(config::in_force(self.config.as_deref(), &config::environment(), &self.overrides()?)?)
    }

    /// For a role that keeps nothing on this machine: its user needs no home.
    pub fn without_data_dir(mut self) -> Self {
        self.set.insert(0, ("data_dir".to_owned(), "/nonexistent".to_owned()));
        self
    }

    /// Adds a flag that one command has for itself.
    pub fn with(mut self, key: &str, value: Option<&impl ToString>) -> Self {
        if let Some(value) = value {
            self.set.push((key.to_owned(), value.to_string()));
        }
        self
    }

    fn overrides(&self) -> anyhow::Result<Overrides> {
        let mut overrides = self.set.clone();
        if let Some(url) = &self.database_url {
            overrides.push(("database.url".to_owned(), url.clone()));
        }
        if let Some(dir) = &self.data_dir {
            let dir = dir.to_str().ok_or_else(|| anyhow::anyhow!("--data-dir must be UTF-8"))?;
            overrides.push(("data_dir".to_owned(), dir.to_owned()));
        }
        Ok(overrides)
    }

    /// The same settings as arguments of another process, but for the database, whose URL may hold a
    /// password: arguments can be read by everybody.
    pub fn as_arguments(&self) -> anyhow::Result<Vec<OsString>> {
        let mut arguments = Vec::new();
        if let Some(file) = &self.config {
            arguments.extend(["--config".into(), file.into()]);
        }
        for (key, value) in self.overrides()? {
            if key != "database.url" {
                arguments.extend(["--set".into(), format!("{key}={value}").into()]);
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_named_wins_over_none() {
        let place = |flags: SettingFlags| flags.without_data_dir().load_quietly().unwrap().data_dir;
        // Nothing of the user's home is asked for.
        assert_eq!(place(SettingFlags::default()), PathBuf::from("/nonexistent"));
        let named = SettingFlags { data_dir: Some("/srv/data".into()), ..SettingFlags::default() };
        assert_eq!(place(named), PathBuf::from("/srv/data"));
    }
}
