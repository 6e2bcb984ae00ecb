//! The address that a request comes from: the peer's, or, behind proxies that the settings trust, the one they tell.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;
use settings::Settings;

/// The address of a connection's other end, which the host puts into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// The client's address. `X-Forwarded-For` counts only where the peer is one of `trusted_proxies`; then it is the last
/// address that is not itself a trusted proxy's.
pub fn client_address(peer: PeerAddress, headers: &HeaderMap, settings: &Settings) -> IpAddr {
    let trusts = |address: &IpAddr| settings.trusted_proxies.iter().any(|net| net.contains(address));
    let mut address = peer.0.to_canonical();
    if !trusts(&address) {
        return address;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok());
    let lines: Vec<_> = lines.collect();
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // What cannot be read was not written by a proxy of ours.
        let Ok(next) = text.trim().parse::<IpAddr>() else { break };
        address = next.to_canonical();
        if !trusts(&address) {
            break;
        }
    }
    address
}

/// The network that counts as one address: of IPv6, a customer has 64 bits to choose from.
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
    fn a_header_counts_only_from_a_trusted_proxy() {
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
            // The client's own lies stand further left.
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
    fn of_ipv6_half_is_the_customer() {
        assert_eq!(network("2001:db8:1:2:3::4".parse().expect("valid")), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.1".parse().expect("valid")), "192.0.2.1");
    }
}
