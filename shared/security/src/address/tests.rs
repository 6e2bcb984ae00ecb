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
