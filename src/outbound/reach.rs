//! Which network addresses a stranger's URL may lead to. Pure: an address in, a verdict out; resolving names is [`super::client`]'s.
//!
//! Sources: IANA special-purpose registries for IPv4 (RFC 6890 and updates) and IPv6. For IPv6 the list is turned round: only
//! global unicast 2000::/3 is public, less the blocks inside it that are tunnels, documentation or protocol assignments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How far a stranger's URL may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The public internet alone: every market that is not marked `local`.
    PublicOnly,
    /// Loopback and private networks too: a market with `local: true`. Link-local stays shut, a cloud's metadata lives there.
    LocalMarket,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// RFC 1918, shared address space (RFC 6598), unique local (RFC 4193).
    Private,
    /// 169.254.0.0/16, fe80::/10: metadata services.
    LinkLocal,
    /// The cluster's own ranges, from configuration.
    Cluster,
    /// Unspecified, multicast, broadcast, documentation, benchmarking, reserved, or IPv4 hidden in a tunnel's IPv6.
    Special,
}

impl Unreachable {
    /// The words for a message.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Loopback => "is a loopback address",
            Self::Private => "is a private address",
            Self::LinkLocal => "is a link-local address",
            Self::Cluster => "lies in the cluster's own range",
            Self::Special => "is a special-purpose address",
        }
    }
}

impl Reach {
    /// Whether a connection to the address may be opened; `cluster` are ranges that are refused whatever they look like.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(self, address: IpAddr, cluster: &[IpNet]) -> Result<(), Unreachable> {
        let address = unmapped(address);
        if cluster.iter().any(|net| net.contains(&address)) {
            return Err(Unreachable::Cluster);
        }
        match (self, class(address)) {
            (Self::PublicOnly | Self::LocalMarket, None)
            | (Self::LocalMarket, Some(Unreachable::Loopback | Unreachable::Private)) => Ok(()),
            (Self::PublicOnly, Some(why @ (Unreachable::Loopback | Unreachable::Private)))
            | (
                Self::PublicOnly | Self::LocalMarket,
                Some(why @ (Unreachable::LinkLocal | Unreachable::Cluster | Unreachable::Special)),
            ) => Err(why),
        }
    }
}

/// `::ffff:10.0.0.1` is 10.0.0.1 to every operating system.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

/// None is public.
fn class(address: IpAddr) -> Option<Unreachable> {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Option<Unreachable> {
    const fn net(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
    }
    const RANGES: [(Ipv4Net, Unreachable); 16] = [
        (net(0, 0, 0, 8), Unreachable::Special),
        (net(10, 0, 0, 8), Unreachable::Private),
        (net(100, 64, 0, 10), Unreachable::Private),
        (net(127, 0, 0, 8), Unreachable::Loopback),
        (net(169, 254, 0, 16), Unreachable::LinkLocal),
        (net(172, 16, 0, 12), Unreachable::Private),
        (net(192, 0, 0, 24), Unreachable::Special),
        (net(192, 0, 2, 24), Unreachable::Special),
        (net(192, 31, 196, 24), Unreachable::Special),
        (net(192, 88, 99, 24), Unreachable::Special),
        (net(192, 168, 0, 16), Unreachable::Private),
        (net(198, 18, 0, 15), Unreachable::Special),
        (net(198, 51, 100, 24), Unreachable::Special),
        (net(203, 0, 113, 24), Unreachable::Special),
        (net(224, 0, 0, 4), Unreachable::Special),
        (net(240, 0, 0, 4), Unreachable::Special),
    ];
    RANGES
        .into_iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, why)| why)
}

