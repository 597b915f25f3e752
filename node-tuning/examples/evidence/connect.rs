//! Outgoing connections and the ports they hold.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// An address that the kernel does not take for loopback, though nothing leaves the machine.
const HOST: &str = "10.77.0.1";

/// Connections held open until the kernel has no port; counts those whose port is among the NodePorts, or all.
///
/// A process may hold fewer sockets than there are ports, so several hold them. Connections that are closed would not
/// do: on a slow machine their ports come back before the last one is taken.
pub(crate) fn until_refused(of: &str) -> f64 {
    let listener = TcpListener::bind((HOST, 9)).unwrap();
    let address = listener.local_addr().unwrap();
    // Our end stays; the other may go.
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            drop(stream)
        }
    });
    let (mut holders, mut counted) = (Vec::new(), 0.0);
    loop {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["hold", &address.to_string(), of])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        holders.push(holder);
        let (number, why) = line.trim().split_once(' ').unwrap();
        counted += number.parse::<f64>().unwrap();
        if why == "refused" {
            break;
        }
    }
    for holder in &mut holders {
        drop(holder.stdin.take());
        holder.wait().unwrap();
    }
    counted
}

/// One of those processes: holds what it can, says how many were counted and why it stopped, waits for its end.
pub(crate) fn hold(address: &str, of: &str) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let (mut held, mut counted) = (Vec::new(), 0_u32);
    let why = loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                let port = stream.local_addr().unwrap().port();
                counted += u32::from(of == "all" || (30_000..=32_767).contains(&port));
                held.push(stream);
            }
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => break "refused",
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(24), "{error}");
                break "full";
            }
        }
    };
    println!("{counted} {why}");
    drop(std::io::stdin().read_line(&mut String::new()));
}

/// Connections within a time, closed by us at once; no port is waited for.
pub(crate) fn within(time: Duration) -> f64 {
    let listener = TcpListener::bind((HOST, 9)).unwrap();
    let address = listener.local_addr().unwrap();
    let (start, mut counted) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        match connect(&listener, address) {
            Some(_) => counted += 1,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    f64::from(counted)
}

/// One connection; we close first, so that the local port is in TIME-WAIT afterwards. None: no port.
fn connect(listener: &TcpListener, address: SocketAddr) -> Option<u16> {
    let stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
            return None;
        }
    };
    let (accepted, _) = listener.accept().unwrap();
    let port = stream.local_addr().unwrap().port();
    drop(stream);
    // The peer closes when it has seen our end.
    let mut byte = [0];
    assert_eq!(std::io::Read::read(&mut &accepted, &mut byte).unwrap(), 0);
    Some(port)
}

/// Seconds until the kernel gives up a connection that we closed and the peer did not.
pub(crate) fn half_closed() -> f64 {
    let listener = TcpListener::bind((HOST, 9)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_accepted, _) = listener.accept().unwrap();
    let start = Instant::now();
    drop(stream);
    // State 05 is FIN-WAIT-2.
    let waiting = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().skip(1).any(|line| line.split_whitespace().nth(3) == Some("05"))
    };
    while !waiting() {
        assert!(start.elapsed() < Duration::from_secs(5), "never in FIN-WAIT-2");
    }
    while waiting() {
        std::thread::sleep(Duration::from_millis(100));
    }
    start.elapsed().as_secs_f64().round()
}
