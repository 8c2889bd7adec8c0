//! The kinds of values that settings have, and how they are written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use subtle::ConstantTimeEq as _;

use crate::domain::units::Bytes;

/// A value that is never printed: passwords, and URLs that hold one. Comparing two takes as long whether
/// they differ at the beginning or at the end.
#[derive(Clone, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Splits `12h` or `2 GiB` into the number and its unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

/// Reads `250ms`, `30s`, `10m`, `12h` or `30d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time such as \"30s\", \"10m\", \"12h\" or \"30d\"");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads `512 KiB`, `64 MiB`, `2 GiB` or a bare number of bytes.
fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let wrong = || format!("{text:?} is not a size such as \"512 KiB\", \"64 MiB\" or \"2 GiB\"");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).map(Bytes).ok_or_else(wrong)
}

/// A length of time, for `#[serde(deserialize_with)]`.
pub(super) fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(input)?).map_err(D::Error::custom)
}

/// A length of time, or `""`.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(input)?;
    if text.is_empty() { Ok(None) } else { parse_duration(&text).map(Some).map_err(D::Error::custom) }
}

/// A size in bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(input: D) -> Result<Bytes, D::Error> {
    parse_bytes(&String::deserialize(input)?).map_err(D::Error::custom)
}

/// Any value that is read from text, or `""`.
pub(super) fn optional<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(input)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(parse_duration("30 d"), Ok(Duration::from_hours(720)));
        for wrong in ["", "30", "s", "-1s", "1.5h", "1 week", "99999999999999999999s", "999999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_bytes("2 GiB"), Ok(Bytes::mib(2048)));
        assert_eq!(parse_bytes("512KiB"), Ok(Bytes::kib(512)));
        assert_eq!(parse_bytes("77"), Ok(Bytes(77)));
        for wrong in ["", "2 GB", "GiB", "99999999999 GiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        let secret = |text: &str| Secret::from(text.to_owned());
        assert!(secret("hunter2") == secret("hunter2"));
        for other in ["", "hunter", "hunter3", "hunter22"] {
            assert!(secret("hunter2") != secret(other), "{other}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", Secret::from("hunter2".to_owned())).contains("hunter2"));
    }
}
