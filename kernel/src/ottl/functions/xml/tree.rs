//! A document as a tree: nodes in one list, in the order in which they stand in the text.

use std::collections::HashSet;
use std::fmt::Write;

/// Which node. A document begins with [`ROOT`], which stands for the document itself.
pub type Id = usize;
pub const ROOT: Id = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Empty if there is none.
    pub prefix: String,
    pub local: String,
}

impl Name {
    /// `prefix:local`, or `local` alone.
    pub fn new(name: &str) -> Self {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        Self { prefix: prefix.to_owned(), local: local.to_owned() }
    }

    fn write(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(&self.prefix);
            out.push(':');
        }
        out.push_str(&self.local);
    }
}

#[derive(Clone, Debug)]
pub struct Attribute {
    pub name: Name,
    pub value: String,
}

impl Attribute {
    /// Whether it declares a namespace, and describes nothing.
    pub fn is_namespace(&self) -> bool {
        self.name.prefix == "xmlns" || (self.name.prefix.is_empty() && self.name.local == "xmlns")
    }
}

#[derive(Clone, Debug)]
pub enum Content {
    Document,
    Element {
        name: Name,
        attributes: Vec<Attribute>,
    },
    Text(String),
    CData(String),
    Comment(String),
    /// `<?target text?>`, the declaration of XML included.
    Instruction {
        target: String,
        text: String,
    },
    /// `<!DOCTYPE …>`.
    Directive(String),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub content: Content,
    pub parent: Id,
    pub children: Vec<Id>,
}

#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node { content: Content::Document, parent: ROOT, children: Vec::new() }] }
    }
}

impl Tree {
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub fn content(&self, id: Id) -> &Content {
        &self.nodes[id].content
    }

    pub fn content_mut(&mut self, id: Id) -> &mut Content {
        &mut self.nodes[id].content
    }

    pub fn children(&self, id: Id) -> &[Id] {
        &self.nodes[id].children
    }

    pub fn attributes(&self, id: Id) -> &[Attribute] {
        match &self.nodes[id].content {
            Content::Element { attributes, .. } => attributes,
            _ => &[],
        }
    }

    pub fn is_element(&self, id: Id) -> bool {
        matches!(self.nodes[id].content, Content::Element { .. })
    }

    /// Appends a node behind the other children of `parent`.
    pub fn add(&mut self, parent: Id, content: Content) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node { content, parent, children: Vec::new() });
        self.nodes[parent].children.push(id);
        id
    }

    /// Appends a copy of a node of another tree, with all that is below it.
    pub fn graft(&mut self, parent: Id, other: &Self, id: Id) {
        let copy = self.add(parent, other.content(id).clone());
        for child in other.children(id) {
            self.graft(copy, other, *child);
        }
    }

    /// Takes nodes away from their parents.
    pub fn detach(&mut self, ids: &HashSet<Id>) {
        let parents: HashSet<Id> = ids.iter().map(|id| self.nodes[*id].parent).collect();
        for parent in parents {
            self.nodes[parent].children.retain(|child| !ids.contains(child));
        }
    }

    /// The text in a node and below, without comments.
    pub fn text(&self, id: Id) -> String {
        let mut out = String::new();
        self.gather(id, &mut out);
        out
    }

    fn gather(&self, id: Id, out: &mut String) {
        match self.content(id) {
            Content::Text(text) | Content::CData(text) => out.push_str(text),
            Content::Document | Content::Element { .. } => {
                self.children(id).iter().for_each(|child| self.gather(*child, out));
            }
            _ => {}
        }
    }

    /// Writes what is in the document as XML. Elements without content are written as such with an end tag.
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.children(ROOT).iter().for_each(|child| self.write_node(*child, true, &mut out));
        out
    }

    fn write_node(&self, id: Id, keeps_blanks: bool, out: &mut String) {
        match self.content(id) {
            Content::Document => {}
            Content::Text(text) => escape(if keeps_blanks { text } else { text.trim() }, out),
            Content::CData(text) => _ = write!(out, "<![CDATA[{text}]]>"),
            Content::Comment(text) => _ = write!(out, "<!--{text}-->"),
            Content::Directive(text) => _ = write!(out, "<!{text}>"),
            Content::Instruction { target, text } => {
                let blank = if text.is_empty() { "" } else { " " };
                _ = write!(out, "<?{target}{blank}{text}?>");
            }
            Content::Element { name, attributes } => {
                out.push('<');
                name.write(out);
                for attribute in attributes {
                    out.push(' ');
                    attribute.name.write(out);
                    out.push_str("=\"");
                    escape(&attribute.value, out);
                    out.push('"');
                }
                out.push('>');
                let space = attributes.iter().find(|it| it.name.prefix == "xml" && it.name.local == "space");
                let keeps_blanks = match space.map(|attribute| attribute.value.as_str()) {
                    Some("preserve") => true,
                    Some("default") => false,
                    _ => keeps_blanks,
                };
                self.children(id).iter().for_each(|child| self.write_node(*child, keeps_blanks, out));
                out.push_str("</");
                name.write(out);
                out.push('>');
            }
        }
    }
}

/// As the Go collector does: quotation marks too, and in numbers.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            other => out.push(other),
        }
    }
}
