//! How many pods. Touches nothing.

use std::time::Duration;

use tokio::time::Instant;

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Tasks that nobody has claimed.
    pub(super) waiting: u64,
    /// Tasks under way.
    pub(super) held: u64,
}

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) slots: u32,
    pub(super) idle: Duration,
}

/// How many there are to be, and since when fewer would do.
#[derive(Debug, Clone, Default)]
pub(super) struct Scale {
    pub(super) pods: u32,
    /// Since when fewer would do, and how many would have done at most since then.
    fewer: Option<(Instant, u32)>,
}

impl Scale {
    /// More at once, fewer when fewer have done for a while.
    pub(super) fn follow(&mut self, load: Load, bounds: Bounds, now: Instant) {
        let all = load.waiting.saturating_add(load.held);
        let needed =
            u32::try_from(all.div_ceil(u64::from(bounds.slots.max(1)))).unwrap_or(u32::MAX);
        let needed = needed.clamp(bounds.min, bounds.max);
        if needed >= self.pods {
            *self = Self { pods: needed, fewer: None };
            return;
        }
        let (since, most) = self.fewer.unwrap_or((now, needed));
        let most = most.max(needed);
        self.fewer = Some((since, most));
        if now.saturating_duration_since(since) >= bounds.idle {
            *self = Self { pods: most, fewer: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min: 0, max: 3, slots: 4, idle: Duration::from_secs(600) };

    fn load(waiting: u64, held: u64) -> Load {
        Load { waiting, held }
    }

    #[test]
    fn it_grows_at_once_and_within_bounds() {
        let (mut scale, now) = (Scale::default(), Instant::now());
        let mut pods = |load| {
            scale.follow(load, BOUNDS, now);
            scale.pods
        };
        assert_eq!(pods(load(0, 0)), 0);
        assert_eq!(pods(load(1, 0)), 1);
        assert_eq!(pods(load(3, 2)), 2);
        assert_eq!(pods(load(1_000_000, 0)), 3);
        let least = Bounds { min: 2, ..BOUNDS };
        let mut scale = Scale::default();
        scale.follow(load(0, 0), least, now);
        assert_eq!(scale.pods, 2);
    }

    #[test]
    fn it_shrinks_to_what_was_needed_in_between() {
        let (mut scale, start) = (Scale::default(), Instant::now());
        let mut at = |seconds, load| {
            scale.follow(load, BOUNDS, start + Duration::from_secs(seconds));
            scale.pods
        };
        assert_eq!(at(0, load(12, 0)), 3);
        assert_eq!(at(10, load(0, 1)), 3);
        assert_eq!(at(300, load(0, 5)), 3, "two would do for a moment");
        assert_eq!(at(609, load(0, 0)), 3);
        assert_eq!(at(610, load(0, 0)), 2, "two were the most since then");
        assert_eq!(at(611, load(0, 0)), 2);
        assert_eq!(at(1_211, load(0, 0)), 0);
    }

    #[test]
    fn work_that_comes_again_begins_the_wait_anew() {
        let (mut scale, start) = (Scale::default(), Instant::now());
        scale.follow(load(1, 0), BOUNDS, start);
        scale.follow(load(0, 0), BOUNDS, start + Duration::from_secs(1));
        scale.follow(load(1, 0), BOUNDS, start + Duration::from_secs(599));
        scale.follow(load(0, 0), BOUNDS, start + Duration::from_secs(602));
        assert_eq!(scale.pods, 1);
    }
}
