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
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_only_from_a_trusted_proxy() {
        let settings = Settings::parse(
            "base_url = \"http://localhost:1\"\ntrusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]",
            |_| None,
            None,
        )
        .expect("valid");
        for (peer, forwarded, address) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // A client can write addresses only before those of the proxies.
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, nonsense, 10.1.2.3"], "10.1.2.3"),
        ] {
            let peer = PeerAddress(peer.parse().expect("an address"));
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", line.parse().expect("a value"));
            }
            let expected: IpAddr = address.parse().expect("an address");
            assert_eq!(client_address(peer, &headers, &settings), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        assert_eq!(network("2001:db8:1:2:3::4".parse().expect("valid")), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.1".parse().expect("valid")), "192.0.2.1");
    }
}
