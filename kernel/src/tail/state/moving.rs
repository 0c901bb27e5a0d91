//! What moves to another place: to other settings, or to the disk.

use std::io;
use std::path::Path;

use super::State;
use crate::rope::SpanBatch;
use crate::tail::saved;
use crate::tail::snapshot::{Totals, Writer};
use crate::traces::TraceId;
use crate::traces::store::{Decided, Memory};

/// A trace that moves to another place.
pub struct Moving {
    pub first: f64,
    pub last: f64,
    pub batch: SpanBatch,
}

/// Decisions that move to another place, with the names of their policies.
pub type Decisions = Vec<(TraceId, Decided, Memory, String)>;

impl State {
    /// Some of the traces that wait, which are not here any more.
    pub fn give_up(&mut self, most: usize) -> Vec<Moving> {
        let decided = Decided { sampled: false, policy: None, weight: 1.0, age: 0.0, at: self.now };
        let mut given = Vec::new();
        for _ in 0..most {
            let Some(slot) = self.store.oldest() else { break };
            let Some(trace) = self.store.decide(slot, decided, Memory::None) else { break };
            let batch = SpanBatch::from_chunks(self.store.write(trace.pieces));
            given.push(Moving { first: trace.first, last: trace.last, batch });
        }
        given
    }

    /// Writes what waits and what is remembered into a file.
    pub fn save(&self, path: &Path) -> io::Result<Totals> {
        let totals = Totals { traces: self.store.waiting() as u64, spans: self.store.spans() as u64 };
        let mut file = Writer::create(path, totals)?;
        for (_, trace) in self.store.iter() {
            let batch = SpanBatch::from_chunks(self.store.copy(&trace.pieces));
            file.trace(trace.spans, &saved::trace((self.now - trace.first, self.now - trace.last), &batch))?;
        }
        for decisions in self.decisions().chunks(saved::DECISIONS) {
            file.decisions(&saved::decisions(decisions, self.now))?;
        }
        file.finish()?;
        Ok(totals)
    }

    /// What is remembered.
    pub fn decisions(&self) -> Decisions {
        let named =
            |policy: Option<u16>| policy.map_or_else(String::new, |policy| self.policies.name(policy).to_owned());
        self.store.decisions().map(|(id, decided, memory)| (*id, decided, memory, named(decided.policy))).collect()
    }

    /// Remembers what was decided elsewhere, as far as this one remembers.
    pub fn remember(&mut self, decisions: Decisions) {
        for (id, decided, _, policy) in decisions {
            let memory = self.memory_for(decided.sampled);
            self.store.note(id, Decided { policy: self.policies.position(&policy), ..decided }, memory);
        }
    }
}
