//! What one evaluation may use up.

use super::eval::{Fail, fail};

/// The most steps of one expression: each operation and each element looked at is one, and so are every
/// 64 bytes of text.
pub const MAX_STEPS: u32 = 100_000;
/// The most steps of all expressions of one template together.
pub const MAX_TEMPLATE_STEPS: u32 = 1_000_000;
/// The most bytes of text that one evaluation may put together.
pub const MAX_BUILT: usize = 1 << 20;
/// The most bytes of a result, a scalar counted as 8: what is copied out of outputs and inputs.
pub const MAX_RESULT: usize = 4 << 20;

/// What is left of the bounds; shared by the expressions of a template.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u32,
    built: usize,
    copied: usize,
}

impl Budget {
    /// With this many steps.
    pub(super) fn new(steps: u32) -> Self {
        Self { steps, built: MAX_BUILT, copied: MAX_RESULT }
    }

    /// The steps of one expression, taken out of those that are left.
    pub(super) fn lend(&mut self) -> Self {
        let steps = self.steps.min(MAX_STEPS);
        self.steps -= steps;
        Self { steps, built: self.built, copied: self.copied }
    }

    /// What an expression left of the steps lent.
    pub(super) fn give_back(&mut self, rest: &Self) {
        self.steps += rest.steps;
        (self.built, self.copied) = (rest.built, rest.copied);
    }

    /// Uses up steps.
    pub(super) fn step(&mut self, count: usize) -> Result<(), Fail> {
        match u32::try_from(count).ok().and_then(|count| self.steps.checked_sub(count)) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                let message = format!(
                    "evaluation takes more than {MAX_STEPS} steps, or {MAX_TEMPLATE_STEPS} for all \
                     expressions of one value together"
                );
                Err(fail("budget", message))
            }
        }
    }

    /// Uses up the steps for looking through so many bytes of text.
    pub(super) fn look(&mut self, bytes: usize) -> Result<(), Fail> {
        self.step(bytes / 64)
    }

    /// Uses up room for a text of so many bytes; asked before it is put together.
    pub(super) fn build(&mut self, bytes: usize) -> Result<(), Fail> {
        match self.built.checked_sub(bytes) {
            Some(left) => {
                self.built = left;
                Ok(())
            }
            None => Err(fail(
                "budget",
                format!("the expression puts together more than {MAX_BUILT} bytes of text"),
            )),
        }
    }

    /// Uses up room in the result; asked before it is copied.
    pub(super) fn copy(&mut self, bytes: usize) -> Result<(), Fail> {
        match self.copied.checked_sub(bytes) {
            Some(left) => {
                self.copied = left;
                Ok(())
            }
            None => Err(fail("budget", format!("the result has more than {MAX_RESULT} bytes"))),
        }
    }
}
