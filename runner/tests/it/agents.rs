//! Agents in runs on the store without a journal, with a model that says what a test has it say.

mod attacks;
mod budgets;
mod children;
mod day;
mod failures;
mod feedback;
mod fuzz;
mod injected;
mod layers;
mod patches;
mod prefix;
mod scripted;
mod served;
mod stale;
mod tiers;
mod tree;
