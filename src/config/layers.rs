//! Settings by their keys while they are laid over each other, and written down again.

use toml::{Table, Value};

use super::error::ConfigError;

/// Every setting with its meaning and default, as `codecanvas config print --defaults` prints it.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Variables that are no settings of the service.
const OTHER_VARIABLES: [&str; 3] = ["CODECANVAS_CONFIG", "CODECANVAS_SERVER", "CODECANVAS_TOKEN"];

/// Settings that are not printed.
const SECRETS: [&str; 2] = ["database.url", "accounts.invitation_code"];

/// The variable that stands for a key: `worker.slots` is `CODECANVAS_WORKER_SLOTS`.
pub(super) fn environment_name(key: &str) -> String {
    format!("CODECANVAS_{}", key.replace('.', "_").to_uppercase())
}

/// The settings while they are laid over each other. Each key of the defaults is there, with a
/// value of the kind that it must have.
pub(super) struct Layers {
    pub(super) table: Table,
}

impl Layers {
    pub(super) fn defaults() -> Self {
        Self { table: DEFAULTS.parse().expect("the built-in defaults are TOML, a test reads them") }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        let mut all = Vec::new();
        flatten("", &self.table, &mut all);
        all.into_iter().map(|(key, _)| key).collect()
    }

    /// The place of a value by its dotted key; tables have none.
    fn slot(&mut self, key: &str) -> Option<&mut Value> {
        let mut parts = key.split('.');
        let mut value = self.table.get_mut(parts.next()?)?;
        for part in parts {
            value = value.as_table_mut()?.get_mut(part)?;
        }
        (!value.is_table()).then_some(value)
    }

    /// In the order of the defaults, without their comments.
    pub(super) fn written(&mut self) -> String {
        let mut lines = Vec::new();
        let mut table = String::new();
        for line in DEFAULTS.lines() {
            if let Some(header) = line.strip_prefix('[') {
                table = format!("{}.", header.trim_end_matches(']'));
                lines.extend([String::new(), line.to_owned()]);
            } else if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with('#')) {
                let key = format!("{table}{name}");
                let value = self.slot(&key).map(|value| value.to_string()).unwrap_or_default();
                let is_hidden = SECRETS.contains(&key.as_str()) && value != "\"\"";
                lines.push(if is_hidden {
                    format!("# {name} is set, and secret")
                } else {
                    format!("{name} = {value}")
                });
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn unknown(&self, key: &str, origin: &str) -> ConfigError {
        let nearest = self
            .keys()
            .into_iter()
            .min_by_key(|known| {
                // A forgotten table name is the commonest slip: "slots" for "worker.slots".
                let last = known.rsplit('.').next().unwrap_or(known);
                strsim::damerau_levenshtein(known, key).min(strsim::damerau_levenshtein(last, key) + 1)
            })
            .unwrap_or_default();
        ConfigError::UnknownKey { key: key.to_owned(), origin: origin.to_owned(), nearest }
    }

    /// A variable that is almost the name of a setting is a slip. Others may be there for another reason: container
    /// managers make `CODECANVAS_API_SERVICE_HOST` and the like.
    pub(super) fn check_variable(&self, name: &str) -> Result<(), ConfigError> {
        let names = || self.keys().into_iter().map(|key| environment_name(&key));
        let nearest = names().map(|known| (strsim::damerau_levenshtein(&known, name), known)).min();
        match nearest {
            Some((1..=2, nearest)) if !OTHER_VARIABLES.contains(&name) => Err(ConfigError::UnknownKey {
                key: name.to_owned(),
                origin: "environment variable".to_owned(),
                nearest,
            }),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn set(&mut self, key: &str, value: Value, origin: &str) -> Result<(), ConfigError> {
        let Some(slot) = self.slot(key) else { return Err(self.unknown(key, origin)) };
        if !slot.same_type(&value) {
            return Err(wrong_kind(key, slot, origin));
        }
        *slot = value;
        Ok(())
    }

    pub(super) fn set_text(&mut self, key: &str, text: &str, origin: &str) -> Result<(), ConfigError> {
        let Some(slot) = self.slot(key) else { return Err(self.unknown(key, origin)) };
        let value = match slot {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(_) => Some(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            )),
            Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
        };
        match value {
            Some(value) => {
                *slot = value;
                Ok(())
            }
            None => Err(wrong_kind(key, slot, origin)),
        }
    }
}

fn wrong_kind(key: &str, slot: &Value, origin: &str) -> ConfigError {
    let expected = match slot {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => "something else",
    };
    ConfigError::WrongKind { key: key.to_owned(), expected, origin: origin.to_owned() }
}

/// Lists the values below a table with their dotted keys.
pub(super) fn flatten(prefix: &str, table: &Table, into: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, into),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => into.push((key, value.clone())),
        }
    }
}
