//! Functions on addresses of networks.

use std::net::IpAddr;

use super::{Argument, Complaint, Function, Kind, needed};
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| {
        let Some(Argument::Items(networks)) = arguments.get(1) else { return Ok(()) };
        for network in networks {
            if let Expression::Constant(Datum::Text(text)) = network
                && Network::parse(text).is_none()
            {
                let text = format!("invalid CIDR address: {}", String::from_utf8_lossy(text));
                return Err(Complaint { index: 1, text });
            }
        }
        Ok(())
    },
    ..Function::new("IsInCIDR", &[needed("target", Kind::Text), needed("networks", Kind::Texts)], |args| {
        let target = args.text(0)?;
        let address: Option<IpAddr> = std::str::from_utf8(&target).ok().and_then(|text| text.parse().ok());
        for network in args.items(1) {
            let network = match network? {
                Datum::Text(text) => Network::parse(&text)
                    .ok_or_else(|| Failure::new(format!("invalid CIDR address: {}", String::from_utf8_lossy(&text))))?,
                other => return Err(Failure::new(format!("expected string but got {}", other.type_name()))),
            };
            if address.is_some_and(|address| network.contains(address)) {
                return Ok(Datum::Bool(true));
            }
        }
        Ok(Datum::Bool(false))
    })
}];

/// `10.0.0.0/8` or `2001:db8::/32` (RFC 4632).
struct Network {
    address: IpAddr,
    /// How many bits of it count.
    bits: u32,
}

impl Network {
    fn parse(text: &[u8]) -> Option<Self> {
        let (address, bits) = std::str::from_utf8(text).ok()?.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most)?;
        Some(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = u32::from(network) ^ u32::from(address);
                self.bits == 0 || differs >> (32 - self.bits) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differs = u128::from(network) ^ u128::from(address);
                self.bits == 0 || differs >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}
