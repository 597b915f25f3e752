use serde_json::{Value, json};

use super::super::{EvalError, Expr, MAX_BUILT};
use super::{World, eval, world};

fn assert_values(table: &[(&str, Value)]) {
    for (source, wanted) in table {
        assert_eq!(eval(source).as_ref(), Ok(wanted), "{source}");
    }
}

fn assert_errors(table: &[(&str, &str, &str)]) {
    for (source, code, part) in table {
        let error = eval(source).expect_err(source);
        assert_eq!(error.code, *code, "{source}: {error}");
        assert!(error.message.contains(part), "{source}: {error}");
        assert_eq!(error.entry().name.to_lowercase().trim_start_matches("expression_"), *code);
    }
}

#[test]
fn literals_and_names() {
    assert_values(&[
        ("1", json!(1)),
        ("0x1F", json!(31)),
        ("7u", json!(7)),
        ("-5", json!(-5)),
        ("2.5e1", json!(25)),
        ("true", json!(true)),
        ("null", json!(null)),
        ("'a' + \"b\" + '''c'd''' + r'\\n' + '\\u00e9\\n'", json!("abc'd\\né\n")),
        ("[1, 'x', [true]]", json!([1, "x", [true]])),
        ("{'a': 1, 'b': {'c': null}}", json!({"a": 1, "b": {"c": null}})),
        ("input.since", json!("2026-01-01")),
        ("nodes.a.outcome", json!("succeeded")),
        ("nodes.unknown.outcome", json!("")),
        ("nodes.bad.error.code", json!("http")),
        ("nodes.nil.output", json!(null)),
        ("nodes.a.output.rows[1].price", json!(2.5)),
        ("row['iban']", json!("DE1")),
        ("row.tags[input.whole - 1]", json!("b")),
        (
            "input",
            json!({"since": "2026-01-01", "n": 3, "price": 2.5, "whole": 2, "empty": {}, "none": null, "big": 1e300}),
        ),
    ]);
}

#[test]
fn arithmetic_mixes_ints_and_doubles() {
    assert_values(&[
        ("2 + 3 * 4", json!(14)),
        ("(2 + 3) * 4", json!(20)),
        ("7 / 2", json!(3)),
        ("-7 / 2", json!(-3)),
        ("-7 % 3", json!(-1)),
        ("7 / 2.0", json!(3.5)),
        ("double(7) / 2", json!(3.5)),
        ("input.n * input.price", json!(7.5)),
        ("input.whole * input.n", json!(6)),
        ("input.price * 2", json!(5)),
        ("nodes.a.output.rows.map(r, r.price * 10)", json!([20, 25])),
        ("1 == 1.0 && 2 > 1.5 && 1.5 < 2 && input.whole == 2", json!(true)),
        ("-input.price", json!(-2.5)),
        ("--input.n", json!(3)),
        ("input.big", json!(1e300)),
        ("0.0 * -1.0", json!(0)),
        ("9007199254740991", json!(9_007_199_254_740_991_i64)),
        ("9007199254740992 - 1", json!(9_007_199_254_740_991_i64)),
        ("string(9007199254740993)", json!("9007199254740993")),
        ("[1, 2.5, 3].sum()", json!(6.5)),
        ("[].sum()", json!(0)),
        ("[3, 1.5, 2].min() == 1.5 && ['b', 'a'].max() == 'b'", json!(true)),
        ("math.greatest(1, 2.5, 2) + math.least([4, 3])", json!(5.5)),
    ]);
    assert_errors(&[
        ("1 / 0", "expression", "division by zero"),
        ("1 % 0", "expression", "division by zero"),
        ("1.0 / 0.0", "expression", "division by zero"),
        ("0.0 / 0.0", "expression", "division by zero"),
        ("input.big * input.big", "overflow", "too large"),
        ("9223372036854775807 + 1", "overflow", "beyond 2^63"),
        ("-9223372036854775807 - 2", "overflow", "beyond 2^63"),
        ("(-9223372036854775807 - 1) / -1", "overflow", "beyond 2^63"),
        ("(-9223372036854775807 - 1) % -1", "overflow", "beyond 2^63"),
        ("-(-9223372036854775807 - 1)", "overflow", "beyond 2^63"),
        ("9007199254740992", "overflow", "2^53"),
        ("[{'a': -9007199254740992}]", "overflow", "2^53"),
        ("4.5e16", "overflow", "2^53"),
        ("2.5 % 2.0", "type", "two ints"),
        ("1 + 'a'", "type", "does not join int and string"),
        ("[1] + 2", "type", "does not join list and int"),
        ("-'a'", "type", "negated"),
        ("['a', 1].sum()", "type", "does not join"),
        ("[].min()", "expression", "empty list"),
        ("[null].max()", "type", "no order"),
    ]);
}

