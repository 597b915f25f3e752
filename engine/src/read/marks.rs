//! From the parser's marks to places.

use super::place::Spot;
use saphyr_parser::{ScalarStyle, Span};

/// The parser counts characters; places also need bytes.
pub(super) struct Marks<'a> {
    body: &'a str,
    /// Bytes before the body.
    pub(super) base: usize,
    /// The byte of every 64th character; empty where characters are bytes.
    samples: Vec<u32>,
}

const STRIDE: usize = 64;

impl<'a> Marks<'a> {
    pub(super) fn new(body: &'a str, base: usize) -> Self {
        let samples = if body.is_ascii() {
            Vec::new()
        } else {
            body.char_indices().step_by(STRIDE).map(|(byte, _)| byte as u32).collect()
        };
        Self { body, base, samples }
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        if self.samples.is_empty() {
            return index.min(self.body.len());
        }
        let Some(start) = self.samples.get(index / STRIDE).map(|start| *start as usize) else {
            return self.body.len();
        };
        let rest = &self.body[start..];
        rest.char_indices().nth(index % STRIDE).map_or(self.body.len(), |(byte, _)| start + byte)
    }

    fn rest(&self, spot: Spot) -> &'a str {
        self.body.get((spot.offset as usize).saturating_sub(self.base)..).unwrap_or_default()
    }

    /// Where an event begins; one character long if that is a bracket.
    pub(super) fn start(&self, span: Span) -> Spot {
        let offset = self.byte(span.start.index());
        let bracket = matches!(self.body.as_bytes().get(offset), Some(b'[' | b'{'));
        Spot {
            offset: (offset + self.base) as u32,
            length: u32::from(bracket),
            line: span.start.line() as u32,
            column: span.start.col() as u32 + 1,
        }
    }

    /// Where a scalar is. The parser's end of a quoted one lies after the blanks and the comment behind it.
    pub(super) fn scalar(&self, span: Span, style: ScalarStyle, decorated: bool) -> Spot {
        let spot = self.start(span);
        let rest = self.rest(spot);
        let whole = &rest[..rest
            .len()
            .min(self.byte(span.end.index()).saturating_sub(spot.offset as usize - self.base))];
        let before = if decorated { undecorated(whole) } else { 0 };
        let length = match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                before + closing_quote(&whole[before..])
            }
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {
                whole.trim_end().len()
            }
        };
        Spot { length: length as u32, ..spot }
    }

    /// A list without indentation is told by its first entry; its place is the dash before that.
    pub(super) fn dash(&self, spot: Spot) -> Spot {
        let offset = (spot.offset as usize).saturating_sub(self.base);
        let before = self.body.get(..offset).unwrap_or_default();
        let line = before.rfind(['\n', '\r']).map_or(before, |at| &before[at + 1..]);
        let indent = line.len() - line.trim_start_matches(' ').len();
        let on_it = matches!(self.rest(spot).as_bytes().first(), Some(b'[' | b'-' | b'!' | b'&'));
        if on_it || !line[indent..].starts_with('-') {
            return Spot { length: 1, ..spot };
        }
        let back = (line.len() - indent) as u32;
        Spot { offset: spot.offset - back, length: 1, column: indent as u32 + 1, ..spot }
    }

    /// The text behind it.
    pub(super) fn behind(&self, spot: Spot) -> &'a str {
        self.rest(spot).get(spot.length as usize..).unwrap_or_default()
    }

    /// Whether an event reaches to the end of a text whose last line is not ended.
    pub(super) fn unended(&self, span: Span) -> bool {
        self.byte(span.end.index()) == self.body.len() && !self.body.ends_with(['\n', '\r'])
    }

    /// What stands there up to a blank or bracket.
    pub(super) fn word(&self, spot: Spot) -> &'a str {
        let rest = self.rest(spot);
        rest.split([' ', '\t', '\n', '\r', ',', '[', ']', '{', '}']).next().unwrap_or_default()
    }
}

/// Bytes of the tag and anchor before a scalar.
fn undecorated(whole: &str) -> usize {
    let mut rest = whole;
    loop {
        rest = rest.trim_start();
        match rest.as_bytes().first() {
            Some(b'!' | b'&') => {
                rest = rest.trim_start_matches(|letter: char| !letter.is_whitespace())
            }
            Some(b'#') => rest = rest.trim_start_matches(|letter| !matches!(letter, '\n' | '\r')),
            _ => return whole.len() - rest.len(),
        }
    }
}

/// Bytes up to and with the closing quote.
fn closing_quote(text: &str) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes.first().copied().unwrap_or_default();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
