//! `transform`: run OTTL statements.
//!
//! A group of statements runs once for each resource, scope, span or event, as its context says, and sees what the groups
//! before it did. Conditions of the group are alternatives: one must be true for the statements to run.

use serde::Deserialize;

use super::{Counts, ErrorMode, Levels, Op, Verdict};
use crate::error::OptionError;
use crate::origin::Origin;
use crate::ottl::{self, Context, Failure, Item, Place, Predicate, Problem, Statement};
use crate::view::{Map, Needs, ResourceView, ScopeView, SpanView};

/// One group of statements.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformSettings {
    /// Where the group stands, for messages: `trace_statements[0]`.
    pub option: String,
    #[serde(default)]
    pub error_mode: ErrorMode,
    /// What it runs for. Without it, its paths tell.
    #[serde(default)]
    pub context: Option<String>,
    #[serde(default)]
    pub conditions: Vec<String>,
    pub statements: Vec<String>,
}

/// Changes resources, scopes, spans and events.
#[derive(Debug)]
pub struct TransformOp {
    option: GroupOption,
    error_mode: ErrorMode,
    context: Context,
    conditions: Vec<Predicate>,
    statements: Vec<Statement>,
    needs: Needs,
}

/// The request must be refused.
struct Refused;

/// Where a group stands in the configuration.
#[derive(Clone, Debug)]
struct GroupOption(String);

impl GroupOption {
    /// Where one of its texts stands. The statements of a flat list stand right below the option.
    fn path(&self, place: Place) -> String {
        let option = &self.0;
        match place {
            Place::Statement(index) if !option.ends_with(']') => format!("{option}[{index}]"),
            Place::Statement(index) => format!("{option}::statements[{index}]"),
            Place::Condition(index) => format!("{option}::conditions[{index}]"),
        }
    }
}

impl TransformOp {
    /// Compiles everything, or says what is wrong with each condition and statement.
    pub fn new(settings: TransformSettings) -> Result<Self, Vec<OptionError>> {
        let option = GroupOption(settings.option);
        let error = |(place, problem): (Place, Problem)| OptionError::new(option.path(place), problem.to_string());
        let context = match settings.context.as_deref() {
            Some(name) => Context::named(name).ok_or_else(|| {
                let message = format!("must be resource, scope, span or spanevent, got {name:?}");
                vec![OptionError::new("context", message).within(&option.0)]
            })?,
            None => ottl::infer(&settings.conditions, &settings.statements)
                .map_err(|problems| problems.into_iter().map(error).collect::<Vec<_>>())?,
        };
        let mut op = Self {
            option: option.clone(),
            error_mode: settings.error_mode,
            context,
            conditions: Vec::new(),
            statements: Vec::new(),
            needs: Needs { events: context == Context::SpanEvent, ..Needs::default() },
        };
        let mut errors = Vec::new();
        for (index, source) in settings.conditions.iter().enumerate() {
            match Predicate::parse(source, Some(context)) {
                Ok(condition) => op.conditions.push(condition),
                Err(problem) => errors.push(error((Place::Condition(index), problem))),
            }
        }
        for (index, source) in settings.statements.iter().enumerate() {
            match Statement::parse(source, context) {
                Ok(statement) => op.statements.push(statement),
                Err(problem) => errors.push(error((Place::Statement(index), problem))),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let needs = op.conditions.iter().map(Predicate::needs).chain(op.statements.iter().map(Statement::needs));
        op.needs = needs.fold(op.needs, Needs::union);
        Ok(op)
    }

    /// Runs the group for one item, and tells whether anything may have changed.
    #[inline]
    fn run<'a>(&'a self, item: &mut Item<'_, 'a>, counts: &mut Counts) -> Result<bool, Refused> {
        if !self.conditions.is_empty() && !self.applies(item, counts)? {
            return Ok(false);
        }
        let mut changed = false;
        for (index, statement) in self.statements.iter().enumerate() {
            match statement.run(item) {
                Ok(wrote) => changed |= wrote,
                Err(failure) => {
                    // A statement that fails may have made what leads to its target.
                    changed = true;
                    counts.tallies[self.conditions.len() + index] += 1;
                    self.fail("failed to execute statement", statement.source(), &failure, counts)?;
                }
            }
        }
        Ok(changed)
    }

    /// Whether one of the conditions is true.
    fn applies(&self, item: &Item<'_, '_>, counts: &mut Counts) -> Result<bool, Refused> {
        for (index, condition) in self.conditions.iter().enumerate() {
            match condition.test_item(item) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(failure) => {
                    counts.tallies[index] += 1;
                    self.fail("failed to eval condition", condition.source(), &failure, counts)?;
                }
            }
        }
        Ok(false)
    }

