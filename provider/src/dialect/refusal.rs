//! What a provider means when it refuses.

use serde_json::Value;

use super::Failed;
use crate::error::Kind;

/// Bytes of the provider's own words that are kept.
const LONGEST: usize = 512;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    /// The provider's own words.
    pub(crate) message: String,
    /// Whether the provider may have done the work nevertheless: what answered stands before it, and gave up waiting.
    pub(crate) may_cost: bool,
}

/// By the status of an answer and its body.
pub(crate) fn refusal(status: u16, body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = value.get("error").unwrap_or(&value);
    let message = said(error).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body.get(..LONGEST.min(body.len())).unwrap_or_default());
        text.trim().to_owned()
    });
    let by_status = match status {
        401 | 403 => Kind::Unauthorised,
        402 => Kind::QuotaExhausted,
        404 => Kind::NoModel,
        408 => Kind::Timeout,
        409 | 425 => Kind::Overloaded,
        413 => Kind::TooLong,
        429 => Kind::RateLimited,
        503 | 529 => Kind::Overloaded,
        500.. => Kind::Failed,
        _ => Kind::BadRequest,
    };
    // A word that says more than the status does; but a failure stays one, whatever it is called.
    let kind = match named(error) {
        Some(kind) if status < 500 || by_status == Kind::Overloaded || kind == Kind::Overloaded => {
            kind
        }
        _ => by_status,
    };
    let may_cost = matches!(status, 502 | 504 | 520..=527);
    Refusal { kind, message, may_cost }
}

/// An error within the stream of an answer that had begun well.
pub(super) fn within(error: &Value) -> Failed {
    let kind = named(error).unwrap_or(Kind::Failed);
    let message =
        said(error).unwrap_or_else(|| "the provider failed and does not say why".to_owned());
    Failed { kind, message }
}

/// What an error's type, code or words say.
fn named(error: &Value) -> Option<Kind> {
    let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = |word: &str| {
        Some(match word {
            "insufficient_quota" | "billing_error" | "billing_hard_limit_reached" => {
                Kind::QuotaExhausted
            }
            "rate_limit_error" | "rate_limit_exceeded" | "tokens" | "requests" => Kind::RateLimited,
            "overloaded_error" | "overloaded" | "server_overloaded" | "slow_down" => {
                Kind::Overloaded
            }
            "authentication_error" | "permission_error" | "invalid_api_key" => Kind::Unauthorised,
            "not_found_error" | "model_not_found" => Kind::NoModel,
            "request_too_large" | "context_length_exceeded" | "string_above_max_length" => {
                Kind::TooLong
            }
            "timeout_error" => Kind::Timeout,
            "api_error" | "server_error" | "internal_error" | "internal_server_error" => {
                Kind::Failed
            }
            _ => return None,
        })
    };
    let words = said(error).unwrap_or_default().to_ascii_lowercase();
    let has = |part: &str| words.contains(part);
    if has("prompt is too long") || has("maximum context length") || has("exceed context") {
        return Some(Kind::TooLong);
    }
    if has("credit balance is too low") {
        return Some(Kind::QuotaExhausted);
    }
    kind(word("code"))
        .or_else(|| kind(word("type")))
        .or_else(|| (word("type") == "invalid_request_error").then_some(Kind::BadRequest))
}

/// The words of an error, cut.
fn said(error: &Value) -> Option<String> {
    let text = match error {
        Value::String(text) => text,
        _ => error.get("message")?.as_str()?,
    };
    let end = text.floor_char_boundary(LONGEST);
    Some(text.get(..end).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_say_is_understood() {
        let cases: &[(u16, &str, Kind, bool)] = &[
            (
                429,
                r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#,
                Kind::RateLimited,
                false,
            ),
            (
                429,
                r#"{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Kind::QuotaExhausted,
                false,
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                Kind::TooLong,
                false,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                Kind::TooLong,
                false,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#,
                Kind::QuotaExhausted,
                false,
            ),
            (
                400,
                r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#,
                Kind::BadRequest,
                false,
            ),
            (
                401,
                r#"{"error":{"message":"no","code":"invalid_api_key"}}"#,
                Kind::Unauthorised,
                false,
            ),
            (404, r#"{"error":{"message":"no","code":"model_not_found"}}"#, Kind::NoModel, false),
            (
                413,
                r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#,
                Kind::TooLong,
                false,
            ),
            (
                500,
                r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#,
                Kind::Failed,
                false,
            ),
            (500, r#"{"error":{"type":"requests","message":"x"}}"#, Kind::Failed, false),
            (503, "upstream connect error", Kind::Overloaded, false),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Kind::Overloaded,
                false,
            ),
            (502, "<html>bad gateway</html>", Kind::Failed, true),
            (504, "", Kind::Failed, true),
            (524, "a timeout occurred", Kind::Failed, true),
            (418, "", Kind::BadRequest, false),
        ];
        for (status, body, kind, may_cost) in cases {
            let found = refusal(*status, body.as_bytes());
            assert_eq!((found.kind, found.may_cost), (*kind, *may_cost), "{status} {body}");
        }
        assert_eq!(refusal(503, b" upstream \n").message, "upstream");
        assert!(refusal(500, "\u{fc}".repeat(5_000).as_bytes()).message.len() < 1_600);
    }
}
