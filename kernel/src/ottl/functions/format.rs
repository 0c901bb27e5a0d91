//! `Format`: the verbs of Go's `fmt.Sprintf`. <https://pkg.go.dev/fmt>
//!
//! A verb that does not fit its value is no error there, and none here: the text says so, `%!d(string=x)`.

use std::borrow::Cow;

use super::{Complaint, Function, Kind, literal_text, needed};
use crate::hex;
use crate::ottl::coerce;
use crate::ottl::datum::{Datum, Failure};
use crate::view::Value;

/// The widest field and the most digits that a format may ask for.
const MOST: usize = 1000;

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| match literal_text(arguments, 0).map(directives).unwrap_or_default().iter().any(is_too_wide) {
        true => Err(Complaint { index: 0, text: format!("a width or precision must be at most {MOST}") }),
        false => Ok(()),
    },
    ..Function::new("Format", &[needed("format", Kind::LiteralText), needed("vals", Kind::Texts)], |args| {
        let format = args.text(0)?;
        let values = args.items(1).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Datum::Text(Cow::Owned(sprintf(&format, &values).into_bytes())))
    })
}];

/// What stands behind a percent sign.
#[derive(Clone, Debug, Default)]
struct Directive {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    verb: char,
}

fn is_too_wide(part: &Part) -> bool {
    match part {
        Part::Directive(directive) => directive.width.max(directive.precision).is_some_and(|size| size > MOST),
        Part::Plain(_) => false,
    }
}

enum Part {
    Plain(String),
    Directive(Directive),
}

/// A format, taken apart.
fn directives(format: &[u8]) -> Vec<Part> {
    let format = String::from_utf8_lossy(format);
    let mut parts = Vec::new();
    let mut rest = &*format;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            parts.push(Part::Plain(rest[..at].to_owned()));
        }
        rest = &rest[at + 1..];
        let mut directive = Directive { verb: '\0', ..Directive::default() };
        while let Some(flag @ ('+' | '-' | '#' | ' ' | '0')) = rest.chars().next() {
            match flag {
                '+' => directive.plus = true,
                '-' => directive.minus = true,
                '#' => directive.sharp = true,
                ' ' => directive.space = true,
                _ => directive.zero = true,
            }
            rest = &rest[1..];
        }
        directive.width = digits(&mut rest);
        if let Some(behind) = rest.strip_prefix('.') {
            rest = behind;
            directive.precision = Some(digits(&mut rest).unwrap_or(0));
        }
        if let Some(verb) = rest.chars().next() {
            directive.verb = verb;
            rest = &rest[verb.len_utf8()..];
        }
        parts.push(Part::Directive(directive));
    }
    if !rest.is_empty() {
        parts.push(Part::Plain(rest.to_owned()));
    }
    parts
}

fn digits(rest: &mut &str) -> Option<usize> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(end);
    *rest = behind;
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
}

