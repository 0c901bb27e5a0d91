//! The W3C `tracestate` of a span, and in it what OpenTelemetry says about sampling.
//!
//! `ot=rv:<randomness>;th:<rejection threshold>`: both are fractions of 2^56 in hex. A span is kept when its
//! randomness is not below the threshold; a missing threshold means that the probability is unknown.
//! <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>,
//! <https://www.w3.org/TR/trace-context-2/#tracestate-header>

/// One more than the largest randomness, and the threshold that no span reaches.
pub const NEVER: u64 = 1 << 56;

const DIGITS: usize = 14;
const MAX_LENGTH: usize = 1024;
const MAX_MEMBERS: usize = 32;
const MAX_PART: usize = 256;
const MAX_TENANT: usize = 241;
const MAX_SYSTEM: usize = 14;

/// A tracestate that does not follow the grammar. It is passed on as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// A tracestate, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState<'a> {
    /// `rv`: below 2^56.
    pub randomness: Option<u64>,
    /// `th`: below 2^56.
    pub threshold: Option<u64>,
    /// What else OpenTelemetry's member holds, as `key:value`.
    unknown: Vec<&'a [u8]>,
    /// The members of other vendors, as `key=value`.
    others: Vec<&'a [u8]>,
}

impl<'a> TraceState<'a> {
    pub fn parse(header: &'a [u8]) -> Result<Self, Unreadable> {
        let mut state = Self::default();
        if header.is_empty() {
            return Ok(state);
        }
        if header.len() > MAX_LENGTH {
            return Err(Unreadable);
        }
        for (index, member) in header.split(|byte| *byte == b',').enumerate() {
            if index == MAX_MEMBERS {
                return Err(Unreadable);
            }
            let member = trim(member);
            if member.is_empty() {
                continue;
            }
            let (key, value) = cut(member, b'=').ok_or(Unreadable)?;
            if !is_key(key) || !is_value(value) {
                return Err(Unreadable);
            }
            if key == b"ot" {
                state.open_telemetry(value)?;
            } else {
                state.others.push(member);
            }
        }
        Ok(state)
    }

    /// Reads the value of `ot`. Where it stands twice, the last one counts.
    fn open_telemetry(&mut self, value: &'a [u8]) -> Result<(), Unreadable> {
        (self.randomness, self.threshold) = (None, None);
        self.unknown.clear();
        for pair in value.split(|byte| *byte == b';') {
            let (key, value) = cut(pair, b':').ok_or(Unreadable)?;
            let is_key = key.first().is_some_and(u8::is_ascii_lowercase)
                && key.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let is_value = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
            if !is_key || !is_value {
                return Err(Unreadable);
            }
            match key {
                b"rv" if value.len() == DIGITS => self.randomness = Some(hex(value)?),
                b"rv" => return Err(Unreadable),
                b"th" => self.threshold = Some(hex(value)?),
                _ => self.unknown.push(pair),
            }
        }
        Ok(())
    }

    /// Appends the header: OpenTelemetry's member in front, the others behind it in their order.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut separator: &[u8] = b"ot=";
        let mut pair = |out: &mut Vec<u8>, text: &[u8]| {
            out.extend_from_slice(std::mem::replace(&mut separator, b";"));
            out.extend_from_slice(text);
        };
        if let Some(randomness) = self.randomness {
            pair(out, b"rv:");
            put_digits(out, randomness, DIGITS);
        }
        if let Some(threshold) = self.threshold {
            pair(out, b"th:");
            // Zeros at the end are left out, but for the first digit.
            let zeros = threshold.trailing_zeros() as usize / 4;
            put_digits(out, threshold, DIGITS.saturating_sub(zeros).max(1));
        }
        for text in &self.unknown {
            pair(out, text);
        }
        for member in &self.others {
            if !out.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(member);
        }
    }
}

/// The first `count` of 14 hex digits.
fn put_digits(out: &mut Vec<u8>, value: u64, count: usize) {
    for index in 0..count {
        out.push(b"0123456789abcdef"[(value >> (4 * (DIGITS - 1 - index))) as usize & 15]);
    }
}

