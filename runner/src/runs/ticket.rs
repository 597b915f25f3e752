//! Open questions, with what whoever answers has to know.

use std::sync::Arc;

use aob_engine::ir::{Ir, NodeIx};
use aob_engine::state::{Asks, Live, State, split_instance};
use aob_engine::step::{Due, Step, Timer};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Runs};
use crate::clock;

/// Runs looked at at once for a list.
const AT_ONCE: usize = 16;

/// An open question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketView {
    /// `ticket_...`.
    pub ticket: String,
    /// The run.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// The instance that waits.
    pub instance: String,
    /// What is asked.
    pub asks: Asks,
    /// The gate's title, or why the node failed.
    pub title: String,
    /// The gate's details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Who may answer; none: whoever has the right to approve, or, of a failure, to operate runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    /// Who has approved so far.
    pub votes: Vec<Arc<str>>,
    /// JSON Schema of data to be given with an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Who asked for the run.
    pub requester: Arc<str>,
    /// Until when it may be answered, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Since when it is asked, milliseconds since 1970, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Hash of what is approved: the rendered config, its place, and the part of the graph behind it.
    pub binds: Arc<str>,
    /// How often it was tried to notify of it.
    pub notices: u32,
}

/// Who may answer a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approvers {
    /// By name; empty with no groups: everybody.
    #[serde(default)]
    pub users: Vec<String>,
    /// By group.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Approvals that are needed.
    #[serde(default = "one")]
    pub count: u32,
    /// Whether whoever asked for the run may.
    #[serde(default)]
    pub allow_requester: bool,
    /// Who may not: they asked for the run, or patched what it guards.
    #[serde(default)]
    pub excluded: Vec<Arc<str>>,
}

fn one() -> u32 {
    1
}

/// Of a question that names nobody.
impl Default for Approvers {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            groups: Vec::new(),
            count: 1,
            allow_requester: false,
            excluded: Vec::new(),
        }
    }
}

impl Runs {
    /// Open questions of a tenant, oldest first. What closes while they are looked at is left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<TicketView>, Error> {
        let open = self.store.tickets(tenant, most).await?;
        let views = futures::stream::iter(open).map(|row| async move {
            let view = self.ticket(&row.run, &row.instance).await?;
            let view = view.filter(|view| view.ticket == row.ticket);
            Ok::<_, Error>(view.map(|view| TicketView { since: Some(row.since), ..view }))
        });
        let views: Vec<_> = views.buffered(AT_ONCE).collect().await;
        views.into_iter().filter_map(Result::transpose).collect()
    }

    /// The question that is open at an instance; none if there is none, or no such run.
    ///
    /// # Errors
    /// As [`Runs::view`].
    pub async fn ticket(&self, run: &str, instance: &str) -> Result<Option<TicketView>, Error> {
        let Some(state) = self.store.load(run).await? else { return Ok(None) };
        let (irs, (scope, id)) = (self.irs_of(&state).await?, split_instance(instance));
        let found = state.scopes.get(scope).and_then(|marking| {
            let ir: &Ir = irs.get(marking.revision).ok()?;
            let ix: NodeIx = ir.find(id).filter(|&ix| ir.node(ix).body == marking.body)?;
            marking.live.get(&(ir.slot(ix) as u32))
        });
        let Some(live) = found else { return Ok(None) };
        let key = format!("{instance}#config");
        let config = match live.ticket.as_ref().map(|ticket| ticket.asks) {
            Some(Asks::Gate) => {
                let mut kept = self.store.context(run, std::slice::from_ref(&key)).await?;
                kept.remove(&key).and_then(|envelope| envelope.value)
            }
            Some(Asks::Patch) => {
                let key = format!("{instance}#proposal");
                let mut kept = self.store.context(run, std::slice::from_ref(&key)).await?;
                kept.remove(&key).and_then(|envelope| envelope.value).map(proposed)
            }
            _ => None,
        };
        Ok(view(&state, instance, live, config.as_deref()))
    }

    /// What a timer calls for somebody to be told of, if it is still asked.
    pub(crate) async fn noticed(
        &self,
        run: &str,
        timer: &Timer,
    ) -> Result<Option<(Arc<State>, TicketView)>, Error> {
        let Some(state) = self.store.load(run).await? else { return Ok(None) };
        let Some(view) = self.ticket(run, &timer.instance).await? else { return Ok(None) };
        let same = |live: &&Live| {
            let ticket = live.ticket.as_ref();
            live.fence.1 == timer.seq && ticket.is_some_and(|ticket| *ticket.id == *view.ticket)
        };
        let mut lives = state.scopes.values().flat_map(|marking| marking.live.values());
        let open = lives.any(|live| same(&live));
        Ok(open.then_some((state, view)))
    }
}

/// Whoever is to be told of the questions that a step opens is told at once: by a timer, written with the step. Whether
/// that is anybody is known to the coordinators, which are other processes than this may be.
pub(super) fn call_for_notices(step: &mut Step) {
    if step.effects.open.is_empty() {
        return;
    }
    let now = clock::now();
    for open in &step.effects.open {
        let mut lives = step.state.scopes.values().flat_map(|marking| marking.live.values());
        let asks = |live: &&Live| live.ticket.as_ref().is_some_and(|own| own.id == open.id);
        if let Some(live) = lives.find(asks) {
            let (instance, seq) = (open.instance.clone(), live.fence.1);
            step.effects.arm.push((Timer { instance, what: Due::Notice, seq }, now));
        }
    }
}

/// A proposal in the words of a question.
fn proposed(proposal: Arc<Value>) -> Arc<Value> {
    let reason = proposal.pointer("/request/reason").and_then(Value::as_str).unwrap_or_default();
    Arc::new(serde_json::json!({
        "title": format!("an agent proposes a patch: {reason}"),
        "details": proposal.get("shown"),
    }))
}

fn view(state: &State, instance: &str, live: &Live, config: Option<&Value>) -> Option<TicketView> {
    let ticket = live.ticket.as_ref()?;
    let head = &state.head;
    let text = |key: &str| config?.get(key)?.as_str().map(str::to_owned);
    let error = || live.error.as_ref().map(|error| format!("{}: {}", error.code, error.message));
    let mut approvers: Option<Approvers> = config
        .and_then(|config| config.get("approvers"))
        .and_then(|approvers| serde_json::from_value(approvers.clone()).ok());
    if let Some(approvers) = &mut approvers {
        let requester = (!approvers.allow_requester).then(|| head.by.clone());
        approvers.excluded.extend(requester);
        approvers.excluded.extend(head.patchers.get(instance).into_iter().flatten().cloned());
    }
    Some(TicketView {
        ticket: ticket.id.to_string(),
        run: head.run.to_string(),
        workflow: head.workflow.to_string(),
        instance: instance.to_owned(),
        asks: ticket.asks,
        title: text("title").or_else(error).unwrap_or_default(),
        details: text("details"),
        approvers,
        votes: ticket.votes.clone(),
        data: config.and_then(|config| config.get("data")).cloned(),
        requester: head.by.clone(),
        due: live.due,
        since: None,
        binds: ticket.binds.clone(),
        notices: ticket.notices,
    })
}
