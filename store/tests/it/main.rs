//! One suite, two stores: every case of `suite` runs on each of them.

mod embedded;
mod redis;
mod suite;
