//! What Prometheus calls things, as the Go collector's exporters translate names by default.
//!
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use super::config::Instrument;
use super::point::Shape;

/// `traces.span.metrics.calls` → `traces_span_metrics_calls_total`: letters, digits and colons, the unit, and what it is.
pub fn metric(instrument: &Instrument) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut parts: Vec<&str> = instrument.name.split(|c| !is_part(c)).filter(|part| !part.is_empty()).collect();
    let unit = match instrument.unit {
        "ms" => "milliseconds",
        "s" => "seconds",
        _ => "",
    };
    if !unit.is_empty() && !parts.contains(&unit) {
        parts.push(unit);
    }
    if matches!(instrument.shape, Shape::Count | Shape::Amount) {
        parts.retain(|part| *part != "total");
        parts.push("total");
    }
    let name = parts.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// Labels that a page has by itself.
const OWN: [&str; 4] = ["job", "instance", "connector", "le"];

/// The name of an attribute as a label.
pub fn label(attribute: &str) -> String {
    let name: String = attribute.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match name.as_bytes().first() {
        None => "_".to_owned(),
        Some(b'0'..=b'9') => format!("key_{name}"),
        _ if OWN.contains(&&name[..]) => format!("exported_{name}"),
        _ => name,
    }
}

/// Appends text as it stands between the quotes of a label.
pub fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_go_collector() {
        for (name, unit, shape, expected) in [
            ("traces.span.metrics.calls", "", Shape::Count, "traces_span_metrics_calls_total"),
            ("traces.span.metrics.duration", "ms", Shape::Exponential(4), "traces_span_metrics_duration_milliseconds"),
            ("duration", "s", Shape::Exponential(4), "duration_seconds"),
            ("2x--y.seconds", "s", Shape::Exponential(4), "_2x_y_seconds"),
            ("total.calls", "", Shape::Count, "calls_total"),
            ("gen_ai.client.token.usage", "{token}", Shape::Exponential(4), "gen_ai_client_token_usage"),
        ] {
            let instrument = Instrument { name: name.to_owned(), unit, help: "", shape };
            assert_eq!(metric(&instrument), expected);
        }
        for (attribute, expected) in
            [("http.route", "http_route"), ("1st", "key_1st"), ("ä", "_"), ("", "_"), ("le", "exported_le")]
        {
            assert_eq!(label(attribute), expected);
        }
    }
}
