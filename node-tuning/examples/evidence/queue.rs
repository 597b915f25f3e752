//! Many connections at once to a listener that is slow to accept.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Of 10,000 that connect, those who are connected within a fifth of a second each, with nothing accepted.
pub(crate) fn connected(backlog: i32) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:9").unwrap();
    // A second `listen` sets the backlog anew.
    rustix::net::listen(&listener, backlog).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while held.len() < 10_000 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    held.len() as f64
}
