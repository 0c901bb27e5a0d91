//! What the parser makes of a condition or a statement. Positions are byte offsets in the source.

/// `editor where condition`.
#[derive(Clone, Debug)]
pub struct Statement {
    pub editor: Call,
    pub condition: Option<Condition>,
}

#[derive(Clone, Debug)]
pub enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    Constant(bool),
    Compare {
        left: Value,
        operator: Comparison,
        right: Value,
    },
    /// A function that must answer with true or false.
    Call(Call),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
pub struct Value {
    pub at: usize,
    pub kind: ValueKind,
}

#[derive(Clone, Debug)]
pub enum ValueKind {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    /// A name without parentheses: an enum such as `STATUS_CODE_OK`, or, as an argument, a function.
    Name(String),
    List(Vec<Value>),
    Map(Vec<(Vec<u8>, Value)>),
    Path(Path),
    Call(Call),
    Negative(Box<Value>),
    /// A plus sign does nothing, but what it stands before is no literal any more.
    Positive(Box<Value>),
    /// Operators of one precedence, from left to right: a chain, so that its length is not depth.
    Chain {
        first: Box<Value>,
        rest: Vec<(Operator, Value)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A function with its arguments, and what indexes its result.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: usize,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub keys: Vec<Value>,
}

#[derive(Clone, Debug)]
pub struct Argument {
    pub name: Option<String>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub struct Path {
    pub at: usize,
    pub segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
pub struct Segment {
    pub name: String,
    pub keys: Vec<Value>,
}

impl Path {
    /// The path as it was written, without its keys.
    pub fn dotted(&self) -> String {
        self.segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// What a walk over a condition or statement meets.
pub enum Node<'n> {
    Path(&'n Path),
    Call(&'n Call),
    Name(&'n str),
}

impl Statement {
    pub fn visit<'n>(&'n self, visit: &mut impl FnMut(Node<'n>)) {
        self.editor.visit(visit);
        if let Some(condition) = &self.condition {
            condition.visit(visit);
        }
    }
}

impl Condition {
    pub fn visit<'n>(&'n self, visit: &mut impl FnMut(Node<'n>)) {
        match self {
            Self::Or(terms) | Self::And(terms) => terms.iter().for_each(|term| term.visit(visit)),
            Self::Not(inner) => inner.visit(visit),
            Self::Constant(_) => {}
            Self::Compare { left, right, .. } => {
                left.visit(visit);
                right.visit(visit);
            }
            Self::Call(call) => call.visit(visit),
        }
    }
}

impl Value {
    fn visit<'n>(&'n self, visit: &mut impl FnMut(Node<'n>)) {
        match &self.kind {
            ValueKind::Nil
            | ValueKind::Bool(_)
            | ValueKind::Int(_)
            | ValueKind::Double(_)
            | ValueKind::Text(_)
            | ValueKind::Bytes(_) => {}
            ValueKind::Name(name) => visit(Node::Name(name)),
            ValueKind::List(items) => items.iter().for_each(|item| item.visit(visit)),
            ValueKind::Map(entries) => entries.iter().for_each(|(_, value)| value.visit(visit)),
            ValueKind::Path(path) => {
                visit(Node::Path(path));
                path.segments.iter().flat_map(|segment| &segment.keys).for_each(|key| key.visit(visit));
            }
            ValueKind::Call(call) => call.visit(visit),
            ValueKind::Negative(inner) | ValueKind::Positive(inner) => inner.visit(visit),
            ValueKind::Chain { first, rest } => {
                first.visit(visit);
                rest.iter().for_each(|(_, value)| value.visit(visit));
            }
        }
    }
}

impl Call {
    fn visit<'n>(&'n self, visit: &mut impl FnMut(Node<'n>)) {
        visit(Node::Call(self));
        self.arguments.iter().for_each(|argument| argument.value.visit(visit));
        self.keys.iter().for_each(|key| key.visit(visit));
    }
}
