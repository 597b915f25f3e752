//! The search: what may happen in a state, and what must hold in it.

use std::sync::Arc;
use std::time::Instant;

use aob_engine::step::Due;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::act::Turn;
use crate::book::{Book, COUNTS_ONCE, FOLD, PATCH_ONCE};
use crate::defect::Defect;
use crate::scenario::{Ask, Scenario};
use crate::store::{LINKED, OLD_DECISION, OUT, RECALLED, Rules, SLOTS, Store, ZOMBIE};
use crate::transport::{Call, Item, Owner, Sig};
use crate::world::{
    Action, Asker, Coordinator, Fate, LEFT, SAME_ANSWER, STUCK, TWICE, Worker, World,
};

/// A scenario, with a rule less if that is to be found out.
pub(crate) struct Protocol {
    pub(crate) scenario: Scenario,
    pub(crate) rules: Rules,
    pub(crate) book: Book,
    pub(crate) run: Arc<str>,
}

/// What a search came to.
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) depth: usize,
    pub(crate) seconds: f64,
    /// The law that is broken, and the shortest way there.
    pub(crate) broken: Option<(&'static str, Vec<String>)>,
    pub(crate) cut: bool,
}

/// Searches a scenario, at most so many states.
pub(crate) fn search(scenario: Scenario, defect: Option<Defect>, most: usize) -> Found {
    let began = Instant::now();
    let rules = Rules { defect, names_repeat: scenario.names_repeat, drops: scenario.drops };
    let book = Book::default();
    book.workflow("main", &scenario.spec);
    if let Some(child) = &scenario.child {
        book.workflow("child", child);
    }
    let run = book.start("main", None, 0).after.state.head.run.clone();
    let checker = Protocol { scenario, rules, book, run }
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(most.saturating_mul(8))
        .spawn_bfs()
        .join();
    let mut broken = None;
    for (law, path) in checker.discoveries() {
        let way =
            path.into_actions().iter().map(|action| format!("{action:?}")).collect::<Vec<_>>();
        if broken.as_ref().is_none_or(|(_, known): &(_, Vec<String>)| way.len() < known.len()) {
            broken = Some((law, way));
        }
    }
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds: began.elapsed().as_secs_f64(),
        cut: broken.is_none() && checker.state_count() >= most.saturating_mul(8),
        broken,
    }
}

impl Protocol {
    /// What moves things on; `faults` adds what goes wrong.
    fn offers(&self, world: &World, faults: bool, actions: &mut Vec<Action>) {
        let budget = world.budget;
        let fates: Vec<Fate> = [
            (Fate::Answered, true),
            (Fate::AnswerLost, faults && budget.lost > 0),
            (Fate::Late, faults && budget.late > 0),
            (Fate::Twice, faults && budget.late > 0),
        ]
        .into_iter()
        .filter_map(|(fate, may)| may.then_some(fate))
        .collect();
        let store = &world.store;
        for (at, worker) in world.workers.iter().enumerate() {
            self.worker_offers(world, at, worker, faults, &fates, actions);
        }
        for (at, coordinator) in world.coordinators.iter().enumerate() {
            if coordinator.held.is_empty() {
                if store.signals.iter().any(|sig| sig.reader.is_none()) {
                    actions.push(Action::Read(at));
                }
                let in_hands = |id: u32| {
                    world
                        .coordinators
                        .iter()
                        .any(|other| other.held.iter().any(|held| held.name.0 == id))
                };
                let waits = |sig: &&Sig| sig.reader.is_some() && !sig.in_vain;
                let mut pending = store.signals.iter().filter(waits).peekable();
                let dead = pending.peek().is_some() && pending.all(|sig| !in_hands(sig.id));
                let slow = faults && budget.slow > 0 && store.signals.iter().any(|sig| waits(&sig));
                if (dead || slow) && !self.rules.lacks(Defect::NoTakeover) {
                    actions.push(Action::TakeOver(at));
                }
            } else {
                actions.extend(fates.iter().map(|fate| Action::Serve(at, *fate)));
                if faults && budget.stale > 0 && coordinator.basis.is_none() {
                    actions.push(Action::CoordinatorLooks(at));
                }
                if faults && budget.crashes > 0 {
                    actions.push(Action::CoordinatorDies(at));
                }
            }
        }
        for (at, asker) in world.askers.iter().enumerate() {
            if self.may_ask(world, at) {
                actions.extend(fates.iter().map(|fate| Action::Ask(at, *fate)));
                if faults && budget.stale > 0 && asker.basis.is_none() {
                    actions.push(Action::AskerLooks(at));
                }
                if self.scenario.hold
                    && asker.raced
                    && world.holds == 0
                    && !store.hold
                    && store.opened
                {
                    actions.push(Action::Hold(at));
                }
            } else if asker.told.is_some() && self.scenario.again && !asker.again {
                actions.push(Action::AskAgain(at));
            }
        }
        if store.hold {
            actions.push(Action::HoldEnds);
        }
        for entry in &store.tasks {
            if self.may_sweep(world, entry.owner) {
                actions.push(Action::Sweep(entry.id));
            }
        }
        for (at, (_, timer)) in store.timers.iter().enumerate() {
            // A run's own duration is long; its grace, and the exit handler's, count from an event.
            if !matches!(timer.value.what, Due::Duration | Due::Finally) {
                actions.push(Action::GoesOff(at));
            }
        }
        actions.extend((0..world.net.len()).map(Action::Arrives));
        if faults && budget.rollbacks > 0 {
            if world.kept.as_ref().is_none_or(|kept| **kept != **store) && store.opened {
                actions.push(Action::OnDisk);
            }
            if world.kept.is_some() {
                actions.push(Action::Restart);
            }
        }
        let beaten = world.workers.iter().all(|worker| worker.silent || !worker.must_beat);
        if store.opened && store.grace && beaten {
            actions.push(Action::GraceEnds);
        }
    }

