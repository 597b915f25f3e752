//! Decisions: the engine's own functions, each asked once for the same question.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::Event;
use aob_engine::ir::Ir;
use aob_engine::registry::Registry;
use aob_engine::route::{self, Candidate, RefusedPatch};
use aob_engine::state::{CancelMode, Fence, IrSet, Parent, State, decode, encode, fold};
use aob_engine::step::{
    Answer, ChildStart, Envelope, Input, Now, StartRequest, Step, Timer, Verdict,
};
use serde_json::{Value, json};

/// The moment of every decision: timers go off in any order, so the clock itself says nothing.
const TIME: u64 = 1_790_000_000_000;

/// What a store keeps of a run, and what counts of its past.
pub(crate) struct Image {
    key: u64,
    pub(crate) state: State,
    pub(crate) context: BTreeMap<String, Envelope>,
    /// Completions that counted, by instance and fence.
    counted: BTreeSet<(String, Fence)>,
    /// Patches that took effect.
    pub(crate) patches: Vec<String>,
}

/// An image, compared by what it holds. Two orders of events that lead to the same are the same: the chain of
/// hashes is left out.
#[derive(Clone)]
pub(crate) struct ImageRef(Arc<Image>);

impl std::ops::Deref for ImageRef {
    type Target = Image;
    fn deref(&self) -> &Image {
        &self.0
    }
}

impl PartialEq for ImageRef {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ImageRef {}

impl Hash for ImageRef {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.key.hash(into);
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {} {}", self.state.head.seq, self.state.status())
    }
}

/// A value of the engine, compared by its JSON.
#[derive(Clone)]
pub(crate) struct Coded<T> {
    text: Arc<str>,
    pub(crate) value: Arc<T>,
}

impl<T: serde::Serialize> Coded<T> {
    pub(crate) fn new(value: T) -> Self {
        let text = serde_json::to_string(&value).unwrap().into();
        Self { text, value: Arc::new(value) }
    }
}

impl<T> PartialEq for Coded<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for Coded<T> {}

impl<T> Hash for Coded<T> {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.text.hash(into);
    }
}

impl<T> fmt::Debug for Coded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A task to be given out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Out {
    pub(crate) cell: u32,
    pub(crate) instance: Arc<str>,
    pub(crate) fence: (u64, u64),
    pub(crate) once: bool,
}

/// A decision with what a commit writes of it.
pub(crate) struct Decided {
    key: u64,
    /// Of which epoch its fences are.
    pub(crate) epoch: u8,
    pub(crate) before: Option<ImageRef>,
    pub(crate) after: ImageRef,
    /// Without an event nothing is to be written.
    pub(crate) event: bool,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) publish: Vec<Out>,
    pub(crate) ack: Vec<u32>,
    pub(crate) recall: Vec<u32>,
    pub(crate) arm: Vec<Timer>,
    pub(crate) disarm: Vec<Timer>,
    pub(crate) children: Vec<ChildStart>,
    pub(crate) cancel: Vec<(Arc<str>, CancelMode)>,
    pub(crate) answer: Option<(Parent, Answer)>,
    /// Instances that a completion settled or sent into backoff, with the fence it carried.
    pub(crate) accepted: Vec<(Arc<str>, Fence)>,
    /// For a patch: what the asker is told.
    pub(crate) told: Option<Arc<str>>,
    /// A law that the decision itself breaks.
    pub(crate) fault: Option<&'static str>,
}

impl PartialEq for Decided {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Decided {}

impl Hash for Decided {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.key.hash(into);
    }
}

impl fmt::Debug for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} -> {:?}", self.after.state.head.run, self.before, self.after)
    }
}

/// A change of the graph that somebody asks for.
pub(crate) struct Patch {
    pub(crate) id: &'static str,
    /// Changes the document in place.
    pub(crate) edit: fn(&mut Value),
    /// Claimed instances to be cancelled by name.
    pub(crate) cancel: &'static [&'static str],
}

/// Graphs and decisions.
#[derive(Default)]
pub(crate) struct Book {
    graphs: Mutex<BTreeMap<String, (Value, Arc<Ir>)>>,
    names: Mutex<BTreeMap<String, String>>,
    memo: Mutex<std::collections::HashMap<u64, Arc<Decided>>>,
}

