//! The parser's view of the text, which ends early when the parser holds too much of it back.
//!
//! `[` and `{` may begin a key, so the scanner keeps every token of such a collection until it is closed:
//! a hundred bytes and more per character, and some of its loops run over all of them. It asks once per
//! token whether a byte order mark comes next; that is counted here, and from [`MOST_HELD`] tokens
//! without an event on the text looks as if it ended.

use saphyr_parser::input::SkipTabs;
use saphyr_parser::{Input, StrInput};
use std::cell::Cell;

/// Tokens between two events: 25,000 entries of one flow mapping, 10 to 20 MB while they are held.
pub(super) const MOST_HELD: u32 = 100_000;

/// Tokens that were asked for since the last event.
#[derive(Debug, Default)]
pub(super) struct Meter {
    held: Cell<u32>,
    ended: Cell<bool>,
}

impl Meter {
    /// An event came: nothing is held back now.
    pub(super) fn reset(&self) {
        self.held.set(0);
    }

    /// Whether the text was cut short.
    pub(super) fn ended(&self) -> bool {
        self.ended.get()
    }
}

/// The text with its meter.
pub(super) struct Metered<'a> {
    text: StrInput<'a>,
    meter: &'a Meter,
}

impl<'a> Metered<'a> {
    pub(super) fn new(text: &'a str, meter: &'a Meter) -> Self {
        Self { text: StrInput::new(text), meter }
    }
}

impl Input for Metered<'_> {
    fn lookahead(&mut self, count: usize) {
        if self.meter.held.get() > MOST_HELD {
            self.text = StrInput::new("");
            self.meter.ended.set(true);
        }
        self.text.lookahead(count);
    }

    fn next_char_is(&self, c: char) -> bool {
        if c == super::text::BOM {
            self.meter.held.set(self.meter.held.get().saturating_add(1));
        }
        self.text.next_char_is(c)
    }

    fn buflen(&self) -> usize {
        self.text.buflen()
    }

    fn bufmaxlen(&self) -> usize {
        self.text.bufmaxlen()
    }

    fn raw_read_ch(&mut self) -> char {
        self.text.raw_read_ch()
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        self.text.raw_read_non_breakz_ch()
    }

    fn skip(&mut self) {
        self.text.skip();
    }

    fn skip_n(&mut self, count: usize) {
        self.text.skip_n(count);
    }

    fn peek(&self) -> char {
        self.text.peek()
    }

    fn peek_nth(&self, n: usize) -> char {
        self.text.peek_nth(n)
    }

    fn peek_opt(&self) -> Option<char> {
        self.text.peek_opt()
    }

    // The trait's own versions of these check what lookahead was asked for; the text's are the ones that
    // the parser is tested with.
    fn next_2_are(&self, c1: char, c2: char) -> bool {
        self.text.next_2_are(c1, c2)
    }

    fn next_3_are(&self, c1: char, c2: char, c3: char) -> bool {
        self.text.next_3_are(c1, c2, c3)
    }

    fn next_is_document_indicator(&self) -> bool {
        self.text.next_is_document_indicator()
    }

    fn next_is_document_start(&self) -> bool {
        self.text.next_is_document_start()
    }

    fn next_is_document_end(&self) -> bool {
        self.text.next_is_document_end()
    }

    fn skip_ws_to_eol(&mut self, skip_tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        self.text.skip_ws_to_eol(skip_tabs)
    }
}
