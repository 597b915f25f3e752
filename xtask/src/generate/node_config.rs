//! The parts of `node_types.rs` that typify does not know: the list of built-in
//! types and the typed view of a node's config.

use std::fmt::Write;

use serde_json::Value;

/// Rust source of `NODE_TYPES`, `NodeConfig`, its `decode` and `encode`.
pub(crate) fn source(types: &[(String, Value)]) -> Result<String, String> {
    let (mut list, mut variants) = (String::new(), String::new());
    let (mut read, mut written) = (String::new(), String::new());
    for (name, schema) in types {
        let title = schema["title"].as_str().ok_or_else(|| format!("{name}: no title"))?;
        let variant = title.strip_suffix("Config");
        let variant =
            variant.ok_or_else(|| format!("{name}: the title `{title}` does not end in Config"))?;
        let words = format!(" {}", schema["description"].as_str().unwrap_or_default());
        write!(list, "({name:?}, include_str!(\"../../node-types/{name}.schema.json\")),")
            .and_then(|()| write!(variants, "#[doc = {words:?}] {variant}({title}),"))
            .and_then(|()| {
                write!(read, "{name:?} => Self::{variant}({title}::deserialize(config)?),")
            })
            .and_then(|()| {
                write!(written, "Self::{variant}(config) => ::serde_json::to_value(config),")
            })
            .map_err(|error| error.to_string())?;
    }
    Ok(format!(
        "{USES}
        /// Name and JSON Schema of every built-in node type, sorted by name.
        pub const NODE_TYPES: &[(&str, &str)] = &[{list}];
        /// Typed view of a node's config, by the node's type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum NodeConfig {{
            {variants}
            /// A type that is not built in, with its config as it stands.
            Other(::serde_json::Value),
        }}
        impl NodeConfig {{
            /// Reads the config of a node of type `kind`, before or after its templates
            /// were rendered. A node without config has the empty object. Fails where
            /// the shape is wrong; lengths, patterns and ranges are the schema's to judge.
            pub fn decode(
                kind: &str,
                config: &::serde_json::Value,
            ) -> ::std::result::Result<Self, ::serde_json::Error> {{
                Ok(match kind {{
                    {read}
                    _ => Self::Other(config.clone()),
                }})
            }}

            /// The config as a document has it; what `decode` has read comes back as it was.
            pub fn encode(&self) -> ::std::result::Result<::serde_json::Value, ::serde_json::Error> {{
                match self {{
                    {written}
                    Self::Other(config) => Ok(config.clone()),
                }}
            }}
        }}"
    ))
}

const USES: &str = "use ::serde::Deserialize;";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_listed_read_and_written() {
        let types =
            [("noop".to_owned(), json!({ "title": "NoopConfig", "description": "Nothing." }))];
        let source = source(&types).unwrap();
        let text = prettyplease::unparse(&syn::parse_str(&source).unwrap());
        assert!(
            text.contains("\"noop\" => Self::Noop(NoopConfig::deserialize(config)?)"),
            "{text}"
        );
        assert!(text.contains("Self::Noop(config) => ::serde_json::to_value(config)"), "{text}");
        assert!(text.contains("node-types/noop.schema.json"), "{text}");
    }

    #[test]
    fn a_title_must_end_in_config() {
        let types = [("noop".to_owned(), json!({ "title": "Noop" }))];
        assert!(source(&types).unwrap_err().contains("noop"));
    }
}
