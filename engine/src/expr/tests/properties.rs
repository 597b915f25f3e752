use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::scan::scan;
use super::super::{Expr, Template, bounds, parse};
use super::{World, world};
use crate::canonical::canonical_json;

/// Text that is nearly CEL: right pieces, sometimes in the wrong place.
fn nearly_cel() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "1",
            "0",
            "-1",
            "2.5",
            "1e300",
            "9223372036854775807",
            "7u",
            "true",
            "false",
            "null",
            "'a'",
            "''",
            "\"é\"",
            "'''}'''",
            "r'\\'",
            "b'x'",
            "input",
            "input.n",
            "input.price",
            "list",
            "mixed",
            "row",
            "x",
            "y",
            "nope",
            "nodes.a.output",
            "nodes.a.output.rows",
            "nodes.gone.output",
            "nodes.bad.error",
            "nodes.a.outcome",
            "nodes",
            "nodes.a",
            "secrets.a.b",
            "[]",
            "{}",
            "",
            "@",
            "in",
            "for",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(6, 60, 4, |inner| {
        let pair = (inner.clone(), inner.clone());
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", " in ", "", ",",
            ".", "?", ":",
        ]);
        prop_oneof![
            (pair.clone(), operator).prop_map(|((a, b), o)| format!("{a} {o} {b}")),
            (pair.clone(), inner.clone()).prop_map(|((a, b), c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("-{a}")),
            pair.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            pair.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            pair.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            inner.clone().prop_map(|a| format!("{a}.rows")),
            inner.clone().prop_map(|a| format!("has({a}.n)")),
            (
                pair.clone(),
                prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"])
            )
                .prop_map(|((a, b), f)| format!("{a}.{f}(x, {b})")),
            (pair.clone(), inner.clone()).prop_map(|((a, b), c)| format!("{a}.map(y, {b}, {c})")),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "size", "string", "int", "double", "bool", "type", "dyn", "foo"
                ])
            )
                .prop_map(|(a, f)| format!("{f}({a})")),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "trim",
                    "size",
                    "sum",
                    "min",
                    "max",
                    "join",
                    "lowerAscii"
                ])
            )
                .prop_map(|(a, f)| format!("{a}.{f}()")),
            (
                pair,
                prop::sample::select(vec![
                    "contains",
                    "split",
                    "join",
                    "startsWith",
                    "substring",
                    "matches"
                ])
            )
                .prop_map(|((a, b), f)| format!("{a}.{f}({b})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("{a}.replace({b}, {c})")),
        ]
    })
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-1_000_000_i64..1_000_000).prop_map(Value::from),
        (-1_000_000_i64..1_000_000).prop_map(|int| json!(int as f64)),
        (-1e6..1e6_f64).prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_panics_and_results_are_json(source in nearly_cel()) {
        let world = world();
        if let Ok(Ok(value)) = Expr::compile(&source).map(|expr| expr.eval(&world)) {
            let text = canonical_json(&value);
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(canonical_json(&again), text);
        }
        if let Ok(template) = Template::compile(&json!(format!("a ${{ {source} }} b"))) {
            let _ = template.render(&world);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(source in ".{0,300}", close in any::<bool>()) {
        let _ = Expr::compile(&source).map(|expr| expr.eval(&world()));
        let _ = Template::compile(&json!(format!("${{{source}{}", if close { "}" } else { "" })));
        let mut last = 0;
        for token in scan(&source, 0) {
            prop_assert!(token.start >= last && token.end > token.start && token.end <= source.len());
            last = token.end;
        }
    }

    /// The bounds lie above what the parser makes: what they let through is never too deep for it.
    #[test]
    fn text_within_bounds_does_not_exhaust_the_parser(pieces in prop::collection::vec(
        prop::sample::select(vec!["(", ")", "[", "]", "{", "}", "a", "?", ":", "!", "-", ".b", ",", "&&", "+", "a.f(", "'x'"]), 0..400)
    ) {
        let source = pieces.concat();
        if bounds::check(&source).is_ok() {
            let _ = parse::parse(&source);
        }
    }

    #[test]
    fn mixed_arithmetic_is_that_of_doubles(a in number(), b in number()) {
        let world = World::new(json!({"a": a, "b": b}));
        let eval = |source: &str| Expr::compile(source).unwrap().eval(&world);
        let (x, y) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        for (source, wanted) in [("a + b", x + y), ("a - b", x - y), ("a * b", x * y)] {
            prop_assert_eq!(eval(source).unwrap().as_f64().unwrap(), wanted, "{}", source);
        }
        prop_assert_eq!(eval("a < b").unwrap(), json!(x < y));
        prop_assert_eq!(eval("a == b").unwrap(), json!(x == y));
        if y != 0.0 {
            prop_assert_eq!(eval("double(a) / b").unwrap().as_f64().unwrap(), x / y);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_steps_taken_are_bounded(depth in 1_usize..5, size in 1_usize..400) {
        let mut source = "x0 >= 0".to_owned();
        for level in (0..depth).rev() {
            source = format!("list.all(x{level}, {source})");
        }
        let world = World::new(json!({"list": vec![1; size]}));
        let result = Expr::compile(&source).unwrap().eval_bool(&world);
        // Each innermost test alone takes three steps.
        let needed = 3 * size.pow(u32::try_from(depth).unwrap());
        match result {
            Ok(held) => prop_assert!(held && needed <= 100_000),
            Err(error) => prop_assert!(error.code == "budget" && needed * 3 > 100_000, "{error}"),
        }
    }
}
