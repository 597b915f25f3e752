//! The one catalogue of errors: stable code, name, what it means, the rule, the remedy.
//!
//! `aob explain CODE` and `docs/errors.md` print it. Codes are never used again for something else.
//! 10xx reading a file, 11xx expressions, 12xx the graph, 13xx shape and limits, 20xx patches,
//! 30xx a run and its nodes, 40xx the store, 50xx the command line, 60xx the gateway, 70xx registered types,
//! 80xx Kubernetes objects, 81xx Kubernetes asked by the gateway,
//! 90xx models and agents.

mod agent;
mod cluster;
mod command;
mod gateway;
mod graph;
mod model;
mod operator;
mod patch_rules;
mod patching;
mod reading;
mod running;
mod store;
mod worker;

pub use agent::*;
pub use cluster::*;
pub use command::*;
pub use gateway::*;
pub use graph::*;
pub use model::*;
pub use operator::*;
pub use patch_rules::*;
pub use patching::*;
pub use reading::*;
pub use running::*;
pub use store::*;
pub use worker::*;

/// One kind of error.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// `AOB1201`.
    pub code: &'static str,
    /// The rule's name: `CYCLE`. Also the `code` of a node's error where it is one (lower case there).
    pub name: &'static str,
    /// What it means, one sentence.
    pub title: &'static str,
    /// The rule that was broken and why it is there.
    pub rule: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Declares entries as statics and lists them in `ALL`.
macro_rules! entries {
    ($($ident:ident $code:literal $title:literal $rule:literal $remedy:literal)*) => {
        $(
            #[doc = $title]
            pub static $ident: $crate::catalogue::Entry = $crate::catalogue::Entry {
                code: $code, name: stringify!($ident), title: $title, rule: $rule, remedy: $remedy,
            };
        )*
        pub(super) static ALL: &[&$crate::catalogue::Entry] = &[$(&$ident),*];
    };
}
pub(crate) use entries;

/// Every entry, in the order of the areas above.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    [
        reading::ALL,
        graph::ALL,
        patching::ALL,
        patch_rules::ALL,
        running::ALL,
        store::ALL,
        command::ALL,
        gateway::ALL,
        worker::ALL,
        operator::ALL,
        cluster::ALL,
        agent::ALL,
        model::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The entry with this code (`AOB1201`, case and prefix optional) or name.
pub fn find(code_or_name: &str) -> Option<&'static Entry> {
    let wanted = code_or_name.trim();
    all().find(|entry| {
        entry.code.eq_ignore_ascii_case(wanted)
            || entry.code[3..] == *wanted
            || entry.name.eq_ignore_ascii_case(wanted)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_and_names_are_unique() {
        let mut codes = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        for entry in super::all() {
            assert!(codes.insert(entry.code), "{} twice", entry.code);
            assert!(names.insert(entry.name), "{} twice", entry.name);
            assert_eq!(super::find(entry.code), Some(entry));
        }
    }
}
