//! The tokens of CEL text, as far as one must know them without parsing: where strings and comments
//! lie, where names begin, where brackets open.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word,
    /// A number.
    Number,
    /// A string of any form, or a name in back quotes.
    Text,
    /// A string without its end.
    Unclosed,
    /// One other ASCII character.
    Punct(u8),
    /// A character that CEL has no use for outside strings.
    Foreign,
}

/// A token and its place in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens of `source` from byte `at` on; white space and comments are passed over.
pub(super) fn scan(source: &str, at: usize) -> impl Iterator<Item = Token> {
    Scan { bytes: source.as_bytes(), at }
}

/// The place of the `}` that closes a `${`, whose expression begins at byte `from`.
pub(super) fn closing_brace(text: &str, from: usize) -> Option<usize> {
    let mut open = 0_usize;
    for token in scan(text, from) {
        match token.kind {
            Kind::Punct(b'{') => open += 1,
            Kind::Punct(b'}') if open == 0 => return Some(token.start),
            Kind::Punct(b'}') => open -= 1,
            Kind::Unclosed => return None,
            _ => {}
        }
    }
    None
}

/// Where the name with this number begins, counting every name but CEL's literals from 0.
pub(super) fn word_offset(source: &str, number: usize) -> usize {
    scan(source, 0)
        .filter(|token| token.kind == Kind::Word)
        .filter(|token| {
            !matches!(&source[token.start..token.end], "true" | "false" | "null" | "in")
        })
        .nth(number)
        .map_or(0, |token| token.start)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_while(&mut self, test: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| test(*byte)) {
            self.at += 1;
        }
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            if self.peek(0) != b'/' || self.peek(1) != b'/' {
                return;
            }
            self.skip_while(|byte| byte != b'\n');
        }
    }

    /// The length of the prefix (`r`, `b`, `rb`, `br` in any case) if a string begins here, and
    /// whether it is raw.
    fn string_prefix(&self) -> Option<(usize, bool)> {
        let quoted = |ahead| matches!(self.peek(ahead), b'"' | b'\'');
        let (first, second) =
            (self.peek(0).to_ascii_lowercase(), self.peek(1).to_ascii_lowercase());
        match (first, second) {
            (b'"' | b'\'', _) => Some((0, false)),
            (b'r', b'b') | (b'b', b'r') if quoted(2) => Some((2, true)),
            (b'r' | b'b', _) if quoted(1) => Some((1, first == b'r')),
            _ => None,
        }
    }

    fn string(&mut self, raw: bool) -> Kind {
        let quote = self.peek(0);
        let long = self.peek(1) == quote && self.peek(2) == quote;
        self.at += if long { 3 } else { 1 };
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b'\\' && !raw {
                self.at += 2;
            } else if byte == quote && !long {
                self.at += 1;
                return Kind::Text;
            } else if byte == quote && self.peek(1) == quote && self.peek(2) == quote {
                self.at += 3;
                return Kind::Text;
            } else {
                self.at += 1;
            }
        }
        self.at = self.bytes.len();
        Kind::Unclosed
    }
}

impl Iterator for Scan<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        let byte = *self.bytes.get(start)?;
        let kind = if let Some((prefix, raw)) = self.string_prefix() {
            self.at += prefix;
            self.string(raw)
        } else if byte == b'`' {
            self.at += 1;
            self.skip_while(|byte| byte != b'`');
            let closed = self.at < self.bytes.len();
            self.at += usize::from(closed);
            if closed { Kind::Text } else { Kind::Unclosed }
        } else if byte.is_ascii_digit() {
            let part_of_number = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            self.skip_while(part_of_number);
            if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
                self.at += 1;
                self.skip_while(part_of_number);
            }
            Kind::Number
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            Kind::Word
        } else if byte.is_ascii() {
            self.at += 1;
            Kind::Punct(byte)
        } else {
            self.at += 1;
            self.skip_while(|byte| !byte.is_ascii() && byte & 0xc0 == 0x80);
            Kind::Foreign
        };
        Some(Token { kind, start, end: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, closing_brace, scan, word_offset};

    #[test]
    fn braces_in_strings_and_comments_do_not_close() {
        for text in [
            "a}",
            "'}'}",
            "\"}\\\"}\"}",
            "r'\\'}",
            "'''}'}'''}",
            "{'a': {}}}",
            "a // }\n}",
            "rb\"}\"}",
            "bar'}'}",
            "\"\"\"}\"}\"\"}\"\"\"}",
            "r\"\"\"\\}\"\"\"}",
            "'\\\\'}",
            "`}`}",
        ] {
            assert_eq!(closing_brace(text, 0), Some(text.len() - 1), "{text}");
        }
        for text in ["a", "'}", "{}", "a // }", "'''}'}''}", "`}"] {
            assert_eq!(closing_brace(text, 0), None, "{text}");
        }
    }

    #[test]
    fn names_are_counted_without_literals_and_strings() {
        let source = "true && r == 0x1F && rb'x y' in br.z.all(v, v > 1e5) // w";
        let words: Vec<_> = ["r", "br", "z", "all", "v", "v"].into_iter().collect();
        let mut found = Vec::new();
        for number in 0..6 {
            let at = word_offset(source, number);
            let end = scan(source, at).next().map_or(at, |token| token.end);
            found.push(&source[at..end]);
        }
        assert_eq!(found, words);
        assert!(scan("é", 0).all(|token| token.kind == Kind::Foreign && token.end == 2));
    }
}
