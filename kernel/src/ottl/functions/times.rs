//! Functions on instants and durations.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Function, Kind, needed, optional};
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::time::parse_duration;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("Duration", &[needed("duration", Kind::Text)], |args| {
        parse_duration(&args.text(0)?).map(Datum::Duration)
    }),
    Function::new("Nanoseconds", &[needed("duration", Kind::Duration)], |args| args.duration(0).map(Datum::Int)),
    Function::new("Microseconds", &[needed("duration", Kind::Duration)], |args| {
        Ok(Datum::Int(args.duration(0)? / 1_000))
    }),
    Function::new("Milliseconds", &[needed("duration", Kind::Duration)], |args| {
        Ok(Datum::Int(args.duration(0)? / 1_000_000))
    }),
    Function::new("Seconds", &[needed("duration", Kind::Duration)], |args| {
        Ok(Datum::Double(in_units(args.duration(0)?, 1_000_000_000)))
    }),
    Function::new("Minutes", &[needed("duration", Kind::Duration)], |args| {
        Ok(Datum::Double(in_units(args.duration(0)?, 60_000_000_000)))
    }),
    Function::new("Hours", &[needed("duration", Kind::Duration)], |args| {
        Ok(Datum::Double(in_units(args.duration(0)?, 3_600_000_000_000)))
    }),
    Function {
        constant: false,
        ..Function::new("Now", &[], |_| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since
                .map(|since| Datum::Time(since.as_nanos() as i128))
                .map_err(|_| Failure::new("the clock stands before 1970"))
        })
    },
    Function::new("Unix", &[needed("seconds", Kind::Int), optional("nanoseconds", Kind::Int)], |args| {
        let nanoseconds = if args.is_given(1) { args.int(1)? } else { 0 };
        Ok(Datum::Time(i128::from(args.int(0)?) * 1_000_000_000 + i128::from(nanoseconds)))
    }),
    Function::new("UnixNano", &[needed("time", Kind::Time)], |args| Ok(Datum::Int(args.time(0)? as i64))),
    Function::new("UnixMicro", &[needed("time", Kind::Time)], |args| {
        Ok(Datum::Int(args.time(0)?.div_euclid(1_000) as i64))
    }),
    Function::new("UnixMilli", &[needed("time", Kind::Time)], |args| {
        Ok(Datum::Int(args.time(0)?.div_euclid(1_000_000) as i64))
    }),
    Function::new("UnixSeconds", &[needed("time", Kind::Time)], |args| {
        Ok(Datum::Int(args.time(0)?.div_euclid(1_000_000_000) as i64))
    }),
];

/// Whole units and their fraction calculated apart, which keeps long durations exact.
fn in_units(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}
