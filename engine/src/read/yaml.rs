//! The parser's events to the builder's, with their places.

use super::build::{Builder, Stop};
use super::marks::Marks;
use super::meter::{MOST_HELD, Meter, Metered};
use super::place::{Place, Spot};
use super::text::BOM;
use super::{layout, scalar, tag};
use crate::catalogue::{ALIAS, YAML_SYNTAX};
use crate::issue::{Issue, excerpt};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value;

/// Reads all documents of a text that [`super::text`] has passed.
pub(super) fn read(text: &str, builder: &mut Builder<'_>) -> Result<(), Stop> {
    let body = text.strip_prefix(BOM).unwrap_or(text);
    let marks = Marks::new(body, text.len() - body.len());
    let meter = Meter::default();
    let mut reader = Reader { builder, marks, empty: false };
    let mut last = Spot::default();
    for event in Parser::new(Metered::new(body, &meter)) {
        if meter.ended() {
            let message = format!(
                "more than {MOST_HELD} tokens follow, and the brackets or markers around them are not closed"
            );
            return Err(reader.builder.too_large(message, last));
        }
        meter.reset();
        match event {
            Ok((event, span)) => {
                last = reader.marks.start(span);
                reader.take(event, span)?;
            }
            Err(error) => return Err(reader.broken(&error)),
        }
    }
    Ok(())
}

struct Scalar<'a> {
    text: String,
    plain: bool,
    tag: Option<&'a Tag>,
    /// What the layout around it says about it.
    layout: Result<(), Issue>,
    anchor: usize,
    spot: Spot,
}

struct Reader<'a, 'b> {
    builder: &'a mut Builder<'b>,
    marks: Marks<'a>,
    /// Whether the document so far is nothing but the scalar that stands for nothing.
    empty: bool,
}

