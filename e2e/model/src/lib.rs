//! The protocol of store and runner, searched state by state. It is all in `tests/it`; nothing here is built into
//! anything else.
