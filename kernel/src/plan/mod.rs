//! The front of a pipeline, from its entrance to the first stage that holds spans, without the interpreter.
//!
//! A plan does to one request what the stages of the pipeline would do to it one after another: memory limits, programs,
//! and at the end a [`Hold`], traces that wait for a decision, a [`Queue`] or a [`Journal`], which takes responsibility. So the client can be answered at
//! once, or when the disk has its spans, and whoever works on what left is woken a few times a second, however many
//! requests arrive.
//!
//! What it counts is committed when the hold has taken the spans, and collected by whoever keeps the books.

pub mod gate;
pub mod hold;
pub mod queue;

use std::sync::{Arc, Mutex, PoisonError};

use self::gate::Gate;
use self::hold::Hold;
use self::queue::Queue;
use crate::journal::Journal;
use crate::load::Refused;
use crate::ops;
use crate::program::Program;
use crate::rope::SpanBatch;
use crate::tail::sampler::Sampler;

/// Called when somebody has to look.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct NotTaken {
    pub message: String,
    /// Whether the same request would be refused again. Otherwise it may come again.
    pub forever: bool,
    /// Seconds after which it may come, where the one who refuses knows better than the transport.
    pub retry_after: Option<f64>,
}

impl NotTaken {
    pub fn now(message: impl Into<String>) -> Self {
        Self { message: message.into(), forever: false, retry_after: None }
    }
}

/// A stage before the end.
pub enum Stage {
    Gate(Arc<Gate>),
    Program(Arc<Program>),
}

/// What takes responsibility.
pub enum End {
    Hold(Arc<Hold>),
    Queue(Arc<Queue>),
    /// Says so once the disk has it.
    Journal(Arc<Journal>),
    Traces(Arc<Sampler>),
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Wholly,
    /// It is on its way to the disk. Whoever gave it will be told.
    Soon,
}

/// Told what became of a batch that was to be taken soon.
pub type Told = Box<dyn FnOnce(Result<(), NotTaken>) + Send>;

/// What went through one stage, the end included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Spans of batches that were taken in the end.
    pub taken: u64,
    /// Spans that this stage refused.
    pub refused: u64,
    /// What each op of a program did to the spans that were taken.
    pub ops: Vec<ops::Counts>,
}

pub struct Plan {
    stages: Vec<Stage>,
    end: End,
    /// One for each stage, and one for the end.
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts(Mutex<Vec<StageCounts>>);

impl Plan {
    pub fn new(stages: Vec<Stage>, end: End) -> Self {
        let counts = Arc::new(Counts(Mutex::new(vec![StageCounts::default(); stages.len() + 1])));
        Self { stages, end, counts }
    }

    /// Takes a batch at the time `now`, wholly or not at all. Where it is taken soon, and only there, `told` hears of it.
    pub fn consume(&self, mut batch: SpanBatch, now: f64, told: impl FnOnce() -> Told) -> Result<Taken, NotTaken> {
        let mut passed = Vec::with_capacity(self.stages.len() + 1);
        for stage in &self.stages {
            let taken = batch.len() as u64;
            if taken == 0 {
                break;
            }
            let mut ops = Vec::new();
            match stage {
                Stage::Gate(gate) => {
                    gate.pass(batch.pinned()).inspect_err(|_| self.counts.refused(passed.len(), taken))?;
                }
                Stage::Program(program) => {
                    let outcome = program.run(&batch);
                    if let Some(refusal) = outcome.refusal() {
                        self.counts.refused(passed.len(), taken);
                        return Err(NotTaken { forever: true, ..NotTaken::now(refusal) });
                    }
                    ops = outcome.counts;
                    batch = outcome.batch;
                }
            }
            passed.push(StageCounts { taken, refused: 0, ops });
        }
        let taken = batch.len() as u64;
        if taken == 0 {
            self.counts.commit(passed);
            return Ok(Taken::Wholly);
        }
        let refused = |_: &NotTaken| self.counts.refused(passed.len(), taken);
        match &self.end {
            End::Hold(hold) => {
                if hold.offer(batch, now).inspect_err(refused)? {
                    hold.ring();
                }
            }
            End::Traces(traces) => {
                if traces.offer(&batch, now).inspect_err(refused)? {
                    traces.ring();
                }
            }
            End::Queue(queue) => {
                if queue.offer(batch, true).map_err(NotTaken::from).inspect_err(refused)? {
                    queue.ring();
                }
            }
            End::Journal(journal) => {
                let (counts, told) = (self.counts.clone(), told());
                let done = move |outcome: Result<(), Refused>| {
                    let outcome = outcome.map_err(NotTaken::from);
                    if outcome.is_ok() {
                        passed.push(StageCounts { taken, ..StageCounts::default() });
                        counts.commit(passed);
                    } else {
                        counts.refused(passed.len(), taken);
                    }
                    told(outcome);
                };
                journal.submit(batch, true, Box::new(done));
                return Ok(Taken::Soon);
            }
        }
        passed.push(StageCounts { taken, ..StageCounts::default() });
        self.counts.commit(passed);
        Ok(Taken::Wholly)
    }

