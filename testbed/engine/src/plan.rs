//! What is sent, and what of it shall arrive: known to the load generator and to the sink alike.
//!
//! Requests of a sender have numbers from 0 upward, and the number of a request decides its template, so a span's number
//! tells all about it: which request it was in, whether filters drop it, and, by its trace id, whether a sampler does.

use std::path::{Path, PathBuf};
use std::{error, fs};

use serde::Deserialize;

use crate::ids::{Key, SpanNumber};
use crate::template::{Template, TemplateSpan};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    seed: u64,
    templates: Vec<TemplateFile>,
    /// Whether the pipeline drops health checks.
    filters: bool,
    /// The share of traces that the pipeline keeps, in percent, by a probabilistic sampler in its mode `hash_seed`.
    sampling_percentage: Option<f32>,
    hash_seed: u32,
    /// The share of traces without errors that the pipeline keeps, in percent, by a policy of `tail_sampling`; it keeps all
    /// of the others.
    tail_sampling_percentage: Option<f64>,
    /// Texts that must not arrive.
    secrets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateFile {
    path: PathBuf,
    /// The same request in JSON, where it is wanted.
    json: Option<PathBuf>,
    health_checks: Vec<usize>,
}

pub struct Plan {
    pub key: Key,
    pub spans_per_request: u64,
    pub templates: Vec<Template>,
    pub secrets: Vec<String>,
    filters: bool,
    sampler: Option<Sampler>,
    tail_sampler: Option<TailSampler>,
}

impl Plan {
    /// Reads a plan with its templates, whose paths are relative to it.
    pub fn read(path: &Path) -> Result<Self, Box<dyn error::Error>> {
        let file: PlanFile = serde_json::from_slice(&fs::read(path)?)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut templates = Vec::new();
        for template in file.templates {
            let data = fs::read(directory.join(template.path))?;
            let mut made = Template::new(data, &template.health_checks)?;
            if let Some(path) = template.json {
                made.say_in_json(fs::read(directory.join(path))?)?;
            }
            templates.push(made);
        }
        let spans = templates.first().ok_or("a plan wants a template")?.spans.len();
        if spans == 0 || templates.iter().any(|template| template.spans.len() != spans) {
            return Err("all templates of a plan want the same number of spans".into());
        }
        Ok(Self {
            key: Key::new(file.seed),
            spans_per_request: spans as u64,
            templates,
            secrets: file.secrets,
            filters: file.filters,
            sampler: file.sampling_percentage.map(|percentage| Sampler::new(percentage, file.hash_seed)),
            tail_sampler: file.tail_sampling_percentage.map(TailSampler::new),
        })
    }

    /// The template of a sender's request. Senders begin with different ones.
    pub fn template(&self, sender: u16, request: u64) -> &Template {
        &self.templates[(request as usize).wrapping_add(sender.into()) % self.templates.len()]
    }

    /// What the template says about a span that was sent.
    pub fn span(&self, span: SpanNumber) -> &TemplateSpan {
        let (request, index) = (span.sequence / self.spans_per_request, span.sequence % self.spans_per_request);
        &self.template(span.sender, request).spans[index as usize]
    }

    /// Whether a span shall arrive once it was accepted.
    pub fn keeps(&self, span: SpanNumber) -> bool {
        let found = self.span(span);
        if self.filters && found.health_check {
            return false;
        }
        let first = span.sequence / self.spans_per_request * self.spans_per_request;
        let trace = SpanNumber { sequence: first + u64::from(found.trace), ..span };
        self.sampler.as_ref().is_none_or(|sampler| sampler.keeps(&self.key.trace_id(trace)))
            && (found.failed
                || self.tail_sampler.as_ref().is_none_or(|sampler| sampler.keeps(&self.key.trace_id(trace))))
    }

    /// How many spans of a request shall arrive once it was accepted.
    pub fn kept(&self, sender: u16, request: u64) -> u64 {
        if !self.filters && self.sampler.is_none() && self.tail_sampler.is_none() {
            return self.spans_per_request;
        }
        let first = request * self.spans_per_request;
        let spans = (first..first + self.spans_per_request).map(|sequence| SpanNumber { sender, sequence });
        spans.filter(|&span| self.keeps(span)).count() as u64
    }
}

