//! Sends a request and follows its redirects, each judged as if a workflow had asked for it.

use aob_engine::catalogue::{HTTP_FORBIDDEN, HTTP_REDIRECT};
use reqwest::header::LOCATION;
use reqwest::{Client, Request, Response};

use super::config::Call;
use super::{errors, redirect};
use crate::node::{Failure, Guard, HttpLimits};

/// The response that is not a redirect to follow; `call` is then what was asked last.
pub(super) async fn send(
    client: &Client,
    guard: &Guard,
    call: &mut Call,
    limits: &HttpLimits,
) -> Result<Response, Failure> {
    let mut followed = 0;
    loop {
        guard
            .check(&call.url)
            .map_err(|refused| Failure::new(&HTTP_FORBIDDEN, refused.to_string()))?;
        let response =
            client.execute(request(call)).await.map_err(|error| errors::failure(error, call))?;
        let status = response.status();
        if call.expect.holds(status.as_u16()) || !redirect::is_redirect(status) {
            return Ok(response);
        }
        let Some(location) = response.headers().get(LOCATION) else { return Ok(response) };
        let target = redirect::target(&call.url, location)?;
        if followed == limits.redirects {
            return Err(Failure::new(
                &HTTP_REDIRECT,
                format!("{} leads on after {followed} redirects", call.told()),
            ));
        }
        redirect::follow(call, target, status)?;
        followed += 1;
    }
}

fn request(call: &Call) -> Request {
    let mut request = Request::new(call.method.clone(), call.url.clone());
    request.headers_mut().clone_from(&call.headers);
    *request.body_mut() = call.body.clone().map(Into::into);
    request
}
