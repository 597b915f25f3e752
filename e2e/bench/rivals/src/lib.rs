//! Two other durable execution systems, run as their makers ship them and put under the
//! same closed-loop load as AOB: Restate (its server, handlers by its Rust SDK) and DBOS
//! for Rust on PostgreSQL.
//!
//! A *cell* is one measurement: a system, a shape, a number of clients, a time. The binary
//! `rivals` starts the servers and answers cells; `rival-restate` and `rival-dbos` load a
//! server that already runs.

pub mod cell;
pub mod dbos;
pub mod fleet;
pub mod host;
pub mod load;
pub mod restate;
pub mod work;
