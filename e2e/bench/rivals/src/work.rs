//! The work every system is given: steps that do nothing and return a fixed output.

/// Bytes that one step returns and its system has to make durable.
pub const STEP_OUTPUT_BYTES: usize = 128;

/// The output of one step: [`STEP_OUTPUT_BYTES`] of text.
pub fn step_output() -> String {
    "x".repeat(STEP_OUTPUT_BYTES)
}

/// What a run of `steps` steps has to return: the bytes of all its outputs, so that a run
/// that skipped a step or lost an output is seen.
pub fn expected_bytes(steps: u32) -> u32 {
    steps * STEP_OUTPUT_BYTES as u32
}

/// The bytes in one step's output, as a run adds them up.
pub fn bytes_of(output: &str) -> u32 {
    u32::try_from(output.len()).unwrap_or(u32::MAX)
}
