//! What a patch changes, in words: by our own code from the difference of two graphs, never by whoever proposes it.

use aob_engine::patch::Difference;

/// Names in one line.
const MOST: usize = 20;

/// One line for each kind of change.
pub(super) fn shown(difference: &Difference) -> String {
    let Difference { nodes_added, nodes_removed, nodes_changed, .. } = difference;
    let edges = |edges: &[aob_engine::patch::EdgeName]| -> Vec<String> {
        edges.iter().map(ToString::to_string).collect()
    };
    let fields =
        |(name, fields): (&String, &Vec<String>)| format!("{name} ({})", fields.join(", "));
    let changed: Vec<String> = nodes_changed.iter().map(fields).collect();
    let kept: Vec<String> =
        difference.edges_changed.iter().map(|(name, of)| fields((&name.to_string(), of))).collect();
    let lines = [
        ("adds nodes", nodes_added.clone()),
        ("removes nodes", nodes_removed.clone()),
        ("changes nodes", changed),
        ("adds edges", edges(&difference.edges_added)),
        ("removes edges", edges(&difference.edges_removed)),
        ("changes edges", kept),
    ];
    let line = |(what, names): (&str, Vec<String>)| {
        let more = names.len().saturating_sub(MOST);
        let told = names.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!told.is_empty()).then(|| format!("{what}: {told}{rest}"))
    };
    lines.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}