/// The token of the n-th epoch.
pub(crate) fn token(epoch: u8) -> u64 {
    (u64::from(epoch) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn now(epoch: u8) -> Now {
    Now { time: TIME, epoch: token(epoch) }
}

impl Book {
    /// Puts a workflow under its name.
    pub(crate) fn workflow(&self, name: &str, spec: &Value) {
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec,
        });
        let ir = self.compile(&document).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
        self.names.lock().unwrap().insert(name.to_owned(), ir.digest.to_string());
    }

    fn compile(&self, document: &Value) -> Result<Arc<Ir>, Vec<aob_engine::issue::Issue>> {
        let ir = Arc::new(compile(document, &Registry::builtin(), &Ceiling::default())?);
        let kept = (document.clone(), ir.clone());
        self.graphs.lock().unwrap().insert(ir.digest.to_string(), kept);
        Ok(ir)
    }

    fn graph(&self, digest: &str) -> (Value, Arc<Ir>) {
        self.graphs.lock().unwrap()[digest].clone()
    }

    fn irs(&self, state: &State) -> IrSet {
        let mut irs = IrSet::new(state.head.revision, self.graph(&state.head.digest).1);
        for (revision, digest) in &state.head.pinned {
            irs.insert(*revision, self.graph(digest).1);
        }
        irs
    }

    fn once(&self, key: u64, decide: impl FnOnce() -> Decided) -> Arc<Decided> {
        if let Some(known) = self.memo.lock().unwrap().get(&key) {
            return known.clone();
        }
        let decided = Arc::new(decide());
        self.memo.lock().unwrap().entry(key).or_insert(decided).clone()
    }

    /// The first step of a run; the parent's answer address makes it a child.
    pub(crate) fn start(&self, name: &str, child: Option<&ChildStart>, epoch: u8) -> Arc<Decided> {
        let run: Arc<str> = child
            .map_or_else(|| "run_00000000000000000000000000".into(), |child| child.run.clone());
        let parent = child.map(|child| &child.parent);
        let fence =
            parent.map(|parent| (&parent.run, &parent.instance, parent.fence.0, parent.fence.1));
        self.once(hash(("start", name, &run, fence, epoch)), || {
            let digest = self.names.lock().unwrap()[name].clone();
            let irs = IrSet::new(0, self.graph(&digest).1);
            let input = Arc::new(json!({}));
            let request = StartRequest {
                parent: parent.cloned(),
                depth: child.map_or(0, |child| child.depth),
                ..StartRequest::new(run.clone(), "default".into(), input, "user:ada".into())
            };
            let step = route::start(&irs, 0, &request, now(epoch)).unwrap();
            self.decided(("start", &run, epoch), None, vec![(step, irs)], &[], epoch)
        })
    }

    /// What inputs lead to.
    pub(crate) fn advance(
        &self,
        image: &ImageRef,
        inputs: &[Coded<Input>],
        epoch: u8,
    ) -> Arc<Decided> {
        self.once(hash(("advance", image, inputs, epoch)), || {
            let irs = self.irs(&image.state);
            let plain: Vec<Input> = inputs.iter().map(|input| (*input.value).clone()).collect();
            let step =
                route::advance(&irs, &image.state, &image.context, &plain, now(epoch)).unwrap();
            self.decided(
                ("advance", image, inputs, epoch),
                Some(image),
                vec![(step, irs)],
                &plain,
                epoch,
            )
        })
    }

    /// What a patch leads to, and, where it comes from a node's own attempt, that attempt's completion on the graph
    /// after it. A refusal is recorded if the patch came alone; else nothing is written.
    pub(crate) fn patch(
        &self,
        image: &ImageRef,
        patch: &Patch,
        claimed: &[String],
        then: &[Coded<Input>],
        epoch: u8,
    ) -> Arc<Decided> {
        let key = ("patch", image, patch.id, claimed, then, epoch);
        self.once(hash(key), || {
            let irs = self.irs(&image.state);
            let mut document = self.graph(&image.state.head.digest).0;
            (patch.edit)(&mut document);
            let refused = |code: &str| {
                let refused = RefusedPatch {
                    id: patch.id.to_owned(),
                    request: format!("sha256:{}", patch.id),
                    base: None,
                    code: code.to_owned(),
                    pointer: String::new(),
                    by: "user:eve".to_owned(),
                    verdicts: Vec::new(),
                };
                let step = route::refuse_patch(&irs, &image.state, &refused, now(epoch)).unwrap();
                let mut decided = match step.filter(|_| then.is_empty()) {
                    Some(step) => {
                        self.decided(key, Some(image), vec![(step, irs.clone())], &[], epoch)
                    }
                    None => self.decided(key, Some(image), Vec::new(), &[], epoch),
                };
                decided.told = Some(format!("refused {code}").into());
                decided
            };
            let ir = match self.compile(&document) {
                Ok(ir) => ir,
                Err(issues) => return refused(issues[0].entry.code),
            };
            let candidate = Candidate {
                id: patch.id.to_owned(),
                operations: format!("sha256:{}", patch.id),
                ir: ir.clone(),
                cancel: patch.cancel.iter().map(|name| (*name).to_owned()).collect(),
                approves: Vec::new(),
                by: match plain_author(then) {
                    Some(instance) => format!("agent:{instance}"),
                    None => "user:eve".to_owned(),
                },
                reason: None,
                undoes: None,
                verdicts: Vec::new(),
            };
            let (state, context) = (&image.state, &image.context);
            let plain: Vec<Input> = then.iter().map(|input| (*input.value).clone()).collect();
            let step = route::apply_patch_with(
                &irs,
                state,
                context,
                &candidate,
                claimed,
                &plain,
                now(epoch),
            );
            let step = match step.unwrap() {
                Ok(step) => step,
                Err(issues) => return refused(issues[0].entry.code),
            };
            let mut irs = irs.clone();
            irs.insert(state.head.revision + 1, ir);
            let steps = vec![(step, irs)];
            let mut decided = self.decided(key, Some(image), steps, &plain, epoch);
            decided.told = Some("accepted".into());
            decided
        })
    }

    /// Puts steps that are committed together into one, and tries the laws on each.
    fn decided(
        &self,
        key: impl Hash,
        before: Option<&ImageRef>,
        steps: Vec<(Step, IrSet)>,
        inputs: &[Input],
        epoch: u8,
    ) -> Decided {
        let mut state = before.map(|image| image.state.clone());
        let mut context = before.map(|image| image.context.clone()).unwrap_or_default();
        let mut counted = before.map(|image| image.counted.clone()).unwrap_or_default();
        let mut patches = before.map(|image| image.patches.clone()).unwrap_or_default();
        let mut decided = Decided {
            key: hash(key),
            epoch,
            before: before.cloned(),
            after: before.cloned().unwrap_or_else(|| {
                image(steps[0].0.state.clone(), BTreeMap::new(), BTreeSet::new(), Vec::new())
            }),
            event: false,
            verdicts: vec![Verdict::Superseded; inputs.len()],
            publish: Vec::new(),
            ack: Vec::new(),
            recall: Vec::new(),
            arm: Vec::new(),
            disarm: Vec::new(),
            children: Vec::new(),
            cancel: Vec::new(),
            answer: None,
            accepted: Vec::new(),
            told: None,
            fault: None,
        };
        let count = steps.len();
        for (at, (step, irs)) in steps.into_iter().enumerate() {
            let Step { state: after, event, line, verdicts, effects } = step;
            if at + 1 == count && !inputs.is_empty() {
                // A patch's own verdict comes before them.
                decided.verdicts = verdicts[verdicts.len() - inputs.len()..].to_vec();
            }
            let Some(event) = event else {
                if state.as_ref() != Some(&after) {
                    decided.fault = Some("a step without an event changes nothing");
                }
                continue;
            };
            decided.event = true;
            let read: Event = serde_json::from_slice(&line).unwrap();
            let folded = fold(state.take(), &read, &line, &irs);
            if read != event
                || folded.as_ref() != Ok(&after)
                || decode(&encode(&after)).as_ref() != Ok(&after)
            {
                decided.fault = Some(FOLD);
            }
            for change in &event.changes {
                if let aob_engine::event::Change::Patched(patched) = change {
                    patches.push(patched.patch.clone());
                }
            }
            context.extend(effects.context);
            decided.ack.extend(effects.ack);
            decided.recall.extend(effects.recall);
            decided.disarm.extend(effects.disarm);
            decided.arm.extend(effects.arm.into_iter().map(|(timer, _)| timer));
            decided.children.extend(effects.children);
            decided.cancel.extend(effects.cancel);
            decided.answer = decided.answer.or(effects.answer);
            decided.publish.extend(effects.publish.into_iter().map(|task| Out {
                cell: task.cell,
                instance: task.instance.into(),
                fence: (task.fence.0, task.fence.1),
                once: task.once,
            }));
            state = Some(after);
        }
        for (input, verdict) in inputs.iter().zip(&decided.verdicts) {
            if let (Input::Settled { instance, fence, .. }, Verdict::Applied) = (input, verdict) {
                decided.accepted.push((instance.as_str().into(), *fence));
                if !counted.insert((instance.clone(), *fence)) {
                    decided.fault = Some(COUNTS_ONCE);
                }
            }
        }
        if patches.iter().collect::<BTreeSet<_>>().len() < patches.len() {
            decided.fault = Some(PATCH_ONCE);
        }
        if decided.event
            && let Some(state) = state
        {
            decided.after = image(state, context, counted, patches);
        }
        decided
    }
}

/// The instance whose answer brings a patch with it.
fn plain_author(then: &[Coded<Input>]) -> Option<String> {
    then.iter().find_map(|input| match &*input.value {
        Input::Settled { instance, .. } => Some(instance.clone()),
        _ => None,
    })
}

pub(crate) const FOLD: &str = "the fold of the events is the state";
pub(crate) const COUNTS_ONCE: &str = "a completion counts once";
pub(crate) const PATCH_ONCE: &str = "a patch takes effect once";

fn image(
    state: State,
    context: BTreeMap<String, Envelope>,
    counted: BTreeSet<(String, Fence)>,
    patches: Vec<String>,
) -> ImageRef {
    let mut bare = encode(&state);
    bare.remove("last");
    let kept = serde_json::to_string(&context).unwrap();
    let key = hash((
        bare,
        kept,
        &counted.iter().map(|(name, fence)| (name, fence.0, fence.1)).collect::<Vec<_>>(),
        &patches,
    ));
    ImageRef(Arc::new(Image { key, state, context, counted, patches }))
}
