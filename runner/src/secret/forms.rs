//! The forms in which the value of a secret may come back.

use std::fmt::Write as _;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// The shortest text that is hidden, in bytes: shorter values would hide ordinary words.
pub(super) const SHORTEST: usize = 8;

/// All texts that give `secret` away: itself, and as JSON, URLs and base64 would write it. Those shorter
/// than [`SHORTEST`] are left out. Of a secret of several lines, each line is one too.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let mut out = vec![secret.to_owned()];
    if secret.len() >= SHORTEST {
        json(secret, &mut out);
        urls(secret, &mut out);
        base64(secret.as_bytes(), &mut out);
        out.extend([HEXLOWER.encode(secret.as_bytes()), HEXUPPER.encode(secret.as_bytes())]);
    }
    if secret.contains('\n') {
        out.extend(secret.lines().map(|line| line.trim().to_owned()));
    }
    out.retain(|form| form.len() >= SHORTEST);
    out.sort_unstable();
    out.dedup();
    out
}

/// Inside a JSON string: as most write it, with `\u` for all that is not ASCII (both cases of the digits),
/// with `\/`, with the signs of HTML escaped, and a string in a string.
fn json(secret: &str, out: &mut Vec<String>) {
    let plain = quoted(secret);
    out.push(quoted(&plain));
    out.push(plain.replace('/', "\\/"));
    for upper in [false, true] {
        let ascii = escaped(&plain, upper, |c| !c.is_ascii());
        out.push(ascii.replace('/', "\\/"));
        out.push(ascii);
        out.push(escaped(&plain, upper, |c| {
            matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
        }));
    }
    out.push(plain);
}

fn quoted(text: &str) -> String {
    let whole = serde_json::Value::from(text).to_string();
    whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn escaped(text: &str, upper: bool, needs: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !needs(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
        }
    }
    out
}

/// In a URL: everything escaped but the unreserved, what browsers' encodeURIComponent leaves, what the
/// query of a URL needs, each with both cases of the digits; and as a form writes it.
fn urls(secret: &str, out: &mut Vec<String>) {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let component = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!'()*".contains(&byte);
    let query = |byte: u8| (0x21..=0x7E).contains(&byte) && !b"\"#<>'".contains(&byte);
    for upper in [false, true] {
        out.push(percent(secret, upper, unreserved));
        out.push(percent(secret, upper, component));
        out.push(percent(secret, upper, query));
    }
    out.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
}

fn percent(text: &str, upper: bool, keeps: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let _ = match (keeps(byte), upper) {
            (true, _) => write!(out, "{}", char::from(byte)),
            (false, true) => write!(out, "%{byte:02X}"),
            (false, false) => write!(out, "%{byte:02x}"),
        };
    }
    out
}

/// As base64 and base64url, alone and within something longer (`user:secret` of basic authentication):
/// there are three ways to lie on the grid, and of each the characters that the secret alone decides.
fn base64(secret: &[u8], out: &mut Vec<String>) {
    for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
        out.push(encoding.encode(secret));
        for before in 0..3_usize {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(secret);
            let all = encoding.encode(&bytes);
            let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            out.extend(all.get(first..last).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_that_others_write() {
        let secret = "pä/ss<\"w\\ö 1&\u{1F511}";
        let forms = forms(secret);
        for form in [
            secret,
            "pä/ss<\\\"w\\\\ö 1&\u{1F511}",
            "p\\u00e4/ss<\\\"w\\\\\\u00f6 1&\\ud83d\\udd11",
            "p\\u00E4\\/ss<\\\"w\\\\\\u00F6 1&\\uD83D\\uDD11",
            "pä/ss\\u003c\\\"w\\\\ö 1\\u0026\u{1F511}",
            "p%C3%A4%2Fss%3C%22w%5C%C3%B6%201%26%F0%9F%94%91",
            "p%c3%a4%2fss%3c%22w%5c%c3%b6%201%26%f0%9f%94%91",
            "p%C3%A4%2Fss%3C%22w%5C%C3%B6+1%26%F0%9F%94%91",
        ] {
            assert!(forms.iter().any(|known| known == form), "{form} is not in {forms:#?}");
        }
    }

    #[test]
    fn base64_is_known_wherever_it_lies() {
        let forms = forms("hunter2-hunter2");
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "zy", "zyx"] {
                let text =
                    BASE64_NOPAD.encode(format!("{before}hunter2-hunter2{after}").as_bytes());
                assert!(
                    forms.iter().any(|form| text.contains(form.as_str())),
                    "{before}_{after}: {text}"
                );
            }
        }
    }

    #[test]
    fn short_values_are_left_alone_and_lines_are_not() {
        assert!(forms("1234567").is_empty());
        let lines = forms("abc\nline-of-key\r\nx");
        assert!(lines.contains(&"line-of-key".to_owned()) && !lines.contains(&"abc".to_owned()));
    }
}