    #[cold]
    fn fail(&self, what: &str, source: &str, failure: &Failure, counts: &mut Counts) -> Result<(), Refused> {
        let text = || format!("{what}: {source}, {failure}");
        match self.error_mode {
            ErrorMode::Ignore => counts.fail(text),
            ErrorMode::Silent => counts.failed += 1,
            ErrorMode::Propagate => {
                counts.refuse(text());
                return Err(Refused);
            }
        }
        Ok(())
    }

    fn writes(&self, context: Context) -> bool {
        self.statements.iter().any(|statement| statement.writes() == Some(context))
    }
}

fn verdict(changed: Result<bool, Refused>) -> Verdict {
    if changed.unwrap_or(false) { Verdict::Changed } else { Verdict::Keep }
}

impl Op for TransformOp {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn levels(&self) -> Levels {
        Levels {
            resource: self.context == Context::Resource,
            scope: self.context == Context::Scope,
            span: self.context >= Context::Span,
        }
    }

    fn writes_resource(&self) -> bool {
        self.context == Context::Resource && self.writes(Context::Resource)
    }

    fn writes_scope(&self) -> bool {
        self.context == Context::Scope && self.writes(Context::Scope)
    }

    fn writes_outwards(&self) -> bool {
        let writes = self.statements.iter().filter_map(Statement::writes).min();
        // Events are part of their span.
        writes.is_some_and(|outermost| outermost < self.context.min(Context::Span))
    }

    fn reads_origin(&self) -> bool {
        self.conditions.iter().any(Predicate::reads_origin) || self.statements.iter().any(Statement::reads_origin)
    }

    fn can_fail(&self) -> bool {
        self.error_mode == ErrorMode::Propagate
    }

    /// How often each condition and each statement failed, by the place where it stands.
    fn tallies(&self) -> Vec<String> {
        let conditions = (0..self.conditions.len()).map(Place::Condition);
        conditions
            .chain((0..self.statements.len()).map(Place::Statement))
            .map(|place| self.option.path(place))
            .collect()
    }

    fn resource<'a>(
        &'a self,
        resource: &mut ResourceView<'a>,
        origin: Option<&'a Origin>,
        counts: &mut Counts,
    ) -> Verdict {
        let mut cache = Map::default();
        let item = &mut Item { origin, resource, scope: None, span: None, event: None, cache: &mut cache };
        verdict(self.run(item, counts))
    }

    fn scope<'a>(
        &'a self,
        scope: &mut ScopeView<'a>,
        resource: &mut ResourceView<'a>,
        origin: Option<&'a Origin>,
        counts: &mut Counts,
    ) -> Verdict {
        let mut cache = Map::default();
        let item = &mut Item { origin, resource, scope: Some(scope), span: None, event: None, cache: &mut cache };
        verdict(self.run(item, counts))
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, place: &mut super::Place<'_, 'a>, counts: &mut Counts) -> Verdict {
        let events = if self.context == Context::SpanEvent { Some(span.events().len()) } else { None };
        let mut cache = Map::default();
        let mut item = Item {
            origin: place.origin,
            resource: place.resource,
            scope: Some(place.scope),
            span: Some(span),
            event: None,
            cache: &mut cache,
        };
        let Some(events) = events else { return verdict(self.run(&mut item, counts)) };
        let mut changed = false;
        for index in 0..events {
            item.event = Some(index);
            item.cache.clear();
            match self.run(&mut item, counts) {
                Ok(wrote) => changed |= wrote,
                Err(Refused) => break,
            }
        }
        verdict(Ok(changed))
    }
}
