//! What a teacher sees of a course at a glance: a row per student, and counts over time.

use chrono::{DateTime, TimeDelta, Utc};

use super::course::Member;
use super::ids::{SubmissionId, UserId};
use super::verdict::Verdict;

/// How a student fares in a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterRow {
    /// Who it is.
    pub member: Member,
    /// What they handed in last.
    pub last_submission_id: Option<SubmissionId>,
    /// How often they handed in.
    pub submission_count: i64,
    /// How often it ended well.
    pub ok_count: i64,
    /// Failures since it last ended well. What was cancelled or failed by our fault does not count.
    pub consecutive_failures: i64,
    /// Three or more failures in a row, the last within the hour.
    pub is_stuck: bool,
}

/// Counts of what was handed in within a range of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseStatistics {
    /// How much was handed in.
    pub submissions: i64,
    /// By how many people, teachers and assistants left out.
    pub active_students: i64,
    /// How it ended, most frequent first; what has not ended is left out.
    pub by_verdict: Vec<(Verdict, i64)>,
    /// In which languages, most frequent first.
    pub by_language: Vec<(String, i64)>,
    /// Equal periods that cover the range, oldest first, empty ones included.
    pub over_time: Vec<TimeBucket>,
    /// Each of those people, most runs first.
    pub by_student: Vec<StudentCount>,
}

/// Counts of one student.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StudentCount {
    /// Who it is.
    pub user_id: UserId,
    /// How much they handed in.
    pub submissions: i64,
    /// Which of them was the first that ended well, from 1; what was cancelled or failed by our fault does
    /// not count. `None`: none has ended well.
    pub until_ok: Option<i64>,
}

/// Counts of one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeBucket {
    /// When the period starts; it ends where the next one starts.
    pub starts_at: DateTime<Utc>,
    /// How much was handed in.
    pub submissions: i64,
    /// How much of it ended well.
    pub ok: i64,
    /// How it ended, most frequent first; what has not ended is left out.
    pub by_verdict: Vec<(Verdict, i64)>,
}

/// Equal periods that cover a range of time, at most [`Periods::MOST`] of them, whose borders are
/// where people expect them: on the full hour, at midnight UTC, on Mondays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Where the first period starts: not behind the start of the range.
    pub origin: DateTime<Utc>,
    /// How long each is.
    pub width: TimeDelta,
    /// How many there are, at least one.
    pub count: i32,
}

impl Periods {
    /// So many periods at most.
    pub const MOST: i32 = 100;
    /// Monday, 1 January 2001: periods are counted from there.
    const MONDAY: DateTime<Utc> = DateTime::from_timestamp(978_307_200, 0).expect("the date exists");
    /// What people count time in, in minutes: 1, 5, 15 minutes, 1, 3, 6, 12 hours, a day, 1, 4, 13, 52 weeks.
    const MINUTES: [i64; 12] = [1, 5, 15, 60, 180, 360, 720, 1440, 10_080, 40_320, 131_040, 524_160];

    /// The shortest periods of which at most [`Periods::MOST`] cover the range. `None` where the range
    /// is empty or longer than that many years.
    pub fn covering(since: DateTime<Utc>, until: DateTime<Utc>) -> Option<Self> {
        if since >= until {
            return None;
        }
        Self::MINUTES.into_iter().find_map(|minutes| {
            let width = TimeDelta::minutes(minutes);
            // As exactly as Postgres keeps time.
            let width_us = width.num_microseconds()?;
            let since_us = since.signed_duration_since(Self::MONDAY).num_microseconds()?;
            let first = since_us.div_euclid(width_us);
            let origin = Self::MONDAY.checked_add_signed(TimeDelta::microseconds(first * width_us))?;
            let range_us = until.signed_duration_since(origin).num_microseconds()?;
            // Rounded up; a range of less than a microsecond still has a period.
            let count = i32::try_from((range_us + width_us - 1) / width_us).ok()?.max(1);
            (count <= Self::MOST).then_some(Self { origin, width, count })
        })
    }

    /// Where the nth period starts, from 0.
    pub fn start(&self, index: i32) -> DateTime<Utc> {
        self.origin + self.width * index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn periods_cover_the_range_on_borders_that_people_expect() {
        for (since, until, origin, minutes, count) in [
            ("2026-11-23T10:07:30Z", "2026-11-23T10:09:00Z", "2026-11-23T10:07:00Z", 1, 2),
            ("2026-11-23T10:07:00Z", "2026-11-23T11:07:00Z", "2026-11-23T10:07:00Z", 1, 60),
            ("2026-11-23T10:07:00Z", "2026-11-23T16:00:00Z", "2026-11-23T10:05:00Z", 5, 71),
            ("2026-11-21T10:07:00Z", "2026-11-25T10:07:00Z", "2026-11-21T10:00:00Z", 60, 97),
            ("2026-09-01T10:07:00Z", "2026-11-25T10:07:00Z", "2026-09-01T00:00:00Z", 1440, 86),
            ("2025-11-25T10:07:00Z", "2026-11-25T10:07:00Z", "2025-11-24T00:00:00Z", 10_080, 53),
        ] {
            let periods = Periods { origin: at(origin), width: TimeDelta::minutes(minutes), count };
            assert_eq!(Periods::covering(at(since), at(until)), Some(periods), "{since} {until}");
            assert!(periods.start(count) >= at(until) && periods.start(count - 1) < at(until));
        }
    }

    #[test]
    fn a_range_that_is_empty_or_endless_has_no_periods() {
        let now = at("2026-11-23T10:00:00Z");
        assert_eq!(Periods::covering(now, now), None);
        assert_eq!(Periods::covering(DateTime::UNIX_EPOCH, at("2160-01-01T00:00:00Z")), None);
        assert_eq!(Periods::covering(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC), None);
        assert!(Periods::covering(now, now + TimeDelta::nanoseconds(1)).is_some_and(|periods| periods.count == 1));
    }
}
