//! What a command proves its user with, at a gateway that asks for it.

use std::process::Command;

use sha2::Digest as _;

use crate::place::{Place, Running, Said};

const TOKEN: &str = "of ada";

fn ask(place: &Place, set: &[(&str, &str)]) -> Said {
    let mut command: Command = place.aob(&["ls", "runs", "--context", "here", "-o", "json"]);
    command.env_remove("AOB_DATA").envs(set.iter().copied());
    Said::of(&mut command)
}

#[test]
fn a_token_is_read_from_a_file_that_others_renew() {
    let place = Place::alone();
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(TOKEN));
    let entry = format!("tokens: [{{name: 'user:ada', sha256: '{digest}', roles: [author]}}]\n");
    let tokens = place.write("tokens.yaml", entry);
    let mut served: Running = place.begin(&["up", "--listen", "127.0.0.1:0", "--tokens", &tokens]);
    let line = served.until("  API    ");
    let server = line.trim_start_matches("API").trim().trim_end_matches("/api/v1").to_owned();
    place.ends(0, &["context", "set", "here", "--server", &server]);
    assert_eq!(ask(&place, &[]).code, 5, "nobody is let in without one");
    let file = place.write("token", format!("{TOKEN}\n"));
    let good = ask(&place, &[("AOB_TOKEN_FILE", &file)]);
    assert_eq!((good.code, good.out.as_str()), (0, "[]\n"), "{good:?}");
    place.write("token", "of somebody else");
    let bad = ask(&place, &[("AOB_TOKEN_FILE", &file)]);
    assert_eq!(bad.code, 5, "{bad:?}");
    assert!(!bad.err.contains("somebody else"), "a token is in no message: {}", bad.err);
    let both = ask(&place, &[("AOB_TOKEN_FILE", &file), ("AOB_TOKEN", TOKEN)]);
    assert_eq!(both.code, 0, "what is set itself goes first: {both:?}");
    let missing = ask(&place, &[("AOB_TOKEN_FILE", "nowhere")]);
    assert_eq!(missing.code, 2, "{missing:?}");
    missing.says(&["AOB_TOKEN_FILE=nowhere"]);
}

/// It leaves this machine over TLS only, unless somebody says that nobody listens on the way.
#[test]
fn a_token_does_not_travel_in_the_open() {
    let place = Place::alone();
    place.ends(0, &["context", "set", "here", "--server", "http://aob.invalid"]);
    let refused = ask(&place, &[("AOB_TOKEN", TOKEN)]);
    assert_eq!(refused.code, 2, "{refused:?}");
    refused.says(&["a token is sent over https:// only, or to this machine itself"]);
    for said in ["no", "1", "true"] {
        let refused = ask(&place, &[("AOB_TOKEN", TOKEN), ("AOB_TOKEN_IN_THE_OPEN", said)]);
        assert_eq!(refused.code, 2, "{said}: {refused:?}");
    }
    // It is tried then, and there is no such host.
    let tried = ask(&place, &[("AOB_TOKEN", TOKEN), ("AOB_TOKEN_IN_THE_OPEN", "yes")]);
    assert_eq!(tried.code, 6, "{tried:?}");
}
