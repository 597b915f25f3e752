//! The functions of the language: which there are, with how many arguments, and why others are not.

/// A function; methods take what they are called on as their first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    Sum,
    Least,
    Greatest,
    String,
    Int,
    Double,
    Bool,
    Dyn,
}

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Plain,
    /// `x.f()`
    Method,
    /// `math.f(x)`
    Math,
}

/// The function with this name and form, and how many arguments it takes at least and at most, what it
/// is called on not counted.
pub(super) fn find(form: Form, name: &str) -> Option<(Function, usize, usize)> {
    use Function as F;
    let found = match (form, name) {
        (Form::Plain, "size") => (F::Size, 1, 1),
        (Form::Plain, "string") => (F::String, 1, 1),
        (Form::Plain, "int") => (F::Int, 1, 1),
        (Form::Plain, "double") => (F::Double, 1, 1),
        (Form::Plain, "bool") => (F::Bool, 1, 1),
        (Form::Plain, "dyn") => (F::Dyn, 1, 1),
        (Form::Math, "least") => (F::Least, 1, super::MAX_LITERAL),
        (Form::Math, "greatest") => (F::Greatest, 1, super::MAX_LITERAL),
        (Form::Method, "size") => (F::Size, 0, 0),
        (Form::Method, "contains") => (F::Contains, 1, 1),
        (Form::Method, "startsWith") => (F::StartsWith, 1, 1),
        (Form::Method, "endsWith") => (F::EndsWith, 1, 1),
        (Form::Method, "lowerAscii") => (F::LowerAscii, 0, 0),
        (Form::Method, "upperAscii") => (F::UpperAscii, 0, 0),
        (Form::Method, "trim") => (F::Trim, 0, 0),
        (Form::Method, "split") => (F::Split, 1, 2),
        (Form::Method, "join") => (F::Join, 0, 1),
        (Form::Method, "replace") => (F::Replace, 2, 3),
        (Form::Method, "substring") => (F::Substring, 1, 2),
        (Form::Method, "sum") => (F::Sum, 0, 0),
        (Form::Method, "min") => (F::Least, 0, 0),
        (Form::Method, "max") => (F::Greatest, 0, 0),
        _ => return None,
    };
    Some(found)
}

/// Why there is no such function, and what to use.
pub(super) fn unknown(form: Form, name: &str) -> String {
    let reason = match name {
        "timestamp" | "duration" | "getFullYear" | "getMonth" | "getDate" | "getHours"
        | "getMinutes" | "getSeconds" => {
            "there are no times in expressions; keep them as text and compare RFC 3339 text in UTC, or use a `delay` node"
        }
        "now" => "expressions see no clock; use `run.startedAt`",
        "uint" => "there is no unsigned type; use `int(x)`",
        "bytes" | "encode" | "decode" => "there are no bytes in expressions; keep data as text",
        "type" => "`type(x)` can only be compared: `type(x) == string`",
        "has" => "`has` takes one field: `has(nodes.x.output)`",
        "all" | "exists" | "exists_one" | "existsOne" | "filter" | "map" => {
            "a macro is called on a list with a name and an expression: `list.map(x, x.id)`"
        }
        _ => match form {
            Form::Plain if find(Form::Method, name).is_some() => "it is a method: `x.f(..)`",
            Form::Method if find(Form::Plain, name).is_some() => "it is no method: `f(x)`",
            _ => {
                "there are size, string, int, double, bool, contains, startsWith, endsWith, matches, lowerAscii, \
                 upperAscii, trim, split, join, replace, substring, sum, min, max, math.least, math.greatest, and the \
                 macros has, all, exists, exists_one, map, filter"
            }
        },
    };
    format!("no function `{name}` here: {reason}")
}

/// How the call must look, if the number of arguments is wrong.
pub(super) fn wrong_count(name: &str, least: usize, most: usize, given: usize) -> String {
    let wanted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    format!("`{name}` takes {wanted} arguments, {given} are given")
}
