//! Lays file, environment and flags over the defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::layers::{Layers, environment_name, flatten};
use super::{Config, Registration};

/// Settings given by flags: key and value as text.
pub type Overrides = Vec<(String, String)>;

/// The environment of this process: what [`load`] takes.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// The settings in force.
pub fn load(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Config, ConfigError> {
    checked(layered(file, environment, flags)?.table, environment)
}

/// The settings in force, written as a settings file that has all of them. Secrets are not in it.
pub fn in_force(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<String, ConfigError> {
    let mut settings = layered(file, environment, flags)?;
    let config = checked(settings.table.clone(), environment)?;
    let path = |path: &Path| Value::String(path.display().to_string());
    let filled_in = [
        ("data_dir", path(&config.data_dir)),
        ("worker.cache_dir", path(&config.worker.cache_dir)),
        ("worker.slots", Value::Integer(config.worker.slots.try_into().unwrap_or(i64::MAX))),
    ];
    for (key, value) in filled_in {
        settings.set(key, value, "filled in")?;
    }
    Ok(settings.written())
}

fn layered(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Layers, ConfigError> {
    let mut settings = Layers::defaults();
    let named_by_environment = environment.get("CODECANVAS_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from);
    if let Some(path) = file.map(Path::to_owned).or(named_by_environment) {
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let table: Table =
            text.parse().map_err(|source| ConfigError::Syntax { path: path.clone(), source: Box::new(source) })?;
        let mut given = Vec::new();
        flatten("", &table, &mut given);
        for (key, value) in given {
            settings.set(&key, value, &format!("in {}", path.display()))?;
        }
    }
    for key in settings.keys() {
        let name = environment_name(&key);
        let alias = (key == "database.url").then(|| environment.get("DATABASE_URL")).flatten();
        // A variable that is set to nothing counts as not set: compose files and units write them so.
        if let Some(text) = alias.or_else(|| environment.get(&name)).filter(|text| !text.is_empty()) {
            settings.set_text(&key, text, &format!("environment variable {name}"))?;
        }
    }
    for name in environment.keys().filter(|name| name.starts_with("CODECANVAS_")) {
        settings.check_variable(name)?;
    }
    for (key, text) in flags {
        settings.set_text(key, text, "given as a flag")?;
    }
    Ok(settings)
}

fn checked(table: Table, environment: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let mut config: Config =
        table.try_into().map_err(|error: toml::de::Error| ConfigError::Invalid(one_line(&error)))?;
    fill_in(&mut config, environment)?;
    config.traces = has_collector(environment)?;
    Ok(config)
}

/// Whether the variables of OpenTelemetry name a collector for spans, and one that we can speak to. All else they say is read
/// by its exporter.
fn has_collector(environment: &BTreeMap<String, String>) -> Result<bool, ConfigError> {
    let get = |name: &str| environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let is_off = get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || get("OTEL_TRACES_EXPORTER") == Some("none");
    let endpoint = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"));
    if is_off || endpoint.is_none() {
        return Ok(false);
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match get(name) {
            None => {}
            Some("http/protobuf") => break,
            Some(_) => return Err(ConfigError::Invalid(format!("{name} must be http/protobuf, or not set"))),
        }
    }
    Ok(true)
}

/// TOML errors span lines; a log line must not.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Puts in the defaults that depend on the machine, and checks what depends on two settings.
fn fill_in(config: &mut Config, environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = if nix::unistd::geteuid().is_root() {
            PathBuf::from("/var/lib/codecanvas")
        } else if let Some(dir) = environment.get("XDG_DATA_HOME").filter(|dir| dir.starts_with('/')) {
            Path::new(dir).join("codecanvas")
        } else {
            let home = environment.get("HOME").filter(|dir| dir.starts_with('/')).ok_or(ConfigError::NoHome)?;
            Path::new(home).join(".local/share/codecanvas")
        };
    }
    // Children and Postgres have another working directory.
    config.data_dir = std::path::absolute(&config.data_dir)
        .map_err(|error| ConfigError::Invalid(format!("data_dir cannot be made absolute: {error}")))?;
    if config.worker.cache_dir.as_os_str().is_empty() {
        config.worker.cache_dir = config.data_dir.join("cache");
    }
    if config.worker.slots == 0 {
        config.worker.slots = std::thread::available_parallelism().map_or(1, usize::from);
    }
    let accounts = &config.accounts;
    if accounts.registration == Registration::ByInvitation && accounts.invitation_code.is_none() {
        return Err(ConfigError::Invalid(
            "accounts.registration is \"BY_INVITATION\", so accounts.invitation_code must be set".to_owned(),
        ));
    }
    if config.http.uid == 0 || config.worker.uid_base == 0 {
        return Err(ConfigError::Invalid("http.uid and worker.uid_base must not be 0, which is root".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        std::fs::write(&path, file).unwrap();
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let mut environment: BTreeMap<String, String> = environment.iter().map(own).collect();
        environment.insert("HOME".to_owned(), "/home/ada".to_owned());
        load(Some(&path), &environment, &flags.iter().map(own).collect())
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = with("", &[], &[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:10100");
        assert!(config.worker.slots > 0);
        assert!(config.worker.cache_dir.starts_with(&config.data_dir));
        assert_eq!(config.database.url, None);
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "listen = '127.0.0.1:1'\n[worker]\nslots = 1\nuid_base = 70000\n";
        let environment = [("CODECANVAS_LISTEN", "127.0.0.1:2"), ("CODECANVAS_WORKER_SLOTS", "2")];
        let config = with(file, &environment, &[("listen", "127.0.0.1:3")]).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.worker.slots, 2);
        assert_eq!(config.worker.uid_base, 70000);
    }

    #[test]
    fn the_settings_in_force_can_be_read_back_but_for_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        std::fs::write(&path, "[worker]\nlease = '10s'\nallow_missing = ['a\"b']\n").unwrap();
        let environment = BTreeMap::from([
            ("HOME".to_owned(), "/home/ada".to_owned()),
            ("DATABASE_URL".to_owned(), "postgres://ada:hidden@host/db".to_owned()),
        ]);
        let flags = vec![("worker.slots".to_owned(), "3".to_owned())];
        let printed = in_force(Some(&path), &environment, &flags).unwrap();
        assert!(!printed.contains("hidden") && printed.contains("# url is set, and secret"), "{printed}");
        std::fs::write(&path, &printed).unwrap();
        let config = load(Some(&path), &environment, &Overrides::new()).unwrap();
        assert_eq!((config.worker.slots, config.worker.lease.as_secs()), (3, 10));
        assert_eq!(config.worker.allow_missing, ["a\"b"]);
        assert_eq!(in_force(Some(&path), &environment, &Overrides::new()).unwrap(), printed);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        for (file, nearest) in [
            ("listne = 'x'", "listen"),
            ("[worker]\nslot = 1", "worker.slots"),
            ("slots = 1", "worker.slots"),
            ("[quota.guest]\nruning = 1", "quota.guest.running"),
        ] {
            let message = with(file, &[], &[]).unwrap_err().to_string();
            assert!(message.ends_with(&format!("the nearest is {nearest:?}")), "{message}");
        }
        assert!(matches!(with("", &[], &[("no.such", "1")]), Err(ConfigError::UnknownKey { .. })));
    }

    #[test]
    fn a_variable_that_is_almost_a_setting_is_a_slip() {
        let message = |name| with("", &[(name, "1")], &[]).map(drop).map_err(|error| error.to_string());
        let slip = message("CODECANVAS_WORKER_SLOT").unwrap_err();
        assert!(slip.ends_with("the nearest is \"CODECANVAS_WORKER_SLOTS\""), "{slip}");
        for name in ["CODECANVAS_TOKEN", "CODECANVAS_SERVER", "CODECANVAS_API_SERVICE_HOST", "CODECANVAS_API_PORT"] {
            assert_eq!(message(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (file, environment, key) in [
            ("listen = 10100", None, "listen"),
            ("listen = 'here'", None, "listen"),
            ("worker = 3", None, "worker"),
            ("[worker]\nslots = -1", None, "slots"),
            ("[worker]\nlease = 'soon'", None, "lease"),
            ("", Some(("CODECANVAS_WORKER_SLOTS", "many")), "worker.slots"),
            ("", Some(("CODECANVAS_ACCOUNTS_GUESTS", "yes")), "accounts.guests"),
            ("[accounts]\nregistration = 'BY_INVITATION'", None, "accounts.invitation_code"),
        ] {
            let message = with(file, environment.as_slice(), &[]).unwrap_err().to_string();
            assert!(message.contains(key) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn database_url_comes_from_its_usual_variable() {
        let config = with("", &[("DATABASE_URL", "postgres://x/y")], &[]).unwrap();
        assert_eq!(config.database.url.unwrap().expose(), "postgres://x/y");
        assert_eq!(with("", &[("DATABASE_URL", "")], &[]).unwrap().database.url, None);
    }

    #[test]
    fn spans_are_exported_where_a_collector_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let traces = |environment: &[(&str, &str)]| with("", environment, &[]).map(|config| config.traces);
        assert!(!traces(&[]).unwrap());
        assert!(!traces(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap());
        assert!(traces(&[endpoint]).unwrap());
        assert!(!traces(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap());
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert!(traces(&[endpoint, grpc]).unwrap_err().to_string().contains("http/protobuf"));
        assert!(traces(&[endpoint, grpc, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")]).unwrap());
        assert!(!traces(&[grpc]).unwrap());
    }

    #[test]
    fn lists_in_the_environment_are_separated_by_commas() {
        let config = with("", &[("CODECANVAS_HTTP_ALLOWED_ORIGINS", "https://a.example, https://b.example")], &[]);
        assert_eq!(config.unwrap().http.allowed_origins, ["https://a.example", "https://b.example"]);
    }
}
