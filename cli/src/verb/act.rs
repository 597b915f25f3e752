//! What verbs have in common that move runs: opening by rules, following, saying how it ended.

use std::time::Duration;

use aob_engine::catalogue;
use aob_engine::issue::Issue;
use aob_engine::state::RunOutcome;

use crate::arguments::{Format, Rules, Where};
use crate::drive::{End, Follow, Stop, asked};
use crate::exit::Exit;
use crate::operations::{Head, Kept, Needs, Request, Standing};
use crate::owner::{Access, Place, Settings, lacks};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;
use crate::show::time::now;
use crate::show::value::value;

/// How long closing takes before something is said about it.
const SHORT: Duration = Duration::from_millis(700);

/// A verb that may move runs.
pub(super) struct Act {
    pub(super) terminal: Terminal,
    pub(super) place: Place,
    pub(super) settings: Settings,
    rules: Rules,
    /// Flags that lead another command to the same place.
    flag: String,
}

/// How a run is followed to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Format of the result.
    pub(super) output: Option<Format>,
    /// Whether people are waited for without a terminal too.
    pub(super) wait: bool,
}

impl Act {
    pub(super) fn new(terminal: Terminal, given: &Where, rules: &Rules) -> Result<Self> {
        let place = Place::of(given)?;
        let flag = place.flag(given);
        Ok(Self { terminal, place, settings: Settings::of(rules)?, rules: rules.clone(), flag })
    }

    /// Opens the place; refuses if another process runs the nodes by stricter rules than were asked for.
    pub(super) async fn open(&self) -> Result<Access> {
        let access = Access::open(&self.place).await?;
        if let Some(host) = access.guest_of()
            && let Some(lacking) = lacks(&host, &self.rules)
        {
            let message = format!(
                "process {} has the data directory and runs nodes without {lacking}",
                host.pid
            );
            return Err(Problem::new(&catalogue::OTHER_RULES, lacking, message));
        }
        Ok(access)
    }

    /// Moves and follows a run to its end, prints its result, and ends as the run does.
    pub(super) async fn finish(
        &self,
        mut access: Access,
        run: &str,
        ending: Ending,
        stop: &mut Stop,
    ) -> Result<Exit> {
        let waits = ending.wait || self.terminal.live;
        let end = match self.follow(&mut access, run, waits, stop).await {
            Ok(end) => end,
            Err(problem) => {
                self.close(access, stop).await?;
                return Err(if problem.entry() == Some(&catalogue::NO_RUN) {
                    gone(run)
                } else {
                    problem
                });
            }
        };
        let exit = match &end {
            End::Over(standing) => {
                let kept: Kept = access
                    .operations
                    .ask(Request::Output { run: run.to_owned(), instance: None })
                    .await?;
                if kept.there {
                    self.terminal.data(&value(&kept.value, ending.output, self.terminal.data));
                }
                self.over(&standing.head)
            }
            end => self.not_over(end, run),
        };
        if !matches!(end, End::Stopped(_)) && access.guests() > 0 {
            self.terminal.say(&format!("other commands follow runs that this process moves ({}); it ends after them, or with Ctrl-C", access.guests()));
            tokio::select! {
                () = access.guests_gone() => {}
                _ = stop.next() => {}
            }
        }
        if let End::Stopped(_) = end {
            self.interrupted(&access, run);
        }
        self.close(access, stop).await?;
        Ok(exit)
    }

    /// Leaves a run that was started to whoever moves runs here, and prints its id.
    pub(super) async fn leave(&self, access: Access, run: &str, stop: &mut Stop) -> Result<Exit> {
        self.terminal.data(run);
        if access.is_owner() {
            self.terminal
                .say("started; it goes on with the next command that moves runs here: aob resume");
        }
        self.close(access, stop).await?;
        Ok(Exit::Done)
    }

    /// A key of its own for a guest, which asks again when its host ends: the key makes that one start.
    pub(super) fn own_key(&self, access: &Access) -> Option<String> {
        if access.is_remote() {
            return Some(format!("cli-{:032x}", rand::random::<u128>()));
        }
        let host = access.guest_of()?;
        Some(format!("guest-{}-{}-{}", host.pid, std::process::id(), now()))
    }

    /// After an answer: moves the run on as far as it goes, if nobody else does.
    pub(super) async fn go_on(
        &self,
        mut access: Access,
        run: &str,
        detach: bool,
        stop: &mut Stop,
    ) -> Result<Exit> {
        if detach || !access.is_owner() {
            self.close(access, stop).await?;
            return Ok(Exit::Done);
        }
        let root = root(&access, run).await?;
        let end = self.follow(&mut access, &root, false, stop).await;
        let exit = match end {
            Ok(End::Over(_)) => Ok(Exit::Done),
            Ok(End::Stopped(exit)) => {
                self.interrupted(&access, &root);
                Ok(exit)
            }
            Ok(end) => {
                self.not_over(&end, &root);
                Ok(Exit::Done)
            }
            Err(problem) => Err(problem),
        };
        self.close(access, stop).await?;
        exit
    }