impl Reader<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let spot = self.marks.start(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {
                Ok(())
            }
            Event::DocumentEnd => self.builder.end_document(self.empty, spot),
            Event::SequenceEnd | Event::MappingEnd => {
                self.builder.close();
                Ok(())
            }
            Event::Alias(_) => self.alias(spot),
            Event::SequenceStart(anchor, tag) => self.open(false, anchor, tag.as_deref(), spot),
            Event::MappingStart(anchor, tag) => self.open(true, anchor, tag.as_deref(), spot),
            Event::Scalar(text, style, anchor, tag) => {
                let decorated = anchor > 0 || tag.is_some();
                let plain = style == ScalarStyle::Plain;
                let nothing = text.is_empty() && plain && !decorated;
                self.empty = nothing && self.builder.depth() == 0;
                // The span of what is not there is that of the next token.
                let spot = if nothing {
                    self.absent(spot)
                } else {
                    self.marks.scalar(span, style, decorated)
                };
                let layout = match style {
                    ScalarStyle::Plain => {
                        layout::plain(&text, self.builder.wants_key(), self.marks.behind(spot))
                    }
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        layout::block(&text, self.marks.unended(span))
                    }
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Ok(()),
                };
                self.scalar(Scalar {
                    text: text.into_owned(),
                    plain,
                    tag: tag.as_deref(),
                    layout,
                    anchor,
                    spot,
                })
            }
        }
    }

    /// The place of what is not there. At the end of the text the parser is one line ahead.
    fn absent(&self, spot: Spot) -> Spot {
        let spot = Spot { length: 0, ..spot };
        if (spot.offset as usize) < self.builder.text.len() {
            return spot;
        }
        let place = Place::at(self.builder.text, spot.offset as usize, 0);
        Spot { line: place.line, column: place.column, ..spot }
    }

    fn open(
        &mut self,
        mapping: bool,
        anchor: usize,
        tag: Option<&Tag>,
        spot: Spot,
    ) -> Result<(), Stop> {
        let spot = if mapping { spot } else { self.marks.dash(spot) };
        let judged =
            tag.map_or(Ok(()), |tag| tag::container(tag, if mapping { "map" } else { "seq" }));
        self.empty = false;
        self.anchor(anchor, spot)?;
        if let Err(issue) = judged {
            self.builder.report(issue, spot)?;
        }
        self.builder.open(mapping, spot)
    }

    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Stop> {
        let Scalar { text, plain, tag, layout, anchor, spot } = scalar;
        if self.builder.wants_key() {
            let judged = layout.and_then(|()| match tag {
                Some(tag) if !tag::is_string(tag) => Err(tag::refusal(tag)),
                None if plain => scalar::plain_key(&text),
                _ => Ok(()),
            });
            self.builder.key(text, spot)?;
            self.anchor(anchor, spot)?;
            return judged.or_else(|issue| self.builder.report(issue, spot));
        }
        self.anchor(anchor, spot)?;
        let judged = layout.and_then(|()| match tag {
            Some(tag) => tag::scalar(tag, &text),
            None if plain => scalar::plain(&text),
            None => Ok(Value::String(text)),
        });
        let value = match judged {
            Ok(value) => value,
            Err(issue) => {
                self.builder.report(issue, spot)?;
                Value::Null
            }
        };
        self.builder.scalar(value, spot)
    }

    fn anchor(&mut self, anchor: usize, spot: Spot) -> Result<(), Stop> {
        if anchor == 0 {
            return Ok(());
        }
        let issue =
            Issue::new(&ALIAS, "", "an anchor is set here, and no alias is read that could use it")
                .remedy("Remove the `&name`, and write the value out where its `*name` stands.");
        self.builder.report(issue, spot)
    }

    fn alias(&mut self, spot: Spot) -> Result<(), Stop> {
        let name = self.marks.word(spot);
        let issue = Issue::new(&ALIAS, "", format!("the alias `{}` is not read", excerpt(name)));
        let spot = Spot { length: name.len() as u32, ..spot };
        self.empty = false;
        if self.builder.wants_key() {
            // A name of its own, so that two of them are not the same key.
            self.builder.key(format!("*{}", spot.offset), spot)?;
            self.builder.report(issue, spot)
        } else {
            self.builder.report(issue, spot)?;
            self.builder.scalar(Value::Null, spot)
        }
    }

    fn broken(&mut self, error: &ScanError) -> Stop {
        let offset = self.marks.byte(error.marker().index()) + self.marks.base;
        let Place { line, column, offset, .. } = Place::at(self.builder.text, offset, 0);
        let spot = Spot { offset: offset as u32, length: 0, line, column };
        let info = error.info();
        if info.contains("recursion limit") {
            return self
                .builder
                .too_large("lists and mappings are nested too deeply".to_owned(), spot);
        }
        let issue = if info.contains("unknown anchor") {
            let name = excerpt(self.marks.word(spot));
            Issue::new(&ALIAS, "", format!("the alias `{name}` is not read"))
        } else if info.contains("simple key") {
            Issue::new(&YAML_SYNTAX, "", "a key without `:`, or a line that belongs to nothing")
        } else {
            Issue::new(&YAML_SYNTAX, "", info.trim_start_matches("while ").to_owned())
        };
        let issue = match remedy(info) {
            Some(remedy) => issue.remedy(remedy),
            None => issue,
        };
        match self.builder.report_unplaced(issue, spot) {
            Ok(()) | Err(Stop) => Stop,
        }
    }
}

/// What helps with the mistakes that are made most.
fn remedy(info: &str) -> Option<&'static str> {
    let table = [
        ("tab", "Indent with spaces."),
        (
            "mapping values are not allowed",
            "Quote the value if it holds `: `, or mend the indentation.",
        ),
        ("unexpected character", "Quote the value: a plain one cannot begin with this character."),
        (
            "did not find expected ',' or",
            "Quote what holds `{`, `}`, `[`, `]` or `,`, such as `${ }` in brackets.",
        ),
        (
            "expected ',' or ']'",
            "Quote what holds `{`, `}`, `[`, `]` or `,`, such as `${ }` in brackets.",
        ),
        ("unexpected end of stream", "Close the quote."),
        ("unknown escape", "Write `\\\\` for a backslash, or use single quotes."),
        ("trailing content", "Quote the whole value, or escape the quotes within it."),
        ("simple key", "Write `key: value`, with a space after the colon."),
        ("did not find expected key", "Indent the line as its neighbours are."),
        ("indentation", "Indent the line as its neighbours are."),
    ];
    table.iter().find(|(part, _)| info.contains(part)).map(|(_, remedy)| *remedy)
}
