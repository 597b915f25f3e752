//! How dear a run is, by the agents it has: what its starts are counted by.

use serde::{Deserialize, Serialize};

/// A run's tier.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Tier {
    /// No agents.
    #[default]
    Simple,
    /// One or two.
    Standard,
    /// Three or more.
    Heavy,
}

impl Tier {
    /// Every tier, cheapest first.
    pub const ALL: [Self; 3] = [Self::Simple, Self::Standard, Self::Heavy];

    /// The tier of a run that has, or ever had, so many agents.
    pub fn of(agents: u32) -> Self {
        match agents {
            0 => Self::Simple,
            1 | 2 => Self::Standard,
            _ => Self::Heavy,
        }
    }

    /// `Simple`, `Standard`, `Heavy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "Simple",
            Self::Standard => "Standard",
            Self::Heavy => "Heavy",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Tier;

    #[test]
    fn the_third_agent_makes_a_run_heavy() {
        let tiers: Vec<Tier> = (0..5).map(Tier::of).collect();
        assert_eq!(tiers, [Tier::Simple, Tier::Standard, Tier::Standard, Tier::Heavy, Tier::Heavy]);
        assert!(Tier::ALL.is_sorted(), "the dearer, the greater");
    }
}
