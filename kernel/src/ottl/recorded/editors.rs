//! Statements, each alone on a fresh span.

use serde_json::Value as Json;

use super::{alike, recorded, unhex, value};
use crate::ottl::{Context, Item, Statement};
use crate::samples::put_attribute;
use crate::view::{Map, Needs, ResourceView, ScopeView, SpanView};
use crate::wire::{put_bytes, put_varint_field};

/// Statements of which ours makes something else on purpose, with the reason.
const ON_PURPOSE: [(&str, &str); 3] = [
    (r#"set(trace_id.string,"zz0102030405060708090a0b0c0d0e0f")"#, "the message says what an id must be"),
    ("truncate_all(attributes,2,false)", "no broken characters go out"),
    (
        r#"replace_pattern(attributes["a"],"([0-9])","$1",SHA256,"%d")"#,
        "a format that can never work is refused at start",
    ),
];

fn span(recorded: &Json) -> Vec<u8> {
    let fields = &recorded["ottl_editors"]["span"];
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &unhex(&fields["trace_id"]));
    put_bytes(&mut out, 3, fields["trace_state"].as_str().unwrap().as_bytes());
    put_bytes(&mut out, 5, b"n129");
    put_varint_field(&mut out, 6, fields["kind"].as_u64().unwrap());
    for (key, json) in recorded["ottl_editors"]["attributes"].as_object().unwrap() {
        put_attribute(&mut out, 9, key, &value(json));
    }
    out
}

/// Runs a statement: what became of the span, or why it fails.
fn run<T>(source: &str, body: &[u8], show: impl FnOnce(&SpanView<'_>) -> T) -> Result<T, String> {
    let statement = Statement::parse(source, Context::Span).map_err(|problem| format!("start: {problem}"))?;
    let (mut resource, mut scope) = (ResourceView::default(), ScopeView::default());
    let (mut view, mut cache) = (SpanView::default(), Map::default());
    view.load(body, Needs { attributes: true, events: true, links: true, resource: true, scope: true });
    let item = &mut Item {
        origin: None,
        resource: &mut resource,
        scope: Some(&mut scope),
        span: Some(&mut view),
        event: None,
        cache: &mut cache,
    };
    statement.run(item).map_err(|failure| failure.to_string())?;
    Ok(show(&view))
}

/// The attributes that a case says come out.
fn wanted(recorded: &Json, case: &Json) -> Map<'static> {
    let mut map = Map::default();
    for (key, json) in recorded["ottl_editors"]["attributes"].as_object().unwrap() {
        map.upsert(key.clone().into_bytes(), value(json));
    }
    match &case["del"] {
        Json::String(_) => map.clear(),
        Json::Array(keys) => keys.iter().for_each(|key| {
            map.remove(key.as_str().unwrap().as_bytes());
        }),
        _ => {}
    }
    for (key, json) in case["set"].as_object().into_iter().flatten() {
        map.upsert(key.clone().into_bytes(), value(json));
    }
    map
}

#[test]
fn statements_do_what_they_do_in_the_go_collector() {
    let recorded = recorded();
    let body = span(&recorded);
    let mut wrong = Vec::new();
    let cases = recorded["ottl_editors"]["cases"].as_array().unwrap();
    for case in cases {
        let source = case["s"].as_str().unwrap();
        let outcome = run(source, &body, |span| {
            let wanted = wanted(&recorded, case);
            let mut differences = Vec::new();
            let found = span.attributes();
            for entry in found.entries() {
                if !wanted.get(&entry.key).is_some_and(|value| alike(value, entry.value())) {
                    differences.push(format!("{}: {:?}", String::from_utf8_lossy(&entry.key), entry.value()));
                }
            }
            if found.len() != wanted.len() {
                differences.push(format!("{} attributes", found.len()));
            }
            let hex = |bytes: &[u8]| String::from_utf8(crate::hex::encode(bytes)).unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            for (name, shown) in [
                ("name", Json::from(text(span.name()))),
                ("kind", Json::from(span.kind())),
                ("trace_id", Json::from(hex(span.trace_id()))),
                ("parent_span_id", Json::from(hex(span.parent_span_id()))),
                ("trace_state", Json::from(text(span.trace_state()))),
                ("start_time_unix_nano", Json::from(span.start_time_unix_nano())),
                ("dropped_attributes_count", Json::from(span.dropped_attributes_count())),
                ("status", serde_json::json!([span.status().code, text(&span.status().message)])),
            ] {
                if case.get(name).is_some_and(|wanted| *wanted != shown) {
                    differences.push(format!("{name} is {shown}"));
                }
            }
            differences
        });
        let verdict = match outcome {
            Err(text) if text.starts_with("start: ") => {
                if case.get("start").is_some() {
                    None
                } else {
                    Some(text)
                }
            }
            Err(text) => match case["err"].as_str() {
                Some(known) if text.contains(known.rsplit("valid pattern: ").next().unwrap()) => None,
                _ => Some(format!("fails with {text}")),
            },
            Ok(differences) if differences.is_empty() && case.get("err").is_none() && case.get("start").is_none() => {
                None
            }
            Ok(differences) => Some(format!("gives {differences:?}")),
        };
        let on_purpose = ON_PURPOSE.iter().any(|(known, _)| *known == source);
        match verdict {
            Some(text) if !on_purpose => wrong.push(format!("{source} {text} and not {case}")),
            None if on_purpose => wrong.push(format!("{source} does as it does there")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
