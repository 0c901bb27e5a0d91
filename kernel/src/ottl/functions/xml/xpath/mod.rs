//! XPath 1.0, the part of it that finds something in one document: all axes but `namespace`, predicates, operators, and
//! the functions that look at texts, numbers and names.
//! <https://www.w3.org/TR/1999/REC-xpath-19991116/>

mod calls;
mod eval;
mod lexer;
mod parser;
mod value;

use super::tree::{Content, Id, ROOT, Tree};
use crate::ottl::datum::Failure;
use calls::Call;
use eval::Evaluation;

/// What a path may find: a node, or the attribute with this number of an element. Ordered as in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    Node(Id),
    Attribute(Id, usize),
}

impl Found {
    /// The node, or the element that has the attribute.
    pub fn node(self) -> Id {
        match self {
            Self::Node(id) | Self::Attribute(id, _) => id,
        }
    }

    /// What stands in it.
    pub fn text(self, tree: &Tree) -> String {
        match self {
            Self::Node(id) => match tree.content(id) {
                Content::Comment(text) | Content::Instruction { text, .. } => text.clone(),
                _ => tree.text(id),
            },
            Self::Attribute(id, index) => {
                tree.attributes(id).get(index).map_or_else(String::new, |attribute| attribute.value.clone())
            }
        }
    }

    /// Attributes stand behind their element, and before what is in it.
    pub fn order(self) -> (Id, usize) {
        match self {
            Self::Node(id) => (id, 0),
            Self::Attribute(id, index) => (id, index + 1),
        }
    }
}

/// An expression that gives nodes.
#[derive(Debug)]
pub struct XPath(Expr);

impl XPath {
    /// Parses a text, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = parser::parse(text)?;
        if !expression.gives_nodes() {
            return Err("it gives a value and no nodes".to_owned());
        }
        Ok(Self(expression))
    }

    /// What it finds in a document as it was read, in its order, each once. What `|` unites comes one after the other.
    pub fn select(&self, tree: &Tree) -> Result<Vec<Found>, Failure> {
        Evaluation::new(tree).nodes(&self.0, Found::Node(ROOT))
    }
}

#[derive(Debug)]
enum Expr {
    /// Steps from the context, from the document if it is absolute, or from what another expression finds.
    Path {
        from: Start,
        steps: Vec<Step>,
    },
    /// Those of the nodes that an expression finds for which all conditions hold.
    Filter {
        nodes: Box<Expr>,
        predicates: Vec<Expr>,
    },
    Union(Vec<Expr>),
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negative(Box<Expr>),
    Call {
        call: &'static Call,
        arguments: Vec<Expr>,
    },
    Text(String),
    Number(f64),
}

impl Expr {
    fn gives_nodes(&self) -> bool {
        matches!(self, Self::Path { .. } | Self::Filter { .. } | Self::Union(_))
    }
}

#[derive(Debug)]
enum Start {
    Context,
    Document,
    Nodes(Box<Expr>),
}

#[derive(Debug)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    ItSelf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Any,
    Text,
    Comment,
    /// With this target, if one is given.
    Instruction(Option<String>),
    /// An element, or on its axis an attribute. `None` is any name; the prefix is compared as it is written.
    Name {
        prefix: Option<String>,
        local: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}
