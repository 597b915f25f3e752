//! The store, with the rules of the real functions and nothing else. Names in comments are those of the Lua files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::state::{Fence, NodeState};
use aob_engine::step::{Input, Timer};

use crate::book::{Coded, ImageRef, token};
use crate::defect::Defect;
use crate::transport::{Answered, Call, Entry, Item, Judged, Named, Owner, Sig};

pub(crate) const OLD_DECISION: &str = "what was decided on an old state is not written";
pub(crate) const ZOMBIE: &str = "an answer to another publication does not count";
pub(crate) const RECALLED: &str = "what somebody works on is not recalled";
pub(crate) const LINKED: &str = "linked items are written all or none";
pub(crate) const OUT: &str = "an active task is out exactly once";
pub(crate) const SLOTS: &str = "nobody is given more than he has room for";

/// Everything that a server keeps, and what it knows only while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    /// The server's local: whether `aob1_open` was called since it began.
    pub(crate) opened: bool,
    pub(crate) epoch: u8,
    pub(crate) grace: bool,
    pub(crate) runs: BTreeMap<Arc<str>, Run>,
    pub(crate) tombs: BTreeSet<Arc<str>>,
    pub(crate) tasks: Vec<Entry>,
    pub(crate) signals: Vec<Sig>,
    pub(crate) timers: Vec<(Arc<str>, Coded<Timer>)>,
    pub(crate) hold: bool,
    /// Restarts so far: nothing that the server knows, but what tells one past from another.
    pub(crate) timeline: u8,
    next: u32,
}

/// A run's keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) image: ImageRef,
    /// `t<cell>`.
    pub(crate) cells: BTreeMap<u32, u32>,
    /// Answers to patches, by id.
    pub(crate) answers: BTreeMap<&'static str, Arc<str>>,
    /// The publication that each instance's answer must be to.
    publications: BTreeMap<Arc<str>, ((u64, u64), u8)>,
}

/// How this store is set up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) defect: Option<Defect>,
    pub(crate) names_repeat: bool,
    pub(crate) drops: bool,
}

