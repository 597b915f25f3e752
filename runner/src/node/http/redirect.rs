//! What a redirect changes about a request.

use aob_engine::catalogue::HTTP_REDIRECT;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderName,
    HeaderValue,
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::config::Call;
use crate::node::Failure;

pub(super) const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, if it may be followed at all. The address itself is judged by the guard.
pub(super) fn target(from: &Url, location: &HeaderValue) -> Result<Url, Failure> {
    let text =
        std::str::from_utf8(location.as_bytes()).map_err(|_| refused("its location is no text"))?;
    let mut target = from
        .join(text)
        .map_err(|error| refused(&format!("its location cannot be read: {error}")))?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(refused(&format!("it leads to `{}:`", target.scheme())));
    }
    if from.scheme() == "https" && target.scheme() == "http" {
        return Err(refused("it leads from https to http"));
    }
    // Credentials that a server puts into an address are not the workflow's.
    let _ = (target.set_username(""), target.set_password(None));
    Ok(target)
}

/// Turns `call` to its new target.
pub(super) fn follow(call: &mut Call, target: Url, status: StatusCode) -> Result<(), Failure> {
    let to_get = match status {
        StatusCode::SEE_OTHER => call.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => call.method == Method::POST,
        _ => false,
    };
    if to_get {
        call.method = Method::GET;
        call.body = None;
        for name in [
            CONTENT_TYPE,
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            HeaderName::from_static("idempotency-key"),
        ] {
            call.headers.remove(name);
        }
    }
    if origin(&call.url) != origin(&target) {
        if call.secret_body && call.body.is_some() {
            return Err(refused("it leads to another host, and the body holds a secret"));
        }
        for name in [AUTHORIZATION, COOKIE].iter().chain(&call.secret_headers) {
            call.headers.remove(name);
        }
    }
    call.url = target;
    Ok(())
}

fn origin(url: &Url) -> (Option<&str>, Option<u16>) {
    (url.host_str(), url.port_or_known_default())
}

fn refused(why: &str) -> Failure {
    Failure::new(&HTTP_REDIRECT, format!("a redirect was not followed: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::HttpLimits;
    use crate::node::tests::task;
    use crate::secret::Redactor;
    use serde_json::json;

    fn call(method: &str) -> Call {
        let config = json!({
            "url": "https://a.example/x", "method": method, "body": "b", "bearer": "t",
            "headers": {"Cookie": "c", "X-Key": "k", "X-Plain": "p"},
        });
        let mut call =
            Call::read(&task("http", config), &Redactor::default(), &HttpLimits::default())
                .unwrap();
        call.secret_headers.insert(HeaderName::from_static("x-key"));
        call
    }

    fn to(location: &str) -> Result<Url, Failure> {
        target(
            &Url::parse("https://a.example/x/y").unwrap(),
            &HeaderValue::from_bytes(location.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn locations_are_relative_to_where_they_were_told() {
        for (location, expected) in [
            ("z", "https://a.example/x/z"),
            ("//b.example/", "https://b.example/"),
            ("https://u:p@b.example/", "https://b.example/"),
            ("?q", "https://a.example/x/y?q"),
        ] {
            assert_eq!(to(location).unwrap().as_str(), expected);
        }
        for location in [
            "http://a.example/",
            "file:///etc/passwd",
            "ftp://a.example",
            "https://[",
            "javascript:1",
        ] {
            let failure = to(location).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.retryable),
                ("http_redirect", false),
                "{location}"
            );
        }
        let from = Url::parse("http://a.example/").unwrap();
        assert!(target(&from, &HeaderValue::from_static("https://a.example/")).is_ok());
        assert!(target(&from, &HeaderValue::from_bytes(b"\xff").unwrap()).is_err());
    }

    #[test]
    fn methods_change_as_clients_have_it() {
        for (method, status, after) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("DELETE", 301, "DELETE"),
            ("HEAD", 303, "HEAD"),
            ("GET", 302, "GET"),
        ] {
            let mut call = call(method);
            follow(&mut call, to("z").unwrap(), StatusCode::from_u16(status).unwrap()).unwrap();
            assert_eq!(call.method.as_str(), after, "{method} {status}");
            assert_eq!(
                call.body.is_some(),
                after == method && status != 303 || method == "GET" || method == "HEAD",
                "{method} {status}"
            );
            assert_eq!(call.headers.contains_key(CONTENT_TYPE), call.body.is_some());
        }
    }

    #[test]
    fn credentials_stay_with_their_host() {
        let names = |call: &Call| {
            ["authorization", "cookie", "x-key", "x-plain"]
                .map(|name| call.headers.contains_key(name))
        };
        for (location, stay) in [
            ("/z", true),
            ("https://a.example:443/", true),
            ("https://A.EXAMPLE/", true),
            ("https://b.example/", false),
            ("https://a.example:8443/", false),
            ("https://x.a.example/", false),
        ] {
            let mut call = call("PUT");
            follow(&mut call, to(location).unwrap(), StatusCode::TEMPORARY_REDIRECT).unwrap();
            assert_eq!(names(&call), [stay, stay, stay, true], "{location}");
        }
    }

    #[test]
    fn a_secret_body_stays_with_its_host() {
        let mut call = call("POST");
        call.secret_body = true;
        follow(&mut call, to("/z").unwrap(), StatusCode::TEMPORARY_REDIRECT).unwrap();
        assert!(
            follow(&mut call, to("https://b.example/").unwrap(), StatusCode::TEMPORARY_REDIRECT)
                .is_err()
        );
        follow(&mut call, to("https://b.example/").unwrap(), StatusCode::SEE_OTHER).unwrap();
        assert_eq!(call.body, None);
    }
}