    /// Ends this process's part; a second signal does not wait for what still runs.
    pub(super) async fn close(&self, access: Access, stop: &mut Stop) -> Result<()> {
        let close = access.close();
        tokio::pin!(close);
        let mut told = false;
        loop {
            tokio::select! {
                closed = &mut close => return closed,
                () = tokio::time::sleep(SHORT), if !told => {
                    told = true;
                    self.terminal.say("what runs just now has 5 seconds to finish; Ctrl-C stops at once");
                }
                exit = stop.next() => {
                    self.terminal.say("stopped at once");
                    std::process::exit(i32::from(exit as u8));
                }
            }
        }
    }

    async fn follow(
        &self,
        access: &mut Access,
        run: &str,
        waits: bool,
        stop: &mut Stop,
    ) -> Result<End> {
        let Self { terminal, settings, flag, .. } = self;
        let follow = Follow { terminal: *terminal, settings, waits, flag };
        follow.run(access, run, stop).await
    }

    /// Says how a run went that is over.
    fn over(&self, head: &Head) -> Exit {
        let outcome = head.outcome.unwrap_or(RunOutcome::Failed);
        match outcome {
            RunOutcome::Succeeded => return Exit::Done,
            RunOutcome::Cancelled => {
                self.terminal.say(&format!("{} was cancelled", head.run));
                return Exit::RunCancelled;
            }
            RunOutcome::Failed => {}
        }
        let Some(failure) = &head.failure else {
            self.terminal.say(&format!("{} failed", head.run));
            return Exit::RunFailed;
        };
        let at = failure.at.as_ref().map_or(String::new(), |at| format!("{at}: "));
        // The engine's short names of two entries.
        let entry = match failure.code.as_str() {
            "budget" => Some(&catalogue::EXPRESSION_BUDGET),
            "timeout" => Some(&catalogue::NODE_TIMEOUT),
            code => catalogue::find(code),
        };
        match entry {
            Some(entry) => {
                let issue = Issue::new(entry, "", format!("{at}{}", failure.message));
                self.terminal.findings(&Problem::found(head.run.as_str(), issue).findings);
            }
            None => {
                let text =
                    crate::show::plain(&format!("{at}{}: {}", failure.code, failure.message));
                self.terminal.say(&format!(
                    "{}: {text}\n  --> {}",
                    self.terminal.paint("1;31", "error"),
                    head.run
                ));
            }
        }
        Exit::RunFailed
    }

    /// Says how to go on with a run that is not over.
    fn not_over(&self, end: &End, run: &str) -> Exit {
        match end {
            End::Person(standing) => {
                self.terminal.say(&format!("{run} waits for a person:"));
                for ticket in &standing.tickets {
                    self.terminal.say(&asked(ticket, &self.flag));
                }
                Exit::Waiting
            }
            End::Suspended => {
                self.terminal.say(&format!(
                    "{run} is suspended; go on with:\n  aob resume {run}{}",
                    self.flag
                ));
                Exit::Waiting
            }
            End::Stopped(exit) => *exit,
            End::Over(_) => Exit::Done,
        }
    }

    fn interrupted(&self, access: &Access, run: &str) {
        let flag = &self.flag;
        if access.is_remote() {
            return self.terminal.say(&format!(
                "interrupted; {run} goes on behind the gateway. Follow it with:\n  aob resume {run}{flag}"
            ));
        }
        match access.guest_of() {
            Some(host) => {
                self.terminal.say(&format!("interrupted; process {} moves {run} on. Follow it with:\n  aob resume {run}{flag}", host.pid));
            }
            None => self
                .terminal
                .say(&format!("interrupted; {run} stays. Go on with:\n  aob resume {run}{flag}")),
        }
    }
}

/// A run that was there and no longer is.
fn gone(run: &str) -> Problem {
    let message = format!("{run} has ended and was dropped with its end; how it went was not kept");
    let issue = Issue::new(&catalogue::NO_RUN, "/spec/retention", message);
    Problem::found(run, issue.remedy("Give `spec.retention` a time, so that the result can be read: `{succeeded: 1h, failed: 24h}`."))
}

/// The run that nobody waits for, going up from a child run.
async fn root(access: &Access, run: &str) -> Result<String> {
    let mut run = run.to_owned();
    loop {
        let standing: Standing =
            access.operations.ask(Request::Standing { run: run.clone() }).await?;
        match standing.head.parent {
            Some(parent) if standing.needs != Needs::Nothing || parent.run != run => {
                run = parent.run
            }
            _ => return Ok(run),
        }
    }
}
