//! DBOS for Rust: a library in the process of its clients, on PostgreSQL.

mod postgres;
mod workflows;

pub use postgres::Postgres;
pub use workflows::{Application, Runner};
