//! IPv4, IPv6 and MAC addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{IPV4, IPV4_PRIVATE, IPV6, IPV6_PRIVATE, MAC, at, before, run, wordy};

/// Networks that are not global, and those within them that are: the special-purpose registry of IANA (RFC 6890) as
/// Python's `ipaddress` reads it, with 100.64.0.0/10. Multicast counts as global there.
const NOT_GLOBAL: [(u32, u32); 14] = [
    (0, 8),
    (0x0A00_0000, 8),
    (0x6440_0000, 10),
    (0x7F00_0000, 8),
    (0xA9FE_0000, 16),
    (0xAC10_0000, 12),
    (0xC000_0000, 24),
    (0xC000_00AA, 31),
    (0xC000_0200, 24),
    (0xC0A8_0000, 16),
    (0xC612_0000, 15),
    (0xC633_6400, 24),
    (0xCB00_7100, 24),
    (0xF000_0000, 4),
];
const YET_GLOBAL: [u32; 2] = [0xC000_0009, 0xC000_000A];

/// Whether an IPv4 address can be reached from anywhere.
pub(in crate::tag) fn is_global(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let inside = |&(network, length): &(u32, u32)| (bits ^ network) >> (32 - length) == 0;
    YET_GLOBAL.contains(&bits) || !NOT_GLOBAL.iter().any(inside)
}

/// The IPv4 address at the start of a text and its length: four numbers of 0 to 255 without leading zeros.
fn ipv4(bytes: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut parts = [0u8; 4];
    let mut end = 0;
    for (i, part) in parts.iter_mut().enumerate() {
        if i > 0 {
            if at(bytes, end) != b'.' {
                return None;
            }
            end += 1;
        }
        let length = run(bytes, end, 4, |b| b.is_ascii_digit());
        let digits = &bytes[end..end + length];
        if digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        *part = std::str::from_utf8(digits).ok()?.parse().ok()?;
        end += length;
    }
    Some((Ipv4Addr::from(parts), end))
}

/// An IPv4 address that begins at a run of digits.
pub(super) fn at_number(bytes: &[u8], start: usize) -> Option<(usize, usize, usize)> {
    let ahead = before(bytes, start);
    if wordy(ahead) || matches!(ahead, b'.' | b'-' | b'_' | b'+') {
        return None;
    }
    let (address, length) = ipv4(&bytes[start..])?;
    let end = start + length;
    let (next, behind) = (at(bytes, end), at(bytes, end + 1));
    // Part of a longer number, name or version.
    if wordy(next) || next == b'_' || (matches!(next, b'.' | b'-') && wordy(behind)) {
        return None;
    }
    let ahead = &bytes[start.saturating_sub(12)..start];
    let ahead = ahead.trim_ascii_end();
    if ahead.len() >= 7 && ahead[ahead.len() - 7..].eq_ignore_ascii_case(b"version") {
        return None;
    }
    Some((if is_global(address) { IPV4 } else { IPV4_PRIVATE }, start, end))
}

const LONGEST_IPV6: usize = 45;

/// An IPv6 or MAC address whose first colon this is.
pub(super) fn at_colon(bytes: &[u8], colon: usize, free: usize) -> Option<(usize, usize, usize)> {
    let hex = |b: u8| b.is_ascii_hexdigit();
    let head = bytes[free.max(colon.saturating_sub(5))..colon].iter().rev().take_while(|b| hex(**b)).count();
    let start = colon - head;
    let ahead = before(bytes, start);
    if head > 4 || wordy(ahead) || matches!(ahead, b':' | b'.' | b'_') {
        return None;
    }
    let length = run(bytes, start, LONGEST_IPV6 + 1, |b| hex(b) || matches!(b, b':' | b'.'));
    let mut address = &bytes[start..start + length];
    while let Some((b'.' | b':', rest)) = address.split_last() {
        if address.ends_with(b"::") {
            break;
        }
        address = rest;
    }
    let end = start + address.len();
    if length > LONGEST_IPV6 || wordy(at(bytes, end)) || at(bytes, end) == b'_' {
        return None;
    }
    if is_mac(address, b':') {
        return Some((MAC, start, end));
    }
    let parsed: Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
    let groups = || address.split(|b| *b == b':').filter(|group| !group.is_empty());
    let count = groups().count();
    // `a::b` is a name in code more often than an address, and eight pairs are the bytes of something.
    let short = memchr::memmem::find(address, b"::").is_some()
        && (!address.iter().any(u8::is_ascii_digit) || (count < 3 && head < 3));
    if short || groups().all(|group| group.len() == 2) {
        return None;
    }
    Some((if is_local(parsed) { IPV6_PRIVATE } else { IPV6 }, start, end))
}

