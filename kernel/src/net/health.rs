//! Health checks over gRPC, for orchestrators that know nothing else:
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use bytes::Bytes;

use super::answer::{Code, Refusal};
use crate::wire::Cursor;

pub const CHECK: &str = "/grpc.health.v1.Health/Check";

const SERVICES: [&[u8]; 2] = [b"", b"opentelemetry.proto.collector.trace.v1.TraceService"];

/// The message that answers a `HealthCheckRequest`, its frame included: whether a service is served.
pub fn check(request: &[u8], serving: bool) -> Result<Bytes, Refusal> {
    let (mut cursor, mut service) = (Cursor::new(request), &b""[..]);
    while let Ok(Some(field)) = cursor.next_field() {
        if field.number == 1 {
            service = field.bytes;
        }
    }
    if !SERVICES.contains(&service) {
        let name = String::from_utf8_lossy(service);
        return Err(Refusal::new(Code::NotFound, format!("there is no service {name:?} here")));
    }
    let status = if serving { 1 } else { 2 };
    Ok(Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]))
}

#[cfg(test)]
mod tests {
    use super::super::grpc::PREFIX;
    use super::*;

    #[test]
    fn tells_whether_spans_are_taken() {
        assert_eq!(check(b"", true).unwrap(), Bytes::from_static(b"\0\0\0\0\x02\x08\x01"));
        assert_eq!(check(b"", false).unwrap()[PREFIX..], *b"\x08\x02");
        let request = [b"\x0a\x33".as_slice(), SERVICES[1]].concat();
        assert!(check(&request, true).is_ok());
        assert_eq!(check(b"\x0a\x01x", true).unwrap_err().code, Code::NotFound);
        assert!(check(b"\xff\xff", true).is_ok(), "a broken request asks for nothing in particular");
    }
}
