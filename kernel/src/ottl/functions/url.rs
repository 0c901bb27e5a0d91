//! `URL`: the parts of a URL (RFC 3986), under the names of the semantic conventions.

use super::{Function, Kind, needed};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Value};

pub(super) static FUNCTIONS: &[Function] = &[Function::new("URL", &[needed("uri", Kind::Text)], |args| {
    let uri = args.text(0)?;
    if uri.is_empty() {
        return Err(Failure::new("url cannot be empty"));
    }
    Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(parts(&uri)?)))))
})];

fn parts(uri: &[u8]) -> Result<Map<'static>, Failure> {
    let wrong = |what: &str| Failure::new(format!("parse {:?}: {what}", String::from_utf8_lossy(uri)));
    if uri.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return Err(wrong("net/url: invalid control character in URL"));
    }
    let (rest, fragment) = cut(uri, b'#');
    let (rest, query) = cut(rest, b'?');
    let (scheme, rest) = scheme(rest).map_err(wrong)?;
    let (authority, path) = match rest.strip_prefix(b"//") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        // What stands behind `mailto:` has no parts.
        None if !scheme.is_empty() && !rest.starts_with(b"/") => (None, &[][..]),
        None => (None, rest),
    };
    if scheme.is_empty()
        && authority.is_none()
        && path.split(|byte| *byte == b'/').next().unwrap_or(path).contains(&b':')
    {
        return Err(wrong("first path segment in URL cannot contain colon"));
    }
    let (user, host) = match authority {
        Some(authority) => match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
            None => (None, authority),
        },
        None => (None, &[][..]),
    };
    let (domain, port) = domain_and_port(host).map_err(wrong)?;
    let decoded = |text: &[u8]| unescape(text).ok_or_else(|| wrong("invalid URL escape"));
    let path = decoded(path)?;

    let mut map = Map::default();
    let mut put = |key: &'static str, value: Value<'static>| map.upsert(key.as_bytes(), value);
    // An empty authority is not written again.
    let original = match authority {
        Some(b"") if path.is_empty() => uri.strip_suffix(b"//").unwrap_or(uri),
        _ => uri,
    };
    put("url.original", Value::text(original.to_vec()));
    put("url.domain", Value::text(domain.to_vec()));
    put("url.scheme", Value::text(scheme.to_ascii_lowercase()));
    if let Some(port) = port {
        put("url.port", Value::Int(port));
    }
    if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
        put("url.fragment", Value::text(decoded(fragment)?));
    }
    if let Some(user) = user {
        put("url.user_info", Value::text(user.to_vec()));
        let (name, password) = cut(user, b':');
        if !name.is_empty() {
            put("url.username", Value::text(decoded(name)?));
        }
        if let Some(password) = password {
            put("url.password", Value::text(decoded(password)?));
        }
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        put("url.query", Value::text(query.to_vec()));
    }
    if let Some(dot) = path.iter().rposition(|byte| *byte == b'.').filter(|dot| dot + 1 < path.len()) {
        put("url.extension", Value::text(path[dot + 1..].to_vec()));
    }
    put("url.path", Value::text(path));
    Ok(map)
}

/// What stands before and behind the first separator.
fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The scheme, and what stands behind its colon.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index > 0 => return Ok((&text[..index], &text[index + 1..])),
            b':' => return Err("missing protocol scheme"),
            _ => break,
        }
    }
    Ok((&[], text))
}

fn domain_and_port(host: &[u8]) -> Result<(&[u8], Option<i64>), &'static str> {
    let (domain, port) = match host {
        [b'[', rest @ ..] => {
            let end = memchr::memchr(b']', rest).ok_or("missing ']' in host")?;
            (&rest[..end], rest[end + 1..].strip_prefix(b":"))
        }
        _ => match host.iter().rposition(|byte| *byte == b':') {
            Some(at) => (&host[..at], Some(&host[at + 1..])),
            None => (host, None),
        },
    };
    if domain.iter().any(|byte| b" \"<>\\^`{|}".contains(byte)) {
        return Err("invalid character in host name");
    }
    let Some(port) = port.filter(|port| !port.is_empty()) else { return Ok((domain, None)) };
    let number = std::str::from_utf8(port).ok().filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    number.and_then(|port| port.parse().ok()).map(|port| (domain, Some(port))).ok_or("invalid port after host")
}

/// The text with `%41` as `A`; `None` if a percent sign begins nothing of that kind. Broken characters become U+FFFD.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
            out.push(
                u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?,
            );
            rest = &behind[2..];
        } else {
            out.push(*byte);
        }
    }
    Some(match String::from_utf8(out) {
        Ok(text) => text.into_bytes(),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes(),
    })
}
