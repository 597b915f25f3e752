//! The input of a run, from flags and a file.

use aob_engine::catalogue;
use aob_engine::issue::{Issue, excerpt};
use aob_engine::read::{self, Document, Limits};
use serde_json::{Map, Value};

use crate::files::Source;
use crate::problem::{Finding, Problem, Result};

/// An input with where each member of it came from.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// An object.
    pub(crate) value: Value,
    file: Option<(Source, Document)>,
    /// Members given by flag.
    members: Vec<String>,
}

impl Given {
    /// The members of a file, then those of `-i NAME=VALUE`, which replace them.
    pub(crate) fn read(file: Option<&str>, members: &[String]) -> Result<Self> {
        let mut value = Map::new();
        let file = file.map(from_file).transpose()?;
        if let Some((source, document)) = &file {
            match &document.value {
                Value::Object(members) => value.clone_from(members),
                _ => {
                    let issue = Issue::new(&catalogue::BAD_INPUT, "", "the input is not an object");
                    return Err(Problem::of(vec![source.finding(issue, document.places.find(""))]));
                }
            }
        }
        let given = object(members, "-i")?;
        let members = given.keys().cloned().collect();
        value.extend(given);
        Ok(Self { value: Value::Object(value), file, members })
    }

    /// An issue in the input, shown where that part of it came from.
    pub(crate) fn finding(&self, issue: Issue) -> Finding {
        let first =
            issue.pointer.split('/').nth(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let by_flag = first.filter(|first| self.members.contains(first));
        match (&self.file, by_flag) {
            (_, Some(name)) => {
                Finding { issue, about: format!("-i {name}"), place: None, source: None }
            }
            (Some((source, document)), None) => {
                let place = document.places.nearest(&issue.pointer);
                source.finding(issue, Some(place))
            }
            (None, None) => {
                Finding { issue, about: "the input".to_owned(), place: None, source: None }
            }
        }
    }
}

/// Members of an object as `NAME=VALUE`: JSON where the value is JSON, else text. A dot in a name means nothing.
pub(crate) fn object(members: &[String], flag: &str) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    for member in members {
        let Some((name, text)) = member.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("`{}` is not of the form NAME=VALUE", excerpt(member));
            return Err(Problem::new(&catalogue::USAGE, flag, message));
        };
        object.insert(name.to_owned(), value(text, &format!("{flag} {name}"))?);
    }
    Ok(object)
}

/// A value on the command line: JSON if it is JSON, else text.
pub(crate) fn value(text: &str, about: &str) -> Result<Value> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Ok(Value::from(text));
    }
    json(text, about)
}

/// A value on the command line that must be JSON, judged as a file is: numbers exact, no key twice, bounded.
pub(crate) fn json(text: &str, about: &str) -> Result<Value> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return Err(Problem::new(
            &catalogue::USAGE,
            about,
            format!("`{}` is not JSON: {error}", excerpt(text)),
        ));
    }
    // A lone scalar is read as the item of a list, for a plain one means something else in YAML.
    let mut documents = read::documents(format!("[{text}]").as_bytes(), &Limits::default())
        .map_err(|found| {
            let one = |one: read::Located| Finding {
                issue: one.issue,
                about: about.to_owned(),
                place: None,
                source: None,
            };
            Problem::of(found.into_iter().map(one).collect())
        })?;
    let list = documents.pop().map(|document| document.value);
    Ok(list.and_then(|mut list| list.as_array_mut()?.pop()).unwrap_or_default())
}

fn from_file(name: &str) -> Result<(Source, Document)> {
    let source = Source::read(name)?;
    let mut documents = source.documents()?;
    if documents.len() > 1 {
        let issue =
            Issue::new(&catalogue::BAD_INPUT, "", "the input's file holds more than one document");
        return Err(Problem::of(vec![source.finding(issue, None)]));
    }
    let document = documents.remove(0);
    Ok((source, document))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Given, json, value};

    #[test]
    fn values_are_json_where_they_can_be() {
        for (text, wanted) in [
            ("1", json!(1)),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("\"1\"", json!("1")),
            ("{\"a\": [null]}", json!({"a": [null]})),
            ("{a: 1}", json!("{a: 1}")),
            ("", json!("")),
            ("a=b", json!("a=b")),
            ("01", json!("01")),
        ] {
            assert_eq!(value(text, "-i x").unwrap(), wanted, "{text}");
        }
        assert_eq!(
            value("9007199254740993", "-i x").unwrap_err().findings[0].issue.entry.code,
            "AOB1009"
        );
        assert_eq!(
            value("{\"a\":1,\"a\":2}", "-i x").unwrap_err().findings[0].issue.entry.code,
            "AOB1003"
        );
        assert_eq!(json("{a: 1}", "--output").unwrap_err().findings[0].issue.entry.code, "AOB5001");
    }

    #[test]
    fn flags_replace_what_a_file_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a: 1\nb: {c: x}\n").unwrap();
        let given =
            Given::read(file.path().to_str(), &["a=2".to_owned(), "d.e=f".to_owned()]).unwrap();
        assert_eq!(given.value, json!({"a": 2, "b": {"c": "x"}, "d.e": "f"}));
        let issue = |pointer: &str| {
            aob_engine::issue::Issue::new(&aob_engine::catalogue::BAD_INPUT, pointer, "wrong")
        };
        assert_eq!(given.finding(issue("/a")).about, "-i a");
        let place = given.finding(issue("/b/c")).place.unwrap();
        assert_eq!((place.line, place.column), (2, 8));
    }
}
