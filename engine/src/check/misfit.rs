//! What a JSON Schema refuses, in words of our own: which field, what it is, what it must be.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::suggest::{did_you_mean, quote};

/// Most misfits that are gathered from one value.
const MOST: usize = 50;

/// One thing that a schema refuses.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// JSON pointer into the judged value.
    pub(crate) pointer: String,
    /// The schema's keyword: `pattern`, `required`.
    pub(crate) keyword: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
}

/// Everything that the schema refuses in a value, up to a bound. `spared` says which errors do not count.
pub(crate) fn judge(
    validator: &Validator,
    schema: &Value,
    value: &Value,
    spared: impl Fn(&ValidationError<'_>) -> bool,
) -> Vec<Misfit> {
    let errors = validator.iter_errors(value).filter(|error| !spared(error));
    errors.take(MOST).flat_map(|error| explain(&error, schema)).take(MOST).collect()
}

fn explain(error: &ValidationError<'_>, schema: &Value) -> Vec<Misfit> {
    let pointer = error.instance_path().as_str();
    let place = place(pointer);
    let rule = Rule::of(error, schema);
    let misfit = |keyword, message: String| Misfit {
        pointer: pointer.to_owned(),
        keyword,
        message,
        remedy: rule.example(),
    };
    let one = |keyword, message: String| vec![misfit(keyword, message)];
    let instance = error.instance().as_ref();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected
                .iter()
                .take(MOST)
                .map(|field| unexpected_field(pointer, &place, field, &rule))
                .collect()
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            one("required", format!("{place} has no {}, which it needs", quote(name)))
        }
        Kind::Type { kind } => {
            one("type", format!("{place} is {}, but must be {}", told(instance), types(kind)))
        }
        Kind::Enum { options } => {
            let options: Vec<&str> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .take(20)
                .collect();
            let meant = instance
                .as_str()
                .map(|text| did_you_mean(text, options.iter().copied()))
                .unwrap_or_default();
            one(
                "enum",
                format!(
                    "{place} is {}, but must be one of {}{meant}",
                    told(instance),
                    options.join(", ")
                ),
            )
        }
        Kind::Constant { expected_value } => one(
            "const",
            format!("{place} is {}, but must be {}", told(instance), told(expected_value)),
        ),
        Kind::Pattern { .. } => one(
            "pattern",
            format!("{place} is {}, which does not fit{}", told(instance), rule.meaning()),
        ),
        Kind::Format { format } => {
            one("format", format!("{place} is {}, which is no {format}", told(instance)))
        }
        Kind::Minimum { limit } => {
            one("minimum", format!("{place} is {}, but must be at least {limit}", told(instance)))
        }
        Kind::Maximum { limit } => {
            one("maximum", format!("{place} is {}, but must be at most {limit}", told(instance)))
        }
        Kind::ExclusiveMinimum { limit } => one(
            "exclusiveMinimum",
            format!("{place} is {}, but must be more than {limit}", told(instance)),
        ),
        Kind::ExclusiveMaximum { limit } => one(
            "exclusiveMaximum",
            format!("{place} is {}, but must be less than {limit}", told(instance)),
        ),
        Kind::MinLength { limit } => {
            one("minLength", format!("{place} must have at least {limit} characters"))
        }
        Kind::MaxLength { limit } => {
            one("maxLength", format!("{place} must have at most {limit} characters"))
        }
        Kind::MinItems { limit } => {
            one("minItems", format!("{place} must have at least {limit} items"))
        }
        Kind::MaxItems { limit } => {
            one("maxItems", format!("{place} must have at most {limit} items"))
        }
        Kind::MinProperties { limit } => {
            one("minProperties", format!("{place} must have at least {limit} fields"))
        }
        Kind::MaxProperties { limit } => {
            one("maxProperties", format!("{place} must have at most {limit} fields"))
        }
        Kind::UniqueItems => {
            one("uniqueItems", format!("{place} must not hold the same item twice"))
        }
        Kind::FalseSchema => {
            one("falseSchema", format!("{place} may not be given here{}", beside(error)))
        }
        Kind::PropertyNames { .. } => {
            one("propertyNames", format!("{place} has a key that may not be one"))
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => one(
            "anyOf",
            format!("{place} is {}, which fits none of the allowed forms", told(instance)),
        ),
        Kind::OneOfMultipleValid { .. } => {
            one("oneOf", format!("{place} fits several forms of which only one is allowed"))
        }
        other => one(
            "other",
            format!("{place} does not fit the rule `{}` of its schema", other.keyword()),
        ),
    }
}

