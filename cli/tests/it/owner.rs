//! Two processes and one data directory: the owner moves runs, others ask it through its socket.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::place::{Place, eventually, example};

#[test]
fn a_verb_asks_the_owner_and_the_owner_goes_on() {
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let socket = std::fs::metadata(place.data().join("aob.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(place.data()).unwrap().permissions().mode() & 0o777, 0o700);
    let ticket = place.ticket();
    let run = ticket["run"].as_str().unwrap();
    let shown = place.ends(0, &["get", run]);
    assert!(shown.out.contains("publish  approval   waiting"), "{}", shown.out);
    place.ends(0, &["verify", run]);
    place.ends(4, &["get", "run_zzzz"]).says(&["error[AOB5003]"]);
    place.ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "approve", "--reason", "LGTM"]);
    let said = owner.end();
    assert_eq!(
        (said.code, said.json()),
        (0, json!({"posted": 12, "by": ["user:ada"]})),
        "{said:?}"
    );
    assert!(!place.data().join("aob.sock").exists());
}

#[test]
fn a_second_run_is_moved_by_the_owner_and_taken_over_when_it_is_killed() {
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let said = place.ends(0, &["run", &example("hello.yaml")]);
    assert_eq!(said.json(), json!({"greeting": "Hello, world!"}));

    let mut guest = place.begin(&["run", &place.pausing(), "--wait"]);
    guest.until("aob settle run_");
    owner.signal("KILL");
    guest.until("the process that moved the run has ended; this one goes on");
    let run = guest
        .said
        .lines()
        .find_map(|line| line.split(' ').find(|word| word.starts_with("run_")))
        .unwrap()
        .to_owned();
    place.ends(0, &["settle", &run, "charge", "--output", "{\"receipt\": 7}", "--reason", "x"]);
    let said = guest.end();
    assert_eq!((said.code, said.json()), (0, json!("receipt 7")), "{said:?}");
}

#[test]
fn the_owner_stays_for_its_guests() {
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let first = place.ticket()["ticket"].as_str().unwrap().to_owned();
    let mut guest = place.begin(&["run", &place.pausing(), "--wait"]);
    guest.until("aob settle run_");
    place.ends(0, &["approve", &first, "approve"]);
    owner.until("other commands follow runs that this process moves");
    let run = place.ticket()["run"].as_str().unwrap().to_owned();
    place.ends(0, &["settle", &run, "charge", "--output", "{\"receipt\": 8}", "--reason", "x"]);
    assert_eq!(guest.end().json(), json!("receipt 8"));
    assert_eq!(owner.end().code, 0);
}

#[test]
fn the_owner_s_rules_hold_for_guests() {
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let said = place.ends(3, &["run", &example("exec.yaml"), "--allow-exec"]);
    said.says(&["error[AOB5019]", "without --allow-exec"]);
}

#[test]
fn a_stale_socket_is_in_nobody_s_way() {
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    owner.signal("KILL");
    owner.end();
    assert!(place.data().join("aob.sock").exists());
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place.ends(0, &["approve", &ticket, "approve"]);
}

#[test]
fn strangers_and_nonsense_are_shown_the_door() {
    use std::io::{Read as _, Write as _};
    let place = Place::alone();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let ask = |text: &str| {
        let mut stream =
            std::os::unix::net::UnixStream::connect(place.data().join("aob.sock")).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // What a predecessor of this program would say.
    assert!(!ask("{\"aob\": 1}\n").contains("200 OK"));
    let get = |path: &str| {
        ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
    };
    assert!(get("/rm").contains("AOB6002"));
    let about = get("/api/v1/");
    assert!(about.contains("\"api\":2") && about.contains("\"pid\""), "{about}");
    // And it still serves.
    place.ticket();
}

#[test]
fn an_owner_of_another_version_is_named() {
    use std::io::{Read as _, Write as _};
    let place = Place::alone();
    std::fs::create_dir(place.data()).unwrap();
    let lock = std::fs::File::create(place.data().join("lock")).unwrap();
    lock.lock().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(place.data().join("aob.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _asked = stream.read(&mut [0; 4_096]);
            let about = "{\"version\": \"0.0.1\", \"api\": 99}";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{about}", about.len());
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    place.ends(6, &["ls", "runs"]).says(&["error[AOB5018]", "speaks version 99"]);
}

#[test]
fn a_directory_that_another_program_holds_is_named() {
    let place = Place::alone();
    std::fs::create_dir(place.data()).unwrap();
    let lock = std::fs::File::create(place.data().join("lock")).unwrap();
    lock.lock().unwrap();
    place.ends(6, &["ls", "runs"]).says(&["error[AOB4004]", "does not answer"]);
}

#[test]
fn many_verbs_at_once_wait_for_each_other() {
    let place = Place::alone();
    let file = example("hello.yaml");
    let all: Vec<_> = (0..6).map(|_| place.begin(&["run", &file])).collect();
    for one in all {
        let said = one.end();
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "{\"greeting\":\"Hello, world!\"}\n"),
            "{said:?}"
        );
    }
    eventually("six runs", || place.runs().len() == 6);
}
