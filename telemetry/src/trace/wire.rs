//! Spans as OTLP writes them: `ExportTraceServiceRequest` in the encoding of protobuf. Numbers of fields are those of
//! opentelemetry-proto 1; a test has its own library read what is written here.

use super::span::{Span, Value};

/// A request with these spans of a process with these attributes.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut attributes = Message::default();
    for (name, value) in resource {
        attributes.message(1, attribute(name, &Value::Text(value.clone())));
    }
    let mut scope = Message::default();
    scope.text(1, "aob");
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut of_scope = Message::default();
    of_scope.message(1, scope);
    for one in spans {
        of_scope.message(2, span(one));
    }
    let mut of_resource = Message::default();
    of_resource.message(1, attributes);
    of_resource.message(2, of_scope);
    let mut request = Message::default();
    request.message(1, of_resource);
    request.0
}

fn span(span: &Span) -> Message {
    /// W3C's flag that the trace is sampled.
    const SAMPLED: u32 = 1;
    const ERROR: u64 = 2;
    let mut out = Message::default();
    out.bytes(1, &span.trace.0);
    out.bytes(2, &span.id.0);
    if let Some(parent) = span.parent {
        out.bytes(4, &parent.0);
    }
    out.text(5, span.name);
    out.number(6, span.kind as u64);
    out.fixed64(7, span.start);
    out.fixed64(8, span.end);
    for (name, value) in &span.attributes {
        out.message(9, attribute(name, value));
    }
    for (trace, id) in &span.links {
        let mut link = Message::default();
        link.bytes(1, &trace.0);
        link.bytes(2, &id.0);
        link.fixed32(6, SAMPLED);
        out.message(13, link);
    }
    if let Some(why) = &span.error {
        let mut status = Message::default();
        status.text(2, why);
        status.number(3, ERROR);
        out.message(15, status);
    }
    out.fixed32(16, SAMPLED);
    out
}

fn attribute(name: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Text(text) => any.text(1, text),
        // Two's complement, as protobuf's int64.
        Value::Number(number) => any.number(3, number.cast_unsigned()),
    }
    let mut out = Message::default();
    out.text(1, name);
    out.message(2, any);
    out
}

/// A protobuf message: fields behind one another.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u32, number: u64) {
        self.tag(field, 0);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, 1);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u32, message: Self) {
        self.bytes(field, &message.0);
    }

    fn fixed32(&mut self, field: u32, number: u32) {
        self.tag(field, 5);
        self.0.extend(number.to_le_bytes());
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn numbers_are_written_as_protobuf_does() {
        let mut out = Message::default();
        out.number(1, 150);
        out.text(2, "testing");
        out.fixed32(16, 1);
        // The first two are the examples of protobuf's own documentation.
        let mut expected = vec![0x08, 0x96, 0x01, 0x12, 0x07];
        expected.extend(b"testing");
        expected.extend([0x85, 0x01, 1, 0, 0, 0]);
        assert_eq!(out.0, expected);
    }
}
