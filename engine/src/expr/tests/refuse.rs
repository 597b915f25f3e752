use super::super::{Expr, RESERVED};

fn refused(source: &str) -> (&'static str, String, usize) {
    let error = Expr::compile(source).expect_err(source);
    (error.entry.name, error.message, error.offset)
}

#[test]
fn what_is_not_allowed_is_refused_with_its_place() {
    let table: &[(&str, usize, &str)] = &[
        ("", 0, "empty"),
        ("  // nothing", 0, "empty"),
        ("1 +", 3, "does not parse"),
        ("(1", 2, "does not parse"),
        ("1)", 1, "never opened"),
        ("a b", 2, "does not parse"),
        ("a = 1", 2, "does not parse"),
        ("'abc", 0, "never closed"),
        ("a == \"abc", 5, "never closed"),
        ("a + é", 4, "ASCII"),
        ("a ? b", 5, "does not parse"),
        ("a.?b", 1, "does not parse"),
        ("1 + for", 4, "reserved"),
        ("a && nodes", 5, "no value of its own"),
        ("nodes['a'].output", 0, "nodes.<id>.output"),
        ("nodes[input.x].output", 0, "computed name"),
        ("nodes.map(n, n)", 0, "no value of its own"),
        ("size(nodes.a)", 11, "`nodes.a.output`"),
        ("nodes.a['output']", 6, "nodes.a.output"),
        ("nodes.a.rows", 8, "`nodes.a.output.rows`"),
        ("has(nodes.a)", 10, "`nodes.a` is no value"),
        ("has(a)", 4, "invalid argument"),
        ("b'abc'", 0, "bytes"),
        ("18446744073709551615u", 0, "2^63"),
        ("99999999999999999999", 0, "invalid int"),
        ("Foo{a: 1}", 0, "map"),
        ("{1: 2}", 0, "keys of a map are strings"),
        ("a + timestamp('x')", 4, "RFC 3339"),
        ("duration('1s')", 0, "no times"),
        ("a.b.getHours()", 4, "no times"),
        ("now()", 0, "run.startedAt"),
        ("uint(1)", 0, "`int(x)`"),
        ("type(a)", 0, "only be compared"),
        ("foo(1)", 0, "no function `foo`"),
        ("contains('a', 'b')", 0, "it is a method"),
        ("a.string()", 2, "it is no method"),
        ("size(a, b)", 0, "takes 1 arguments, 2 are given"),
        ("a.substring()", 2, "takes 1 to 2"),
        ("a.map(x)", 2, "a macro is called on a list"),
        ("all(a, b)", 0, "a macro is called on a list"),
        ("a.map(x.y, 1)", 7, "simple name"),
        ("a.map(nodes, 1)", 6, "cannot be called `nodes`"),
        ("a.matches(b)", 10, "stands in the expression"),
        ("a.matches('(')", 2, "no RE2 expression"),
        ("a.matches('[^x]{1000}')", 2, "too large"),
        (".input.x", 1, "without the dot"),
        ("'a\\xzz'", 0, "does not parse"),
        ("a.`b`", 2, "does not parse"),
    ];
    let mut differing = Vec::new();
    for (source, offset, part) in table {
        let (name, message, at) = refused(source);
        if name != "BAD_EXPRESSION" || at != *offset || !message.contains(part) {
            differing.push(format!("{source}: {name} at {at}: {message}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn offsets_count_through_macros_strings_and_comments() {
    let source = "list.filter(x, x.a == 'foo(').map(x, x > 1, x + 1) // foo(\n + [in_ && true ? has(a.b) : foo(1)]";
    let (_, message, at) = refused(source);
    assert_eq!(&source[at..at + 4], "foo(", "{message}");
    assert!(at > 60);
}

#[test]
fn secrets_are_no_values() {
    for source in [
        "secrets.a.b",
        "'x' + secrets.a.b",
        "has(secrets.a.b)",
        "secrets",
        "size(secrets.a)",
        "secrets['a']",
    ] {
        assert_eq!(refused(source).0, "SECRET_PLACE", "{source}");
    }
}

#[test]
fn hostile_text_is_refused_and_harms_no_stack() {
    let repeat = |piece: &str, count: usize| piece.repeat(count);
    // A thread of the smallest stack that a platform gives by itself.
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let done = small.spawn(move || {
        for count in [50, 100, 500, 1000, 10_000] {
            for source in [
                format!("{}1{}", repeat("(", count), repeat(")", count)),
                format!("{}1{}", repeat("((a)+", count), repeat(")", count)),
                repeat("(", count),
                repeat("[", count),
                repeat("{'a':", count),
                repeat(")(", count),
                repeat("[a)", count),
                format!("{}a", repeat("!", count)),
                format!("{}a", repeat("-", count)),
                format!("{}a", repeat("!-", count)),
                format!("{}a", repeat("a?a:", count)),
                format!("{}a", repeat("a?", count)),
                format!("{}a{}", repeat("a?", count), repeat(":a", count)),
                format!("{}a", repeat("a?(a):[", count)),
                format!("a{}", repeat(".b", count)),
                format!("a{}", repeat("[0]", count)),
                format!("a{}", repeat(".size()", count)),
                format!("a{}", repeat(".map(x,x)", count)),
                format!("{}a{}", repeat("a.map(x,", count), repeat(")", count)),
                format!("a{}", repeat("+a", count)),
                format!("a{}", repeat("&&a||a", count)),
                format!("a{}", repeat(" in a", count)),
                repeat("'", count),
                repeat("é", count),
                repeat("\\", count),
                repeat("$", count),
            ] {
                if let Ok(expr) = Expr::compile(&source) {
                    let _ = expr.eval(&super::world());
                }
            }
        }
    });
    done.unwrap().join().unwrap();
    for source in [
        repeat("(", 10_000),
        repeat("!", 4000) + "a",
        repeat("-", 4000) + "a",
        repeat("a ? 1 : ", 500) + "1",
    ] {
        assert_eq!(refused(&source).0, "EXPRESSION_LIMIT");
    }
    let list = format!("[{}]", vec!["1"; 1001].join(","));
    assert_eq!(refused(&list).0, "EXPRESSION_LIMIT");
    assert!(Expr::compile(&format!("a{}", repeat("+a", 60))).is_ok());
    assert_eq!(refused(&format!("a{}", repeat("+a", 70))).0, "EXPRESSION_LIMIT");
}

#[test]
fn reserved_words_are_those_the_parser_refuses() {
    for word in RESERVED {
        let literal = matches!(*word, "true" | "false" | "null");
        assert_eq!(Expr::compile(word).is_ok(), literal, "{word}");
        assert!(RESERVED.is_sorted());
    }
}
