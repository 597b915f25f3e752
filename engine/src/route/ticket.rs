//! Questions to people: opened, told of, and closed.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{At, Router, size};
use crate::canonical;
use crate::event::Change;
use crate::guarded;
use crate::ir::Kind;
use crate::state::{Amount, Asks, NodeError};
use crate::step::{Decision, Due, Notified, Refusal, TicketNotice, Timer, Verdict};

impl Router<'_> {
    /// Opens a question about an instance, which waits from now on.
    pub(super) fn ask(
        &mut self,
        at: &At,
        asks: Asks,
        about: &Value,
        due: Option<u64>,
        error: Option<NodeError>,
    ) -> Result<(), Refusal> {
        self.ask_for(at, asks, about, due, error, None)
    }

    /// The same about a budget that does not reach for what is wanted.
    pub(super) fn ask_for(
        &mut self,
        at: &At,
        asks: Asks,
        about: &Value,
        due: Option<u64>,
        error: Option<NodeError>,
        wants: Option<Amount>,
    ) -> Result<(), Refusal> {
        let name = at.name();
        self.book_open(at)?;
        self.let_go(at);
        let fence = self.fence();
        let guards = (asks == Asks::Gate).then(|| guarded::digest(&at.ir, at.ix));
        let binds = canonical::digest(
            &json!({"about": about, "seq": fence.1, "at": name, "guards": guards}),
        );
        let id = self.derived_id("ticket", &name);
        let ticket = id.clone();
        self.emit(Change::Waiting { at: name.clone(), ticket, asks, binds, due, error, wants })?;
        if let Some(due) = due {
            let seq = self.live(at).map_or(fence.1, |live| live.fence.1);
            self.effects
                .arm
                .push((Timer { instance: name.clone(), what: Due::Deadline, seq }, due));
        }
        self.effects.open.push(TicketNotice { id: id.into(), instance: name, asks });
        Ok(())
    }

    /// An id that a repetition of this very decision would make again.
    pub(super) fn derived_id(&self, kind: &str, about: &str) -> String {
        let run = &self.state.head.run;
        let (seq, epoch, change) = (self.state.head.seq, self.now.epoch, self.changes.len());
        let hash = Sha256::digest(format!("{run}/{about}/{seq}/{epoch}/{change}"));
        let random =
            hash.iter().take(16).fold(0_u128, |bits, &byte| (bits << 8) | u128::from(byte));
        format!(
            "{kind}_{}",
            crate::id::body(self.now.time, random, crate::id::shard(run).unwrap_or(0))
        )
    }

    /// Somebody was told of a question, or could not be.
    pub(super) fn notified(&mut self, notified: &Notified) -> Result<Verdict, Refusal> {
        let Some(at) = self.find(&notified.instance)? else { return Ok(Verdict::Superseded) };
        let Some(live) = self.live(&at) else { return Ok(Verdict::Superseded) };
        let seq = live.fence.1;
        match &live.ticket {
            Some(ticket) if *ticket.id != *notified.ticket => return Ok(Verdict::Superseded),
            None => return Ok(Verdict::Superseded),
            Some(ticket) if ticket.notices >= notified.attempt => return Ok(Verdict::Same),
            Some(_) => {}
        }
        let at = at.name();
        if let Some(due) = notified.due {
            let timer = Timer { instance: at.clone(), what: Due::Notice, seq };
            self.effects.arm.push((timer, due));
        }
        self.emit(Change::Notified {
            at,
            ticket: notified.ticket.clone(),
            attempt: notified.attempt,
            error: notified.error.as_ref().map(|error| cut(error, 500)),
            due: notified.due,
        })?;
        Ok(Verdict::Applied)
    }

    /// Digest, output and bytes of what an instance that waits on its failure had answered before a
    /// condition on its edges failed.
    pub(super) fn answer_aside(
        &self,
        at: &At,
    ) -> Result<Option<(String, Arc<Value>, u64)>, Refusal> {
        let kept = self.kept(&format!("{}#answer", at.name()))?;
        let answer = kept.and_then(|kept| Some((kept.digest.clone()?, kept.value.clone()?)));
        Ok(answer.map(|(digest, value)| (digest, value.clone(), size(&value))))
    }

    /// A waiting or backing-off instance gets its next attempt.
    pub(super) fn begin_again(&mut self, at: &At) -> Result<(), Refusal> {
        match at.node().kind {
            // `run` publishes what is ready as soon as there is room.
            Kind::Task { .. } | Kind::Child { .. } => self.emit(Change::Ready { at: at.name() }),
            _ => self.begin(at),
        }
    }

    /// Records an answer, and closes the question.
    pub(super) fn answered(
        &mut self,
        at: &At,
        ticket: &Arc<str>,
        decision: &Decision,
        answer: &str,
    ) -> Result<(), Refusal> {
        let name = at.name();
        if let Some(live) = self.live(at).cloned() {
            self.disarm(at, &name, &live);
        }
        self.effects.close.push(ticket.clone());
        self.emit(Change::Answered {
            at: name,
            ticket: ticket.to_string(),
            answer: answer.to_owned(),
            by: decision.by.clone(),
            reason: decision.reason.clone(),
        })
    }
}

/// At most so many characters of a text from outside.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
