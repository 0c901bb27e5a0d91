//! `CommunityID`: one name for a flow between two addresses, whichever side it was seen from.
//! <https://github.com/corelight/community-id-spec>; the ports of ICMP are taken as they are given.

use std::borrow::Cow;
use std::net::IpAddr;

use sha1::{Digest, Sha1};

use super::{Arguments, Function, Kind, needed, optional};
use crate::base64;
use crate::ottl::datum::{Datum, Failure};

const PROTOCOLS: [(&[u8], u8); 6] =
    [(b"ICMP", 1), (b"TCP", 6), (b"UDP", 17), (b"RSVP", 46), (b"ICMP6", 58), (b"SCTP", 132)];

pub(super) static FUNCTIONS: &[Function] = &[Function::new(
    "CommunityID",
    &[
        needed("source_ip", Kind::Text),
        needed("source_port", Kind::Int),
        needed("destination_ip", Kind::Text),
        needed("destination_port", Kind::Int),
        optional("protocol", Kind::Text),
        optional("seed", Kind::Int),
    ],
    |args| {
        let (mut source, mut destination) = (end(args, 0, "source")?, end(args, 2, "destination")?);
        let protocol = args.text_or(4, b"TCP")?;
        let protocol = PROTOCOLS.iter().find(|(name, _)| *name == &*protocol).map(|(_, number)| *number);
        let protocol = protocol.ok_or_else(|| {
            Failure::new(format!(
                "unsupported protocol: {}",
                String::from_utf8_lossy(&args.text(4).unwrap_or_default())
            ))
        })?;
        let seed = if args.is_given(5) { small(args.int(5)?, "seed")? } else { 0 };
        // The smaller end comes first: by the length of its address, then by address and port.
        if (source.0.len(), &source) > (destination.0.len(), &destination) {
            std::mem::swap(&mut source, &mut destination);
        }
        let mut flow = seed.to_be_bytes().to_vec();
        flow.extend_from_slice(&source.0);
        flow.extend_from_slice(&destination.0);
        flow.extend_from_slice(&[protocol, 0]);
        flow.extend_from_slice(&source.1.to_be_bytes());
        flow.extend_from_slice(&destination.1.to_be_bytes());
        let text = format!("1:{}", base64::encode(&Sha1::digest(&flow)));
        Ok(Datum::Text(Cow::Owned(text.into_bytes())))
    },
)];

/// The address, as bytes, and the port that stand at `index`.
fn end(args: &Arguments<'_, '_>, index: usize, side: &str) -> Result<(Vec<u8>, u16), Failure> {
    let text = args.text(index)?;
    let port = small(args.int(index + 1)?, &format!("{side} port"))?;
    let text = String::from_utf8_lossy(&text);
    let address: IpAddr = text.parse().map_err(|_| Failure::new(format!("invalid {side} IP: {text}")))?;
    let bytes = match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    Ok((bytes, port))
}

fn small(number: i64, what: &str) -> Result<u16, Failure> {
    u16::try_from(number).map_err(|_| Failure::new(format!("{what} must be between 0 and 65535, got {number}")))
}
