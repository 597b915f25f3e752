//! The walk over the tree.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::budget::Budget;
use super::names::Names;
use super::tree::{Field, Tree};
use super::value::{Map, Text, Val};
use super::{EvalError, arithmetic, call};
use crate::issue::excerpt;

/// An error on its way up; boxed, because results are passed around far more often than errors.
pub(super) type Fail = Box<EvalError>;

pub(super) fn fail(code: &'static str, message: impl Into<String>) -> Fail {
    Box::new(EvalError { code, message: message.into(), absent_node: None })
}

/// An operation on a value of the wrong type.
pub(super) fn wrong_type(message: impl Into<String>) -> Fail {
    fail("type", message)
}

/// The value of a tree.
pub(super) fn evaluate<'a>(
    node: &'a Tree,
    names: &'a dyn Names,
    budget: &mut Budget,
) -> Result<Val<'a>, Fail> {
    Evaluator { names, budget, locals: Vec::new() }.eval(node)
}

pub(super) struct Evaluator<'a, 'b> {
    names: &'a dyn Names,
    pub(super) budget: &'b mut Budget,
    /// The variables of macros, by the slots that conversion gave them.
    pub(super) locals: Vec<Val<'a>>,
}

impl<'a> Evaluator<'a, '_> {
    pub(super) fn eval(&mut self, node: &'a Tree) -> Result<Val<'a>, Fail> {
        self.budget.step(1)?;
        Ok(match node {
            Tree::Null => Val::Null,
            Tree::Bool(bool) => Val::Bool(*bool),
            Tree::Int(int) => Val::Int(*int),
            Tree::Double(double) => Val::Double(*double),
            Tree::Text(text) => Val::Text(Text::Lent(text)),
            Tree::Local { slot, name } => {
                self.locals.get(*slot).cloned().ok_or_else(|| no_name(name))?
            }
            Tree::Name(name) => {
                self.names.name(name).map(Val::lend).ok_or_else(|| no_name(name))?
            }
            Tree::OfNode { id, field } => self.of_node(id, *field)?,
            Tree::HasOfNode { id, field } => Val::Bool(self.has_of_node(id, *field)),
            Tree::Select { operand, path } => self.select(operand, path)?,
            Tree::Has { operand, field } => self.has(operand, field)?,
            Tree::Index(operands) => self.index(&operands.0, &operands.1)?,
            Tree::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.eval(item)).collect();
                Val::made_list(items?)
            }
            Tree::Map(entries) => self.map(entries)?,
            Tree::Not(operand) => Val::Bool(!self.condition(operand)?),
            Tree::Negate(operand) => arithmetic::negate(&self.eval(operand)?)?,
            Tree::And(terms) => self.logical(terms, false)?,
            Tree::Or(terms) => self.logical(terms, true)?,
            Tree::Choose(branches) => {
                let [condition, then, otherwise] = branches.as_ref();
                let taken = if self.condition(condition)? { then } else { otherwise };
                self.eval(taken)?
            }
            Tree::Binary(operator, operands) => {
                let left = self.eval(&operands.0)?;
                let right = self.eval(&operands.1)?;
                arithmetic::binary(*operator, left, right, self.budget)?
            }
            Tree::Call(function, operands) => {
                let operands: Result<Vec<_>, _> =
                    operands.iter().map(|operand| self.eval(operand)).collect();
                call::call(*function, operands?, self.budget)?
            }
            Tree::Matches(operand, regex) => match self.eval(operand)? {
                Val::Text(text) => {
                    // The automaton does more for a byte than a search for plain text does.
                    self.budget.step(text.as_str().len() / 4)?;
                    Val::Bool(regex.is_match(text.as_str()))
                }
                other => {
                    return Err(wrong_type(format!(
                        "`matches` takes a string, this is {}",
                        other.kind()
                    )));
                }
            },
            Tree::TypeIs(operand, name) => Val::Bool(self.eval(operand)?.kind() == *name),
            Tree::Macro(macro_) => self.comprehend(macro_)?,
        })
    }

    /// A value that must be true or false.
    pub(super) fn condition(&mut self, node: &'a Tree) -> Result<bool, Fail> {
        match self.eval(node)? {
            Val::Bool(bool) => Ok(bool),
            other => {
                Err(wrong_type(format!("a condition is true or false, this is {}", other.kind())))
            }
        }
    }

    /// `&&` and `||`: a term that decides does so even beside one that fails, in either order.
    fn logical(&mut self, terms: &'a [Tree], decides: bool) -> Result<Val<'a>, Fail> {
        let mut failed = None;
        for term in terms {
            match self.condition(term) {
                Ok(bool) if bool == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(error) if error.code == "budget" => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn of_node(&self, id: &str, field: Field) -> Result<Val<'a>, Fail> {
        let view = self.names.node(id).unwrap_or_default();
        let found = match field {
            Field::Outcome => return Ok(Val::Text(Text::Lent(view.outcome))),
            Field::Output => view.output,
            Field::Error => view.error,
        };
        found.map(Val::lend).ok_or_else(|| {
            let message = match view.outcome {
                "" => format!("nodes.{id}.{} is absent: the node has not settled", field.name()),
                outcome => format!("nodes.{id}.{} is absent: the node {outcome}", field.name()),
            };
            let absent_node = (field == Field::Output).then(|| id.to_owned());
            Box::new(EvalError { code: "absent", message, absent_node })
        })
    }

    fn has_of_node(&self, id: &str, field: Field) -> bool {
        let view = self.names.node(id).unwrap_or_default();
        match field {
            Field::Outcome => !view.outcome.is_empty(),
            Field::Output => view.output.is_some(),
            Field::Error => view.error.is_some(),
        }
    }

    /// As in CEL, only the last field may be missing; but nothing is there in an output that is absent.
    fn has(&mut self, operand: &'a Tree, field: &str) -> Result<Val<'a>, Fail> {
        if operand.base().is_some_and(|(id, part)| !self.has_of_node(id, part)) {
            return Ok(Val::Bool(false));
        }
        match self.eval(operand)? {
            Val::Map(map) => Ok(Val::Bool(map.get(field).is_some())),
            other => Err(no_fields(operand, &other, field)),
        }
    }

    fn select(&mut self, operand: &'a Tree, path: &'a [Box<str>]) -> Result<Val<'a>, Fail> {
        let mut value = self.eval(operand)?;
        for (at, field) in path.iter().enumerate() {
            self.budget.step(1)?;
            let next = match &value {
                Val::Map(map) => {
                    map.get(field).ok_or_else(|| no_key(map, &spell(operand, path, at), field))
                }
                other => Err(no_fields_of(&spell(operand, path, at), other, field)),
            };
            value = next?;
        }
        Ok(value)
    }

    fn index(&mut self, operand: &'a Tree, index: &'a Tree) -> Result<Val<'a>, Fail> {
        let value = self.eval(operand)?;
        let index = self.eval(index)?;
        match (&value, &index) {
            (Val::Map(map), Val::Text(key)) => {
                self.budget.look(key.as_str().len())?;
                map.get(key.as_str())
                    .ok_or_else(|| no_key(map, &spell(operand, &[], 0), key.as_str()))
            }
            (Val::List(list), number) => match arithmetic::as_int(number) {
                Some(int) => {
                    usize::try_from(int).ok().and_then(|at| list.get(at)).ok_or_else(|| {
                        fail(
                            "expression",
                            format!("index {int} is outside a list of {} elements", list.len()),
                        )
                    })
                }
                None => Err(wrong_type(format!(
                    "the index of a list is an int, this is {}",
                    number.kind()
                ))),
            },
            (Val::Map(_), other) => {
                Err(wrong_type(format!("the key of a map is a string, this is {}", other.kind())))
            }
            (other, _) => {
                Err(wrong_type(format!("only a list or map is indexed, this is {}", other.kind())))
            }
        }
    }

    fn map(&mut self, entries: &'a [(Tree, Tree)]) -> Result<Val<'a>, Fail> {
        let mut map: BTreeMap<Rc<str>, Val<'a>> = BTreeMap::new();
        for (key, value) in entries {
            let key: Rc<str> = match self.eval(key)? {
                Val::Text(Text::Made(text)) => text,
                Val::Text(Text::Lent(text)) => {
                    self.budget.build(text.len())?;
                    text.into()
                }
                other => {
                    return Err(wrong_type(format!(
                        "the keys of a map are strings, this is {}",
                        other.kind()
                    )));
                }
            };
            let value = self.eval(value)?;
            if map.insert(Rc::clone(&key), value).is_some() {
                return Err(fail(
                    "expression",
                    format!("the key `{}` is twice in a map", excerpt(&key)),
                ));
            }
        }
        Ok(Val::Map(Map::Made(Rc::new(map))))
    }
}

fn spell(operand: &Tree, path: &[Box<str>], until: usize) -> String {
    let mut text = operand.spelling().unwrap_or_else(|| "the value".to_owned());
    for field in path.iter().take(until) {
        text.push('.');
        text.push_str(field);
    }
    text
}

fn no_name(name: &str) -> Fail {
    fail("absent", format!("there is no `{name}` here"))
}

fn no_key(map: &Map<'_>, holder: &str, key: &str) -> Fail {
    const SHOWN: usize = 8;
    let mut known: Vec<_> = map.keys(SHOWN).iter().map(|key| excerpt(key.as_str())).collect();
    if map.len() > SHOWN {
        known.push("...".to_owned());
    }
    let known = if known.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    };
    fail("expression", format!("{holder} has no `{}`; {known}", excerpt(key)))
}

fn no_fields(operand: &Tree, value: &Val<'_>, field: &str) -> Fail {
    no_fields_of(&spell(operand, &[], 0), value, field)
}

fn no_fields_of(holder: &str, value: &Val<'_>, field: &str) -> Fail {
    wrong_type(format!("{holder} is {} and has no field `{}`", value.kind(), excerpt(field)))
}
