//! The groups of whoever runs this command, as the system knows them: an approval may be for members of one.

use std::collections::BTreeSet;
use std::io::Read as _;

use rustix::process::{getegid, getgroups};

/// Most of the system's list that is read, in bytes.
const MOST: u64 = 1024 * 1024;

/// Names of this process's groups. One that has no name in the system's list is nobody's approver, and left out.
pub(crate) fn groups() -> Vec<String> {
    let mut ids: BTreeSet<u32> =
        getgroups().into_iter().flatten().map(|group| group.as_raw()).collect();
    ids.insert(getegid().as_raw());
    let mut list = Vec::new();
    let read =
        std::fs::File::open("/etc/group").and_then(|file| file.take(MOST).read_to_end(&mut list));
    if let Err(error) = read {
        tracing::debug!(%error, "the system's list of groups cannot be read");
    }
    named(&String::from_utf8_lossy(&list), &ids)
}

/// Lines are `name:password:number:members`.
fn named(list: &str, ids: &BTreeSet<u32>) -> Vec<String> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let mine = number.parse().is_ok_and(|number| ids.contains(&number));
        (mine && !name.is_empty()).then(|| name.to_owned())
    };
    list.lines().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::{groups, named};

    #[test]
    fn groups_have_the_names_that_the_system_gives_them() {
        let list = "root:x:0:\nleads:x:1001:ada,bob\n:x:1001:\n# odd\nstaff:x:50:ada\nhuge:x:99999999999:\n";
        assert_eq!(named(list, &[1001, 7, 0].into()), ["root", "leads"]);
        assert_eq!(named("", &[0].into()), Vec::<String>::new());
        // What `id` says, where it is there to ask.
        if let Ok(said) = std::process::Command::new("id").arg("-Gn").output() {
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            for group in groups() {
                assert!(said.split_whitespace().any(|name| name == group), "{group}: {said}");
            }
        }
    }
}
