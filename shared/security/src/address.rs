//! The address of the client that sent a request: that of the peer or, behind trusted proxies, the one in
//! `X-Forwarded-For`.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;
use settings::Settings;

/// The address of a connection's other end, which the host puts into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// Returns the client's address. If the peer is one of `trusted_proxies`, it is the last address in `X-Forwarded-For`
/// that is not a trusted proxy; otherwise the header is ignored.
pub fn client_address(peer: PeerAddress, headers: &HeaderMap, settings: &Settings) -> IpAddr {
    let trusts = |address: &IpAddr| settings.trusted_proxies.iter().any(|net| net.contains(address));
    let mut address = peer.0.to_canonical();
    if !trusts(&address) {
        return address;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok());
    let lines: Vec<_> = lines.collect();
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // A text that is not an address was not written by a trusted proxy, so the rest is ignored.
        let Ok(next) = text.trim().parse::<IpAddr>() else { break };
        address = next.to_canonical();
        if !trusts(&address) {
            break;
        }
    }
    address
}

/// Returns the network that the limits count as one address: for IPv6 the first 64 bits, because one customer has a
/// whole network of this size.
pub fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(_) => {
            IpNet::new(address, 64).map_or_else(|_| address.to_string(), |net| net.trunc().to_string())
        }
    }
}

#[cfg(test)]
mod tests;
