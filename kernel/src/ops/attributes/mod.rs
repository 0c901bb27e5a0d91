//! `attributes` and `resource`: edit attributes by a list of actions.
//!
//! Actions run in their order, and each sees what those before it did.

mod action;
mod convert;
mod hash;

use serde::Deserialize;

pub use action::ActionSettings;

use super::matching::{MatchSettings, SpanSelection};
use super::{Counts, Levels, Op, Place, Verdict};
use crate::error::OptionError;
use crate::origin::Origin;
use crate::view::{Map, Needs, ResourceView, SpanView};
use action::Action;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributesSettings {
    pub actions: Vec<ActionSettings>,
    #[serde(default)]
    pub include: Option<MatchSettings>,
    #[serde(default)]
    pub exclude: Option<MatchSettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSettings {
    pub attributes: Vec<ActionSettings>,
}

/// Actions in their order.
#[derive(Debug)]
struct Actions(Vec<Action>);

impl Actions {
    fn new(settings: Vec<ActionSettings>, option: &str) -> Result<Self, OptionError> {
        let actions = settings.into_iter().enumerate().map(|(index, settings)| {
            Action::new(settings).map_err(|error| error.within(&format!("{option}[{index}]")))
        });
        Ok(Self(actions.collect::<Result<_, _>>()?))
    }

    /// Runs every action and tells whether any of them changed something.
    fn apply<'a>(&'a self, attributes: &mut Map<'a>, origin: Option<&'a Origin>) -> Verdict {
        let mut changed = false;
        for action in &self.0 {
            changed |= action.apply(attributes, origin);
        }
        if changed { Verdict::Changed } else { Verdict::Keep }
    }

    fn read_origin(&self) -> bool {
        self.0.iter().any(Action::reads_origin)
    }
}

/// Edits the attributes of spans.
#[derive(Debug)]
pub struct AttributesOp {
    actions: Actions,
    selection: SpanSelection,
}

impl AttributesOp {
    pub fn new(settings: AttributesSettings) -> Result<Self, OptionError> {
        Ok(Self {
            actions: Actions::new(settings.actions, "actions")?,
            selection: SpanSelection::new(settings.include, settings.exclude)?,
        })
    }
}

impl Op for AttributesOp {
    fn needs(&self) -> Needs {
        self.selection.needs().union(Needs { attributes: true, ..Needs::default() })
    }

    fn levels(&self) -> Levels {
        Levels { span: true, ..Levels::default() }
    }

    fn reads_origin(&self) -> bool {
        self.actions.read_origin()
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, place: &mut Place<'_, 'a>, _counts: &mut Counts) -> Verdict {
        if !self.selection.selects(span, place) {
            return Verdict::Keep;
        }
        self.actions.apply(span.attributes_mut(), place.origin)
    }
}

/// Edits the attributes of resources.
#[derive(Debug)]
pub struct ResourceOp(Actions);

impl ResourceOp {
    pub fn new(settings: ResourceSettings) -> Result<Self, OptionError> {
        Ok(Self(Actions::new(settings.attributes, "attributes")?))
    }
}

impl Op for ResourceOp {
    fn needs(&self) -> Needs {
        Needs { resource: true, ..Needs::default() }
    }

    fn levels(&self) -> Levels {
        Levels { resource: true, ..Levels::default() }
    }

    fn writes_resource(&self) -> bool {
        true
    }

    fn reads_origin(&self) -> bool {
        self.0.read_origin()
    }

    fn resource<'a>(
        &'a self,
        resource: &mut ResourceView<'a>,
        origin: Option<&'a Origin>,
        _counts: &mut Counts,
    ) -> Verdict {
        self.0.apply(resource.attributes_mut(), origin)
    }
}
