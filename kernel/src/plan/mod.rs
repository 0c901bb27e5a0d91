//! The front of a pipeline, from its entrance to the first stage that holds spans, without the interpreter.
//!
//! A plan does to one request what the stages of the pipeline would do to it one after another: memory limits, programs,
//! and at the end a [`Hold`], which takes responsibility. So the client can be answered at once, and whoever works on
//! batches that left the hold is woken a few times a second, however many requests arrive.
//!
//! What it counts is committed when the hold has taken the spans, and collected by whoever keeps the books.

pub mod gate;
pub mod hold;

use std::sync::{Arc, Mutex, PoisonError};

use self::gate::Gate;
use self::hold::Hold;
use crate::ops;
use crate::program::Program;
use crate::rope::SpanBatch;

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
    fn now(message: impl Into<String>) -> Self {
        Self { message: message.into(), forever: false, retry_after: None }
    }
}

/// A stage before the hold.
pub enum Stage {
    Gate(Arc<Gate>),
    Program(Arc<Program>),
}

/// What went through one stage, the hold included.
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
    hold: Arc<Hold>,
    /// One for each stage, and one for the hold.
    counts: Mutex<Vec<StageCounts>>,
}

impl Plan {
    pub fn new(stages: Vec<Stage>, hold: Arc<Hold>) -> Self {
        let counts = Mutex::new(vec![StageCounts::default(); stages.len() + 1]);
        Self { stages, hold, counts }
    }

    /// Takes a batch at the time `now`, wholly or not at all.
    pub fn consume(&self, mut batch: SpanBatch, now: f64) -> Result<(), NotTaken> {
        let mut passed = Vec::with_capacity(self.stages.len() + 1);
        for stage in &self.stages {
            let taken = batch.len() as u64;
            if taken == 0 {
                break;
            }
            let mut ops = Vec::new();
            match stage {
                Stage::Gate(gate) => {
                    gate.pass(batch.pinned()).inspect_err(|_| self.refused(passed.len(), taken))?;
                }
                Stage::Program(program) => {
                    let outcome = program.run(&batch);
                    if let Some(refusal) = outcome.refusal() {
                        self.refused(passed.len(), taken);
                        return Err(NotTaken { forever: true, ..NotTaken::now(refusal) });
                    }
                    ops = outcome.counts;
                    batch = outcome.batch;
                }
            }
            passed.push(StageCounts { taken, refused: 0, ops });
        }
        let taken = batch.len() as u64;
        if taken > 0 {
            let wants_attention = self.hold.offer(batch, now).inspect_err(|_| self.refused(passed.len(), taken))?;
            if wants_attention {
                self.hold.ring();
            }
            passed.push(StageCounts { taken, ..StageCounts::default() });
        }
        self.commit(passed);
        Ok(())
    }

    /// What was counted since the last call: an entry for each stage, and one for the hold.
    pub fn counts(&self) -> Vec<StageCounts> {
        let fresh = vec![StageCounts::default(); self.stages.len() + 1];
        std::mem::replace(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner), fresh)
    }

    fn refused(&self, stage: usize, spans: u64) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)[stage].refused += spans;
    }

    fn commit(&self, passed: Vec<StageCounts>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[test]
    fn what_passes_is_held_and_counted() {
        let (hold, rung) = hold(3, 1 << 20);
        let plan = Plan::new(vec![Stage::Program(dropping("b")), Stage::Program(dropping("c"))], hold.clone());

        plan.consume(spans(&["a", "b", "c"]), 0.0).unwrap();
        plan.consume(spans(&["b"]), 0.0).unwrap();
        assert_eq!((hold.spans(), rung.load(Ordering::SeqCst)), (1, 1), "the first span held sets a timer");
        plan.consume(spans(&["a", "d"]), 0.0).unwrap();

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
        let plan = Plan::new(vec![Stage::Program(dropping("b"))], hold.clone());
        plan.consume(spans(&["a"]), 0.0).unwrap();

        let refused = plan.consume(spans(&["a", "b"]), 0.0).unwrap_err();

        assert!(refused.message.contains("max_held_bytes"), "{}", refused.message);
        let counts = plan.counts();
        assert_eq!((counts[0].taken, counts[1].taken, counts[1].refused), (1, 1, 1));
        assert_eq!(hold.spans(), 1);
    }
}
