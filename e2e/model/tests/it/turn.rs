//! Each action, carried out.

use std::sync::Arc;

use aob_engine::step::Input;

use crate::act::Turn;
use crate::book::Coded;
use crate::world::Action;

impl Turn<'_> {
    /// Carries an action out.
    pub(crate) fn take(&mut self, action: Action) {
        let rules = self.rules();
        match action {
            Action::Claim(at) => self.claim(at),
            Action::Begin(at) => self.begin(at),
            Action::Finish(at, answer, fate) => drop(self.finish(at, answer, fate)),
            Action::Report(at, answer, fate) => drop(self.report(at, answer, fate)),
            Action::Beat(at) => self.beat(at),
            Action::Acknowledge(at) => {
                let owes = std::mem::take(&mut self.world.workers[at].owes);
                self.store().tasks.retain(|entry| !owes.contains(&entry.id));
            }
            Action::FallSilent(at) => {
                self.world.budget.zombies -= 1;
                self.world.workers[at].silent = true;
            }
            Action::Wake(at) => self.world.workers[at].silent = false,
            Action::WorkerDies(at) => self.worker_dies(at),
            Action::WorkerLooks(at) => {
                self.world.budget.stale -= 1;
                let job = self.world.workers[at].jobs.iter().find(|job| job.running);
                let basis = job.and_then(|job| self.basis(&job.entry.run.clone()));
                self.world.workers[at].basis = basis;
            }
            Action::Read(at) => self.read(at, false),
            Action::TakeOver(at) => {
                let in_hands = self.world.coordinators.iter().any(|other| !other.held.is_empty());
                self.world.budget.slow -= u8::from(in_hands && self.world.budget.slow > 0);
                self.read(at, true);
            }
            Action::Serve(at, fate) => drop(self.serve(at, fate)),
            Action::CoordinatorDies(at) => self.coordinator_dies(at),
            Action::CoordinatorLooks(at) => {
                self.world.budget.stale -= 1;
                let run = self.world.coordinators[at].held.first().map(|held| held.run.clone());
                self.world.coordinators[at].basis = run.and_then(|run| self.basis(&run));
            }
            Action::Ask(at, fate) => drop(self.ask(at, fate)),
            Action::AskAgain(at) => {
                let asker = &mut self.world.askers[at];
                asker.first = asker.told.take();
                asker.again = true;
            }
            Action::AskerLooks(at) => {
                self.world.budget.stale -= 1;
                self.world.askers[at].basis = self.basis(&self.model.run.clone());
            }
            Action::Hold(_) => {
                self.world.holds += 1;
                self.store().hold = true;
            }
            Action::HoldEnds => self.store().hold = false,
            Action::Sweep(id) => {
                self.store().open(rules);
                self.store().sweep(id, rules);
            }
            Action::GoesOff(at) => {
                self.store().open(rules);
                let (run, timer) = self.store().timers.remove(at);
                let input = Input::Timer((*timer.value).clone());
                self.store().signal(&run, Coded::new(input), None);
            }
            Action::Arrives(at) => self.arrives(at),
            Action::OnDisk => self.world.kept = Some(self.world.store.clone()),
            Action::Restart => {
                let Some(kept) = self.world.kept.clone() else { return };
                self.world.budget.rollbacks -= 1;
                self.world.restarts += 1;
                let restarted = kept.restarted(self.world.restarts, rules);
                self.world.store = Arc::new(restarted);
                if self.world.budget.rollbacks == 0 {
                    self.world.kept = None;
                }
                for worker in &mut self.world.workers {
                    worker.must_beat = !worker.jobs.is_empty();
                }
                // Whoever holds an answer asks again.
                for asker in &mut self.world.askers {
                    (asker.told, asker.first) = (None, None);
                }
            }
            Action::GraceEnds => {
                self.store().grace = false;
                for worker in &mut self.world.workers {
                    worker.expired |= worker.silent && worker.must_beat;
                }
            }
        }
    }
}
