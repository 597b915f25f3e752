//! The certificate that is shown, and making one.

use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Error;

/// How long a certificate that is made here holds.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// What is shown to who connects; none until there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

/// A certificate with its key and authority, in PEM.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
    /// Until when it holds.
    pub(super) until: Timestamp,
}

impl Shown {
    /// Shows another one from now on.
    pub(super) fn show(&self, certificate: &str, key: &str) -> Result<(), String> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| format!("tls.crt: {error}"))?;
        if chain.is_empty() {
            return Err("tls.crt has no certificate".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| format!("tls.key: {error}"))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| format!("tls.crt and tls.key: {error}"))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes a certificate for these names, and an authority of its own that has issued nothing else: its key is thrown
/// away.
pub(super) fn make(names: Vec<String>, now: Timestamp) -> Result<Made, Error> {
    let until = now.saturating_add(LIFE).unwrap_or(now);
    let named = |name: &str| {
        let mut full = DistinguishedName::new();
        full.push(DnType::CommonName, name);
        full
    };
    // Clocks need not agree.
    let from = day(now.saturating_sub(SignedDuration::from_hours(48)).unwrap_or(now));
    let to = day(until);
    let key = KeyPair::generate()?;
    let mut about = CertificateParams::default();
    about.distinguished_name = named("aob webhook authority");
    about.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    about.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    about.not_before = date_time_ymd(from.0, from.1, from.2);
    about.not_after = date_time_ymd(to.0, to.1, to.2);
    let authority = about.self_signed(&key)?.pem();
    let issuer = Issuer::new(about, key);
    let own = KeyPair::generate()?;
    let first = names.first().cloned().unwrap_or_default();
    let mut about = CertificateParams::new(names)?;
    about.distinguished_name = named(&first);
    about.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    about.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    about.not_before = date_time_ymd(from.0, from.1, from.2);
    about.not_after = date_time_ymd(to.0, to.1, to.2);
    let certificate = about.signed_by(&own, &issuer)?.pem();
    Ok(Made { authority, certificate, key: own.serialize_pem(), until })
}

/// Year, month and day.
fn day(time: Timestamp) -> (i32, u8, u8) {
    let date = time.to_zoned(TimeZone::UTC).date();
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_shown_and_nonsense_cannot() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let made = make(vec!["aob-webhook.aob.svc".to_owned()], now).unwrap();
        assert!(made.until > now);
        let shown = Shown::default();
        shown.show(&made.certificate, &made.key).unwrap();
        let other = make(vec!["other".to_owned()], now).unwrap();
        let error = shown.show(&made.certificate, &other.key).unwrap_err();
        assert!(error.contains("tls.key"), "{error}");
        assert!(shown.show("", &made.key).unwrap_err().contains("no certificate"));
        assert!(shown.show(&made.certificate, "secret text").unwrap_err().starts_with("tls.key"));
    }
}
