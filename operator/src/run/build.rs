//! What is to be done about a run. Touches nothing.

use aob_crds::Cancel;
use aob_crds::condition::reason;
use aob_engine::state::{CancelMode, State};

use super::dereference::{Facts, NotBegun};
use super::validate::Asked;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Start it on this version.
    Start { digest: String },
    /// Change how it goes on.
    Act(Vec<Change>),
    /// It does not begin, for now or for ever.
    Hold(NotBegun),
    /// Only say how it stands.
    Look,
}

/// A change of how a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Suspend, or resume.
    Suspend(bool),
    /// End it early.
    Cancel(CancelMode),
}

pub(super) fn build(asked: &Asked, facts: &Facts) -> Step {
    if let Some(state) = &facts.state {
        let changes = changes(asked, state);
        return if changes.is_empty() { Step::Look } else { Step::Act(changes) };
    }
    let hold =
        |reason, message: String, is_final| Step::Hold(NotBegun { reason, message, is_final });
    // It is over and was dropped, or may be there again tomorrow: in no case is it started again.
    if facts.is_dropped {
        return hold(reason::GONE, format!("{} is not kept any more", asked.run), true);
    }
    if facts.was_there {
        let message = format!(
            "the store has no {}, nor all that it had when that was seen last: it is empty, or was restored from a copy. \
             The run goes on when it is there again; to begin anew, make another Run",
            asked.run
        );
        return hold(reason::MISSING, message, false);
    }
    if !asked.cancel.is_none() {
        let message = "it was cancelled before it began".to_owned();
        return hold(reason::CANCELLED_BEFORE_START, message, true);
    }
    if asked.suspend {
        let message = "it begins when `suspend` is taken back".to_owned();
        return hold(reason::SUSPENDED, message, false);
    }
    match &facts.digest {
        Some(digest) => Step::Start { digest: digest.clone() },
        None => {
            let tag = asked.workflow.tag.as_deref().unwrap_or("main");
            let name = &asked.workflow.name;
            let message =
                format!("there is no workflow {name} with tag {tag} yet; it begins when there is");
            hold(reason::WORKFLOW_NOT_FOUND, message, false)
        }
    }
}

fn changes(asked: &Asked, state: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    if state.is_ended() {
        return changes;
    }
    let wanted = match asked.cancel {
        Cancel::None => None,
        Cancel::Graceful => Some(CancelMode::Graceful),
        Cancel::Now => Some(CancelMode::Now),
    };
    let present = state.head.cancel.as_ref().map(|cancel| cancel.mode);
    let is_stronger = wanted == Some(CancelMode::Now) && present == Some(CancelMode::Graceful);
    if let Some(mode) = wanted.filter(|_| present.is_none() || is_stronger) {
        changes.push(Change::Cancel(mode));
    }
    // Only a spec that is new: whoever suspended the run otherwise is not overruled.
    if asked.is_new && asked.suspend != state.head.suspended && wanted.is_none() {
        changes.push(Change::Suspend(asked.suspend));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn step(asked: &Asked, facts: &Facts) -> Step {
        build(asked, facts)
    }

    #[test]
    fn a_run_begins_once_on_what_was_found() {
        let asked = sample::asked();
        let found = Facts { digest: Some("sha256:a".into()), ..Facts::default() };
        assert_eq!(step(&asked, &found), Step::Start { digest: "sha256:a".into() });
        let gone = Facts { was_there: true, is_dropped: true, ..Facts::default() };
        assert!(matches!(
            step(&asked, &gone),
            Step::Hold(NotBegun { reason: "Gone", is_final: true, .. })
        ));
        // Whatever is there to begin on, it is not begun a second time.
        let missing = Facts { was_there: true, ..found };
        assert!(matches!(
            step(&asked, &missing),
            Step::Hold(NotBegun { reason: "Missing", is_final: false, .. })
        ));
        let none = step(&asked, &Facts::default());
        assert!(matches!(
            none,
            Step::Hold(NotBegun { reason: "WorkflowNotFound", is_final: false, .. })
        ));
    }

    #[test]
    fn suspended_or_cancelled_before_the_start_it_does_not_begin() {
        let found = Facts { digest: Some("sha256:a".into()), ..Facts::default() };
        let held = Asked { suspend: true, ..sample::asked() };
        assert!(matches!(
            step(&held, &found),
            Step::Hold(NotBegun { reason: "Suspended", is_final: false, .. })
        ));
        let cancelled = Asked { cancel: Cancel::Graceful, ..sample::asked() };
        assert!(matches!(step(&cancelled, &found), Step::Hold(NotBegun { is_final: true, .. })));
    }

    #[test]
    fn a_new_spec_changes_how_a_run_goes_on_and_an_old_one_does_not() {
        let facts = sample::live(|_| {});
        let new = Asked { suspend: true, is_new: true, ..sample::asked() };
        assert_eq!(step(&new, &facts), Step::Act(vec![Change::Suspend(true)]));
        let old = Asked { is_new: false, ..new };
        assert_eq!(step(&old, &facts), Step::Look);
        let by_hand = sample::live(|state| state.head.suspended = true);
        let quiet = Asked { is_new: false, ..sample::asked() };
        assert_eq!(step(&quiet, &by_hand), Step::Look, "who suspended it by hand is not overruled");
    }

    #[test]
    fn a_cancel_is_asked_once_and_may_become_stronger() {
        let asked = |cancel| Asked { cancel, ..sample::asked() };
        let facts = sample::live(|_| {});
        let graceful = Step::Act(vec![Change::Cancel(CancelMode::Graceful)]);
        assert_eq!(step(&asked(Cancel::Graceful), &facts), graceful);
        let under_way = sample::live(|state| sample::cancel(state, CancelMode::Graceful));
        assert_eq!(step(&asked(Cancel::Graceful), &under_way), Step::Look);
        let now = Step::Act(vec![Change::Cancel(CancelMode::Now)]);
        assert_eq!(step(&asked(Cancel::Now), &under_way), now);
        let ended = sample::live(|state| state.head.phase = aob_engine::state::Phase::Ended);
        assert_eq!(step(&asked(Cancel::Now), &ended), Step::Look);
    }
}