#[test]
fn comparison_and_equality() {
    assert_values(&[
        ("'a' < 'b' && false < true && 'é' > 'z'", json!(true)),
        ("[1, {'a': 2.0}] == [1.0, {'a': 2}]", json!(true)),
        ("{'a': 1} == {'a': 1, 'b': 2}", json!(false)),
        ("1 == '1'", json!(false)),
        ("null == null && null != 0", json!(true)),
        ("2 in list && !(9 in list) && 2.0 in list", json!(true)),
        ("'iban' in row && !('x' in row) && !(1 in row)", json!(true)),
        ("type(1) == int && type('') == string && type(null) == null_type", json!(true)),
        (
            "list == type(list) && map == type(row) && type(2.5) != int && type(true) == bool",
            json!(true),
        ),
        ("type(input.whole) == int && type(input.price) == double", json!(true)),
    ]);
    assert_errors(&[
        ("1 < 'a'", "type", "int and string"),
        ("[1] < [2]", "type", "list and list"),
        ("1 in 'abc'", "type", "`in` takes"),
    ]);
}

#[test]
fn logic_absorbs_errors_in_either_order() {
    assert_values(&[
        ("true || 1 / 0 > 0", json!(true)),
        ("1 / 0 > 0 || true", json!(true)),
        ("false && 1 / 0 > 0", json!(false)),
        ("1 / 0 > 0 && false", json!(false)),
        ("input.n && false", json!(false)),
        ("true ? 1 : 1 / 0", json!(1)),
        ("false ? 1 / 0 : 2", json!(2)),
        ("!true || false", json!(false)),
        ("true && true && false || true", json!(true)),
        ("nodes.gone.output.x == 1 && false", json!(false)),
        ("[1, 0, 2].exists(x, 4 / x == 2)", json!(true)),
        ("[1, 0, 2].all(x, 4 / x == 9)", json!(false)),
    ]);
    assert_errors(&[
        ("1 / 0 > 0 && true", "expression", "zero"),
        ("1 / 0 > 0 || false", "expression", "zero"),
        ("1 / 0 > 0 || input.nope", "expression", "zero"),
        ("1 && true", "type", "condition"),
        ("!1", "type", "condition"),
        ("'x' ? 1 : 2", "type", "condition"),
        ("[1, 0].all(x, 4 / x > 0)", "expression", "zero"),
    ]);
}

#[test]
fn presence() {
    assert_values(&[
        ("has(input.since) && !has(input.nope) && has(input.none)", json!(true)),
        ("has(nodes.a.output) && has(nodes.nil.output)", json!(true)),
        (
            "has(nodes.gone.output) || has(nodes.unknown.output) || has(nodes.bad.output)",
            json!(false),
        ),
        ("has(nodes.bad.error) && !has(nodes.a.error)", json!(true)),
        ("has(nodes.gone.outcome) && !has(nodes.unknown.outcome)", json!(true)),
        ("has(nodes.gone.output.a.b) || has(nodes.gone.output.a[0].b)", json!(false)),
        ("has(nodes.a.output.rows[0].id)", json!(true)),
        ("has(nodes.a.output.rows) && !has(nodes.a.output.nope)", json!(true)),
        ("has(nodes.gone.output) ? nodes.gone.output : 'none'", json!("none")),
        ("nodes.a.output.rows.exists(r, has(r.price))", json!(true)),
    ]);
    assert_errors(&[
        ("has(input.nope.x)", "expression", "input has no `nope`"),
        ("has(input.none.x)", "type", "input.none is null"),
        ("has(nodes.nil.output.x)", "type", "nodes.nil.output is null"),
    ]);
}

