//! What a certificate is kept as in a Secret, and when it is made anew. Touches nothing.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::certificate::Made;

/// When a certificate is made anew: so long before its end.
const EARLY: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Until when it holds, beside it in its Secret.
const UNTIL: &str = "aob.dev/not-after";

/// A certificate as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) certificate: String,
    pub(super) key: String,
    /// Those who may have issued it; none if whoever made the Secret does not say.
    pub(super) authority: Option<String>,
    /// Until when it holds, if that was said.
    until: Option<Timestamp>,
}

impl Kept {
    /// Reads a Secret of type `kubernetes.io/tls`.
    pub(super) fn read(secret: &Secret) -> Result<Self, String> {
        let text = |name: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(name))?;
            String::from_utf8(bytes.0.clone()).ok()
        };
        let needed = |name: &str| text(name).ok_or_else(|| format!("it has no {name}"));
        let annotations = secret.metadata.annotations.as_ref();
        let until = annotations.and_then(|all| all.get(UNTIL)).and_then(|text| text.parse().ok());
        Ok(Self {
            certificate: needed("tls.crt")?,
            key: needed("tls.key")?,
            authority: text("ca.crt"),
            until,
        })
    }

    /// Whether another one is to be made.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until.duration_since(now) < EARLY)
    }
}

/// The Secret of a new certificate. Who still shows the one before it is believed as well.
pub(super) fn secret(name: &str, made: Made, before: Option<(&Secret, &Kept)>) -> Secret {
    let old = before.and_then(|(_, kept)| kept.authority.as_deref()).unwrap_or_default();
    // Only the last one: each began with its own.
    let old = old.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap_or_default();
    let data = [
        ("tls.crt", made.certificate),
        ("tls.key", made.key),
        ("ca.crt", format!("{}{old}", made.authority)),
    ];
    let annotations = BTreeMap::from([(UNTIL.to_owned(), made.until.to_string())]);
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            annotations: Some(annotations),
            labels: Some(aob_crds::label::of("operator", name, env!("CARGO_PKG_VERSION"))),
            resource_version: before
                .and_then(|(secret, _)| secret.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(
            data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).into(),
        ),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::make;
    use super::*;

    #[test]
    fn a_certificate_is_made_anew_a_month_before_its_end_and_the_old_one_is_believed() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let names = || vec!["aob-webhook.aob.svc".to_owned()];
        let first = secret("one", make(names(), now).unwrap(), None);
        let kept = Kept::read(&first).unwrap();
        assert!(!kept.is_old(now));
        let later = now.checked_add(SignedDuration::from_hours(24 * 336)).unwrap();
        assert!(kept.is_old(later));
        let second = secret("one", make(names(), later).unwrap(), Some((&first, &kept)));
        let again = Kept::read(&second).unwrap();
        assert!(!again.is_old(later));
        let bundle = again.authority.clone().unwrap();
        assert!(bundle.ends_with(&kept.authority.clone().unwrap()));
        let third = secret("one", make(names(), later).unwrap(), Some((&second, &again)));
        let third = Kept::read(&third).unwrap().authority.unwrap();
        assert_eq!(third.matches("BEGIN CERTIFICATE").count(), 2, "it does not grow");
        assert!(Kept::read(&Secret::default()).is_err());
    }
}
