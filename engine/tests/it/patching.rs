//! Patched runs as data: what is asked of them, how they are played, compared, made smaller and told.

pub(crate) mod edit;
pub(crate) mod hostile;
pub(crate) mod play;
pub(crate) mod request;
pub(crate) mod same;
pub(crate) mod shrink;
pub(crate) mod trail;
pub(crate) mod twin;
pub(crate) mod watch;
