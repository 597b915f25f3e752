//! The protocol's model is in `tests/it`: see there.
