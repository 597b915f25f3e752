//! Strict JSON (RFC 8259) to the builder's events. What is not JSON is left to YAML, which contains it.

use super::build::{Builder, Stop};
use super::place::Spot;
use super::scalar;
use super::text::BOM;
use serde_json::Value;

/// Why reading ended early.
pub(super) enum Ended {
    /// It is something else.
    NotJson,
    /// A finding forbids to go on.
    Stop,
}

impl From<Stop> for Ended {
    fn from(_: Stop) -> Self {
        Self::Stop
    }
}

/// Whether the text looks like it: it begins with a bracket.
pub(super) fn likely(text: &str) -> bool {
    text.strip_prefix(BOM)
        .unwrap_or(text)
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with(['{', '['])
}

/// Reads the one document of the text.
pub(super) fn read(text: &str, builder: &mut Builder<'_>) -> Result<(), Ended> {
    let base = if text.starts_with(BOM) { BOM.len_utf8() } else { 0 };
    let mut cursor = Cursor { text, at: base, line: 1, column: 1 };
    let mut expected = Expected::Value;
    loop {
        cursor.skip_blanks();
        expected = match (expected, cursor.peek()) {
            (Expected::Next, None) if builder.depth() == 0 => {
                return Ok(builder.end_document(false, cursor.spot(0))?);
            }
            (Expected::Next, _) if builder.depth() == 0 => return Err(Ended::NotJson),
            (Expected::Value | Expected::ItemOrEnd, Some(open @ (b'{' | b'['))) => {
                builder.open(open == b'{', cursor.spot(1))?;
                cursor.step(1);
                if open == b'{' { Expected::KeyOrEnd } else { Expected::ItemOrEnd }
            }
            (Expected::Next | Expected::ItemOrEnd, Some(b']'))
                if builder.in_mapping() == Some(false) =>
            {
                builder.close();
                cursor.step(1);
                Expected::Next
            }
            (Expected::Next | Expected::KeyOrEnd, Some(b'}'))
                if builder.in_mapping() == Some(true) =>
            {
                builder.close();
                cursor.step(1);
                Expected::Next
            }
            (Expected::Next, Some(b',')) => {
                cursor.step(1);
                if builder.in_mapping() == Some(true) { Expected::Key } else { Expected::Value }
            }
            (Expected::Key | Expected::KeyOrEnd, Some(b'"')) => {
                let (name, spot) = cursor.string()?;
                builder.key(name, spot)?;
                cursor.skip_blanks();
                cursor.exactly(b':')?;
                Expected::Value
            }
            (Expected::Value | Expected::ItemOrEnd, Some(first)) => {
                cursor.scalar(first, builder)?;
                Expected::Next
            }
            _ => return Err(Ended::NotJson),
        };
    }
}

#[derive(Clone, Copy)]
enum Expected {
    Value,
    ItemOrEnd,
    Key,
    KeyOrEnd,
    /// A comma, the end of the container, or the end of the text.
    Next,
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spot(&self, length: usize) -> Spot {
        Spot { offset: self.at as u32, length: length as u32, line: self.line, column: self.column }
    }

    /// Over ASCII characters that end no line.
    fn step(&mut self, bytes: usize) {
        self.at += bytes;
        self.column += bytes as u32;
    }

    fn skip_blanks(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek() {
            self.step(1);
            if byte == b'\n' || (byte == b'\r' && self.peek() != Some(b'\n')) {
                self.line += 1;
                self.column = 1;
            }
        }
    }

    fn exactly(&mut self, wanted: u8) -> Result<(), Ended> {
        if self.peek() != Some(wanted) {
            return Err(Ended::NotJson);
        }
        self.step(1);
        Ok(())
    }

    fn scalar(&mut self, first: u8, builder: &mut Builder<'_>) -> Result<(), Ended> {
        if first == b'"' {
            let (text, spot) = self.string()?;
            return Ok(builder.scalar(Value::String(text), spot)?);
        }
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
            .count();
        let word = &rest[..length];
        let judged = match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => match number(word) {
                Some(Number::Integer) => scalar::integer(word, word.parse().ok()),
                Some(Number::Other) => scalar::float(word, word.parse().unwrap_or(f64::NAN)),
                None => return Err(Ended::NotJson),
            },
        };
        let spot = self.spot(length);
        self.step(length);
        let value = match judged {
            Ok(value) => value,
            Err(issue) => {
                builder.report(issue, spot)?;
                Value::Null
            }
        };
        Ok(builder.scalar(value, spot)?)
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Result<(String, Spot), Ended> {
        let start = self.spot(0);
        let mut value = String::new();
        self.step(1);
        loop {
            let rest = &self.text[self.at..];
            let run = rest
                .find(|letter: char| matches!(letter, '"' | '\\' | '\0'..='\u{1f}'))
                .ok_or(Ended::NotJson)?;
            value.push_str(&rest[..run]);
            self.at += run;
            self.column += rest[..run].chars().count() as u32;
            match self.peek() {
                Some(b'"') => {
                    self.step(1);
                    let length = self.at as u32 - start.offset;
                    return Ok((value, Spot { length, ..start }));
                }
                Some(b'\\') => value.push(self.escape()?),
                _ => return Err(Ended::NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Ended> {
        let letter = self.text.as_bytes().get(self.at + 1).copied().ok_or(Ended::NotJson)?;
        if letter == b'u' {
            let high = self.code()?;
            if !(0xd800..0xdc00).contains(&high) {
                return char::from_u32(high).ok_or(Ended::NotJson);
            }
            let low = self.code()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(Ended::NotJson);
            }
            return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                .ok_or(Ended::NotJson);
        }
        let value = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => return Err(Ended::NotJson),
        };
        self.step(2);
        Ok(value)
    }

    /// `\uXXXX`.
    fn code(&mut self) -> Result<u32, Ended> {
        let digits = self.text[self.at..]
            .strip_prefix("\\u")
            .and_then(|rest| rest.get(..4))
            .ok_or(Ended::NotJson)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Ended::NotJson);
        }
        let code = u32::from_str_radix(digits, 16).map_err(|_| Ended::NotJson)?;
        self.step(6);
        Ok(code)
    }
}

enum Number {
    Integer,
    Other,
}

fn number(word: &str) -> Option<Number> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|part| digits(part.strip_prefix(['+', '-']).unwrap_or(part)));
    match (fits, fraction.or(exponent)) {
        (false, _) => None,
        (true, None) => Some(Number::Integer),
        (true, Some(_)) => Some(Number::Other),
    }
}
