//! Whole workflows on real servers and in real processes, some of which are killed.
//!
//! What a test measured is printed at its end, with the time it took. Times and numbers can be set by the
//! environment (`AOB_CRASH_SECONDS`, `AOB_CRASH_RUNS`, `AOB_SHORT_RUNS`, `AOB_AOF_ALL`, `AOB_FOLLOWERS`,
//! `AOB_WORKER_TASKS`, `AOB_HAMMER_SECONDS`, `AOB_SEED`); `cargo xtask soak` does.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod afar;
#[cfg(test)]
mod aof;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fanout;
#[cfg(test)]
mod flaky;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod hammer;
#[cfg(test)]
mod history;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod local;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod past;
#[cfg(test)]
mod patch;
#[cfg(test)]
mod process;
#[cfg(test)]
mod python;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod turn;
#[cfg(test)]
mod worker;
#[cfg(test)]
mod workers;
