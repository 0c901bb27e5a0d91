//! OTLP/JSON: the JSON mapping of protobuf as OTLP changes it. Ids are hexadecimal, enums are numbers.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding> and
//! <https://protobuf.dev/programming-guides/json/>.

mod decode;
mod encode;
mod fault;
mod number;
mod reader;
mod scalar;
mod string;

use std::sync::Arc;

pub use decode::decode;
pub use encode::encode;
pub use fault::JsonError;
pub(crate) use string::plain_until;

use crate::origin::Origin;
use crate::rope::SpanBatch;

/// Checks a request in JSON and makes a batch of it.
pub fn read(json: &[u8], origin: Option<Arc<Origin>>) -> Result<SpanBatch, JsonError> {
    let request = decode(json)?;
    // What was decoded is checked like any other request: whatever is behind may rely on that check alone.
    SpanBatch::decode(request.into(), origin).map_err(|malformed| JsonError::of_document(malformed.to_string()))
}
