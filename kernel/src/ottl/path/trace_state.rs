//! The members of a W3C trace state, read and written one by one.
//! <https://www.w3.org/TR/trace-context/#tracestate-header>

use std::borrow::Cow;

use crate::ottl::datum::Datum;

/// The member `key`: empty text if there is none, nil if that is no trace state.
pub(in crate::ottl) fn read_member<'v>(state: &'v [u8], key: &[u8]) -> Datum<'v> {
    match members(state) {
        Some(members) => {
            let value = members.iter().rev().find(|(name, _)| *name == key).map_or(&[][..], |(_, value)| value);
            Datum::Text(Cow::Borrowed(value))
        }
        None => Datum::Nil,
    }
}

/// The state with this member in front, written without blanks. `None` where nothing changes: that is no trace state, or
/// the key or the value cannot stand in one.
pub(in crate::ottl) fn write_member(state: &[u8], key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let members = members(state)?;
    if !is_name(key) || !is_value(value) {
        return None;
    }
    let mut out = [key, b"=", value].concat();
    for (name, value) in members.into_iter().filter(|(name, _)| *name != key) {
        out.push(b',');
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    Some(out)
}

/// The members in their order, or `None` if one of them does not follow the grammar.
fn members(state: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let member = |member: &'_ [u8]| -> Option<(usize, usize)> {
        let equals = member.iter().position(|byte| *byte == b'=')?;
        (is_name(&member[..equals]) && is_value(&member[equals + 1..])).then_some((equals, equals + 1))
    };
    state
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|text| !text.is_empty())
        .map(|text| member(text).map(|(end, start)| (&text[..end], &text[start..])))
        .collect()
}

fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    !name.is_empty() && name.iter().all(is_part)
}

fn is_value(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| (b' '..=b'~').contains(byte) && !b"=,".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_moved_to_the_front_and_written_without_blanks() {
        let write = |state: &str, key: &str, value: &str| {
            write_member(state.as_bytes(), key.as_bytes(), value.as_bytes()).map(|out| String::from_utf8(out).unwrap())
        };
        assert_eq!(write("", "a", "1").as_deref(), Some("a=1"));
        assert_eq!(write("a=1, b=2 ,c=3", "b", "9").as_deref(), Some("b=9,a=1,c=3"));
        for (state, key, value) in [("a=1", "b", ""), ("a=1", "B", "1"), ("a=1", "b", "x,y"), ("rubbish", "b", "1")] {
            assert_eq!(write(state, key, value), None, "{state} {key} {value}");
        }
    }
}
