//! Writing onto the spans of a sampled trace why it was, and how many traces it stands for.

use std::sync::Arc;

use crate::ops::{Counts, Levels, Op, Place, Verdict};
use crate::program::Program;
use crate::rope::{Chunk, SpanBatch};
use crate::view::{Needs, SpanView, Value};

/// The attributes that are written.
pub const POLICY: &str = "sampling.policy";
pub const WEIGHT: &str = "sampling.weight";

struct Stamp {
    policy: String,
    weight: f64,
}

impl Op for Stamp {
    fn needs(&self) -> Needs {
        Needs { attributes: true, ..Needs::default() }
    }

    fn levels(&self) -> Levels {
        Levels { span: true, ..Levels::default() }
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, _: &mut Place<'_, 'a>, _: &mut Counts) -> Verdict {
        let attributes = span.attributes_mut();
        attributes.upsert(POLICY.as_bytes(), Value::Str(self.policy.as_bytes().into()));
        attributes.upsert(WEIGHT.as_bytes(), Value::Double(self.weight));
        Verdict::Changed
    }
}

/// The same spans, with the policy that sampled them and their weight.
pub fn annotate(chunks: Vec<Chunk>, policy: &str, weight: f64) -> Vec<Chunk> {
    let program = Program::new(vec![Arc::new(Stamp { policy: policy.to_owned(), weight })]);
    program.run(&SpanBatch::from_chunks(chunks)).batch.chunks().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{batch, lines, resource_spans, span};

    #[test]
    fn every_span_says_why_and_how_often() {
        let spans = [span("x", &[("k", "v")]), span("y", &[(POLICY, "another")])];
        let stamped = annotate(batch(resource_spans("a", &[&spans])).chunks().to_vec(), "errors", 4.0);
        let batch = SpanBatch::from_chunks(stamped);
        assert_eq!(
            lines(&batch),
            [
                "a/x{k=v,sampling.policy=errors,sampling.weight=Double(4.0)}",
                "a/y{sampling.policy=errors,sampling.weight=Double(4.0)}"
            ]
        );
        assert_eq!(SpanBatch::decode(batch.encode().into(), None).unwrap().len(), 2);
    }
}
