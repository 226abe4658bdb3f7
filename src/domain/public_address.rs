//! Which IP addresses are ordinary ones on the public internet: the list behind the guard on user-chosen endpoints.
//! Written as blocks by hand, since the standard library's `is_global` is not stable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is an ordinary one on the public internet. What is not known to be public is refused.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Everything but the special-purpose blocks of the IANA IPv4 registry (RFC 6890 and successors).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && matches!(c, 0 | 2)) || (b == 88 && c == 99),
        198 => matches!(b, 18 | 19) || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        // The host agent of a large cloud listens on this one address of an otherwise public block.
        168 => ip == Ipv4Addr::new(168, 63, 129, 16),
        _ => false,
    };
    !special
}

/// Global unicast (2000::/3) without its special-purpose blocks, and NAT64 of public IPv4 addresses.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let special = match segments[0] {
        0x2001 => segments[1] < 0x0200 || segments[1] == 0x0db8,
        0x2002 => true,
        0x3fff => segments[1] < 0x1000,
        first => !(0x2000..0x4000).contains(&first),
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_block_ends_where_it_should() {
        for (inside, outside) in [
            ("100.64.0.0", "100.63.255.255"),
            ("100.127.255.255", "100.128.0.0"),
            ("172.16.0.0", "172.15.255.255"),
            ("172.31.255.255", "172.32.0.0"),
            ("169.254.0.0", "169.253.255.255"),
            ("192.0.0.8", "192.0.1.1"),
            ("198.19.255.255", "198.20.0.0"),
            ("203.0.113.255", "203.0.114.0"),
            ("224.0.0.0", "223.255.255.255"),
            ("168.63.129.16", "168.63.129.17"),
            ("2001:1ff::", "2001:200::"),
            ("2001:db8:ffff::", "2001:db9::"),
            ("2002::", "2003::"),
            ("3fff:fff::", "3fff:1000::"),
            ("4000::", "2a00::1"),
            ("64:ff9b::c0a8:1", "64:ff9b::808:808"),
            ("64:ff9b:1::808:808", "2606:4700::1"),
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn every_special_block_is_refused_from_its_first_address_to_its_last() {
        for (block, first, last) in [
            ("this network", "0.0.0.0", "0.255.255.255"),
            ("private, class A", "10.0.0.0", "10.255.255.255"),
            ("carrier-grade NAT", "100.64.0.0", "100.127.255.255"),
            ("loopback", "127.0.0.0", "127.255.255.255"),
            ("link-local", "169.254.0.0", "169.254.255.255"),
            ("metadata of most clouds", "169.254.169.254", "169.254.169.254"),
            ("private, class B", "172.16.0.0", "172.31.255.255"),
            ("protocol assignments", "192.0.0.0", "192.0.0.255"),
            ("documentation 1", "192.0.2.0", "192.0.2.255"),
            ("6to4 relays", "192.88.99.0", "192.88.99.255"),
            ("private, class C", "192.168.0.0", "192.168.255.255"),
            ("benchmarking", "198.18.0.0", "198.19.255.255"),
            ("documentation 2", "198.51.100.0", "198.51.100.255"),
            ("documentation 3", "203.0.113.0", "203.0.113.255"),
            ("multicast", "224.0.0.0", "239.255.255.255"),
            ("reserved and broadcast", "240.0.0.0", "255.255.255.255"),
            ("unspecified and loopback", "::", "::1"),
            ("IPv4-compatible", "::2", "::ffff:ffff"),
            ("IPv4-mapped", "::ffff:0:0", "::ffff:ffff:ffff"),
            ("IPv4-translated", "::ffff:0:0:0", "::ffff:0:ffff:ffff"),
            ("NAT64 of loopback", "64:ff9b::7f00:0", "64:ff9b::7fff:ffff"),
            ("NAT64 of metadata", "64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe"),
            ("local NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("discard", "100::", "100::ffff:ffff:ffff:ffff"),
            ("Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("protocol assignments", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("documentation", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("documentation, large", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("segment routing", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("unique local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("metadata of a cloud", "fd00:ec2::254", "fd00:ec2::254"),
            ("link-local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("site-local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("multicast", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            for address in [first, last] {
                assert!(!is_public(address.parse().unwrap()), "{block}: {address}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_hidden_in_an_ipv6_address_is_never_more_public_than_itself(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let nat64 = Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(is_public(IpAddr::V6(nat64)), is_public(IpAddr::V4(v4)));
            prop_assert!(!is_public(IpAddr::V6(v4.to_ipv6_mapped())));
            let standard = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(standard && is_public(IpAddr::V4(v4))));
        }
    }
}
