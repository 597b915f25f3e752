//! The layers that judge an agent's patch, and a way to switch them off one by one, to see that each holds alone. Only
//! built with the feature `layers`, which nothing that ships has: without it all of them judge, known when compiled.

/// A place where agents are counted and their patches judged, each on an input of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Judge {
    /// Before a model is asked and before a patch is sent: the request as the model wrote it.
    Runner = 1,
    /// Whoever receives a patch: the parsed operations, and the document that they make.
    Receiver = 2,
    /// The commit: the compiled graph against the marking.
    Commit = 4,
    /// Where tasks are given out: what the run is, whoever let it become so.
    Dispatch = 8,
}

impl Judge {
    /// All of them, in the order in which a patch meets them.
    pub const ALL: [Self; 4] = [Self::Runner, Self::Receiver, Self::Commit, Self::Dispatch];
}

#[cfg(feature = "layers")]
static ON: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(u8::MAX);

/// Switches off every layer but these, in the whole process.
#[cfg(feature = "layers")]
pub fn leave_on(judges: &[Judge]) {
    let on = judges.iter().fold(0, |on, judge| on | *judge as u8);
    ON.store(on, std::sync::atomic::Ordering::SeqCst);
}

/// Whether this layer judges.
#[cfg(feature = "layers")]
pub fn judges(judge: Judge) -> bool {
    ON.load(std::sync::atomic::Ordering::SeqCst) & judge as u8 != 0
}

/// Whether this layer judges: always.
#[cfg(not(feature = "layers"))]
pub const fn judges(_: Judge) -> bool {
    true
}
