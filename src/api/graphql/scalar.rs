//! Scalars of the schema beyond those of GraphQL itself. What cannot be read is refused before anything is
//! executed: only then is it known which part of the input it is.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{SecondsFormat, Utc};

use crate::domain::units::Bytes;

/// An instant in UTC, RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// An instant in UTC, RFC 3339 with milliseconds.
#[Scalar(name = "DateTime", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(instant) => Ok(Self(instant.to_utc())),
            Err(_) => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(instant: chrono::DateTime<Utc>) -> Self {
        Self(instant)
    }
}

/// Raw bytes, RFC 4648 base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

/// Raw bytes, RFC 4648 base64.
#[Scalar(name = "Base64", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc4648#section-4")]
impl ScalarType for Base64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        STANDARD.decode(text).map(Self).map_err(|_| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if STANDARD.decode(text).is_ok())
    }

    fn to_value(&self) -> Value {
        Value::String(STANDARD.encode(&self.0))
    }
}

/// A count of bytes or events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long(pub i64);

/// The largest number that every JSON reader keeps exactly (RFC 8259, section 6).
const MAX_EXACT: i64 = (1 << 53) - 1;

/// A count of bytes or events; may exceed 32 bits, always below 2^53. Serialised as a JSON number.
#[Scalar(name = "Long", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259#section-6")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::Null
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_)
            | Value::List(_)
            | Value::Object(_) => None,
        };
        match number {
            Some(number) if (0..=MAX_EXACT).contains(&number) => Ok(Self(number)),
            Some(_) | None => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.clamp(0, MAX_EXACT).into())
    }
}

impl From<Bytes> for Long {
    fn from(bytes: Bytes) -> Self {
        Self(bytes.as_i64())
    }
}

impl From<Long> for Bytes {
    fn from(long: Long) -> Self {
        Self::from_i64(long.0)
    }
}

/// How a value of one of these types is written.
pub fn how_to_write(scalar: &str) -> Option<&'static str> {
    match scalar {
        "DateTime" => Some("write it as in \"2026-01-31T12:00:00.000Z\""),
        "Base64" => Some("write it in base64 with padding"),
        "Long" => Some("give a whole number from 0 to 2^53 - 1"),
        "Int" => Some("give a whole number from -2^31 to 2^31 - 1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_milliseconds_and_are_read_in_every_zone() {
        let instant = DateTime::parse(Value::from("2026-01-31T13:00:00.1234+01:00")).ok().unwrap();
        assert_eq!(instant.to_value(), Value::from("2026-01-31T12:00:00.123Z"));
        assert!(DateTime::parse(Value::from("yesterday")).is_err());
        assert!(DateTime::parse(Value::from(7)).is_err());
    }

    #[test]
    fn bytes_come_back_exactly() {
        let bytes = Base64(vec![0, 255, 128]);
        assert_eq!(Base64::parse(bytes.to_value()).ok(), Some(bytes));
        assert!(Base64::parse(Value::from("====")).is_err());
    }

    #[test]
    fn longs_stay_exact() {
        assert_eq!(Long::parse(Value::from(1_i64 << 40)).ok(), Some(Long(1 << 40)));
        assert_eq!(Long(i64::MAX).to_value(), Value::from(MAX_EXACT));
        for wrong in [Value::from(-1), Value::from(1_i64 << 53), Value::from("7"), Value::from(1.5)] {
            assert!(Long::parse(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
