//! Runs from start to end in one process, on the store without a journal.

mod local;
