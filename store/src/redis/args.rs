//! Arguments of a function, gathered in one buffer so that an item costs no allocation of its own.

use ::redis::{RedisWrite, ToRedisArgs};
use serde::Serialize;

/// Arguments in order.
#[derive(Debug, Default)]
pub(super) struct Args {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Args {
    /// With room for so many items of the usual size.
    pub(super) fn for_items(items: usize) -> Self {
        Self { bytes: Vec::with_capacity(items * 1_536), ends: Vec::with_capacity(items * 32) }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all arguments together.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, argument: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(argument.as_ref());
        self.ends.push(self.bytes.len());
    }

    pub(super) fn number(&mut self, number: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(&digits[at..]);
    }

    pub(super) fn format(&mut self, text: std::fmt::Arguments<'_>) {
        use std::io::Write;
        // Writing into a Vec cannot fail.
        let _ = self.bytes.write_fmt(text);
        self.ends.push(self.bytes.len());
    }

    /// A value as JSON; answers how long it is.
    pub(super) fn json(&mut self, value: &impl Serialize) -> usize {
        let from = self.bytes.len();
        // What is written here are our own types and JSON values: nothing that JSON cannot say.
        let _ = serde_json::to_writer(&mut self.bytes, value);
        self.ends.push(self.bytes.len());
        self.bytes.len() - from
    }

    /// Removes and answers the last argument.
    pub(super) fn pop(&mut self) -> Vec<u8> {
        self.ends.pop();
        self.bytes.split_off(self.ends.last().copied().unwrap_or(0))
    }

    /// Puts another argument in the place of one.
    pub(super) fn replace(&mut self, at: usize, argument: &[u8]) {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let old = self.ends[at] - from;
        self.bytes.splice(from..self.ends[at], argument.iter().copied());
        for end in &mut self.ends[at..] {
            *end = *end - old + argument.len();
        }
    }

    /// Appends the arguments of another list from a position on.
    pub(super) fn append(&mut self, mut other: Self) {
        let offset = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.ends.extend(other.ends.into_iter().map(|end| end + offset));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |&end| {
            let argument = &self.bytes[from..end];
            from = end;
            argument
        })
    }
}

impl ToRedisArgs for Args {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        self.iter().for_each(|argument| out.write_arg(argument));
    }

    fn num_of_args(&self) -> usize {
        self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    #[test]
    fn arguments_stay_apart() {
        let mut args = Args::default();
        args.push("run");
        args.number(0);
        args.number(u64::MAX);
        assert_eq!(args.json(&[1, 2]), 5);
        args.format(format_args!("{}-{}", 1, 2));
        args.push("x");
        args.push("gone");
        args.replace(5, &[1, 2, 3]);
        assert_eq!(args.pop(), b"gone");
        let mut more = Args::default();
        more.push("");
        more.push("end");
        args.append(more);
        let all: Vec<&[u8]> = args.iter().collect();
        let expected: [&[u8]; 8] =
            [b"run", b"0", b"18446744073709551615", b"[1,2]", b"1-2", &[1, 2, 3], b"", b"end"];
        assert_eq!(all, expected);
        assert_eq!(args.len(), 8);
    }
}
