//! 40xx the store.

use super::entries;

entries! {
    STORE_EPOCH "AOB4001" "the store restarted while this was under way" "After a restart or failover the store may have forgotten its last moments, so nothing that was decided before it is written." "Ask again."
}
