//! Functions on texts that are XML: `ParseXML` and `ParseSimplifiedXML` make maps of them, others find and change parts of
//! them by an [`XPath`].

mod convert;
mod parse;
mod reader;
mod tree;
mod xpath;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashSet;

use self::tree::{Content, Id, ROOT, Tree};
use self::xpath::Found;
use super::{Argument, Arguments, Function, Kind, needed, optional};
use crate::ottl::datum::{Datum, Failure};

pub use xpath::XPath;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("ParseXML", &[needed("target", Kind::Text)], |args| parse::parse(&text(args, 0)?)),
    Function::new("ParseSimplifiedXML", &[needed("target", Kind::Text)], |args| {
        parse::simplified(&document(&text(args, 0)?)?)
    }),
    Function::new("GetXML", &[needed("target", Kind::Text), needed("x_path", Kind::XPath)], |args| {
        let text = text(args, 0)?;
        if text.is_empty() {
            return Ok(given(String::new()));
        }
        let tree = document(&text)?;
        let mut result = Tree::default();
        for found in path(args, 1)?.select(&tree)? {
            match (found, tree.content(found.node())) {
                (Found::Node(id), Content::Element { .. } | Content::Text(_)) => result.graft(ROOT, &tree, id),
                (Found::Node(id), Content::CData(_)) => _ = result.add(ROOT, Content::Text(tree.text(id))),
                (Found::Attribute(..), _) => _ = result.add(ROOT, Content::Text(found.text(&tree))),
                _ => {}
            }
        }
        Ok(given(result.write()))
    }),
    Function::new(
        "InsertXML",
        &[needed("target", Kind::Text), needed("x_path", Kind::XPath), needed("sub_document", Kind::Text)],
        |args| {
            let (text, inserted) = (text(args, 0)?, document(&text(args, 2)?)?);
            let mut tree = if text.is_empty() { Tree::default() } else { document(&text)? };
            for found in path(args, 1)?.select(&tree)? {
                match found {
                    Found::Node(id) if id == ROOT || tree.is_element(id) => {
                        inserted.children(ROOT).iter().for_each(|child| tree.graft(id, &inserted, *child));
                    }
                    _ => {
                        let text = found.text(&tree);
                        return Err(Failure::new(format!("InsertXML XPath selected non-element: {text:?}")));
                    }
                }
            }
            Ok(given(tree.write()))
        },
    ),
    Function::new("RemoveXML", &[needed("target", Kind::Text), needed("x_path", Kind::XPath)], |args| {
        let text = text(args, 0)?;
        if text.is_empty() {
            return Ok(given(String::new()));
        }
        let mut tree = document(&text)?;
        let mut nodes = HashSet::new();
        let mut all = path(args, 1)?.select(&tree)?;
        // From the back, so that the numbers of attributes before stay what they are.
        all.sort_unstable_by_key(|found| Reverse(found.order()));
        for found in all {
            match found {
                Found::Attribute(id, index) => remove_attribute(&mut tree, id, index),
                Found::Node(ROOT) => {}
                Found::Node(id) => _ = nodes.insert(id),
            }
        }
        tree.detach(&nodes);
        Ok(given(tree.write()))
    }),
    Function::new(
        "ConvertAttributesToElementsXML",
        &[needed("target", Kind::Text), optional("x_path", Kind::XPath)],
        |args| {
            let mut tree = document(&text(args, 0)?)?;
            convert::attributes(&mut tree, chosen(args, 1))?;
            Ok(given(tree.write()))
        },
    ),
    Function::new(
        "ConvertTextToElementsXML",
        &[needed("target", Kind::Text), optional("x_path", Kind::XPath), optional("element_name", Kind::LiteralText)],
        |args| {
            let mut tree = document(&text(args, 0)?)?;
            let name = String::from_utf8_lossy(&args.text_or(2, b"")?).into_owned();
            convert::texts(&mut tree, chosen(args, 1), if name.is_empty() { "value" } else { &name })?;
            Ok(given(tree.write()))
        },
    ),
];

fn text(args: &Arguments<'_, '_>, index: usize) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&args.text(index)?).into_owned())
}

fn given<'v>(text: String) -> Datum<'v> {
    Datum::Text(Cow::Owned(text.into_bytes()))
}

/// The path that the compiler has made of a literal, if one was given.
fn chosen<'v>(args: &Arguments<'_, 'v>, index: usize) -> Option<&'v XPath> {
    match args.given.get(index) {
        Some(Argument::XPath(path)) => Some(path),
        _ => None,
    }
}

fn path<'v>(args: &Arguments<'_, 'v>, index: usize) -> Result<&'v XPath, Failure> {
    chosen(args, index).ok_or_else(|| Failure::new("there is no xpath"))
}

/// Reads a document with at least one element. Unless it begins with its declaration, what stands before the first
/// element is left out.
fn document(text: &str) -> Result<Tree, Failure> {
    let wrong = |why: &str| Failure::new(format!("parse xml: {why}"));
    let read = reader::read(text).map_err(|why| wrong(&why))?;
    if let Some(prefix) = read.undeclared {
        return Err(wrong(&format!("namespace {prefix} is missing")));
    }
    let mut tree = read.tree;
    let Some(first) = tree.children(ROOT).iter().position(|child| tree.is_element(*child)) else {
        return Err(wrong("there is no element"));
    };
    if !text.starts_with("<?xml") {
        let before = tree.children(ROOT)[..first].iter().copied().collect();
        tree.detach(&before);
    }
    Ok(tree)
}

fn remove_attribute(tree: &mut Tree, id: Id, index: usize) {
    if let Content::Element { attributes, .. } = tree.content_mut(id) {
        attributes.remove(index);
    }
}
