//! A server that fails twice before each answer.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;

/// Refusals before an answer.
const REFUSALS: usize = 2;
/// Longest head of a request.
const HEAD: usize = 16 * 1024;

/// The server's address, the same at every call; it ends with this process.
pub(crate) fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(start)
}

fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/flaky", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (call, stream) in listener.incoming().flatten().enumerate() {
            // A caller that went away has nothing to be told.
            let _ = answer(stream, call % (REFUSALS + 1) < REFUSALS);
        }
    });
    url
}

fn answer(mut stream: TcpStream, is_refused: bool) -> Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let (status, body) = if is_refused {
        ("503 Service Unavailable", "{}")
    } else {
        ("200 OK", r#"{"ready":true}"#)
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
