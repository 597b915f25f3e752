//! Operators and functions.

use cel::common::ast::{CallExpr, Expr as Parsed, IdedExpr, operators};

use super::super::ExprError;
use super::super::functions::{self, Form};
use super::super::guard;
use super::super::pattern;
use super::super::tree::{Operator, Tree};
use super::Converter;
use crate::issue::excerpt;

impl Converter<'_> {
    pub(super) fn call(&mut self, call: CallExpr) -> Result<Tree, ExprError> {
        let CallExpr { func_name, target, args } = call;
        let Some(target) = target else {
            return match func_name.as_str() {
                operators::LOGICAL_AND | operators::LOGICAL_OR => self.logical(func_name, args),
                operators::CONDITIONAL => self.conditional(args),
                operators::INDEX => self.index(args),
                operators::LOGICAL_NOT => self.unary(args, Tree::Not),
                operators::NEGATE => self.unary(args, Tree::Negate),
                name => match binary_operator(name) {
                    Some(operator) => self.binary(operator, args),
                    None => {
                        self.words += 1;
                        self.function(Form::Plain, &func_name, Vec::new(), args)
                    }
                },
            };
        };
        if matches!(&target.expr, Parsed::Ident(name) if name == "math" && !self.variables.contains(name))
        {
            self.words += 2;
            return self.function(Form::Math, &func_name, Vec::new(), args);
        }
        let target = self.expression(*target)?;
        self.words += 1;
        self.function(Form::Method, &func_name, vec![target], args)
    }

    fn function(
        &mut self,
        form: Form,
        name: &str,
        mut operands: Vec<Tree>,
        args: Vec<IdedExpr>,
    ) -> Result<Tree, ExprError> {
        let given = args.len();
        self.literal_size(given)?;
        let pattern = name == "matches" && form != Form::Math && operands.len() + given == 2;
        let found = functions::find(form, name);
        if !pattern {
            match found {
                None => return Err(self.refuse(functions::unknown(form, &excerpt(name)))),
                Some((_, least, most)) if given < least || given > most => {
                    return Err(self.refuse(functions::wrong_count(name, least, most, given)));
                }
                Some(_) => {}
            }
        }
        operands.extend(self.each(args)?);
        match found {
            Some((function, ..)) => Ok(Tree::Call(function, operands)),
            None => self.pattern(operands),
        }
    }

    fn pattern(&self, operands: Vec<Tree>) -> Result<Tree, ExprError> {
        let mut operands = operands.into_iter();
        let (Some(text), Some(Tree::Text(pattern))) = (operands.next(), operands.next()) else {
            return Err(self.refuse(
                "the pattern of `matches` is a string that stands in the expression itself",
            ));
        };
        match pattern::compile(&pattern) {
            Ok(regex) => Ok(Tree::Matches(Box::new(text), regex)),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    fn logical(&mut self, name: String, args: Vec<IdedExpr>) -> Result<Tree, ExprError> {
        let and = name == operators::LOGICAL_AND;
        let before = self.facts.len();
        let mut terms = Vec::new();
        for arg in args {
            self.terms(&name, and, arg, &mut terms)?;
        }
        self.facts.truncate(before);
        Ok(if and { Tree::And(terms) } else { Tree::Or(terms) })
    }

    /// The terms of a chain of one operator, which the parser makes a balanced tree of.
    fn terms(
        &mut self,
        name: &str,
        and: bool,
        expr: IdedExpr,
        into: &mut Vec<Tree>,
    ) -> Result<(), ExprError> {
        match expr.expr {
            Parsed::Call(CallExpr { func_name, target: None, args }) if func_name == name => {
                args.into_iter().try_for_each(|arg| self.terms(name, and, arg, into))
            }
            other => {
                let term = self.expression(IdedExpr { id: expr.id, expr: other })?;
                // The next term counts only if this one came out so.
                guard::facts(&term, and, &mut self.facts);
                into.push(term);
                Ok(())
            }
        }
    }

    fn conditional(&mut self, args: Vec<IdedExpr>) -> Result<Tree, ExprError> {
        let [condition, then, otherwise] = self.exactly(args)?;
        let condition = self.expression(condition)?;
        let before = self.facts.len();
        guard::facts(&condition, true, &mut self.facts);
        let then = self.expression(then)?;
        self.facts.truncate(before);
        guard::facts(&condition, false, &mut self.facts);
        let otherwise = self.expression(otherwise)?;
        self.facts.truncate(before);
        Ok(Tree::Choose(Box::new([condition, then, otherwise])))
    }

    fn index(&mut self, args: Vec<IdedExpr>) -> Result<Tree, ExprError> {
        let [operand, index] = self.exactly(args)?;
        let operand = self.expression(operand)?;
        Ok(Tree::Index(Box::new((operand, self.expression(index)?))))
    }

    fn unary(
        &mut self,
        args: Vec<IdedExpr>,
        node: impl Fn(Box<Tree>) -> Tree,
    ) -> Result<Tree, ExprError> {
        let [operand] = self.exactly(args)?;
        Ok(node(Box::new(self.expression(operand)?)))
    }

    fn binary(&mut self, operator: Operator, args: Vec<IdedExpr>) -> Result<Tree, ExprError> {
        let [left, right] = self.exactly(args)?;
        if matches!(operator, Operator::Equal | Operator::NotEqual) {
            let tested = match (self.type_name(&left.expr), self.type_name(&right.expr)) {
                (Some(name), None) if is_type_call(&right.expr) => Some((name, right.expr.clone())),
                (None, Some(name)) if is_type_call(&left.expr) => Some((name, left.expr.clone())),
                _ => None,
            };
            if let Some((name, Parsed::Call(CallExpr { args, .. }))) = tested {
                self.words += 1;
                let [operand] = self.exactly(args)?;
                let test = Tree::TypeIs(Box::new(self.expression(operand)?), name);
                self.words += 1;
                return Ok(if operator == Operator::Equal {
                    test
                } else {
                    Tree::Not(Box::new(test))
                });
            }
        }
        let left = self.expression(left)?;
        Ok(Tree::Binary(operator, Box::new((left, self.expression(right)?))))
    }

    /// The kind of values that this is the name of.
    fn type_name(&self, expr: &Parsed) -> Option<&'static str> {
        let Parsed::Ident(name) = expr else { return None };
        if name == "null_type" {
            return Some("null");
        }
        ["bool", "int", "double", "string", "list", "map"].into_iter().find(|kind| kind == name)
    }
}

fn is_type_call(expr: &Parsed) -> bool {
    matches!(expr, Parsed::Call(CallExpr { func_name, target: None, args }) if func_name == "type" && args.len() == 1)
}

fn binary_operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Modulo,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterEqual,
        operators::IN => Operator::In,
        _ => return None,
    })
}
