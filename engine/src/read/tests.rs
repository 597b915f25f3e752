//! The reader as a whole: a table per rule.

mod hostile;

use super::{Limits, Located, documents};
use serde_json::{Value, json};

/// The only document of a text.
fn value(text: &str) -> Value {
    let mut found = documents(text.as_bytes(), &Limits::default())
        .unwrap_or_else(|found| panic!("{text:?}: {found:?}"));
    assert_eq!(found.len(), 1, "{text:?}");
    found.remove(0).value
}

/// Name, pointer, line and column of each finding.
fn findings(text: impl AsRef<[u8]>, limits: &Limits) -> Vec<(&'static str, String, u32, u32)> {
    let found = documents(text.as_ref(), limits).map(|read| read.len()).expect_err("refused");
    let tell = |Located { issue, place }: Located| {
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        (issue.entry.name, issue.pointer, line, column)
    };
    found.into_iter().map(tell).collect()
}

fn refused(text: &str, name: &str, pointer: &str, line: u32, column: u32) {
    let found = findings(text, &Limits::default());
    assert_eq!(found.len(), 1, "{text:?}: {found:?}");
    let (found_name, found_pointer, found_line, found_column) = &found[0];
    let told = (*found_name, found_pointer.as_str(), *found_line, *found_column);
    assert_eq!(told, (name, pointer, line, column), "{text:?}");
}

fn said(text: &str) -> (String, String, Vec<String>) {
    let found = documents(text.as_bytes(), &Limits::default()).expect_err("refused");
    let issue = &found[0].issue;
    (issue.message.clone(), issue.help().to_owned(), issue.details.clone())
}

#[test]
fn plain_scalars_that_all_read_alike() {
    for (text, expected) in [
        ("~", json!(null)),
        ("null", json!(null)),
        ("NULL", json!(null)),
        ("", json!(null)),
        ("true", json!(true)),
        ("True", json!(true)),
        ("FALSE", json!(false)),
        ("0", json!(0)),
        ("-0", json!(0)),
        ("+1", json!(1)),
        ("-12", json!(-12)),
        ("9007199254740991", json!(9_007_199_254_740_991_i64)),
        ("0x1F", json!(31)),
        ("0.5", json!(0.5)),
        (".5", json!(0.5)),
        ("5.", json!(5.0)),
        ("-2.50", json!(-2.5)),
        ("1.5e+3", json!(1500.0)),
        ("1.0e-3", json!(0.001)),
        ("1.2.3", json!("1.2.3")),
        ("10.0.0.1", json!("10.0.0.1")),
        ("24h", json!("24h")),
        ("2024-01", json!("2024-01")),
        ("http://a.example/?b=1", json!("http://a.example/?b=1")),
        ("fetch->process", json!("fetch->process")),
        ("yes please", json!("yes please")),
        ("tRUE", json!("tRUE")),
        ("_1", json!("_1")),
        ("0x", json!("0x")),
        ("-", json!("-")),
        (".", json!(".")),
        ("1e", json!("1e")),
        ("08:00", json!("08:00")),
        ("1:60", json!("1:60")),
    ] {
        // A lone dash would be a list.
        let text = if text == "-" { "\"-\"" } else { text };
        assert_eq!(value(&format!("v: {text}\n")), json!({ "v": expected }), "{text}");
    }
}

