use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Fields, decode, diff, encode};
use crate::state::{
    Allowed, Amount, Asks, Below, Cancel, CancelMode, Cap, Container, EdgeState, Fence, Head, Live,
    Marking, NodeError, NodeState, Parent, Part, Phase, RunOutcome, State, Ticket,
};

proptest! {
    #[test]
    fn a_state_is_its_fields(state in states()) {
        prop_assert_eq!(decode(&encode(&state)), Ok(state));
    }

    #[test]
    fn a_difference_leads_from_one_to_the_other(before in states(), after in states()) {
        let delta = diff(&before, &after);
        let mut fields = encode(&before);
        for name in &delta.drop {
            prop_assert!(fields.remove(name).is_some(), "{} was not there", name);
        }
        for (name, value) in delta.set {
            fields.insert(name, value);
        }
        prop_assert_eq!(fields, encode(&after));
    }

    #[test]
    fn bytes_from_outside_never_panic(
        state in states(), at in any::<prop::sample::Index>(), value in vec(any::<u8>(), 0..80), name in "[a-z]{1,3}:?[a-z0-9]{1,4}",
    ) {
        let mut fields = encode(&state);
        let key = at.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
        fields.insert(key, value.clone());
        let _ = decode(&fields);
        let mut fields = encode(&state);
        let known = fields.contains_key(&name);
        fields.insert(name, value);
        prop_assert!(known || decode(&fields).is_err());
    }

    #[test]
    fn a_missing_field_is_named(state in states(), at in any::<prop::sample::Index>()) {
        let mut fields = encode(&state);
        let key = at.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
        fields.remove(&key);
        prop_assert!(decode(&fields).is_err(), "{} was not missed", key);
    }
}

#[test]
fn one_settled_node_is_a_few_small_fields() {
    let before = chain(300);
    let mut after = before.clone();
    let root = after.scopes.get_mut("").expect("root");
    root.nodes[130] = NodeState::Succeeded;
    root.unsettled -= 1;
    after.head.seq += 1;
    let delta = diff(&before, &after);
    assert_eq!(delta.drop, Vec::<String>::new());
    assert_eq!(delta.set.keys().collect::<Vec<_>>(), ["n1", "seq"]);
    assert_eq!(delta.set["n1"].len(), 64);
    assert_eq!(diff(&after, &after), super::Delta::default());
}

