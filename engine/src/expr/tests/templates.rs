use serde_json::{Value, json};

use super::super::{EvalError, Template, find_secrets, secret_marker};
use super::{World, world};

fn render(value: Value) -> Result<Value, EvalError> {
    Template::compile(&value)
        .unwrap_or_else(|errors| panic!("{value}: {errors:?}"))
        .render(&world())
}

#[test]
fn strings_become_values_or_text() {
    for (source, wanted) in [
        ("plain", json!("plain")),
        ("", json!("")),
        ("${ input.n }", json!(3)),
        ("${input.since}", json!("2026-01-01")),
        ("${ nodes.a.output.rows[0] }", json!({"id": 1, "price": 2})),
        ("${null}", json!(null)),
        (" ${ input.n }", json!(" 3")),
        ("${input.n}${input.n}", json!("33")),
        (
            "a ${ input.since } b ${ null } c ${ true } d ${ 2.50 } e",
            json!("a 2026-01-01 b  c true d 2.5 e"),
        ),
        (
            "rows: ${ nodes.a.output.rows }",
            json!("rows: [{\"id\":1,\"price\":2},{\"id\":2,\"price\":2.5}]"),
        ),
        ("${ {'b': 1.0, 'a': [null, 'é\"']} }!", json!("{\"a\":[null,\"é\\\"\"],\"b\":1}!")),
        ("$${ input.n }", json!("${ input.n }")),
        ("$$${ input.n }", json!("$${ input.n }")),
        ("$$$${ input.n }", json!("$$${ input.n }")),
        ("$ ${ 1 } $5 $", json!("$ 1 $5 $")),
        ("$${${ 1 }$${", json!("${1${")),
        ("${ '}' + \"}\" + '''}'}''' + r'\\}' }", json!("}}}'}\\}")),
        ("${ {'a': {'b': 1}}.a.b }", json!(1)),
        ("x ${ 1 // a } b\n } y", json!("x 1 y")),
        ("ä${ 'ö' }ü", json!("äöü")),
    ] {
        assert_eq!(render(json!(source)), Ok(wanted), "{source}");
    }
}

#[test]
fn values_are_rendered_all_through() {
    let value = json!({"url": "https://x?n=${ input.n }", "list": ["${ input.price }", 5, "x"], "${ key }": null, "deep": {"a": [{"b": "${ row }"}]}});
    let wanted = json!({"url": "https://x?n=3", "list": [2.5, 5, "x"], "${ key }": null, "deep": {"a": [{"b": {"iban": "DE1", "tags": ["a", "b"]}}]}});
    let template = Template::compile(&value).unwrap();
    assert_eq!(template.render(&world()), Ok(wanted));
    assert_eq!(template.source(), &value);
    assert!(!template.is_static());
    let reads: Vec<_> =
        template.reads().map(|(pointer, read)| format!("{pointer} {}", read.text)).collect();
    assert_eq!(reads, ["/deep/a/0/b row", "/list/0 input", "/url input"]);
}

#[test]
fn static_values_are_known() {
    let template = Template::compile(&json!({"a": ["$${x}", 1, null]})).unwrap();
    assert!(template.is_static());
    assert_eq!(template.render(&World::new(json!({}))), Ok(json!({"a": ["${x}", 1, null]})));
}

#[test]
fn all_errors_are_gathered_with_their_places() {
    let value = json!({"a/b~": "x ${ 1 + } ${ foo(1) }", "list": ["ok", "${ open", "${ }"], "n": "${ nodes.x }"});
    let errors: Vec<_> = Template::compile(&value)
        .unwrap_err()
        .into_iter()
        .map(|(pointer, error)| format!("{pointer} {} {}", error.entry.name, error.offset))
        .collect();
    assert_eq!(
        errors,
        [
            "/a~1b~0 BAD_EXPRESSION 8",
            "/a~1b~0 BAD_EXPRESSION 14",
            "/list/1 BAD_EXPRESSION 0",
            "/list/2 BAD_EXPRESSION 2",
            "/n BAD_EXPRESSION 9",
        ]
    );
    let deep = (0..70).fold(json!("x"), |inner, _| json!([inner]));
    assert_eq!(Template::compile(&deep).unwrap_err()[0].1.entry.name, "EXPRESSION_LIMIT");
}

