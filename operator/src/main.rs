//! `aob-operator`: any number of these processes may run for a cluster; one acts.

use std::process::ExitCode;

use aob_operator::arguments::Arguments;
use aob_operator::password::{self, Wanted};
use aob_operator::serve::{Outcome, serve};
use aob_telemetry::Format;
use clap::Parser;

fn main() -> ExitCode {
    let mut given = std::env::args_os();
    if given.nth(1).is_some_and(|first| first == password::VERB) {
        let wanted = Wanted::parse_from(std::iter::once(password::VERB.into()).chain(given));
        aob_telemetry::log(Format::Auto, "info");
        return end(async move { password::make(&wanted).await });
    }
    let arguments = Arguments::parse();
    let format = match arguments.log_format.as_str() {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => Format::Auto,
    };
    aob_telemetry::log(format, "info");
    end(serve(arguments))
}

/// Runs to its end, and says why that is a bad one.
fn end(what: impl Future<Output = Outcome>) -> ExitCode {
    // Two providers of TLS are compiled in; this process uses one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a provider of TLS was chosen already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime can be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "aob-operator ends");
            ExitCode::FAILURE
        }
    }
}
