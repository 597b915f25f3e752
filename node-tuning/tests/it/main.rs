//! Tests on trees of files that stand for machines, and on this machine within namespaces of its own.

mod agent;
mod back;
mod command;
mod division;
mod others;
mod profiles;
mod tree;
