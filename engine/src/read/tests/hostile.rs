//! Limits, and input made to hurt: all of it ends soon, in a finding.

use super::{findings, value};
use crate::read::{Limits, documents};

/// Linear at this size is linear at the largest, which takes a test build too long.
const FILE: usize = 256 << 10;

fn filled(text: &str) -> String {
    after("", text)
}

/// A large file: `start`, then `text` again and again.
fn after(start: &str, text: &str) -> String {
    start.to_owned() + &text.repeat((FILE - start.len()) / text.len())
}

fn too_large(text: &str) -> Vec<String> {
    let found =
        documents(text.as_bytes(), &Limits::default()).map(|read| read.len()).expect_err("refused");
    found
        .into_iter()
        .filter(|one| one.issue.entry.name == "TOO_LARGE")
        .map(|one| one.issue.message)
        .collect()
}

#[test]
fn the_size_is_judged_before_anything_else() {
    let limits = Limits { bytes: 5, ..Limits::default() };
    assert_eq!(findings("\0\0\0\0\0\0", &limits), [("TOO_LARGE", String::new(), 0, 0)]);
    assert!(documents(b"a: 12", &limits).is_ok());
}

#[test]
fn depth_is_bounded() {
    let limits = Limits { depth: 3, ..Limits::default() };
    for (fits, deeper) in [
        ("[[[1]]]", "[[[[1]]]]"),
        ("{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[{}]}}"),
        ("- - - 1\n", "- - - - 1\n"),
        ("a:\n  b:\n    c: 1\n", "a:\n  b:\n    c: {}\n"),
        ("- - [a]\n", "- - [{a: 1}]\n"),
    ] {
        assert!(documents(fits.as_bytes(), &limits).is_ok(), "{fits}");
        assert_eq!(findings(deeper, &limits)[0].0, "TOO_LARGE", "{deeper}");
    }
    let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert!(documents(deepest.as_bytes(), &Limits::default()).is_ok());
    for (start, text) in [
        ("", "["),
        ("- ", "["),
        ("", "[{\"a\":"),
        ("", "- "),
        ("", "{a: "),
        ("- ", "{a: ["),
        ("", ": "),
    ] {
        assert_eq!(too_large(&after(start, text)).len(), 1, "{start}{text}");
    }
    let mut nested = String::new();
    for depth in 0..500 {
        nested.push_str(&format!("{:depth$}a:\n", ""));
    }
    assert_eq!(too_large(&nested), ["lists and mappings are nested more than 64 deep"]);
}

#[test]
fn values_scalars_keys_and_documents_are_counted() {
    let limits = Limits { nodes: 5, scalar: 4, ..Limits::default() };
    assert!(documents(b"a: [b, c, d]\n", &limits).is_err());
    assert!(documents(b"a: [b, c]\n", &limits).is_ok());
    assert_eq!(
        findings("a\n---\nb\n---\nc\n---\nd\n---\ne\n---\nf\n", &limits),
        [("TOO_LARGE", String::new(), 11, 1)]
    );
    assert_eq!(
        findings("- abcde\n- \"\\x61bcd\"\n", &limits),
        [("TOO_LARGE", "/0".to_owned(), 1, 3)]
    );
    assert_eq!(findings("a: |\n  abcd\n", &limits), [("TOO_LARGE", "/a".to_owned(), 2, 3)]);
    let key = "k".repeat(1024);
    assert_eq!(value(&format!("{{\"{key}\": 1}}"))[&key], 1);
    assert_eq!(
        too_large(&format!("{{\"{key}k\": 1}}")),
        ["a key is 1025 bytes long, 1024 are allowed"]
    );
    let limits = Limits { nodes: 20_000, ..Limits::default() };
    for text in [filled("---\n"), after("[", "1,"), after("a: [", "1,")] {
        let found =
            documents(text.as_bytes(), &limits).map(|read| read.len()).expect_err("refused");
        assert_eq!(found[0].issue.message, "the file has more than 20000 keys and values");
    }
}

/// Without the meter these hold some hundreds of megabytes, or run for many seconds.
#[test]
fn what_the_parser_would_hold_back_is_bounded() {
    let held =
        "more than 100000 tokens follow, and the brackets or markers around them are not closed";
    let deep = format!("- {}", "[".repeat(250));
    for (start, text) in [
        ("- [", "a,"),
        ("- [", ":,"),
        ("? [", "a: b, "),
        ("- {", "a: b, "),
        ("- [[[", "[a], "),
        (&deep, "a,"),
    ] {
        assert_eq!(too_large(&after(start, text)), [held], "{start}{text}");
    }
    let keys = format!("- [{}{}{}]", "a,".repeat(49_000), "[".repeat(50), "b]:1,".repeat(50));
    assert_eq!(findings(keys, &Limits::default()).last().map(|last| last.0), Some("BAD_KEY"));
}

#[test]
fn long_parts_are_read_in_linear_time() {
    let limits = Limits { scalar: FILE, ..Limits::default() };
    for text in [
        filled("a"),
        filled("a "),
        filled("x\n"),
        format!("\"{}\"", &filled("\\n ")[..FILE - 4]),
        format!("'{}'", &filled("''")[..FILE - 4]),
        format!("a: |\n{}", &filled(" é\n")[..FILE - 8]),
        format!("a: >\n{}", &filled("\n")[..FILE - 8]),
        filled("\n"),
        filled("\t"),
        filled("# x\n"),
        filled("...\n"),
    ] {
        let read = documents(text.as_bytes(), &limits);
        assert!(read.is_ok(), "{:?}: {:?}", &text[..20], read.err());
    }
    for text in [
        "%A b\n", "? ", "!!str ", "!", "&a ", "*a ", "[\"", "{}: {}\n", "- on\n", "a: 1\n", "1_",
        "1:1", "\"x", "'x", "&a\n",
    ] {
        let found = findings(filled(text), &Limits::default());
        assert!(found.len() <= 100, "{text}");
    }
}

#[test]
fn reading_stops_at_a_hundred_findings() {
    let found = findings("- on\n".repeat(1000), &Limits::default());
    assert_eq!(found.len(), 100);
    assert_eq!(found[99], ("YAML_AMBIGUOUS", "/99".to_owned(), 100, 3));
}
