//! The one table of routes: how each [`Request`] looks over HTTP, and which right it needs. The server, the client,
//! the OpenAPI document and the page of rights read it.

mod decode;
mod encode;
pub mod page;
mod table;

use aob_engine::catalogue::Entry;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) use decode::LARGEST;
pub use encode::{Encoded, encode};
pub use table::ROUTES;

#[cfg(doc)]
use crate::operation::Request;

/// What every path begins with.
pub const ROOT: &str = "/api/v1";
/// The query parameter that every route takes: whose runs are meant.
pub const TENANT: &str = "tenant";

/// How one kind of request looks.
#[derive(Debug)]
pub struct Route {
    /// The `op` of the request.
    pub op: &'static str,
    /// Method.
    pub method: Method,
    /// Path below [`ROOT`]; members of the request in braces.
    pub path: &'static str,
    /// Members of the request that are query parameters.
    pub query: &'static [(&'static str, Kind)],
    /// Which members are in the body.
    pub body: Body,
    /// What the caller must be allowed to do, to `resource`.
    pub verb: &'static str,
    /// `runs`, `workflows`, `runpatches`, `gates`, `nodetypes`, `tasks`, `api`.
    pub resource: &'static str,
    /// The error that an answer of null is over HTTP.
    pub missing: Option<&'static Entry>,
    /// Schema of the answer.
    pub answer: fn(&mut SchemaGenerator) -> Schema,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// Does something.
    Post,
    /// Makes it so.
    Put,
    /// Takes something away.
    Delete,
}

/// What a query parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number from 0.
    Number,
    /// `true` or `false`.
    Flag,
    /// Texts: the parameter may be given several times.
    List,
}

/// What a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// Every member that is neither in the path nor in the query.
    Members,
    /// One member, as a whole.
    Whole(&'static str),
}

impl Method {
    /// As HTTP has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Route {
    const fn new(
        method: Method,
        op: &'static str,
        path: &'static str,
        right: (&'static str, &'static str),
        answer: fn(&mut SchemaGenerator) -> Schema,
    ) -> Self {
        let body = match method {
            Method::Get | Method::Delete => Body::None,
            Method::Post | Method::Put => Body::Members,
        };
        let (verb, resource) = right;
        Self { op, method, path, query: &[], body, verb, resource, missing: None, answer }
    }

    const fn query(self, query: &'static [(&'static str, Kind)]) -> Self {
        Self { query, ..self }
    }

    const fn whole(self, member: &'static str) -> Self {
        Self { body: Body::Whole(member), ..self }
    }

    const fn missing(self, entry: &'static Entry) -> Self {
        Self { missing: Some(entry), ..self }
    }

    /// The route of this `op`.
    pub fn of(op: &str) -> Option<&'static Self> {
        ROUTES.iter().find(|route| route.op == op)
    }

    /// Members of the request that are in the path.
    pub fn in_path(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The schema of a type, by reference.
fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
