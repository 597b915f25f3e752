//! Who asks for something from outside: decided and committed as `runner/src/runs` does.

use std::sync::Arc;

use aob_engine::step::{Decision, Input};

use crate::act::Turn;
use crate::book::{Coded, Decided};
use crate::scenario::Ask;
use crate::transport::{Call, Item, Judged};
use crate::world::{Asker, Basis, Fate, SAME_ANSWER};

impl Turn<'_> {
    pub(crate) fn ask(&mut self, at: usize, fate: Fate) -> Option<()> {
        let seen = self.world.askers[at].epoch;
        if let Some(epoch) = self.reopen(seen) {
            self.world.askers[at] = Asker { epoch, basis: None, ..self.world.askers[at].clone() };
            return Some(());
        }
        let run = self.model.run.clone();
        let known = self.world.askers[at].basis.take();
        let cached = known.is_some();
        let ask = &self.model.scenario.asks[at];
        if let (Ask::Patch(patch), Some(run)) = (ask, self.world.store.runs.get(&run))
            && let Some(told) = run.answers.get(patch.id).cloned()
        {
            self.told(at, told);
            return Some(());
        }
        let Some(basis) = known.or_else(|| self.basis(&run)) else {
            self.told(at, "gone".into());
            return Some(());
        };
        let (decided, patch) = self.decide_ask(ask, &basis, seen);
        let told = decided.told.clone().unwrap_or_else(|| "done".into());
        if !decided.event {
            if !cached {
                self.told(at, told);
            }
            return Some(());
        }
        let own = Item {
            decided,
            signals: Vec::new(),
            patch,
            linked: false,
            timelines: Vec::new(),
            remembered: None,
        };
        let call = Call { epoch: seen, items: self.items(own), claims: None };
        let answered = self.call(call, fate)?;
        match answered.judged[0] {
            Judged::Applied => self.told(at, told),
            Judged::Unknown => self.told(at, "gone".into()),
            // Also if it is over by now: the engine says what that means for what is asked.
            _ => self.world.askers[at].raced = true,
        }
        Some(())
    }

    fn decide_ask(
        &self,
        ask: &Ask,
        basis: &Basis,
        epoch: u8,
    ) -> (Arc<Decided>, Option<&'static str>) {
        let book = &self.model.book;
        let by = "user:eve".to_owned();
        let input = match ask {
            Ask::Patch(patch) => {
                let decided = book.patch(&basis.image, patch, &basis.claimed, &[], epoch);
                return (decided, Some(patch.id));
            }
            Ask::Cancel(mode) => {
                Input::Cancel { mode: *mode, by, reason: None, claimed: basis.claimed.clone() }
            }
            Ask::Decide(instance, answer) => Input::Decision(Decision {
                instance: (*instance).to_owned(),
                ticket: None,
                answer: answer.clone(),
                by,
                groups: Vec::new(),
                reason: None,
            }),
            Ask::Suspend(on) => Input::Suspend { on: *on, by },
        };
        (book.advance(&basis.image, &[Coded::new(input)], epoch), None)
    }

    /// An asker is told; whoever asks a second time must hear the same.
    fn told(&mut self, at: usize, told: Arc<str>) {
        let patch = matches!(self.model.scenario.asks[at], Ask::Patch(_));
        let other = self.world.askers[at].first.as_ref().is_some_and(|first| *first != told);
        if patch && other && *told != *"gone" {
            self.fault(Some(SAME_ANSWER));
        }
        self.world.askers[at].told = Some(told);
        self.world.askers[at].raced = false;
    }
}
