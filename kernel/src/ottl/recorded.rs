//! What the Go collector answered, release 0.160: values, conditions and the table of comparisons.

mod editors;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::ast::Condition;
use super::compile::Compiler;
use super::context::{Context, Subject};
use super::datum::{Datum, Failure};
use super::parser::parse_condition;
use super::predicate::Predicate;
use crate::ops::{ConditionList, ErrorMode, FilterOp, FilterSettings};
use crate::program::Program;
use crate::samples::{batch, put_attribute};
use crate::view::{Map, Needs, ResourceView, ScopeView, SpanView, Value};
use crate::wire::{put_bytes, put_fixed64, put_message, put_varint_field};

/// Expressions of which ours makes something else on purpose, with the reason.
const ON_PURPOSE: [(&str, &str); 4] = [
    (r#"Format("%s",[attributes["by"]])"#, "no broken characters go out"),
    (r#"ExtractPatterns("ab","[a-z]+")"#, "what can never work is refused at start"),
    (r#"ExtractPatterns("ab","(?P<x>a)(?P<x>b)")"#, "two groups of one name are refused at start"),
    (r#"SliceToMap([{"n":"a","v":1}],["n"])"#, "a list literal of maps is a list of maps"),
];

fn recorded() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/go_collector_0_160.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A value as the recordings write it.
fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Null => Value::Empty,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Int(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text.clone().into_bytes()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(object) => {
            let (kind, content) = object.iter().next().unwrap();
            match kind.as_str() {
                "d" => Value::Double(content.as_str().unwrap().parse().unwrap()),
                "hex" => Value::Bytes(unhex(content).into()),
                "badutf8" => Value::text(unhex(content)),
                "kv" => {
                    let mut map = Map::default();
                    for (key, item) in content.as_object().unwrap() {
                        map.upsert(key.clone().into_bytes(), value(item));
                    }
                    Value::Map(map)
                }
                other => panic!("{other}"),
            }
        }
    }
}

fn unhex(json: &Json) -> Vec<u8> {
    let text = json.as_str().unwrap();
    (0..text.len() / 2).map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap()).collect()
}

/// The span that all recordings are about, as wire bytes.
fn span(end: u64, more: &Json) -> Vec<u8> {
    let recorded = recorded();
    let span = &recorded["ottl_values"]["span"];
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &unhex(&span["trace_id"]));
    put_bytes(&mut out, 2, &unhex(&span["span_id"]));
    put_bytes(&mut out, 5, span["name"].as_str().unwrap().as_bytes());
    put_varint_field(&mut out, 6, span["kind"].as_u64().unwrap());
    put_fixed64(&mut out, 7, span["start_time_unix_nano"].as_u64().unwrap());
    put_fixed64(&mut out, 8, end);
    let attributes = recorded["ottl_values"]["attributes"].as_object().unwrap();
    for (key, json) in attributes.iter().chain(more.as_object().unwrap()) {
        put_attribute(&mut out, 9, key, &value(json));
    }
    for _ in 0..span["events"].as_u64().unwrap() {
        put_message(&mut out, 11, |out| put_bytes(out, 2, b"event"));
    }
    for _ in 0..span["links"].as_u64().unwrap() {
        put_message(&mut out, 13, |_| {});
    }
    out
}

/// Evaluates an expression for a span: `Err` with the text of the start or of the evaluation.
fn evaluate<T>(source: &str, span: &[u8], show: impl FnOnce(Result<Datum<'_>, Failure>) -> T) -> Result<T, String> {
    let condition = format!("{source} == nil");
    let tree = parse_condition(&condition).map_err(|problem| problem.to_string())?;
    let Condition::Compare { left, .. } = tree else { panic!("{source}") };
    let mut compiler = Compiler::new(&condition, Context::Span);
    let expression = compiler.value(&left).map_err(|problem| problem.to_string())?;
    let mut view = SpanView::default();
    view.load(span, compiler.needs);
    let (resource, scope) = (ResourceView::default(), ScopeView::default());
    Ok(show(expression.evaluate(&Subject::of_span(&view, &scope, &resource))))
}

/// Equal, and NaN equal to itself.
fn alike(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

#[test]
fn values_are_those_of_the_go_collector() {
    let recorded = recorded();
    let end = recorded["ottl_values"]["span"]["end_time_unix_nano"].as_u64().unwrap();
    let span = span(end, &json!({}));
    let mut checked = 0;
    let mut wrong = Vec::new();
    for case in recorded["ottl_values"]["cases"].as_array().unwrap() {
        let source = case["e"].as_str().unwrap();
        checked += 1;
        let outcome = evaluate(source, &span, |outcome| match outcome {
            Ok(Datum::Nil) if case.get("nil").is_some() => Ok(()),
            Ok(found) if case.get("r").is_some() => {
                let shown = format!("{found:?}");
                match found.into_value() {
                    Ok(found) if alike(&found, &value(&case["r"])) => Ok(()),
                    _ => Err(format!("is {shown}")),
                }
            }
            Err(failure) if case.get("err").is_some() => {
                // Long texts were cut, and some begin with the Go type that raised them.
                let text = case["err"].as_str().unwrap();
                let text = text.rsplit("TransformContext]: ").next().unwrap();
                let known = text.trim_end_matches('…');
                if failure.to_string().contains(known) { Ok(()) } else { Err(format!("fails with {failure}")) }
            }
            other => Err(format!("is {other:?}")),
        });
        let on_purpose = ON_PURPOSE.iter().any(|(known, _)| *known == source);
        match outcome {
            Ok(Err(text)) | Err(text) if !on_purpose && case.get("start").is_none() => {
                wrong.push(format!("{source} {text} and not {case}"));
            }
            Ok(Err(text)) if !on_purpose => wrong.push(format!("{source} {text} and not {case}")),
            Ok(Ok(())) if on_purpose => wrong.push(format!("{source} does as it does there")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 150, "{checked}");
}

/// What the filter makes of a condition: whether it drops the span, or why it cannot say.
fn filtered(condition: &str, span: &[u8]) -> Result<bool, String> {
    let list = ConditionList {
        option: "trace_conditions[0]::conditions".into(),
        context: Some("span".into()),
        conditions: vec![condition.to_owned()],
    };
    let settings =
        FilterSettings { error_mode: ErrorMode::Propagate, conditions: vec![list], ..FilterSettings::default() };
    let op = FilterOp::new(settings).map_err(|errors| format!("start: {errors:?}"))?;
    let request = crate::samples::resource_spans("s", &[&[span.to_vec()]]);
    let outcome = Program::new(vec![Arc::new(op)]).run(&batch(request));
    match outcome.refusal() {
        Some(text) => Err(text),
        None => Ok(outcome.counts[0].dropped == 1),
    }
}

#[test]
fn conditions_decide_as_in_the_go_collector() {
    let recorded = recorded();
    let span = span(1_700_000_001_623_456_789, &recorded["ottl_conditions"]["attributes"]);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for case in recorded["ottl_conditions"]["cases"].as_array().unwrap() {
        let condition = case["c"].as_str().unwrap();
        checked += 1;
        let found = filtered(condition, &span);
        let right = match (&found, case.get("r"), case.get("err"), case.get("start")) {
            (Ok(found), Some(expected), _, _) => Some(*found) == expected.as_bool(),
            // What is said about regular expressions is ours.
            (Err(text), _, Some(_), _) if condition.starts_with("IsMatch") => !text.starts_with("start"),
            (Err(text), _, Some(expected), _) => text.ends_with(expected.as_str().unwrap()),
            (Err(text), _, _, Some(_)) => text.starts_with("start"),
            _ => false,
        };
        if !right {
            wrong.push(format!("{condition} is {found:?} and not {case}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 80, "{checked}");
}

#[test]
fn any_two_values_compare_as_in_the_go_collector() {
    let span = span(1_700_000_001_623_456_789, &json!({"m1": {"kv": {"a": 1}}, "l5": [5]}));
    // Expressions of one line are equal; the second item says whether they are in an order, too.
    let groups: [(&[&str], bool); 11] = [
        (&["nil", "attributes[\"missing\"]", "attributes[\"emptyv\"]"], true),
        (&["true", "attributes[\"t\"]"], true),
        (&["5", "5.0", "attributes[\"i\"]", "Double(5)"], true),
        (&["\"hello\"", "attributes[\"s\"]"], true),
        (&["0x00ff10", "attributes[\"by\"]"], true),
        (&["start_time", "Unix(0, start_time_unix_nano)"], true),
        (&["Duration(\"1s\")", "Duration(\"1000ms\")"], true),
        (&["attributes[\"m1\"]", "{\"a\": 1}"], false),
        (&["attributes[\"l5\"]", "[5]"], false),
        (&["trace_id", "TraceID(trace_id.string)"], false),
        (&["status"], false),
    ];
    for (row, (lefts, ordered)) in groups.iter().enumerate() {
        for (column, (rights, _)) in groups.iter().enumerate() {
            let expected = match (row == column, ordered) {
                (true, true) => "T..T.T",
                (true, false) => "T.....",
                (false, _) => ".T....",
            };
            for left in *lefts {
                for right in *rights {
                    let found: String = ["==", "!=", "<", "<=", ">", ">="]
                        .iter()
                        .map(|operator| filtered(&format!("{left} {operator} {right}"), &span).unwrap())
                        .map(|holds| if holds { 'T' } else { '.' })
                        .collect();
                    assert_eq!(found, expected, "{left} and {right}");
                }
            }
        }
    }
}

/// Conditions with a piece cut out, doubled, or replaced by one of another.
fn mutations(sources: &[&str]) -> Vec<String> {
    // A small generator of our own keeps the test the same on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut mutated = Vec::new();
    for _ in 0..20_000 {
        let source: Vec<char> = sources[random(sources.len())].chars().collect();
        let other: Vec<char> = sources[random(sources.len())].chars().collect();
        let (start, length) = (random(source.len()), random(8));
        let end = (start + length).min(source.len());
        let piece = match random(3) {
            0 => Vec::new(),
            1 => source[start..end].repeat(2),
            _ => other.iter().skip(random(other.len())).take(random(12)).copied().collect(),
        };
        mutated.push(source[..start].iter().chain(&piece).chain(&source[end..]).collect());
    }
    mutated
}

#[test]
fn no_text_brings_the_kernel_down() {
    let recorded = recorded();
    let values = recorded["ottl_values"]["cases"].as_array().unwrap().iter().map(|case| case["e"].as_str().unwrap());
    let conditions = recorded["ottl_conditions"]["cases"].as_array().unwrap();
    let sources: Vec<&str> = conditions.iter().map(|case| case["c"].as_str().unwrap()).chain(values).collect();
    let body = span(1_700_000_001_623_456_789, &json!({}));
    let everything = Needs { attributes: true, events: true, links: true, resource: true, scope: true };
    let mut view = SpanView::default();
    view.load(&body, everything);
    let (resource, scope) = (ResourceView::default(), ScopeView::default());
    let mut compiled = 0;
    for source in mutations(&sources) {
        let condition = if source.contains("==") { source } else { format!("{source} == nil") };
        match Predicate::parse(&condition, Some(Context::Span)) {
            Ok(predicate) => {
                compiled += 1;
                let _ = predicate.test(&Subject::of_span(&view, &scope, &resource));
            }
            Err(problem) => assert!(problem.to_string().ends_with('^')),
        }
    }
    assert!(compiled > 1_000, "{compiled}");
}
