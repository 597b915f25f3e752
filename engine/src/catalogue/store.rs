//! 40xx the store.

use super::entries;

entries! {
    STORE_EPOCH "AOB4001" "the store restarted while this was under way" "After a restart or failover the store may have forgotten its last moments, so nothing that was decided before it is written." "Ask again."
    STORE_FULL "AOB4002" "no new runs are taken for now" "Above 80 percent of the server's memory limit starts are refused, so that runs under way can finish." "Raise maxmemory, drop finished runs sooner (`retention`), or wait."
    STORE_UNFIT "AOB4003" "the server cannot be used as a store" "Redis 7.0 or Valkey 8 and later, not a replica, not in cluster mode, with `maxmemory-policy noeviction`: a store that may forget keys loses runs." "Change the setting named, or use another server."
    STORE_OWNED "AOB4004" "the data directory is in use" "One process owns a data directory; the others ask it." "Stop the process named, or use another directory with `--data`."
    STORE_UNREACHABLE "AOB4005" "the store cannot be reached" "Every step is written to the store before it counts." "Check its address and that it runs; then ask again: what was written counts once."
    STORE_CORRUPT "AOB4006" "what is stored cannot be read" "A record that does not have its form is never guessed at." "Restore the store from a backup, or cancel the run named; please report it if nobody changed the data by hand."
    STORE_LIMIT "AOB4007" "a request to the store breaks a limit" "Every request is bounded: 128 items and a run once in a commit, 16 MiB in an item." "Send less at once."
    ARCHIVE_UNFIT "AOB4009" "there can be no archive there" "Runs that leave go to a folder or a bucket: `file:///DIR` or `s3://BUCKET/FOLDER`. S3 takes its region, keys and endpoint from `AWS_*` in the environment." "Change the address, or make the folder."
    STORE_DISK "AOB4008" "the disk refused to write or read" "What cannot be made durable is not acknowledged." "Free space, or mend the permissions of the data directory."
}