fn class_v6(address: Ipv6Addr) -> Option<Unreachable> {
    const fn net(a: u16, b: u16, prefix: u8) -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
    }
    const RANGES: [(Ipv6Net, Unreachable); 6] = [
        (net(0xfc00, 0, 7), Unreachable::Private),
        (net(0xfe80, 0, 10), Unreachable::LinkLocal),
        // IETF protocol assignments: Teredo (which hides IPv4), ORCHID, benchmarking.
        (net(0x2001, 0, 23), Unreachable::Special),
        (net(0x2001, 0xdb8, 32), Unreachable::Special),
        // 6to4 hides IPv4.
        (net(0x2002, 0, 16), Unreachable::Special),
        (net(0x3fff, 0, 20), Unreachable::Special),
    ];
    const GLOBAL: Ipv6Net = net(0x2000, 0, 3);
    if address == Ipv6Addr::LOCALHOST {
        return Some(Unreachable::Loopback);
    }
    match RANGES.into_iter().find(|(net, _)| net.contains(&address)) {
        Some((_, why)) => Some(why),
        None if GLOBAL.contains(&address) => None,
        None => Some(Unreachable::Special),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn public(address: &str) -> Result<(), Unreachable> {
        Reach::PublicOnly.admits(address.parse().unwrap(), &[])
    }

    fn local(address: &str) -> Result<(), Unreachable> {
        Reach::LocalMarket.admits(address.parse().unwrap(), &[])
    }

    /// First and last address of every range, and its neighbours outside.
    #[rstest]
    #[case::this_network("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0"), Unreachable::Special)]
    #[case::ten(
        "10.0.0.0",
        "10.255.255.255",
        Some("9.255.255.255"),
        Some("11.0.0.0"),
        Unreachable::Private
    )]
    #[case::shared(
        "100.64.0.0",
        "100.127.255.255",
        Some("100.63.255.255"),
        Some("100.128.0.0"),
        Unreachable::Private
    )]
    #[case::loopback(
        "127.0.0.0",
        "127.255.255.255",
        Some("126.255.255.255"),
        Some("128.0.0.0"),
        Unreachable::Loopback
    )]
    #[case::metadata(
        "169.254.0.0",
        "169.254.255.255",
        Some("169.253.255.255"),
        Some("169.255.0.0"),
        Unreachable::LinkLocal
    )]
    #[case::the_metadata_service("169.254.169.254", "169.254.169.254", None, None, Unreachable::LinkLocal)]
    #[case::one_seven_two(
        "172.16.0.0",
        "172.31.255.255",
        Some("172.15.255.255"),
        Some("172.32.0.0"),
        Unreachable::Private
    )]
    #[case::protocol(
        "192.0.0.0",
        "192.0.0.255",
        Some("191.255.255.255"),
        Some("192.0.1.0"),
        Unreachable::Special
    )]
    #[case::test_net_1(
        "192.0.2.0",
        "192.0.2.255",
        Some("192.0.1.255"),
        Some("192.0.3.0"),
        Unreachable::Special
    )]
    #[case::as112(
        "192.31.196.0",
        "192.31.196.255",
        Some("192.31.195.255"),
        Some("192.31.197.0"),
        Unreachable::Special
    )]
    #[case::relay(
        "192.88.99.0",
        "192.88.99.255",
        Some("192.88.98.255"),
        Some("192.88.100.0"),
        Unreachable::Special
    )]
    #[case::one_nine_two(
        "192.168.0.0",
        "192.168.255.255",
        Some("192.167.255.255"),
        Some("192.169.0.0"),
        Unreachable::Private
    )]
    #[case::benchmark(
        "198.18.0.0",
        "198.19.255.255",
        Some("198.17.255.255"),
        Some("198.20.0.0"),
        Unreachable::Special
    )]
    #[case::test_net_2(
        "198.51.100.0",
        "198.51.100.255",
        Some("198.51.99.255"),
        Some("198.51.101.0"),
        Unreachable::Special
    )]
    #[case::test_net_3(
        "203.0.113.0",
        "203.0.113.255",
        Some("203.0.112.255"),
        Some("203.0.114.0"),
        Unreachable::Special
    )]
    #[case::multicast(
        "224.0.0.0",
        "239.255.255.255",
        Some("223.255.255.255"),
        None,
        Unreachable::Special
    )]
    #[case::reserved("240.0.0.0", "255.255.255.255", None, None, Unreachable::Special)]
    #[case::v6_unspecified("::", "::", None, None, Unreachable::Special)]
    #[case::v6_loopback("::1", "::1", None, None, Unreachable::Loopback)]
    #[case::v4_compatible("::2", "::255.255.255.255", None, None, Unreachable::Special)]
    #[case::nat64("64:ff9b::", "64:ff9b::ffff:ffff", None, None, Unreachable::Special)]
    #[case::nat64_local(
        "64:ff9b:1::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        None,
        None,
        Unreachable::Special
    )]
    #[case::discard(
        "100::",
        "100::ffff:ffff:ffff:ffff",
        None,
        Some("2000::"),
        Unreachable::Special
    )]
    #[case::teredo(
        "2001::",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        None,
        Some("2001:200::"),
        Unreachable::Special
    )]
    #[case::v6_documentation(
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        Some("2001:db7::"),
        Some("2001:db9::"),
        Unreachable::Special
    )]
    #[case::six_to_four(
        "2002::",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some("2001:ffff::"),
        Some("2003::"),
        Unreachable::Special
    )]
    #[case::v6_documentation_2(
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some("3ffe::"),
        Some("3fff:1000::"),
        Unreachable::Special
    )]
    #[case::segment_routing("5f00::", "5f00::1", None, None, Unreachable::Special)]
    #[case::unique_local(
        "fc00::",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        None,
        None,
        Unreachable::Private
    )]
    #[case::v6_link_local(
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        None,
        None,
        Unreachable::LinkLocal
    )]
    #[case::site_local("fec0::", "feff::1", None, None, Unreachable::Special)]
    #[case::v6_multicast("ff00::", "ffff::1", None, None, Unreachable::Special)]
    fn each_range_is_refused_from_end_to_end(
        #[case] first: &str,
        #[case] last: &str,
        #[case] before: Option<&str>,
        #[case] after: Option<&str>,
        #[case] why: Unreachable,
    ) {
        assert_eq!(public(first), Err(why));
        assert_eq!(public(last), Err(why));
        for outside in [before, after].into_iter().flatten() {
            assert_eq!(public(outside), Ok(()), "{outside}");
        }
        let allowed_locally = matches!(why, Unreachable::Loopback | Unreachable::Private);
        assert_eq!(local(first).is_ok(), allowed_locally);
        assert_eq!(local(last).is_ok(), allowed_locally);
    }

    #[test]
    fn the_public_internet_is_reachable_from_any_market() {
        for address in ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert_eq!((public(address), local(address)), (Ok(()), Ok(())), "{address}");
        }
    }

    #[test]
    fn the_clusters_own_ranges_are_refused_even_where_they_are_public_or_local() {
        let cluster = [
            "44.0.0.0/8".parse().unwrap(),
            "fd00:1::/64".parse().unwrap(),
            "10.96.0.0/12".parse().unwrap(),
        ];
        for address in ["44.1.2.3", "::ffff:44.1.2.3", "fd00:1::5", "10.96.0.1"] {
            for reach in [Reach::PublicOnly, Reach::LocalMarket] {
                assert_eq!(
                    reach.admits(address.parse().unwrap(), &cluster),
                    Err(Unreachable::Cluster)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_treated_as_the_one_it_maps(v4: [u8; 4]) {
            let v4 = Ipv4Addr::from(v4);
            for reach in [Reach::PublicOnly, Reach::LocalMarket] {
                prop_assert_eq!(
                    reach.admits(IpAddr::V6(v4.to_ipv6_mapped()), &[]),
                    reach.admits(IpAddr::V4(v4), &[])
                );
            }
        }

        /// The standard library's own notions agree wherever they are stable.
        #[test]
        fn what_std_calls_private_is_never_public(v4: [u8; 4], v6: [u8; 16]) {
            let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_unspecified()
            {
                prop_assert!(Reach::PublicOnly.admits(IpAddr::V4(v4), &[]).is_err());
            }
            if v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local() {
                prop_assert!(Reach::PublicOnly.admits(IpAddr::V6(v6), &[]).is_err());
            }
        }
    }
}
