//! `filter`: drop what matches a condition.
//!
//! Conditions run from the resource down. What matches goes with all that is in it; of a span that stays, each
//! event is asked. Conditions of one level are alternatives: any that is true drops. An older form says instead
//! which spans stay: those that `include` matches and `exclude` does not.

use serde::Deserialize;

use super::matching::{MatchSettings, SpanSelection};
use super::{Counts, Levels, Op, Place, Prune, Verdict};
use crate::error::OptionError;
use crate::origin::Origin;
use crate::ottl::{Context, Predicate, Subject};
use crate::view::{Needs, ResourceView, ScopeView, SpanView};

/// What becomes of a condition that cannot be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMode {
    /// It counts as false, and its text is kept for the log.
    #[default]
    Ignore,
    /// It counts as false.
    Silent,
    /// The whole batch is refused.
    Propagate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    #[serde(default)]
    pub error_mode: ErrorMode,
    #[serde(default)]
    pub conditions: Vec<ConditionList>,
    /// Spans that do not match it go.
    #[serde(default)]
    pub include: Option<MatchSettings>,
    /// Spans that match it go.
    #[serde(default)]
    pub exclude: Option<MatchSettings>,
}

/// Conditions that stand together in the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionList {
    /// Where they stand, for messages: `trace_conditions[0]::conditions`.
    pub option: String,
    /// What they are asked about. Without it, each of them tells by its paths.
    #[serde(default)]
    pub context: Option<String>,
    pub conditions: Vec<String>,
}

/// A condition, and which counter is its.
#[derive(Debug)]
struct Condition {
    predicate: Predicate,
    tally: usize,
}

/// Drops resources, scopes, spans and events.
#[derive(Debug)]
pub struct FilterOp {
    error_mode: ErrorMode,
    resource: Vec<Condition>,
    scope: Vec<Condition>,
    span: Vec<Condition>,
    event: Vec<Condition>,
    /// Where each condition stands.
    options: Vec<String>,
    selection: SpanSelection,
    needs: Needs,
    reads_origin: bool,
}

impl FilterOp {
    /// Compiles everything, or says what is wrong with each condition.
    pub fn new(settings: FilterSettings) -> Result<Self, Vec<OptionError>> {
        let selection = SpanSelection::new(settings.include, settings.exclude);
        let selection = selection.map_err(|error| vec![error.within("spans")])?;
        let mut op = Self {
            error_mode: settings.error_mode,
            resource: Vec::new(),
            scope: Vec::new(),
            span: Vec::new(),
            event: Vec::new(),
            options: Vec::new(),
            needs: selection.needs(),
            selection,
            reads_origin: false,
        };
        let mut errors = Vec::new();
        for list in settings.conditions {
            let context = match list.context.as_deref() {
                None => None,
                Some(name) => Some(Context::named(name).ok_or_else(|| {
                    let message = format!("must be for resource, scope, span or spanevent, got {name:?}");
                    vec![OptionError::new(&list.option, message)]
                })?),
            };
            for (index, condition) in list.conditions.iter().enumerate() {
                let predicate = match Predicate::parse(condition, context) {
                    Ok(predicate) => predicate,
                    Err(problem) => {
                        errors.push(OptionError::new(format!("{}[{index}]", list.option), problem.to_string()));
                        continue;
                    }
                };
                op.needs = op.needs.union(predicate.needs());
                op.reads_origin |= predicate.reads_origin();
                let level = match predicate.context() {
                    Context::Resource => &mut op.resource,
                    Context::Scope => &mut op.scope,
                    Context::Span => &mut op.span,
                    Context::SpanEvent => &mut op.event,
                };
                level.push(Condition { predicate, tally: op.options.len() });
                op.options.push(format!("{}[{index}]", list.option));
            }
        }
        op.needs.events |= !op.event.is_empty();
        if errors.is_empty() { Ok(op) } else { Err(errors) }
    }

