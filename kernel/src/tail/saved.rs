//! What the records of a [`super::snapshot`] say.

use bytes::Bytes;

use super::state::Decisions;
use crate::rope::SpanBatch;
use crate::traces::TraceId;
use crate::traces::store::{Decided, Memory};

/// The most decisions of a record.
pub const DECISIONS: usize = 1000;

/// A trace: seconds since its first and its last span came, and its spans.
pub fn trace(ages: (f64, f64), batch: &SpanBatch) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + batch.size());
    out.extend_from_slice(&ages.0.to_le_bytes());
    out.extend_from_slice(&ages.1.to_le_bytes());
    batch.chunks().iter().for_each(|chunk| out.extend_from_slice(&chunk.data));
    out
}

pub fn read_trace(body: Vec<u8>) -> Option<((f64, f64), SpanBatch)> {
    let mut rest = &body[..];
    let ages = (age(&mut rest)?, age(&mut rest)?);
    // The disk may hold anything.
    let batch = SpanBatch::decode(Bytes::from(body).slice(16..), None).ok()?;
    Some((ages, batch))
}

/// Decisions, each with its trace, its age and the name of its policy.
pub fn decisions(decisions: &[(TraceId, Decided, Memory, String)], now: f64) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, decided, _, policy) in decisions {
        out.extend_from_slice(id);
        out.push(u8::from(decided.sampled));
        out.extend_from_slice(&(now - decided.at).to_le_bytes());
        out.extend_from_slice(&f64::from(decided.weight).to_le_bytes());
        let name = policy.as_bytes();
        let length = u16::try_from(name.len()).unwrap_or(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&name[..usize::from(length)]);
    }
    out
}

pub fn read_decisions(body: &[u8], now: f64) -> Option<Decisions> {
    let mut rest = body;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let id: TraceId = take(&mut rest, 16)?.try_into().ok()?;
        let sampled = take(&mut rest, 1)? == [1];
        let (since, weight) = (age(&mut rest)?, age(&mut rest)?);
        let length = u16::from_le_bytes(take(&mut rest, 2)?.try_into().ok()?);
        let policy = String::from_utf8_lossy(take(&mut rest, usize::from(length))?).into_owned();
        let decided = Decided { sampled, policy: None, weight: weight as f32, age: 0.0, at: now - since };
        found.push((id, decided, Memory::Beside, policy));
    }
    Some(found)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

/// A number that is not negative.
fn age(rest: &mut &[u8]) -> Option<f64> {
    let age = f64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
    (age.is_finite() && age >= 0.0).then_some(age)
}
