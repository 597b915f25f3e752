//! What each action does: the processes as `runner/src/work`, `runs` and `coordinate` have them.

use std::sync::Arc;

use aob_engine::state::Fence;
use aob_engine::step::Input;

use crate::book::{Coded, Decided};
use crate::defect::Defect;
use crate::search::Protocol;
use crate::store::{RECALLED, Rules, Store};
use crate::transport::{Answered, Call, Entry, Item, Judged, Named, Owner};
use crate::world::{Basis, Fate, Held, Job, TWICE, World};

/// One action being carried out on a copy of the world.
pub(crate) struct Turn<'a> {
    pub(crate) model: &'a Protocol,
    pub(crate) world: World,
}

impl Turn<'_> {
    pub(crate) fn rules(&self) -> Rules {
        self.model.rules
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        Arc::make_mut(&mut self.world.store)
    }

    pub(crate) fn fault(&mut self, fault: Option<&'static str>) {
        self.world.fault = self.world.fault.or(fault);
    }

    /// The epoch that a process opens anew with, if the one it knows is not let in.
    pub(crate) fn reopen(&mut self, epoch: u8) -> Option<u8> {
        let rules = self.rules();
        (!self.world.store.enter(epoch)).then(|| self.store().open(rules))
    }

    /// A call: what its caller hears of it, if anything.
    pub(crate) fn call(&mut self, call: Call, fate: Fate) -> Option<Answered> {
        let rules = self.rules();
        match fate {
            Fate::Answered => {}
            Fate::AnswerLost => self.world.budget.lost -= 1,
            Fate::Late | Fate::Twice => {
                self.world.budget.late -= 1;
                self.world.net.push(call.clone());
            }
        }
        if fate == Fate::Late {
            return None;
        }
        let answered = self.store().commit(&call, rules);
        self.after(&answered);
        (fate != Fate::AnswerLost).then_some(answered)
    }

    fn after(&mut self, answered: &Answered) {
        self.fault(answered.fault);
        let worked = |entry: &Entry| {
            self.world.workers.iter().any(|worker| {
                !worker.silent
                    && !worker.expired
                    && worker.jobs.iter().any(|job| {
                        (job.entry.fence, job.entry.timeline, &job.entry.instance)
                            == (entry.fence, entry.timeline, &entry.instance)
                    })
            })
        };
        if answered.recalled.iter().any(worked) {
            self.fault(Some(RECALLED));
        }
    }

    /// A call that was given up, or answered before, arrives.
    pub(crate) fn arrives(&mut self, at: usize) {
        let call = self.world.net.remove(at);
        let rules = self.rules();
        if self.world.store.enter(call.epoch) {
            let answered = self.store().commit(&call, rules);
            self.after(&answered);
        }
    }

    pub(crate) fn basis(&self, run: &Arc<str>) -> Option<Basis> {
        let store = &self.world.store;
        let image = store.runs.get(run)?.image.clone();
        Some(Basis { image, claimed: store.claimed(run) })
    }

    /// The items of a decision: its own, and one for each child run that it starts.
    pub(crate) fn items(&self, own: Item) -> Vec<Item> {
        let decided = own.decided.clone();
        let children = decided.children.iter().map(|child| Item {
            decided: self.model.book.start("child", Some(child), decided.epoch),
            signals: Vec::new(),
            patch: None,
            linked: true,
            timelines: Vec::new(),
            remembered: None,
        });
        let linked = !decided.children.is_empty();
        std::iter::once(Item { linked, ..own }).chain(children).collect()
    }

    // Workers.

    pub(crate) fn claim(&mut self, at: usize) {
        let consumer = self.world.workers[at].consumer;
        if let Some(entry) = self.store().claim(consumer) {
            self.take_up(at, entry);
        }
    }

    /// A task comes into a worker's hands; one that may be repeated begins at once.
    fn take_up(&mut self, at: usize, entry: Entry) {
        let running = !entry.once;
        if running {
            self.begun(&entry);
        }
        self.world.workers[at].jobs.push(Job { entry, running, answer: None });
    }

    fn begun(&mut self, entry: &Entry) {
        let name = (entry.timeline, entry.fence, entry.instance.clone());
        if !self.world.begun.contains(&name) {
            self.world.begun.push(name);
        } else if entry.once || self.world.restarts == 0 {
            self.fault(Some(TWICE));
        }
    }

    /// A task that must not be repeated begins with a beat that says so.
    pub(crate) fn begin(&mut self, at: usize) {
        let rules = self.rules();
        let Some(job) = self.world.workers[at].jobs.iter().position(|job| !job.running) else {
            return;
        };
        let entry = self.world.workers[at].jobs[job].entry.clone();
        let seen = self.world.workers[at].epoch;
        let old = |epoch: u8| entry.fence.0 != crate::book::token(epoch);
        let mut is_old = old(seen);
        if let Some(epoch) = self.reopen(seen) {
            self.world.workers[at].epoch = epoch;
            if !rules.lacks(Defect::BeatKeepsItsJudgement) {
                is_old = old(epoch);
            }
        }
        let consumer = self.world.workers[at].consumer;
        let named = Named { id: entry.id, fence: entry.fence, begins: true };
        if self.store().keep(consumer, &named, is_old, rules) {
            self.world.workers[at].jobs[job].running = true;
            self.begun(&entry);
        } else {
            self.world.workers[at].jobs.remove(job);
        }
    }

    pub(crate) fn beat(&mut self, at: usize) {
        let rules = self.rules();
        let seen = self.world.workers[at].epoch;
        if let Some(epoch) = self.reopen(seen) {
            self.world.workers[at].epoch = epoch;
        }
        let mut worker = self.world.workers[at].clone();
        (worker.must_beat, worker.expired) = (false, false);
        worker.jobs.retain(|job| {
            let named = Named { id: job.entry.id, fence: job.entry.fence, begins: false };
            let old = job.entry.fence.0 != crate::book::token(worker.epoch);
            self.store().keep(worker.consumer, &named, old, rules)
        });
        let known: Vec<u32> = worker.jobs.iter().map(|job| job.entry.id).collect();
        let unnamed: Vec<Entry> = self.unnamed(worker.consumer, &known);
        self.world.workers[at] = worker;
        if !rules.lacks(Defect::BeatTellsNothing) {
            unnamed.into_iter().for_each(|entry| self.take_up(at, entry));
        }
    }

    fn unnamed(&self, consumer: u8, known: &[u32]) -> Vec<Entry> {
        let mine =
            |entry: &&Entry| entry.owner == Owner::Worker(consumer) && !known.contains(&entry.id);
        self.world.store.tasks.iter().filter(mine).cloned().collect()
    }

    /// The answer that a running job comes to, as an input.
    fn input(&self, entry: &Entry, answer: u8) -> Coded<Input> {
        let mut answers = (self.model.scenario.answers)(&entry.instance);
        let result = answers.swap_remove(usize::from(answer));
        let fence = Fence(entry.fence.0, entry.fence.1);
        Coded::new(Input::Settled { instance: entry.instance.to_string(), fence, result })
    }

    /// A worker commits an answer itself and claims what it has room for.
    pub(crate) fn finish(&mut self, at: usize, answer: u8, fate: Fate) -> Option<()> {
        let rules = self.rules();
        let seen = self.world.workers[at].epoch;
        let job = self.world.workers[at].jobs.iter().position(|job| job.running)?;
        self.world.workers[at].jobs[job].answer = Some(answer);
        let entry = self.world.workers[at].jobs[job].entry.clone();
        if let Some(epoch) = self.reopen(seen) {
            self.world.workers[at].epoch = epoch;
            self.world.workers[at].basis = None;
            return Some(());
        }
        let known = self.world.workers[at]
            .basis
            .take()
            .filter(|known| known.image.state.head.run == entry.run);
        let cached = known.is_some();
        let Some(basis) = known.or_else(|| self.basis(&entry.run)) else {
            self.world.workers[at].jobs.remove(job);
            return Some(());
        };
        let input = self.input(&entry, answer);
        let (decided, patch) = self.decide_answer(&basis, &entry, input, seen);
        if !decided.event {
            if !cached {
                self.world.workers[at].jobs.remove(job);
                if rules.lacks(Defect::AckByRememberedId) {
                    self.store().tasks.retain(|other| other.id != entry.id);
                }
            }
            return Some(());
        }
        let full = self.world.workers[at].jobs.len() > 1;
        let claims =
            (!full && self.model.scenario.fused).then_some(self.world.workers[at].consumer);
        let own = Item {
            decided: decided.clone(),
            signals: Vec::new(),
            patch,
            linked: false,
            timelines: vec![Some(entry.timeline)],
            remembered: Some(entry.id),
        };
        let call = Call { epoch: seen, items: self.items(own), claims };
        let Some(answered) = self.call(call, fate) else { return Some(()) };
        match answered.judged[0] {
            Judged::Applied => {
                self.world.workers[at].jobs.remove(job);
                if rules.lacks(Defect::TaskAckedAfter) {
                    self.world.workers[at].owes.push(entry.id);
                }
                if answered.claimed.is_some() && !decided.after.state.is_ended() {
                    let claimed = Vec::new();
                    self.world.workers[at].basis =
                        Some(Basis { image: decided.after.clone(), claimed });
                }
            }
            Judged::Ended | Judged::Unknown => {
                self.world.workers[at].jobs.remove(job);
            }
            _ => {}
        }
        if let Some(entry) = answered.claimed {
            self.take_up(at, entry);
        }
        Some(())
    }

    /// A completion's decision; an agent's with the patch that goes with it, if that is not refused.
    fn decide_answer(
        &self,
        basis: &Basis,
        entry: &Entry,
        input: Coded<Input>,
        epoch: u8,
    ) -> (Arc<Decided>, Option<&'static str>) {
        let book = &self.model.book;
        if let Some((instance, patch)) = &self.model.scenario.agent
            && **instance == *entry.instance
            && !basis.image.patches.iter().any(|id| id == patch.id)
        {
            let claimed = self.world.store.claimed(&entry.run);
            let both =
                book.patch(&basis.image, patch, &claimed, std::slice::from_ref(&input), epoch);
            let counts =
                both.verdicts.iter().all(|verdict| *verdict == aob_engine::step::Verdict::Applied);
            if both.event && counts {
                return (both, Some(patch.id));
            }
        }
        (book.advance(&basis.image, &[input], epoch), None)
    }

    pub(crate) fn report(&mut self, at: usize, answer: u8, fate: Fate) -> Option<()> {
        let rules = self.rules();
        let job = self.world.workers[at].jobs.iter().position(|job| job.running)?;
        let entry = self.world.workers[at].jobs[job].entry.clone();
        let input = self.input(&entry, answer);
        self.store().report(&entry, input, rules);
        if fate == Fate::AnswerLost {
            self.world.budget.lost -= 1;
            self.world.workers[at].jobs[job].answer = Some(answer);
        } else {
            self.world.workers[at].jobs.remove(job);
        }
        Some(())
    }

    pub(crate) fn worker_dies(&mut self, at: usize) {
        let rules = self.rules();
        self.world.budget.crashes -= 1;
        let epoch = self.store().open(rules);
        let worker = &mut self.world.workers[at];
        worker.consumer += 2;
        worker.epoch = epoch;
        (worker.silent, worker.must_beat, worker.expired) = (false, false, false);
        (worker.basis, worker.jobs, worker.owes) = (None, Vec::new(), Vec::new());
    }

    // Coordinators.

    pub(crate) fn read(&mut self, at: usize, pending: bool) {
        let rules = self.rules();
        let (consumer, epoch) = {
            let reader = &self.world.coordinators[at];
            (reader.consumer, reader.epoch)
        };
        let mut held = Vec::new();
        for sig in &mut self.store().signals {
            if sig.reader.is_some() == pending {
                sig.reader = Some(consumer);
                held.push(Held {
                    name: (sig.id, epoch),
                    run: sig.run.clone(),
                    input: sig.input.clone(),
                    timeline: sig.timeline,
                });
            }
        }
        if rules.lacks(Defect::SignalAckedBefore) {
            let names: Vec<_> = held.iter().map(|held| held.name).collect();
            self.store().acknowledge(&names, epoch);
        }
        self.world.coordinators[at].held = held;
    }

    /// All signals of one run in one commit that acknowledges them.
    pub(crate) fn serve(&mut self, at: usize, fate: Fate) -> Option<()> {
        let rules = self.rules();
        let seen = self.world.coordinators[at].epoch;
        if let Some(epoch) = self.reopen(seen) {
            // What it holds was named in the old epoch, and stays pending.
            self.world.coordinators[at].epoch = epoch;
            self.world.coordinators[at].basis = None;
            return Some(());
        }
        let run = self.world.coordinators[at].held.first()?.run.clone();
        let of_run: Vec<Held> = self.world.coordinators[at]
            .held
            .iter()
            .filter(|held| held.run == run)
            .cloned()
            .collect();
        let names: Vec<(u32, u8)> = of_run.iter().map(|held| held.name).collect();
        let known = self.world.coordinators[at]
            .basis
            .take()
            .filter(|known| known.image.state.head.run == run);
        let cached = known.is_some();
        let Some(basis) = known.or_else(|| self.basis(&run)) else {
            self.store().came_to_nothing(&names, seen, rules);
            self.world.coordinators[at].held.retain(|held| held.run != run);
            return Some(());
        };
        let inputs: Vec<Coded<Input>> = of_run.iter().map(|held| held.input.clone()).collect();
        let decided = self.model.book.advance(&basis.image, &inputs, seen);
        if !decided.event {
            if !cached {
                self.store().came_to_nothing(&names, seen, rules);
                self.world.coordinators[at].held.retain(|held| held.run != run);
            }
            return Some(());
        }
        let counted = |(held, verdict): (&Held, _)| {
            let settles = matches!(&*held.input.value, Input::Settled { .. });
            (settles && verdict == &aob_engine::step::Verdict::Applied).then_some(held.timeline)
        };
        let own = Item {
            decided: decided.clone(),
            signals: names,
            patch: None,
            linked: false,
            timelines: of_run.iter().zip(&decided.verdicts).filter_map(counted).collect(),
            remembered: None,
        };
        let call = Call { epoch: seen, items: self.items(own), claims: None };
        let answered = self.call(call, fate)?;
        if let Judged::Applied | Judged::Ended | Judged::Unknown = answered.judged[0] {
            self.world.coordinators[at].held.retain(|held| held.run != run);
        }
        Some(())
    }

    pub(crate) fn coordinator_dies(&mut self, at: usize) {
        let rules = self.rules();
        self.world.budget.crashes -= 1;
        let epoch = self.store().open(rules);
        let coordinator = &mut self.world.coordinators[at];
        coordinator.consumer += 2;
        coordinator.epoch = epoch;
        (coordinator.basis, coordinator.held) = (None, Vec::new());
    }
}