    /// Whether any of the conditions is true of the subject.
    #[inline]
    fn matches<'v>(&'v self, conditions: &'v [Condition], subject: &Subject<'v>, counts: &mut Counts) -> bool {
        for Condition { predicate, tally } in conditions {
            match predicate.test(subject) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(failure) => {
                    counts.tallies[*tally] += 1;
                    let text = || format!("failed to eval condition: {}, {failure}", predicate.source());
                    match self.error_mode {
                        ErrorMode::Ignore => counts.fail(text),
                        ErrorMode::Silent => counts.failed += 1,
                        ErrorMode::Propagate => {
                            counts.refuse(text());
                            return false;
                        }
                    }
                }
            }
        }
        false
    }

    /// Removes the events that match and tells whether there were any.
    fn drop_events(&self, span: &mut SpanView<'_>, place: &Place<'_, '_>, counts: &mut Counts) -> bool {
        let mut matching = Vec::new();
        let seen: &SpanView<'_> = span;
        let subject = Subject::of_span(seen, place.scope, place.resource).with_origin(place.origin);
        for (index, event) in seen.events().iter().enumerate() {
            if self.matches(&self.event, &subject.with_event(event), counts) {
                matching.push(index);
            }
        }
        if matching.is_empty() {
            return false;
        }
        let mut index = 0;
        let mut next = matching.into_iter().peekable();
        span.retain_events(|_| {
            let goes = next.next_if_eq(&index).is_some();
            index += 1;
            !goes
        });
        true
    }
}

impl Op for FilterOp {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn levels(&self) -> Levels {
        Levels {
            resource: !self.resource.is_empty(),
            scope: !self.scope.is_empty(),
            span: !self.span.is_empty() || !self.event.is_empty() || !self.selection.is_all(),
        }
    }

    /// Levels that are visited lose what is empty in them, as in the Go collector.
    fn prunes(&self) -> Prune {
        let levels = self.levels();
        Prune { scopes: levels.span, resources: levels.span || levels.scope || levels.resource }
    }

    /// How often each condition failed, by the place where it stands.
    fn tallies(&self) -> Vec<String> {
        self.options.clone()
    }

    fn reads_origin(&self) -> bool {
        self.reads_origin
    }

    fn can_fail(&self) -> bool {
        self.error_mode == ErrorMode::Propagate
    }

    fn resource<'a>(
        &'a self,
        resource: &mut ResourceView<'a>,
        origin: Option<&'a Origin>,
        counts: &mut Counts,
    ) -> Verdict {
        let subject = Subject::of_resource(resource).with_origin(origin);
        verdict(self.matches(&self.resource, &subject, counts))
    }

    fn scope<'a>(
        &'a self,
        scope: &mut ScopeView<'a>,
        resource: &mut ResourceView<'a>,
        origin: Option<&'a Origin>,
        counts: &mut Counts,
    ) -> Verdict {
        let subject = Subject::of_scope(scope, resource).with_origin(origin);
        verdict(self.matches(&self.scope, &subject, counts))
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, place: &mut Place<'_, 'a>, counts: &mut Counts) -> Verdict {
        let subject = Subject::of_span(span, place.scope, place.resource).with_origin(place.origin);
        if self.matches(&self.span, &subject, counts) || !self.selection.selects(span, place) {
            return Verdict::Drop;
        }
        if !self.event.is_empty() && self.drop_events(span, place, counts) { Verdict::Changed } else { Verdict::Keep }
    }
}

