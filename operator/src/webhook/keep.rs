//! Keeps the certificate: reads or makes it, shows it, and tells the API server whom to believe.

use std::time::Duration;

use aob_crds::{label, webhook};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::authority::{Kept, secret};
use super::certificate::{Shown, make};
use super::{Error, Settings};

/// How often the secret is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// For as long as the process serves.
pub(super) async fn keep(client: Client, settings: Settings, shown: Shown) {
    let mut last: Option<Kept> = None;
    loop {
        match step(&client, &settings, &shown, &mut last).await {
            Ok(()) => tokio::time::sleep(LOOK).await,
            Err(error) => {
                tracing::warn!(%error, "the webhook's certificate");
                tokio::time::sleep(LOOK / 5).await;
            }
        }
    }
}

/// What the API server knows of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// It was told before.
    Known,
    /// It was told just now, and may take a moment to act on it.
    Told,
    /// It has no configuration that asks the webhook.
    Nobody,
}

async fn step(
    client: &Client,
    settings: &Settings,
    shown: &Shown,
    last: &mut Option<Kept>,
) -> Result<(), Error> {
    let kept = match &settings.secret {
        Some(name) => given(client, settings, name).await?,
        None => own(client, settings).await?,
    };
    // The first one is shown at once: without any nobody is answered.
    if last.is_none() {
        show(settings, shown, &kept, last)?;
    }
    let belief = match &kept.authority {
        Some(authority) => tell(client, settings, authority).await?,
        None => Belief::Known,
    };
    // One that follows another is shown a look later than its authority is told, so that no request meets a certificate
    // that is not believed yet. The one before is believed meanwhile.
    if last.as_ref() != Some(&kept) && belief != Belief::Told {
        show(settings, shown, &kept, last)?;
    }
    Ok(())
}

fn show(
    settings: &Settings,
    shown: &Shown,
    kept: &Kept,
    last: &mut Option<Kept>,
) -> Result<(), Error> {
    let named = settings.secret.clone().unwrap_or_else(|| own_name(settings));
    shown.show(&kept.certificate, &kept.key).map_err(|why| Error::Secret(named, why))?;
    tracing::info!("the webhook shows another certificate");
    *last = Some(kept.clone());
    Ok(())
}

/// The certificate that somebody else keeps.
async fn given(client: &Client, settings: &Settings, name: &str) -> Result<Kept, Error> {
    let found = Api::<Secret>::namespaced(client.clone(), &settings.namespace).get(name).await?;
    Kept::read(&found).map_err(|why| Error::Secret(name.to_owned(), why))
}

/// The certificate that operators make themselves: whoever comes first.
async fn own(client: &Client, settings: &Settings) -> Result<Kept, Error> {
    let api = Api::<Secret>::namespaced(client.clone(), &settings.namespace);
    let (name, now) = (own_name(settings), Timestamp::now());
    let wrong = |why| Error::Secret(name.clone(), why);
    let found = api.get_opt(&name).await?;
    let before = found.as_ref().map(|found| Kept::read(found).map(|kept| (found, kept)));
    let before = match before {
        Some(Ok((_, kept))) if !kept.is_old(now) => return Ok(kept),
        Some(Ok(pair)) => Some(pair),
        Some(Err(why)) => return Err(wrong(why)),
        None => None,
    };
    let made = make(names(settings), now)?;
    let new = secret(&name, made, before.as_ref().map(|(found, kept)| (*found, kept)));
    let written = match found {
        Some(_) => api.replace(&name, &PostParams::default(), &new).await,
        None => api.create(&PostParams::default(), &new).await,
    };
    match written {
        Ok(kept) => Kept::read(&kept).map_err(wrong),
        // Another was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Kept::read(&api.get(&name).await?).map_err(wrong)
        }
        Err(error) => Err(error.into()),
    }
}

fn own_name(settings: &Settings) -> String {
    format!("{}-certificate", settings.service)
}

/// What the webhook is called by.
fn names(settings: &Settings) -> Vec<String> {
    let Settings { service, namespace, address, .. } = settings;
    let mut names = vec![
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ];
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    names
}

/// Tells the API server whose certificates to believe, unless it knows.
async fn tell(client: &Client, settings: &Settings, authority: &str) -> Result<Belief, Error> {
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let name = &settings.configuration;
    // To apply to what is not there would make it.
    let Some(found) = api.get_opt(name).await? else {
        tracing::debug!(name, "no MutatingWebhookConfiguration of this name asks the webhook yet");
        return Ok(Belief::Nobody);
    };
    let ours = found.webhooks.iter().flatten().find(|one| one.name == webhook::NAME);
    let known = ours.and_then(|one| one.client_config.ca_bundle.as_ref());
    if known.is_some_and(|known| known.0 == authority.as_bytes()) {
        return Ok(Belief::Known);
    }
    let bundle = data_encoding::BASE64.encode(authority.as_bytes());
    let applied = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"name": webhook::NAME, "clientConfig": {"caBundle": bundle}}],
    });
    let parameters = PatchParams::apply(label::manager::WEBHOOK).force();
    api.patch(name, &parameters, &Patch::Apply(&applied)).await?;
    tracing::info!(name, "the API server believes the webhook's certificate");
    Ok(Belief::Told)
}
