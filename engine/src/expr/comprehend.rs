//! Macros: all, exists, exists_one, map, filter, over the elements of a list or the keys of a map.

use super::eval::{Evaluator, Fail, wrong_type};
use super::tree::{Macro, MacroKind};
use super::value::{List, Val};

impl<'a> Evaluator<'a, '_> {
    pub(super) fn comprehend(&mut self, macro_: &'a Macro) -> Result<Val<'a>, Fail> {
        let range = match self.eval(&macro_.range)? {
            Val::List(list) => list,
            Val::Map(map) => {
                self.budget.step(map.len())?;
                List::Made(std::rc::Rc::new(
                    map.keys(map.len()).into_iter().map(Val::Text).collect(),
                ))
            }
            other => {
                return Err(wrong_type(format!(
                    "a macro goes over a list or map, this is {}",
                    other.kind()
                )));
            }
        };
        match macro_.kind {
            MacroKind::All => self.quantify(macro_, &range, false),
            MacroKind::Exists => self.quantify(macro_, &range, true),
            MacroKind::ExistsOne => {
                let mut found = 0_usize;
                for item in range.iter() {
                    found += usize::from(self.with(item, |this| this.holds(macro_))?);
                }
                Ok(Val::Bool(found == 1))
            }
            MacroKind::Collect => {
                let mut collected = Vec::new();
                for item in range.iter() {
                    let element = self.with(item.clone(), |this| {
                        if !this.holds(macro_)? {
                            return Ok(None);
                        }
                        macro_.each.as_ref().map_or(Ok(item), |each| this.eval(each)).map(Some)
                    })?;
                    collected.extend(element);
                }
                Ok(Val::made_list(collected))
            }
        }
    }

    /// An element that decides does so even beside one whose test fails.
    fn quantify(
        &mut self,
        macro_: &'a Macro,
        range: &List<'a>,
        decides: bool,
    ) -> Result<Val<'a>, Fail> {
        let mut failed = None;
        for item in range.iter() {
            match self.with(item, |this| this.holds(macro_)) {
                Ok(bool) if bool == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(error) if error.code == "budget" => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn holds(&mut self, macro_: &'a Macro) -> Result<bool, Fail> {
        macro_.test.as_ref().map_or(Ok(true), |test| self.condition(test))
    }

    fn with<T>(
        &mut self,
        item: Val<'a>,
        body: impl FnOnce(&mut Self) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        self.budget.step(1)?;
        self.locals.push(item);
        let result = body(self);
        self.locals.pop();
        result
    }
}
