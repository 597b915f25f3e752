//! From the parts of an HTTP request to what is asked.

use aob_engine::catalogue;
use aob_engine::issue::{Issue, excerpt};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Body, Kind, Route, TENANT};
use crate::operation::Request;
use crate::problem::{Problem, Result};

/// Largest integer that every reader of JSON keeps.
pub(crate) const LARGEST: u64 = (1 << 53) - 1;
/// Most values of a list in a query.
const MOST_VALUES: usize = 256;

/// What a query says.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Whose runs are meant.
    pub(crate) tenant: Option<String>,
    members: Map<String, Value>,
}

impl Route {
    /// Reads the query.
    ///
    /// # Errors
    /// [`catalogue::BAD_REQUEST`] if a parameter is unknown, given twice, or not of its kind.
    pub(crate) fn read_query(&self, text: &str) -> Result<Query> {
        let mut query = Query::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if name == TENANT {
                if value.is_empty() {
                    return Err(wrong(&name, "it is empty"));
                }
                if query.tenant.replace(value.into_owned()).is_some() {
                    return Err(wrong(&name, "it is given twice"));
                }
                continue;
            }
            let Some((name, kind)) = self.query.iter().find(|(known, _)| *known == name) else {
                let known: Vec<&str> = self.query.iter().map(|(known, _)| *known).collect();
                let problem = wrong(&excerpt(&name), "there is no such parameter here");
                return Err(problem.detail(format!("known: {}, {TENANT}", known.join(", "))));
            };
            let value = match kind {
                Kind::Text | Kind::List => Value::from(value.into_owned()),
                Kind::Number => match value.parse::<u64>() {
                    Ok(number) if number <= LARGEST => number.into(),
                    _ => return Err(wrong(name, "it is not a number from 0 to 2^53 - 1")),
                },
                Kind::Flag => match &*value {
                    "true" => true.into(),
                    "false" => false.into(),
                    _ => return Err(wrong(name, "it is neither true nor false")),
                },
            };
            if *kind == Kind::List {
                let list = query.members.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
                let Some(list) = list.as_array_mut() else { continue };
                if list.len() >= MOST_VALUES {
                    return Err(wrong(name, "it is given more than 256 times"));
                }
                list.push(value);
            } else if query.members.insert((*name).to_owned(), value).is_some() {
                return Err(wrong(name, "it is given twice"));
            }
        }
        Ok(query)
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// [`catalogue::BAD_REQUEST`] if they are not what the request must have.
    pub(crate) fn decode<'a>(
        &self,
        path: impl Iterator<Item = (&'a str, &'a str)>,
        query: Query,
        body: Option<Value>,
    ) -> Result<Request> {
        let mut members = match (self.body, body) {
            (Body::None, _) => Map::new(),
            (Body::Members, Some(Value::Object(members))) => members,
            (Body::Members, None) => Map::new(),
            (Body::Members, Some(_)) => return Err(refused("", "the body is not an object")),
            (Body::Whole(_), None) => return Err(refused("", "there is no body")),
            (Body::Whole(member), Some(body)) => Map::from_iter([(member.to_owned(), body)]),
        };
        let taken = |name: &str| self.query.iter().any(|(known, _)| *known == name);
        let elsewhere = |name: &&String| {
            **name == "op" || taken(name) || self.in_path().any(|known| known == **name)
        };
        if self.body == Body::Members
            && let Some(name) = members.keys().find(elsewhere)
        {
            let message = format!("`{}` has no place in the body", excerpt(name));
            return Err(refused(&format!("/{}", excerpt(name)), &message));
        }
        members.extend(query.members);
        for (name, value) in path {
            members.insert(name.to_owned(), value.into());
        }
        members.insert("op".to_owned(), self.op.into());
        serde_json::from_value(Value::Object(members))
            .map_err(|error| refused("", &error.to_string()))
    }
}

fn wrong(name: &str, why: &str) -> Problem {
    Problem::new(&catalogue::BAD_REQUEST, format!("parameter {name}"), why)
}

fn refused(pointer: &str, message: &str) -> Problem {
    Problem::found("the request", Issue::new(&catalogue::BAD_REQUEST, pointer, message))
}