/// The part of the schema that an error comes from.
struct Rule<'s> {
    parent: Option<&'s Value>,
}

impl<'s> Rule<'s> {
    fn of(error: &ValidationError<'_>, schema: &'s Value) -> Self {
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent));
        Self { parent }
    }

    fn meaning(&self) -> String {
        let description =
            self.parent.and_then(|rule| rule.get("description")).and_then(Value::as_str);
        description.map(|text| format!(": {}", text.trim_end_matches('.'))).unwrap_or_default()
    }

    fn example(&self) -> Option<String> {
        let examples = self.parent?.get("examples")?.as_array()?;
        let short = examples.iter().map(plain).filter(|example| example.len() <= 80);
        let shown: Vec<String> = short.take(3).map(|example| format!("`{example}`")).collect();
        (!shown.is_empty()).then(|| format!("Write it like {}.", shown.join(" or ")))
    }

    fn fields(&self) -> impl Iterator<Item = &'s str> {
        let properties =
            self.parent.and_then(|rule| rule.get("properties")).and_then(Value::as_object);
        properties.into_iter().flat_map(|map| map.keys().map(String::as_str))
    }
}

fn unexpected_field(pointer: &str, place: &str, field: &str, rule: &Rule<'_>) -> Misfit {
    let meant = did_you_mean(field, rule.fields());
    let known: Vec<&str> = rule.fields().take(30).collect();
    let remedy = match known.as_slice() {
        [] => "Remove it: there are no fields here.".to_owned(),
        known => format!("Use one of {}, or remove it.", known.join(", ")),
    };
    let segment = crate::issue::excerpt(field).replace('~', "~0").replace('/', "~1");
    let pointer =
        if field.len() > 80 { pointer.to_owned() } else { format!("{pointer}/{segment}") };
    let message = format!("{place} has no field {}{meant}", quote(field));
    Misfit { pointer, keyword: "additionalProperties", message, remedy: Some(remedy) }
}

/// `x` and `y` of a schema `dependentSchemas: {x: {properties: {y: false}}}`.
fn beside(error: &ValidationError<'_>) -> String {
    let mut segments = error.schema_path().as_str().split('/');
    let other =
        segments.find(|segment| *segment == "dependentSchemas").and_then(|_| segments.next());
    other.map(|other| format!(", beside {}", quote(other))).unwrap_or_default()
}

/// `spec.nodes[3].retry`, from a JSON pointer.
pub(crate) fn place(pointer: &str) -> String {
    if pointer.is_empty() {
        return "it".to_owned();
    }
    let mut text = String::new();
    for segment in pointer.split('/').skip(1) {
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push('[');
            text.push_str(segment);
            text.push(']');
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&segment.replace("~1", "/").replace("~0", "~"));
        }
    }
    quote(&text)
}

/// A value from outside, short: text and numbers themselves, else their kind.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(crate::issue::excerpt(text)).to_string(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn types(kind: &TypeKind) -> String {
    let named = |name: &str| match name {
        "object" => "an object".to_owned(),
        "array" => "a list".to_owned(),
        "integer" => "a whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        "string" => "text".to_owned(),
        name => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(single) => named(single.as_str()),
        TypeKind::Multiple(set) => {
            set.iter().map(|one| named(one.as_str())).collect::<Vec<_>>().join(" or ")
        }
    }
}