/// The decision of the Go collector's `probabilistic_sampler` in its mode `hash_seed`, written down once more so
/// that no subject judges itself: FNV-1a over the seed and the trace id, its low 14 bits against a limit.
struct Sampler {
    limit: u32,
    seed: [u8; 4],
}

impl Sampler {
    fn new(percentage: f32, seed: u32) -> Self {
        Self { limit: (percentage * (16384.0 / 100.0)) as u32, seed: seed.to_le_bytes() }
    }

    fn keeps(&self, trace_id: &[u8; 16]) -> bool {
        let hash = self
            .seed
            .iter()
            .chain(trace_id)
            .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash & 0x3fff < self.limit
    }
}

/// The decision of the policy `probabilistic` of the Go collector's `tail_sampling`, without a salt of its own: FNV-1a of 64
/// bits over its salt and the trace id, against a limit.
struct TailSampler {
    limit: u64,
}

impl TailSampler {
    fn new(percentage: f64) -> Self {
        // For shares that are not tiny, this is what it comes to with more digits.
        Self { limit: ((percentage / 100.0 * 2f64.powi(64)) as u64).saturating_sub(1) }
    }

    fn keeps(&self, trace_id: &[u8; 16]) -> bool {
        let hash = b"default-hash-seed"
            .iter()
            .chain(trace_id)
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        hash <= self.limit
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::samples::request;

    /// A plan with one template of `spans` spans, whose first is a health check.
    pub fn plan(spans: u64, filters: bool, percentage: Option<f32>) -> Plan {
        Plan {
            key: Key::new(1),
            spans_per_request: spans,
            templates: vec![Template::new(request(spans), &[0]).unwrap()],
            secrets: vec![],
            filters,
            sampler: percentage.map(|percentage| Sampler::new(percentage, 0)),
            tail_sampler: None,
        }
    }

    #[test]
    fn filters_drop_health_checks() {
        let plan = plan(10, true, None);
        assert!(!plan.keeps(SpanNumber { sender: 0, sequence: 20 }));
        assert!(plan.keeps(SpanNumber { sender: 0, sequence: 21 }));
        assert_eq!(plan.kept(0, 2), 9);
    }

    #[test]
    fn samplers_keep_whole_traces_and_their_share_of_them() {
        let plan = plan(10, false, Some(25.0));
        let kept: Vec<u64> = (0..10_000).map(|request| plan.kept(1, request)).collect();
        assert!(kept.iter().all(|&kept| kept == 0 || kept == 10));
        let share = kept.iter().sum::<u64>() as f64 / 100_000.0;
        assert!((0.23..0.27).contains(&share), "{share}");
    }

    #[test]
    fn tail_samplers_keep_failed_traces_and_a_share_of_the_others() {
        let mut plan = plan(10, false, None);
        plan.tail_sampler = Some(TailSampler::new(25.0));
        let kept: u64 = (0..10_000).map(|request| plan.kept(1, request)).sum();
        assert!((23_000..27_000).contains(&kept) && kept.is_multiple_of(10), "{kept}");
        plan.templates[0].spans.iter_mut().for_each(|span| span.failed = true);
        assert!((0..100).all(|request| plan.kept(1, request) == 10));
        // Recorded from release 0.160.
        let id: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert_eq!([50.0, 64.0, 65.0].map(|percentage| TailSampler::new(percentage).keeps(&id)), [false, false, true]);
    }

    #[test]
    fn decides_as_the_go_collector_does() {
        // Recorded from release 0.160.
        let id: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        for (seed, kept) in [(0, [true, true, true]), (22, [false, false, true]), (1234, [false, false, true])] {
            assert_eq!([1.0, 50.0, 76.0].map(|percentage| Sampler::new(percentage, seed).keeps(&id)), kept);
        }
    }
}