    fn worker_offers(
        &self,
        world: &World,
        at: usize,
        worker: &Worker,
        faults: bool,
        fates: &[Fate],
        actions: &mut Vec<Action>,
    ) {
        let (store, budget) = (&world.store, world.budget);
        if worker.silent {
            actions.push(Action::Wake(at));
            return;
        }
        if !worker.owes.is_empty() {
            actions.push(Action::Acknowledge(at));
        }
        if worker.jobs.is_empty()
            && worker.owes.is_empty()
            && store.tasks.iter().any(|entry| !entry.delivered)
        {
            actions.push(Action::Claim(at));
        }
        if worker.jobs.iter().any(|job| !job.running) {
            actions.push(Action::Begin(at));
        }
        if let Some(job) = worker.jobs.iter().find(|job| job.running) {
            let answers = (self.scenario.answers)(&job.entry.instance).len() as u8;
            for answer in 0..answers {
                if job.answer.is_some_and(|known| known != answer) {
                    continue;
                }
                if self.scenario.reports {
                    actions.push(Action::Report(at, answer, Fate::Answered));
                    if faults && budget.lost > 0 {
                        actions.push(Action::Report(at, answer, Fate::AnswerLost));
                    }
                } else {
                    actions.extend(fates.iter().map(|fate| Action::Finish(at, answer, *fate)));
                }
            }
            if faults && budget.stale > 0 && worker.basis.is_none() && !self.scenario.reports {
                actions.push(Action::WorkerLooks(at));
            }
        }
        let mine = |owner: Owner| owner == Owner::Worker(worker.consumer);
        let lost = |id: u32| !store.tasks.iter().any(|entry| entry.id == id && mine(entry.owner));
        let unknown = store.tasks.iter().any(|entry| {
            mine(entry.owner) && !worker.jobs.iter().any(|job| job.entry.id == entry.id)
        });
        let tells = unknown && !self.rules.lacks(Defect::BeatTellsNothing);
        if worker.must_beat || tells || worker.jobs.iter().any(|job| lost(job.entry.id)) {
            actions.push(Action::Beat(at));
        }
        if faults && (!worker.jobs.is_empty() || unknown || !worker.owes.is_empty()) {
            if budget.zombies > 0 {
                actions.push(Action::FallSilent(at));
            }
            if budget.crashes > 0 {
                actions.push(Action::WorkerDies(at));
            }
        }
    }

    fn may_sweep(&self, world: &World, owner: Owner) -> bool {
        let Owner::Worker(consumer) = owner else { return false };
        let holder = world.workers.iter().find(|worker| worker.consumer == consumer);
        // One who holds a lease and does not know of it lets it run out, unless its beats tell.
        holder.is_none_or(|worker| {
            worker.silent || (self.rules.lacks(Defect::BeatTellsNothing) && worker.jobs.is_empty())
        })
    }

