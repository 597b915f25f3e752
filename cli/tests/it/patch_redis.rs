//! The verbs of patches and versions on a real Redis.

use serde_json::{Value, json};

use crate::patch::at_the_gate;
use crate::place::{Place, Said};

#[test]
fn the_verbs_of_patches_and_versions_work_on_redis() {
    let place = Place::on_redis();
    let run = at_the_gate(&place);
    let ops = place.write(
        "ops.yaml",
        "- {op: add, path: /nodes/-, value: {id: x, type: transform, config: {value: 7}}}\n- {op: add, path: /edges/-, value: {from: b, to: x}}\n",
    );

    // A dry run writes nothing; what is asked twice is done once; what is refused is told and kept.
    let apply = ["patch", "apply", &run, "-f", &ops, "--id", "more"];
    let dry = place.ends(0, &[&apply[..], &["--dry-run"]].concat());
    assert!(dry.out.contains("would be accepted as revision 1"), "{}", dry.out);
    place.ends(0, &["patch", "list", &run]).says(&["none"]);
    let said = place.ends(0, &[&apply[..], &["--reason", "seven is missing"]].concat());
    assert!(said.out.contains(&format!("accepted: revision 1 of {run}")), "{}", said.out);
    place
        .ends(0, &[&apply[..], &["--reason", "seven is missing"]].concat())
        .says(&["was asked before"]);
    let frozen = place.write("frozen.yaml", "[{op: add, path: /nodes/a/timeout, value: 1m}]\n");
    place.ends(3, &["patch", "apply", &run, "-f", &frozen]).says(&["error[AOB2104]"]);
    let listed = place.ends(0, &["patch", "list", &run, "-o", "json"]).json();
    let verdicts: Vec<&Value> =
        listed.as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, ["accepted", "refused"]);
    let shown = place.ends(0, &["patch", "show", "patch_more"]).out;
    assert!(shown.contains("+ node x") && shown.contains("seven is missing"), "{shown}");

    // Taken out, and that taken out.
    let undo = place.ends(0, &["patch", "undo", "more", "--dry-run"]).out;
    assert!(undo.contains("- node x"), "{undo}");
    let undo = place.ends(0, &["patch", "undo", "more"]).out;
    let undo = undo.split_whitespace().next().unwrap().to_owned();
    place.ends(0, &["diff", &format!("{run}@0"), &run]).says(&["nothing differs in effect"]);
    place.ends(0, &["patch", "undo", &undo]);
    place.ends(0, &["diff", &format!("{run}@1"), &run]).says(&["nothing differs in effect"]);

    // The run goes on with the new graph, to the end.
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    // Whoever changed what the gate guards does not open it.
    place.ends(5, &["approve", &ticket, "approve"]).says(&["error[AOB3108]"]);
    let mut bert = place.aob(&["approve", &ticket, "approve"]);
    assert_eq!(Said::of(bert.env("USER", "bert")).code, 0);
    place.ends(0, &["resume", &run]);
    assert_eq!(place.ends(0, &["get", &run, "--node", "x"]).json(), json!(7));
    place.ends(0, &["verify", &run]);

    // Its graph becomes a version; the tag has a line.
    place.ends(0, &["promote", &run, "--tag", "next", "--reason", "it held"]);
    place.ends(0, &["diff", "gated:next", &run]).says(&["nothing differs"]);
    place.ends(0, &["tag", "gated", "set", "main", "--tag", "next"]);
    place.ends(0, &["tag", "gated", "undo", "--tag", "next"]);
    let line = place.ends(0, &["tag", "gated", "list", "--tag", "next", "-o", "json"]).json();
    let kinds: Vec<&Value> = line.as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["set", "set", "undo"]);

    // Operations under a name, for runs that begin on them; and a run on what another has done.
    let set = place.ends(0, &["patch", "save", "seven", "gated", "-f", &ops]).out;
    assert_eq!(
        place.ends(0, &["ls", "patch-sets", "-o", "json"]).json(),
        json!([{"workflow": "gated", "name": "seven", "digest": set.trim()}])
    );
    place.ends(12, &["run", "gated", "--patch-set", "seven"]);
    let newest = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let shown = place.ends(0, &["get", &newest]).out;
    assert!(shown.contains("revision 1"), "{shown}");
    place.ends(0, &["cancel", &newest, "--now"]);
    let said = place.ends(0, &["replay", &run, "--from", "b"]);
    said.says(&[&format!("replays {run}"), "x succeeded"]);
    place.ends(0, &["verify", place.runs()[0]["run"].as_str().unwrap()]);
}
