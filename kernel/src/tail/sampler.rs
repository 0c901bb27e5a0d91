//! Where traces wait for a decision. Several threads may offer spans; one has traces decided and takes what leaves.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::compile::compile;
use super::counts::Counts;
use super::decision::{Policies, Tally};
use super::facts::Facts;
use super::probes::Probes;
use super::saved;
use super::settings::PolicySettings;
use super::snapshot::{Reader, Record, Totals};
use super::state::State;
use super::stress::{Stress, StressSettings};
use crate::error::OptionError;
use crate::plan::{NotTaken, Wake};
use crate::rope::SpanBatch;
use crate::traces::arrivals::Arrivals;

/// Traces that are decided about before others get a turn.
const TURN: usize = 256;

/// How traces are held and decided about. Times are in seconds, sizes in bytes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// From the first span of a trace to its decision.
    pub decision_wait: f64,
    /// From a span without a parent to the decision, if that is earlier; 0 is off.
    pub decision_wait_after_root_received: f64,
    /// How long a trace must not have grown when it is decided about; 0 is off.
    pub decision_wait_after_last_span: f64,
    /// The longest wait of a trace that grows.
    pub max_decision_wait: f64,
    /// The most traces that wait or are remembered beside those that wait.
    pub num_traces: usize,
    /// The most memory for spans.
    pub max_bytes: usize,
    /// The most bytes of a trace that may be sampled; 0 is no bound.
    pub maximum_trace_size_bytes: usize,
    /// Decisions that are remembered in caches.
    pub sampled_cache_size: usize,
    pub non_sampled_cache_size: usize,
    /// Whether decisions without a cache are remembered beside the traces that wait.
    pub remember: bool,
    /// Whether spans are refused when there are too many traces, instead of deciding about the oldest.
    pub block_on_overflow: bool,
    /// Whether each arrival is decided about by itself.
    pub span_ingest: bool,
    /// Whether traces are decided about as soon as nothing can change the decision.
    pub decide_early: bool,
    pub sample_on_first_match: bool,
    /// Whether the spans of a sampled trace say which policy sampled it, and how many traces it stands for.
    pub record_policy: bool,
    pub stress: Option<StressSettings>,
    pub policies: Vec<PolicySettings>,
}

/// What a file of an earlier run has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub traces: u64,
    pub spans: u64,
    /// Spans that could not be read.
    pub lost: u64,
    /// Whether something could not be read, decisions included.
    pub is_damaged: bool,
}

pub struct Sampler {
    probes: Arc<Probes>,
    state: Mutex<State>,
    wake: Wake,
}

