//! Durations and instants as Go writes them.

use super::datum::Failure;

/// Reads Go's notation of a duration, `1h2m3.5s` or `-150ms`, as nanoseconds.
pub(super) fn parse_duration(text: &[u8]) -> Result<i64, Failure> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let invalid = || Failure::new(format!("time: invalid duration {:?}", shown()));
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let (whole, (fraction, scale), behind) = number(rest).ok_or_else(invalid)?;
        let length = behind.iter().position(|byte| *byte == b'.' || byte.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(length);
        let size: u64 = match unit {
            b"ns" => 1,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
            b"ms" => 1_000_000,
            b"s" => 1_000_000_000,
            b"m" => 60_000_000_000,
            b"h" => 3_600_000_000_000,
            b"" => return Err(Failure::new(format!("time: missing unit in duration {:?}", shown()))),
            _ => {
                let unit = String::from_utf8_lossy(unit);
                return Err(Failure::new(format!("time: unknown unit {unit:?} in duration {:?}", shown())));
            }
        };
        let fraction = u128::from(fraction) * u128::from(size) / u128::from(scale);
        let part = whole.checked_mul(size).and_then(|part| part.checked_add(fraction as u64));
        total = part.and_then(|part| total.checked_add(part)).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = behind;
    }
    if negative { Ok((total as i64).wrapping_neg()) } else { i64::try_from(total).map_err(|_| invalid()) }
}

/// Digits with an optional fraction, as its digits over a power of ten, and what stands behind them.
fn number(text: &[u8]) -> Option<(u64, (u64, u64), &[u8])> {
    let digits = |text: &[u8]| text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let append = |value: u64, byte: &u8| value.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
    let length = digits(text);
    let whole = text[..length].iter().try_fold(0, append)?;
    let [b'.', behind @ ..] = &text[length..] else {
        return (length > 0).then_some((whole, (0, 1), &text[length..]));
    };
    let places = digits(behind);
    if length + places == 0 {
        return None;
    }
    // Nanoseconds of an hour have 13 digits: more than 18 decimals change nothing.
    let known = places.min(18);
    let fraction = behind[..known].iter().try_fold(0, append)?;
    Some((whole, (fraction, 10u64.pow(known as u32)), &behind[places..]))
}

/// `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn format_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let scaled = |size: u64, unit: &str| format!("{sign}{}{unit}", decimal(total / size, total % size, size));
    match total {
        0 => "0s".to_owned(),
        1..1_000 => scaled(1, "ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => {
            let seconds = total / 1_000_000_000;
            let rest = decimal(seconds % 60, total % 1_000_000_000, 1_000_000_000);
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, minutes) => format!("{sign}{minutes}m{rest}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

/// `whole` and the fraction `rest / size`, without trailing zeros.
fn decimal(whole: u64, rest: u64, size: u64) -> String {
    let places = size.ilog10() as usize;
    let text = format!("{whole}.{rest:0places$}");
    if rest == 0 { whole.to_string() } else { text.trim_end_matches('0').to_owned() }
}

/// RFC 3339 in UTC, with as many decimals as there are: `2023-11-14T22:13:20.5Z`.
pub(super) fn rfc3339(nanoseconds: i128) -> String {
    let (date, clock) = date_and_clock(nanoseconds);
    format!("{date}T{clock}Z")
}

/// How Go prints an instant: `2023-11-14 22:13:20.5 +0000 UTC`.
pub(super) fn plain(nanoseconds: i128) -> String {
    let (date, clock) = date_and_clock(nanoseconds);
    format!("{date} {clock} +0000 UTC")
}

fn date_and_clock(nanoseconds: i128) -> (String, String) {
    const DAY: i128 = 86_400_000_000_000;
    let (year, month, day) = civil(nanoseconds.div_euclid(DAY));
    let rest = nanoseconds.rem_euclid(DAY) as u64;
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    let second = decimal(seconds % 60, fraction, 1_000_000_000);
    let pad = if seconds % 60 < 10 { "0" } else { "" };
    (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{pad}{second}"))
}

/// Year, month and day of a day since 1970 in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year, in eras of 400 years.
fn civil(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("1h2m3.5s", 3_723_500_000_000),
            ("150ms", 150_000_000),
            ("-1s", -1_000_000_000),
            ("1.1s", 1_100_000_000),
            (".5s", 500_000_000),
            ("2.s", 2_000_000_000),
            ("0", 0),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("-9223372036854775808ns", i64::MIN),
            ("0.123456789s", 123_456_789),
        ] {
            assert_eq!(parse_duration(text.as_bytes()), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("5", r#"time: missing unit in duration "5""#),
            ("", r#"time: invalid duration """#),
            ("s", r#"time: invalid duration "s""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ] {
            assert_eq!(parse_duration(text.as_bytes()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn durations_and_instants_are_printed_as_go_does_it() {
        for text in ["0s", "1ns", "1.5µs", "150ms", "1.5s", "1m0s", "1h0m0.25s", "-2h45m1s"] {
            assert_eq!(format_duration(parse_duration(text.as_bytes()).unwrap()), text);
        }
        assert_eq!(plain(1_700_000_000_123_456_789), "2023-11-14 22:13:20.123456789 +0000 UTC");
        assert_eq!(rfc3339(1_709_164_800_000_000_000), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
    }
}