#[test]
fn ambiguous_scalars_are_refused_as_values_and_as_keys() {
    for text in [
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "NO",
        "on",
        "On",
        "ON",
        "off",
        "Off",
        "OFF",
        "y",
        "Y",
        "n",
        "N",
        "0777",
        "-07",
        "00",
        "08",
        "0o17",
        "0O17",
        "0b1",
        "-0b11",
        "0B1",
        "0XFF",
        "-0x1F",
        "0x_1",
        "1:30",
        "-1:30:59",
        "1:30.5",
        "1_000",
        "1_000.5",
        "-_1",
        ".5_0",
        "1e3",
        "1E3",
        "1.5e3",
        "1.e+3_0",
        "+.5",
        "2024-01-01",
        "2024-01-01T10:00:00Z",
        "2024-1-1 1:00:00",
        "2024-01-01t01:02:03.5-05:00",
        "=",
        "1e+3",
    ] {
        refused(&format!("a: {text}\n"), "YAML_AMBIGUOUS", "/a", 1, 4);
        refused(&format!("[{text}, z]"), "YAML_AMBIGUOUS", "/0", 1, 2);
        refused(&format!("{text}: a\n"), "YAML_AMBIGUOUS", &format!("/{text}"), 1, 1);
        assert_eq!(value(&format!("'{text}': \"{text}\"\n")), json!({ text: text }));
    }
    refused("a: <<\n", "YAML_AMBIGUOUS", "/a", 1, 4);
}

#[test]
fn ambiguity_names_the_readings_and_the_quoting() {
    for (text, message, help) in [
        (
            "on",
            "`on` is true to YAML 1.1 and a string to YAML 1.2",
            "Write `\"on\"` if the string is meant, `true` if the truth value is.",
        ),
        (
            "0777",
            "`0777` is the number 511 to YAML 1.1 and the number 777 to YAML 1.2",
            "Write `\"0777\"` if the string is meant, `511` if the number is, `777` if the number is.",
        ),
        (
            "1e3",
            "`1e3` is a string to YAML 1.1 and the number 1000 to YAML 1.2",
            "Write `\"1e3\"` if the string is meant, `1000` if the number is.",
        ),
        (
            "1e300",
            "`1e300` is a string to YAML 1.1 and the number 1.0e+300 to YAML 1.2",
            "Write `\"1e300\"` if the string is meant, `1.0e+300` if the number is.",
        ),
        (
            "0XFF",
            "`0XFF` is a string to YAML 1.1, a string to YAML 1.2 and the number 255 to kubectl",
            "Write `\"0XFF\"` if the string is meant, `255` if the number is.",
        ),
        (
            "2024-01-01",
            "`2024-01-01` is a date to YAML 1.1 and a string to YAML 1.2",
            "Write `\"2024-01-01\"` if the string is meant.",
        ),
    ] {
        assert_eq!(said(&format!("a: {text}\n")), (message.to_owned(), help.to_owned(), vec![]));
    }
}

#[test]
fn quoted_and_block_scalars_are_strings() {
    assert_eq!(
        value("a: 'on'\nb: \"1\"\nc: |\n  1\nd: >-\n  yes\n  no\n"),
        json!({
            "a": "on", "b": "1", "c": "1\n", "d": "yes no"
        })
    );
    assert_eq!(value("a: \"\\u00e9\\n\\x41\"\n"), json!({ "a": "é\nA" }));
}

#[test]
fn layout_that_is_read_differently_is_refused() {
    refused("{a:}", "YAML_AMBIGUOUS", "/a", 1, 2);
    refused("{a\n:}", "YAML_AMBIGUOUS", "/a", 1, 2);
    refused("b: [?x]\n", "YAML_AMBIGUOUS", "/b/0", 1, 5);
    refused("a: |\n  x", "YAML_AMBIGUOUS", "/a", 2, 3);
    refused("a: >+\n  ", "YAML_AMBIGUOUS", "/a", 1, 4);
    refused("a: x # one\u{2028}b: y\n", "YAML_AMBIGUOUS", "", 1, 11);
    assert_eq!(value("a: |-\n  x"), json!({ "a": "x" }));
    assert_eq!(value("{a: , b: }"), json!({ "a": null, "b": null }));
}

#[test]
fn numbers_that_cannot_be_kept_are_refused() {
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "123456789012345678901234567890",
        ".inf",
        "-.INF",
        ".nan",
        "1.0e+999",
    ] {
        refused(&format!("a: {text}\n"), "BAD_NUMBER", "/a", 1, 4);
    }
    refused("{\"a\": [9007199254740992]}", "BAD_NUMBER", "/a/0", 1, 8);
    refused("{\"a\": 1e999}", "BAD_NUMBER", "/a", 1, 7);
}

