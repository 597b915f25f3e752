//! A server that says goodbye in ways that no good server does, written frame by frame.

use aob_provider::{Dialect, Kind, Spent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ask::{answer, ask, at, limits};

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;

async fn frame(stream: &mut TcpStream, kind: u8, of: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, 0];
    bytes.extend_from_slice(&of.to_be_bytes());
    bytes.extend_from_slice(payload);
    // Whoever has gone away reads it no more.
    let _ = stream.write_all(&bytes).await;
}

/// Takes connections, and answers the first question on each with these frames: kind, whether of that stream, payload.
async fn answering(
    frames: &'static [(u8, bool, &'static [u8])],
    closes: bool,
) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let questions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = questions.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = count.clone();
            tokio::spawn(async move {
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).await.unwrap();
                frame(&mut stream, SETTINGS, 0, &[]).await;
                loop {
                    let mut head = [0; 9];
                    if stream.read_exact(&mut head).await.is_err() {
                        return;
                    }
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    let mut payload = vec![0; length];
                    stream.read_exact(&mut payload).await.unwrap();
                    if head[3] != HEADERS {
                        continue;
                    }
                    count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    for (kind, is_of_stream, payload) in frames {
                        frame(&mut stream, *kind, if *is_of_stream { of } else { 0 }, payload)
                            .await;
                    }
                    if closes {
                        return;
                    }
                }
            });
        }
    });
    (url, questions)
}

/// GOAWAY whose last stream is 0: the question was not looked at. So it is asked elsewhere at once, and costs nothing.
#[tokio::test]
async fn a_question_that_was_not_taken_is_asked_again_and_costs_nothing() {
    let last_none_no_error: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0];
    let refused_stream: &[u8] = &[0, 0, 0, 7];
    for frames in [
        &*Box::leak(Box::new([(GOAWAY, false, last_none_no_error)])),
        &*Box::leak(Box::new([(RESET, true, refused_stream)])),
    ] {
        let (url, questions) = answering(frames, false).await;
        let models = at(Dialect::Chat, &url, aob_provider::Limits { retries: 1, ..limits() });
        let error = answer(&models, &ask(Dialect::Chat, "?")).await.unwrap_err();
        assert_eq!((error.kind, error.spent), (Kind::Unreachable, Spent::NOTHING), "{error}");
        // Four times at once, then once more after a wait, as every failure.
        assert_eq!(error.sent, 6, "{error}");
        let asked = questions.load(std::sync::atomic::Ordering::SeqCst);
        assert!((1..=6).contains(&asked), "{asked}");
    }
}

/// GOAWAY that counts the question, or with an error, or a torn connection: nobody knows what became of it.
#[tokio::test]
async fn a_question_that_may_have_been_taken_is_booked() {
    let counts_it: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 0];
    let with_error: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2];
    let internal_error: &[u8] = &[0, 0, 0, 2];
    for (frames, closes) in [
        (&*Box::leak(Box::new([(GOAWAY, false, counts_it)])), true),
        (&*Box::leak(Box::new([(GOAWAY, false, with_error)])), true),
        (&*Box::leak(Box::new([(RESET, true, internal_error)])), false),
    ] {
        let (url, questions) = answering(frames, closes).await;
        let models = at(Dialect::Chat, &url, limits());
        let question = ask(Dialect::Chat, "?");
        let error = answer(&models, &question).await.unwrap_err();
        assert_eq!((error.kind, error.sent, error.is_retryable), (Kind::Cut, 1, true), "{error}");
        assert_eq!(error.spent.cost, models.estimate(&question).unwrap().most_cost);
        assert_eq!(questions.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}
