//! What a plain scalar means to three readers: YAML 1.1, the core schema of YAML 1.2, and kubectl's.
//!
//! Each is written from its own definition (yaml.org/type and, for fractions, what its implementations
//! share; YAML 1.2.2 chapter 10.3; go.yaml.in/yaml/v2 as sigs.k8s.io/yaml uses it), so that the rule for
//! ambiguity is nothing but their comparison.

/// What a reader takes a plain scalar for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    /// Nothing where 64 bits do not hold it.
    Int(Option<i64>),
    Float(f64),
    Moment,
    Merge,
    /// The `=` of YAML 1.1.
    Default,
    Text,
}

impl PartialEq for Meaning {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left.to_bits() == right.to_bits(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// YAML 1.2, core schema.
pub(super) fn yaml_1_2(text: &str) -> Meaning {
    if let Some(known) = null_or_bool(text).or_else(|| special_float(text)) {
        return known;
    }
    let (negative, digits) = sign(text);
    if !digits.is_empty() && all(digits, |byte| byte.is_ascii_digit()) {
        return int(negative, digits, 10);
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && !rest.is_empty()
            && all(rest, |byte| char::from(byte).is_digit(radix))
        {
            return int(false, rest, radix);
        }
    }
    if decimal_float(digits, false, true) { float(text) } else { Meaning::Text }
}

/// YAML 1.1, with all types of its repository that concern plain scalars.
pub(super) fn yaml_1_1(text: &str) -> Meaning {
    if let Some(known) =
        null_or_bool(text).or_else(|| old_bool(text)).or_else(|| special_float(text))
    {
        return known;
    }
    match text {
        "=" => return Meaning::Default,
        "<<" => return Meaning::Merge,
        _ if moment(text) => return Meaning::Moment,
        _ => {}
    }
    let (negative, body) = sign(text);
    for (prefix, radix) in [("0b", 2), ("0x", 16), ("0", 8)] {
        if let Some(rest) = body.strip_prefix(prefix)
            && !rest.is_empty()
            && all(rest, |byte| byte == b'_' || char::from(byte).is_digit(radix))
        {
            return int(negative, rest, radix);
        }
    }
    let starts_well = body == "0" || body.starts_with(|first: char| ('1'..='9').contains(&first));
    if starts_well && all(body, |byte| byte == b'_' || byte.is_ascii_digit()) {
        return int(negative, body, 10);
    }
    if let Some(sexagesimal) = sexagesimal(negative, body) {
        return sexagesimal;
    }
    // Its text lets a sign stand before a point, its implementations do not.
    let signed_point = body.starts_with('.') && body.len() < text.len();
    if !signed_point && decimal_float(body, true, false) { float(text) } else { Meaning::Text }
}

/// kubectl's reader: YAML 1.1 without base 60, with numbers as Go's own library reads them.
pub(super) fn kubectl(text: &str) -> Meaning {
    if let Some(known) =
        null_or_bool(text).or_else(|| old_bool(text)).or_else(|| special_float(text))
    {
        return known;
    }
    match text.bytes().next() {
        Some(b'.') if decimal_float(text, false, true) => return float(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {}
        _ => return if text == "<<" { Meaning::Merge } else { Meaning::Text },
    }
    let plain = text.replace('_', "");
    let (negative, digits) = sign(&plain);
    let (radix, rest) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !rest.is_empty() && all(rest, |byte| char::from(byte).is_digit(radix)) {
        return int(negative, rest, radix);
    }
    if decimal_float(digits, false, true) {
        return float(&plain);
    }
    // It looks at `0b` a second time, and then lets a sign follow it.
    let (inner_negative, rest) = sign(plain.strip_prefix("0b").unwrap_or_default());
    if !rest.is_empty() && all(rest, |byte| matches!(byte, b'0' | b'1')) {
        return int(inner_negative, rest, 2);
    }
    Meaning::Text
}

fn null_or_bool(text: &str) -> Option<Meaning> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ => return None,
    })
}

fn old_bool(text: &str) -> Option<Meaning> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Meaning::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Meaning::Bool(false),
        _ => return None,
    })
}

fn special_float(text: &str) -> Option<Meaning> {
    Some(Meaning::Float(match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        _ => return None,
    }))
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn all(text: &str, test: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(test)
}

fn int(negative: bool, digits: &str, radix: u32) -> Meaning {
    let digits = digits.replace('_', "");
    Meaning::Int(
        i64::from_str_radix(&digits, radix).ok().map(|value| if negative { -value } else { value }),
    )
}

