//! Makes typify's types lossless and their documentation short.
//!
//! typify leaves an empty list or map out when it writes, and reads an explicit
//! null as absent. A workflow is digested as written, so absent, empty and null
//! must stay three things: optional collections become `Option`, and an optional
//! value of any shape is read by `crate::present`.

use syn::{Attribute, Field, Item, Type, parse_quote};

/// Rewrites all types of `file` in place.
pub(crate) fn file(file: &mut syn::File) -> Result<(), syn::Error> {
    for item in &mut file.items {
        match item {
            Item::Struct(item) => {
                shorten(&mut item.attrs);
                for field in &mut item.fields {
                    shorten(&mut field.attrs);
                    keep_absent_apart(field)?;
                }
            }
            Item::Enum(item) => {
                shorten(&mut item.attrs);
                for variant in &mut item.variants {
                    shorten(&mut variant.attrs);
                    for field in &mut variant.fields {
                        shorten(&mut field.attrs);
                        keep_absent_apart(field)?;
                    }
                    if !has_doc(&variant.attrs) {
                        let text = variant_doc(variant);
                        variant.attrs.insert(0, parse_quote!(#[doc = #text]));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn keep_absent_apart(field: &mut Field) -> Result<(), syn::Error> {
    let Type::Path(path) = &field.ty else {
        return Ok(());
    };
    let Some(outer) = path.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return Ok(());
    };
    let inner = field.ty.clone();
    let serde = serde_options(field)?;
    match outer.as_str() {
        "Vec" | "BTreeMap" | "Map" if serde.iter().any(|option| option.starts_with("skip_")) => {
            field.ty = parse_quote!(::std::option::Option<#inner>);
            let kept = serde.into_iter().filter(|option| option.starts_with("rename"));
            set_serde(field, kept.chain([skip_absent()]).collect())
        }
        "Option" if argument_name(path).is_some_and(|name| name == "Value") => {
            let kept = serde.into_iter().filter(|option| option.starts_with("rename"));
            let read = [
                "default".to_owned(),
                "deserialize_with = \"crate::present::read\"".to_owned(),
                skip_absent(),
            ];
            set_serde(field, kept.chain(read).collect())
        }
        _ => Ok(()),
    }
}

/// `Value` of `Option<serde_json::Value>`.
fn argument_name(path: &syn::TypePath) -> Option<String> {
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments
    else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(Type::Path(inner)) => {
            Some(inner.path.segments.last()?.ident.to_string())
        }
        _ => None,
    }
}

fn skip_absent() -> String {
    "skip_serializing_if = \"::std::option::Option::is_none\"".to_owned()
}

/// The options of the field's `#[serde(..)]`, as text, each as it is written.
fn serde_options(field: &Field) -> Result<Vec<String>, syn::Error> {
    let mut options = Vec::new();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.require_ident()?.to_string();
            options.push(match meta.value() {
                Ok(value) => format!("{name} = {:?}", value.parse::<syn::LitStr>()?.value()),
                Err(_) => name,
            });
            Ok(())
        })?;
    }
    Ok(options)
}

fn set_serde(field: &mut Field, options: Vec<String>) -> Result<(), syn::Error> {
    field.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
    let options: syn::MetaList = syn::parse_str(&format!("serde({})", options.join(", ")))?;
    field.attrs.push(parse_quote!(#[#options]));
    Ok(())
}

/// Sets documentation the usual way, and drops a copy of the JSON Schema in it.
fn shorten(attributes: &mut [Attribute]) {
    for attribute in attributes {
        let Some(text) = doc_text(attribute) else { continue };
        let words = text.split_once("<details>").map_or(text.as_str(), |(words, _)| words);
        let words = format!(" {}", words.trim());
        *attribute = parse_quote!(#[doc = #words]);
    }
}

fn has_doc(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("doc"))
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
        return None;
    };
    pair.path.is_ident("doc").then(|| text.value())
}

/// How the variant is written in JSON.
fn variant_doc(variant: &syn::Variant) -> String {
    let mut text = variant.ident.to_string();
    if matches!(variant.fields, syn::Fields::Unnamed(_)) {
        return format!(" Written as {}.", text.to_lowercase());
    }
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let renamed = attribute.parse_args::<syn::MetaNameValue>();
        if let Ok(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. })) =
            renamed.map(|pair| pair.value)
        {
            text = name.value();
        }
    }
    format!(" `{text}`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> String {
        let mut parsed = syn::parse_str(source).unwrap();
        file(&mut parsed).unwrap();
        prettyplease::unparse(&parsed)
    }

    #[test]
    fn an_optional_list_becomes_an_option() {
        let text = rewritten(
            "struct S { #[serde(rename = \"b\", default, skip_serializing_if = \"::std::vec::Vec::is_empty\")] a: ::std::vec::Vec<u8> }",
        );
        assert!(text.contains("a: ::std::option::Option<::std::vec::Vec<u8>>"), "{text}");
        assert!(text.contains("rename = \"b\""), "{text}");
        assert!(!text.contains("is_empty"), "{text}");
    }

    #[test]
    fn a_required_list_stays() {
        let source = "struct S {\n    a: ::std::vec::Vec<u8>,\n}\n";
        assert_eq!(rewritten(source), source);
    }

    #[test]
    fn an_optional_value_keeps_null_apart() {
        let text = rewritten("struct S { a: ::std::option::Option<::serde_json::Value> }");
        assert!(text.contains("deserialize_with = \"crate::present::read\""), "{text}");
    }

    #[test]
    fn variants_say_how_they_are_written() {
        let text = rewritten("enum E { #[serde(rename = \"all\")] All }");
        assert!(text.contains("/// `all`."), "{text}");
    }
}