#[test]
fn keys_are_strings() {
    for (text, key) in [("1", "1"), ("true", "true"), ("~", "~"), ("1.5", "1.5"), (".inf", ".inf")]
    {
        refused(
            &format!("a:\n  {text}: x\n"),
            "BAD_KEY",
            &format!("/a/{key}").replace('~', "~0"),
            2,
            3,
        );
        assert_eq!(value(&format!("\"{text}\": x\n")), json!({ key: "x" }));
        assert_eq!(value(&format!("!!str {text}: x\n")), json!({ key: "x" }));
    }
    refused(": x\n", "BAD_KEY", "/", 1, 1);
    refused("[a]: x\n", "BAD_KEY", "", 1, 1);
    refused("? {a: b}\n: x\n", "BAD_KEY", "", 1, 3);
    assert_eq!(said("1: x\n").1, "Quote it: `\"1\"`.");
}

#[test]
fn duplicate_keys_name_both_places() {
    for text in ["a: 1\nb: 2\n\"a\": 3\n", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}"] {
        let column = if text.starts_with('{') { 2 } else { 1 };
        refused(text, "DUPLICATE_KEY", "/a", 3, 1);
        assert_eq!(
            said(text).2,
            [format!("first at line 1, column {column}"), "again at line 3, column 1".to_owned()]
        );
    }
    refused("x:\n- {a: 1, 'a': 2}\n", "DUPLICATE_KEY", "/x/0/a", 2, 10);
}

#[test]
fn aliases_anchors_and_merge_keys_are_refused() {
    let found = findings("a: &x 1\nb: *x\nc: {<<: *x}\n*x : d\n", &Limits::default());
    let told: Vec<_> = found
        .iter()
        .map(|(name, pointer, line, column)| (*name, pointer.as_str(), *line, *column))
        .collect();
    assert_eq!(
        told,
        [
            ("ALIAS", "/a", 1, 4),
            ("ALIAS", "/b", 2, 4),
            ("ALIAS", "/c/<<", 3, 5),
            ("ALIAS", "/c/<<", 3, 9),
            ("ALIAS", "/*26", 4, 1),
        ]
    );
    refused("a: *nowhere\n", "ALIAS", "", 1, 4);
    let bomb = format!("a: &a [x]\n{}", "b: [*a, *a, *a, *a]\n".repeat(1000));
    assert_eq!(findings(bomb, &Limits::default()).len(), 100);
}

#[test]
fn only_core_tags_are_read() {
    assert_eq!(
        value(
            "a: !!str 1\nb: !!int \"1\"\nc: !!float 1\nd: !!map {}\ne: !!seq [!!null '']\nf: !<tag:yaml.org,2002:bool> true\n"
        ),
        json!({ "a": "1", "b": 1, "c": 1.0, "d": {}, "e": [null], "f": true })
    );
    for text in [
        "!x 1",
        "!!binary aGk=",
        "!!int x",
        "!!map x",
        "!!timestamp 2024-01-01",
        "! x",
        "!!seq {}",
        "!!set {}",
    ] {
        refused(&format!("a: {text}\n"), "BAD_TAG", "/a", 1, 4);
    }
    refused("!!int 1: x\n", "BAD_TAG", "/1", 1, 1);
    refused("a: !!bool yes\n", "YAML_AMBIGUOUS", "/a", 1, 4);
    refused("a: !y!x 1\n", "YAML_SYNTAX", "", 1, 4);
}

#[test]
fn directives() {
    assert_eq!(value("%YAML 1.2\n---\na: 1\n"), json!({ "a": 1 }));
    assert_eq!(
        value("a: |\n  x\n%b: c\n".replace("%b", "  %b").as_str()),
        json!({ "a": "x\n%b: c\n" })
    );
    refused("# one\n\n%YAML 1.1\n---\na: 1\n", "YAML_AMBIGUOUS", "", 3, 1);
    refused("a: 1\n...\n%TAG ! x\n---\nb: 1\n", "BAD_TAG", "", 3, 1);
    refused("%ÄÖ x\n---\na: 1\n", "YAML_SYNTAX", "", 1, 1);
}

