//! What one step may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::Bytes;

/// Limits of one step, compile or run. All of them are always in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Processor time of the whole process tree, in milliseconds.
    pub cpu_time_ms: u32,
    /// Time on the clock, in milliseconds; not charged while an interactive program waits for input.
    pub wall_time_ms: u32,
    /// Memory of the whole process tree, files in memory included.
    pub memory_bytes: Bytes,
    /// Output kept per stream; what follows is counted, not kept.
    pub output_bytes: Bytes,
    /// Processes and threads at the same time.
    pub processes: u32,
    /// Everything the step may write to its work directory and `/tmp`.
    pub disk_bytes: Bytes,
}

impl Limits {
    /// Processor time as a duration.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_millis(self.cpu_time_ms.into())
    }

    /// Wall time as a duration.
    pub fn wall_time(&self) -> Duration {
        Duration::from_millis(self.wall_time_ms.into())
    }
}

/// What a submitter asked for; `None` takes the language's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedLimits {
    /// See [`Limits::cpu_time_ms`].
    pub cpu_time_ms: Option<u32>,
    /// See [`Limits::wall_time_ms`].
    pub wall_time_ms: Option<u32>,
    /// See [`Limits::memory_bytes`].
    pub memory_bytes: Option<Bytes>,
    /// See [`Limits::output_bytes`].
    pub output_bytes: Option<Bytes>,
    /// See [`Limits::processes`].
    pub processes: Option<u32>,
    /// See [`Limits::disk_bytes`].
    pub disk_bytes: Option<Bytes>,
}

/// A limit that was asked for and cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// Above what the language allows at most.
    #[error("{field} may be at most {maximum} for this language")]
    AboveMaximum {
        /// The field's name as the API writes it.
        field: &'static str,
        /// The most that can be had, with its unit.
        maximum: String,
    },
    /// Zero, which would forbid the program to start.
    #[error("{field} must be at least 1")]
    Zero {
        /// The field's name as the API writes it.
        field: &'static str,
    },
}

impl InvalidLimit {
    /// The field's name as the API writes it.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::AboveMaximum { field, .. } | Self::Zero { field } => field,
        }
    }
}

impl RequestedLimits {
    /// The limits in force: what was asked for, else the default, never above the maximum.
    pub fn resolve(&self, default: &Limits, maximum: &Limits) -> Result<Limits, InvalidLimit> {
        fn pick<T: Copy + PartialOrd + Default>(
            field: &'static str,
            asked: Option<T>,
            default: T,
            maximum: T,
            show: impl Fn(T) -> String,
        ) -> Result<T, InvalidLimit> {
            match asked {
                None => Ok(default),
                Some(value) if value > maximum => Err(InvalidLimit::AboveMaximum { field, maximum: show(maximum) }),
                Some(value) if value <= T::default() => Err(InvalidLimit::Zero { field }),
                Some(value) => Ok(value),
            }
        }
        let ms = |value: u32| format!("{value} ms");
        let bytes = |value: Bytes| format!("{} bytes", value.0);
        let count = |value: u32| value.to_string();
        Ok(Limits {
            cpu_time_ms: pick("cpuTimeMs", self.cpu_time_ms, default.cpu_time_ms, maximum.cpu_time_ms, ms)?,
            wall_time_ms: pick("wallTimeMs", self.wall_time_ms, default.wall_time_ms, maximum.wall_time_ms, ms)?,
            memory_bytes: pick("memoryBytes", self.memory_bytes, default.memory_bytes, maximum.memory_bytes, bytes)?,
            output_bytes: pick("outputBytes", self.output_bytes, default.output_bytes, maximum.output_bytes, bytes)?,
            processes: pick("processes", self.processes, default.processes, maximum.processes, count)?,
            disk_bytes: pick("diskBytes", self.disk_bytes, default.disk_bytes, maximum.disk_bytes, bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Limits = Limits {
        cpu_time_ms: 1000,
        wall_time_ms: 2000,
        memory_bytes: Bytes::mib(64),
        output_bytes: Bytes::kib(64),
        processes: 16,
        disk_bytes: Bytes::mib(16),
    };
    const MAXIMUM: Limits = Limits { cpu_time_ms: 5000, ..DEFAULT };

    #[test]
    fn what_is_not_asked_for_is_the_default() {
        assert_eq!(RequestedLimits::default().resolve(&DEFAULT, &MAXIMUM), Ok(DEFAULT));
    }

    #[test]
    fn limits_can_be_raised_up_to_the_maximum_and_not_beyond() {
        let asked = |ms| RequestedLimits { cpu_time_ms: Some(ms), ..RequestedLimits::default() };
        assert_eq!(asked(5000).resolve(&DEFAULT, &MAXIMUM).map(|l| l.cpu_time_ms), Ok(5000));
        let error = asked(5001).resolve(&DEFAULT, &MAXIMUM).unwrap_err();
        assert_eq!(error.to_string(), "cpuTimeMs may be at most 5000 ms for this language");
        assert_eq!(asked(0).resolve(&DEFAULT, &MAXIMUM), Err(InvalidLimit::Zero { field: "cpuTimeMs" }));
    }
}