impl Rules {
    pub(crate) fn lacks(self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

impl Store {
    /// A new server, opened.
    pub(crate) fn new() -> Self {
        Self {
            opened: true,
            epoch: 0,
            grace: false,
            runs: BTreeMap::new(),
            tombs: BTreeSet::new(),
            tasks: Vec::new(),
            signals: Vec::new(),
            timers: Vec::new(),
            hold: false,
            timeline: 0,
            next: 0,
        }
    }

    /// The server after a restart on what it has kept.
    pub(crate) fn restarted(&self, timeline: u8, rules: Rules) -> Self {
        let mut store = self.clone();
        store.timeline = timeline;
        if !rules.lacks(Defect::NoEpoch) {
            store.opened = false;
        }
        if !rules.names_repeat {
            store.next = u32::from(timeline) << 16 | store.next & 0xffff;
        }
        store
    }

    /// `aob1_open`.
    pub(crate) fn open(&mut self, rules: Rules) -> u8 {
        if !self.opened {
            self.opened = true;
            self.epoch =
                if rules.lacks(Defect::EpochIsCounted) { self.epoch + 1 } else { self.timeline };
            self.grace = !rules.lacks(Defect::NoGrace);
            // A hold counts in its own epoch only.
            self.hold = false;
        }
        self.epoch
    }

    /// `enter`: whether a call under this epoch is let in.
    pub(crate) fn enter(&self, epoch: u8) -> bool {
        self.opened && self.epoch == epoch
    }

    fn name(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(crate) fn entry(&mut self, id: u32) -> Option<&mut Entry> {
        self.tasks.iter_mut().find(|entry| entry.id == id)
    }

    /// XADD to `wf.signals`.
    pub(crate) fn signal(&mut self, run: &Arc<str>, input: Coded<Input>, timeline: Option<u8>) {
        let id = self.name();
        self.signals.push(Sig {
            id,
            run: run.clone(),
            input,
            timeline,
            reader: None,
            in_vain: false,
        });
    }

    /// Signals acknowledged by name: one of another epoch names nothing here.
    pub(crate) fn acknowledge(&mut self, names: &[(u32, u8)], epoch: u8) {
        self.signals.retain(|sig| !names.contains(&(sig.id, epoch)));
    }

    /// The same for signals whose inputs came to nothing: same, superseded, ended, unknown.
    pub(crate) fn came_to_nothing(&mut self, names: &[(u32, u8)], epoch: u8, rules: Rules) {
        if !rules.lacks(Defect::RefusedKeepsSignals) {
            return self.acknowledge(names, epoch);
        }
        for sig in &mut self.signals {
            sig.in_vain |= names.contains(&(sig.id, epoch));
        }
    }

    /// What the group's cursor comes to next (`take`, XREADGROUP).
    pub(crate) fn claim(&mut self, consumer: u8) -> Option<Entry> {
        let entry = self.tasks.iter_mut().find(|entry| !entry.delivered)?;
        (entry.delivered, entry.owner) = (true, Owner::Worker(consumer));
        Some(entry.clone())
    }

    /// Instances whose task is in somebody's hands, as a reader is told (`claimed_instances`).
    pub(crate) fn claimed(&self, run: &str) -> Vec<String> {
        let of = |entry: &&Entry| *entry.run == *run && self.is_claimed(entry);
        self.tasks.iter().filter(of).map(|entry| entry.instance.to_string()).collect()
    }

    /// `claimed`: in grace an older epoch's task may be.
    fn is_claimed(&self, entry: &Entry) -> bool {
        entry.owner != Owner::Nobody || (self.grace && entry.fence.0 != token(self.epoch))
    }

    /// `judge`.
    fn judge(&self, item: &Item, rules: Rules) -> Judged {
        let (decided, name) = (&item.decided, &item.decided.after.state.head.run);
        let Some(before) = &decided.before else {
            let there = self.runs.contains_key(name) || self.tombs.contains(name);
            return if there { Judged::Conflict } else { Judged::Applied };
        };
        let Some(run) = self.runs.get(name) else {
            return if self.tombs.contains(name) { Judged::Ended } else { Judged::Unknown };
        };
        if before.state.is_ended() {
            return Judged::Ended;
        }
        let same = if rules.lacks(Defect::CommitWithoutSeq) {
            before.state.head.revision == run.image.state.head.revision
        } else {
            *before == run.image
        };
        if !same {
            return if run.image.state.is_ended() { Judged::Ended } else { Judged::Conflict };
        }
        // One patches in each scenario that has holds: what it writes, a refusal too, is its holder's.
        if self.hold && item.patch.is_none() {
            return Judged::Held;
        }
        let held = |cell: &u32| {
            let id = run.cells.get(cell);
            self.tasks.iter().any(|entry| id == Some(&entry.id) && self.is_claimed(entry))
        };
        if !rules.lacks(Defect::RecallWithoutAssert) && decided.recall.iter().any(held) {
            return Judged::Claimed;
        }
        Judged::Applied
    }

    /// `aob1_commit`, of a caller that was let in.
    pub(crate) fn commit(&mut self, call: &Call, rules: Rules) -> Answered {
        let judged = call.items.iter().map(|item| self.judge(item, rules)).collect();
        let mut answered = Answered { judged, ..Answered::default() };
        let linked = |item: &Item| item.linked && !rules.lacks(Defect::LinksNotWhole);
        let broken = call.items.iter().zip(&answered.judged);
        let broken =
            broken.clone().any(|(item, judged)| linked(item) && *judged != Judged::Applied);
        for (item, judged) in call.items.iter().zip(answered.judged.clone()) {
            let at = call.items.iter().position(|other| std::ptr::eq(other, item)).unwrap_or(0);
            if judged == Judged::Applied && linked(item) && broken {
                answered.judged[at] = Judged::Unlinked;
                continue;
            }
            match judged {
                Judged::Applied => self.apply(item, call.epoch, rules, &mut answered),
                Judged::Unknown | Judged::Ended => {
                    self.came_to_nothing(&item.signals, call.epoch, rules);
                }
                _ => {}
            }
        }
        let of_link = call.items.iter().zip(&answered.judged).filter(|(item, _)| item.linked);
        let applied = of_link.clone().filter(|(_, judged)| **judged == Judged::Applied).count();
        if applied > 0 && applied < of_link.count() {
            answered.fault = Some(LINKED);
        }
        let refused = answered.judged.iter().any(|judged| *judged != Judged::Applied);
        if let Some(consumer) = call.claims
            && (!refused || rules.lacks(Defect::ClaimsThoughRefused))
        {
            answered.claimed = self.claim(consumer);
            if refused && answered.claimed.is_some() {
                answered.fault = Some(SLOTS);
            }
        }
        answered
    }

    /// `apply` and `rest`.
    fn apply(&mut self, item: &Item, epoch: u8, rules: Rules, answered: &mut Answered) {
        let decided = &item.decided;
        let after = &decided.after;
        let name = after.state.head.run.clone();
        answered.fault = answered.fault.or(decided.fault);
        let mut run = self.runs.remove(&name).unwrap_or_else(|| Run {
            image: after.clone(),
            cells: BTreeMap::new(),
            answers: BTreeMap::new(),
            publications: BTreeMap::new(),
        });
        if decided.before.as_ref().is_some_and(|before| *before != run.image) {
            answered.fault = answered.fault.or(Some(OLD_DECISION));
        }
        let ends = after.state.is_ended();
        let mut done: Vec<u32> = decided.ack.clone();
        if ends {
            done.extend(run.cells.keys().filter(|cell| !decided.recall.contains(cell)));
        }
        for cell in done {
            let Some(id) = run.cells.remove(&cell) else { continue };
            let id = match item.remembered {
                Some(other) if rules.lacks(Defect::AckByRememberedId) => other,
                _ => id,
            };
            if !rules.lacks(Defect::TaskAckedAfter) {
                self.tasks.retain(|entry| entry.id != id);
            }
        }
        for cell in &decided.recall {
            let Some(id) = run.cells.remove(cell) else { continue };
            if let Some(at) = self.tasks.iter().position(|entry| entry.id == id) {
                let entry = self.tasks.remove(at);
                if entry.owner != Owner::Nobody {
                    answered.fault = answered.fault.or(Some(RECALLED));
                }
                answered.recalled.push(entry);
            }
        }
        for ((instance, fence), timeline) in decided.accepted.iter().zip(&item.timelines) {
            let known = run.publications.remove(instance);
            if let Some(timeline) = timeline
                && known.is_some_and(|known| known != ((fence.0, fence.1), *timeline))
            {
                answered.fault = answered.fault.or(Some(ZOMBIE));
            }
        }
        for out in &decided.publish {
            let id = self.name();
            run.cells.insert(out.cell, id);
            run.publications.insert(out.instance.clone(), (out.fence, self.timeline));
            self.tasks.push(Entry {
                id,
                run: name.clone(),
                instance: out.instance.clone(),
                fence: out.fence,
                once: out.once,
                timeline: self.timeline,
                owner: Owner::Nobody,
                delivered: false,
                begun: false,
            });
        }
        for timer in &decided.arm {
            self.timers.push((name.clone(), Coded::new(timer.clone())));
        }
        self.timers
            .retain(|(of, timer)| *of != name || !(ends || decided.disarm.contains(&timer.value)));
        self.acknowledge(&item.signals, epoch);
        if let Some((parent, answer)) = &decided.answer {
            let input = Input::Settled {
                instance: parent.instance.to_string(),
                fence: parent.fence,
                result: answer.clone(),
            };
            self.signal(&parent.run, Coded::new(input), None);
        }
        for (child, mode) in &decided.cancel {
            let by = "system".to_owned();
            let input = Input::Cancel { mode: *mode, by, reason: None, claimed: Vec::new() };
            self.signal(child, Coded::new(input), None);
        }
        if let (Some(id), Some(told)) = (item.patch, &decided.told)
            && !rules.lacks(Defect::PatchNotRecorded)
        {
            run.answers.insert(id, told.clone());
        }
        if item.patch.is_some() {
            self.hold = false;
        }
        run.image = after.clone();
        if ends {
            run.publications.clear();
        }
        if ends && rules.drops {
            self.tombs.insert(name);
            return;
        }
        self.runs.insert(name, run);
    }

    /// `beat` for one task: whether it is kept.
    pub(crate) fn keep(
        &mut self,
        consumer: u8,
        named: &Named,
        time_is_old: bool,
        rules: Rules,
    ) -> bool {
        let reclaims = !rules.lacks(Defect::BeatDoesNotReclaim);
        let Some(entry) = self.entry(named.id) else { return false };
        let fits = entry.fence == named.fence;
        let keep = match entry.owner {
            Owner::Worker(other) => other == consumer && (!time_is_old || fits),
            Owner::Nobody if fits && reclaims => {
                entry.owner = Owner::Worker(consumer);
                entry.begun |= entry.once;
                true
            }
            _ => false,
        };
        if !keep || !named.begins {
            return keep;
        }
        if time_is_old && !rules.lacks(Defect::NoGrace) {
            entry.owner = Owner::Parked;
            let (run, timeline) = (entry.run.clone(), entry.timeline);
            let input = lost(entry, true);
            self.signal(&run, input, Some(timeline));
            return false;
        }
        entry.begun = true;
        true
    }

    /// `sweep` of one entry whose lease is over.
    pub(crate) fn sweep(&mut self, id: u32, rules: Rules) {
        let Some(entry) = self.entry(id) else { return };
        if rules.lacks(Defect::SweepKeepsFence) {
            (entry.owner, entry.delivered) = (Owner::Nobody, false);
            return;
        }
        entry.owner = Owner::Parked;
        let (run, timeline) = (entry.run.clone(), entry.timeline);
        let input = lost(entry, entry.begun);
        self.signal(&run, input, Some(timeline));
    }

    /// `report`: the signal, and the task out of the sweeper's way, if it is still that one.
    pub(crate) fn report(&mut self, task: &Entry, input: Coded<Input>, rules: Rules) {
        self.signal(&task.run, input, Some(task.timeline));
        let by_name = rules.lacks(Defect::ReportTakesByName);
        if let Some(entry) = self.entry(task.id)
            && entry.owner != Owner::Nobody
            && (by_name || entry.fence == task.fence)
            && !rules.lacks(Defect::ReportDoesNotPark)
        {
            entry.owner = Owner::Reported;
        }
    }

    /// Every active task is out, and nothing else is.
    pub(crate) fn check(&self) -> Option<&'static str> {
        for run in self.runs.values() {
            let mut active = 0;
            for marking in run.image.state.scopes.values() {
                for (slot, live) in &marking.live {
                    let state = marking.nodes.get(*slot as usize);
                    let task = live.container.is_none() && live.child.is_none();
                    if state == Some(&NodeState::Active) && task {
                        active += 1;
                        let id = run.cells.get(&live.cell);
                        let Fence(epoch, seq) = live.fence;
                        if !self
                            .tasks
                            .iter()
                            .any(|entry| Some(&entry.id) == id && entry.fence == (epoch, seq))
                        {
                            return Some(OUT);
                        }
                    }
                }
            }
            if run.cells.len() != active {
                return Some(OUT);
            }
        }
        None
    }
}

fn lost(entry: &Entry, begun: bool) -> Coded<Input> {
    let fence = Fence(entry.fence.0, entry.fence.1);
    Coded::new(Input::Lost { instance: entry.instance.to_string(), fence, begun })
}