    fn may_ask(&self, world: &World, at: usize) -> bool {
        let asker = &world.askers[at];
        match &self.scenario.asks[at] {
            Ask::Decide(instance, _) => world.store.runs.get(&self.run).is_some_and(|run| {
                let image = &run.image;
                let open = image.state.scopes.iter().any(|(scope, marking)| {
                    scope.is_empty() && marking.live.values().any(|live| live.ticket.is_some())
                });
                open && !instance.is_empty()
            }),
            // A resume follows its suspend.
            Ask::Suspend(false) => asker.told.is_none() && world.askers[0].told.is_some(),
            _ => asker.told.is_none(),
        }
    }

    /// Nothing moves any more: then everything is over, or waits for a person by intent.
    fn at_rest(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        self.offers(world, false, &mut actions);
        actions.is_empty()
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut store = Store::new();
        let first = Item {
            decided: self.book.start("main", None, 0),
            signals: Vec::new(),
            patch: None,
            linked: false,
            timelines: Vec::new(),
            remembered: None,
        };
        store.commit(&Call { epoch: 0, items: vec![first], claims: None }, self.rules);
        let worker = |at| Worker {
            consumer: at,
            epoch: 0,
            silent: false,
            must_beat: false,
            expired: false,
            jobs: Vec::new(),
            basis: None,
            owes: Vec::new(),
        };
        let coordinator =
            |at| Coordinator { consumer: at, epoch: 0, held: Vec::new(), basis: None };
        vec![World {
            store: Arc::new(store),
            kept: None,
            workers: (0..self.scenario.workers as u8).map(worker).collect(),
            coordinators: (0..self.scenario.coordinators as u8).map(coordinator).collect(),
            askers: vec![Asker::default(); self.scenario.asks.len()],
            net: Vec::new(),
            budget: self.scenario.budget,
            restarts: 0,
            holds: 0,
            begun: Vec::new(),
            fault: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.fault.is_none() {
            self.offers(world, true, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut turn = Turn { model: self, world: world.clone() };
        turn.take(action);
        let mut next = turn.world;
        next.fault = next.fault.or_else(|| next.store.check());
        let there = |store: &Store, name: &(u8, (u64, u64), Arc<str>)| {
            store.tasks.iter().any(|entry| {
                (entry.timeline, entry.fence) == (name.0, name.1) && entry.instance == name.2
            })
        };
        let (store, kept) = (next.store.clone(), next.kept.clone());
        next.begun.retain(|name| {
            there(&store, name) || kept.as_ref().is_some_and(|kept| there(kept, name))
        });
        next.begun.sort();
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn none(world: &World, law: &str) -> bool {
            world.fault != Some(law)
        }
        vec![
            Property::always(FOLD, |_, world| none(world, FOLD)),
            Property::always(COUNTS_ONCE, |_, world| none(world, COUNTS_ONCE)),
            Property::always(PATCH_ONCE, |_, world| none(world, PATCH_ONCE)),
            Property::always(OLD_DECISION, |_, world| none(world, OLD_DECISION)),
            Property::always(ZOMBIE, |_, world| none(world, ZOMBIE)),
            Property::always(RECALLED, |_, world| none(world, RECALLED)),
            Property::always(LINKED, |_, world| none(world, LINKED)),
            Property::always(OUT, |_, world| none(world, OUT)),
            Property::always(SLOTS, |_, world| none(world, SLOTS)),
            Property::always(TWICE, |_, world| none(world, TWICE)),
            Property::always(SAME_ANSWER, |_, world| none(world, SAME_ANSWER)),
            Property::always(STUCK, |model: &Self, world: &World| {
                let over = |store: &Store| {
                    store
                        .runs
                        .values()
                        .all(|run| run.image.state.is_ended() || run.image.state.head.suspended)
                };
                world.fault.is_some() || over(&world.store) || !model.at_rest(world)
            }),
            Property::always(LEFT, |model: &Self, world: &World| {
                let store = &world.store;
                let over = store.runs.values().all(|run| run.image.state.is_ended());
                let empty =
                    store.tasks.is_empty() && store.signals.is_empty() && store.timers.is_empty();
                world.fault.is_some() || empty || !over || !model.at_rest(world)
            }),
        ]
    }
}
