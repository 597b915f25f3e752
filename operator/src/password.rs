//! `aob-operator make-password`: the store's password, made once by whoever comes first, kept in a Secret.
//!
//! A chart that made it while it is rendered would make another one each time that Git is applied.

use clap::Parser;
use data_encoding::HEXLOWER;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use rand::RngCore as _;
use serde_json::json;

use crate::serve::Outcome;

/// The first argument that asks for it.
pub const VERB: &str = "make-password";
/// How many random bytes it is made of.
const BYTES: usize = 32;

/// Makes a Secret with a random password, if it is not there.
#[derive(Debug, Parser)]
#[command(name = "aob-operator make-password")]
pub struct Wanted {
    /// The Secret's namespace
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: String,
    /// The Secret's name
    #[arg(long, value_name = "NAME")]
    pub secret: String,
    /// The key of the password in it
    #[arg(long, default_value = "password", value_name = "KEY")]
    pub key: String,
}

/// Makes it.
///
/// # Errors
/// If the API server refuses, or a Secret of that name has no such key.
pub async fn make(wanted: &Wanted) -> Outcome {
    let api = Api::<Secret>::namespaced(Client::try_default().await?, &wanted.namespace);
    let mut found = api.get_opt(&wanted.secret).await?;
    if found.is_none() {
        match api.create(&PostParams::default(), &secret(wanted)?).await {
            Ok(_) => tracing::info!(secret = wanted.secret, "the password is made"),
            // Another was faster: what it made counts.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
        found = api.get_opt(&wanted.secret).await?;
    }
    let data = found.and_then(|secret| secret.data).unwrap_or_default();
    if data.get(&wanted.key).is_some_and(|password| !password.0.is_empty()) {
        return Ok(());
    }
    let Wanted { namespace, secret, key } = wanted;
    Err(format!("the Secret {namespace}/{secret} has no key {key}: add it, or delete the Secret")
        .into())
}

fn secret(wanted: &Wanted) -> Result<Secret, serde_json::Error> {
    let mut random = [0; BYTES];
    rand::rng().fill_bytes(&mut random);
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": wanted.secret,
            "labels": {"app.kubernetes.io/part-of": "aob", "app.kubernetes.io/managed-by": "aob-operator"},
        },
        // Nobody changes it by mistake: the server was begun with it.
        "immutable": true,
        "stringData": {wanted.key.as_str(): HEXLOWER.encode(&random)},
    }))
}
