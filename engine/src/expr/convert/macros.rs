//! Macros over lists, which the parser hands over expanded.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr as Parsed, IdedExpr, LiteralValue, operators,
};

use super::super::ExprError;
use super::super::tree::{Macro, MacroKind, Tree};
use super::Converter;

impl Converter<'_> {
    pub(super) fn comprehension(
        &mut self,
        comprehension: ComprehensionExpr,
    ) -> Result<Tree, ExprError> {
        let ComprehensionExpr { iter_range, iter_var, accu_init, loop_step, .. } = comprehension;
        let range = self.expression(iter_range)?;
        self.words += 2;
        if matches!(iter_var.as_str(), "nodes" | "secrets") {
            return Err(self.refuse(format!("a variable cannot be called `{iter_var}`")));
        }
        // The parser has expanded the macro; what it began with and adds tells which it was.
        let (kind, test, each) = match (accu_init.expr, loop_step.expr) {
            (Parsed::Literal(LiteralValue::Boolean(all)), Parsed::Call(mut step)) => {
                let kind = if all.into_inner() { MacroKind::All } else { MacroKind::Exists };
                (kind, step.args.pop(), None)
            }
            (Parsed::Literal(LiteralValue::Int(_)), Parsed::Call(step)) => {
                (MacroKind::ExistsOne, step.args.into_iter().next(), None)
            }
            (Parsed::List(_), Parsed::Call(step)) if step.func_name == operators::CONDITIONAL => {
                let [test, added, _] = self.exactly(step.args)?;
                let Parsed::Call(added) = added.expr else {
                    return Err(self.refuse("the expression does not parse"));
                };
                // `filter` adds the variable itself, which is not written.
                let each = added_element(added).filter(|each| !is_variable(each, &iter_var));
                (MacroKind::Collect, Some(test), each)
            }
            (Parsed::List(_), Parsed::Call(added)) => {
                (MacroKind::Collect, None, added_element(added))
            }
            _ => return Err(self.refuse("the expression does not parse")),
        };
        self.variables.push(iter_var);
        let test = test.map(|test| self.expression(test)).transpose()?;
        let each = each.map(|each| self.expression(each)).transpose()?;
        self.variables.pop();
        Ok(Tree::Macro(Box::new(Macro { kind, range, test, each })))
    }
}

fn is_variable(expr: &IdedExpr, name: &str) -> bool {
    matches!(&expr.expr, Parsed::Ident(ident) if ident == name)
}

/// The e of `@result + [e]`.
fn added_element(mut added: CallExpr) -> Option<IdedExpr> {
    match added.args.pop()?.expr {
        Parsed::List(mut list) => list.elements.pop(),
        _ => None,
    }
}
