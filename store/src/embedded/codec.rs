//! The bytes of records: variable-length numbers, length-prefixed texts, JSON values by tag.
//!
//! A reader may be given any bytes: every length is checked against what is left, nesting is bounded.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

/// Deepest nesting of a value that is written.
pub(super) const DEEPEST: usize = 512;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad(pub(super) &'static str);

/// What a reader answers.
pub(super) type Read<T> = Result<T, Bad>;

/// Bytes being written.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) too_deep: bool,
}

impl Out {
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    pub(super) fn value(&mut self, value: &Value) {
        self.nested(value, 0);
    }

    /// Whether a value was nested deeper than [`DEEPEST`]: what was written cannot be read.
    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep
    }

    fn nested(&mut self, value: &Value, depth: usize) {
        if depth > DEEPEST {
            self.too_deep = true;
            return self.byte(0);
        }
        match value {
            Value::Null => self.byte(0),
            Value::Bool(false) => self.byte(1),
            Value::Bool(true) => self.byte(2),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => {
                    self.byte(3);
                    self.number(number);
                }
                (None, Some(number)) => {
                    self.byte(4);
                    self.bytes.extend_from_slice(&number.to_le_bytes());
                }
                (None, None) => {
                    self.byte(5);
                    self.bytes
                        .extend_from_slice(&number.as_f64().unwrap_or_default().to_le_bytes());
                }
            },
            Value::String(text) => {
                self.byte(6);
                self.text(text);
            }
            Value::Array(items) => {
                self.byte(7);
                self.list(items.iter(), |out, item| out.nested(item, depth + 1));
            }
            Value::Object(members) => {
                self.byte(8);
                self.list(members.iter(), |out, (name, member)| {
                    out.text(name);
                    out.nested(member, depth + 1);
                });
            }
        }
    }
}

/// Bytes being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct In<'a> {
    rest: &'a [u8],
}

impl<'a> In<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or(Bad("it ends early"))?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Bad("a number is too long"))
    }

    pub(super) fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Bad("a number is too large"))
    }

    pub(super) fn blob(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| Bad("a length is too large"))?;
        let (blob, rest) =
            self.rest.split_at_checked(length).ok_or(Bad("a length reaches beyond the end"))?;
        self.rest = rest;
        Ok(blob)
    }

    pub(super) fn str(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.blob()?).map_err(|_| Bad("a text is not UTF-8"))
    }

    pub(super) fn text(&mut self) -> Read<String> {
        self.str().map(str::to_owned)
    }

    pub(super) fn name(&mut self) -> Read<Arc<str>> {
        self.str().map(Arc::from)
    }

    pub(super) fn bool(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Bad("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list of items of at least one byte each, so that its length is bounded by what is left.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let length = self.number()?;
        if length > self.rest.len() as u64 {
            return Err(Bad("a list is longer than what is left"));
        }
        (0..length).map(|_| read(self)).collect()
    }

    pub(super) fn value(&mut self) -> Read<Value> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Read<Value> {
        if depth > DEEPEST {
            return Err(Bad("a value is nested too deeply"));
        }
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Number(self.number()?.into()),
            4 => Value::Number(i64::from_le_bytes(self.eight()?).into()),
            5 => Number::from_f64(f64::from_le_bytes(self.eight()?))
                .map_or(Value::Null, Value::Number),
            6 => Value::String(self.text()?),
            7 => Value::Array(self.list(|from| from.nested(depth + 1))?),
            8 => {
                let members = self.list(|from| Ok((from.text()?, from.nested(depth + 1)?)))?;
                Value::Object(members.into_iter().collect::<Map<_, _>>())
            }
            _ => return Err(Bad("a value has an unknown tag")),
        })
    }

    fn eight(&mut self) -> Read<[u8; 8]> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(Bad("it ends early"))?;
        self.rest = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, In, Out};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,5}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back(value in value()) {
            let mut out = Out::default();
            out.value(&value);
            let mut from = In::new(&out.bytes);
            prop_assert_eq!(from.value(), Ok(value));
            prop_assert!(from.is_empty());
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = In::new(&bytes).value();
        }
    }

    #[test]
    fn what_is_too_deep_is_told() {
        let nest = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        for (depth, too_deep) in [(DEEPEST, false), (DEEPEST + 1, true)] {
            let mut out = Out::default();
            out.value(&nest(depth));
            assert_eq!(out.is_too_deep(), too_deep);
            assert_eq!(In::new(&out.bytes).value().is_ok(), !too_deep);
        }
    }

    #[test]
    fn a_list_cannot_claim_more_than_there_is() {
        let mut out = Out::default();
        out.byte(7);
        out.number(u64::MAX);
        assert!(In::new(&out.bytes).value().is_err());
    }
}
