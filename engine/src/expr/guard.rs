//! What a condition shows to be there.

use super::tree::{Field, Tree};

/// A part of a node that has been tested with `has`.
pub(super) type Fact = (Box<str>, Field);

/// Gathers what is certainly there wherever `condition` came out as `outcome`.
///
/// `has(x)` shows x if it is true, `!c` turns that round, every term of a true `&&` and of a false `||`
/// counts. A deeper test (`has(nodes.x.output.count)`) shows the output too.
pub(super) fn facts(condition: &Tree, outcome: bool, into: &mut Vec<Fact>) {
    match condition {
        Tree::HasOfNode { id, field } if outcome => into.push((id.clone(), *field)),
        Tree::Has { operand, .. } if outcome => {
            if let Some((id, field)) = operand.base() {
                into.push((id.into(), field));
            }
        }
        Tree::Not(inner) => facts(inner, !outcome, into),
        Tree::And(terms) if outcome => terms.iter().for_each(|term| facts(term, true, into)),
        Tree::Or(terms) if !outcome => terms.iter().for_each(|term| facts(term, false, into)),
        _ => {}
    }
}