fn float(text: &str) -> Meaning {
    text.replace('_', "").parse().map_or(Meaning::Text, Meaning::Float)
}

/// A decimal with point or exponent, unsigned. YAML 1.1 lets `_` follow a digit, requires the point, and
/// requires the exponent's sign; the others are free in both.
fn decimal_float(text: &str, underscores: bool, loose: bool) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let signed = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).ok_or(exponent));
    let exponent_fits = match signed {
        None => true,
        Some(Ok(digits)) => !digits.is_empty() && all(digits, |byte| byte.is_ascii_digit()),
        Some(Err(digits)) => {
            loose && !digits.is_empty() && all(digits, |byte| byte.is_ascii_digit())
        }
    };
    let digits =
        |part: &str| all(part, |byte| byte.is_ascii_digit() || (underscores && byte == b'_'));
    let begins = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => begins(fraction) && digits(fraction),
        Some((whole, fraction)) => begins(whole) && digits(whole) && digits(fraction),
        None => loose && begins(mantissa) && digits(mantissa),
    };
    exponent_fits && mantissa_fits
}

/// Base 60: `1:30` and `1:30.5`.
fn sexagesimal(negative: bool, body: &str) -> Option<Meaning> {
    let (whole, fraction) =
        body.split_once('.').map_or((body, None), |(whole, rest)| (whole, Some(rest)));
    let mut parts = whole.split(':');
    let first = parts.next()?;
    let starts = if fraction.is_some() { '0'..='9' } else { '1'..='9' };
    if !first.starts_with(|digit| starts.contains(&digit))
        || !all(first, |byte| byte == b'_' || byte.is_ascii_digit())
    {
        return None;
    }
    let mut value = first.replace('_', "").parse::<i64>().ok();
    let mut any = false;
    for part in parts {
        let fits = match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => matches!(tens, b'0'..=b'5') && digit.is_ascii_digit(),
            _ => false,
        };
        if !fits {
            return None;
        }
        any = true;
        value = value.and_then(|value| value.checked_mul(60)?.checked_add(part.parse().ok()?));
    }
    let value = value.map(|value| if negative { -value } else { value });
    match fraction {
        _ if !any => None,
        None => Some(Meaning::Int(value)),
        Some(digits) if all(digits, |byte| byte == b'_' || byte.is_ascii_digit()) => {
            let part = format!("0.{}", digits.replace('_', "")).parse::<f64>().unwrap_or_default();
            let value = value.unwrap_or_default() as f64;
            Some(Meaning::Float(if negative { value - part } else { value + part }))
        }
        Some(_) => None,
    }
}

/// `2024-01-01`, or a date with a time and perhaps a zone.
fn moment(text: &str) -> bool {
    let mut rest = text;
    let strict = digits(&mut rest, 4, 4) && eat(&mut rest, '-');
    if !strict {
        return false;
    }
    let date = rest;
    if digits(&mut rest, 2, 2) && eat(&mut rest, '-') && digits(&mut rest, 2, 2) && rest.is_empty()
    {
        return true;
    }
    rest = date;
    if !(digits(&mut rest, 1, 2) && eat(&mut rest, '-') && digits(&mut rest, 1, 2)) {
        return false;
    }
    if !(eat(&mut rest, 'T') || eat(&mut rest, 't')) {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        if trimmed.len() == rest.len() {
            return false;
        }
        rest = trimmed;
    }
    if !(digits(&mut rest, 1, 2)
        && eat(&mut rest, ':')
        && digits(&mut rest, 2, 2)
        && eat(&mut rest, ':')
        && digits(&mut rest, 2, 2))
    {
        return false;
    }
    if eat(&mut rest, '.') {
        rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    rest = rest.trim_start_matches([' ', '\t']);
    if rest.is_empty() || rest == "Z" {
        return true;
    }
    (eat(&mut rest, '+') || eat(&mut rest, '-'))
        && digits(&mut rest, 1, 2)
        && (rest.is_empty() || (eat(&mut rest, ':') && digits(&mut rest, 2, 2) && rest.is_empty()))
}

fn eat(rest: &mut &str, wanted: char) -> bool {
    rest.strip_prefix(wanted).map(|after| *rest = after).is_some()
}

fn digits(rest: &mut &str, least: usize, most: usize) -> bool {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    *rest = &rest[count..];
    count >= least
}
