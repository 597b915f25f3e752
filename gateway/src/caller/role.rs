//! Roles, where no other system knows who may do what: the same as the cluster roles of the chart.

use serde::{Deserialize, Serialize};

use super::Right;

/// What callers of a kind may do within their tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks at everything.
    Viewer,
    /// Keeps workflows; starts, patches and steers runs.
    Author,
    /// Answers approvals and raises budgets, and nothing else.
    Approver,
    /// All of this.
    Admin,
    /// Defines node types.
    Platform,
    /// Claims and answers tasks.
    Worker,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Author, Self::Approver, Self::Admin, Self::Platform, Self::Worker];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Author => "author",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Platform => "platform",
            Self::Worker => "worker",
        }
    }

    /// Whether a right is part of it.
    pub fn has(self, right: Right<'_>) -> bool {
        let looks = matches!(right.verb, "get" | "list" | "watch");
        match (self, right.resource) {
            // Whoever is known may know what answers.
            (_, "api") => looks,
            (Self::Worker, "tasks") => true,
            (Self::Platform, "nodetypes") => true,
            (Self::Approver, "gates" | "budgets") => right.verb == "approve",
            (Self::Viewer | Self::Author | Self::Admin, "workflows" | "runs" | "runpatches") => {
                looks || self != Self::Viewer
            }
            (Self::Viewer | Self::Author | Self::Admin, "nodetypes") => looks,
            (Self::Admin, "gates" | "budgets" | "tasks") => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Role};

    #[test]
    fn approving_is_apart_from_writing() {
        let right = |verb, resource| Right { verb, resource, name: None };
        assert!(!Role::Author.has(right("approve", "gates")));
        assert!(Role::Approver.has(right("approve", "gates")));
        // Whoever starts runs does not decide what they may cost.
        assert!(!Role::Author.has(right("approve", "budgets")));
        assert!(Role::Approver.has(right("approve", "budgets")));
        assert!(!Role::Approver.has(right("list", "runs")));
        assert!(!Role::Viewer.has(right("create", "runs")));
        assert!(Role::Author.has(right("create", "runs")));
        assert!(!Role::Admin.has(right("update", "nodetypes")));
        assert!(!Role::Worker.has(right("get", "runs")));
    }
}
