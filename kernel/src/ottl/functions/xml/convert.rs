//! Attributes and loose texts as elements.

use std::cmp::Reverse;

use super::tree::{Content, Id, Name, Tree};
use super::xpath::{Found, XPath};
use crate::ottl::datum::Failure;

/// Makes an element of each attribute that `path` finds, or of all. Elements come behind what is there.
pub(super) fn attributes(tree: &mut Tree, path: Option<&XPath>) -> Result<(), Failure> {
    let mut found = match path {
        Some(path) => path.select(tree)?,
        None => XPath::parse("//@*").map_err(Failure::new)?.select(tree)?,
    };
    for (id, index) in found.iter().filter_map(|found| match found {
        Found::Attribute(id, index) => Some((*id, *index)),
        Found::Node(_) => None,
    }) {
        let Some(attribute) = tree.attributes(id).get(index).cloned() else { continue };
        let name = Name { prefix: String::new(), local: attribute.name.local };
        let element = tree.add(id, Content::Element { name, attributes: Vec::new() });
        tree.add(element, Content::Text(attribute.value));
    }
    // From the back, so that the numbers of attributes before stay what they are.
    found.sort_unstable_by_key(|found| Reverse(found.order()));
    for found in found {
        if let Found::Attribute(id, index) = found {
            super::remove_attribute(tree, id, index);
        }
    }
    Ok(())
}

/// Makes elements of texts that stand beside elements or other texts, in what `path` finds and below, or everywhere.
pub(super) fn texts(tree: &mut Tree, path: Option<&XPath>, name: &str) -> Result<(), Failure> {
    let found = match path {
        Some(path) => path.select(tree)?,
        None => vec![Found::Node(super::ROOT)],
    };
    for found in found {
        if let Found::Node(id) = found {
            wrap(tree, id, name);
        }
    }
    Ok(())
}

fn wrap(tree: &mut Tree, id: Id, name: &str) {
    let children = tree.children(id).to_vec();
    let (mut texts, mut elements) = (0, 0);
    for child in &children {
        match tree.content(*child) {
            Content::Element { .. } => {
                elements += 1;
                wrap(tree, *child, name);
            }
            Content::Text(_) => texts += 1,
            _ => {}
        }
    }
    if elements + texts <= 1 {
        return;
    }
    for child in children {
        if let Content::Text(text) = tree.content_mut(child) {
            let text = std::mem::take(text);
            *tree.content_mut(child) = Content::Element { name: Name::new(name), attributes: Vec::new() };
            tree.add(child, Content::Text(text));
        }
    }
}
