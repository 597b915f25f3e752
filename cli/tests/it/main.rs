//! The command as a person or a script uses it: the built binary on data directories of its own.

mod answer;
mod errors;
mod files;
mod look;
mod owner;
mod place;
mod run;
mod stop;
mod words;
