//! What to do about a lease, from what it says and for how long it has said so.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;

/// How long a lease holds without a sign of its holder.
pub const LENGTH: Duration = Duration::from_secs(20);
/// How long its holder acts on it without having renewed it.
pub const SAFE: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub const RENEW: Duration = Duration::from_secs(2);
/// How long the API server may take for an answer: a holder whose renewals are all answered that late never stops.
pub const PATIENCE: Duration = Duration::from_secs(6);

/// What a lease said when it was read, and since when it has been the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// By the reader's own clock.
    pub unchanged: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Make it: there is none.
    Create,
    /// Hold it for longer; the term stays.
    Renew(i32),
    /// Take it over, in this term.
    Take(i32),
    /// Look again after this.
    Wait(Duration),
}

/// What `own` does about a lease; none: there is no lease.
pub fn judge(lease: Option<&LeaseSpec>, own: &str, seen: Seen) -> Act {
    let Some(lease) = lease else { return Act::Create };
    let term = lease.lease_transitions.unwrap_or(0);
    match lease.holder_identity.as_deref().unwrap_or_default() {
        holder if holder == own => Act::Renew(term),
        // Whoever ends gives it back.
        "" => Act::Take(term.saturating_add(1)),
        _ => {
            let said = lease.lease_duration_seconds.and_then(|length| u64::try_from(length).ok());
            let length = said.map_or(LENGTH, Duration::from_secs);
            match length.checked_sub(seen.unchanged) {
                None | Some(Duration::ZERO) => Act::Take(term.saturating_add(1)),
                Some(left) => Act::Wait(left.min(RENEW)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(20),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        }
    }

    fn after(seconds: u64) -> Seen {
        Seen { unchanged: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_its_holder_is_silent() {
        assert_eq!(judge(None, "a", after(0)), Act::Create);
        assert_eq!(judge(Some(&held("a")), "a", after(0)), Act::Renew(4));
        assert_eq!(judge(Some(&held("")), "a", after(0)), Act::Take(5));
        assert_eq!(judge(Some(&held("b")), "a", after(0)), Act::Wait(RENEW));
        assert_eq!(judge(Some(&held("b")), "a", after(19)), Act::Wait(Duration::from_secs(1)));
        assert_eq!(judge(Some(&held("b")), "a", after(20)), Act::Take(5));
    }

    #[test]
    fn nonsense_in_a_lease_does_no_harm() {
        let odd = LeaseSpec {
            holder_identity: Some("b".into()),
            lease_duration_seconds: Some(-1),
            lease_transitions: Some(i32::MAX),
            ..LeaseSpec::default()
        };
        assert_eq!(judge(Some(&odd), "a", after(1)), Act::Wait(RENEW));
        assert_eq!(judge(Some(&odd), "a", after(60)), Act::Take(i32::MAX));
    }

    #[test]
    fn a_holder_stops_before_another_may_begin() {
        assert!(SAFE < LENGTH);
        // From one question to the answer of the next, both as late as may be.
        assert!(PATIENCE + RENEW + PATIENCE < SAFE);
    }
}
