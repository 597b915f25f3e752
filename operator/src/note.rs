//! Events: what happened, for people. One recorder for all; reasons are stable, text that varies is in the note.

use aob_crds::event;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use crate::error::told;

/// Longest note, in bytes: the API server's limit is 1 KiB.
const LONGEST: usize = 1_000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// One of [`aob_crds::event`].
    pub reason: &'static str,
    /// Whether somebody should look.
    pub warning: bool,
    /// For people.
    pub text: String,
}

impl Note {
    /// Something that went as it should.
    pub fn normal(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, warning: false, text: text.into() }
    }

    /// Something that somebody should look at.
    pub fn warning(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, warning: true, text: text.into() }
    }
}

/// Writes events.
#[derive(Clone)]
pub struct Notes(Recorder);

impl Notes {
    /// In the name of this process.
    pub fn new(client: Client, pod: &str) -> Self {
        let reporter =
            Reporter { controller: "aob-operator".into(), instance: Some(pod.to_owned()) };
        Self(Recorder::new(client, reporter))
    }

    /// Writes what happened to an object. An event that cannot be written is logged: nothing depends on it.
    pub async fn write<K: Resource<DynamicType = ()>>(&self, object: &K, notes: Vec<Note>) {
        for note in notes {
            let Note { reason, warning, mut text } = note;
            text.truncate(text.floor_char_boundary(LONGEST));
            let event = Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason: reason.to_owned(),
                note: Some(text),
                action: action(reason).to_owned(),
                secondary: None,
            };
            if let Err(error) = self.0.publish(&event, &object.object_ref(&())).await {
                tracing::warn!(reason, error = told(&error), "an event could not be written");
            }
        }
    }
}

/// What was being done.
fn action(reason: &str) -> &'static str {
    match reason {
        event::PUBLISHED | event::INVALID | event::UNKNOWN_TYPES => "Publish",
        event::STARTED | event::NOT_ADMITTED => "Start",
        event::PATCH_APPLIED | event::PATCH_REFUSED => "Patch",
        event::PATCH_UNDONE | event::UNDO_REFUSED => "Undo",
        event::REGISTERED => "Register",
        event::NOT_PINNED | event::SECRET_NOT_USABLE => "Scale",
        event::LET_GO => "Delete",
        event::UNREADABLE => "Read",
        _ => "Follow",
    }
}
