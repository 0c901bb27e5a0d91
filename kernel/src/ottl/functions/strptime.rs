//! `Time`, `FormatTime` and the parts of an instant. Formats are those of `strptime`, with the Go collector's directives.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::layout::{self, Element, MONTHS};
use super::{Argument, Arguments, Complaint, Function, Kind, Parameter, literal_text, needed, optional};
use crate::ottl::datum::{Datum, Failure};

/// What each directive stands for, as a layout of Go. `%s` and `%o` are odd there, too.
const DIRECTIVES: [(char, &str); 38] = [
    ('Y', "2006"),
    ('y', "06"),
    ('m', "01"),
    ('o', "_1"),
    ('q', "1"),
    ('b', "Jan"),
    ('h', "Jan"),
    ('B', "January"),
    ('d', "02"),
    ('e', "_2"),
    ('g', "2"),
    ('a', "Mon"),
    ('A', "Monday"),
    ('H', "15"),
    ('l', "3"),
    ('I', "03"),
    ('p', "PM"),
    ('P', "pm"),
    ('M', "04"),
    ('S', "05"),
    ('L', "999"),
    ('f', "999999"),
    ('s', "999999999"),
    ('Z', "MST"),
    ('z', "Z0700"),
    ('w', "-070000"),
    ('i', "-07"),
    ('j', "-07:00"),
    ('k', "-07:00:00"),
    ('D', "01/02/2006"),
    ('x', "01/02/2006"),
    ('F', "2006-01-02"),
    ('T', "15:04:05"),
    ('X', "15:04:05"),
    ('r', "03:04:05 pm"),
    ('R', "15:04"),
    ('n', "\n"),
    ('c', "Mon Jan 02 15:04:05 2006"),
];

const TIME: &[Parameter] = &[needed("time", Kind::Time)];

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        // What a year that is missing becomes depends on the day.
        constant: false,
        check: check_time,
        ..Function::new(
            "Time",
            &[
                needed("time", Kind::Text),
                needed("format", Kind::LiteralText),
                optional("location", Kind::LiteralText),
                optional("locale", Kind::LiteralText),
            ],
            |args| {
                let (text, format) = (args.text(0)?, args.text(1)?);
                if text.is_empty() {
                    return Err(Failure::new("time cannot be nil"));
                }
                let layout = native(&format).map_err(Failure::new)?;
                let zone = match args.text_or(2, b"")? {
                    name if name.is_empty() => TimeZone::UTC,
                    name => zone(&name).map_err(Failure::new)?,
                };
                parse(&String::from_utf8_lossy(&text), &layout, &zone).map(Datum::Time)
            },
        )
    },
    Function {
        check: |arguments| check_format(arguments, 1),
        ..Function::new("FormatTime", &[needed("time", Kind::Time), needed("format", Kind::LiteralText)], |args| {
            let layout = native(&args.text(1)?).map_err(Failure::new)?;
            Ok(Datum::Text(Cow::Owned(layout::format(&layout, civil(args)?).into_bytes())))
        })
    },
    Function::new("TruncateTime", &[needed("time", Kind::Time), needed("duration", Kind::Duration)], |args| {
        // Multiples are counted from the first of January of the year 1.
        const YEAR_ONE: i128 = -62_135_596_800 * 1_000_000_000;
        let (time, step) = (args.time(0)?, i128::from(args.duration(1)?));
        Ok(Datum::Time(if step > 0 { time - (time - YEAR_ONE).rem_euclid(step) } else { time }))
    }),
    Function::new("Year", TIME, |args| Ok(Datum::Int(civil(args)?.year().into()))),
    Function::new("Month", TIME, |args| Ok(Datum::Int(civil(args)?.month().into()))),
    Function::new("Day", TIME, |args| Ok(Datum::Int(civil(args)?.day().into()))),
    Function::new("Hour", TIME, |args| Ok(Datum::Int(civil(args)?.hour().into()))),
    Function::new("Minute", TIME, |args| Ok(Datum::Int(civil(args)?.minute().into()))),
    Function::new("Second", TIME, |args| Ok(Datum::Int(civil(args)?.second().into()))),
    Function::new("Nanosecond", TIME, |args| Ok(Datum::Int(civil(args)?.subsec_nanosecond().into()))),
    Function::new("Weekday", TIME, |args| Ok(Datum::Int(civil(args)?.weekday().to_sunday_zero_offset().into()))),
];

