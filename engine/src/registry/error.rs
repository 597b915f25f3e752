use super::{MAX_SCHEMA, MAX_TYPES};

/// Why a type cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Bare names are the engine's own.
    #[error(
        "`{name}` cannot name a registered type: it needs a dot, and lower-case letters, digits, `_`, `.`, `-`"
    )]
    Name {
        /// The name given.
        name: String,
    },
    /// There is one already.
    #[error("the type `{name}` is registered already")]
    Taken {
        /// The name given.
        name: String,
    },
    /// Its schema is none.
    #[error("the schema of type `{name}` cannot be used: {reason}")]
    Schema {
        /// The type.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its schema is too large.
    #[error("the schema of type `{name}` is larger than {MAX_SCHEMA} bytes")]
    Size {
        /// The type.
        name: String,
    },
    /// No further type.
    #[error("more than {MAX_TYPES} types are registered")]
    Full,
}
