//! What people answer: judged by the gate's own rules, and carried out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::ticket::cut;
use super::{At, Router};
use crate::catalogue;
use crate::event::{Cause, Change};
use crate::ir::{Kind, OnError};
use crate::issue::excerpt;
use crate::state::{Asks, NodeError};
use crate::step::{Decision, Refusal, Reply, Verdict};
use crate::time::rfc3339;

/// Refused answers that a run keeps among its events: whoever tries without end cannot make it endless.
const MOST_DENIALS: u32 = 1_000;

impl Router<'_> {
    /// A person's answer. One that is refused changes nothing, and is among the events: who, what, and why not.
    pub(super) fn decide(&mut self, decision: &Decision) -> Result<Verdict, Refusal> {
        let verdict = self.judge_decision(decision)?;
        let (entry, why) = match &verdict {
            Verdict::Refused(entry, why) => (*entry, why.clone()),
            Verdict::Superseded | Verdict::Unknown if decision.ticket.is_some() => {
                let why = format!("{} no longer asks this", excerpt(&decision.instance));
                (&catalogue::TICKET_CLOSED, why)
            }
            _ => return Ok(verdict),
        };
        if self.state.head.denials < MOST_DENIALS {
            let asked = self.find(&decision.instance)?;
            let asked = asked.and_then(|at| Some(self.live(&at)?.ticket.as_ref()?.id.to_string()));
            let named = decision.ticket.as_deref().map(|ticket| cut(ticket, 64));
            self.emit(Change::DecisionRefused {
                at: cut(&decision.instance, 512),
                ticket: named.or(asked).unwrap_or_default(),
                answer: decision.answer.name().to_owned(),
                by: cut(&decision.by, 417),
                code: entry.code.to_owned(),
                why: cut(&why, 500),
            })?;
        }
        Ok(verdict)
    }

    fn judge_decision(&mut self, decision: &Decision) -> Result<Verdict, Refusal> {
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
        if let Some(late) = self.too_late(&at) {
            return Ok(Verdict::Refused(&catalogue::TICKET_LATE, late));
        }
        let refuse = |why: String| Ok(Verdict::Refused(&catalogue::BAD_DECISION, why));
        match (ticket.asks, &decision.answer) {
            (Asks::Gate, Reply::Approve(data)) => {
                self.approve(&at, &ticket, decision, data.as_ref())
            }
            (Asks::Gate, Reply::Reject) => {
                if let Some(refused) = self.may_decide(&at, decision)? {
                    return Ok(refused);
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
            (Asks::Budget, Reply::Reject) => self.stop_spending(&at, &ticket.id, decision),
            (Asks::Budget, Reply::Approve(_)) => refuse(format!(
                "{} waits for a budget: raise it with `aob budget`, or reject to stop the run",
                decision.instance
            )),
            (Asks::Patch, Reply::Reject) => self.decide_proposal(&at, &ticket.id, decision, false),
            (Asks::Patch, Reply::Approve(_))
                if self.applies.as_deref() == Some(&*decision.instance) =>
            {
                self.decide_proposal(&at, &ticket.id, decision, true)
            }
            (Asks::Patch, Reply::Approve(_)) => refuse(format!(
                "the patch that {} proposes was not applied with this answer",
                decision.instance
            )),
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

    fn approve(
        &mut self,
        at: &At,
        ticket: &crate::state::Ticket,
        decision: &Decision,
        data: Option<&Arc<Value>>,
    ) -> Result<Verdict, Refusal> {
        if let Some(refused) = self.may_decide(at, decision)? {
            return Ok(refused);
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

    /// Why no answer is taken any more, though nothing has closed the question yet.
    fn too_late(&self, at: &At) -> Option<String> {
        let is_gate = matches!(at.node().kind, Kind::Approval { .. });
        let due = self.live(at)?.due.filter(|&due| is_gate && due <= self.now.time)?;
        Some(format!("{} could be answered until {}", at.name(), rfc3339(due)))
    }

    /// Why this person may not decide at this gate; none if they may.
    fn may_decide(&self, at: &At, decision: &Decision) -> Result<Option<Verdict>, Refusal> {
        let config = self.gate_config(at)?;
        let Some(approvers) = config.get("approvers") else { return Ok(None) };
        let names =
            |key: &str| approvers.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (users, groups) = (names("users"), names("groups"));
        let user = decision.by.strip_prefix("user:").unwrap_or(&decision.by);
        let listed = users.iter().any(|name| name == user)
            || groups.iter().any(|name| decision.groups.iter().any(|own| name == own.as_str()));
        let anybody = users.is_empty() && groups.is_empty();
        let refuse = |entry, why: String| Ok(Some(Verdict::Refused(entry, why)));
        if !listed && !anybody {
            let name = at.name();
            let mut why = format!("{} is not among the approvers of {name}", excerpt(user));
            if !groups.is_empty() && decision.groups.is_empty() {
                why.push_str(", and is known to be in no group");
            }
            return refuse(&catalogue::NOT_AN_APPROVER, why);
        }
        let requester = approvers.get("allowRequester").and_then(Value::as_bool).unwrap_or(false);
        if !requester && *decision.by == *self.state.head.by {
            let why = format!("{} asked for this run and may not approve it", excerpt(user));
            return refuse(&catalogue::REQUESTER_DECIDES, why);
        }
        let patched = self.state.head.patchers.get(&at.node().id).filter(|_| at.scope.is_empty());
        if patched.is_some_and(|patchers| patchers.contains(decision.by.as_str())) {
            let name = at.name();
            let why = format!("{} patched what {name} guards, and does not open it", excerpt(user));
            return refuse(&catalogue::PATCHER_DECIDES, why);
        }
        Ok(None)
    }

    fn gate_config(&self, at: &At) -> Result<Arc<Value>, Refusal> {
        let kept = self.kept(&format!("{}#config", at.name()))?;
        Ok(kept.and_then(|envelope| envelope.value.clone()).unwrap_or_default())
    }
}