/// The first argument on the calendar, in UTC.
fn civil(args: &Arguments<'_, '_>) -> Result<DateTime, Failure> {
    let timestamp = Timestamp::from_nanosecond(args.time(0)?);
    let timestamp = timestamp.map_err(|_| Failure::new("the time is out of the range of the calendar"))?;
    Ok(TimeZone::UTC.to_datetime(timestamp))
}

fn check_format(arguments: &[Argument], index: usize) -> Result<(), Complaint> {
    match literal_text(arguments, index) {
        Some(b"") => Err(Complaint { index, text: "format cannot be nil".to_owned() }),
        Some(format) => native(format).map(drop).map_err(|text| Complaint { index, text }),
        None => Ok(()),
    }
}

fn check_time(arguments: &[Argument]) -> Result<(), Complaint> {
    check_format(arguments, 1)?;
    if let Some(name) = literal_text(arguments, 2).filter(|name| !name.is_empty()) {
        zone(name).map_err(|text| Complaint { index: 2, text })?;
    }
    match literal_text(arguments, 3) {
        Some(locale) if !locale.starts_with(b"en") => {
            Err(Complaint { index: 3, text: "only English names of months and days are known".to_owned() })
        }
        _ => Ok(()),
    }
}

fn zone(name: &[u8]) -> Result<TimeZone, String> {
    let name = String::from_utf8_lossy(name);
    TimeZone::get(&name).map_err(|_| format!("failed to load location {name}"))
}

/// The format as a layout of Go, or what is wrong with it.
fn native(format: &[u8]) -> Result<String, String> {
    let format = String::from_utf8_lossy(format);
    let mut out = String::with_capacity(format.len());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('t') => out.push('\t'),
            Some(directive) => match DIRECTIVES.iter().find(|(known, _)| *known == directive) {
                Some((_, layout)) => out.push_str(layout),
                None => {
                    return Err(format!(
                        "invalid strptime format: [unsupported ctimefmt.toNative() directive: %{directive}]"
                    ));
                }
            },
            None => out.push('%'),
        }
    }
    Ok(out)
}

/// The parts of an instant while they are read.
#[derive(Default)]
struct Parts {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    /// Whether it is afternoon, if anything says so.
    noon: Option<bool>,
    /// Seconds east of UTC, if the text says so.
    offset: Option<i32>,
    zone: Option<TimeZone>,
}

/// Nanoseconds since 1970. Blanks and leading zeros are read loosely.
fn parse(text: &str, layout: &str, zone: &TimeZone) -> Result<i128, Failure> {
    let wrong = || Failure::new(format!("parsing time {text:?} as {layout:?}: cannot parse {text:?}"));
    let mut parts = Parts { month: 1, day: 1, ..Parts::default() };
    let mut rest = text;
    for element in layout::elements(layout) {
        read(element, &mut rest, &mut parts).ok_or_else(wrong)?;
    }
    if !rest.is_empty() {
        return Err(Failure::new(format!("parsing time {text:?}: extra text: {rest:?}")));
    }
    let out_of_range = |_| Failure::new(format!("parsing time {text:?}: out of range"));
    let hour = match parts.noon {
        Some(true) if parts.hour < 12 => parts.hour + 12,
        Some(false) if parts.hour == 12 => 0,
        _ => parts.hour,
    };
    let time = Time::new(hour, parts.minute, parts.second, parts.nanosecond).map_err(out_of_range)?;
    let zone = parts.zone.as_ref().unwrap_or(zone);
    let at = |year: i16| -> Result<i128, Failure> {
        let local = Date::new(year, parts.month, parts.day).map_err(out_of_range)?.to_datetime(time);
        Ok(match parts.offset {
            Some(offset) => {
                let utc = TimeZone::UTC.to_timestamp(local).map_err(out_of_range)?;
                utc.as_nanosecond() - i128::from(offset) * 1_000_000_000
            }
            None => zone.to_timestamp(local).map_err(out_of_range)?.as_nanosecond(),
        })
    };
    if parts.year != 0 {
        return at(parts.year);
    }
    // A log line without a year is of this one, or of the last one if that would be far ahead.
    let now = Zoned::now();
    let guess = at(now.year())?;
    let ahead = now.timestamp().as_nanosecond() + 7 * 86_400 * 1_000_000_000;
    if guess > ahead { at(now.year() - 1) } else { Ok(guess) }
}

