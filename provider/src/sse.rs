//! Server-sent events, cut anywhere between two bytes.

/// Longest line and longest event, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The field `event`, empty without one.
    pub(crate) name: String,
    /// The fields `data`, joined by line ends.
    pub(crate) data: String,
}

/// A stream that is none of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a line or an event of the stream is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the stream is not UTF-8")]
    NotText,
}

/// Puts events together from pieces of a stream.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    /// A carriage return came last: a line feed right after it belongs to it.
    after_return: bool,
    has_begun: bool,
}

impl Lines {
    /// Takes the next piece and gives what it completes. An event is complete only with the empty line after it: the
    /// rest of a cut stream is never one.
    pub(crate) fn take(&mut self, piece: &[u8], out: &mut Vec<Sent>) -> Result<(), Broken> {
        for &byte in piece {
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' => self.end_line(out)?,
                b'\r' => {
                    self.after_return = true;
                    self.end_line(out)?;
                }
                _ if self.line.len() >= LONGEST => return Err(Broken::TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Sent>) -> Result<(), Broken> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| Broken::NotText)?;
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            if std::mem::take(&mut self.has_data) {
                out.push(Sent { name, data });
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                if self.data.len() + value.len() > LONGEST {
                    return Err(Broken::TooLong);
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // Comments have an empty name; ids and times to come back are of no use for answers that are asked once.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, Broken> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, &mut out)?;
        }
        Ok(out.into_iter().map(|sent| (sent.name, sent.data)).collect())
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut_in_pieces() {
        let stream = "\u{feff}: hello\nevent: ping\r\ndata: {\"a\":\ndata:1}\r\r\n\ndata\n\nid: 3\n\ndata: gr\u{fc}n\n\ndata: half\n"
            .as_bytes();
        let whole = all(&[stream]).unwrap();
        let of = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        assert_eq!(whole, [of("ping", "{\"a\":\n1}"), of("", ""), of("", "gr\u{fc}n")]);
        for at in 0..=stream.len() {
            assert_eq!(all(&[&stream[..at], &stream[at..]]).unwrap(), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(all(&bytes).unwrap(), whole);
    }

    #[test]
    fn what_is_no_text_or_has_no_end_is_refused() {
        assert_eq!(all(&[b"data: \xff\n\n"]), Err(Broken::NotText));
        let long = vec![b'x'; LONGEST + 1];
        assert_eq!(all(&[&long]), Err(Broken::TooLong));
        let half = format!("data: {}\n", "x".repeat(LONGEST / 2));
        assert_eq!(all(&[half.as_bytes(), half.as_bytes(), half.as_bytes()]), Err(Broken::TooLong));
    }
}
