//! What a gateway may say.

use serde_json::Value;

/// A sort of answer.
pub(super) enum Kind {
    /// It was done.
    Fine,
    /// It was refused, with a reason where the request could be read.
    Refused,
    /// The connection was closed without a word: what came was no HTTP.
    Closed,
}

/// Judges all that came back on one connection. Several requests may have been read out of what was sent.
pub(super) fn judge(said: &[u8], head_only: bool) -> Result<Kind, String> {
    if said.is_empty() {
        return Ok(Kind::Closed);
    }
    let head_end = said.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(head_end) = head_end else { return Err("half a head".to_owned()) };
    let head = String::from_utf8_lossy(&said[..head_end]).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
    let status: u16 = status
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("no status: {head}"))?;
    let lower = head.to_ascii_lowercase();
    match status {
        200..=299 | 304 => Ok(Kind::Fine),
        400..=499 => {
            if !lower.contains("application/problem+json") {
                // What reads the connection itself refuses before there is a request: with a status alone.
                let bare =
                    matches!(status, 400 | 408 | 414 | 431) || lower.contains("content-length: 0");
                return if bare { Ok(Kind::Refused) } else { Err(format!("a bare {status}")) };
            }
            if head_only {
                return Ok(Kind::Refused);
            }
            let body = body(&said[head_end + 4..], &lower);
            let told: Value = serde_json::from_slice(&body)
                .map_err(|error| format!("{status} with what is no JSON: {error}"))?;
            let code = told.get("code").and_then(Value::as_str).unwrap_or_default();
            match code.starts_with("AOB") {
                true => Ok(Kind::Refused),
                false => Err(format!("{status} without a code: {told}")),
            }
        }
        other => Err(format!("status {other}")),
    }
}

/// A body as it was before it was sent in chunks.
fn body(bytes: &[u8], head: &str) -> Vec<u8> {
    if !head.contains("transfer-encoding: chunked") {
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length = length.and_then(|text| text.trim().parse().ok()).unwrap_or(bytes.len());
        return bytes[..length.min(bytes.len())].to_vec();
    }
    let (mut whole, mut rest) = (Vec::new(), bytes);
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok()).unwrap_or(0);
        if size == 0 || rest.len() < end + 2 + size {
            break;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}