#[test]
fn documents_are_counted_and_empty_ones_skipped() {
    let limits = Limits { documents: 2, ..Limits::default() };
    let read = |text: &str| {
        documents(text.as_bytes(), &limits)
            .unwrap_or_else(|found| panic!("{found:?}"))
            .into_iter()
            .map(|document| (document.index, document.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read("---\n# nothing\n---\na: 1\n---\n...\n---\n[b]\n"),
        [(0, json!({ "a": 1 })), (1, json!(["b"]))]
    );
    assert_eq!(read("# nothing\n"), []);
    assert_eq!(read(""), []);
    assert_eq!(read("--- ~\n--- ''\n"), [(0, json!(null)), (1, json!(""))]);
    assert_eq!(findings("a\n--- b\n--- c\n", &limits)[0].0, "TOO_LARGE");
}

#[test]
fn what_is_not_text() {
    for (text, line, column) in [
        (&b"a: b\nc: \xff"[..], 2, 4),
        (b"a: \0", 1, 4),
        ("é: \u{1b}[0m".as_bytes(), 1, 4),
        ("a: \u{7f}".as_bytes(), 1, 4),
        (b"\xff\xfea\0", 1, 1),
    ] {
        assert_eq!(findings(text, &Limits::default()), [("NOT_TEXT", String::new(), line, column)]);
    }
    assert_eq!(said("a: \u{1b}").0, "U+001B at offset 3 is not a printable character");
    assert!(said("\0").0.contains("offset 0"));
}

#[test]
fn a_byte_order_mark_belongs_to_no_line() {
    for text in ["\u{feff}a: 1\n", "\u{feff}{\"a\":1}"] {
        let read = documents(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read[0].value, json!({ "a": 1 }));
        let key = read[0].places.key("/a").unwrap();
        assert_eq!(&text[key.offset..key.offset + key.length].replace('"', ""), "a");
        assert_eq!(key.column as usize, if text.contains('{') { 2 } else { 1 });
    }
    refused("\u{feff}a: on\n", "YAML_AMBIGUOUS", "/a", 1, 4);
    refused("a: b\u{feff}c\n", "NOT_TEXT", "", 1, 5);
    refused("a: 1\n--- \n\u{feff}b: 1\n", "NOT_TEXT", "", 3, 1);
    assert_eq!(value("[\"\u{feff}\"]"), json!(["\u{feff}"]));
}

#[test]
fn json_is_read_as_json_and_the_rest_as_yaml() {
    assert_eq!(
        value("{\"a\": 1e3, \"b\": \"\\ud83d\\ude00\\/\", \"c\": \"\u{2028}\"}"),
        json!({
            "a": 1000.0, "b": "😀/", "c": "\u{2028}"
        })
    );
    assert_eq!(value("[1, -0.5, true, null, \"\\u0000\"]\r\n"), json!([1, -0.5, true, null, "\0"]));
    assert_eq!(value("{a: [1, 2], }"), json!({ "a": [1, 2] }));
    assert_eq!(value("{\"a\": 1} # said\n"), json!({ "a": 1 }));
    refused("{\"a\": 1e3,}", "YAML_AMBIGUOUS", "/a", 1, 7);
    refused("{\"a\": 010}", "YAML_AMBIGUOUS", "/a", 1, 7);
}

#[test]
fn syntax_errors_have_their_place() {
    for (text, line, column) in [
        ("a: b: c\n", 1, 5),
        ("a: [b\n", 2, 1),
        ("a: @b\n", 1, 4),
        ("a:\n\t- b\n", 2, 2),
        ("a: \"b\n", 1, 4),
        ("{\"a\": \"\\q\"}", 1, 7),
        ("when: ${ has(x) ? a : b }\n", 1, 21),
    ] {
        refused(text, "YAML_SYNTAX", "", line, column);
    }
}
