//! The W3C tracestate header and OpenTelemetry's member in it: `ot=rv:…;th:…`.
//!
//! <https://www.w3.org/TR/trace-context-2/#tracestate-header>,
//! <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>

/// The number of hexadecimal digits of a randomness or a threshold: 56 bits.
const DIGITS: usize = 14;
const MAX_LENGTH: usize = 1024;
const MAX_MEMBERS: usize = 32;
const MAX_PART: usize = 256;

/// A tracestate, taken apart. Borrows from the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState<'a> {
    /// `rv`: the randomness of the trace, 56 bits.
    pub randomness: Option<u64>,
    /// `th`: a span stays if its randomness is at least this.
    pub threshold: Option<u64>,
    /// What else the `ot` member says, as it came.
    other_fields: Vec<&'a [u8]>,
    /// Members of others, as they came.
    other_members: Vec<&'a [u8]>,
}

/// A header that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl<'a> TraceState<'a> {
    pub fn parse(header: &'a [u8]) -> Result<Self, Unreadable> {
        let mut state = Self::default();
        if header.len() > MAX_LENGTH {
            return Err(Unreadable);
        }
        let mut members = 0;
        for member in header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            members += 1;
            let (key, value) = split_once(member, b'=').ok_or(Unreadable)?;
            if members > MAX_MEMBERS || !is_key(key) || !is_value(value) {
                return Err(Unreadable);
            }
            if key == b"ot" { state.parse_ot(value)? } else { state.other_members.push(member) }
        }
        Ok(state)
    }

    fn parse_ot(&mut self, value: &'a [u8]) -> Result<(), Unreadable> {
        if value.len() > MAX_PART {
            return Err(Unreadable);
        }
        for field in value.split(|byte| *byte == b';') {
            let (key, value) = split_once(field, b':').ok_or(Unreadable)?;
            if !is_ot_key(key) || !value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)) {
                return Err(Unreadable);
            }
            match key {
                b"rv" if value.len() == DIGITS => self.randomness = Some(parse_digits(value)?),
                b"rv" => return Err(Unreadable),
                b"th" => self.threshold = Some(parse_digits(value)?),
                _ => self.other_fields.push(field),
            }
        }
        Ok(())
    }

    /// The header again: the `ot` member first, in it `rv`, `th` and the rest, then the members of others.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        let mut separator: &[u8] = b"ot=";
        if let Some(randomness) = self.randomness {
            out.extend_from_slice(separator);
            out.extend_from_slice(b"rv:");
            put_digits(randomness, DIGITS, &mut out);
            separator = b";";
        }
        if let Some(threshold) = self.threshold {
            out.extend_from_slice(separator);
            out.extend_from_slice(b"th:");
            let zeros = (threshold.trailing_zeros() as usize / 4).min(DIGITS - 1);
            put_digits(threshold, DIGITS - zeros, &mut out);
            separator = b";";
        }
        for field in &self.other_fields {
            out.extend_from_slice(separator);
            out.extend_from_slice(field);
            separator = b";";
        }
        for member in &self.other_members {
            if !out.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(member);
        }
        out
    }
}

/// The first `count` of the fourteen hexadecimal digits.
fn put_digits(value: u64, count: usize, out: &mut Vec<u8>) {
    for index in 0..count {
        let nibble = (value >> (4 * (DIGITS - 1 - index))) as usize & 15;
        out.push(b"0123456789abcdef"[nibble]);
    }
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let index = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..index], &bytes[index + 1..]))
}

fn is_key(key: &[u8]) -> bool {
    let (tenant, system) = match split_once(key, b'@') {
        Some((tenant, system)) => (tenant, Some(system)),
        None => (key, None),
    };
    let is_part = |part: &[u8]| {
        part.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte))
    };
    let starts_with_letter = |part: &[u8]| part.first().is_some_and(u8::is_ascii_lowercase);
    match system {
        Some(system) => {
            !tenant.is_empty()
                && tenant.len() <= 241
                && is_part(tenant)
                && system.len() <= 14
                && starts_with_letter(system)
                && is_part(system)
        }
        None => key.len() <= MAX_PART && starts_with_letter(key) && is_part(key),
    }
}

fn is_value(value: &[u8]) -> bool {
    value.len() <= MAX_PART && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=')
}

fn is_ot_key(key: &[u8]) -> bool {
    key.first().is_some_and(u8::is_ascii_lowercase)
        && key.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// One to fourteen hexadecimal digits; those that are missing on the right are zeros.
fn parse_digits(digits: &[u8]) -> Result<u64, Unreadable> {
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Unreadable);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Unreadable)?;
    let value = u64::from_str_radix(text, 16).map_err(|_| Unreadable)?;
    Ok(value << (4 * (DIGITS - digits.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(header: &str) -> Option<String> {
        let state = TraceState::parse(header.as_bytes()).ok()?;
        Some(String::from_utf8_lossy(&state.write()).into_owned())
    }

    #[test]
    fn our_member_moves_to_the_front_and_the_rest_stays() {
        assert_eq!(rewritten("a=b, c=d ,,e=f").as_deref(), Some("a=b,c=d,e=f"));
        assert_eq!(
            rewritten("a=b,ot=p:8;th:c0;rv:00000000000001").as_deref(),
            Some("ot=rv:00000000000001;th:c;p:8,a=b")
        );
        assert_eq!(rewritten("ot=th:0").as_deref(), Some("ot=th:0"));
    }

    #[test]
    fn what_breaks_the_grammar_is_unreadable() {
        for header in ["bad;;", "ot=th:", "ot=th:zz", "ot=rv:12", "ot=TH:8", "A=b", "a", "ot=th:123456789012345"] {
            assert_eq!(rewritten(header), None, "{header}");
        }
    }
}
