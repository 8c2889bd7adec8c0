//! The clocks of a running step: processor time, wall time, and the time that an interactive program waits for its user.

use std::time::Duration;

use crate::outcome::StopReason;
use crate::spec::StepLimits;

/// How often an interactive program is looked at.
const LOOK_FOR_WAITING: Duration = Duration::from_millis(10);
/// The clock is not looked at more often than this: looking costs time, too.
const SHORTEST: Duration = Duration::from_millis(1);

/// The clocks of one step. It is told what was measured and says when to measure again.
#[derive(Debug)]
pub(crate) struct Clock<'a> {
    limits: &'a StepLimits,
    started: Duration,
    /// How many processors can be burnt at once.
    processors: u32,
    idle: Duration,
    /// When the program was last seen to wait for input, if it did.
    waiting_since: Option<Duration>,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(limits: &'a StepLimits, started: Duration, processors: u32) -> Self {
        Self { limits, started, processors: processors.max(1), idle: Duration::ZERO, waiting_since: None }
    }

    pub(crate) fn is_interactive(&self) -> bool {
        self.limits.idle_time.is_some()
    }

    /// Notes what was measured at `now`. `Some` if a limit is exceeded.
    pub(crate) fn look(&mut self, now: Duration, cpu_time: Duration, is_waiting: bool) -> Option<StopReason> {
        // Only between two looks that both found it waiting did it surely wait.
        if let Some(since) = self.waiting_since
            && is_waiting
        {
            self.idle += now.saturating_sub(since);
        }
        self.waiting_since = is_waiting.then_some(now);
        if cpu_time >= self.limits.cpu_time {
            Some(StopReason::CpuTime)
        } else if self.limits.idle_time.is_some_and(|limit| self.idle >= limit) {
            Some(StopReason::IdleTime)
        } else if self.charged(now) >= self.limits.wall_time {
            Some(StopReason::WallTime)
        } else {
            None
        }
    }

    /// How long nothing can be exceeded.
    pub(crate) fn until_next(&self, now: Duration, cpu_time: Duration) -> Duration {
        let cpu = self.limits.cpu_time.saturating_sub(cpu_time) / self.processors;
        let wall = self.limits.wall_time.saturating_sub(self.charged(now));
        let mut until = cpu.min(wall);
        if self.is_interactive() {
            until = until.min(LOOK_FOR_WAITING);
        }
        until.max(SHORTEST)
    }

    fn charged(&self, now: Duration) -> Duration {
        self.wall(now).saturating_sub(self.idle)
    }

    pub(crate) fn wall(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }

    pub(crate) fn idle(&self) -> Duration {
        self.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn limits(idle: Option<Duration>) -> StepLimits {
        StepLimits { cpu_time: ms(1000), wall_time: ms(3000), idle_time: idle, ..StepLimits::default() }
    }

    #[test]
    fn the_next_look_is_when_all_processors_could_have_burnt_what_is_left() {
        let limits = limits(None);
        let clock = Clock::new(&limits, ms(0), 2);
        assert_eq!(clock.until_next(ms(0), ms(0)), ms(500));
        assert_eq!(clock.until_next(ms(500), ms(900)), ms(50));
        assert_eq!(clock.until_next(ms(2900), ms(0)), ms(100));
        assert_eq!(clock.until_next(ms(900), ms(1000)), SHORTEST);
    }

    #[test]
    fn each_limit_stops() {
        let limits = limits(None);
        let mut clock = Clock::new(&limits, ms(0), 1);
        assert_eq!(clock.look(ms(2999), ms(999), false), None);
        assert_eq!(clock.look(ms(2999), ms(1000), false), Some(StopReason::CpuTime));
        assert_eq!(clock.look(ms(3000), ms(0), false), Some(StopReason::WallTime));
    }

    #[test]
    fn waiting_for_input_is_not_charged_but_has_a_limit_of_its_own() {
        let limits = limits(Some(ms(5000)));
        let mut clock = Clock::new(&limits, ms(0), 1);
        assert_eq!(clock.look(ms(1000), ms(0), true), None);
        assert_eq!(clock.look(ms(5500), ms(0), true), None);
        assert_eq!((clock.idle(), clock.charged(ms(5500))), (ms(4500), ms(1000)));
        assert_eq!(clock.look(ms(6000), ms(0), true), Some(StopReason::IdleTime));
    }

    #[test]
    fn one_look_that_finds_it_waiting_proves_nothing() {
        let limits = limits(Some(ms(5000)));
        let mut clock = Clock::new(&limits, ms(0), 1);
        clock.look(ms(1000), ms(0), false);
        clock.look(ms(2000), ms(0), true);
        clock.look(ms(2500), ms(0), false);
        assert_eq!(clock.idle(), ms(0));
    }
}
