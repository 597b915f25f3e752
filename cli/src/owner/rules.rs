//! By which rules another process runs nodes.

use aob_gateway::operation::NodeRules;

use crate::arguments::Rules;

/// What was asked for on the command line and is not so in the owner's process.
pub(crate) fn lacks(own: &NodeRules, asked: &Rules) -> Option<String> {
    let covers = |asked: &Option<Vec<String>>, own: &Option<Vec<String>>| match (asked, own) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(asked), Some(own)) => {
            own.is_empty() || (!asked.is_empty() && asked.iter().all(|one| own.contains(one)))
        }
    };
    let shown = |flag: &str, list: &Option<Vec<String>>| match list.as_deref() {
        None | Some([]) => flag.to_owned(),
        Some(list) => format!("{flag}={}", list.join(",")),
    };
    if !covers(&asked.allow_exec, &own.exec) {
        return Some(shown("--allow-exec", &asked.allow_exec));
    }
    if !covers(&asked.allow_private, &own.private) {
        return Some(shown("--allow-private", &asked.allow_private));
    }
    let same = asked.secrets.is_none() || asked.secrets == own.secrets;
    (!same).then(|| "--secrets".to_owned())
}

#[cfg(test)]
mod tests {
    use aob_gateway::operation::NodeRules;

    use super::lacks;
    use crate::arguments::Rules;

    #[test]
    fn rules_are_compared_item_by_item() {
        let list =
            |items: &[&str]| Some(items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>());
        let own = |exec| NodeRules { pid: 1, exec, private: None, secrets: None, stays: false };
        let asked = |allow_exec| Rules { allow_exec, ..Rules::default() };
        assert_eq!(lacks(&own(None), &asked(None)), None);
        assert_eq!(lacks(&own(None), &asked(list(&[]))).as_deref(), Some("--allow-exec"));
        assert_eq!(lacks(&own(list(&[])), &asked(list(&["sh"]))), None);
        assert_eq!(lacks(&own(list(&["sh"])), &asked(list(&["sh"]))), None);
        assert_eq!(
            lacks(&own(list(&["sh"])), &asked(list(&["git", "sh"]))).as_deref(),
            Some("--allow-exec=git,sh")
        );
        assert_eq!(lacks(&own(list(&["sh"])), &asked(list(&[]))).as_deref(), Some("--allow-exec"));
        let secrets = Rules { secrets: Some("/s".into()), ..Rules::default() };
        assert_eq!(lacks(&own(None), &secrets).as_deref(), Some("--secrets"));
    }
}
