//! One spelling of a JSON value: RFC 8785, and the digest of it.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// The RFC 8785 text of a value: keys in order of their UTF-16 code units, numbers as ECMAScript
/// writes them, no white space.
///
/// Numbers are doubles there: an integer beyond 2^53 - 1 (which readers and expressions refuse) is
/// written as the nearest double. The value nests no deeper than what made it allows; JSON text and
/// results of expressions do not pass 128.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// `sha256:` and 64 lower-case hex digits, over the canonical text.
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(canonical_json(value).as_bytes());
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash))
}

/// Appends the canonical text of a value to `text`.
pub(crate) fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => write_map(text, map),
    }
}

/// Appends a finite double as ECMAScript's `Number::toString` writes it; 0 for what is not finite.
pub(crate) fn write_double(text: &mut String, double: f64) {
    let Some(number) = Number::from_f64(double.abs()).filter(|_| double != 0.0) else {
        text.push('0');
        return;
    };
    if double < 0.0 {
        text.push('-');
    }
    // serde_json writes the shortest digits that read back as the same double, the even ones of two
    // that are as near, which is what ECMAScript asks for (`{:e}` would take the greater); only the
    // layout differs.
    let shortest = number.to_string();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let point = whole.len() as i64 - (all.len() - significant.len()) as i64
        + exponent.parse::<i64>().unwrap_or(0);
    lay_out(text, significant.trim_end_matches('0'), point);
}

/// Appends 0.`digits` times 10 to the power of `point`.
fn lay_out(text: &mut String, digits: &str, point: i64) {
    let zeros = |count: i64| std::iter::repeat_n('0', usize::try_from(count).unwrap_or(0));
    let count = digits.len() as i64;
    match point {
        _ if count <= point && point <= 21 => {
            text.push_str(digits);
            text.extend(zeros(point - count));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            text.push_str(whole);
            text.push('.');
            text.push_str(fraction);
        }
        -5..=0 => {
            text.push_str("0.");
            text.extend(zeros(-point));
            text.push_str(digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            text.push_str(first);
            if !rest.is_empty() {
                text.push('.');
                text.push_str(rest);
            }
            let exponent = point - 1;
            let _ = write!(text, "e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
        }
    }
}

const SAFE: u64 = (1 << 53) - 1;

fn write_number(text: &mut String, number: &Number) {
    if let Some(int) = number.as_i64().filter(|int| int.unsigned_abs() <= SAFE) {
        let _ = write!(text, "{int}");
    } else {
        write_double(text, number.as_f64().unwrap_or(0.0));
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    if !string.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        text.push_str(string);
        text.push('"');
        return;
    }
    let mut plain = 0;
    for (at, byte) in string.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            0x0c => "\\f",
            b'\r' => "\\r",
            0..=0x1f => "",
            _ => continue,
        };
        text.push_str(&string[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            let _ = write!(text, "\\u{byte:04x}");
        } else {
            text.push_str(escape);
        }
    }
    text.push_str(&string[plain..]);
    text.push('"');
}

fn write_map(text: &mut String, map: &Map<String, Value>) {
    // A map sorted by bytes is nearly always sorted by UTF-16 too; only then is nothing collected.
    let sorted = map.keys().zip(map.keys().skip(1)).all(|(a, b)| utf16_order(a, b).is_lt());
    text.push('{');
    if sorted {
        write_entries(text, map.iter());
    } else {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_unstable_by(|(a, _), (b, _)| utf16_order(a, b));
        write_entries(text, entries.into_iter());
    }
    text.push('}');
}

fn write_entries<'a>(text: &mut String, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_string(text, key);
        text.push(':');
        write_value(text, value);
    }
}

/// Order by UTF-16 code units, found in UTF-8: it differs from the order of bytes only where a
/// character beyond U+FFFF (lead byte F0 and up, a surrogate pair in UTF-16) meets one of
/// U+E000..U+FFFF (lead byte EE or EF), which sorts above every surrogate.
fn utf16_order(a: &str, b: &str) -> Ordering {
    let differing = a.bytes().zip(b.bytes()).find(|(x, y)| x != y);
    match differing {
        None => a.len().cmp(&b.len()),
        Some((0xf0.., 0xee | 0xef)) => Ordering::Less,
        Some((0xee | 0xef, 0xf0..)) => Ordering::Greater,
        Some((x, y)) => x.cmp(&y),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{canonical_json, digest, utf16_order};

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        // The vectors of RFC 8785, appendix B, and borders of the four layouts.
        let vectors: &[(u64, &str)] = &[
            (0x0000000000000000, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ];
        for (bits, wanted) in vectors {
            assert_eq!(canonical_json(&json!(f64::from_bits(*bits))), *wanted, "{bits:x}");
        }
        assert_eq!(canonical_json(&json!([1, 1.0, 100.0, -2, 1e2, 0.5])), "[1,1,100,-2,100,0.5]");
        assert_eq!(canonical_json(&json!(9_007_199_254_740_993_u64)), "9007199254740992");
    }

    #[test]
    fn keys_are_sorted_by_utf16_code_units() {
        // RFC 8785, section 3.2.3.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control",
            "\u{f6}": "Latin Small Letter O With Diaeresis"
        });
        let wanted = concat!(
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",",
            "\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",",
            "\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
        assert_eq!(canonical_json(&value), wanted);
    }

    #[test]
    fn strings_are_escaped_as_little_as_json_allows() {
        let text = "\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}\u{8}\t\u{c}\r";
        let wanted = "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\\b\\t\\f\\r\"";
        assert_eq!(canonical_json(&json!(text)), wanted);
    }

    #[test]
    fn the_digest_is_over_the_canonical_text() {
        // printf '{}' | sha256sum
        let wanted = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(digest(&json!({})), wanted);
        assert_eq!(digest(&json!({"a": 1, "b": 2.0})), digest(&json!({"b": 2, "a": 1.0})));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_reads_back_to_itself(value in any_json()) {
            let text = canonical_json(&value);
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(canonical_json(&again), text);
        }

        #[test]
        fn order_is_that_of_utf16(a in any::<String>(), b in any::<String>()) {
            let wanted = a.encode_utf16().cmp(b.encode_utf16());
            prop_assert_eq!(utf16_order(&a, &b), wanted);
        }

        #[test]
        fn doubles_keep_their_value(double in any::<f64>()) {
            prop_assume!(double.is_finite());
            let text = canonical_json(&json!(double));
            prop_assert_eq!(text.parse::<f64>().unwrap(), double);
        }
    }
}
