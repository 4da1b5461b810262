//! Addresses and networks.

use core::fmt;
use core::net::IpAddr;

use super::{Done, Given, Line, fail, misfit};
use crate::expression::Trouble;
use crate::expression::value::Value;

pub(super) const TABLE: &[Line] = &[
    ("ip", "string -> ip", ip),
    ("isIP", "string -> bool", is_ip),
    ("ip.isCanonical", "string -> bool", is_canonical),
    ("family", "ip . -> int", family),
    ("isUnspecified", "ip . -> bool", is_unspecified),
    ("isLoopback", "ip . -> bool", is_loopback),
    ("isLinkLocalMulticast", "ip . -> bool", is_link_local_multicast),
    ("isLinkLocalUnicast", "ip . -> bool", is_link_local_unicast),
    ("isGlobalUnicast", "ip . -> bool", is_global_unicast),
    ("cidr", "string -> cidr", cidr),
    ("isCIDR", "string -> bool", is_cidr),
    ("containsIP", "cidr . ip -> bool", contains_ip),
    ("containsIP", "cidr . string -> bool", contains_ip),
    ("containsCIDR", "cidr . cidr -> bool", contains_cidr),
    ("containsCIDR", "cidr . string -> bool", contains_cidr),
    ("ip", "cidr . -> ip", address),
    ("prefixLength", "cidr . -> int", prefix_length),
    ("masked", "cidr . -> cidr", masked),
];

/// A network as it was written: its address may have bits beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.rsplit_once('/')?;
        let address = parse(address)?;
        let digits = prefix.len() <= 3 && prefix.chars().all(|c| c.is_ascii_digit());
        if !digits || (prefix.len() > 1 && prefix.starts_with('0')) {
            return None;
        }
        let prefix: u8 = prefix.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// The bits of an address that the prefix covers.
    fn network_of(self, address: IpAddr) -> Option<u128> {
        let (bits, width) = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) => (u128::from(address.to_bits()), 32),
            (IpAddr::V6(_), IpAddr::V6(address)) => (address.to_bits(), 128),
            _ => return None,
        };
        let beyond: u32 = width - u32::from(self.prefix);
        Some(bits.checked_shr(beyond).unwrap_or(0))
    }

    fn contains(self, address: IpAddr) -> bool {
        let found = self.network_of(address);
        found.is_some() && found == self.network_of(self.address)
    }

    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        Self { address, ..self }
    }
}

/// An address without a zone that is not an IPv4 address in the clothes of an IPv6 one.
fn parse(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => None,
        _ => Some(address),
    }
}

fn text<'c>(given: &Given<'c, '_>) -> Result<&'c str, Trouble> {
    match given.values {
        [Value::Text(text)] => Ok(text.as_str()),
        _ => misfit(),
    }
}

fn ip<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    parse(text(given)?).map_or_else(|| fail("not an IP address"), |found| Ok(Value::Ip(found)))
}

fn is_ip<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(parse(text(given)?).is_some()))
}

fn is_canonical<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let text = text(given)?;
    match parse(text) {
        Some(address) => Ok(Value::Bool(address.to_string() == text)),
        None => fail("not an IP address"),
    }
}

fn judged<'a>(given: &Given<'_, '_>, judge: impl Fn(IpAddr) -> bool) -> Done<'a> {
    let [Value::Ip(address)] = given.values else { return misfit() };
    Ok(Value::Bool(judge(*address)))
}

fn family<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Ip(address)] = given.values else { return misfit() };
    Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 }))
}

fn is_unspecified<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    judged(given, |address| address.is_unspecified())
}

fn is_loopback<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    judged(given, |address| address.is_loopback())
}

fn is_link_local_multicast<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    judged(given, |address| match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => matches!(address.octets(), [0xff, scope, ..] if scope & 0xf == 2),
    })
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_unicast<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    judged(given, link_local)
}

fn is_global_unicast<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    judged(given, |address| {
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
        !broadcast && !special && !link_local(address)
    })
}

fn cidr<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Cidr::parse(text(given)?).map_or_else(|| fail("not a CIDR"), |found| Ok(Value::Cidr(found)))
}

fn is_cidr<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(Cidr::parse(text(given)?).is_some()))
}

fn contains_ip<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (network, address) = match given.values {
        [Value::Cidr(network), Value::Ip(address)] => (network, Some(*address)),
        [Value::Cidr(network), Value::Text(text)] => (network, parse(text.as_str())),
        _ => return misfit(),
    };
    match address {
        Some(address) => Ok(Value::Bool(network.contains(address))),
        None => fail("not an IP address"),
    }
}

fn contains_cidr<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (network, other) = match given.values {
        [Value::Cidr(network), Value::Cidr(other)] => (network, Some(*other)),
        [Value::Cidr(network), Value::Text(text)] => (network, Cidr::parse(text.as_str())),
        _ => return misfit(),
    };
    match other {
        Some(other) => {
            let within = network.prefix <= other.prefix && network.contains(other.address);
            Ok(Value::Bool(within))
        }
        None => fail("not a CIDR"),
    }
}

fn network(given: &Given<'_, '_>) -> Result<Cidr, Trouble> {
    match given.values {
        [Value::Cidr(network)] => Ok(*network),
        _ => misfit(),
    }
}

fn address<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    network(given).map(|network| Value::Ip(network.address))
}

fn prefix_length<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    network(given).map(|network| Value::Int(network.prefix.into()))
}

fn masked<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    network(given).map(|network| Value::Cidr(network.masked()))
}
