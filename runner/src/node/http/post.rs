//! One request with a body, for node types that others run: the same connections, the same guard, no redirects.

use aob_engine::catalogue::{
    HTTP_CLIENT, HTTP_FORBIDDEN, HTTP_REQUEST, HTTP_TIMEOUT, HTTP_TOO_LARGE,
};
use reqwest::header::HeaderMap;
use reqwest::{Method, Request};
use url::Url;

use super::{Http, errors, reply};
use crate::node::Failure;
use crate::secret::Redactor;

/// How much of an unexpected answer is told, in bytes.
const TOLD: usize = 300;

/// A whole response.
pub(in crate::node) struct Reply {
    /// The URL for people.
    pub(in crate::node) told: String,
    pub(in crate::node) status: u16,
    pub(in crate::node) headers: HeaderMap,
    pub(in crate::node) body: Vec<u8>,
}

impl Http {
    /// Sends a body, and reads the whole answer whatever its status.
    pub(in crate::node) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        let total = self.policy.http.total;
        let late = |_| {
            let message = format!("no whole answer within {} s", total.as_secs_f64());
            Failure::new(&HTTP_TIMEOUT, message).retryable()
        };
        tokio::time::timeout(total, self.post_once(url, headers, body)).await.map_err(late)?
    }

    async fn post_once(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        let limits = &self.policy.http;
        let mut shown = url.clone();
        shown.set_query(None);
        let told = shown.to_string();
        if body.len() > limits.request {
            let message = format!(
                "POST {told}: the task is {} bytes, at most {}",
                body.len(),
                limits.request
            );
            return Err(Failure::new(&HTTP_REQUEST, message));
        }
        let connections = self.connections()?;
        if url.scheme() == "https" && !connections.roots {
            let message = "this machine has no certificates to judge servers by";
            return Err(Failure::new(&HTTP_CLIENT, message));
        }
        self.guard
            .check(url)
            .map_err(|refused| Failure::new(&HTTP_FORBIDDEN, refused.to_string()))?;
        let mut request = Request::new(Method::POST, url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let named = format!("POST {told}");
        let response = connections
            .client
            .execute(request)
            .await
            .map_err(|error| errors::named(error, &named))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (body, whole) = reply::first(response, limits.response)
            .await
            .map_err(|error| errors::named(error, &named))?;
        if !whole {
            let message = format!("{named}: the response is larger than {} bytes", limits.response);
            return Err(Failure::new(&HTTP_TOO_LARGE, message));
        }
        Ok(Reply { told, status, headers, body })
    }
}

impl Reply {
    /// The beginning of what it said, in one line, behind a colon; nothing if it said nothing.
    pub(in crate::node) fn excerpt(&self, redactor: &Redactor) -> String {
        // Secrets are hidden before anything is cut.
        let end = self.body.len().min(TOLD + redactor.longest());
        let text = String::from_utf8_lossy(self.body.get(..end).unwrap_or_default());
        let shown = redactor.text(&text);
        let cut = shown.get(..shown.floor_char_boundary(TOLD)).unwrap_or_default();
        let is_gap = |letter: char| letter.is_whitespace() || letter.is_control();
        let words: Vec<&str> = cut.split(is_gap).filter(|word| !word.is_empty()).collect();
        if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) }
    }
}
