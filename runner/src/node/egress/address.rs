//! What kind of address an address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses at which clouds hand out credentials, wherever they lie.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
];

/// Whether a cloud's metadata service answers at this address.
pub(super) fn is_metadata(ip: IpAddr) -> bool {
    METADATA.contains(&ip)
}

/// Why an address is not plainly public; none if it is.
pub(super) fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        _ if is_metadata(ip) => Some("it is the address of a cloud's metadata service"),
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

/// The IPv4 addresses to which packets for this IPv6 address may be carried on.
pub(super) fn embedded(ip: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(ip) = ip else { return Vec::new() };
    let bits = u128::from(ip);
    let v4 = |shift: u32| IpAddr::V4(Ipv4Addr::from_bits((bits >> shift) as u32));
    let [first, second, third, ..] = ip.segments();
    match (first, second) {
        // Teredo: the server's, and the client's with its bits turned over.
        (0x2001, 0) => vec![v4(64), IpAddr::V4(Ipv4Addr::from_bits(!(bits as u32)))],
        (0x2002, _) => vec![v4(80)],
        // NAT64 of a network of one's own: the last bits, or round the bits that must be zero.
        (0x64, 0xff9b) if third != 0 => {
            let round = v4_of_48(bits);
            [v4(0), IpAddr::V4(round)].into_iter().filter(|ip| !ip.is_unspecified()).collect()
        }
        // The last bits: IPv4-mapped, -compatible, -translated, NAT64, and ISATAP's interface.
        (0, _) if ip.is_loopback() || ip.is_unspecified() => Vec::new(),
        (0, _) | (0x64, 0xff9b) => vec![v4(0)],
        _ if matches!((bits >> 32) as u32, 0x0000_5efe | 0x0200_5efe) => vec![v4(0)],
        _ => Vec::new(),
    }
}

/// The address after a prefix of 48 bits (RFC 6052): two bytes, a zero byte, two bytes.
fn v4_of_48(bits: u128) -> Ipv4Addr {
    let [_, _, _, _, _, _, a, b, _, c, d, ..] = bits.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some("it is an address of this machine"),
        (127, ..) => Some("it is a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("it is a private address"),
        (100, 64..=127, _) => Some("it is an address of a provider's inner network (CGNAT)"),
        (169, 254, _) => Some("it is a link-local address"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("it is an address for documentation"),
        (198, 18..=19, _) => Some("it is an address for benchmarks"),
        (192, 0, 0) | (192, 88, 99) => Some("it is an address of a protocol"),
        (224..=239, ..) => Some("it is a multicast address"),
        (240..=255, ..) => Some("it is a reserved address"),
        _ => None,
    }
}

/// Public is only what lies in 2000::/3, and there not what carries something else.
fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let [first, second, third, ..] = ip.segments();
    match (first, second) {
        _ if ip.is_unspecified() => Some("it is an address of this machine"),
        _ if ip.is_loopback() => Some("it is a loopback address"),
        _ if ip.to_ipv4_mapped().is_some() => Some("it is an IPv4 address written as IPv6"),
        (0x64, 0xff9b) if third <= 1 => Some("it is an address of a translator (NAT64)"),
        (0xfc00..=0xfdff, _) => Some("it is a private address"),
        (0xfe80..=0xfeff, _) => Some("it is a link-local or site-local address"),
        (0xff00..=0xffff, _) => Some("it is a multicast address"),
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => Some("it is an address for documentation"),
        (0x2002, _) => Some("it is an address of a tunnel (6to4)"),
        (0x2001, 0..=0x01ff) => Some("it is an address of a protocol or tunnel"),
        (0x2000..=0x3fff, _) if !embedded(IpAddr::V6(ip)).is_empty() => {
            Some("it is an address of a tunnel (ISATAP)")
        }
        (0x2000..=0x3fff, _) => None,
        _ => Some("it is a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_public() {
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.1.1",
            "172.15.1.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2003::1",
        ] {
            assert_eq!(special(ip.parse().unwrap()), None, "{ip}");
        }
    }

    #[test]
    fn special_addresses_are_special() {
        for (ips, word) in [
            (
                &[
                    "169.254.169.254",
                    "169.254.170.2",
                    "168.63.129.16",
                    "100.100.100.200",
                    "192.0.0.192",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                ][..],
                "metadata",
            ),
            (&["0.0.0.0", "0.1.2.3", "::"], "this machine"),
            (&["127.0.0.1", "127.255.255.254", "::1"], "loopback"),
            (
                &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fdff::1"],
                "private",
            ),
            (&["100.64.0.1", "100.127.255.255"], "CGNAT"),
            (&["169.254.0.1", "fe80::1", "febf::1", "fec0::1"], "link-local"),
            (
                &["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff:fff::1"],
                "documentation",
            ),
            (&["198.18.0.1", "198.19.255.255"], "benchmarks"),
            (
                &["192.0.0.8", "192.88.99.1", "2001::1", "2001:2::1", "2001:20::1", "2001:1ff::1"],
                "protocol",
            ),
            (&["224.0.0.1", "239.255.255.255", "ff02::1"], "multicast"),
            (
                &[
                    "240.0.0.1",
                    "255.255.255.255",
                    "100::1",
                    "::8.8.8.8",
                    "4000::1",
                    "5f00::1",
                    "fb00::1",
                    "::ffff:0:8.8.8.8",
                ],
                "reserved",
            ),
            (&["::ffff:8.8.8.8", "::ffff:10.0.0.1"], "written as IPv6"),
            (&["64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8"], "NAT64"),
            (&["2002:808:808::1"], "6to4"),
            (&["2a00::5efe:10.0.0.1", "2a00::200:5efe:8.8.8.8"], "ISATAP"),
        ] {
            for ip in ips {
                let why =
                    special(ip.parse().unwrap()).unwrap_or_else(|| panic!("{ip} passes as public"));
                assert!(why.contains(word), "{ip}: {why}");
            }
        }
    }

    #[test]
    fn what_an_address_carries_is_seen() {
        for (ip, inside) in [
            ("::ffff:10.0.0.1", &["10.0.0.1"][..]),
            ("::10.0.0.1", &["10.0.0.1"]),
            ("64:ff9b::10.0.0.1", &["10.0.0.1"]),
            ("64:ff9b:1::10.0.0.1", &["10.0.0.1"]),
            ("64:ff9b:1:a00:0:100::", &["10.0.0.1"]),
            ("2002:a00:1::1", &["10.0.0.1"]),
            ("2001:0:102:304::f5ff:fffe", &["1.2.3.4", "10.0.0.1"]),
            ("2a00::5efe:10.0.0.1", &["10.0.0.1"]),
            ("2a00::1", &[]),
            ("::1", &[]),
            ("::", &[]),
            ("10.0.0.1", &[]),
        ] {
            let expected: Vec<IpAddr> = inside.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(embedded(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