    /// What was counted since the last call: an entry for each stage, and one for the end.
    pub fn counts(&self) -> Vec<StageCounts> {
        let fresh = vec![StageCounts::default(); self.stages.len() + 1];
        std::mem::replace(&mut *self.counts.0.lock().unwrap_or_else(PoisonError::into_inner), fresh)
    }
}

/// Whether nobody uses a plan any more but whoever asks, so that its counts are final.
pub fn is_idle(plan: &Arc<Plan>) -> bool {
    Arc::strong_count(plan) == 1 && Arc::strong_count(&plan.counts) == 1
}

impl Counts {
    fn refused(&self, stage: usize, spans: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[stage].refused += spans;
    }

    fn commit(&self, passed: Vec<StageCounts>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, stage) in counts.iter_mut().zip(passed) {
            sum.taken += stage.taken;
            if sum.ops.is_empty() {
                sum.ops = stage.ops;
            } else {
                sum.ops.iter_mut().zip(stage.ops).for_each(|(sum, op)| sum.add(op));
            }
        }
    }
}

impl From<Refused> for NotTaken {
    fn from(refused: Refused) -> Self {
        Self { forever: refused == Refused::TooLarge, ..Self::now(refused.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::batch;
    use crate::ops::{ConditionList, FilterOp, FilterSettings};
    use crate::samples::{resource_spans, span};
    use crate::split::Bounds;

    fn spans(names: &[&str]) -> SpanBatch {
        let spans: Vec<Vec<u8>> = names.iter().map(|name| span(name, &[])).collect();
        SpanBatch::decode(Bytes::from(resource_spans("a", &[&spans])), None).unwrap()
    }

    fn hold(due_size: usize, max_bytes: usize) -> (Arc<Hold>, Arc<AtomicUsize>) {
        let rung = Arc::new(AtomicUsize::new(0));
        let count = rung.clone();
        let settings = batch::Settings { due_size, max: Bounds::new(0, 0), timeout: 1.0 };
        (Arc::new(Hold::new(settings, max_bytes, Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst)))), rung)
    }

    fn dropping(name: &str) -> Arc<Program> {
        let conditions = vec![ConditionList {
            option: "spans".to_owned(),
            context: Some("span".to_owned()),
            conditions: vec![format!("name == {name:?}")],
        }];
        let op = FilterOp::new(FilterSettings { conditions, ..FilterSettings::default() }).unwrap();
        Arc::new(Program::new(vec![Arc::new(op)]))
    }

    fn unheard() -> Told {
        Box::new(|_| ())
    }

    #[test]
    fn what_passes_is_held_and_counted() {
        let (hold, rung) = hold(3, 1 << 20);
        let plan =
            Plan::new(vec![Stage::Program(dropping("b")), Stage::Program(dropping("c"))], End::Hold(hold.clone()));

        plan.consume(spans(&["a", "b", "c"]), 0.0, unheard).unwrap();
        plan.consume(spans(&["b"]), 0.0, unheard).unwrap();
        assert_eq!((hold.spans(), rung.load(Ordering::SeqCst)), (1, 1), "the first span held sets a timer");
        plan.consume(spans(&["a", "d"]), 0.0, unheard).unwrap();

        assert_eq!(rung.load(Ordering::SeqCst), 2, "a batch is due");
        assert_eq!(hold.next().map(|batch| batch.len()), Some(3));
        let counts = plan.counts();
        assert_eq!(counts.iter().map(|stage| stage.taken).collect::<Vec<_>>(), [6, 4, 3]);
        assert_eq!(counts[0].ops[0].dropped, 2);
        assert_eq!(plan.counts(), vec![StageCounts::default(); 3]);
    }

    #[test]
    fn what_the_hold_refuses_is_not_counted_as_taken() {
        let (hold, _) = hold(100, 1);
        let plan = Plan::new(vec![Stage::Program(dropping("b"))], End::Hold(hold.clone()));
        plan.consume(spans(&["a"]), 0.0, unheard).unwrap();

        let refused = plan.consume(spans(&["a", "b"]), 0.0, unheard).unwrap_err();

        assert!(refused.message.contains("max_held_bytes"), "{}", refused.message);
        let counts = plan.counts();
        assert_eq!((counts[0].taken, counts[1].taken, counts[1].refused), (1, 1, 1));
        assert_eq!(hold.spans(), 1);
    }
}
