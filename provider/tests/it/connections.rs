//! Few connections, kept; lost ones lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aob_provider::script::{Fault, Reply, Rule, Script, Server};
use aob_provider::{Dialect, Key, Kind, Limits, Models, Provider, Settings, Spent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ask::{DIALECTS, KEY, answer, ask, at, limits, scripted};

async fn all_at_once(models: &Models, dialect: Dialect, count: usize) -> Vec<String> {
    let asked = (0..count).map(|n| {
        let (models, question) = (models.clone(), ask(dialect, &format!("number {n}!")));
        tokio::spawn(async move { answer(&models, &question).await.unwrap().text })
    });
    let mut texts = Vec::new();
    for one in asked.collect::<Vec<_>>() {
        texts.push(one.await.unwrap());
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_open_at_most_three_connections() {
    for dialect in DIALECTS {
        // None is answered before all are under way.
        let all = Fault { gather: Some(200), ..Fault::default() };
        let rule = Rule::when("number (\\d+)!", Reply::text("of {{1}}")).with(all);
        let script = Script::new(vec![rule]);
        let (server, models) = scripted(dialect, script).await;
        for round in 1..=2 {
            let texts = all_at_once(&models, dialect, 200).await;
            let expected: Vec<String> = (0..200).map(|n| format!("of {n}")).collect();
            assert_eq!(texts, expected, "{dialect:?}");
            assert_eq!(
                (server.connections(), models.opened(name(dialect))),
                (3, 3),
                "{dialect:?}, round {round}"
            );
        }
        assert_eq!(server.asked().len(), 400);
    }
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Responses => "openai",
        Dialect::Messages => "anthropic",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_1_each_call_has_a_connection_that_is_kept() {
    let dialect = Dialect::Chat;
    let slow = Fault { before_ms: 300, ..Fault::default() };
    let script =
        Script::new(vec![Rule::when("number (\\d+)!", Reply::text("of {{1}}")).with(slow)]);
    let server = Server::start(script).await.unwrap();
    let provider = Provider::new(dialect, server.base_url().parse().unwrap());
    let settings = Settings {
        providers: [("openai".to_owned(), provider)].into(),
        limits: Limits { connections: 4, ..limits() },
        ..Settings::default()
    };
    let models = Models::new(settings).unwrap();
    for _ in 0..2 {
        assert_eq!(all_at_once(&models, dialect, 10).await.len(), 10);
        assert_eq!(server.connections(), 4);
    }
    // Whoever is cut off leaves his place to others.
    let question = ask(dialect, "number 1!");
    let given_up = answer(&models, &question);
    assert!(tokio::time::timeout(Duration::from_millis(50), given_up).await.is_err());
    assert_eq!(all_at_once(&models, dialect, 10).await.len(), 10);
    assert!(server.connections() <= 5, "{}", server.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_amid_answers_loses_none_of_them() {
    for dialect in DIALECTS {
        let text = "word ".repeat(60);
        let leaves = Fault { goaway_after: Some(3), between_ms: 5, ..Fault::default() };
        let script = Script::new(vec![
            Rule::when("number 7!", Reply::text(&text)).with(leaves),
            Rule::always(Reply::text(&text)).with(Fault { between_ms: 5, ..Fault::default() }),
        ]);
        let (server, models) = scripted(dialect, script).await;
        let texts = all_at_once(&models, dialect, 40).await;
        assert!(texts.iter().all(|one| *one == text), "{dialect:?}");
        // Who comes later finds another connection.
        assert_eq!(answer(&models, &ask(dialect, "later")).await.unwrap().text, text);
        assert!(server.connections() >= 2, "{dialect:?}: the goodbye came too late to be one");
        assert_eq!(server.asked().len(), 41, "{dialect:?}: one was asked twice");
    }
}

/// A reset at what a client still says would cost it answers that it has not read yet.
#[tokio::test]
async fn who_has_heard_the_last_word_may_still_speak() {
    let server = Server::start(Script::new(Vec::new())).await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    // More than the kernel holds for somebody who does not read.
    stream.write_all(&vec![0; 16 << 20]).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_may_have_cost_it() {
    for dialect in DIALECTS {
        let dropped = Fault { drop_connection: true, ..Fault::default() };
        let script = Script::new(vec![
            Rule::always(Reply::text("x")).with(dropped).times(1),
            Rule::always(Reply::text("again")),
        ]);
        let (server, models) = scripted(dialect, script).await;
        let question = ask(dialect, "?");
        let error = answer(&models, &question).await.unwrap_err();
        assert_eq!((error.kind, error.sent, error.is_retryable), (Kind::Cut, 1, true), "{error}");
        assert_eq!(error.spent.cost, models.estimate(&question).unwrap().most_cost);
        assert_eq!(answer(&models, &question).await.unwrap().text, "again");
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn nobody_at_the_other_end_is_told_soon() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let models =
        at(Dialect::Chat, &format!("http://{address}/v1"), Limits { retries: 1, ..limits() });
    let error = answer(&models, &ask(Dialect::Chat, "?")).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.spent),
        (Kind::Unreachable, 2, Spent::NOTHING),
        "{error}"
    );
    assert!(error.message.contains(&address.to_string()), "{error}");
}

/// Passes bytes on, each way so much later.
async fn delayed(
    to: std::net::SocketAddr,
    by: Duration,
) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                // A handshake of TCP takes one way there and one back.
                tokio::time::sleep(by * 2).await;
                let far = TcpStream::connect(to).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::join!(pass(near_in, far_out, by), pass(far_in, near_out, by))
            });
        }
    });
    (address, connections)
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    by: Duration,
) {
    let (send, mut receive) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    let read = async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            if send.send((Instant::now() + by, piece[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receive.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// A server with TLS behind a line that takes so long each way, and who asks it: answered when `gather` have asked.
async fn far_away(way: Duration, gather: Option<u64>) -> (Server, Models, Arc<AtomicUsize>) {
    let folder = tempfile::tempdir().unwrap();
    let (authority, tls) = crate::tls::certificate(folder.path());
    let together = Fault { gather, ..Fault::default() };
    let rule = Rule::when("(number \\d+)?", Reply::text("of {{1}}")).with(together);
    let script = Script::new(vec![rule]).with_key(KEY);
    let server = Server::on(script, "127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
    let (address, connections) = delayed(server.address(), way).await;
    let url = format!("https://localhost:{}/v1", address.port()).parse().unwrap();
    let mut provider = Provider::new(Dialect::Messages, url).with_key(Key::new(KEY));
    provider.authorities = authority;
    let providers = [("anthropic".to_owned(), provider)].into();
    let settings = Settings { providers, limits: limits(), ..Settings::default() };
    (server, Models::new(settings).unwrap(), connections)
}

/// While a connection is being made, those who come wait for it, and open no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_who_come_before_any_connection_stands_open_three() {
    let way = Duration::from_millis(25);
    let (_server, models, connections) = far_away(way, Some(200)).await;
    assert_eq!(all_at_once(&models, Dialect::Messages, 200).await.len(), 200);
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_connection_saves_the_handshake() {
    let way = Duration::from_millis(25);
    let (_server, models, connections) = far_away(way, None).await;
    let mut took = Vec::new();
    for _ in 0..6 {
        let began = Instant::now();
        answer(&models, &ask(Dialect::Messages, "?")).await.unwrap();
        took.push(began.elapsed());
    }
    let warm = took[1..].iter().min().unwrap();
    println!("first {:?}, warm {warm:?}, all {took:?}", took[0]);
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    // Round trips less: TCP's and TLS's. How much that is on a busy machine is printed.
    assert!(*warm < took[0], "{took:?}");
    assert!(*warm >= way * 2, "{took:?}");
}
