//! AWS Signature Version 4 of one request with a body, signed in its headers. Written here because it is short and the
//! crates that have it bring a whole client along; it is tried on the examples that AWS publishes.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::signature::hmac;

/// Who signs.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// What is signed. Path and query of the URL are encoded as they will be sent, the query in order.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) body: &'a str,
}

/// The headers to send along; `now` is in milliseconds since 1970.
pub(super) fn sign(
    request: &Request<'_>,
    credentials: &Credentials,
    now: u64,
) -> Vec<(&'static str, String)> {
    let time = stamp(now);
    let day = time.get(..8).unwrap_or_default();
    let host = match (request.url.host_str(), request.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let mut headers = vec![("host", host), ("x-amz-date", time.clone())];
    if let Some(token) = &credentials.token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    let lines: String = headers.iter().map(|(name, text)| format!("{name}:{text}\n")).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    // Every segment is encoded once more than it is sent.
    let path: Vec<String> = request.url.path().split('/').map(encode).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        path.join("/"),
        request.url.query().unwrap_or_default(),
        hex(request.body.as_bytes()),
    );
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(canonical.as_bytes()));
    let parts = [day, request.region, request.service, "aws4_request"];
    let key = parts.iter().fold(format!("AWS4{}", credentials.secret).into_bytes(), |key, part| {
        hmac(&key, part.as_bytes()).to_vec()
    });
    let signature = HEXLOWER.encode(&hmac(&key, text.as_bytes()));
    let id = &credentials.id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    // The client writes the host itself.
    let mut sent: Vec<_> = headers.into_iter().skip(1).collect();
    sent.push(("authorization", authorization));
    sent
}

/// Text in a path or query: everything but unreserved characters as `%XX`.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// `20150830T123600Z`.
fn stamp(now: u64) -> String {
    let text = aob_engine::time::rfc3339(now);
    let seconds = text.get(..19).unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(method: &str, url: &str, body: &str, token: Option<&str>) -> String {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            token: token.map(str::to_owned),
        };
        let url = Url::parse(url).unwrap();
        let request = Request { method, url: &url, service: "service", region: "us-east-1", body };
        // 2015-08-30T12:36:00Z.
        let headers = sign(&request, &credentials, 1_440_938_160_000);
        let (_, authorization) = headers.last().unwrap();
        authorization.split_once("Signature=").unwrap().1.to_owned()
    }

    /// `get-vanilla`, `post-vanilla`, `get-vanilla-query-order-key-case` of the published test suite.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        for (method, url, signature) in [
            (
                "GET",
                "https://example.amazonaws.com/",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "https://example.amazonaws.com/",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "GET",
                "https://example.amazonaws.com/?Param1=value1&Param2=value2",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            assert_eq!(signed(method, url, "", None), signature, "{method} {url}");
        }
    }

    #[test]
    fn everything_that_matters_is_signed() {
        let one = |url: &str, body: &str, token: Option<&str>| signed("POST", url, body, token);
        let all = [
            one("https://a.example.com/x", "", None),
            one("https://b.example.com/x", "", None),
            one("https://a.example.com/y", "", None),
            one("https://a.example.com/x%3A", "", None),
            one("https://a.example.com/x?q=1", "", None),
            one("https://a.example.com/x", "{}", None),
            one("https://a.example.com/x", "", Some("t")),
            one("https://a.example.com:8443/x", "", None),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(encode("arn:aws:x-1_$"), "arn%3Aaws%3Ax-1_%24");
    }
}