#[test]
fn absent_things_are_named() {
    let absent = |source: &str| {
        let EvalError { code, message, absent_node } = eval(source).expect_err(source);
        (code, message, absent_node)
    };
    let gone = (
        "absent",
        "nodes.gone.output is absent: the node passed".to_owned(),
        Some("gone".to_owned()),
    );
    assert_eq!(absent("nodes.gone.output"), gone);
    assert_eq!(absent("nodes.gone.output.x.y"), gone);
    assert_eq!(absent("nodes.gone.output.x == 1 || false"), gone);
    assert_eq!(absent("nodes.unknown.output").2.as_deref(), Some("unknown"));
    assert_eq!(absent("nodes.a.error").2, None);
    assert_errors(&[
        ("nope", "absent", "no `nope`"),
        ("input.nope", "expression", "input has no `nope`; it has big, empty, n, none"),
        ("input.empty.x", "expression", "input.empty has no `x`; it is empty"),
        ("nodes.a.output.rows[0].x", "expression", "the value has no `x`; it has id, price"),
        ("nodes.a.output.rows.map(r, r.x)", "expression", "r has no `x`"),
        ("row['x']", "expression", "row has no `x`"),
        ("list[4]", "expression", "outside a list of 4"),
        ("list[-1]", "expression", "outside"),
        ("list['a']", "type", "index of a list"),
        ("row[1]", "type", "key of a map"),
        ("input.n.x", "type", "input.n is int"),
        ("'abc'[0]", "type", "only a list or map"),
        ("{'a': 1, 'a': 2}", "expression", "twice"),
        ("{row: 1}", "type", "keys of a map"),
    ]);
}

#[test]
fn macros() {
    assert_values(&[
        ("list.all(x, x > 0) && list.exists(x, x == 4) && list.exists_one(x, x > 3)", json!(true)),
        ("list.exists_one(x, x > 2)", json!(false)),
        ("list.map(x, x * x)", json!([1, 4, 9, 16])),
        ("list.map(x, x)", json!([1, 2, 3, 4])),
        ("list.map(x, x % 2 == 0, x + 0.5)", json!([2.5, 4.5])),
        ("list.map(x, x > 3, x)", json!([4])),
        ("list.filter(x, x > 2)", json!([3, 4])),
        ("[[1, 2], [3]].map(x, x.map(y, y + x.size()))", json!([[3, 4], [4]])),
        ("list.filter(x, list.exists(x, x == 4) && x < 2)", json!([1])),
        ("[1].map(input, input + 1)", json!([2])),
        ("[].all(x, x.nope) && ![].exists(x, true)", json!(true)),
        ("{'a': 1, 'b': 2}.map(k, k)", json!(["a", "b"])),
        ("row.exists(k, k == 'iban')", json!(true)),
        ("nodes.a.output.rows.filter(r, r.price > 2).map(r, r.id)", json!([2])),
    ]);
    assert_errors(&[
        ("input.n.map(x, x)", "type", "list or map"),
        ("[1].filter(x, x)", "type", "condition"),
    ]);
}

#[test]
fn functions() {
    assert_values(&[
        ("size('héé') + size(list) + row.size()", json!(9)),
        ("'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", json!(true)),
        ("'a-1'.matches('^[a-z]-\\\\d$') && matches('x', 'x') && !'x'.matches('y')", json!(true)),
        ("'ÄbC'.lowerAscii() + 'aä'.upperAscii()", json!("ÄbcAä")),
        ("' a '.trim() + (' ' + 'b').trim()", json!("ab")),
        ("'a,b,c'.split(',')", json!(["a", "b", "c"])),
        ("'a,b,c'.split(',', 2)", json!(["a", "b,c"])),
        ("'a,b'.split(',', 0)", json!([])),
        ("'a,b'.split(',', -1)", json!(["a", "b"])),
        ("'éb'.split('')", json!(["é", "b"])),
        ("'éb'.split('', 1)", json!(["éb"])),
        ("''.split('') + ''.split(',')", json!([""])),
        ("['a', 'b'].join() + ['a', 'b'].join('-')", json!("aba-b")),
        (
            "'aaa'.replace('a', 'b') + 'aaa'.replace('a', 'b', 2) + 'ab'.replace('', '-')",
            json!("bbbbba-a-b-"),
        ),
        ("'héllo'.substring(1, 3) + 'héllo'.substring(4)", json!("élo")),
        ("'abc'.substring(3)", json!("")),
        (
            "string(1) + string(2.5) + string(1e21) + string(true) + string('x')",
            json!("12.51e+21truex"),
        ),
        ("int('12') + int(2.9) + int(-2.9) + int(3)", json!(15)),
        ("double('1.5') + double(2)", json!(3.5)),
        ("bool('true') && bool('1') && !bool('f') && bool(true)", json!(true)),
        ("dyn(1) == 1", json!(true)),
        ("[1] + [2, 'x']", json!([1, 2, "x"])),
    ]);
    assert_errors(&[
        ("int('1.5')", "expression", "\"1.5\" is no int"),
        ("int('abc')", "expression", "no int"),
        ("int(1e300)", "overflow", "out of the range"),
        ("double('inf')", "expression", "no double"),
        ("bool('yes')", "expression", "no bool"),
        ("string(list)", "type", "`string` takes"),
        ("int(null)", "type", "`int` takes"),
        ("size(1)", "type", "have a size"),
        ("list.contains(1)", "type", "a string is wanted"),
        ("'a'.contains(1)", "type", "convert it"),
        ("[1].join()", "type", "a string is wanted"),
        ("'abc'.substring(4)", "expression", "outside the text"),
        ("'abc'.substring(2, 1)", "expression", "before it begins"),
        ("'abc'.substring('a')", "type", "an int is wanted"),
        ("list.matches('a')", "type", "`matches` takes"),
    ]);
}

