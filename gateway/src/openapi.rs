//! The OpenAPI document: every route with its parameters, its body and its answer, from the table of routes and the
//! types themselves.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::operation::Request;
use crate::problem::Sent;
use crate::route::{Body, Kind, LARGEST, Method, ROOT, ROUTES, Route, TENANT};

/// Numbers that a problem may be answered with, beside what the route itself answers.
const PROBLEMS: [(&str, &str); 12] = [
    ("400", "Not understood."),
    ("401", "Nobody is known to ask."),
    ("403", "Not allowed to this caller."),
    ("404", "Not there."),
    ("408", "The request took too long to arrive."),
    ("409", "The state of the run does not allow it, or others change it all the time."),
    ("413", "Too large."),
    ("415", "A body of another type than JSON or YAML."),
    ("422", "A rule refuses it."),
    ("429", "Too often; `Retry-After` says when."),
    ("500", "The store is not in order."),
    ("503", "The store does not answer, or takes no new runs; ask again."),
];

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let request = Request::json_schema(&mut generator);
    let variants = request.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let is_its = |variant: &&Value| {
            variant.pointer("/properties/op/const").and_then(Value::as_str) == Some(route.op)
        };
        let Some(variant) = variants.iter().find(is_its) else { continue };
        let operation = operation(route, variant, &mut generator);
        let path = paths.entry(format!("{ROOT}{}", route.path)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.name().to_lowercase(), operation);
        }
    }
    let problem = problem(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    schemas.insert("Workflow".to_owned(), component("Workflow", aob_schema::WORKFLOW));
    schemas.insert("Patch".to_owned(), component("Patch", aob_schema::PATCH));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AOB",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Workflows of agents: keep, start, follow, patch, decide. Every error is a problem (RFC 9457) with a stable code, the rule and the remedy.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                "Tenant": {
                    "name": TENANT,
                    "in": "query",
                    "description": "Whose runs are meant; the caller's own tenant without it.",
                    "schema": {"type": "string", "minLength": 1},
                },
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "description": "The same key within a day is the same request, and gets the same answer.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
                },
            },
            "responses": responses(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(route: &Route, variant: &Value, generator: &mut SchemaGenerator) -> Value {
    let members = variant.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required: Vec<&str> = variant
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let member = |name: &str| members.get(name).cloned().unwrap_or_else(|| json!({}));
    let mut parameters = Vec::new();
    for name in route.in_path() {
        let mut schema = bounded(member(name));
        let description = taken(&mut schema, "description");
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("minLength".to_owned(), 1.into());
        }
        parameters.push(json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema}));
    }
    for (name, kind) in route.query {
        let mut schema = bounded(not_null(member(name)));
        let description = taken(&mut schema, "description");
        if let (Kind::List, Some(schema)) = (kind, schema.as_object_mut()) {
            schema.insert("maxItems".to_owned(), 256.into());
        }
        let required = required.contains(name);
        parameters.push(json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema}));
    }
    parameters.push(json!({"$ref": "#/components/parameters/Tenant"}));
    if route.method != Method::Get {
        parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
    }
    let answer = Value::from((route.answer)(generator));
    let mut answers = Map::new();
    answers.insert(
        "200".to_owned(),
        json!({"description": "Done.", "content": {"application/json": {"schema": answer}}}),
    );
    for (number, _) in PROBLEMS {
        answers
            .insert(number.to_owned(), json!({"$ref": format!("#/components/responses/{number}")}));
    }
    let mut operation = json!({
        "operationId": route.op,
        "description": variant.get("description").cloned().unwrap_or_default(),
        "tags": [route.resource],
        "x-aob-right": {"verb": route.verb, "resource": route.resource},
        "parameters": parameters,
        "responses": answers,
    });
    let body = match route.body {
        Body::None => None,
        Body::Whole(name) => Some((member(name), true)),
        Body::Members => {
            let elsewhere = |name: &str| {
                name == "op"
                    || route.in_path().any(|known| known == name)
                    || route.query.iter().any(|(known, _)| *known == name)
            };
            let mine = members.iter().filter(|(name, _)| !elsewhere(name));
            let mine: Map<String, Value> =
                mine.map(|(name, schema)| (name.clone(), bounded(schema.clone()))).collect();
            let needed: Vec<&str> =
                required.iter().copied().filter(|name| !elsewhere(name)).collect();
            let is_needed = !needed.is_empty();
            Some((
                json!({"type": "object", "additionalProperties": false, "properties": mine, "required": needed}),
                is_needed,
            ))
        }
    };
    if let (Some((schema, required)), Some(operation)) = (body, operation.as_object_mut()) {
        let content = json!({"schema": schema});
        operation.insert(
            "requestBody".to_owned(),
            json!({"required": required, "content": {"application/json": content}}),
        );
    }
    operation
}

