//! Changes a machine to what the plan says, and back. Everything found is on disk before anything is changed.

use crate::machine::Machine;
use crate::plan::{Aim, Plan, Setting, Verdict};
use crate::problem::{Problem, Result};
use crate::profile::{Profiles, plain};
use crate::root::Root;
use crate::state::{Kept, Lock, State, Written};
use crate::systemd;

/// Called before each step with its name. An error stops there, as a crash would.
pub type Watch<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Done {
    /// Steps, for people.
    pub steps: Vec<String>,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

impl Done {
    fn step(&mut self, watch: Watch<'_>, step: String) -> Result<()> {
        watch(&step)?;
        self.steps.push(step);
        Ok(())
    }
}

/// Applies profiles. What an earlier profile changed and this one does not want is put back.
///
/// # Errors
/// [`Problem::Owned`] if a setting is somebody else's, unless `rest` says to apply the others; whatever reading and
/// writing gives. The machine may be changed in part then: the next `apply` goes on, `revert` puts it back.
pub fn apply(
    root: &Root,
    profiles: &Profiles,
    aim: &Aim,
    rest: bool,
    watch: Watch<'_>,
) -> Result<Done> {
    let _lock = Lock::take(root)?;
    let machine = Machine::read(root)?;
    let plan = Plan::make(root, &machine, profiles, aim)?;
    let mut done = Done::default();
    for (setting, owner) in plan.owned() {
        let what = format!("{} = {}", setting.key, setting.found.as_deref().unwrap_or("-"));
        if !rest {
            return Err(Problem::Owned { what, owner: owner.to_owned() });
        }
        done.left.push(format!("{what} belongs to {owner}"));
    }
    let mut state = State::read(root)?.unwrap_or_default();
    let before = state.clone();
    let wanted = |key: &str| {
        let fits = |one: &&Setting| matches!(one.verdict, Verdict::Fits | Verdict::Change);
        plan.sysctls.iter().filter(fits).any(|one| one.key == key)
    };
    let (kept, stale): (Vec<Kept>, Vec<Kept>) =
        state.sysctls.iter().cloned().partition(|kept| wanted(&kept.key));
    let named = |file: &Written| plan.files.iter().any(|one| one.name == file.name);
    let stale_files: Vec<Written> =
        state.files.iter().filter(|file| !named(file)).cloned().collect();
    let changes = in_order(profiles, &plan);
    for change in &changes {
        state.note(&change.key, change.found.as_deref().unwrap_or_default(), &change.wanted);
    }
    for file in plan.files.iter().filter(|file| !file.present) {
        state.note_file(&file.name, &file.text);
    }
    let whole = before.complete && before.profiles == plan.profiles;
    if state == before
        && whole
        && stale.is_empty()
        && stale_files.is_empty()
        && plan.files.iter().all(|file| file.present)
    {
        return Ok(done);
    }
    state.complete = false;
    done.step(watch, "note what was found".to_owned())?;
    state.write(root)?;
    for change in &changes {
        let found = change.found.as_deref().unwrap_or_default();
        done.step(watch, format!("{}: {found} -> {}", change.key, change.wanted))?;
        set(root, &change.key, &change.wanted)?;
    }
    for old in stale.iter().rev() {
        put_back(root, old, &mut done, watch)?;
    }
    for file in plan.files.iter().filter(|file| !file.present) {
        done.step(watch, format!("write /{}", file.name))?;
        root.put(&file.name, &file.text)?;
    }
    for old in &stale_files {
        take_away(root, old, &mut done, watch)?;
    }
    let files = stale_files.len() + plan.files.iter().filter(|file| !file.present).count();
    if files > 0 {
        done.step(watch, "systemctl daemon-reload".to_owned())?;
        systemd::reload(root)?;
    }
    done.step(watch, "note that all is done".to_owned())?;
    state.sysctls.retain(|one| {
        kept.iter().any(|kept| kept.key == one.key)
            || changes.iter().any(|change| change.key == one.key)
    });
    state.files.retain(|file| plan.files.iter().any(|one| one.name == file.name));
    state.finish(&plan.profiles);
    state.write(root)?;
    Ok(done)
}

/// Puts back what was found, the last change first. What somebody has changed since is left to them.
///
/// # Errors
/// Whatever reading and writing gives; calling it again goes on.
pub fn revert(root: &Root, watch: Watch<'_>) -> Result<Done> {
    let _lock = Lock::take(root)?;
    let mut done = Done::default();
    let Some(state) = State::read(root)? else { return Ok(done) };
    for file in &state.files {
        take_away(root, file, &mut done, watch)?;
    }
    for kept in state.sysctls.iter().rev() {
        put_back(root, kept, &mut done, watch)?;
    }
    if !state.files.is_empty() {
        done.step(watch, "systemctl daemon-reload".to_owned())?;
        systemd::reload(root)?;
    }
    done.step(watch, "forget what was found".to_owned())?;
    State::forget(root)?;
    Ok(done)
}

/// Settings to be changed: what others need comes before them.
fn in_order<'a>(profiles: &Profiles, plan: &'a Plan) -> Vec<&'a Setting> {
    let needs =
        |key: &str| profiles.sysctls.iter().any(|one| one.key == key && !one.needs.is_empty());
    let mut changes: Vec<&Setting> =
        plan.sysctls.iter().filter(|one| one.verdict == Verdict::Change).collect();
    changes.sort_by_key(|change| needs(&change.key));
    changes
}

fn file_of(key: &str) -> String {
    format!("proc/sys/{}", key.replace('.', "/"))
}

fn set(root: &Root, key: &str, value: &str) -> Result<()> {
    let file = file_of(key);
    root.set(&file, value)?;
    let found = root.read(&file)?.map(|found| plain(&found)).unwrap_or_default();
    if found == value {
        return Ok(());
    }
    Err(Problem::Unread { what: key.to_owned(), found, wanted: value.to_owned() })
}

fn put_back(root: &Root, kept: &Kept, done: &mut Done, watch: Watch<'_>) -> Result<()> {
    let Some(found) = root.read(&file_of(&kept.key))?.map(|found| plain(&found)) else {
        return Ok(());
    };
    if found == kept.wrote && found != kept.before {
        done.step(watch, format!("{}: {found} -> {}", kept.key, kept.before))?;
        set(root, &kept.key, &kept.before)?;
    } else if found != kept.before {
        done.left.push(format!("{} = {found}: changed since by somebody else", kept.key));
    }
    Ok(())
}

fn take_away(root: &Root, file: &Written, done: &mut Done, watch: Watch<'_>) -> Result<()> {
    match root.read(&file.name)? {
        Some(text) if file.is(&text) => {
            done.step(watch, format!("remove /{}", file.name))?;
            root.remove(&file.name)
        }
        Some(_) => {
            done.left.push(format!("/{}: changed since by somebody else", file.name));
            Ok(())
        }
        None => Ok(()),
    }
}
