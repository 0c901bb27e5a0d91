//! The slow path at arrival: brings a well-formed request to the normal form.
//!
//! What protobuf lets a sender scatter is put together as protobuf's own parsers would: of a field that is not
//! repeated the last value counts, parts of a message are merged, of a oneof the last member stays. Known
//! fields come out in the order of their numbers, then unknown ones as they came. Strings that are not UTF-8
//! get U+FFFD where they are broken.

use crate::shape::{Kind, Known, REQUEST, Shape};
use crate::wire::{self, Field, WireType, fields};

/// The same request in the normal form. It must have passed [`crate::scan::scan`], which bounds how deep
/// this recurses.
pub fn normalize(request: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len());
    write(&REQUEST, &[request], &mut out);
    out
}

/// Appends the message that `parts`, one after another, are the body of.
///
/// The parts are read again for every field that stands in them, of which a message has sixteen at most: a list of
/// fields that take two bytes each would need many times the memory of the request.
fn write(shape: &'static Shape, parts: &[&[u8]], out: &mut Vec<u8>) {
    let all = || parts.iter().copied().flat_map(fields);
    // Known fields that count, as bits.
    let mut present = 0;
    // Members of a oneof before this index were replaced by a later one.
    let mut valid_from = 0;
    let mut member = 0;
    for (index, field) in all().enumerate() {
        let Some(known) = shape.field(field.number) else { continue };
        let bit = 1 << known.number;
        if shape.oneof & bit != 0 {
            // A message goes on where it left off, unless another member stood in between.
            if member != known.number || known.kind.message().is_none() {
                valid_from = index;
                present &= !shape.oneof;
            }
            member = known.number;
        }
        present |= bit;
    }

    for known in shape.fields.iter().filter(|known| present & 1 << known.number != 0) {
        let same = all().skip(valid_from).filter(|field| field.number == known.number);
        match known.kind.message() {
            _ if known.repeated => same.for_each(|field| put(known, &field, out)),
            Some(inner) => {
                let parts: Vec<&[u8]> = same.map(|field| field.bytes).filter(|part| !part.is_empty()).collect();
                wire::put_message(out, known.number, |out| write(inner, &parts, out));
            }
            None => {
                if let Some(last) = same.last() {
                    put(known, &last, out);
                }
            }
        }
    }
    all().filter(|field| shape.field(field.number).is_none()).for_each(|field| put_as_is(&field, out));
}

/// Appends one value of a known field.
fn put(known: &'static Known, field: &Field<'_>, out: &mut Vec<u8>) {
    match (known.kind.message(), known.kind) {
        (Some(shape), _) => wire::put_message(out, known.number, |out| write(shape, &[field.bytes], out)),
        (None, Kind::Text) => wire::put_bytes(out, known.number, String::from_utf8_lossy(field.bytes).as_bytes()),
        _ => put_as_is(field, out),
    }
}

/// Appends a field with the tag and the varints in their shortest form.
fn put_as_is(field: &Field<'_>, out: &mut Vec<u8>) {
    match field.wire_type {
        WireType::Varint => wire::put_varint_field(out, field.number, field.scalar),
        WireType::Fixed64 => wire::put_fixed64(out, field.number, field.scalar),
        WireType::Fixed32 => wire::put_fixed32(out, field.number, field.scalar as u32),
        WireType::Len => wire::put_bytes(out, field.number, field.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn message(number: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, number, body);
        out
    }

    #[test]
    fn puts_together_what_was_scattered() {
        let (first, second) = (message(2, &message(5, b"a")), message(2, &message(5, b"b")));
        let scope = message(1, &message(1, b"lib"));
        let request = message(1, &message(2, &[first.clone(), scope.clone(), second.clone()].concat()));
        assert!(!scan(&request).unwrap().normal);
        assert_eq!(normalize(&request), message(1, &message(2, &[scope, first, second].concat())));
    }

    #[test]
    fn the_last_value_stays_and_parts_of_a_message_merge() {
        let part = |key: &[u8]| message(1, &message(1, &message(1, key)));
        let url = |url: &[u8]| message(3, url);
        let request = message(1, &[part(b"a"), url(b"old"), part(b"b"), url(b"new")].concat());
        let merged = message(1, &[message(1, &message(1, b"a")), message(1, &message(1, b"b"))].concat());
        assert_eq!(normalize(&request), message(1, &[merged, url(b"new")].concat()));
    }

    #[test]
    fn a_list_goes_on_unless_another_member_of_the_oneof_stood_in_between() {
        let place = |value: &[u8]| message(1, &message(1, &message(1, &message(2, value))));
        let item = |text: &[u8]| message(1, &message(1, text));
        let list = |text: &[u8]| message(5, &item(text));
        let through = [list(b"a"), list(b"b")].concat();
        assert_eq!(normalize(&place(&through)), place(&message(5, &[item(b"a"), item(b"b")].concat())));
        let broken = [list(b"a"), message(1, b"text"), list(b"b")].concat();
        assert_eq!(normalize(&place(&broken)), place(&list(b"b")));
    }

    #[test]
    fn unknown_fields_go_to_the_end_in_their_order() {
        let unknown = [message(99, b"x"), message(77, b"y"), message(99, b"z")].concat();
        let span = message(5, b"name");
        let place = |span: Vec<u8>| message(1, &message(2, &message(2, &span)));
        let request = place([&message(5, b"old")[..], &unknown, &span].concat());
        assert_eq!(normalize(&request), place([&span[..], &unknown].concat()));
    }
}
