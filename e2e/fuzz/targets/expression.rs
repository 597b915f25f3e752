//! An expression and a template: compiled and evaluated within their bounds.
#![no_main]

use aob_engine::expr::{Expr, Names, NodeView, Template};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

struct World(Value);

impl Names for World {
    fn name(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    fn node(&self, id: &str) -> Option<NodeView<'_>> {
        let output = self.0["nodes"].get(id)?;
        Some(NodeView { outcome: "succeeded", output: Some(output), error: None })
    }
}

fuzz_target!(|source: &str| {
    let world = World(json!({
        "input": {"a": 1, "b": 2.5, "list": [1, 2, 3], "text": "abc"},
        "row": {"iban": "DE00"}, "index": 3, "nodes": {"x": {"rows": [{"id": 1}, {"id": 2}]}, "y": null},
    }));
    if let Ok(expr) = Expr::compile(source) {
        let first = expr.eval(&world);
        assert_eq!(format!("{first:?}"), format!("{:?}", expr.eval(&world)), "evaluation is a function");
    }
    if let Ok(template) = Template::compile(&json!({"t": source, "l": [source, 1]})) {
        let _ = template.render(&world);
    }
});
