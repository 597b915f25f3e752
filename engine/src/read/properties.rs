//! What must hold for any text.

use super::{Limits, Place, Places, documents};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Strings that need care somewhere: quotes, escapes, signs, and the plain scalars that are refused.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-zé😀\\t\\n\"'\\\\:#{},&*!|>%@-]{0,8}",
        prop::sample::select(vec![
            "on",
            "~",
            "1",
            "0777",
            "2024-01-01",
            "<<",
            "",
            "null",
            "a/b~c",
            "-",
            "?"
        ])
        .prop_map(String::from),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        (-100..100_i32).prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Prints block style, scalars and keys as JSON prints them.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("\n{pad}-"));
                block(item, indent + 1, out);
            }
        }
        Value::Object(entries) if !entries.is_empty() => {
            for (key, item) in entries {
                out.push_str(&format!("\n{pad}{}:", Value::from(key.as_str())));
                block(item, indent + 2, out);
            }
        }
        other => out.push_str(&format!(" {other} # é\n")),
    }
}

/// Every place of a value, checked against the text it is said to stand in.
fn check_places(text: &str, value: &Value, places: &Places, pointer: &str) {
    let place =
        places.find(pointer).unwrap_or_else(|| panic!("no place for {pointer:?} in {text:?}"));
    assert_eq!(place, Place::at(text, place.offset, place.length), "{pointer:?} in {text:?}");
    let written = &text[place.offset..place.offset + place.length];
    match value {
        Value::Array(items) => {
            assert!(matches!(written, "[" | "-"), "{written:?} at {pointer:?} in {text:?}");
            for (index, item) in items.iter().enumerate() {
                check_places(text, item, places, &format!("{pointer}/{index}"));
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                let place = places
                    .key(&pointer)
                    .unwrap_or_else(|| panic!("no key {pointer:?} in {text:?}"));
                assert_eq!(
                    &text[place.offset..place.offset + place.length],
                    Value::from(key.as_str()).to_string()
                );
                check_places(text, item, places, &pointer);
            }
        }
        scalar => assert_eq!(written, scalar.to_string(), "{pointer:?} in {text:?}"),
    }
}

fn read(text: &str) -> (Value, Places) {
    let mut found = documents(text.as_bytes(), &Limits::default())
        .unwrap_or_else(|found| panic!("{text:?}: {found:?}"));
    assert_eq!(found.len(), 1, "{text:?}");
    let document = found.remove(0);
    (document.value, document.places)
}

/// Pieces from which YAML is made, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "é",
        "c: ",
        "a: ",
        "- ",
        "-",
        "\n",
        "\n  ",
        "\n    ",
        " ",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "'",
        "''",
        "|",
        ">",
        "|+\n",
        ">-2\n",
        "#",
        " # c",
        "?",
        "? ",
        "!!str ",
        "!",
        "!<",
        "\t",
        "\\",
        "\\u12",
        "1",
        "0x",
        "1_",
        "1:3",
        "%",
        "%YAML 1.2\n",
        "@",
        "*a",
        "&a ",
        "~",
        "---\n",
        "...\n",
        "\r",
        "\r\n",
        "\u{a0}",
        "\u{feff}",
        "<<: ",
        ".inf",
        "2024-01-01",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn holds_together(bytes: &[u8]) {
    let limits = Limits { bytes: 1 << 16, depth: 8, nodes: 100, scalar: 64, documents: 4 };
    match documents(bytes, &limits) {
        Ok(read) => {
            let text = std::str::from_utf8(bytes).expect("accepted as text");
            assert!(read.len() <= limits.documents);
            for document in read {
                assert!(depth(&document.value) <= limits.depth);
                inside(text, &document.value, &document.places, "");
            }
        }
        Err(found) => {
            assert!((1..=100).contains(&found.len()));
            for one in found {
                let place = one.place.expect("no file here is too long");
                let valid = String::from_utf8_lossy(bytes);
                assert!(place.offset <= bytes.len() && place.line >= 1 && place.column >= 1);
                assert!(super::render(&one.issue, one.place, "f", Some(&valid), true).len() < 5000);
            }
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn inside(text: &str, value: &Value, places: &Places, pointer: &str) {
    let place =
        places.find(pointer).unwrap_or_else(|| panic!("no place for {pointer:?} in {text:?}"));
    assert!(text.get(place.offset..place.offset + place.length).is_some(), "{place:?} in {text:?}");
    let counted = Place::at(text, place.offset, place.length);
    assert_eq!(place, counted, "{pointer:?} in {text:?}");
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| {
                inside(text, item, places, &format!("{pointer}/{index}"))
            });
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                inside(
                    text,
                    item,
                    places,
                    &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                );
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn json_comes_back(value in json()) {
        let text = value.to_string();
        let (same, places) = read(&text);
        prop_assert_eq!(&same, &value);
        check_places(&text, &value, &places, "");
    }

    #[test]
    fn json_comes_back_as_yaml(value in json(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let text = format!("# é\n--- {json}\n");
        let (same, places) = read(&text);
        prop_assert_eq!(&same, &value);
        check_places(&text, &value, &places, "");
    }

    #[test]
    fn json_comes_back_from_blocks(value in json()) {
        let mut text = String::from("---");
        block(&value, 0, &mut text);
        text.push('\n');
        let (same, places) = read(&text);
        prop_assert_eq!(&same, &value);
        if let Value::Object(entries) = &value {
            let first: Map<_, _> = entries.clone();
            for key in first.keys() {
                let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
                prop_assert_eq!(places.key(&pointer).map(|place| place.column), Some(1));
            }
        }
        check_places(&text, &value, &places, "");
    }

    #[test]
    fn any_bytes_end_in_documents_or_findings(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds_together(&bytes);
    }

    #[test]
    fn any_pieces_end_in_documents_or_findings(text in pieces()) {
        holds_together(text.as_bytes());
    }
}