#[test]
fn conditions_must_be_bools() {
    let bool = |source: &str| Expr::compile(source).unwrap().eval_bool(&world());
    assert_eq!(bool("size(nodes.a.output.rows) > 0"), Ok(true));
    assert_eq!(bool("nodes.a.output.rows").unwrap_err().code, "type");
    assert_eq!(bool("nodes.gone.output.x").unwrap_err().absent_node.as_deref(), Some("gone"));
}

#[test]
fn evaluation_is_bounded() {
    let long: Vec<_> = (0..20_000).collect();
    let world = World::new(json!({
        "long": long, "text": "x".repeat(300_000), "lists": vec![long.clone(); 20],
        "same": vec![vec!["y".repeat(60_000); 1]; 1],
    }));
    let code = |source: &str| {
        Expr::compile(source).unwrap().eval(&world).map_err(|error| error.code).map(|_| ())
    };
    assert_eq!(code("long.all(x, x >= 0)"), Ok(()));
    assert_eq!(code("long.size() + text.size()"), Ok(()));
    // Steps: nested macros, equality of data, text looked through again and again, membership.
    for source in [
        "long.all(x, long.all(y, y >= 0))",
        "long.exists(x, long.all(y, y >= 0) && false)",
        "long.all(x, lists == lists)",
        "long.all(x, text.contains('y') || true)",
        "long.all(x, text == text)",
        "long.all(x, size(text) > 0)",
        "long.all(x, -1 in long || true)",
        "long.all(x, text.matches('^x*y') || true)",
        "long.map(x, long + long)",
        "long.map(x, text.split('x'))",
        "long.all(x, long.sum() > 0)",
        "long.exists(x, int(text) == 1)",
        "long.exists(x, {'a': 1}[text] == 1)",
        "long.exists(x, text in {'a': 1})",
    ] {
        assert_eq!(code(source), Err("budget"), "{source}");
    }
    // Bytes: texts put together, and results that copy the same data many times.
    for source in [
        "long.map(x, text + text)",
        "long.map(x, text.upperAscii())",
        "text.replace('x', text)",
        "text.replace('', text)",
        "text.split('').join(text)",
        "long.map(x, text)",
        "[lists, lists, lists]",
        "long.map(x, lists)",
        "long.map(x, same[0][0])",
    ] {
        assert_eq!(code(source), Err("budget"), "{source}");
    }
    let doubled = "(a + a)".to_owned();
    let mut source = "text".to_owned();
    for _ in 0..6 {
        source = doubled.replace('a', &source);
    }
    assert!(Expr::compile(&source).is_ok());
    assert_eq!(code(&source), Err("budget"));
    const { assert!(MAX_BUILT >= 300_000) };
}

#[test]
fn results_nest_no_deeper_than_readers_of_json_read() {
    let nested = (0..95).fold(json!(1), |inner, _| json!([inner]));
    let world = World::new(json!({"nested": nested}));
    let eval = |source: &str| Expr::compile(source).unwrap().eval(&world);
    assert!(eval("[[nested]]").is_ok());
    assert_eq!(eval("[[[[[[[nested]]]]]]]").unwrap_err().code, "overflow");
}

#[test]
fn compiled_expressions_go_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&Expr::compile("'a'.matches('a')").unwrap());
    shared(&super::super::Template::compile(&json!("${ a }")).unwrap());
}