/// The value of the member `key`: empty if there is none, `None` if the header does not follow the grammar, or names a
/// member twice.
pub fn member<'a>(header: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut members: Vec<(&[u8], &[u8])> = Vec::new();
    for member in header.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty()) {
        let (name, value) = cut(member, b'=')?;
        let is_known = members.iter().any(|(other, _)| *other == name);
        if members.len() == MAX_MEMBERS || is_known || !is_key(name) || !is_value(value) {
            return None;
        }
        members.push((name, value));
    }
    Some(members.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, value)| value))
}

/// 1 to 14 hex digits; those that are missing at the end are zeros.
fn hex(text: &[u8]) -> Result<u64, Unreadable> {
    if text.is_empty() || text.len() > DIGITS {
        return Err(Unreadable);
    }
    let mut value = 0;
    for byte in text {
        value = value << 4 | u64::from(char::from(*byte).to_digit(16).ok_or(Unreadable)?);
    }
    Ok(value << (4 * (DIGITS - text.len())))
}

fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| *byte != b' ' && *byte != b'\t';
    let Some(start) = text.iter().position(is_text) else { return &[] };
    let end = text.iter().rposition(is_text).map_or(start, |last| last + 1);
    &text[start..end]
}

fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &[u8]) -> bool {
    let is_part = |text: &[u8]| {
        text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte))
    };
    let begins_with_letter = |text: &[u8]| text.first().is_some_and(u8::is_ascii_lowercase);
    match cut(key, b'@') {
        None => key.len() <= MAX_PART && begins_with_letter(key) && is_part(key),
        Some((tenant, system)) => {
            tenant.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && (tenant.len() <= MAX_TENANT && system.len() <= MAX_SYSTEM)
                && (begins_with_letter(system) && is_part(tenant) && is_part(system))
        }
    }
}

fn is_value(value: &[u8]) -> bool {
    (1..=MAX_PART).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !b",=".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(header: &str) -> Result<String, Unreadable> {
        let mut out = Vec::new();
        TraceState::parse(header.as_bytes())?.write(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_member_of_opentelemetry_moves_to_the_front() {
        for (header, expected) in [
            ("", ""),
            ("a=b, c=d ,,e=f", "a=b,c=d,e=f"),
            ("vendor=1,ot=th:8", "ot=th:8,vendor=1"),
            ("ot=p:8;th:c0;r:62;rv:9b8233f7e3a151", "ot=rv:9b8233f7e3a151;th:c;p:8;r:62"),
            ("ot=th:0", "ot=th:0"),
            ("ot=th:028f5c0", "ot=th:028f5c"),
            ("ot=th:8,ot=x:y", "ot=x:y"),
            ("1t@sys=v w,a*/_-=!", "1t@sys=v w,a*/_-=!"),
        ] {
            assert_eq!(rewritten(header).as_deref(), Ok(expected), "{header}");
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        let long = format!("a={}", "x".repeat(257));
        let many = "a=b,".repeat(32);
        let total = format!("a={0},b={0},c={0},d={0}", "x".repeat(256));
        let tenant = format!("{}@s=1", "t".repeat(242));
        for header in [
            "bad;;",
            "a",
            "a=",
            "=b",
            "A=b",
            "1=b",
            "a=b=c",
            "a=\u{e9}",
            "@s=1",
            "t@=1",
            "t@S=1",
            "ot=",
            "ot=th:",
            "ot=th:zz",
            "ot=rv:12",
            "ot=TH:8",
            "ot=th:8;",
            "ot=th:000000000000000",
            "ot=x:ä",
            "ot=1x:1",
            &long,
            &many,
            &total,
            &tenant,
        ] {
            assert_eq!(rewritten(header), Err(Unreadable), "{header}");
        }
    }

    #[test]
    fn a_member_is_found_where_all_of_the_header_follows_the_grammar() {
        assert_eq!(member(b"a=1, b=2", b"b"), Some(&b"2"[..]));
        assert_eq!((member(b"a=1", b"b"), member(b"", b"b")), (Some(&b""[..]), Some(&b""[..])));
        for header in ["a=1,b=2,a=3", "a=1,B=2", "a=1,b", "1a=1"] {
            assert_eq!(member(header.as_bytes(), b"a"), None, "{header}");
        }
    }

    #[test]
    fn a_threshold_is_a_fraction() {
        let state = TraceState::parse(b"ot=th:8;rv:ffffffffffffff").unwrap();
        assert_eq!((state.threshold, state.randomness), (Some(NEVER / 2), Some(NEVER - 1)));
    }
}
