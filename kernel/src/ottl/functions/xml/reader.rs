//! From text to a tree, as strict as Go's reader, and stricter about what could grow without a bound: there are no
//! entities but the five that everybody knows.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::tree::{Attribute, Content, Id, Name, ROOT, Tree};

/// How deep elements may nest.
const MAX_DEPTH: usize = 256;

const ENTITIES: [(&str, &str); 5] = [("amp", "&"), ("apos", "'"), ("gt", ">"), ("lt", "<"), ("quot", "\"")];

/// A tree that was read, and what is odd about it.
#[derive(Debug)]
pub struct Document {
    pub tree: Tree,
    /// The first prefix of an element that stands for no namespace.
    pub undeclared: Option<String>,
}

/// Reads a text, which may hold several elements side by side. Says what is wrong with it.
pub fn read(text: &str) -> Result<Document, String> {
    let is_legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if let Some(c) = text.chars().find(|c| !is_legal(*c)) {
        return Err(format!("illegal character U+{:04X}", c as u32));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder {
        tree: Tree::default(),
        open: vec![ROOT],
        namespaces: Vec::new(),
        known: HashMap::new(),
        undeclared: None,
    };
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => builder.open(&start)?,
            Event::Empty(start) => {
                builder.open(&start)?;
                builder.close();
            }
            Event::End(_) => builder.close(),
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err("unescaped ]]> not in a CDATA section".to_owned());
                }
                builder.text(&text.xml10_content());
            }
            Event::GeneralRef(reference) => {
                let found = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                match found {
                    Some(c) => builder.text(c.encode_utf8(&mut [0; 4])),
                    None => {
                        let name = reference.into_inner();
                        let entity = ENTITIES.iter().find(|(entity, _)| *entity == name);
                        builder.text(entity.ok_or_else(|| format!("invalid character entity &{name};"))?.1);
                    }
                }
            }
            Event::CData(text) => builder.put(Content::CData(text.xml10_content().into_owned())),
            Event::Comment(text) => builder.put(Content::Comment(text.xml10_content().into_owned())),
            Event::Decl(declaration) => {
                if declaration.version().map_err(|error| error.to_string())? != "1.0" {
                    return Err("only version 1.0 is supported".to_owned());
                }
                if let Some(encoding) = declaration.encoding() {
                    let encoding = encoding.map_err(|error| error.to_string())?;
                    if !encoding.eq_ignore_ascii_case("utf-8") {
                        return Err(format!("the text is UTF-8, and says that it is {encoding}"));
                    }
                }
                builder.put(instruction(&declaration));
            }
            Event::PI(text) => builder.put(instruction(&text)),
            Event::DocType(text) => builder.put(Content::Directive(format!("DOCTYPE {}", &*text))),
            Event::Eof if builder.open.len() > 1 => return Err("an element without its end".to_owned()),
            Event::Eof => return Ok(Document { tree: builder.tree, undeclared: builder.undeclared }),
        }
    }
}

struct Builder {
    tree: Tree,
    /// The elements that we are in, the document first.
    open: Vec<Id>,
    /// Prefixes that stand for something, and how many elements were open when they were declared.
    namespaces: Vec<(String, usize)>,
    /// How many declarations there are of each.
    known: HashMap<String, usize>,
    undeclared: Option<String>,
}

impl Builder {
    fn parent(&self) -> Id {
        self.open.last().copied().unwrap_or(ROOT)
    }

    fn put(&mut self, content: Content) {
        self.tree.add(self.parent(), content);
    }

    /// References cut a text in pieces, which belong together.
    fn text(&mut self, text: &str) {
        let last = self.tree.children(self.parent()).last().copied();
        if let Some(last) = last
            && let Content::Text(begun) = self.tree.content_mut(last)
        {
            begun.push_str(text);
            return;
        }
        self.put(Content::Text(text.to_owned()));
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.len() > MAX_DEPTH {
            return Err(format!("elements nest deeper than {MAX_DEPTH} levels"));
        }
        let name = name(start.name().into_inner())?;
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.value.contains('<') {
                return Err("unescaped < in an attribute".to_owned());
            }
            let value = unescape(&attribute.value).map_err(|error| error.to_string())?;
            let value = value.replace("\r\n", "\n").replace('\r', "\n");
            let attribute = Attribute { name: self::name(attribute.key.into_inner())?, value };
            if attribute.name.prefix == "xmlns" {
                self.namespaces.push((attribute.name.local.clone(), self.open.len()));
                *self.known.entry(attribute.name.local.clone()).or_default() += 1;
            }
            attributes.push(attribute);
        }
        let prefix = &name.prefix;
        let is_known = prefix.is_empty() || prefix == "xml" || self.known.get(prefix).is_some_and(|count| *count > 0);
        if !is_known && self.undeclared.is_none() {
            self.undeclared = Some(prefix.clone());
        }
        let id = self.tree.add(self.parent(), Content::Element { name, attributes });
        self.open.push(id);
        Ok(())
    }

    /// Ends must belong to what is open: the reader sees to that.
    fn close(&mut self) {
        self.open.pop();
        let depth = self.open.len();
        while let Some((prefix, _)) = self.namespaces.pop_if(|(_, declared)| *declared >= depth) {
            self.known.entry(prefix).and_modify(|count| *count -= 1);
        }
    }
}

fn name(name: &str) -> Result<Name, String> {
    let begins = |c: char| c.is_alphabetic() || matches!(c, '_' | ':') || c as u32 > 0xbf;
    let goes_on = |c: char| begins(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}');
    let mut chars = name.chars();
    if chars.next().is_some_and(begins) && chars.all(goes_on) && name.matches(':').count() < 2 {
        return Ok(Name::new(name));
    }
    Err(format!("invalid XML name {name:?}"))
}

/// From what stands between the question marks.
fn instruction(text: &str) -> Content {
    let (target, rest) = text.split_at(text.find([' ', '\t', '\r', '\n']).unwrap_or(text.len()));
    Content::Instruction { target: target.to_owned(), text: rest.trim().to_owned() }
}
