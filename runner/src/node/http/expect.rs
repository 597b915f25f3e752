//! Which statuses count as success.

use serde::Deserialize;
use serde_json::Value;

/// A status or a class of them; several as a list. Written `200`, `"2xx"`, `[200, "3xx"]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expect(Vec<Pattern>);

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Status(u16),
    Class(u16),
}

impl Expect {
    pub(super) fn holds(&self, status: u16) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Status(one) => *one == status,
            Pattern::Class(hundreds) => *hundreds == status / 100,
        })
    }
}

impl Default for Expect {
    fn default() -> Self {
        Self(vec![Pattern::Class(2)])
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match Value::deserialize(deserializer)? {
            Value::Array(list) if !list.is_empty() => list.iter().map(pattern).collect(),
            one => pattern(&one).map(|pattern| vec![pattern]),
        };
        read.map(Self).ok_or_else(|| {
            serde::de::Error::custom("a status is 100 to 599, a class \"1xx\" to \"5xx\"")
        })
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            match pattern {
                Pattern::Status(status) => write!(f, "{status}")?,
                Pattern::Class(hundreds) => write!(f, "{hundreds}xx")?,
            }
        }
        Ok(())
    }
}

fn pattern(value: &Value) -> Option<Pattern> {
    let status = |number: u64| {
        u16::try_from(number).ok().filter(|status| (100..600).contains(status)).map(Pattern::Status)
    };
    match value {
        Value::Number(number) => status(number.as_u64()?),
        Value::String(text) => match text.as_bytes() {
            [hundreds @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                Some(Pattern::Class(u16::from(hundreds - b'0')))
            }
            _ => status(text.parse().ok()?),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statuses_and_classes() {
        for (written, shown, holds, fails) in [
            (json!(200), "200", 200, 201),
            (json!("404"), "404", 404, 405),
            (json!("3xx"), "3xx", 399, 400),
            (json!([200, "4XX"]), "200, 4xx", 404, 201),
        ] {
            let expect = Expect::deserialize(&written).unwrap();
            assert!(expect.holds(holds) && !expect.holds(fails), "{written}");
            assert_eq!(expect.to_string(), shown);
        }
        assert!(Expect::default().holds(204) && !Expect::default().holds(301));
    }

    #[test]
    fn anything_else_is_refused() {
        for written in [
            json!(99),
            json!(600),
            json!(200.5),
            json!("6xx"),
            json!("2x"),
            json!([]),
            json!([[200]]),
            json!(null),
            json!(""),
        ] {
            assert!(Expect::deserialize(&written).is_err(), "{written}");
        }
    }
}
