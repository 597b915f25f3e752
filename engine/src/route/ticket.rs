//! Questions to people, and what their answers do.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{At, Router, size};
use crate::canonical;
use crate::catalogue;
use crate::event::{Cause, Change};
use crate::ir::{Kind, OnError};
use crate::issue::excerpt;
use crate::state::{Asks, NodeError};
use crate::step::{Decision, Due, Refusal, Reply, TicketNotice, Timer, Verdict};

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
        let name = at.name();
        self.let_go(at);
        let fence = self.fence();
        let binds = canonical::digest(&json!({"about": about, "seq": fence.1, "at": name}));
        let id = self.derived_id("ticket", &name);
        let ticket = id.clone();
        self.emit(Change::Waiting { at: name.clone(), ticket, asks, binds, due, error })?;
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

    /// A person's answer.
    pub(super) fn decide(&mut self, decision: &Decision) -> Result<Verdict, Refusal> {
        let Some(at) = self.find(&decision.instance)? else { return Ok(Verdict::Unknown) };
        let Some(ticket) = self.live(&at).and_then(|live| live.ticket.clone()) else {
            return Ok(if self.node_state(&at).is_settled() {
                Verdict::Superseded
            } else {
                Verdict::Unknown
            });
        };
        if decision.ticket.as_ref().is_some_and(|named| **named != *ticket.id) {
            return Ok(Verdict::Superseded);
        }
        let refuse = |why: String| Ok(Verdict::Refused(&catalogue::BAD_DECISION, why));
        match (ticket.asks, &decision.answer) {
            (Asks::Gate, Reply::Approve(data)) => {
                self.approve(&at, &ticket, decision, data.as_ref())
            }
            (Asks::Gate, Reply::Reject) => {
                if let Some(why) = self.may_decide(&at, decision)? {
                    return Ok(Verdict::Refused(&catalogue::NOT_AN_APPROVER, why));
                }
                self.answered(&at, &ticket.id, decision, "reject")?;
                let reason = decision.reason.as_deref().unwrap_or("no reason given");
                let message = format!("rejected by {}: {}", decision.by, excerpt(reason));
                self.fail(&at, NodeError::new("rejected", message), Cause::Decision, None)?;
                Ok(Verdict::Applied)
            }
            (Asks::Gate, _) => {
                refuse(format!("{} is an approval: approve or reject it", decision.instance))
            }
            (_, Reply::Approve(_) | Reply::Reject) => refuse(format!(
                "{} waits on a failure: retry it, settle it, or let it fail",
                decision.instance
            )),
            // Its iterations have settled under their names; another round of the same names would settle twice.
            (_, Reply::Retry) if at.node().kind.body().is_some() => refuse(format!(
                "{} is a container and cannot be tried again as a whole: settle it, let it fail, or replay the run",
                decision.instance
            )),
            (_, Reply::Retry) => {
                self.answered(&at, &ticket.id, decision, "retry")?;
                self.begin_again(&at)?;
                Ok(Verdict::Applied)
            }
            (_, Reply::Settle(output)) => {
                self.answered(&at, &ticket.id, decision, "settle")?;
                self.succeed(&at, output.clone(), Cause::Decision)?;
                Ok(Verdict::Applied)
            }
            (_, Reply::Fail) => {
                let known = self.live(&at).and_then(|live| live.error.clone());
                let answer = match ticket.asks {
                    Asks::Failure => self.answer_aside(&at)?,
                    _ => None,
                };
                self.answered(&at, &ticket.id, decision, "fail")?;
                let error = known.unwrap_or_else(|| {
                    NodeError::new("failed", format!("failed by {}", decision.by))
                });
                let on_error = match at.node().on_error {
                    OnError::Pause => OnError::Fail,
                    other => other,
                };
                self.fail_as(&at, error, Cause::Decision, answer, on_error)?;
                Ok(Verdict::Applied)
            }
        }
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

    fn approve(
        &mut self,
        at: &At,
        ticket: &crate::state::Ticket,
        decision: &Decision,
        data: Option<&Arc<Value>>,
    ) -> Result<Verdict, Refusal> {
        if let Some(why) = self.may_decide(at, decision)? {
            return Ok(Verdict::Refused(&catalogue::NOT_AN_APPROVER, why));
        }
        let config = self.gate_config(at)?;
        if let Some(schema) = config.get("data") {
            let given = data.map_or(&Value::Null, |data| &**data);
            let fits = jsonschema::validator_for(schema)
                .map(|validator| validator.validate(given).map_err(|e| e.to_string()));
            let why = match fits {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = why {
                let why = format!("the data does not fit the gate's schema: {}", excerpt(&why));
                return Ok(Verdict::Refused(&catalogue::BAD_DECISION, why));
            }
        }
        let by: Arc<str> = decision.by.as_str().into();
        if ticket.votes.contains(&by) {
            return Ok(Verdict::Same);
        }
        let wanted = config.pointer("/approvers/count").and_then(Value::as_u64).unwrap_or(1);
        if (ticket.votes.len() as u64) + 1 < wanted {
            let (at, ticket) = (at.name(), ticket.id.to_string());
            self.emit(Change::Voted { at, ticket, by: decision.by.clone() })?;
            return Ok(Verdict::Applied);
        }
        let approved: Vec<&str> = ticket.votes.iter().chain([&by]).map(|name| &**name).collect();
        let output = json!({
            "decision": "approve",
            "by": approved,
            "reason": decision.reason,
            "data": data.map_or(&Value::Null, |data| &**data),
        });
        self.answered(at, &ticket.id, decision, "approve")?;
        self.succeed(at, Arc::new(output), Cause::Decision)?;
        Ok(Verdict::Applied)
    }

    fn answered(
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

    /// Why this person may not decide at this gate; none if they may.
    fn may_decide(&self, at: &At, decision: &Decision) -> Result<Option<String>, Refusal> {
        let config = self.gate_config(at)?;
        let Some(approvers) = config.get("approvers") else { return Ok(None) };
        let names =
            |key: &str| approvers.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (users, groups) = (names("users"), names("groups"));
        let user = decision.by.strip_prefix("user:").unwrap_or(&decision.by);
        let listed = users.iter().any(|name| name == user)
            || groups.iter().any(|name| decision.groups.iter().any(|own| name == own.as_str()));
        let anybody = users.is_empty() && groups.is_empty();
        if !listed && !anybody {
            return Ok(Some(format!("{user} is not among the approvers of {}", at.name())));
        }
        let requester = approvers.get("allowRequester").and_then(Value::as_bool).unwrap_or(false);
        if !requester && *decision.by == *self.state.head.by {
            return Ok(Some(format!("{user} asked for this run and may not approve it")));
        }
        Ok(None)
    }

    fn gate_config(&self, at: &At) -> Result<Arc<Value>, Refusal> {
        let kept = self.kept(&format!("{}#config", at.name()))?;
        Ok(kept.and_then(|envelope| envelope.value.clone()).unwrap_or_default())
    }
}
