//! Layouts of instants as Go knows them: `2006-01-02T15:04:05Z07:00` is written by example.
//! <https://pkg.go.dev/time#Layout>
//!
//! The Go collector turns `%Y-%m-%d` into such a layout, with all that follows from it: what is no element of a layout is
//! taken as it stands, `_1` for one.

use jiff::civil::DateTime;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// One piece of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element<'l> {
    Plain(&'l str),
    LongYear,
    Year,
    LongMonth,
    Month,
    ZeroMonth,
    NumMonth,
    LongWeekday,
    Weekday,
    ZeroDay,
    UnderDay,
    Day,
    Hour,
    ZeroHour12,
    Hour12,
    ZeroMinute,
    Minute,
    ZeroSecond,
    Second,
    UpperNoon,
    LowerNoon,
    ZoneName,
    Zone(ZoneForm),
    /// So many digits behind a separator; trailing zeros go where `trimmed`.
    Fraction {
        separator: char,
        digits: usize,
        trimmed: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZoneForm {
    /// Whether UTC is written `Z`.
    z: bool,
    colons: bool,
    minutes: bool,
    seconds: bool,
}

const fn zone(z: bool, colons: bool, minutes: bool, seconds: bool) -> Element<'static> {
    Element::Zone(ZoneForm { z, colons, minutes, seconds })
}

/// Longer ones before those they begin with.
const ELEMENTS: [(&str, Element<'static>); 32] = [
    ("2006", Element::LongYear),
    ("06", Element::Year),
    ("January", Element::LongMonth),
    ("Jan", Element::Month),
    ("Monday", Element::LongWeekday),
    ("Mon", Element::Weekday),
    ("MST", Element::ZoneName),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("15", Element::Hour),
    ("1", Element::NumMonth),
    ("_2006", Element::Plain("_")),
    ("_2", Element::UnderDay),
    ("2", Element::Day),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperNoon),
    ("pm", Element::LowerNoon),
    ("Z07:00:00", zone(true, true, true, true)),
    ("Z070000", zone(true, false, true, true)),
    ("Z07:00", zone(true, true, true, false)),
    ("Z0700", zone(true, false, true, false)),
    ("Z07", zone(true, false, false, false)),
    ("-07:00:00", zone(false, true, true, true)),
    ("-070000", zone(false, false, true, true)),
    ("-07:00", zone(false, true, true, false)),
    ("-0700", zone(false, false, true, false)),
    ("-07", zone(false, false, false, false)),
];

/// The pieces of a layout, in order.
pub(super) fn elements(layout: &str) -> Vec<Element<'_>> {
    let mut out = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while at < layout.len() {
        let rest = &layout[at..];
        let (element, length) = match fraction(rest) {
            Some(found) => found,
            None => match ELEMENTS.iter().find(|(text, _)| rest.starts_with(text)) {
                Some((_, Element::Plain(text))) => (Element::Plain(&rest[..text.len()]), text.len()),
                // `January` and `Monday` are words; `Jan` in `Janet` is none.
                Some(("Jan" | "Mon", _)) if rest[3..].starts_with(|c: char| c.is_ascii_lowercase()) => {
                    at += 3;
                    continue;
                }
                Some((text, element)) => (*element, text.len()),
                None => {
                    at += rest.chars().next().map_or(1, char::len_utf8);
                    continue;
                }
            },
        };
        if plain < at {
            out.push(Element::Plain(&layout[plain..at]));
        }
        out.push(element);
        at += length;
        plain = at;
    }
    if plain < layout.len() {
        out.push(Element::Plain(&layout[plain..]));
    }
    out
}

/// `.000` or `,999` with no digit behind.
fn fraction(rest: &str) -> Option<(Element<'static>, usize)> {
    let bytes = rest.as_bytes();
    let (separator @ (b'.' | b','), digit @ (b'0' | b'9')) = (*bytes.first()?, *bytes.get(1)?) else { return None };
    let digits = bytes[1..].iter().take_while(|byte| **byte == digit).count();
    let ends = bytes.get(1 + digits).is_none_or(|byte| !byte.is_ascii_digit());
    let element = Element::Fraction { separator: char::from(separator), digits, trimmed: digit == b'9' };
    (ends && digits <= 9).then_some((element, 1 + digits))
}

/// The instant in UTC, written by the layout.
pub(super) fn format(layout: &str, at: DateTime) -> String {
    let mut out = String::new();
    let hour12 = match at.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let weekday = DAYS[at.weekday().to_sunday_zero_offset() as usize % 7];
    let month = MONTHS[(at.month() as usize + 11) % 12];
    for element in elements(layout) {
        let text = match element {
            Element::Plain(text) => text.to_owned(),
            Element::LongYear => format!("{:04}", at.year()),
            Element::Year => format!("{:02}", at.year().rem_euclid(100)),
            Element::LongMonth => month.to_owned(),
            Element::Month => month[..3].to_owned(),
            Element::ZeroMonth => format!("{:02}", at.month()),
            Element::NumMonth => at.month().to_string(),
            Element::LongWeekday => weekday.to_owned(),
            Element::Weekday => weekday[..3].to_owned(),
            Element::ZeroDay => format!("{:02}", at.day()),
            Element::UnderDay => format!("{:2}", at.day()),
            Element::Day => at.day().to_string(),
            Element::Hour => format!("{:02}", at.hour()),
            Element::ZeroHour12 => format!("{hour12:02}"),
            Element::Hour12 => hour12.to_string(),
            Element::ZeroMinute => format!("{:02}", at.minute()),
            Element::Minute => at.minute().to_string(),
            Element::ZeroSecond => format!("{:02}", at.second()),
            Element::Second => at.second().to_string(),
            Element::UpperNoon => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            Element::LowerNoon => if at.hour() < 12 { "am" } else { "pm" }.to_owned(),
            Element::ZoneName => "UTC".to_owned(),
            Element::Zone(form) if form.z => "Z".to_owned(),
            Element::Zone(ZoneForm { colons, minutes, seconds, .. }) => {
                let colon = if colons { ":" } else { "" };
                let mut text = "+00".to_owned();
                for _ in 0..usize::from(minutes) + usize::from(seconds) {
                    text.push_str(colon);
                    text.push_str("00");
                }
                text
            }
            Element::Fraction { separator, digits, trimmed } => {
                let all = format!("{:09}", at.subsec_nanosecond());
                let shown = if trimmed { all[..digits].trim_end_matches('0') } else { &all[..digits] };
                if shown.is_empty() { String::new() } else { format!("{separator}{shown}") }
            }
        };
        out.push_str(&text);
    }
    out
}
