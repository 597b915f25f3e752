//! Clients that start runs at Restate's ingress and wait for their results.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hyper::Method;

use super::handlers::SERVICE;
use super::http::Connection;
use crate::cell::Shape;
use crate::load::Client;
use crate::work::expected_bytes;

/// One client with a connection of its own.
#[derive(Debug)]
pub struct Ingress {
    connection: Connection,
    path: String,
    body: Bytes,
    expected: u32,
}

/// Builds `count` clients of the ingress at `url`, `http://HOST:PORT`.
pub fn clients(url: &str, shape: Shape, count: u32) -> Result<Vec<Ingress>> {
    let authority = url
        .trim_end_matches('/')
        .strip_prefix("http://")
        .filter(|rest| !rest.contains('/'))
        .with_context(|| format!("the ingress is `http://HOST:PORT`, not {url:?}"))?;
    Ok((0..count).map(|_| Ingress::new(authority, shape)).collect())
}

impl Ingress {
    pub(super) fn new(authority: &str, shape: Shape) -> Self {
        let (handler, size) = match shape {
            Shape::Chain(steps) => ("chain", steps),
            Shape::Fan(width) => ("fan", width),
        };
        Self {
            connection: Connection::new(authority),
            path: format!("/{SERVICE}/{handler}"),
            body: size.to_string().into(),
            expected: expected_bytes(shape.hops()),
        }
    }
}

impl Client for Ingress {
    async fn run(&mut self) -> Result<()> {
        let answer = self.connection.send(Method::POST, &self.path, self.body.clone()).await?;
        let bytes: u32 = serde_json::from_slice(&answer).context("a number of bytes")?;
        ensure!(bytes == self.expected, "the run returned {bytes} bytes, not {}", self.expected);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingress_is_a_plain_address() {
        assert_eq!(clients("http://127.0.0.1:8080/", Shape::Chain(3), 2).unwrap().len(), 2);
        for url in ["127.0.0.1:8080", "https://127.0.0.1:8080", "http://127.0.0.1:8080/x"] {
            let error = clients(url, Shape::Chain(3), 2).unwrap_err().to_string();
            assert!(error.starts_with("the ingress is"), "{error}");
        }
    }
}
