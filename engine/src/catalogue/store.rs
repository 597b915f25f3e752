//! 40xx the store.

use super::entries;

entries! {
}