#[test]
fn failures_name_the_place() {
    let error = render(json!({"a": [{"b": "x ${ nodes.gone.output.y }"}]})).unwrap_err();
    assert_eq!(error.message, "/a/0/b: nodes.gone.output is absent: the node passed");
    assert_eq!((error.code, error.absent_node.as_deref()), ("absent", Some("gone")));
    assert_eq!(render(json!("${ 9007199254740993 }")).unwrap_err().code, "overflow");
    assert_eq!(render(json!("n ${ 9007199254740993 }")).unwrap_err().code, "overflow");
}

#[test]
fn secrets_are_markers() {
    let template = Template::compile(&json!({
        "bearer": "${ secrets.erp.token }", "headers": {"x": "Basic ${ secrets[\"my-erp\"]['api.key'] }"}
    }))
    .unwrap();
    assert!(!template.is_static());
    let rendered = template.render(&world()).unwrap();
    assert_eq!(rendered["bearer"], json!(secret_marker("erp", "token")));
    assert_eq!(
        rendered["headers"]["x"],
        json!(format!("Basic {}", secret_marker("my-erp", "api.key")))
    );
    let found: Vec<_> =
        find_secrets(&rendered).into_iter().map(|secret| (secret.name, secret.key)).collect();
    assert_eq!(
        found,
        [("erp".to_owned(), "token".to_owned()), ("my-erp".to_owned(), "api.key".to_owned())]
    );
    let reads: Vec<_> = template
        .reads()
        .map(|(pointer, read)| format!("{pointer} {} {}", read.root, read.text))
        .collect();
    assert_eq!(
        reads,
        ["/bearer secrets secrets.erp.token", "/headers/x secrets secrets.my-erp.api.key"]
    );
    for source in [
        "${ 'a' + secrets.a.b }",
        "${ secrets.a }",
        "${ secrets.a.b.c }",
        "${ secrets[input.x].b }",
        "${ secrets['..']['passwd'] }",
        "${ secrets.a['../b'] }",
        "${ secrets['']['a'] }",
        "${ [secrets.a.b] }",
    ] {
        let errors = Template::compile(&json!(source)).expect_err(source);
        assert_eq!(errors[0].1.entry.name, "SECRET_PLACE", "{source}");
    }
}

#[test]
fn data_cannot_forge_a_secret() {
    let forged = secret_marker("erp", "token");
    let world = World::new(json!({"input": {"text": forged, "list": [{forged.clone(): forged}]}}));
    let literal = format!("x{forged}y");
    for source in [
        "${ input.text }",
        "x ${ input.text } y",
        "${ input.list }",
        "${ [input.text, {input.text: 1}] }",
        "${ input.text.substring(0, 1) + 'secret:erp/token' + input.text.substring(17) }",
        "x ${ input.text.substring(0, 1) }secret:erp/token${ input.text.substring(17) }",
        "x ${ input } y",
        "${ '\\ue000secret:erp/token\\ue001' }",
        literal.as_str(),
    ] {
        let rendered = Template::compile(&json!(source)).unwrap().render(&world).unwrap();
        assert!(!rendered.to_string().contains(['\u{e000}', '\u{e001}']), "{source}: {rendered}");
    }
}

#[test]
fn rendering_is_bounded() {
    let world =
        World::new(json!({"text": "x".repeat(300_000), "long": (0..20_000).collect::<Vec<_>>()}));
    let code = |value: Value| {
        Template::compile(&value).unwrap().render(&world).map(|_| ()).map_err(|error| error.code)
    };
    assert_eq!(code(json!(vec!["${ long.all(x, x >= 0) }"; 10])), Ok(()));
    assert_eq!(code(json!(vec!["${ long.all(x, x >= 0) }"; 100])), Err("budget"));
    assert_eq!(code(json!(vec!["${ text }"; 100])), Err("budget"));
    assert_eq!(code(json!("${ text }".repeat(100))), Err("budget"));
    assert_eq!(code(json!("${ long }".repeat(100))), Err("budget"));
}
