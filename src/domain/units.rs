//! Sizes in bytes, told apart from other numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of bytes. Shown in binary units: `256 MiB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// So many kibibytes.
    pub const fn kib(count: u64) -> Self {
        Self(count * 1024)
    }

    /// So many mebibytes.
    pub const fn mib(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }

    /// The number for a Postgres `bigint`, or for GraphQL's `Long`; saturates.
    pub const fn as_i64(self) -> i64 {
        if self.0 > i64::MAX as u64 { i64::MAX } else { self.0.cast_signed() }
    }

    /// Takes a Postgres `bigint`; negative values, which no column of ours allows, become zero.
    pub const fn from_i64(value: i64) -> Self {
        Self(if value < 0 { 0 } else { value.cast_unsigned() })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
        let mut unit = 0;
        let mut whole = self.0;
        let mut rest = 0;
        while whole >= 1024 && unit + 1 < UNITS.len() {
            rest = whole % 1024;
            whole /= 1024;
            unit += 1;
        }
        let tenths = rest * 10 / 1024;
        if tenths > 0 && whole < 100 {
            write!(f, "{whole}.{tenths} {}", UNITS[unit])
        } else {
            write!(f, "{whole} {}", UNITS[unit])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"), (5 << 40, "5120 GiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
