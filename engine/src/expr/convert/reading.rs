//! Names, and the fields that follow them: what an expression reads.

use cel::common::ast::{CallExpr, Expr as Parsed, IdedExpr, SelectExpr, operators};

use super::super::ExprError;
use super::super::names::Read;
use super::super::tree::{Field, Tree};
use super::{Converter, unroll};
use crate::catalogue;
use crate::issue::excerpt;

impl Converter<'_> {
    /// A name with the fields that follow it, or fields of any other expression.
    pub(super) fn chain(&mut self, expr: IdedExpr, in_has: bool) -> Result<Tree, ExprError> {
        let (root, fields) = unroll(expr);
        self.chain_of(root, fields, in_has)
    }

    fn chain_of(
        &mut self,
        root: IdedExpr,
        fields: Vec<String>,
        in_has: bool,
    ) -> Result<Tree, ExprError> {
        let mut fields = fields.into_iter();
        let operand = match root.expr {
            Parsed::Ident(name) => {
                self.words += 1;
                match self.variables.iter().rposition(|variable| *variable == name) {
                    Some(slot) => Tree::Local { slot, name: name.into() },
                    None => self.free_name(name, &mut fields, in_has)?,
                }
            }
            _ if in_has => self.tested(root)?,
            _ => self.expression(root)?,
        };
        let path: Vec<Box<str>> = fields.map(String::into_boxed_str).collect();
        self.words += path.len();
        Ok(if path.is_empty() {
            operand
        } else {
            Tree::Select { operand: Box::new(operand), path }
        })
    }

    /// Within `has`, what is indexed is tested as well: `has(nodes.x.output.rows[0].id)`.
    fn tested(&mut self, expr: IdedExpr) -> Result<Tree, ExprError> {
        match expr.expr {
            Parsed::Call(CallExpr { func_name, target: None, args })
                if func_name == operators::INDEX =>
            {
                let [operand, index] = self.exactly(args)?;
                self.deeper(|this| {
                    let operand = this.chain(operand, true)?;
                    Ok(Tree::Index(Box::new((operand, this.expression(index)?))))
                })
            }
            other => self.expression(IdedExpr { id: expr.id, expr: other }),
        }
    }

    fn free_name(
        &mut self,
        name: String,
        fields: &mut std::vec::IntoIter<String>,
        in_has: bool,
    ) -> Result<Tree, ExprError> {
        match name.as_str() {
            "nodes" => {
                let Some(id) = fields.next() else {
                    return Err(self.refuse(
                        "`nodes` is no value of its own, and nodes cannot be looked up by a computed name: write \
                         `nodes.<id>.output`",
                    ));
                };
                self.words += 1;
                let Some(field) = fields.next() else {
                    return Err(self.refuse(format!(
                        "`nodes.{id}` is no value of its own: write `nodes.{id}.output`, `.outcome` or `.error`"
                    )));
                };
                self.words += 1;
                let Some(field) = Field::parse(&field) else {
                    let field = excerpt(&field);
                    return Err(self.refuse(format!(
                        "a node has `output`, `outcome` and `error`, no `{field}`: write `nodes.{id}.output.{field}` \
                         for a field of its output"
                    )));
                };
                let guarded = in_has || self.facts.iter().any(|(node, part)| **node == *id && *part == field);
                let text = format!("nodes.{id}.{}", field.name());
                self.record(Read {
                    root: name,
                    node: Some(id.clone()),
                    field: Some(field.name().to_owned()),
                    guarded,
                    text,
                });
                Ok(Tree::OfNode { id: id.into(), field })
            }
            "secrets" => Err(ExprError {
                entry: &catalogue::SECRET_PLACE,
                message: "a secret cannot be part of an expression: write `${ secrets.<name>.<key> }` by itself"
                    .to_owned(),
                offset: self.offset(),
            }),
            _ if name.starts_with('.') => Err(self.refuse("write the name without the dot before it")),
            _ => {
                // Of the run itself a few fields are known, and not all of them everywhere.
                let field = fields.as_slice().first().filter(|_| name == "run").cloned();
                let text = match &field {
                    Some(field) => format!("{name}.{field}"),
                    None => name.clone(),
                };
                self.record(Read { text, root: name.clone(), node: None, field, guarded: in_has });
                Ok(Tree::Name(name.into()))
            }
        }
    }

    fn record(&mut self, read: Read) {
        let known = self.reads.iter_mut().find(|known| {
            known.root == read.root && known.node == read.node && known.field == read.field
        });
        match known {
            Some(known) => known.guarded &= read.guarded,
            None => self.reads.push(read),
        }
    }

    /// `has(operand.field)`
    pub(super) fn presence(&mut self, select: SelectExpr) -> Result<Tree, ExprError> {
        self.words += 1;
        let (root, mut fields) = unroll(*select.operand);
        let of_node = matches!(&root.expr, Parsed::Ident(name) if name == "nodes");
        if of_node && fields.len() < 2 {
            fields.push(select.field);
            return match self.chain_of(root, fields, true)? {
                Tree::OfNode { id, field } => Ok(Tree::HasOfNode { id, field }),
                _ => Err(self.refuse("`has` takes one field: `has(nodes.x.output)`")),
            };
        }
        let operand = Box::new(self.chain_of(root, fields, true)?);
        self.words += 1;
        Ok(Tree::Has { operand, field: select.field.into() })
    }
}