#[test]
fn a_freed_cell_is_emptied_and_used_again() {
    let live = |cell| Live { cell, ..live(0) };
    let mut before = chain(3);
    before.cells = 2;
    before.scopes.get_mut("").expect("root").live = BTreeMap::from([(0, live(0)), (1, live(1))]);
    let mut freed = before.clone();
    freed.scopes.get_mut("").expect("root").live.remove(&0);
    assert_eq!(diff(&before, &freed).set, Fields::from([("a0".to_owned(), Vec::new())]));
    let mut moved = freed.clone();
    moved.scopes.get_mut("").expect("root").live.insert(2, live(0));
    let delta = diff(&before, &moved);
    assert!(delta.set["a0"].starts_with(br#"["",2,{"#), "{:?}", delta.set);
    assert_eq!(delta.set.len(), 1);
}

#[test]
fn a_scope_that_has_ended_is_removed() {
    let before = State {
        scopes: BTreeMap::from([("".into(), marking(3)), ("each[0]".into(), marking(200))]),
        ..chain(3)
    };
    let delta = diff(&before, &chain(3));
    assert_eq!(delta.drop, ["each[0]:m", "each[0]:n0", "each[0]:n1", "each[0]:e0"]);
    assert!(delta.set.is_empty());
}

#[test]
fn the_fields_read_like_this() {
    let fields = encode(&chain(10));
    let text = |name: &str| String::from_utf8(fields[name].clone()).expect("text");
    assert_eq!(
        (text("seq"), text("rev"), text("counter"), text("status")),
        ("7".into(), "0".into(), "1".into(), "running".into())
    );
    assert_eq!(text("m"), r#"{"r":0,"b":0,"n":10,"e":9}"#);
    assert_eq!(fields["n0"], [0, 0, 0, 0, 0]);
    assert_eq!(fields["e0"], [0, 0, 0]);
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes < 600, "{bytes}");
}

fn chain(nodes: usize) -> State {
    let head = Head {
        run: "run_01".into(),
        workflow: "chain".into(),
        tenant: "default".into(),
        seq: 7,
        revision: 0,
        pinned: BTreeMap::new(),
        types: None,
        pinned_types: BTreeMap::new(),
        patches: 0,
        digest: format!("sha256:{:064}", 7).into(),
        phase: Phase::Running,
        last: format!("{:064}", 9).into(),
        started: 1_700_000_000_000,
        deadline: 1_700_000_900_000,
        ended: None,
        outcome: None,
        failure: None,
        suspended: false,
        cancel: None,
        parent: None,
        tokens: 1,
        settled: 0,
        instances: nodes as u64,
        agent_starts: 0,
        agents: 0,
        agents_gone: Default::default(),
        placed: Default::default(),
        patchers: Default::default(),
        denials: 0,
        spent: Default::default(),
        caps: Default::default(),
        allowed: Default::default(),
        below: Default::default(),
        bytes: 2,
        depth: 0,
        by: "user:ada".into(),
        keep: 0,
        base: None,
        patch_set: None,
        refusals: 0,
    };
    State {
        head,
        scopes: BTreeMap::from([("".into(), marking(nodes))]),
        cells: 0,
        free: BTreeSet::new(),
    }
}

fn marking(nodes: usize) -> Marking {
    Marking {
        revision: 0,
        body: 0,
        nodes: vec![NodeState::Idle; nodes],
        edges: vec![EdgeState::Unsettled; nodes.saturating_sub(1)],
        live: BTreeMap::new(),
        unsettled: nodes as u32,
        failed: None,
    }
}

fn live(due: u64) -> Live {
    let fence = Fence(u64::MAX, 3);
    Live {
        cell: 0,
        fence,
        failures: 0,
        losses: 0,
        returns: 0,
        due: Some(due),
        ticket: None,
        error: None,
        container: None,
        child: None,
        reserved: None,
        wants: None,
        part: Part::default(),
    }
}

fn states() -> impl Strategy<Value = State> {
    let paths = select(vec!["", "each[0]", "each[1]", "each[10]", "finally", "outer[2]/each[1]"]);
    let scopes = btree_map(paths.prop_map(Arc::from), markings(), 0..6);
    (heads(), scopes, 0_u32..4).prop_flat_map(|(head, scopes, spare)| {
        let used: usize = scopes.values().map(|marking| marking.live.len()).sum();
        let cells = used as u32 + spare;
        Just((0..cells).collect::<Vec<_>>()).prop_shuffle().prop_map(move |order| {
            let mut scopes = scopes.clone();
            let lives =
                scopes.values_mut().flat_map(|marking: &mut Marking| marking.live.values_mut());
            let mut order = order.into_iter();
            for (live, cell) in lives.zip(&mut order) {
                live.cell = cell;
            }
            State { head: head.clone(), scopes, cells, free: order.collect() }
        })
    })
}

fn markings() -> impl Strategy<Value = Marking> {
    let nodes = prop_oneof![3 => vec(select(NodeState::ALL.to_vec()), 1..6), 1 => vec(select(NodeState::ALL.to_vec()), 120..300)];
    let edges = prop_oneof![3 => vec(select(EdgeState::ALL.to_vec()), 0..6), 1 => vec(select(EdgeState::ALL.to_vec()), 250..520)];
    let slots = btree_set(any::<u32>(), 0..4);
    (nodes, edges, slots, vec(lives(), 4), 0_u32..3, 0_u32..3, option::of(errors())).prop_map(
        |(nodes, edges, slots, lives, revision, body, failed)| {
            let slots = slots.into_iter().filter_map(|slot| slot.checked_rem(nodes.len() as u32));
            let live = slots.zip(lives).collect();
            let unsettled = nodes.iter().filter(|state| !state.is_settled()).count() as u32;
            Marking { revision, body, nodes, edges, live, unsettled, failed }
        },
    )
}

fn lives() -> impl Strategy<Value = Live> {
    let ticket = (
        select(vec![Asks::Gate, Asks::Failure, Asks::Unknown, Asks::Budget, Asks::Patch]),
        vec("[a-z]{1,5}".prop_map(Arc::from), 0..3),
    )
        .prop_map(|(asks, votes)| Ticket {
            id: "ticket_1".into(),
            asks,
            binds: "b".into(),
            notices: votes.len() as u32,
            votes,
        });
    let container =
        (any::<u32>(), 0_u32..4, option::of(errors())).prop_map(|(total, failed, failure)| {
            Container {
                total,
                next: 3,
                done: 2,
                failed,
                cut: failed,
                concurrency: 10,
                tolerate: failed,
                failure,
            }
        });
    let counts = (0_u32..3, 0_u32..3, any::<u64>(), any::<u64>());
    (
        counts,
        option::of(any::<u64>()),
        option::of(ticket),
        option::of(errors()),
        option::of(container),
        any::<bool>(),
    )
        .prop_map(|((failures, losses, epoch, seq), due, ticket, error, container, child)| {
            Live {
                cell: 0,
                fence: Fence(epoch, seq),
                failures,
                losses,
                returns: losses,
                due,
                ticket,
                error,
                container,
                child: child.then(|| "run_child".into()),
                reserved: child.then_some(Amount { usd: 5, tokens: seq, calls: 1, ms: 0 }),
                wants: child.then_some(Amount { usd: seq, ..Amount::default() }),
                part: Part { agents: failures, room: u32::from(child), starts: failures },
            }
        })
}

fn heads() -> impl Strategy<Value = Head> {
    let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u64>(), 0_u32..3);
    let end = (
        option::of(any::<u64>()),
        option::of(select(vec![RunOutcome::Succeeded, RunOutcome::Cancelled])),
    );
    let phase = select(vec![Phase::Running, Phase::Draining, Phase::Finally, Phase::Ended]);
    let cancel = any::<u64>().prop_map(|grace| Cancel {
        mode: CancelMode::Graceful,
        outcome: RunOutcome::Failed,
        grace,
    });
    let parent =
        Just(Parent { run: "run_p".into(), instance: "call".into(), fence: Fence(1 << 60, 4) });
    (
        numbers,
        end,
        phase,
        option::of(cancel),
        option::of(parent),
        option::of(errors()),
        any::<bool>(),
        "\\PC{0,9}",
    )
        .prop_map(
            |(numbers, (ended, outcome), phase, cancel, parent, failure, suspended, text)| {
                let (seq, revision, tokens, bytes, depth) = numbers;
                let text: Arc<str> = text.into();
                Head {
                    seq,
                    revision,
                    phase,
                    ended,
                    outcome,
                    failure,
                    suspended,
                    cancel,
                    parent,
                    tokens,
                    bytes,
                    keep: bytes,
                    depth,
                    agent_starts: depth,
                    agents_gone: ["triage".into()].into(),
                    placed: [("triage".into(), depth)].into(),
                    agents: depth,
                    patchers: [("gate".into(), [text.clone()].into())].into(),
                    denials: depth,
                    spent: [("triage".into(), Amount { usd: bytes, ..Amount::default() })].into(),
                    caps: [("".into(), Cap { usd: Some(bytes), ..Cap::default() })].into(),
                    allowed: Allowed { agents: Some(depth), ..Allowed::default() },
                    below: Below {
                        agents: [("call".into(), depth)].into(),
                        grown: depth,
                        starts: depth,
                    },
                    patches: depth,
                    pinned: (0..depth).map(|revision| (revision, text.clone())).collect(),
                    workflow: text.clone(),
                    last: text,
                    ..chain(0).head
                }
            },
        )
}

fn errors() -> impl Strategy<Value = NodeError> {
    "\\PC{0,9}".prop_map(|message| NodeError::new("timeout", message).at("each[1]/x"))
}
