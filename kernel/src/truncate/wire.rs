//! Lists and maps of attribute values, by what they are on the wire.

use super::plan::{Plan, keep, plan};
use super::{MARKER, boundary};
use crate::tape::{Kind, Token};
use crate::view::{Map, Value};
use crate::wire::{WireType, fields};

/// The value in at most `max_bytes`, or as an empty list or map if that is larger.
///
/// What encloses something that shrinks never grows, so sizes are counted as if lengths took as many bytes as before.
pub(super) fn shorten(value: Value<'static>, max_bytes: usize) -> Value<'static> {
    // Not as it came: a member without a value, say, takes more when it is written again.
    let mut body = Vec::new();
    value.encode(&mut body);
    if body.len() <= max_bytes {
        return value;
    }
    let mut tokens = Vec::new();
    read(&body, 0, &mut tokens);
    let plan = plan(&body, &tokens, max_bytes);
    Rebuilding { body: &body, tokens: &tokens, plan: &plan }.value(0)
}

/// Appends the tokens of an `AnyValue` whose body begins at `offset`. Recurses as deep as values nest, which arrival bounds.
fn read(body: &[u8], offset: usize, tokens: &mut Vec<Token>) {
    let index = tokens.len();
    let field = fields(body).find(|field| (1..=7).contains(&field.number));
    let (kind, range) = match &field {
        Some(field) if field.number == 1 => (Kind::Text, field.body..field.end),
        Some(field) if field.number == 7 => (Kind::Bytes, field.body..field.end),
        Some(field) if field.number == 5 => (Kind::List, 0..body.len()),
        Some(field) if field.number == 6 => (Kind::Object, 0..body.len()),
        _ => (Kind::Number, 0..body.len()),
    };
    tokens.push(Token { kind, start: offset + range.start, end: offset + range.end, next: 0 });
    if let (Kind::List | Kind::Object, Some(container)) = (kind, field) {
        let items = fields(container.bytes).filter(|item| item.number == 1 && item.wire_type == WireType::Len);
        for item in items {
            let offset = offset + container.body;
            let slot = tokens.len();
            tokens.push(Token { kind: Kind::Slot, start: offset + item.start, end: offset + item.end, next: 0 });
            if kind == Kind::List {
                read(item.bytes, offset + item.body, tokens);
            } else {
                read_member(item.bytes, offset + item.body, tokens);
            }
            tokens[slot].next = tokens.len();
        }
    }
    tokens[index].next = tokens.len();
}

/// The same for a `KeyValue`.
fn read_member(body: &[u8], offset: usize, tokens: &mut Vec<Token>) {
    let key = fields(body).find(|field| field.number == 1).map_or(0..0, |field| field.body..field.end);
    tokens.push(Token { kind: Kind::Key, start: offset + key.start, end: offset + key.end, next: tokens.len() + 1 });
    match fields(body).find(|field| field.number == 2) {
        Some(value) => read(value.bytes, offset + value.body, tokens),
        None => read(&[], offset + body.len(), tokens),
    }
}

struct Rebuilding<'t> {
    body: &'t [u8],
    tokens: &'t [Token],
    plan: &'t Plan,
}

impl Rebuilding<'_> {
    fn value(&self, index: usize) -> Value<'static> {
        let token = &self.tokens[index];
        let bytes = &self.body[token.start..token.end];
        match token.kind {
            Kind::Text => {
                let (kept, is_marked) = keep(bytes, self.plan.longest, boundary);
                Value::text([kept, if is_marked { MARKER } else { b"" }].concat())
            }
            Kind::Bytes => Value::Bytes(bytes[..bytes.len().min(self.plan.longest)].to_vec().into()),
            Kind::List => Value::List(self.slots(index).map(|slot| self.value(slot + 1)).collect()),
            Kind::Object => {
                let mut map = Map::default();
                for slot in self.slots(index) {
                    let key = &self.tokens[slot + 1];
                    map.push(self.body[key.start..key.end].to_vec(), self.value(slot + 2));
                }
                Value::Map(map)
            }
            _ => Value::decode(bytes).into_owned(),
        }
    }

    /// The slots of a container that stay.
    fn slots(&self, container: usize) -> impl Iterator<Item = usize> {
        let end = self.tokens[container].next;
        let mut at = container + 1;
        let all = std::iter::from_fn(move || {
            let slot = at;
            at = if slot < end { self.tokens[slot].next } else { slot };
            (slot < end).then_some(slot)
        });
        all.filter(|slot| {
            let start = self.tokens[*slot].start;
            self.plan.removed.range(..=start).next_back().is_none_or(|(_, removed)| *removed <= start)
        })
    }
}
