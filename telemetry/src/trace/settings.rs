//! Where spans go and which are sent, as OpenTelemetry's environment variables say.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::TraceId;

/// What the environment says.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) url: Url,
    /// May hold tokens: never shown.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    /// Attributes of the process.
    pub(super) resource: Vec<(String, String)>,
    /// Which part of the runs is traced, out of 2^63.
    part: u64,
}

impl Settings {
    /// As the variables say that `read` finds; none if no receiver is named, or everything is off.
    ///
    /// # Errors
    /// Which variable is wrong, and what it may be; without its value, which may be a secret.
    pub(super) fn from_env(
        service: &str,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let is_off = read("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
        let none = read("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "none");
        let own = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let base = read("OTEL_EXPORTER_OTLP_ENDPOINT");
        let Some((name, text)) = (match (own, base) {
            _ if is_off || none => None,
            (Some(own), _) => Some(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own)),
            (None, Some(base)) => {
                let whole = format!("{}/v1/traces", base.trim_end_matches('/'));
                Some(("OTEL_EXPORTER_OTLP_ENDPOINT", whole))
            }
            (None, None) => None,
        }) else {
            return Ok(None);
        };
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| format!("{name} is no http:// or https:// address"))?;
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if read(name).is_some_and(|protocol| protocol != "http/protobuf") {
                return Err(format!("{name} can only be http/protobuf, on port 4318 mostly"));
            }
        }
        let mut headers = HeaderMap::new();
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            for (key, value) in pairs(&read(name).unwrap_or_default(), name)? {
                let wrong = || format!("{name} has a member that is no header");
                let key = HeaderName::from_bytes(key.as_bytes()).map_err(|_| wrong())?;
                let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
                value.set_sensitive(true);
                headers.insert(key, value);
            }
        }
        let timeout = read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
            .or_else(|| read("OTEL_EXPORTER_OTLP_TIMEOUT"))
            .map_or(Ok(10_000), |ms| {
                ms.parse()
                    .ok()
                    .filter(|ms| (1..=600_000).contains(ms))
                    .ok_or("OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds, 1 to 600000")
            })?;
        let mut resource = pairs(
            &read("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default(),
            "OTEL_RESOURCE_ATTRIBUTES",
        )?;
        let named = read("OTEL_SERVICE_NAME");
        if named.is_some() || !resource.iter().any(|(name, _)| name == "service.name") {
            resource.retain(|(name, _)| name != "service.name");
            resource.push(("service.name".to_owned(), named.unwrap_or_else(|| service.to_owned())));
        }
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        resource.push(("process.pid".to_owned(), std::process::id().to_string()));
        let part = part(read("OTEL_TRACES_SAMPLER").as_deref(), read("OTEL_TRACES_SAMPLER_ARG"))?;
        Ok(Some(Self { url, headers, timeout: Duration::from_millis(timeout), resource, part }))
    }

    /// Whether a trace is among those that are sent. Ids are digests, so any part of them is even enough.
    pub(super) fn samples(&self, trace: &TraceId) -> bool {
        let TraceId([.., a, b, c, d, e, f, g, h]) = *trace;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.part
    }

    /// Where it sends to, for people.
    pub(super) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}:{}", self.url.scheme(), self.url.port_or_known_default().unwrap_or(0))
    }
}

/// `name=value,name=value`, values percent-encoded.
fn pairs(text: &str, variable: &str) -> Result<Vec<(String, String)>, String> {
    let mut list = Vec::new();
    for one in text.split(',').filter(|one| !one.trim().is_empty()) {
        let wrong =
            || format!("{variable} is not name=value,name=value with values percent-encoded");
        let (name, value) = one.split_once('=').ok_or_else(wrong)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| wrong())?;
        list.push((name.trim().to_owned(), value.into_owned()));
    }
    Ok(list)
}

fn part(sampler: Option<&str>, argument: Option<String>) -> Result<u64, String> {
    const ALL: u64 = 1 << 63;
    let sampler = sampler.unwrap_or("always_on");
    // Nobody is a run's parent.
    match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
        "always_on" => Ok(ALL),
        "always_off" => Ok(0),
        "traceidratio" => {
            let ratio = argument.map_or(Some(1.0), |ratio| ratio.parse::<f64>().ok());
            let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
            let ratio = ratio.ok_or("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1")?;
            Ok((ratio * ALL as f64) as u64)
        }
        _ => Err("OTEL_TRACES_SAMPLER is none of always_on, always_off, traceidratio, and these with parentbased_".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let read = |name: &str| {
            pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::from_env("aob-runner", read)
    }

    #[test]
    fn without_an_endpoint_nothing_is_sent() {
        assert!(settings(&[]).unwrap().is_none());
        assert!(settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().is_none());
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        assert!(settings(&[there, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        assert!(settings(&[there, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
    }

    #[test]
    fn the_environment_says_where_and_what() {
        let all = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20b, y=2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,zone=a"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        let all = all.unwrap().unwrap();
        assert_eq!(all.url.as_str(), "http://localhost:4318/v1/traces");
        assert_eq!(all.headers.get("x-token").unwrap(), "a b");
        assert!(!format!("{all:?}").contains("a b"), "headers are secret");
        assert_eq!(all.timeout, Duration::from_millis(250));
        let names: Vec<&str> = all.resource.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(names[..2], ["a", "mine"]);
        let own = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://b/t"),
        ]);
        assert_eq!(own.unwrap().unwrap().url.as_str(), "https://b/t");
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "s3cret"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc-s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cret"),
            ("OTEL_TRACES_SAMPLER", "s3cret"),
        ] {
            let why = settings(&[there, (name, value)]).unwrap_err();
            assert!(why.contains(name) && !why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn a_part_of_the_runs_is_sampled() {
        let ratio = |ratio| {
            settings(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", ratio),
            ])
            .unwrap()
            .unwrap()
        };
        let count = |settings: &Settings| {
            (0..1_000)
                .filter(|at| settings.samples(&super::super::trace(&format!("run_{at}"))))
                .count()
        };
        assert_eq!(count(&ratio("0")), 0);
        assert_eq!(count(&ratio("1")), 1_000);
        let some = count(&ratio("0.25"));
        assert!((200..300).contains(&some), "{some}");
    }
}
