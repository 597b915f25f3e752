//! Arguments of the store's functions on a real server: whatever they are, the function answers or refuses, the
//! server stays up, and a refusal has written nothing.
#![no_main]

use std::sync::{LazyLock, Mutex};

use aob_store::redis::RedisStore;
use aob_store::testing::{RedisServer, ServerOptions};
use libfuzzer_sys::fuzz_target;

const FUNCTIONS: [&str; 9] = ["aob1_commit", "aob1_open", "aob1_beat", "aob1_report", "aob1_sweep", "aob1_hold", "aob1_drop", "aob1_watch", "aob1_settle"];

static SERVER: LazyLock<Mutex<(RedisServer, redis::Connection)>> = LazyLock::new(|| {
    let options = ServerOptions { appendfsync: None, ..ServerOptions::default() };
    let server = RedisServer::start(options).expect("a server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Opening loads the functions; they stay.
    drop(runtime.block_on(RedisStore::open(&server.url())).expect("a store"));
    let client = redis::Client::open(server.url()).expect("an address");
    let connection = client.get_connection().expect("a connection");
    Mutex::new((server, connection))
});

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    let mut parts = rest.split(|&byte| byte == 0xff);
    let keys = usize::from(choice >> 4);
    let mut command = redis::cmd("FCALL");
    command.arg(FUNCTIONS[usize::from(choice & 15) % FUNCTIONS.len()]).arg(keys);
    for number in 0..keys {
        command.arg(parts.next().map_or_else(|| format!("aob:{{s0}}:run:{number}").into_bytes(), <[u8]>::to_vec));
    }
    for part in parts {
        command.arg(part);
    }
    let mut guard = SERVER.lock().expect("one at a time");
    let connection = &mut guard.1;
    let size = |connection: &mut redis::Connection| redis::cmd("DBSIZE").query::<u64>(connection).expect("the server is up");
    let before = size(connection);
    let answer: redis::RedisResult<redis::Value> = command.query(connection);
    let after = size(connection);
    if answer.is_err() {
        assert_eq!(before, after, "a refusal writes nothing: {answer:?}");
    }
});