impl Sampler {
    /// `wake` is called by [`Sampler::ring`].
    pub fn new(mut settings: Settings, wake: Wake) -> Result<Self, Vec<OptionError>> {
        let within =
            |errors: Vec<OptionError>| errors.into_iter().map(|error| error.within("policies")).collect::<Vec<_>>();
        let mut compiled = compile(std::mem::take(&mut settings.policies)).map_err(within)?;
        let probes = Arc::new(std::mem::take(&mut compiled.probes));
        let mut policies = Policies::new(compiled, settings.sample_on_first_match);
        if settings.span_ingest
            && let Some(name) = policies.stateful()
        {
            let message = format!("span-ingest wants policies that depend on nothing else, and {name:?} does");
            return Err(within(vec![OptionError::new("", message)]));
        }
        if settings.record_policy {
            policies.weigh().map_err(|message| vec![OptionError::new("record_policy", message)])?;
        }
        let stress = settings.stress.as_ref().map(|stress| Stress::new(stress, settings.max_bytes)).transpose();
        let stress = stress.map_err(|error| vec![error.within("stress")])?;
        Ok(Self { state: Mutex::new(State::new(settings, policies, probes.clone(), stress)), probes, wake })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole before anything can panic, but for the trace at hand: it is lost with the
        // panic, and shows as a ledger that does not balance.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch, and says whether the one who takes has to be rung for: something leaves, or a timer must be set.
    pub fn offer(&self, batch: &SpanBatch, now: f64) -> Result<bool, NotTaken> {
        let arrivals = Arrivals::<Facts>::sort(batch, &*self.probes);
        let mut state = self.state();
        state.admit(&arrivals)?;
        state.receive(arrivals, now, None);
        Ok(state.wants_attention())
    }

    pub fn ring(&self) {
        (self.wake)();
    }

    /// Decides about some of the traces that are due, and says whether there are more.
    pub fn decide(&self, now: f64) -> bool {
        self.state().decide(now, TURN)
    }

    /// Refuses from now on.
    pub fn close(&self) {
        self.state().close();
    }

    /// Decides about some of the traces that wait, due or not, and says whether there are more.
    pub fn decide_all(&self, now: f64) -> bool {
        self.state().decide_all(now, TURN)
    }

    /// Gives up some of the traces that wait: how many spans these were. 0 when there are none.
    pub fn discard(&self) -> u64 {
        self.state().discard(TURN)
    }

    /// When to look again. `None` when nothing waits here: then the next offer rings.
    pub fn watch(&self) -> Option<f64> {
        self.state().watch()
    }

    /// Spans that leave. They count as held until [`Sampler::leaving`] takes their bytes off.
    pub fn next(&self) -> Option<SpanBatch> {
        self.state().outbox.take()
    }

    /// Bytes of what has left count less, or more where a batch was taken apart.
    pub fn leaving(&self, bytes: isize) {
        self.state().outbox.leaving(bytes);
    }

    /// Takes over what another one holds and remembers. That one is left empty.
    pub fn take_over(&self, other: &Self, now: f64) {
        loop {
            // One lock at a time: there is no order in which both could be taken.
            let given = other.state().give_up(TURN);
            if given.is_empty() {
                break;
            }
            for trace in given {
                let arrivals = Arrivals::<Facts>::sort(&trace.batch, &*self.probes);
                self.state().receive(arrivals, now, Some((trace.first, trace.last)));
            }
        }
        let decisions = other.state().decisions();
        self.state().remember(decisions);
    }

    /// Saves what waits and what is remembered in a file. Traces that are saved do not wait here any more.
    pub fn save(&self, path: &Path) -> io::Result<Totals> {
        let draft = path.with_extension("new");
        let mut state = self.state();
        let totals = state.save(&draft)?;
        fs::rename(&draft, path)?;
        if let Some(directory) = path.parent() {
            // Traces that are decided about must not be there for the next run as well.
            let confirmed = File::open(directory).and_then(|directory| directory.sync_all());
            confirmed.inspect_err(|_| _ = fs::remove_file(path))?;
        }
        while state.discard(TURN) > 0 {}
        Ok(totals)
    }

    /// Takes up what an earlier run has saved, which is not in the file any more.
    ///
    /// `NotFound` if there is nothing, `InvalidData` if that is no such file, which is put aside then.
    pub fn restore(&self, path: &Path, now: f64) -> io::Result<Restored> {
        let mut reader = Reader::open(path).inspect_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                let _ = fs::rename(path, path.with_extension("unreadable"));
            }
        })?;
        let mut restored = Restored::default();
        loop {
            let record = match reader.read() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(_) => {
                    // What was read before is here already, and must not come again.
                    reader.is_damaged = true;
                    break;
                }
            };
            match record {
                Record::Trace { body, .. } => match saved::read_trace(body) {
                    Some((ages, batch)) => {
                        restored.traces += 1;
                        restored.spans += batch.len() as u64;
                        let arrivals = Arrivals::<Facts>::sort(&batch, &*self.probes);
                        let times = (now - ages.0, now - ages.1);
                        self.state().receive(arrivals, now, Some(times));
                    }
                    None => reader.is_damaged = true,
                },
                Record::Decisions(body) => {
                    let decisions = saved::read_decisions(&body, now);
                    reader.is_damaged |= decisions.is_none();
                    self.state().remember(decisions.unwrap_or_default());
                }
            }
        }
        restored.is_damaged = reader.is_damaged;
        restored.lost = reader.totals.spans.saturating_sub(restored.spans);
        fs::remove_file(path)?;
        Ok(restored)
    }

    pub fn counts(&self) -> (Counts, Vec<(String, Tally)>) {
        let state = self.state();
        let counts = Counts { removal_ages: state.store.removal_ages.clone(), ..state.counts.clone() };
        let names = state.policies.names().map(str::to_owned);
        (counts, names.zip(state.policies.tallies.iter().copied()).collect())
    }

    /// Spans that were not sampled, ever.
    pub fn spans_dropped(&self) -> u64 {
        self.state().counts.spans_dropped
    }

    /// Traces that wait.
    pub fn traces(&self) -> usize {
        self.state().store.waiting()
    }

    /// Traces that wait, and those that are remembered beside them.
    pub fn on_memory(&self) -> usize {
        let state = self.state();
        state.store.waiting() + state.store.beside()
    }

    /// Whether new traces are decided about by probability alone, since the bound is near.
    pub fn is_stressed(&self) -> bool {
        self.state().is_stressed()
    }

    /// Spans that were not taken out yet.
    pub fn spans(&self) -> usize {
        self.state().spans()
    }

    /// Bytes of memory that are held, those of leaving batches included.
    pub fn bytes(&self) -> usize {
        self.state().bytes()
    }
}