fn verdict(matches: bool) -> Verdict {
    if matches { Verdict::Drop } else { Verdict::Keep }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::program::{Outcome, Program};
    use crate::samples::{batch, lines, resource_spans, span};
    use crate::wire::{put_bytes, put_message};

    fn list(option: &str, context: Option<&str>, conditions: &[&str]) -> ConditionList {
        ConditionList {
            option: option.to_owned(),
            context: context.map(str::to_owned),
            conditions: conditions.iter().map(|condition| (*condition).to_owned()).collect(),
        }
    }

    fn run(error_mode: ErrorMode, conditions: &[&str], request: Vec<u8>) -> Outcome {
        let conditions = vec![list("trace_conditions", None, conditions)];
        let settings = FilterSettings { error_mode, conditions, ..FilterSettings::default() };
        Program::new(vec![Arc::new(FilterOp::new(settings).unwrap())]).run(&batch(request))
    }

    fn shop() -> Vec<u8> {
        let mut request = resource_spans("shop", &[&[span("a", &[("k", "1")]), span("b", &[])], &[span("c", &[])]]);
        request.extend(resource_spans("bank", &[&[span("a", &[])]]));
        request
    }

    #[test]
    fn a_matching_level_goes_with_all_that_is_in_it() {
        let kept = |condition: &str| lines(&run(ErrorMode::Ignore, &[condition], shop()).batch);
        assert_eq!(kept(r#"resource.attributes["service.name"] == "shop""#), ["bank/a{}"]);
        assert_eq!(kept(r#"span.name == "a""#), ["shop/b{}", "shop/c{}"]);
        assert_eq!(kept(r#"span.attributes["k"] == "1""#), ["shop/b{}", "shop/c{}", "bank/a{}"]);
        assert_eq!(kept(r#"scope.name == "scope""#), Vec::<String>::new());
        assert_eq!(
            kept(r#"span.name != "a" and resource.attributes["service.name"] == "shop""#),
            ["shop/a{k=1}", "bank/a{}"]
        );
    }

    #[test]
    fn conditions_are_alternatives() {
        let outcome = run(ErrorMode::Ignore, &[r#"span.name == "a""#, r#"span.name == "b""#], shop());
        assert_eq!(lines(&outcome.batch), ["shop/c{}"]);
        assert_eq!((outcome.counts[0].incoming, outcome.counts[0].dropped), (4, 3));
    }

    #[test]
    fn only_events_go_from_a_span_that_stays() {
        let mut body = span("a", &[]);
        for event in ["debug", "exception", "debug"] {
            put_message(&mut body, 11, |out| put_bytes(out, 2, event.as_bytes()));
        }
        let outcome = run(ErrorMode::Ignore, &[r#"spanevent.name == "debug""#], resource_spans("s", &[&[body]]));
        let mut names = Vec::new();
        crate::samples::visit(&outcome.batch.encode(), |_, _, span| {
            names.extend(span.events().iter().map(|event| String::from_utf8_lossy(event.name()).into_owned()));
        });
        assert_eq!(names, ["exception"]);
        assert_eq!((outcome.counts[0].dropped, outcome.counts[0].changed), (0, 1));
    }

    #[test]
    fn a_condition_that_fails_counts_as_false_or_refuses_the_batch() {
        let conditions = [r#"HasPrefix(span.attributes["missing"], "x")"#, r#"span.name == "a""#];
        let failure = format!("failed to eval condition: {}, expected string but got nil", conditions[0]);

        let ignored = run(ErrorMode::Ignore, &conditions, shop());
        assert_eq!(lines(&ignored.batch), ["shop/b{}", "shop/c{}"]);
        assert_eq!((ignored.counts[0].failed, ignored.counts[0].first_failure.as_ref()), (4, Some(&failure)));

        let silent = run(ErrorMode::Silent, &conditions, shop());
        assert_eq!((silent.counts[0].failed, silent.counts[0].first_failure.as_ref()), (4, None));

        let refused = run(ErrorMode::Propagate, &conditions, shop());
        assert_eq!(refused.refusal(), Some([failure.as_str(); 4].join("; ")));
    }

    #[test]
    fn visited_levels_lose_what_is_empty() {
        let spans = resource_spans("s", &[&[span("x", &[])]]);
        let left = |more: &[u8], condition: &str| {
            let request = [spans.as_slice(), more].concat();
            run(ErrorMode::Ignore, &[condition], request).batch.encode().len() - spans.len()
        };
        let mut empty = Vec::new();
        put_message(&mut empty, 1, |out| put_message(out, 2, |out| put_bytes(out, 3, b"")));
        assert_eq!(left(&empty, r#"span.name == "a""#), 0);
        assert_eq!(left(&empty, r#"spanevent.name == "a""#), 0);
        assert_eq!(left(&empty, r#"resource.attributes["a"] == 1"#), empty.len(), "nobody looks at its scopes");
        let mut bare = Vec::new();
        put_message(&mut bare, 1, |out| put_bytes(out, 3, b""));
        assert_eq!(left(&bare, r#"resource.attributes["a"] == 1"#), 0);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_place() {
        let refuse = |context: Option<&str>, condition: &str| {
            let conditions =
                vec![list("trace_conditions[1]::conditions", context, &["resource.schema_url == nil", condition])];
            FilterOp::new(FilterSettings { conditions, ..FilterSettings::default() }).unwrap_err().remove(0)
        };
        let error = refuse(None, r#"IsMtach(span.name, "x")"#);
        assert_eq!(error.path, "trace_conditions[1]::conditions[1]");
        assert_eq!(
            error.message,
            "1:1: undefined function \"IsMtach\"; did you mean 'IsMatch'?\n    IsMtach(span.name, \"x\")\n    ^"
        );
        let first = |error: OptionError| error.message.lines().next().unwrap().to_owned();
        for (context, condition, message) in [
            (None, "span.nmae == 1", "1:1: unknown path 'span.nmae'; did you mean 'span.name'?"),
            (None, "spam.name == 1", "1:1: path 'spam.name' does not begin with a context; did you mean 'span'?"),
            (None, "name == 1", "1:1: path 'name' does not begin with a context; write for example 'span.name'"),
            (None, "IsRootSpan()", "1:1: no path tells the context of this condition; name it with 'context: span'"),
            (
                None,
                "spanevent.name == 1 and IsRootSpan()",
                "1:25: spanevent conditions do not have the function IsRootSpan",
            ),
            (Some("resource"), "span.name == 1", "1:1: 'span.name': a resource condition cannot look into a span"),
            (Some("scope"), "name == STATUS_CODE_OK", "1:9: scope conditions know no names such as STATUS_CODE_OK"),
            (
                Some("span"),
                "kind == SPAN_KIND_SERVR",
                "1:9: unknown name SPAN_KIND_SERVR; did you mean 'SPAN_KIND_SERVER'?",
            ),
            (Some("span"), "duration > 1", "1:1: unknown path 'duration'; write 'span.end_time - span.start_time'"),
            (Some("span"), r#"name["x"] == 1"#, "1:1: 'name' has nothing to look up with a key"),
            (Some("span"), r#"Len() == 1"#, "1:1: Len takes 1 arguments, got 0"),
            (Some("span"), r#"Concat("a", "b") == 1"#, "1:8: vals must be a list in brackets"),
            (Some("span"), r#"Int("4x") == 1"#, "1:5: target: strconv.ParseInt: parsing \"4x\": invalid syntax"),
            (
                Some("span"),
                r#"Substring(name, 0, 1, utf_safe = true) == 1"#,
                "1:34: Substring has no parameter utf_safe; did you mean 'utf8_safe'?",
            ),
            (
                Some("span"),
                r#"otelcol.client.adr == 1"#,
                "1:1: unknown path 'otelcol.client.adr'; did you mean 'otelcol.client.addr'?",
            ),
            (
                Some("spanevent"),
                "span.cache == 1",
                "1:1: 'span.cache': a spanevent condition has 'cache' of its own only",
            ),
        ] {
            assert_eq!(first(refuse(context, condition)), message);
        }
    }

    #[test]
    fn the_older_form_names_the_spans_that_stay() {
        let by_name = |name: &str| {
            Some(MatchSettings {
                match_type: "strict".into(),
                span_names: vec![name.into()],
                ..MatchSettings::default()
            })
        };
        let kept = |include, exclude| {
            let op = FilterOp::new(FilterSettings { include, exclude, ..FilterSettings::default() }).unwrap();
            lines(&Program::new(vec![Arc::new(op)]).run(&batch(shop())).batch)
        };
        assert_eq!(kept(by_name("a"), None), ["shop/a{k=1}", "bank/a{}"]);
        assert_eq!(kept(None, by_name("a")), ["shop/b{}", "shop/c{}"]);
        assert_eq!(kept(by_name("a"), by_name("a")), Vec::<String>::new());
        let error =
            FilterOp::new(FilterSettings { include: Some(MatchSettings::default()), ..FilterSettings::default() });
        assert_eq!(error.unwrap_err()[0].path, "spans::include::match_type");
    }

    #[test]
    fn a_function_may_decide_the_context() {
        let condition = r#"resource.attributes["service.name"] == "shop" and IsRootSpan()"#;
        assert_eq!(lines(&run(ErrorMode::Ignore, &[condition], shop()).batch), ["bank/a{}"]);
        assert_eq!(Predicate::parse(condition, None).unwrap().context(), Context::Span);
    }
}