fn responses() -> Value {
    let one = |(number, says): (&str, &str)| {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let mut response = json!({"description": says, "content": {"application/problem+json": {"schema": schema}}});
        let header = match number {
            "429" | "503" => Some(("Retry-After", json!({"type": "integer", "minimum": 0}))),
            "401" => Some(("WWW-Authenticate", json!({"type": "string"}))),
            _ => None,
        };
        if let (Some((name, schema)), Some(response)) = (header, response.as_object_mut()) {
            response.insert("headers".to_owned(), json!({name: {"schema": schema}}));
        }
        (number.to_owned(), response)
    };
    Value::Object(PROBLEMS.into_iter().map(one).collect())
}

fn problem(generator: &mut SchemaGenerator) -> Value {
    let finding = Value::from(generator.subschema_for::<Sent>());
    json!({
        "description": "Why something was not done (RFC 9457), by the catalogue of errors. The first finding gives the number.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "rule", "remedy", "where", "findings"],
        "properties": {
            "type": {"type": "string", "description": "`urn:aob:error:<code>`."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "One sentence about this very case."},
            "code": {"type": "string", "pattern": "^AOB[0-9]{4}$"},
            "rule": {"type": "string"},
            "remedy": {"type": "string"},
            "where": {
                "type": "object",
                "required": ["about", "pointer"],
                "properties": {"about": {"type": "string"}, "pointer": {"type": "string"}},
            },
            "findings": {"type": "array", "minItems": 1, "items": finding},
            "retryAfterMs": {"type": "integer", "minimum": 0},
        },
    })
}

/// A schema of a file of its own as a component: references within it lead there.
fn component(name: &str, text: &str) -> Value {
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        members.remove("$id");
    }
    lead(&mut schema, &format!("#/components/schemas/{name}/"));
    schema
}

fn lead(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                let within = member.as_str().filter(|_| name == "$ref");
                match within.and_then(|within| within.strip_prefix("#/")) {
                    Some(within) => *member = format!("{to}{within}").into(),
                    None => lead(member, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, to)),
        _ => {}
    }
}

/// Without null, which no query can say.
fn not_null(mut schema: Value) -> Value {
    let Some(types) = schema.get("type").and_then(Value::as_array) else { return schema };
    let mut left: Vec<Value> = types.iter().filter(|one| *one != "null").cloned().collect();
    let kind = if left.len() == 1 { left.pop().unwrap_or_default() } else { left.into() };
    if let Some(members) = schema.as_object_mut() {
        members.insert("type".to_owned(), kind);
    }
    schema
}

/// With the largest number that its Rust type, or JSON, holds.
fn bounded(mut schema: Value) -> Value {
    let largest = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => u64::from(u32::MAX),
        Some("uint64") => LARGEST,
        _ => return schema,
    };
    if let Some(members) = schema.as_object_mut() {
        members.insert("maximum".to_owned(), largest.into());
    }
    schema
}

fn taken(schema: &mut Value, name: &str) -> Value {
    schema.as_object_mut().and_then(|members| members.remove(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::document;

    /// Every pointer that is referred to.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str().filter(|_| name == "$ref") {
                        Some(reference) => found.push(reference.to_owned()),
                        None => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
