//! Requests as bytes: what a client would send, with something wrong in most of them.

use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::{bodies, pick};

/// What of the gateway is known: its paths with their methods, and names that are there.
pub(super) struct Known {
    paths: Vec<(String, String)>,
    names: Vec<String>,
}

impl Known {
    pub(super) fn new(openapi: &Value, run: &str, digest: &str) -> Self {
        let all = openapi["paths"].as_object().unwrap();
        let base = openapi.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
        let base = base.trim_end_matches('/');
        let mut paths = Vec::new();
        for (path, methods) in all {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                paths.push((method.to_uppercase(), format!("{base}{path}")));
            }
        }
        assert!(paths.len() > 40, "{} operations are described", paths.len());
        let names =
            [run, digest, "hammered", "main", "gate", "a", "b", "noop", "patch_1", "ticket_1"];
        Self { paths, names: names.map(str::to_owned).to_vec() }
    }
}

/// One client's requests.
pub(super) struct Requests {
    rng: StdRng,
    known: Arc<Known>,
}

impl Requests {
    pub(super) fn new(rng: StdRng, known: Arc<Known>) -> Self {
        Self { rng, known }
    }

    /// The bytes of the next one, or of what only looks like one.
    pub(super) fn next(&mut self) -> Vec<u8> {
        if self.rng.random_range(0..40) == 0 {
            return (0..self.rng.random_range(1..2_000)).map(|_| self.rng.random()).collect();
        }
        let known = self.known.clone();
        let (method, path) = pick(&mut self.rng, &known.paths).clone();
        let method = match self.rng.random_range(0..20) {
            0 => (*pick(
                &mut self.rng,
                &["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "X-Y"],
            ))
            .to_owned(),
            _ => method,
        };
        let target = format!("{}{}", self.path(&path), self.query());
        let body = match method.as_str() {
            "GET" | "HEAD" if self.rng.random_range(0..10) > 0 => Vec::new(),
            _ => bodies::bytes(&mut self.rng),
        };
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n")
                .into_bytes();
        self.headers(&mut bytes);
        self.body(&mut bytes, &body);
        if self.rng.random_range(0..30) == 0 {
            let at = self.rng.random_range(0..bytes.len());
            bytes[at] = self.rng.random();
        }
        if self.rng.random_range(0..30) == 0 {
            bytes.truncate(self.rng.random_range(1..=bytes.len()));
        }
        bytes
    }

    /// A path with a name in the place of each parameter: one that is there, or anything.
    fn path(&mut self, path: &str) -> String {
        let mut parts = Vec::new();
        for part in path.split('/') {
            if !part.starts_with('{') {
                parts.push(part.to_owned());
                continue;
            }
            let known = self.known.clone();
            parts.push(match self.rng.random_range(0..6) {
                0 => quoted(&bodies::text(&mut self.rng)),
                1 => "%00%ff%2f".to_owned(),
                _ => quoted(pick::<String>(&mut self.rng, &known.names)),
            });
        }
        parts.join("/")
    }

    fn query(&mut self) -> String {
        let names = [
            "after", "most", "cursor", "seq", "waitMs", "revision", "since", "status", "workflow",
            "tag", "instance", "prefix", "tenant", "dryRun", "id", "approves", "version", "x",
        ];
        let count = self.rng.random_range(0..4);
        let pairs: Vec<String> = (0..count)
            .map(|_| {
                let name = *pick(&mut self.rng, &names);
                let value = match self.rng.random_range(0..5) {
                    // No long waits: there are limits of their own for these.
                    _ if name == "waitMs" => self.rng.random_range(0..50).to_string(),
                    0 => quoted(&bodies::text(&mut self.rng)),
                    1 => self.rng.random::<i64>().to_string(),
                    2 => self.rng.random_range(0..5).to_string(),
                    3 => "true".to_owned(),
                    _ => "%zz&&=".to_owned(),
                };
                format!("{name}={value}")
            })
            .collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    fn headers(&mut self, bytes: &mut Vec<u8>) {
        let names = [
            "accept",
            "authorization",
            "content-type",
            "idempotency-key",
            "last-event-id",
            "traceparent",
            "expect",
            "upgrade",
            "range",
            "content-encoding",
            "x-forwarded-for",
            "cookie",
            "te",
            "host",
        ];
        for _ in 0..self.rng.random_range(0..6) {
            let name = *pick(&mut self.rng, &names);
            let value = match (name, self.rng.random_range(0..3)) {
                ("accept", 0) => "application/json".to_owned(),
                ("accept", _) => "*/*;q=nothing".to_owned(),
                ("content-type", 0 | 1) => "application/json".to_owned(),
                ("expect", _) => "100-continue-not".to_owned(),
                ("authorization", 0) => "Bearer ".to_owned(),
                (_, 0) => "1".to_owned(),
                (_, 1) => "x".repeat(self.rng.random_range(0..9_000)),
                _ => (0..self.rng.random_range(0..30))
                    .map(|_| self.rng.random_range(' '..'\u{7f}'))
                    .collect(),
            };
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.rng.random_range(0..25) == 0 {
            for n in 0..self.rng.random_range(1..300) {
                bytes.extend_from_slice(format!("x-{n}: {n}\r\n").as_bytes());
            }
        }
        if self.rng.random_range(0..40) == 0 {
            bytes.extend_from_slice(b"no colon at all\r\n\x01\x02: \xff\r\n");
        }
    }

    fn body(&mut self, bytes: &mut Vec<u8>, body: &[u8]) {
        match self.rng.random_range(0..14) {
            0 => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
                bytes.extend_from_slice(b"\r\n0\r\n\r\n");
            }
            1 => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\nzz\r\n");
                bytes.extend_from_slice(body);
            }
            2 => {
                let told = *pick(&mut self.rng, &["-1", "1e3", "99999999999999999999", "0x10", ""]);
                bytes.extend_from_slice(format!("content-length: {told}\r\n\r\n").as_bytes());
                bytes.extend_from_slice(body);
            }
            3 => {
                let lengths =
                    format!("content-length: {}\r\ncontent-length: 3\r\n\r\n", body.len());
                bytes.extend_from_slice(lengths.as_bytes());
                bytes.extend_from_slice(body);
            }
            // The way is closed after what was sent, so that a length beyond it is no wait.
            4 => {
                bytes.extend_from_slice(
                    format!("content-length: {}\r\n\r\n", body.len() + 7).as_bytes(),
                );
                bytes.extend_from_slice(body);
            }
            kind => {
                let json = if kind > 6 { "content-type: application/json\r\n" } else { "" };
                bytes.extend_from_slice(
                    format!("{json}content-length: {}\r\n\r\n", body.len()).as_bytes(),
                );
                bytes.extend_from_slice(body);
            }
        }
    }
}

/// A text as a part of a path or a query.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    text.bytes()
        .take(5_000)
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