/// Reads one element off the front of `rest`.
fn read(element: Element<'_>, rest: &mut &str, parts: &mut Parts) -> Option<()> {
    match element {
        Element::Plain(plain) => {
            for c in plain.chars() {
                if c == ' ' {
                    *rest = rest.trim_start_matches(' ');
                } else {
                    *rest = rest.strip_prefix(c)?;
                }
            }
        }
        Element::LongYear => parts.year = number(rest, 4, 4)? as i16,
        Element::Year => {
            let year = number(rest, 2, 2)? as i16;
            parts.year = if year >= 69 { 1900 + year } else { 2000 + year };
        }
        Element::LongMonth => parts.month = name(rest, |month| month)?,
        Element::Month => parts.month = name(rest, |month| &month[..3])?,
        Element::ZeroMonth | Element::NumMonth => parts.month = number(rest, 1, 2)? as i8,
        Element::LongWeekday | Element::Weekday => {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let least = if element == Element::Weekday { 3 } else { 6 };
            let end = if element == Element::Weekday { end.min(3) } else { end };
            (end >= least).then_some(())?;
            *rest = &rest[end..];
        }
        Element::ZeroDay | Element::UnderDay | Element::Day => parts.day = number(rest, 1, 2)? as i8,
        Element::Hour | Element::ZeroHour12 | Element::Hour12 => parts.hour = number(rest, 1, 2)? as i8,
        Element::ZeroMinute | Element::Minute => parts.minute = number(rest, 1, 2)? as i8,
        Element::ZeroSecond | Element::Second => {
            parts.second = number(rest, 1, 2)? as i8;
            // A fraction may follow, whether or not the layout says so.
            fraction(rest, parts);
        }
        Element::UpperNoon | Element::LowerNoon => {
            let (noon, behind) = rest.split_at_checked(2)?;
            let (am, pm) = if element == Element::UpperNoon { ("AM", "PM") } else { ("am", "pm") };
            parts.noon = Some(if noon == pm { true } else { (noon == am).then_some(false)? });
            *rest = behind;
        }
        Element::ZoneName => {
            let end = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
            (3..=5).contains(&end).then_some(())?;
            parts.zone = Some(TimeZone::get(&rest[..end]).ok()?);
            *rest = &rest[end..];
        }
        Element::Zone(_) => parts.offset = Some(offset(rest)?),
        // It was read with the seconds.
        Element::Fraction { .. } => {
            fraction(rest, parts);
        }
    }
    Some(())
}

/// From `least` to `most` digits, behind blanks.
fn number(rest: &mut &str, least: usize, most: usize) -> Option<i32> {
    let text = rest.trim_start_matches(' ');
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    *rest = &text[digits..];
    text[..digits].parse().ok()
}

fn name(rest: &mut &str, form: impl Fn(&'static str) -> &'static str) -> Option<i8> {
    let index = MONTHS.iter().position(|month| {
        let wanted = form(month);
        rest.get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    })?;
    *rest = &rest[form(MONTHS[index]).len()..];
    Some(index as i8 + 1)
}

fn fraction(rest: &mut &str, parts: &mut Parts) {
    let digits = match rest.strip_prefix(['.', ',']) {
        Some(behind) => behind.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    if digits > 0 {
        let nine: String = rest[1..].chars().take(digits.min(9)).chain("000000000".chars()).take(9).collect();
        parts.nanosecond = nine.parse().unwrap_or(0);
        *rest = &rest[1 + digits..];
    }
}

/// `Z`, `+01`, `+0130`, `+01:30`, with seconds or without.
fn offset(rest: &mut &str) -> Option<i32> {
    if let Some(behind) = rest.strip_prefix('Z') {
        *rest = behind;
        return Some(0);
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let mut text = &rest[1..];
    let mut seconds = 0;
    for unit in [3600, 60, 1] {
        let part = if unit == 3600 { text } else { text.strip_prefix(':').unwrap_or(text) };
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(digits) = digits else { break };
        seconds += unit * digits.parse::<i32>().ok()?;
        text = &part[2..];
    }
    if text.len() == rest.len() - 1 {
        return None;
    }
    *rest = text;
    Some(sign * seconds)
}