/// Loopback, mapped IPv4, documentation, unique local, link local (the special-purpose registry of IANA).
fn is_local(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    first == 0
        || (first == 0x2001 && second == 0xdb8)
        || first == 0x100
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
}

/// Six pairs of hexadecimal digits with one separator between them.
fn is_mac(bytes: &[u8], separator: u8) -> bool {
    bytes.len() == 17
        && bytes
            .iter()
            .enumerate()
            .all(|(i, b)| if i % 3 == 2 { *b == separator } else { b.is_ascii_hexdigit() })
        && bytes.iter().any(|b| !matches!(b, b'0' | b':' | b'-'))
}

/// A MAC address with hyphens, whose first one this is.
pub(super) fn at_hyphen(bytes: &[u8], hyphen: usize, free: usize) -> Option<(usize, usize, usize)> {
    let start = hyphen.checked_sub(2).filter(|start| *start >= free)?;
    let (end, ahead) = (start + 17, before(bytes, start));
    let edge = |b: u8| wordy(b) || matches!(b, b'-' | b'_');
    let fits = !edge(ahead) && !edge(at(bytes, end)) && is_mac(bytes.get(start..end)?, b'-');
    fits.then_some((MAC, start, end))
}

#[cfg(test)]
mod tests {
    use super::super::tests::one;
    use super::*;

    #[test]
    fn addresses_are_told_from_numbers_and_versions() {
        for (text, address) in
            [("at 8.8.8.8.", "8.8.8.8"), ("(1.0.0.9:80)", "1.0.0.9"), ("8.8.4.4/24", "8.8.4.4")]
        {
            assert_eq!(one("ipv4", text), Some(address), "{text}");
        }
        for text in ["10.0.0.1", "x 192.168.1.254!", "[127.0.0.1]:80", "100.64.3.4", "203.0.113.9", "0.0.0.0"]
        {
            assert!(one("ipv4_private", text).is_some(), "{text}");
        }
        for text in [
            "1.2.3.4.5",
            "256.1.1.1",
            "01.2.3.4",
            "v1.2.3.4",
            "version 1.2.3.4",
            "1.2.3.4-beta",
            "1.2.3",
            "-1.2.3.4",
        ] {
            assert_eq!(one("ipv4", text), None, "{text}");
        }
        assert!(is_global(Ipv4Addr::new(192, 0, 0, 9)) && !is_global(Ipv4Addr::new(192, 0, 0, 8)));
        assert!(is_global(Ipv4Addr::new(224, 0, 0, 1)) && !is_global(Ipv4Addr::new(255, 255, 255, 255)));
    }

    #[test]
    fn ipv6_is_told_from_names_and_times() {
        for (text, address) in [
            ("host 2a00:1450:4001:81b::200e.", "2a00:1450:4001:81b::200e"),
            ("[2606:4700:4700::1111]:53", "2606:4700:4700::1111"),
            ("2001:470:1:2:3:4:5:6,", "2001:470:1:2:3:4:5:6"),
        ] {
            assert_eq!(one("ipv6", text), Some(address), "{text}");
        }
        for text in ["fe80::1", "2001:db8::1", "fd12:3456::9"] {
            assert_eq!(one("ipv6_private", text), Some(text));
        }
        for text in [
            "a::b",
            "12:30:45",
            "std::add",
            "dead::beef",
            "10::",
            "::",
            "00:11:22:33:44:55:66:77",
            "1:2:3:4:5:6:7",
        ] {
            assert_eq!(one("ipv6", text), None, "{text}");
        }
        for text in ["00:1a:2B:3c:4d:5e", "00-1A-2B-3C-4D-5E"] {
            assert_eq!(one("mac", &format!("({text})")), Some(text));
        }
        assert_eq!(one("mac", "00-1A-2B-3C-4D-5E-6F"), None);
        assert_eq!(one("mac", "00:00:00:00:00:00"), None);
    }
}
