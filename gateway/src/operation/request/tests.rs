use serde_json::{Value, json};

use super::Request;

#[test]
fn null_is_an_output_and_nothing_is_none() {
    let settle = |more: Value| {
        let mut request = json!({"op": "settle", "run": "run_1", "instance": "a"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Request>(request)
    };
    let output = |request| match request {
        Ok(Request::Settle { output, .. }) => output,
        other => panic!("{other:?}"),
    };
    assert_eq!(output(settle(json!({"output": null}))), Some(Value::Null));
    assert_eq!(output(settle(json!({}))), None);
    assert!(settle(json!({"outputs": 1})).is_err());
    let back = serde_json::to_value(settle(json!({"output": null})).unwrap()).unwrap();
    assert_eq!(back["output"], Value::Null);
    assert!(back.as_object().unwrap().contains_key("output"));
}
