//! Namespaces: what their annotations limit their tenant to is kept in the store, for whoever decides there.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_crds::{event, label};
use aob_engine::state::micros;
use aob_runner::runs::TenantLimits;
use aob_store::admission::MOST_DEBITS;
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::drive::{Kind, SLOW};
use crate::error::Result;
use crate::note::Note;

/// This kind's controller.
pub fn kind() -> Kind<Namespace> {
    Kind { reconcile: |object, context| reconcile(object, context).boxed(), trim }
}

/// Only its limits are looked at.
fn trim(object: &mut Namespace) {
    (object.spec, object.status, object.metadata.labels) = (None, None, None);
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.retain(|name, _| name.starts_with(label::limit::PREFIX));
    }
}

/// What a namespace that goes or has gone said holds on: its runs are in the store, and may still go.
async fn reconcile(object: Arc<Namespace>, context: Arc<Context>) -> Result<Action> {
    let tenant = object.name_any();
    if object.metadata.deletion_timestamp.is_some() || !context.objects.runs.is_watched(&tenant) {
        return Ok(Action::await_change());
    }
    let before = context.runs.limits(&tenant).await?;
    let (wanted, wrong) = read(object.annotations(), before);
    if wanted != before {
        context.lease.check()?;
        context.runs.put_limits(&tenant, &wanted).await?;
        tracing::info!(tenant, ?wanted, "a tenant's limits are others now");
    }
    let notes = wrong.into_iter().map(|why| Note::warning(event::LIMIT_UNREADABLE, why));
    context.notes.write(&*object, notes.collect()).await;
    Ok(Action::requeue(SLOW))
}

/// What annotations limit a tenant to, and what is wrong with them. Where one cannot be read, what held before holds on.
fn read(
    annotations: &BTreeMap<String, String>,
    before: TenantLimits,
) -> (TenantLimits, Vec<String>) {
    let (mut limits, mut wrong) = (TenantLimits::default(), Vec::new());
    for (name, text) in annotations {
        let Some(limit) = name.strip_prefix(label::limit::PREFIX) else { continue };
        let text = text.trim();
        let number = || text.parse::<u32>().ok();
        let form = match limit {
            "agents" => {
                limits.agents = number().or(before.agents);
                number().is_none().then_some("a whole number like `3`".to_owned())
            }
            "usd-per-day" => {
                limits.usd_per_day = micros(text).or(before.usd_per_day);
                micros(text).is_none().then_some("US dollars like `2.50`".to_owned())
            }
            "runs-per-minute" => {
                let number = number().filter(|number| (1..=MOST_DEBITS).contains(number));
                limits.runs_per_minute = number.or(before.runs_per_minute);
                number.is_none().then(|| format!("a whole number from 1 to {MOST_DEBITS}"))
            }
            _ => {
                wrong.push(format!(
                    "annotation {name:.100} limits nothing: {} do",
                    label::limit::ALL.join(", ")
                ));
                continue;
            }
        };
        if let Some(form) = form {
            wrong.push(format!(
                "annotation {name} is {text:.80?} and not {form}; what held before holds on"
            ));
        }
    }
    (limits, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn limits_are_read_from_annotations() {
        let all = annotations(&[
            ("limits.aob.dev/agents", "3"),
            ("limits.aob.dev/usd-per-day", "2.50"),
            ("limits.aob.dev/runs-per-minute", " 30 "),
            ("team", "finance"),
        ]);
        let wanted = TenantLimits {
            agents: Some(3),
            usd_per_day: Some(2_500_000),
            runs_per_minute: Some(30),
        };
        assert_eq!(read(&all, TenantLimits::default()), (wanted, Vec::new()));
        assert_eq!(read(&BTreeMap::new(), wanted), (TenantLimits::default(), Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_was_and_is_told() {
        let before =
            TenantLimits { agents: Some(2), usd_per_day: Some(1), runs_per_minute: Some(7) };
        let all = annotations(&[
            ("limits.aob.dev/agents", "-1"),
            ("limits.aob.dev/usd-per-day", "5$"),
            ("limits.aob.dev/runs-per-minute", "0"),
            ("limits.aob.dev/usd-per-month", "5"),
        ]);
        let (limits, wrong) = read(&all, before);
        assert_eq!(limits, before);
        let told = [
            r#"limits.aob.dev/agents is "-1" and not a whole number like `3`; what held before"#,
            r#"limits.aob.dev/runs-per-minute is "0" and not a whole number from 1 to 10000"#,
            r#"limits.aob.dev/usd-per-day is "5$" and not US dollars like `2.50`"#,
            "limits.aob.dev/usd-per-month limits nothing: limits.aob.dev/agents, ",
        ];
        assert_eq!(wrong.len(), told.len());
        for (wrong, told) in wrong.iter().zip(told) {
            assert!(wrong.contains(told), "{wrong}");
        }
    }
}