fn sprintf(format: &[u8], values: &[Datum<'_>]) -> String {
    let mut out = String::new();
    let mut values_left = values.iter();
    for part in directives(format) {
        match part {
            Part::Plain(text) => out.push_str(&text),
            Part::Directive(Directive { verb: '%', .. }) => out.push('%'),
            Part::Directive(Directive { verb: '\0', .. }) => out.push_str("%!(NOVERB)"),
            Part::Directive(directive) => match values_left.next() {
                Some(value) => out.push_str(&directive.show(value)),
                None => out.push_str(&format!("%!{}(MISSING)", directive.verb)),
            },
        }
    }
    let extra: Vec<String> = values_left
        .map(|value| match value {
            Datum::Nil => "<nil>".to_owned(),
            value => format!("{}={}", value.type_name(), plain(value)),
        })
        .collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

impl Directive {
    fn show(&self, value: &Datum<'_>) -> String {
        if self.verb == 'T' {
            return self.pad(if matches!(value, Datum::Nil) { "<nil>" } else { value.type_name() }.to_owned());
        }
        let shown = match (value, self.verb) {
            (Datum::Nil, 'v') => Some("<nil>".to_owned()),
            (Datum::Text(text), verb) => self.text(text, verb),
            (Datum::Bytes(bytes), 'v' | 'd') => Some(coerce::shown(&Datum::Bytes(bytes.clone()))),
            (Datum::Bytes(bytes), verb) => self.text(bytes, verb),
            (Datum::Int(value), verb) => {
                return self.int(*value, verb).unwrap_or_else(|| self.bad(&Datum::Int(*value)));
            }
            (Datum::Double(value), verb) => {
                return self.double(*value, verb).unwrap_or_else(|| self.bad(&Datum::Double(*value)));
            }
            (Datum::Bool(value), 'v' | 't') => Some(value.to_string()),
            (Datum::TraceId(_) | Datum::SpanId(_) | Datum::Time(_) | Datum::Duration(_), 'v' | 's') => {
                Some(plain(value))
            }
            (Datum::Duration(value), verb) => {
                return self.int(*value, verb).unwrap_or_else(|| self.bad(&Datum::Duration(*value)));
            }
            (value, 'v' | 's') if value.is_list() || value.is_map() => Some(plain(value)),
            _ => None,
        };
        shown.map_or_else(|| self.bad(value), |shown| self.pad(shown))
    }

    /// What Go writes where the verb does not fit.
    fn bad(&self, value: &Datum<'_>) -> String {
        match value {
            Datum::Nil => format!("%!{}(<nil>)", self.verb),
            value => format!("%!{}({}={})", self.verb, value.type_name(), plain(value)),
        }
    }

    fn text(&self, text: &[u8], verb: char) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.into_owned(),
        };
        Some(match verb {
            'v' | 's' => cut,
            'q' if self.sharp && !cut.contains('`') => format!("`{cut}`"),
            'q' => format!("{cut:?}"),
            'x' => String::from_utf8_lossy(&hex::encode(cut.as_bytes())).into_owned(),
            'X' => String::from_utf8_lossy(&hex::encode(cut.as_bytes())).to_uppercase(),
            _ => return None,
        })
    }

    fn int(&self, value: i64, verb: char) -> Option<String> {
        let magnitude = value.unsigned_abs();
        let digits = match verb {
            'v' | 'd' => magnitude.to_string(),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'b' => format!("{magnitude:b}"),
            'c' | 'q' | 'U' => {
                let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                return Some(self.pad(match verb {
                    'c' => c.to_string(),
                    'q' => format!("{c:?}"),
                    _ => format!("U+{:04X}", c as u32),
                }));
            }
            _ => return None,
        };
        let prefix = match verb {
            'x' if self.sharp => "0x",
            'X' if self.sharp => "0X",
            'o' if self.sharp => "0",
            'O' => "0o",
            'b' if self.sharp => "0b",
            _ => "",
        };
        let least = self.precision.unwrap_or(0).min(MOST);
        let digits = format!("{prefix}{digits:0>least$}");
        Some(self.pad_number(value < 0, &digits, self.precision.is_none()))
    }

    fn double(&self, value: f64, verb: char) -> Option<String> {
        if !value.is_finite() {
            let text = if value.is_nan() { "NaN" } else { "Inf" };
            let unsigned = Self { zero: false, plus: self.plus || value.is_infinite(), ..self.clone() };
            return Some(unsigned.pad_number(value < 0.0, text, false));
        }
        let magnitude = value.abs();
        let digits = match verb {
            'e' | 'E' => exponential(magnitude, Some(self.precision.unwrap_or(6).min(MOST))),
            'f' | 'F' => format!("{magnitude:.*}", self.precision.unwrap_or(6).min(MOST)),
            'v' | 'g' | 'G' => general(magnitude, self.precision),
            _ => return None,
        };
        let digits = if matches!(verb, 'E' | 'G') { digits.to_uppercase() } else { digits };
        Some(self.pad_number(value.is_sign_negative(), &digits, true))
    }

    fn pad_number(&self, negative: bool, digits: &str, zeros: bool) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        };
        let width = self.width.unwrap_or(0).min(MOST);
        if self.zero && zeros && !self.minus {
            let room = width.saturating_sub(sign.len());
            return format!("{sign}{digits:0>room$}");
        }
        self.pad(format!("{sign}{digits}"))
    }

    fn pad(&self, text: String) -> String {
        let width = self.width.unwrap_or(0).min(MOST);
        if self.minus { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

/// `1.5e+06`: the shortest digits that give the number back, or so many behind the point.
fn exponential(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.precision$e}"),
        None => format!("{value:e}"),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// With an exponent below 1e-4, and from as many digits on as the precision says, or seven.
fn general(value: f64, precision: Option<usize>) -> String {
    let precision = precision.map(|precision| precision.clamp(1, MOST));
    let scientific = exponential(value, precision.map(|precision| precision - 1));
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let limit = precision.map_or(6, |precision| precision as i32);
    if value != 0.0 && (exponent < -4 || exponent >= limit) {
        let (_, tail) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{tail}", trimmed(digits));
    }
    match precision {
        Some(precision) => trimmed(&format!("{value:.*}", (precision as i32 - 1 - exponent).max(0) as usize)),
        None => format!("{value}"),
    }
}

/// What `%v` writes.
fn plain(value: &Datum<'_>) -> String {
    if let Some(items) = value.items() {
        return format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "));
    }
    if let Some(map) = value.as_map() {
        let mut entries: Vec<_> = map.entries().iter().collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let shown = entries.into_iter().map(|entry| {
            let value: &Value<'_> = entry.value();
            format!("{}:{}", String::from_utf8_lossy(&entry.key), plain(&Datum::of(value)))
        });
        return format!("map[{}]", shown.collect::<Vec<_>>().join(" "));
    }
    match value {
        Datum::Double(value) if value.is_finite() => {
            let sign = if value.is_sign_negative() { "-" } else { "" };
            format!("{sign}{}", general(value.abs(), None))
        }
        other => coerce::shown(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_flags_and_widths_are_those_of_go() {
        let text = |text: &'static str| Datum::Text(Cow::Borrowed(text.as_bytes()));
        for (format, value, wanted) in [
            ("%5d|", Datum::Int(42), "   42|"),
            ("%-5d|", Datum::Int(42), "42   |"),
            ("%05d", Datum::Int(-42), "-0042"),
            ("%+d", Datum::Int(42), "+42"),
            ("%#x", Datum::Int(255), "0xff"),
            ("%b", Datum::Int(5), "101"),
            ("%c", Datum::Int(0x41), "A"),
            ("%.3d", Datum::Int(5), "005"),
            ("%.2f", Datum::Double(2.0 / 3.0), "0.67"),
            ("%08.3f", Datum::Double(-1.5), "-001.500"),
            ("%e", Datum::Double(123456.0), "1.234560e+05"),
            ("%g", Datum::Double(0.00001), "1e-05"),
            ("%g", Datum::Double(100000000.0), "1e+08"),
            ("%v", Datum::Double(100000000.0), "1e+08"),
            ("%.3g", Datum::Double(1234.5), "1.23e+03"),
            ("%v", Datum::Double(1e21), "1e+21"),
            ("%5s|", text("ab"), "   ab|"),
            ("%.1s", text("héllo"), "h"),
            ("%q", text("a\"b"), "\"a\\\"b\""),
            ("%x", text("hi"), "6869"),
            ("%t", Datum::Bool(true), "true"),
            ("%T", Datum::Int(1), "int64"),
            ("%z", Datum::Int(1), "%!z(int64=1)"),
            ("%d", Datum::Nil, "%!d(<nil>)"),
            ("100%%", Datum::Int(1), "100%%!(EXTRA int64=1)"),
            ("%", Datum::Int(1), "%!(NOVERB)%!(EXTRA int64=1)"),
        ] {
            assert_eq!(sprintf(format.as_bytes(), &[value]), wanted, "{format}");
        }
        assert_eq!(sprintf(b"%s and %s", &[text("a")]), "a and %!s(MISSING)");
    }
}
